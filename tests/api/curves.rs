//! Out-of-fold predictions as a whole: what `/v1/jobs/{id}/curves` says of them.

use serde_json::{Value, json};

use crate::support::World;

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn run(world: &World, changes: &Value) -> String {
    let mut spec = json!({
        "dataset_id": world.api.demo_dataset(), "target": "y", "model": {"type": "linear"},
        "training": {"epochs": 4},
        "cv": {"type": "stratified_kfold", "n_splits": 4}, "scoring": ["accuracy", "roc_auc"]
    });
    for (key, value) in changes.as_object().unwrap() {
        spec[key] = value.clone();
    }
    let job = world.api.run(&spec);
    assert_eq!(job["status"], "succeeded", "{job}");
    job["id"].as_str().unwrap().to_owned()
}

#[test]
fn curves_of_a_fold_give_its_scores_again() {
    let world = World::new();
    let id = run(&world, &json!({}));
    let folds = world.api.get(&format!("/v1/jobs/{id}/folds")).expect(200);
    for fold in 0..4 {
        let found = world.api.get(&format!("/v1/jobs/{id}/curves?fold={fold}")).expect(200);
        let scores = &folds["data"][fold]["scores"];
        assert_eq!(found["n_rows"], 250);
        assert!((number(&found["roc"][0]["area"]) - number(&scores["roc_auc"])).abs() < 1e-12);
        let counts = &found["confusion_matrix"]["counts"];
        let right = number(&counts[0][0]) + number(&counts[1][1]);
        assert!((right / 250.0 - number(&scores["accuracy"])).abs() < 1e-12);
    }
    let all = world
        .api
        .get(&format!("/v1/jobs/{id}/curves?max_points=50&n_bins=5&strategy=quantile"))
        .expect(200);
    assert_eq!(all["n_rows"], 1000);
    let roc = &all["roc"][0];
    assert_eq!(roc["class"], 1);
    assert_eq!(roc["thresholds"][0], Value::Null);
    let rates = roc["true_positive_rate"].as_array().unwrap();
    assert_eq!((rates.len(), number(&rates[0]), number(&rates[49])), (50, 0.0, 1.0));
    assert_eq!(all["precision_recall"][0]["recall"].as_array().unwrap().len(), 50);
    assert_eq!(all["calibration"][0]["prob_true"].as_array().unwrap().len(), 5);
    assert_eq!(all["residuals"], json!([]));
}

#[test]
fn curves_of_decisions_labels_and_amounts() {
    let world = World::new();
    let perceptron = json!({"model": {"type": "perceptron"}, "training": null});
    let id = run(&world, &perceptron);
    let found = world.api.get(&format!("/v1/jobs/{id}/curves")).expect(200);
    assert_eq!((found["roc"].as_array().unwrap().len(), &found["calibration"]), (1, &json!([])));

    let changes = json!({"task": "regression", "target": "x0", "scoring": ["r2"],
                         "cv": {"type": "repeated_kfold", "n_splits": 2, "n_repeats": 2}});
    let id = run(&world, &changes);
    let found = world.api.get(&format!("/v1/jobs/{id}/curves?max_points=9")).expect(200);
    assert_eq!((&found["n_rows"], &found["confusion_matrix"]), (&json!(2000), &Value::Null));
    let residuals = &found["residuals"][0];
    assert_eq!(residuals["target"], "x0");
    assert_eq!(residuals["points"].as_array().unwrap().len(), 9);
    assert!(number(&residuals["distribution"]["std"]) > 0.0);
    assert!(residuals["distribution"]["histogram"]["counts"].as_array().unwrap().len() > 3);

    let rows: String = (0..60).map(|i| format!("{},{},{}\n", i % 7, i % 2, i % 3 / 2)).collect();
    let dataset = world.api.dataset(&format!("a,odd,third\n{rows}"));
    let changes = json!({"dataset_id": dataset, "target": ["odd", "third"],
                         "cv": {"type": "kfold", "n_splits": 3}, "scoring": ["accuracy"]});
    let id = run(&world, &changes);
    let found = world.api.get(&format!("/v1/jobs/{id}/curves")).expect(200);
    let names: Vec<&Value> =
        found["roc"].as_array().unwrap().iter().map(|roc| &roc["class"]).collect();
    assert_eq!(names, [&json!("odd"), &json!("third")]);
}

#[test]
fn curves_that_there_are_not() {
    let world = World::new();
    let id = run(&world, &json!({"cv": null}));
    let problem = world.api.get(&format!("/v1/jobs/{id}/curves")).problem(404, "not_found");
    assert!(problem["detail"].as_str().unwrap().contains("no `cv`"), "{problem}");
    let id = run(&world, &json!({}));
    world.api.get(&format!("/v1/jobs/{id}/curves?fold=4")).problem(404, "not_found");
    let errors = world.api.get(&format!("/v1/jobs/{id}/curves?max_points=1"));
    assert_eq!(errors.errors(422, "invalid_request")[0].0, "/query/max_points");
    let errors = world.api.get(&format!("/v1/jobs/{id}/curves?strategy=even"));
    assert_eq!(errors.errors(422, "invalid_request")[0].0, "/query/strategy");
}
