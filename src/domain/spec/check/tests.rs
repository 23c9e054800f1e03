use serde_json::{Value, json};
use trainyard_formats::{Limits as FormatLimits, ReadOptions, read};
use trainyard_learn::describe::describe;
use trainyard_learn::scalar::Scalar;

use super::*;
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::dataset::{Content, TableBytes};
use crate::domain::ids::DatasetId;

/// A dataset of these rows, as an upload makes it.
fn dataset(text: &str) -> Dataset {
    let source = std::io::Cursor::new(text.to_owned());
    let loaded = read(source, None, &ReadOptions::default(), &FormatLimits::default()).unwrap();
    Dataset {
        id: DatasetId::new(&Clock::system()),
        name: None,
        size_bytes: text.len() as u64,
        sha256: String::new(),
        reading: loaded.options_used,
        content: Content {
            n_rows: loaded.table.n_rows(),
            columns: describe(&loaded.table),
            warnings: vec![],
            generator: None,
            table: Some(TableBytes::of(&loaded.table)),
        },
        created_at: Timestamp(0),
    }
}

/// Two features and a text target: ten rows of "no" and ten of "yes".
fn flowers() -> Dataset {
    let rows: String = (0..20)
        .map(|i| format!("{i},{},{}\n", i % 7, if i % 2 == 0 { "no" } else { "yes" }))
        .collect();
    dataset(&format!("length,width,bloom\n{rows}"))
}

fn request(dataset: &Dataset, changes: &Value) -> JobRequest {
    let mut request = json!({
        "dataset_id": dataset.id, "target": "bloom", "model": {"type": "perceptron"},
        "cv": {"type": "stratified_kfold", "n_splits": 5},
    });
    for (key, value) in changes.as_object().unwrap() {
        request[key] = value.clone();
    }
    serde_json::from_value(request).unwrap()
}

fn problems(dataset: &Dataset, changes: &Value) -> Vec<Problem> {
    check(request(dataset, changes), dataset, &Limits::default()).unwrap_err()
}

