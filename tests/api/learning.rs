//! Jobs that draw learning and validation curves: scikit-learn's points, and what is refused.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::World;

const SCORER: &str = "balanced_accuracy";

fn golden() -> Value {
    serde_json::from_str(include_str!("data/curves.json")).expect("valid JSON")
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// A job on the demo's dataset.
fn spec(dataset: &str, changes: &Value) -> Value {
    let mut spec = json!({
        "dataset_id": dataset, "target": "y", "model": {"type": "perceptron"},
        "cv": {"type": "stratified_kfold", "n_splits": 3, "shuffle": true}, "scoring": [SCORER]
    });
    for (key, value) in changes.as_object().unwrap() {
        spec[key] = value.clone();
    }
    spec
}

#[test]
fn curves_are_scikit_learns() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    for case in golden()["curves"].as_array().unwrap() {
        let name = &case["name"];
        let changes = json!({"model": case["model"], "cv": case["cv"], "curve": case["curve"]});
        let job = world.api.run(&spec(&dataset, &changes));
        assert_eq!(job["status"], "succeeded", "{name}: {}", job["error"]);
        let result = &job["result"];
        let points = result["curve"]["points"].as_array().unwrap();
        assert_eq!(points.len(), case["test"].as_array().unwrap().len(), "{name}");
        let folds = result["folds"].as_array().unwrap();
        let mut met = BTreeSet::new();
        let n_splits = case["cv"]["n_splits"].as_u64().unwrap();
        for fold in folds {
            let at = |key: &str| fold[key].as_u64().unwrap();
            let (point, number_of) = (at("point") as usize, at("repeat") * n_splits + at("fold"));
            assert!(met.insert((point, number_of)), "{name}: a fold twice");
            for (key, scores) in [("train", "train_scores"), ("test", "scores")] {
                let expected = number(&case[key][point][number_of as usize]);
                let found = number(&fold[scores][SCORER]);
                let place = format!("{name}: {key} of fold {number_of} at point {point}");
                assert!((found - expected).abs() < 1e-12, "{place}: {found}, not {expected}");
            }
        }
        assert_eq!(met.len(), points.len() * case["test"][0].as_array().unwrap().len(), "{name}");
        for (index, point) in points.iter().enumerate() {
            for key in ["train", "test"] {
                let scores: Vec<f64> =
                    case[key][index].as_array().unwrap().iter().map(number).collect();
                let mean = scores.iter().sum::<f64>() / scores.len() as f64;
                let found = number(&point[key][SCORER]["mean"]);
                assert!((found - mean).abs() < 1e-12, "{name}: {found}, not {mean}");
            }
            assert_eq!(point["value"], case["curve"]["values"][index], "{name}");
            if let Some(n_train) = case["n_train"][index].as_f64() {
                assert!((number(&point["n_train"]) - n_train).abs() < 1e-9, "{name}");
            }
        }
        assert_eq!(result["curve"]["param"], case["curve"]["param"], "{name}");
    }
}

#[test]
fn a_curve_keeps_no_model_and_no_predictions() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let curve = json!({"type": "learning", "sizes": [1.0, 0.5]});
    let body = spec(&dataset, &json!({"curve": curve, "random_state": 6}));
    let plan = world.api.post("/v1/jobs?dry_run=true", &body).expect(200);
    assert_eq!(plan["n_tasks"], 7);
    let job = world.api.run(&body);
    let resolved = &job["resolved_spec"];
    assert_eq!(
        resolved["curve"],
        json!({"type": "learning", "sizes": [0.5, 1.0], "shuffle": true, "random_state": 6})
    );
    assert_eq!(resolved["refit"], false);
    let result = &job["result"];
    assert_eq!((&result["cv"], &result["model_id"]), (&json!({}), &Value::Null));
    assert!(number(&result["curve"]["points"][0]["fit_s"]) > 0.0);
    assert_eq!(job["tasks"]["succeeded"], 7);
    let id = job["id"].as_str().unwrap();
    let problem = world.api.get(&format!("/v1/jobs/{id}/predictions")).problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("curve"), "{problem}");
    world.api.get(&format!("/v1/jobs/{id}/curves")).problem(409, "conflict");
    let other = world.api.run(&spec(&dataset, &json!({"refit": false})));
    let both = json!({"job_ids": [id, other["id"]], "metric": SCORER});
    let (pointer, detail) = &world.api.post("/v1/compare", &both).errors(422, "invalid_request")[0];
    assert!(pointer == "/job_ids/0" && detail.contains("draws a curve"), "{pointer}: {detail}");
}

