//! What a client sees of a fit that takes seconds, while it runs.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Api, World};

/// A network that trains until it is stopped.
fn endless(dataset: &str, changes: &Value) -> Value {
    let mut spec = json!({
        "dataset_id": dataset, "target": "y",
        "model": {"type": "mlp", "hidden": [64, 64]},
        "training": {"epochs": 1_000_000, "validation_fraction": 0.2},
        "scoring": ["accuracy", "neg_log_loss"]
    });
    for (key, value) in changes.as_object().unwrap() {
        spec[key] = value.clone();
    }
    spec
}

fn last_epoch(metrics: &Value) -> u64 {
    metrics["data"].as_array().unwrap().last().unwrap()["epoch"].as_u64().unwrap()
}

/// The metrics at a path once there are some.
fn metrics(api: &Api, path: &str) -> Value {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = api.get(path);
        if answer.status == 200 {
            return answer.expect(200);
        }
        answer.problem(404, "not_found");
        assert!(Instant::now() < deadline, "there never were metrics");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn progress_and_curves_grow_while_a_fit_runs() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let training = json!({"epochs": 1_000_000, "validation_fraction": 0.2, "max_seconds": 4});
    let id = world.api.submit(&endless(&dataset, &json!({"training": training})));
    let path = format!("/v1/jobs/{id}/metrics?max_points=10000");
    let mut shares: Vec<f64> = Vec::new();
    let mut curves: Vec<Value> = Vec::new();
    let job = world.api.until(&id, |job| {
        if job["finished_at"].is_null() {
            let share = job["progress"].as_f64().unwrap();
            assert!((0.0..1.0).contains(&share), "{job}");
            if share > 0.0 && shares.last() != Some(&share) {
                assert!(job["eta_s"].as_f64().unwrap() > 0.0, "{job}");
                shares.push(share);
            }
            let answer = world.api.get(&path);
            if answer.status == 200 {
                curves.push(answer.expect(200));
            }
        }
        !job["finished_at"].is_null()
    });
    assert_eq!((&job["status"], &job["progress"]), (&json!("succeeded"), &json!(1.0)), "{job}");
    assert!(shares.len() >= 2 && shares.is_sorted(), "{shares:?}");

    let whole = world.api.get(&path).expect(200);
    assert_eq!(whole["finished"], true);
    assert_eq!(whole["fold"], Value::Null);
    assert_eq!(last_epoch(&whole), job["result"]["refit"]["epochs"]);
    // The job may have ended between a look at it and one at its curves.
    curves.retain(|curve| curve["finished"] == false);
    let ends: Vec<u64> = curves.iter().map(last_epoch).collect();
    assert!(ends.is_sorted() && ends.first() < ends.last(), "{ends:?}");
    assert!(ends.last() <= Some(&last_epoch(&whole)));
    // What was shown is what was kept in the end.
    let whole_points = whole["data"].as_array().unwrap();
    for curve in &curves {
        assert_eq!(curve["series"], whole["series"]);
        let of = |point: &&Value| whole_points.iter().find(|kept| kept["epoch"] == point["epoch"]);
        let points = curve["data"].as_array().unwrap();
        let kept: Vec<(&Value, &Value)> =
            points.iter().filter_map(|point| Some((point, of(&point)?))).collect();
        assert!(!kept.is_empty(), "none of {} points", points.len());
        assert!(kept.iter().all(|(shown, kept)| shown == kept));
    }
}

#[test]
fn what_was_shown_stays_when_a_job_is_cancelled() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let cv = json!({"type": "stratified_kfold", "n_splits": 2});
    let id = world.api.submit(&endless(&dataset, &json!({"cv": cv})));
    let paths = [0, 1].map(|fold| format!("/v1/jobs/{id}/metrics?fold={fold}&series=train_loss"));
    let shown = paths.each_ref().map(|path| metrics(&world.api, path));
    assert!(shown.iter().all(|metrics| metrics["finished"] == false), "{shown:?}");
    let none = world.api.get(&format!("/v1/jobs/{id}/metrics")).problem(404, "not_found");
    assert!(none["detail"].as_str().unwrap().contains("?fold=0"), "{none}");

    world.api.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).expect(202);
    let job = world.api.finished(&id);
    assert_eq!(job["status"], "cancelled");
    let share = job["progress"].as_f64().unwrap();
    assert!(share > 0.0 && share < 1.0, "{job}");
    for (path, before) in paths.iter().zip(&shown) {
        let after = world.api.get(path).expect(200);
        assert_eq!(after["finished"], false);
        assert!(last_epoch(&after) >= last_epoch(before));
    }
}

#[test]
fn a_first_epoch_that_takes_long_shows_how_far_it_is() {
    let world = World::new();
    let dataset = world.api.generated(&json!({
        "type": "make_classification", "n_samples": 20_000, "n_features": 20
    }));
    // A step a row: many seconds an epoch.
    let training = json!({"epochs": 2, "batch_size": 1});
    let model = json!({"type": "mlp", "hidden": [1024, 1024]});
    let id = world.api.submit(&endless(&dataset, &json!({"training": training, "model": model})));
    let path = format!("/v1/jobs/{id}/metrics");
    let share = |job: &Value| job["progress"].as_f64().unwrap();
    let begun = share(&world.api.until(&id, |job| share(job) > 0.0));
    let on = share(&world.api.until(&id, |job| share(job) > begun));
    assert!(on < 0.5, "of two epochs the first was not over: {on}");
    world.api.get(&path).problem(404, "not_found");
    world.api.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).expect(202);
    assert_eq!(world.api.finished(&id)["status"], "cancelled");
}

/// A perceptron has no curves, and still moves.
#[test]
fn a_perceptron_tells_how_far_it_is() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let model = json!({"type": "perceptron", "max_iter": 2_000_000_000, "tol": null});
    let id = world.api.submit(&json!({"dataset_id": dataset, "target": "y", "model": model}));
    let job = world.api.until(&id, |job| job["progress"].as_f64().unwrap() > 0.0);
    assert_eq!(job["status"], "running");
    assert!(job["progress"].as_f64().unwrap() < 1.0);
    world.api.get(&format!("/v1/jobs/{id}/metrics")).problem(404, "not_found");
    world.api.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).expect(202);
    assert_eq!(world.api.finished(&id)["status"], "cancelled");
}
