//! What is wrong with a query, by the parameters that the API's document shows for it, in the words that
//! bodies are answered with.

use std::collections::HashSet;

use serde_json::{Map, Value, json};
use trainyard_learn::problem::Problem;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use super::{Walk, escape, is_required, resolve, suggest, types};

/// Everything that is wrong with a query.
pub(in crate::http) fn query<T: IntoParams>(query: &str) -> Vec<Problem> {
    let schema = object(&T::into_params(|| Some(ParameterIn::Query)));
    let none = Map::new();
    let known = schema["properties"].as_object().unwrap_or(&none);
    let mut walk = Walk { problems: Vec::new(), body: None };
    let mut seen = HashSet::new();
    for (name, text) in url::form_urlencoded::parse(query.as_bytes()) {
        let at = format!("/query/{}", escape(&name));
        match known.get(&*name) {
            None => {
                let problem = Problem::new(at, "is no parameter here");
                walk.push(match known.is_empty() {
                    true => problem.suggest("leave it out"),
                    false => suggest(problem, &name, known.keys().map(String::as_str)),
                });
            }
            Some(_) if !seen.insert(name.clone()) => {
                walk.push(Problem::new(at, "is there twice"));
            }
            Some(schema) => {
                walk.value(schema, &mut read(schema, &text), &at);
            }
        }
    }
    for name in known.keys().filter(|name| is_required(&schema, name)) {
        if !seen.contains(name.as_str()) {
            walk.push(Problem::new(format!("/query/{name}"), "is required"));
        }
    }
    walk.problems
}

/// Parameters as the schema of an object.
fn object(parameters: &[Parameter]) -> Value {
    let parameters = serde_json::to_value(parameters).unwrap_or_default();
    let parameters = parameters.as_array().map(Vec::as_slice).unwrap_or_default();
    let property = |parameter: &Value| {
        Some((parameter["name"].as_str()?.to_owned(), parameter["schema"].clone()))
    };
    let required: Vec<&Value> =
        parameters.iter().filter(|p| p["required"] == true).map(|p| &p["name"]).collect();
    let properties: Map<String, Value> = parameters.iter().filter_map(property).collect();
    json!({"properties": properties, "required": required})
}

/// A text as what it is to be, if it can be read as that.
fn read(schema: &Value, text: &str) -> Value {
    let read = |name: &&str| match *name {
        "integer" => text.parse::<i64>().ok().map(Value::from),
        "number" => text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from),
        "boolean" => text.parse::<bool>().ok().map(Value::from),
        _ => None,
    };
    types(resolve(schema)).iter().find_map(read).unwrap_or_else(|| text.into())
}
