//! Jobs compared: by the folds that they share, and not otherwise.

use serde_json::{Value, json};

use crate::support::World;

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// A job on the data with these changes; returns its id.
fn run(world: &World, dataset: &str, changes: &Value) -> String {
    let mut spec = json!({
        "dataset_id": dataset, "target": "y", "model": {"type": "perceptron"}, "refit": false,
        "cv": {"type": "repeated_stratified_kfold", "n_splits": 5, "n_repeats": 2, "random_state": 1},
        "scoring": ["accuracy", "roc_auc"]
    });
    for (key, value) in changes.as_object().unwrap() {
        spec[key] = value.clone();
    }
    let job = world.api.run(&spec);
    assert_eq!(job["status"], "succeeded", "{job}");
    job["id"].as_str().unwrap().to_owned()
}

#[test]
fn what_a_comparison_says_follows_from_folds_and_predictions() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let perceptron = run(&world, &dataset, &json!({"name": "first try"}));
    let mlp = json!({"model": {"type": "mlp", "hidden": [32]}, "training": {"epochs": 20},
                     "name": "wide"});
    let mlp = run(&world, &dataset, &mlp);
    let linear = json!({"model": {"type": "linear"}, "training": {"epochs": 20}});
    let linear = run(&world, &dataset, &linear);
    let request = json!({"job_ids": [perceptron, mlp, linear], "metric": "accuracy"});
    let found = world.api.post("/v1/compare", &request).expect(200);
    assert_eq!(
        (&found["n_folds"], &found["rope"], &found["confidence"]),
        (&json!(10), &json!(0.01), &json!(0.95))
    );
    let jobs = found["jobs"].as_array().unwrap();
    let means: Vec<f64> = jobs.iter().map(|job| number(&job["mean"])).collect();
    assert!(means.is_sorted_by(|a, b| a >= b), "{means:?}");
    assert_eq!(
        (&jobs[0]["job_id"], &jobs[0]["name"], &jobs[0]["model"]),
        (&json!(mlp), &json!("wide"), &json!("mlp"))
    );
    let pairs = found["pairs"].as_array().unwrap();
    assert_eq!(pairs.len(), 3);

    let scores = |id: &str| -> Vec<f64> {
        let folds = world.api.get(&format!("/v1/jobs/{id}/folds")).expect(200);
        let folds = folds["data"].as_array().unwrap().iter();
        folds.map(|fold| number(&fold["scores"]["accuracy"])).collect()
    };
    let right = |id: &str| -> Vec<bool> {
        let path = format!("/v1/jobs/{id}/predictions?limit=10000");
        let data = world.api.get(&path).expect(200);
        let mut rows: Vec<(u64, bool)> = data["data"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|p| p["repeat"] == 0)
            .map(|p| (p["row"].as_u64().unwrap(), p["prediction"] == p["target"]))
            .collect();
        rows.sort_unstable();
        rows.into_iter().map(|(_, right)| right).collect()
    };
    for pair in pairs {
        let [first, second] = ["first", "second"].map(|side| pair[side].as_str().unwrap());
        let differences: Vec<f64> =
            scores(first).iter().zip(scores(second)).map(|(a, b)| a - b).collect();
        let n = differences.len() as f64;
        let mean = differences.iter().sum::<f64>() / n;
        let variance = differences.iter().map(|d| (d - mean) * (d - mean)).sum::<f64>() / (n - 1.0);
        let t = &pair["corrected_t"];
        assert!((number(&t["mean_difference"]) - mean).abs() < 1e-12);
        // A fifth of the rows is tested, against four fifths: the correction adds a quarter.
        let error = ((0.1 + 0.25) * variance).sqrt();
        assert!((number(&t["standard_error"]) - error).abs() < 1e-12, "{pair}");
        assert!(number(&pair["p_value_holm"]) >= number(&t["p_value"]));
        let bayes = &pair["bayes"];
        let sum: f64 = ["below", "within", "above"].iter().map(|k| number(&bayes[*k])).sum();
        assert!((sum - 1.0).abs() < 1e-12, "{bayes}");
        let (a, b) = (right(first), right(second));
        let only = |one: &[bool], other: &[bool]| {
            one.iter().zip(other).filter(|(one, other)| **one && !**other).count()
        };
        assert_eq!(pair["mcnemar"]["only_first"], only(&a, &b));
        assert_eq!(pair["mcnemar"]["only_second"], only(&b, &a));
        assert!((number(&pair["effect_size"]) - mean / variance.sqrt()).abs() < 1e-9);
        let summary = pair["summary"].as_str().unwrap();
        assert!(summary.contains("accuracy") && summary.contains("95 % interval"), "{summary}");
    }
    // A network that learns curves is better on these data, beyond chance.
    assert!(number(&pairs[0]["p_value_holm"]) < 0.05, "{}", pairs[0]);
    assert!(found["summary"].as_str().unwrap().contains("better than all the others"), "{found}");
    assert!(pairs[0]["summary"].as_str().unwrap().starts_with("\"wide\" is 0."), "{}", pairs[0]);

    // The same model again is equal in every respect.
    let again = run(&world, &dataset, &json!({}));
    let request = json!({"job_ids": [perceptron, again], "metric": "roc_auc", "rope": 0});
    let found = world.api.post("/v1/compare", &request).expect(200);
    let pair = &found["pairs"][0];
    assert_eq!(
        (&pair["corrected_t"]["p_value"], &pair["corrected_t"]["t"]),
        (&json!(1.0), &Value::Null)
    );
    assert_eq!(pair["bayes"], json!({"below": 0.0, "within": 1.0, "above": 0.0}));
    assert_eq!((&pair["effect_size"], &pair["mcnemar"]["p_value"]), (&Value::Null, &json!(1.0)));
}

