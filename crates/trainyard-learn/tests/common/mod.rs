//! What the tests against golden files of mathematical functions share.

use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::json;

/// The golden file of that name.
pub(crate) fn golden<T: DeserializeOwned>(name: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

/// The names of all variants of a spec, from what serde says of an unknown one: a list by hand could
/// forget the newest.
pub(crate) fn variants<T: DeserializeOwned>() -> Vec<String> {
    let Err(error) = serde_json::from_value::<T>(json!({"type": "no such variant"})) else {
        panic!("no variant has this name");
    };
    let names: Vec<String> =
        error.to_string().split('`').skip(3).step_by(2).map(String::from).collect();
    assert!(names.len() > 1, "{error}");
    names
}
