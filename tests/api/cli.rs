//! The commands that are clients.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::World;

fn trainyard(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_trainyard"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_demo_tells_its_story() {
    let output = trainyard(&["demo"], "");
    let out = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(out.contains("Mean Accuracy: 0.847 (0.052)"), "{out}");
    assert!(out.contains("Predicted Class: 1"), "{out}");
    assert_eq!(out.matches("curl ").count(), 3, "{out}");
    assert!(out.matches("0.9").count() > 3, "the folds' scores are there: {out}");
}

fn csv() -> String {
    let rows: String = (0..40)
        .map(|i| format!("{},{},{}\n", i % 9, i, if i < 20 { "no" } else { "yes" }))
        .collect();
    format!("a,b,bloom\n{rows}")
}

fn submit(world: &World, spec: &Value) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let (data, file) = (directory.path().join("data.csv"), directory.path().join("spec.json"));
    std::fs::write(&data, csv()).unwrap();
    std::fs::write(&file, spec.to_string()).unwrap();
    let (file, data) = (file.to_str().unwrap(), data.to_str().unwrap());
    trainyard(&["submit", file, "--data", data, "--watch", "--server", &world.api.base], "")
}

#[test]
fn submit_uploads_follows_and_shows_the_scores() {
    let world = World::new();
    let output = submit(
        &world,
        &json!({
            "target": "bloom", "model": {"type": "perceptron"},
            "cv": {"type": "stratified_kfold", "n_splits": 4}
        }),
    );
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(out.contains("accuracy") && out.contains("mdl_"), "{out}");
    assert_eq!(world.api.get("/v1/datasets").expect(200)["data"][0]["name"], "data.csv");
    let job = &world.api.get("/v1/jobs").expect(200)["data"][0];
    assert_eq!(job["tasks"]["succeeded"], 5);
}

#[test]
fn the_exit_status_tells_how_it_ended() {
    let world = World::new();
    let wrong = submit(&world, &json!({"target": "blom", "model": {"type": "perceptron"}}));
    assert_eq!(wrong.status.code(), Some(2));
    let error = text(&wrong.stderr);
    assert!(error.contains("/target") && error.contains("bloom"), "{error}");
    let failed = submit(
        &world,
        &json!({
            "target": "bloom", "model": {"type": "perceptron", "eta0": 1e308}
        }),
    );
    assert_eq!(failed.status.code(), Some(1), "{}", text(&failed.stderr));
    let nowhere = ["submit", "-", "--server", "http://127.0.0.1:9"];
    let spec =
        "{\"dataset_id\": \"ds_x\", \"target\": \"y\", \"model\": {\"type\": \"perceptron\"}}";
    assert_eq!(trainyard(&nowhere, spec).status.code(), Some(4));
}
