//! The API's document, made from the code: routes, parameters, schemas.

use serde_json::{Map, Value, json};
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;

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
    components(schemas(super::problem::ProblemBody))
)]
struct About;

/// The document, as clients get it.
pub fn document() -> Document {
    let (_, document) = super::routes().split_for_parts();
    let mut about = About::openapi();
    about.merge(document);
    let mut value = serde_json::to_value(&about).unwrap_or_default();
    if let Some(schemas) = value.pointer("/components/schemas").cloned() {
        close_variants(&mut value, &schemas);
    }
    serde_json::from_value(value).unwrap_or(about)
}

/// The document as YAML, as `openapi.yaml` holds it.
///
/// # Errors
/// When it cannot be written, which is a defect.
pub fn yaml() -> Result<String, String> {
    document().to_yaml().map_err(|error| error.to_string())
}

/// serde refuses unknown fields in the variants of a tagged enum; the derived schema does not say
/// so. Here each becomes one closed object: a variant that refers to a struct takes in its fields.
fn close_variants(value: &mut Value, schemas: &Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::Array(variants)) = fields.get_mut("oneOf") {
                variants
                    .iter_mut()
                    .for_each(|variant| close(variant, schemas));
            }
            fields
                .values_mut()
                .for_each(|field| close_variants(field, schemas));
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| close_variants(item, schemas)),
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
    if variant.pointer("/properties/type/enum").is_some() {
        variant["additionalProperties"] = json!(false);
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
