//! A job's spec with some of its parameters set to other values, each checked as a job by itself.

use serde_json::{Map, Value, json};
use trainyard_learn::preprocess::PreprocessSpec;
use trainyard_learn::problem::Problem;
use trainyard_learn::training::TrainingSpec;

use super::validate::{self, NO_FIELD};
use crate::domain::dataset::Dataset;
use crate::domain::limits::Limits;
use crate::domain::spec::search::SearchSpec;
use crate::domain::spec::{CheckedJob, JobRequest, VARIED, check, default_optimizer};

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

/// So many values of a search are looked at by themselves.
const MAX_VALUES: usize = 1_000;

/// What is wrong with the paths of a search and the values that it tries, as far as the shape of a spec
/// tells: it can be told beside whatever else is wrong, which is `known`.
pub(super) fn searched(sent: &Value, search: &SearchSpec, known: &[Problem]) -> Vec<Problem> {
    let left_out = json!({
        "optimizer": default_optimizer(),
        "training": TrainingSpec::default(),
        "preprocess": PreprocessSpec::default(),
    });
    let mut problems = Vec::new();
    let mut room = MAX_VALUES;
    for (path, choices) in &search.space {
        let part = path.split('.').next().unwrap_or_default();
        let pointer = format!("/{}", path.replace('.', "/"));
        // Of a part that was not understood nobody knows which fields it has.
        let is_unknown = known.iter().any(|problem| {
            let outer = problem.pointer.strip_suffix("/type").unwrap_or(&problem.pointer);
            pointer.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'))
        });
        if is_unknown || !VARIED.contains(&part) {
            continue;
        }
        let at = format!("/search/space/{}", path.replace('~', "~0").replace('/', "~1"));
        let values = choices.choice.iter().enumerate().take(room);
        room -= values.len();
        for (index, value) in values {
            let mut spec = json!({});
            spec[part] = sent.get(part).cloned().unwrap_or_default();
            // What hangs on defaults that are found with the data is left to the candidates.
            if set(&mut spec, &left_out, path, value).is_err() {
                break;
            }
            let found = validate::check::<JobRequest>(spec).problems;
            let mut here = found.into_iter().filter_map(|problem| {
                let rest = problem.pointer.strip_prefix(&pointer)?.to_owned();
                (rest.is_empty() || rest.starts_with('/')).then_some((rest, problem))
            });
            let Some((rest, problem)) = here.next() else { continue };
            if rest.is_empty() && problem.detail == NO_FIELD {
                let suggestion = problem.suggestion.map(|name| beside(path, name));
                problems.push(Problem { pointer: at.clone(), suggestion, ..problem });
                break;
            }
            let each = std::iter::once((rest, problem)).chain(here);
            problems.extend(each.map(|(rest, problem)| Problem {
                pointer: format!("{at}/choice/{index}{rest}"),
                ..problem
            }));
        }
    }
    problems
}

/// A field's name as the path that has it for its last part; what is no name stays what it is.
fn beside(path: &str, name: String) -> String {
    match path.rsplit_once('.') {
        Some((parent, _)) if name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => {
            format!("{parent}.{name}")
        }
        _ => name,
    }
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
