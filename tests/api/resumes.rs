//! A fit that is killed and resumed ends with the same bytes as one that is not, for every family of
//! models.
//!
//! `RESUMES` in the environment says how often each is killed.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process::Process;
use crate::rounds::{alone, report, rounds, seed};
use crate::support::Api;

/// Each trains for some seconds.
fn families() -> [(&'static str, Value); 5] {
    let layers = json!([
        {"type": "dense", "units": 48}, {"type": "batch_norm"}, {"type": "activation", "activation": "relu"},
        {"type": "dropout", "rate": 0.2}, {"type": "dense", "units": 24}, {"type": "activation", "activation": "tanh"},
        {"type": "dense"}
    ]);
    let trained = |model: Value, optimizer: &str, epochs: u32| {
        json!({
            "model": model, "optimizer": {"type": optimizer},
            "training": {"epochs": epochs, "batch_size": 32}
        })
    };
    [
        (
            "perceptron",
            json!({"model": {"type": "perceptron", "tol": null, "max_iter": 400_000, "shuffle": true}}),
        ),
        ("linear", trained(json!({"type": "linear"}), "adamw", 30_000)),
        (
            "mlp",
            trained(
                json!({"type": "mlp", "hidden": [48, 24], "dropout": 0.1, "batch_norm": true}),
                "adam",
                3_000,
            ),
        ),
        ("network", trained(json!({"type": "network", "layers": layers}), "rmsprop", 2_500)),
        // Its state is written in several parts.
        ("large", trained(json!({"type": "mlp", "hidden": [600, 600]}), "adam", 150)),
    ]
}

/// Submits one fit of the family, with a seed of its own.
fn submit(api: &Api, family: &Value, random_state: u64) -> String {
    let dataset = api.demo_dataset();
    let mut spec = json!({"dataset_id": dataset, "target": "y", "random_state": random_state});
    spec.as_object_mut().unwrap().extend(family.as_object().unwrap().clone());
    api.submit(&spec)
}

/// The hash of the model's file.
fn model(api: &Api, job: &str) -> String {
    let job = api.finished(job);
    assert_eq!(job["status"], "succeeded", "{job}");
    let model = job["result"]["model_id"].as_str().unwrap();
    let model = api.get(&format!("/v1/models/{model}")).expect(200);
    model["sha256"].as_str().unwrap().to_owned()
}

const STAGED: &str = "01a2161a-f30c-7166-963d-ab2211590edb";

/// Files that are not whole, under a data directory.
fn unfinished(data: &Path) -> Vec<String> {
    let folders = [vec![data.join("staging")], entries(&data.join("blobs"))].concat();
    let files = folders.iter().flat_map(|folder| entries(folder));
    let names = files.map(|path| path.display().to_string());
    names.filter(|name| name.contains("staging") || name.contains('#')).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn start(data: &Path) -> Process {
    Process::start_with(data, &["--checkpoint-seconds", "0.2", "--workers", "1"])
}

fn bit_identical(name: &str, family: &Value) {
    let n = rounds("RESUMES", 1);
    let directory = tempfile::tempdir().unwrap();
    for round in 0..n {
        let random_state = seed() * 1_000 + round as u64;
        let whole = {
            let process = start(&directory.path().join(format!("whole-{round}")));
            model(&process.api, &submit(&process.api, family, random_state))
        };
        let data = directory.path().join(format!("killed-{round}"));
        let process = start(&data);
        let job = submit(&process.api, family, random_state);
        process.until_saved(&data, &job);
        drop(process); // SIGKILL
        // As one that is killed while it writes may leave them.
        for (folder, name) in
            [("staging", STAGED.to_owned()), ("blobs/ab", format!("ab{}", "0".repeat(62)))]
        {
            std::fs::create_dir_all(data.join(folder)).unwrap();
            std::fs::write(data.join(folder).join(name + "#1"), "half").unwrap();
        }
        let process = start(&data);
        let resumed = model(&process.api, &job);
        assert_eq!(resumed, whole, "{name}, random_state {random_state}");
        let events = process.api.get(&format!("/v1/jobs/{job}/events")).expect(200);
        let events = events["data"].as_array().unwrap();
        let n_resumed = events.iter().filter(|event| event["type"] == "resumed").count();
        assert_eq!(n_resumed, 1, "{name} began anew: {events:?}");
        assert_eq!(unfinished(&data), [""; 0], "{name}");
    }
    report(&format!("resume after a kill: {name}"), n, "model files bit-identical");
}

/// Two candidates on three inner folds, in each of two folds and for the model.
#[test]
fn a_search_goes_on_with_the_fit_that_it_was_at() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let submitted = |api: &Api| {
        api.submit(&json!({
            "dataset_id": api.demo_dataset(), "target": "y", "random_state": 3,
            "model": {"type": "mlp", "hidden": [64, 32], "dropout": 0.1},
            "optimizer": {"type": "adam"}, "training": {"epochs": 800, "batch_size": 32},
            "cv": {"type": "stratified_kfold", "n_splits": 2},
            "search": {
                "space": {"optimizer.learning_rate": {"choice": [0.001, 0.01]}},
                "cv": {"type": "stratified_kfold", "n_splits": 3}
            }
        }))
    };
    let n_fits = |process: &Process| process.metric("trainyard_search_fits_total");
    let found = |api: &Api, job: &str| {
        let model = model(api, job);
        let mut result = api.get(&format!("/v1/jobs/{job}")).expect(200)["result"].take();
        result["model_id"].take();
        result["refit"]["fit_s"].take();
        result["search"]["best_spec"]["dataset_id"].take();
        for fold in result["folds"].as_array_mut().unwrap() {
            fold["fit_s"].take();
            fold["score_s"].take();
        }
        (model, result)
    };
    let (whole, n_whole) = {
        let process = start(&directory.path().join("whole"));
        let job = submitted(&process.api);
        (found(&process.api, &job), n_fits(&process))
    };
    assert_eq!(n_whole, 18);
    let data = directory.path().join("broken");
    // What is counted is part of what is saved after that.
    let broken_off = |process: &Process, job: &str| {
        let deadline = Instant::now() + Duration::from_secs(60);
        while n_fits(process) == 0 {
            assert!(Instant::now() < deadline, "no fit ended");
            std::thread::sleep(Duration::from_millis(10));
        }
        let n_made = n_fits(process);
        process.until_saved(&data, job);
        n_made
    };
    let first = start(&data);
    let job = submitted(&first.api);
    let n_first = broken_off(&first, &job);
    drop(first); // SIGKILL
    let second = start(&data);
    let n_second = broken_off(&second, &job);
    second.stop(); // SIGTERM
    let last = start(&data);
    assert_eq!(found(&last.api, &job), whole);
    let n_last = n_fits(&last);
    assert!(n_last <= n_whole - n_first - n_second, "{n_first}, {n_second} and {n_last} fits");
    let events = last.api.get(&format!("/v1/jobs/{job}/events")).expect(200);
    let events = events["data"].as_array().unwrap();
    let n_resumed = events.iter().filter(|event| event["type"] == "resumed").count();
    assert_eq!(n_resumed, 2, "{events:?}");
}

macro_rules! families {
    ($($name:ident),*) => {
        $(#[test]
        fn $name() {
            let _alone = alone();
            let families = families();
            let name = stringify!($name);
            let (_, family) = families.iter().find(|(known, _)| *known == name).unwrap();
            bit_identical(name, family);
        })*

        #[test]
        fn no_family_is_left_out() {
            let api = crate::support::World::new();
            let document = api.api.get("/openapi.json").expect(200);
            let variants = document["components"]["schemas"]["ModelSpec"]["oneOf"].clone();
            let known: Vec<&str> = vec![$(stringify!($name)),*];
            for variant in variants.as_array().unwrap() {
                let name = variant["properties"]["type"]["enum"][0].as_str().unwrap();
                assert!(known.contains(&name), "{name} is not tested");
            }
        }
    };
}
families!(perceptron, linear, mlp, network, large);
