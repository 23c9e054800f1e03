//! Requests that schemathesis makes of `openapi.yaml`: no answer is a 5xx, and none is another than the
//! document says.
//!
//! `REQUESTS` in the environment says how many, about; `POSTGRES_REQUESTS` how many of a server on
//! PostgreSQL, which refuses what SQLite takes. `scripts/test` installs schemathesis.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::process::Process;
use crate::rounds::{alone, report, rounds, seed, there};
use crate::yard::Database;

/// Schemathesis, where `scripts/test` has put it, or in the PATH.
fn schemathesis() -> Option<PathBuf> {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/venv/bin/schemathesis");
    let found = installed.exists().then_some(installed).or_else(|| {
        let found = Command::new("schemathesis").arg("--version").output();
        found.is_ok().then(|| "schemathesis".into())
    });
    there("requests by schemathesis: run scripts/test, which installs it", found.is_some());
    found
}

/// What stands for the ids in paths, so that not every request ends at "there is no such thing".
/// Whatever deletes gets ids of its own making.
fn ids(process: &Process) -> String {
    let dataset = process.api.demo_dataset();
    let job = process.api.run(&json!({
        "dataset_id": dataset, "target": "y", "model": {"type": "mlp", "hidden": [4]},
        "training": {"epochs": 3}, "cv": {"type": "kfold", "n_splits": 3}
    }));
    let model = job["result"]["model_id"].as_str().unwrap();
    let job = job["id"].as_str().unwrap();
    let ids = [("/v1/datasets/", dataset.as_str()), ("/v1/jobs/", job), ("/v1/models/", model)];
    let document = process.api.get("/openapi.json").expect(200);
    let mut config = String::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let Some((_, id)) =
            ids.iter().find(|(start, _)| path.starts_with(&format!("{start}{{id}}")))
        else {
            continue;
        };
        for method in methods.as_object().unwrap().keys().filter(|method| *method != "delete") {
            let name = format!("{} {path}", method.to_uppercase());
            config += &format!("[[operations]]\ninclude-name = \"{name}\"\n");
            config += &format!("parameters = {{ \"path.id\" = \"{id}\" }}\n\n");
        }
    }
    config
}

/// How many requests a run has made, as it says itself.
fn n_requests(text: &str) -> usize {
    text.lines().find_map(|line| line.trim().split_once(" generated")?.0.parse().ok()).unwrap_or(0)
}

#[test]
fn every_answer_is_one_of_the_documents() {
    let _alone = alone();
    answers_are_the_documents(&[], rounds("REQUESTS", 2_000));
}

#[test]
fn every_answer_on_postgresql_is_one_of_the_documents() {
    if !Database::Postgres.is_there() {
        return;
    }
    let _alone = alone();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let name = trainyard::domain::clock::Clock::system().new_uuid().to_string();
    let url = runtime.block_on(Database::new_postgres(&name));
    answers_are_the_documents(&["--database-url", &url], rounds("POSTGRES_REQUESTS", 500));
}

fn answers_are_the_documents(arguments: &[&str], n_wanted: usize) {
    let Some(schemathesis) = schemathesis() else { return };
    let directory = tempfile::tempdir().unwrap();
    let arguments = [&["--workers", "1"], arguments].concat();
    let process = Process::start_with(&directory.path().join("data"), &arguments);
    fs::write(directory.path().join("schemathesis.toml"), ids(&process)).unwrap();
    let document: Value = process.api.get("/openapi.json").expect(200);
    let n_operations: usize = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .map(|methods| methods.as_object().unwrap().len())
        .sum();
    fs::write(directory.path().join("openapi.json"), document.to_string()).unwrap();
    // An operation that takes nothing gets one request; the others make up for it.
    let each = (2 * n_wanted).div_ceil(n_operations).to_string();
    // The long form also goes through all values at the edges of their ranges.
    let phases = if n_wanted > 10_000 { "examples,coverage,fuzzing" } else { "examples,fuzzing" };
    let output = Command::new(schemathesis)
        .current_dir(directory.path())
        .args(["run", "openapi.json", "--url", &process.api.base])
        .args(["--seed", &seed().to_string(), "--max-examples", &each])
        .args(["--phases", phases, "--continue-on-failure"])
        .args(["--checks", CHECKS, "--suppress-health-check", "all", "--no-color"])
        .args(["--generation-database", "none", "--request-timeout", "60"])
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    process.api.get("/readyz").expect(200);
    let n = n_requests(&text);
    assert!(n >= n_wanted * 9 / 10, "only {n} requests: {text}");
    let seen = format!("{n} requests to {n_operations} operations: no 5xx, no undocumented answer");
    report("requests of openapi.yaml (schemathesis)", n_wanted, &seen);
}

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance";