#[test]
fn a_curve_over_a_networks_parameters_changes_them_and_nothing_else() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let model = json!({"type": "mlp", "hidden": [6]});
    let network = json!({"model": model, "training": {"epochs": 3}, "refit": false});
    let params = [
        ("optimizer.learning_rate", json!([0.001, 0.1])),
        ("optimizer", json!([{"type": "sgd"}, {"type": "adam", "learning_rate": 0.01}])),
        ("model.hidden.0", json!([1, 12])),
        ("preprocess.numeric.scale", json!(["standard", "none"])),
        ("loss", json!(["auto", "hinge"])),
    ];
    for (param, values) in params {
        let mut changes = network.clone();
        changes["curve"] = json!({"type": "validation", "param": param, "values": values});
        let drawn = world.api.run(&spec(&dataset, &changes));
        assert_eq!(drawn["status"], "succeeded", "{param}: {}", drawn["error"]);
        for (index, value) in values.as_array().unwrap().iter().enumerate() {
            let mut alone = spec(&dataset, &network);
            // Which is what it is resolved to where a client leaves it out.
            alone["optimizer"] = json!({"type": "adam"});
            let mut place = &mut alone;
            for part in param.split('.') {
                place = match part.parse::<usize>() {
                    Ok(index) => &mut place[index],
                    Err(_) => &mut place[part],
                };
            }
            *place = value.clone();
            let alone = world.api.run(&alone);
            let scores = &alone["result"]["cv"][SCORER];
            let found = &drawn["result"]["curve"]["points"][index]["test"][SCORER];
            assert_eq!(found, scores, "{param} = {value}");
        }
    }
}

/// As scikit-learn's `learning_curve`, which warns and draws fewer points.
#[test]
fn sizes_that_come_to_the_same_rows_are_one_point() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    // Folds train on 666 rows or one more.
    for (sizes, kept) in [
        (json!([0.5, 0.5]), json!([0.5])),
        (json!([1.0, 0.5, 0.5002]), json!([0.5, 1.0])),
        (json!([10, 20, 10]), json!([10.0, 20.0])),
    ] {
        let curve = json!({"type": "learning", "sizes": sizes});
        let body = spec(&dataset, &json!({"curve": curve}));
        let plan = world.api.post("/v1/jobs?dry_run=true", &body).expect(200);
        let told =
            plan["warnings"].as_array().unwrap().iter().filter(|w| w["code"] == "equal_sizes");
        assert_eq!(told.count(), 1, "{plan}");
        assert_eq!(plan["resolved_spec"]["curve"]["sizes"], kept);
        assert_eq!(plan["n_tasks"], 3 * kept.as_array().unwrap().len() + 1);
        let job = world.api.run(&body);
        let points = job["result"]["curve"]["points"].as_array().unwrap();
        assert_eq!(points.len(), kept.as_array().unwrap().len(), "{job}");
    }
}

#[test]
fn curves_that_cannot_be_drawn_say_all_that_is_wrong() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let learning = |sizes: Value| json!({"curve": {"type": "learning", "sizes": sizes}});
    let validation = |param: &str, values: Value| json!({"curve": {"type": "validation", "param": param, "values": values}});
    let with = |mut changes: Value, others: Value| {
        for (key, value) in others.as_object().unwrap() {
            changes[key] = value.clone();
        }
        changes
    };
    let cases = [
        (learning(json!([])), vec!["/curve/sizes"]),
        (
            learning(json!([0.0, 1.5, 700])),
            vec!["/curve/sizes/0", "/curve/sizes/1", "/curve/sizes/2"],
        ),
        (learning(json!([0.5, 100])), vec!["/curve/sizes/1"]),
        (learning(json!([-1])), vec!["/curve/sizes/0"]),
        (with(learning(json!([0.5])), json!({"cv": null})), vec!["/curve"]),
        (with(learning(json!([0.5])), json!({"refit": true})), vec!["/refit"]),
        (
            with(learning(json!([0.5])), json!({"return_train_score": false})),
            vec!["/return_train_score"],
        ),
        (with(learning(json!([0.5])), json!({"calibration": "platt"})), vec!["/calibration"]),
        (validation("model.eta0", json!([])), vec!["/curve/values"]),
        (validation("model.eta0", json!([1.0, 1.0])), vec!["/curve/values/1"]),
        (
            validation("model.eta0", json!([1.0, "a", -1.0])),
            vec!["/curve/values/1", "/curve/values/2"],
        ),
        (validation("model.speed", json!([1.0])), vec!["/curve/values/0"]),
        (validation("cv.n_splits", json!([2])), vec!["/curve/param"]),
        (validation("", json!([2])), vec!["/curve/param"]),
        (validation("model", json!([{"type": "mlp"}, {"type": "mlq"}])), vec!["/curve/values/1"]),
        (validation("model..", json!([2])), vec!["/curve/values/0"]),
        (validation("model.layers.0.0.x", json!([2])), vec!["/curve/values/0"]),
        (json!({"curve": {"type": "roc"}}), vec!["/curve/type"]),
        (json!({"curve": "learning"}), vec!["/curve"]),
        (
            json!({"curve": {"type": "learning", "shuffle": 1, "size": []}}),
            vec!["/curve/shuffle", "/curve/size"],
        ),
    ];
    for (changes, expected) in cases {
        let answer = world.api.post("/v1/jobs", &spec(&dataset, &changes));
        let found = answer.errors(422, "invalid_request");
        let pointers: BTreeSet<&str> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
        assert_eq!(pointers, expected.into_iter().collect(), "{changes}: {found:?}");
    }
}
