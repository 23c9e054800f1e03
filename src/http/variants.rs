//! A job's spec with some of its parameters set to other values, each checked as a job by itself.

use serde_json::{Map, Value};
use trainyard_learn::problem::Problem;

use super::validate;
use crate::domain::dataset::Dataset;
use crate::domain::limits::Limits;
use crate::domain::spec::{CheckedJob, JobRequest, check};

/// The job with each parameter, by its path in the spec, set to its value.
///
/// # Errors
/// What is wrong with it then, with pointers into the spec.
pub(super) fn variant(
    (sent, checked): (&Value, &CheckedJob),
    settings: &Map<String, Value>,
    dataset: &Dataset,
    limits: &Limits,
) -> Result<CheckedJob, Vec<Problem>> {
    let mut spec = sent.clone();
    let resolved = serde_json::to_value(&checked.spec).unwrap_or_default();
    for field in ["curve", "search", "name", "metadata"] {
        spec.as_object_mut().map(|spec| spec.remove(field));
    }
    for (path, value) in settings {
        set(&mut spec, &resolved, path, value)?;
    }
    let request = validate::check::<JobRequest>(spec).into_valid()?;
    check(request, dataset, limits)
}

/// Sets what stands at the path. What the client left out is taken as it was resolved.
fn set(spec: &mut Value, resolved: &Value, path: &str, value: &Value) -> Result<(), Vec<Problem>> {
    let pointer = format!("/{}", path.replace('.', "/"));
    let Some((parent, field)) = pointer.rsplit_once('/') else { return Ok(()) };
    let part = path.split('.').next().unwrap_or_default();
    if spec.pointer(parent).is_none_or(|parent| !parent.is_object() && !parent.is_array()) {
        spec[part] = resolved[part].clone();
    }
    match spec.pointer_mut(parent) {
        Some(Value::Object(fields)) => put(fields, field, value),
        Some(Value::Array(items)) => match field.parse().ok().and_then(|i: usize| items.get_mut(i))
        {
            Some(item) => *item = value.clone(),
            None => {
                let detail = format!("has {} items, counted from 0", items.len());
                return Err(vec![Problem::new(parent, detail)]);
            }
        },
        _ => return Err(vec![Problem::new(parent, "has no fields")]),
    }
    Ok(())
}

fn put(fields: &mut Map<String, Value>, field: &str, value: &Value) {
    fields.insert(field.to_owned(), value.clone());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_leads_through_objects_and_lists() {
        let resolved = json!({"optimizer": {"type": "adam", "learning_rate": 0.001}});
        let mut spec = json!({"model": {"layers": [{"units": 4}, {"units": 1}]}});
        let mut put = |path, value| set(&mut spec, &resolved, path, &value);
        put("model.layers.0.units", json!(8)).unwrap();
        put("optimizer.learning_rate", json!(0.1)).unwrap();
        put("loss", json!("huber")).unwrap();
        assert_eq!(put("model.layers.5", json!({})).unwrap_err()[0].pointer, "/model/layers");
        assert_eq!(put("training.batch.size", json!(1)).unwrap_err()[0].pointer, "/training/batch");
        assert_eq!(spec["model"]["layers"], json!([{"units": 8}, {"units": 1}]));
        assert_eq!(spec["optimizer"], json!({"type": "adam", "learning_rate": 0.1}));
        assert_eq!(spec["loss"], "huber");
    }
}