#[track_caller]
fn only(dataset: &Dataset, changes: &Value) -> Problem {
    let mut found = problems(dataset, changes);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn a_good_request_gets_its_defaults() {
    let dataset = flowers();
    let changes = json!({"random_state": 7, "cv": {"type": "repeated_stratified_kfold"}});
    let checked = check(request(&dataset, &changes), &dataset, &Limits::default()).unwrap();
    assert_eq!(checked.spec.features, ["length", "width"]);
    assert_eq!(checked.classes, [Scalar::Text("no".into()), Scalar::Text("yes".into())]);
    assert_eq!(checked.estimate.n_tasks, 51);
    assert_eq!(checked.estimate.n_parameters, 3);
    assert_eq!(serde_json::to_value(&checked.spec.cv).unwrap()["random_state"], 7);
}

#[test]
fn a_resolved_spec_resolves_to_itself() {
    let dataset = flowers();
    let check = |request| check(request, &dataset, &Limits::default()).unwrap().spec;
    let once = check(request(&dataset, &json!({"random_state": 3})));
    let again = serde_json::from_value(serde_json::to_value(&once).unwrap()).unwrap();
    assert_eq!(check(again), once);
}

#[test]
fn columns_that_do_not_exist_get_the_nearest_that_do() {
    let dataset = flowers();
    let found = problems(&dataset, &json!({"target": "blom", "features": ["lenght", "width"]}));
    let at = |pointer: &str| found.iter().find(|p| p.pointer == pointer).unwrap();
    assert_eq!(at("/target").suggestion.as_deref(), Some("bloom"));
    assert_eq!(at("/features/0").suggestion.as_deref(), Some("length"));
    assert_eq!(found.len(), 2);
}

#[test]
fn columns_of_words_and_with_gaps_are_prepared_unless_the_spec_keeps_their_gaps() {
    let rows: String =
        (0..20).map(|i| format!("{i},red,{},{}\n", if i == 3 { "" } else { "1" }, i % 2)).collect();
    let dataset = dataset(&format!("a,colour,gap,bloom\n{rows}"));
    let limits = Limits::default();
    let checked = check(request(&dataset, &json!({})), &dataset, &limits).unwrap();
    // Of two numbers and of one category, with the intercept.
    assert_eq!(checked.estimate.n_parameters, 4);
    let found = only(&dataset, &json!({"preprocess": {"numeric": {"impute": "none"}}}));
    assert_eq!(found.pointer, "/preprocess/numeric/impute");
    assert!(found.detail.contains("\"gap\""), "{}", found.detail);
    let kept = json!({
        "features": ["a", "colour"], "preprocess": {"numeric": {"impute": "none"}}
    });
    assert!(check(request(&dataset, &kept), &dataset, &limits).is_ok());
}

#[test]
fn a_target_among_the_features_or_twice_the_same() {
    let dataset = flowers();
    let found = problems(&dataset, &json!({"features": ["length", "length", "bloom"]}));
    let pointers: Vec<&str> = found.iter().map(|p| p.pointer.as_str()).collect();
    assert_eq!(pointers, ["/features/1", "/features/2"]);
}

#[test]
fn one_class_only() {
    let dataset = dataset("a,bloom\n1,yes\n2,yes\n3,yes\n4,yes\n5,yes\n");
    assert!(only(&dataset, &json!({})).detail.contains("one class only"));
}

#[test]
fn fewer_rows_of_a_class_than_folds() {
    let dataset = dataset("a,bloom\n1,no\n2,no\n3,yes\n4,yes\n5,yes\n6,yes\n7,yes\n");
    let found = only(&dataset, &json!({}));
    assert_eq!(found.pointer, "/cv/n_splits");
    assert!(found.detail.contains("class \"no\" has 2 rows"), "{found:?}");
}

#[test]
fn amounts_are_no_classes() {
    let rows: String = (0..40).map(|i| format!("{i},{i}.5\n")).collect();
    let fractions = dataset(&format!("a,bloom\n{rows}"));
    assert!(only(&fractions, &json!({})).detail.contains("holds amounts"));
    let explicit = only(&fractions, &json!({"task": "classification"}));
    assert!(explicit.detail.contains("fractions"));
    let rows: String = (0..80).map(|i| format!("{i},{}\n", i % 40)).collect();
    let whole = dataset(&format!("a,bloom\n{rows}"));
    let cv = json!({"type": "stratified_kfold", "n_splits": 2});
    assert!(only(&whole, &json!({"cv": cv})).suggestion.unwrap().contains("classification"));
    let changes = json!({"cv": cv, "task": "classification"});
    assert!(check(request(&whole, &changes), &whole, &Limits::default()).is_ok());
    assert_eq!(only(&whole, &json!({"cv": cv, "task": "regression"})).pointer, "/task");
}

#[test]
fn a_target_with_gaps() {
    let dataset = dataset("a,bloom\n1,no\n2,\n3,yes\n4,yes\n5,no\n");
    let cv = json!({"type": "stratified_kfold", "n_splits": 2});
    assert!(only(&dataset, &json!({"cv": cv})).detail.contains("1 missing values"));
}

#[test]
fn what_only_networks_take() {
    let dataset = flowers();
    let changes = json!({"optimizer": {"type": "adam"}, "loss": "mse", "training": {"epochs": 3}});
    let pointers: Vec<String> =
        problems(&dataset, &changes).into_iter().map(|p| p.pointer).collect();
    assert_eq!(pointers, ["/optimizer", "/loss", "/training"]);
}

#[test]
fn weights_of_classes_that_are_not_there() {
    let dataset = flowers();
    let model = json!({"type": "perceptron", "class_weight": {"maybe": 2.0, "yes": 2.0}});
    assert_eq!(only(&dataset, &json!({"model": model})).pointer, "/model/class_weight/maybe");
}

#[test]
fn early_stopping_needs_rows_to_hold_out() {
    let dataset = flowers();
    let model = |fraction: f64| json!({"type": "perceptron", "early_stopping": true, "validation_fraction": fraction});
    let found = only(&dataset, &json!({"model": model(0.01)}));
    assert_eq!(found.pointer, "/model/validation_fraction");
    assert_eq!(only(&dataset, &json!({"model": model(0.99)})).pointer, found.pointer);
    let changes = json!({"model": model(0.2)});
    assert!(check(request(&dataset, &changes), &dataset, &Limits::default()).is_ok());
}

#[test]
fn nothing_to_do() {
    let dataset = flowers();
    assert_eq!(only(&dataset, &json!({"cv": null, "refit": false})).pointer, "/refit");
}

#[test]
fn more_than_allowed() {
    let dataset = flowers();
    let limits = Limits { max_classes: 1, ..Limits::default() };
    let found = check(request(&dataset, &json!({})), &dataset, &limits).unwrap_err();
    assert!(found[0].detail.contains("at most 1 classes"));
    let limits = Limits { max_task_megabytes: 0, ..Limits::default() };
    let found = check(request(&dataset, &json!({})), &dataset, &limits).unwrap_err();
    assert!(found[0].detail.contains("MB"));
    let metadata = json!({"text": "x".repeat(MAX_METADATA_BYTES)});
    assert_eq!(only(&dataset, &json!({"metadata": metadata})).pointer, "/metadata");
}

#[test]
fn long_texts_count_as_the_memory_they_take() {
    let text = "word ".repeat(20_000);
    let rows: String = (0..40).map(|i| format!("{i},{text}{i},{}\n", i % 2)).collect();
    let dataset = dataset(&format!("a,story,bloom\n{rows}"));
    let changes = json!({"features": ["a"]});
    let checked = check(request(&dataset, &changes), &dataset, &Limits::default()).unwrap();
    assert!(checked.estimate.memory_bytes > 40 * 100_000, "{:?}", checked.estimate);
    // A table that large would lie in a file, but for its texts.
    let limits = Limits { max_table_megabytes: 1, ..Limits::default() };
    let checked = check(request(&dataset, &changes), &dataset, &limits).unwrap();
    assert!(checked.estimate.memory_bytes > 40 * 100_000, "{:?}", checked.estimate);
    let limits = Limits { max_task_megabytes: 1, ..Limits::default() };
    let found = check(request(&dataset, &changes), &dataset, &limits).unwrap_err();
    assert_eq!(found[0].pointer, "/dataset_id");
}

#[test]
fn scales_that_differ_are_warned_of() {
    let rows: String = (0..20).map(|i| format!("{i},{},{}\n", i * 1000, i % 2)).collect();
    let dataset = dataset(&format!("small,large,bloom\n{rows}"));
    let checked = check(request(&dataset, &json!({})), &dataset, &Limits::default()).unwrap();
    assert_eq!(checked.warnings[0].code, "feature_scales_differ");
    assert_eq!(checked.warnings[0].column.as_deref(), Some("large"));
}