#[test]
fn jobs_that_cannot_be_compared() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let first = run(&world, &dataset, &json!({}));
    let refused = |request: &Value, pointer: &str, part: &str| {
        let errors = world.api.post("/v1/compare", request).errors(422, "invalid_request");
        assert!(errors.iter().any(|(p, d)| p == pointer && d.contains(part)), "{errors:?}");
    };
    let with = |other: &str| json!({"job_ids": [first, other], "metric": "accuracy"});
    let other = |changes: Value| run(&world, &dataset, &changes);
    let seed = json!({"type": "repeated_stratified_kfold", "n_splits": 5, "n_repeats": 2, "random_state": 2});
    refused(&with(&other(json!({"cv": seed}))), "/job_ids/1", "folds differ");
    refused(&with(&other(json!({"scoring": ["roc_auc"]}))), "/job_ids/1", "`scoring`");
    refused(&with(&other(json!({"cv": null, "refit": true}))), "/job_ids/1", "no `cv`");
    refused(&with(&first), "/job_ids/1", "there already");
    refused(&with("job_01890a5d-ac96-774b-bcce-b302099a8057"), "/job_ids/1", "no such job");
    refused(&with("x"), "/job_ids/1", "no such job");
    refused(&json!({"job_ids": [first], "metric": "accuracy"}), "/job_ids", "2");
    refused(&json!({"job_ids": [first, first], "metric": "acuracy"}), "/metric", "not known");
    refused(&json!({"job_ids": [first, "x"], "metric": "accuracy", "rope": -1}), "/rope", "0");
    let elsewhere = world
        .api
        .generated(&json!({"type": "make_classification", "random_state": 3, "n_samples": 1000}));
    let there = run(&world, &elsewhere, &json!({}));
    let twin = other(json!({}));
    refused(&with(&there), "/job_ids/1", "other data");
    // Of datasets that are gone it is not known whether they were the same.
    for gone in [&dataset, &elsewhere] {
        assert_eq!(world.api.delete(&format!("/v1/datasets/{gone}")).status, 204);
    }
    refused(&with(&there), "/job_ids/1", "other data");
    let same = world.api.post("/v1/compare", &with(&twin)).expect(200);
    assert_eq!(same["n_folds"], 10);
    let dataset = world.api.demo_dataset();
    let other = |changes: Value| run(&world, &dataset, &changes);
    let one_fold = json!({"cv": {"type": "holdout"}});
    let [a, b] = [other(one_fold.clone()), other(one_fold)];
    refused(&json!({"job_ids": [a, b], "metric": "accuracy"}), "/job_ids", "one fold");
    let failed = json!({"dataset_id": dataset, "target": "y", "model": {"type": "linear"},
        "optimizer": {"type": "sgd", "learning_rate": 1e30}, "training": {"epochs": 9},
        "cv": {"type": "kfold"}});
    let failed = world.api.run(&failed)["id"].as_str().unwrap().to_owned();
    refused(&with(&failed), "/job_ids/1", "not succeeded");
}

#[test]
fn amounts_have_no_rows_to_count() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let of = |model: Value| {
        json!({"target": "x0", "task": "regression", "model": model, "training": {"epochs": 5},
               "scoring": ["r2"], "cv": {"type": "kfold", "n_splits": 4}})
    };
    let a = run(&world, &dataset, &of(json!({"type": "linear"})));
    let b = run(&world, &dataset, &of(json!({"type": "mlp"})));
    let request = json!({"job_ids": [a, b], "metric": "r2", "confidence": 0.9});
    let found = world.api.post("/v1/compare", &request).expect(200);
    let pair = &found["pairs"][0];
    assert_eq!((&pair["mcnemar"], &pair["mcnemar_p_value_holm"]), (&Value::Null, &Value::Null));
    assert!(pair["summary"].as_str().unwrap().contains("90 % interval"), "{pair}");
}
