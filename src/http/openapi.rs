//! The API's document, made from the code: routes, parameters, schemas.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};
use utoipa::OpenApi;

/// What is said about the API as a whole; routes add themselves.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "trainyard",
        description = "Training as a service: POST a dataset and a job, get cross-validated \
                       models and predictions.\n\nEvery answer that is not a success is an \
                       `application/problem+json` that says all that is wrong, where, and what \
                       would be right."
    ),
    tags(
        (name = "datasets", description = "Tables to train on."),
        (name = "jobs", description = "Cross-validation and training."),
        (name = "models", description = "Trained models and their predictions."),
        (name = "operations", description = "Health and documentation.")
    ),
    // What is large and stands in many answers is collected here once, not with each of them: the
    // fields are marked `no_recursion`.
    components(schemas(
        super::problem::ProblemBody,
        crate::domain::spec::ModelSpec,
        trainyard_learn::optim::OptimizerSpec,
        trainyard_learn::optim::Clip,
        trainyard_learn::schedule::ScheduleSpec,
        trainyard_learn::training::TrainingSpec,
        trainyard_learn::preprocess::PreprocessSpec,
    ))
)]
struct About;

/// The document, as clients get it; made when it is first needed.
pub static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let (_, routes) = super::routes().split_for_parts();
    let mut document = About::openapi();
    document.merge(routes);
    let mut document = serde_json::to_value(&document).unwrap_or_default();
    let schemas = document["components"]["schemas"].clone();
    close_variants(&mut document, &schemas);
    describe_ids(&mut document, &schemas);
    document
});

/// The document as YAML, as `openapi.yaml` holds it.
///
/// # Errors
/// When it cannot be written, which is a defect.
pub fn yaml() -> Result<String, yaml_serde::Error> {
    yaml_serde::to_string(&*DOCUMENT)
}

/// serde refuses unknown fields in the variants of a tagged enum; the derived schema does not say
/// so. Here each becomes one closed object: a variant that refers to a struct takes in its fields.
fn close_variants(value: &mut Value, schemas: &Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::Array(variants)) = fields.get_mut("oneOf") {
                variants.iter_mut().for_each(|variant| close(variant, schemas));
            }
            fields.values_mut().for_each(|field| close_variants(field, schemas));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| close_variants(item, schemas)),
        _ => {}
    }
}

fn close(variant: &mut Value, schemas: &Value) {
    if let Some(parts) = variant["allOf"].as_array().cloned() {
        let mut merged = Map::new();
        for part in parts {
            let part = match part["$ref"].as_str().and_then(|r| r.rsplit('/').next()) {
                Some(name) => schemas[name].clone(),
                None => part,
            };
            merge(&mut merged, part);
        }
        if let Some(description) = variant.get("description") {
            merged.insert("description".to_owned(), description.clone());
        }
        *variant = Value::Object(merged);
    }
    if let Some(name) = variant.pointer("/properties/type/enum/0").cloned() {
        variant["additionalProperties"] = json!(false);
        // serde's tag is no field of its own, so it has no comment that could say this.
        variant["properties"]["type"]["description"] =
            json!(format!("That it is this one: {name}."));
    }
}

/// A parameter that is an id is described where the id is.
fn describe_ids(document: &mut Value, schemas: &Value) {
    let paths = document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    let calls = paths.filter_map(Value::as_object_mut).flat_map(Map::values_mut);
    let parameters = calls.filter_map(|call| call.get_mut("parameters")?.as_array_mut()).flatten();
    for parameter in parameters.filter(|parameter| parameter.get("description").is_none()) {
        let schema = parameter["schema"]["$ref"].as_str().and_then(|r| r.rsplit('/').next());
        if let Some(description) = schema.and_then(|name| schemas[name].get("description")) {
            parameter["description"] = description.clone();
        }
    }
}

fn merge(into: &mut Map<String, Value>, part: Value) {
    let Value::Object(part) = part else { return };
    for (key, value) in part {
        match (into.get_mut(&key), value) {
            (Some(Value::Object(there)), Value::Object(more)) => there.extend(more),
            (Some(Value::Array(there)), Value::Array(more)) => there.extend(more),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls `look` with every object in a document, and where it is.
    fn walk(value: &Value, at: &str, look: &mut dyn FnMut(&Map<String, Value>, &str)) {
        match value {
            Value::Object(fields) => {
                look(fields, at);
                fields.iter().for_each(|(name, field)| walk(field, &format!("{at}/{name}"), look));
            }
            Value::Array(items) => {
                let items = items.iter().enumerate();
                items.for_each(|(index, item)| walk(item, &format!("{at}/{index}"), look));
            }
            _ => {}
        }
    }

    fn is_described(schema: &Value) -> bool {
        let says =
            |schema: &Value| schema["description"].as_str().is_some_and(|text| text.len() > 3);
        says(schema) || schema["oneOf"].as_array().is_some_and(|variants| variants.iter().any(says))
    }

    #[test]
    fn every_property_and_every_parameter_says_what_it_is() {
        let (mut n, mut silent) = (0, Vec::new());
        walk(&DOCUMENT, "", &mut |fields, at| {
            // A property may be called `properties`, and an example may hold anything.
            let is_schema = fields.get("type").is_some_and(|of| of == "object");
            let properties = fields.get("properties").filter(|_| is_schema);
            for (name, property) in properties.and_then(Value::as_object).into_iter().flatten() {
                n += 1;
                if !is_described(property) {
                    silent.push(format!("{at}/{name}"));
                }
            }
            for parameter in
                fields.get("parameters").and_then(Value::as_array).into_iter().flatten()
            {
                n += 1;
                if !is_described(parameter) {
                    silent.push(format!("{at}: {}", parameter["name"]));
                }
            }
        });
        assert!(n > 700, "{n}");
        assert_eq!(silent, [""; 0]);
    }
}
