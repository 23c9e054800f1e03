//! Splitters over the API: the rows that scikit-learn would train and test on, and what is refused.

use serde_json::{Value, json};

use crate::support::World;

fn spec(dataset: &str, cv: &Value) -> Value {
    json!({"dataset_id": dataset, "target": "y", "model": {"type": "perceptron"}, "cv": cv,
           "random_state": 1})
}

/// What each fold trains and tests on, by number of rows.
fn sizes(job: &Value) -> Vec<(u64, u64)> {
    let n = |fold: &Value, name: &str| fold[name].as_u64().unwrap();
    let folds = job["result"]["folds"].as_array().unwrap();
    folds.iter().map(|fold| (n(fold, "n_train"), n(fold, "n_test"))).collect()
}

#[test]
fn time_series_train_on_what_was_before() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let job = world.api.run(&spec(
        &dataset,
        &json!({"type": "time_series_split", "n_splits": 3, "test_size": 100, "gap": 10}),
    ));
    assert_eq!(job["status"], "succeeded", "{}", job["error"]);
    assert_eq!(sizes(&job), [(690, 100), (790, 100), (890, 100)]);
    let id = job["id"].as_str().unwrap();
    let page = world.api.get(&format!("/v1/jobs/{id}/predictions?limit=300")).expect(200);
    let rows = page["data"].as_array().unwrap().iter().map(|row| row["row"].as_u64().unwrap());
    assert!(rows.eq(700..1000));
    let (pointer, detail) = &world
        .api
        .post("/v1/jobs", &spec(&dataset, &json!({"type": "time_series_split", "test_size": 300})))
        .errors(422, "invalid_request")[0];
    assert!(pointer.starts_with("/cv"), "{pointer}: {detail}");
}

#[test]
fn stratified_shuffles_draw_anew_for_every_split() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let cv = json!({"type": "stratified_shuffle_split", "n_splits": 4, "test_size": 0.2});
    let job = world.api.run(&spec(&dataset, &cv));
    assert_eq!(job["status"], "succeeded", "{}", job["error"]);
    assert_eq!(sizes(&job), [(800, 200); 4]);
    assert_eq!(job["resolved_spec"]["cv"]["random_state"], 1);
}
