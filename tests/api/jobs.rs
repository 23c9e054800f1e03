//! Jobs: from a spec to scores, followed on the way.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::World;

fn demo_spec(dataset: &str) -> Value {
    json!({
        "name": "demo", "dataset_id": dataset, "target": "y", "model": {"type": "perceptron"},
        "cv": {
            "type": "repeated_stratified_kfold", "n_splits": 10, "n_repeats": 3, "random_state": 1
        },
        "metadata": {"team": "blue"}
    })
}

/// A job of several seconds: no fold of it ever converges.
fn long_spec(dataset: &str) -> Value {
    let mut spec = demo_spec(dataset);
    spec["model"] = json!({"type": "perceptron", "tol": null, "max_iter": 2_000_000});
    spec
}

/// Scores that scikit-learn gives: `cross_val_score(Perceptron(), X, y, cv=…)` of the golden file.
fn scikit_learns_scores() -> Vec<f64> {
    let golden = include_str!("../../crates/trainyard-learn/tests/golden/perceptron.json");
    let golden: Value = serde_json::from_str(golden).unwrap();
    let scores = golden["cross_validation"]["scores"].as_array().unwrap();
    scores.iter().map(|score| score.as_f64().unwrap()).collect()
}

#[test]
fn the_demo_job_gives_scikit_learns_scores() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let job = world.api.run(&demo_spec(&dataset));
    assert_eq!(job["status"], "succeeded", "{job}");
    let result = &job["result"];
    let scores: Vec<f64> = result["folds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fold| fold["scores"]["accuracy"].as_f64().unwrap())
        .collect();
    assert_eq!(scores, scikit_learns_scores());
    assert_eq!(scores.len(), 30);
    let accuracy = &result["cv"]["accuracy"];
    let rounded = |name: &str| format!("{:.3}", accuracy[name].as_f64().unwrap());
    assert_eq!((rounded("mean"), rounded("std")), ("0.847".to_owned(), "0.052".to_owned()));
    // scipy: the corrected resampled t over these scores, 900 rows trained on and 100 tested.
    let ci95 = [0.805911865811964, 0.888088134188036];
    for (found, expected) in accuracy["ci95"].as_array().unwrap().iter().zip(ci95) {
        assert!((found.as_f64().unwrap() - expected).abs() < 1e-12, "{accuracy}");
    }

    let last = &result["folds"][29];
    assert_eq!((&last["repeat"], &last["fold"]), (&json!(2), &json!(9)));
    assert_eq!((&last["n_train"], &last["n_test"]), (&json!(900), &json!(100)));
    assert!(last["fit_s"].as_f64().unwrap() > 0.0);
    assert_eq!(
        job["tasks"],
        json!({
            "total": 31, "queued": 0, "running": 0, "succeeded": 31, "failed": 0
        })
    );
    assert_eq!((&job["phase"], &job["progress"]), (&json!("done"), &json!(1.0)));
    assert_eq!(job["metadata"], json!({"team": "blue"}));
    assert_eq!(job["spec"], demo_spec(&dataset));
    assert_eq!(job["resolved_spec"]["model"]["max_iter"], 1000);
    for name in ["queued_s", "load_s", "fit_s", "total_s"] {
        assert!(job["timings"][name].as_f64().unwrap() >= 0.0, "{name}");
    }
    let folds = world.api.get(&format!("/v1/jobs/{}/folds", job["id"].as_str().unwrap()));
    assert_eq!(folds.expect(200)["data"], result["folds"]);
}

#[test]
fn the_resolved_spec_gives_the_same_model_again() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let first = world.api.run(&demo_spec(&dataset));
    let second = world.api.run(&first["resolved_spec"]);
    assert_eq!(second["resolved_spec"], first["resolved_spec"]);
    let sha256 = |job: &Value| {
        let id = job["result"]["model_id"].as_str().unwrap();
        world.api.get(&format!("/v1/models/{id}")).expect(200)["sha256"].clone()
    };
    assert_eq!(sha256(&first), sha256(&second), "the same bits");
}

#[test]
fn several_classes_and_scorers() {
    let world = World::new();
    let dataset = world.api.generated(&json!({"type": "iris"}));
    let job = world.api.run(&json!({
        "dataset_id": dataset, "target": "species", "features": ["petal_length", "petal_width"],
        "model": {"type": "perceptron"}, "cv": {"type": "stratified_kfold", "n_splits": 5},
        "scoring": ["accuracy", "f1_macro", "balanced_accuracy"]
    }));
    let cv = &job["result"]["cv"];
    // The classes of a fold are equally many, so both accuracies are one number.
    let mean = |scorer: &str| cv[scorer]["mean"].as_f64().unwrap();
    assert!((mean("accuracy") - mean("balanced_accuracy")).abs() < 1e-12, "{cv}");
    assert!(cv["f1_macro"]["mean"].as_f64().unwrap() > 0.5, "{cv}");
    let path = format!("/v1/jobs/{}/predictions?limit=10000", job["id"].as_str().unwrap());
    let predictions = world.api.get(&path).expect(200);
    let data = predictions["data"].as_array().unwrap();
    assert_eq!(data.len(), 150);
    assert_eq!(data[0]["target"], "setosa");
    assert_eq!(data[0]["decision_function"].as_array().unwrap().len(), 3);
    let rows: HashSet<u64> = data.iter().map(|item| item["row"].as_u64().unwrap()).collect();
    assert_eq!(rows.len(), 150, "each row is predicted once");
}

#[test]
fn predictions_come_in_pages_and_as_csv() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let job = world.api.run(&demo_spec(&dataset));
    let path = format!("/v1/jobs/{}/predictions", job["id"].as_str().unwrap());
    let whole = world.api.get(&format!("{path}?limit=10000")).expect(200);
    assert_eq!(whole["data"].as_array().unwrap().len(), 3000);
    assert!(whole["next_cursor"].is_null());
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.api.get(&format!("{path}?limit=777{cursor}")).expect(200);
        pages.extend(page["data"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        cursor = format!("&after={next}");
    }
    assert_eq!(&json!(pages), &whole["data"]);
    let n_right = pages.iter().filter(|p| p["target"] == p["prediction"]).count();
    let mean = job["result"]["cv"]["accuracy"]["mean"].as_f64().unwrap();
    assert!((n_right as f64 / 3000.0 - mean).abs() < 1e-12, "the scores are of these predictions");

    let csv = world.api.get_with(&format!("{path}?limit=2"), &[("accept", "text/csv")]);
    assert_eq!(csv.header("content-type"), "text/csv");
    let text = csv.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "row,repeat,fold,target,prediction,decision_0");
    assert_eq!((lines.len(), csv.header("x-next-cursor")), (3, "0-2"));
}

#[test]
fn everything_wrong_with_a_spec_is_told_at_once() {
    let world = World::new();
    let dataset = world.api.generated(&json!({"type": "iris"}));
    let answer = world.api.post(
        "/v1/jobs",
        &json!({
            "dataset_id": dataset, "target": "specie", "features": ["petal_lenght"],
            "model": {"type": "perceptron", "eta0": 0, "alpa": 1},
            "optimizer": {"type": "adam"}, "cv": {"type": "stratified_kfold", "n_splits": 1},
            "scoring": ["acuracy"], "sed": 3
        }),
    );
    let problem = answer.problem(422, "invalid_request");
    let at = |pointer: &str| {
        let errors = problem["errors"].as_array().unwrap();
        errors
            .iter()
            .find(|error| error["pointer"] == pointer)
            .unwrap_or_else(|| panic!("{pointer} in {errors:?}"))
            .clone()
    };
    assert_eq!(at("/target")["suggestion"], "species");
    assert_eq!(at("/features/0")["suggestion"], "petal_length");
    assert_eq!(at("/model/eta0")["detail"], "must be > 0");
    assert_eq!(at("/model/alpa")["suggestion"], "alpha");
    assert_eq!(at("/optimizer")["detail"], "a perceptron takes no `optimizer`");
    assert_eq!(at("/cv/n_splits")["detail"], "must be >= 2");
    assert_eq!(at("/scoring/0")["suggestion"], "accuracy");
    assert!(at("/sed")["suggestion"].is_string());
    assert_eq!(problem["errors"].as_array().unwrap().len(), 8);
    assert_eq!(world.api.get("/v1/jobs").expect(200)["data"], json!([]), "nothing is queued");
}

#[test]
fn a_dataset_that_is_not_there() {
    let world = World::new();
    let post = |id: &str| world.api.post("/v1/jobs", &demo_spec(id));
    let unknown = post("ds_01890a5d-ac96-774b-bcce-b302099a8057");
    assert_eq!(unknown.errors(422, "invalid_request")[0].0, "/dataset_id");
    assert_eq!(post("iris").errors(422, "invalid_request")[0].0, "/dataset_id");
}

#[test]
fn a_dry_run_says_what_a_job_needs_and_queues_nothing() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let plan = world.api.post("/v1/jobs?dry_run=true", &demo_spec(&dataset)).expect(200);
    assert_eq!((&plan["n_parameters"], &plan["n_tasks"]), (&json!(11), &json!(31)));
    assert!(plan["memory_bytes"].as_u64().unwrap() >= 1000 * 11 * 8);
    assert_eq!(plan["resolved_spec"]["features"].as_array().unwrap().len(), 10);
    assert_eq!(world.api.get("/v1/jobs").expect(200)["data"], json!([]));
}

#[test]
fn without_cross_validation_there_is_a_model_and_a_warning() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let mut spec = demo_spec(&dataset);
    spec["cv"] = Value::Null;
    let job = world.api.run(&spec);
    assert_eq!(job["result"]["cv"], json!({}));
    assert_eq!(job["result"]["folds"], json!([]));
    assert!(job["result"]["model_id"].is_string());
    assert_eq!(job["warnings"][0]["code"], "no_cross_validation");
}

#[test]
fn without_refit_there_are_scores_and_no_model() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let mut spec = demo_spec(&dataset);
    spec["refit"] = json!(false);
    let job = world.api.run(&spec);
    assert!(job["result"]["model_id"].is_null());
    assert_eq!(job["result"]["folds"].as_array().unwrap().len(), 30);
    assert_eq!(world.api.get("/v1/models").expect(200)["data"], json!([]));
}

#[test]
fn without_scores_of_training_rows_the_model_is_the_same() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let run = |changes: &Value| {
        let mut spec = demo_spec(&dataset);
        spec.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        world.api.run(&spec)
    };
    let model = |job: &Value| {
        let id = job["result"]["model_id"].as_str().unwrap();
        world.api.get(&format!("/v1/models/{id}")).expect(200)
    };
    let (with, without) = (run(&json!({})), run(&json!({"return_train_score": false})));
    assert_eq!(with["resolved_spec"]["return_train_score"], true);
    assert_eq!(without["resolved_spec"]["return_train_score"], false);
    let result = &without["result"];
    assert_eq!(result["cv"], with["result"]["cv"]);
    assert_eq!((&result["train"], &result["cv_train"]), (&json!({}), &json!({})));
    assert!(result["folds"].as_array().unwrap().iter().all(|fold| fold["train_scores"].is_null()));
    assert!(with["result"]["train"]["accuracy"].is_f64());
    assert!(with["result"]["cv_train"]["accuracy"]["mean"].is_f64());
    assert!(with["result"]["folds"][0]["train_scores"]["accuracy"].is_f64());
    assert_eq!(model(&with)["sha256"], model(&without)["sha256"]);
    assert_eq!(model(&without)["train"], json!({}));

    let alone = run(&json!({"return_train_score": false, "cv": null}));
    let warning = &alone["warnings"][0];
    assert_eq!(warning["code"], "no_cross_validation");
    assert!(warning["detail"].as_str().unwrap().contains("has no score"), "{warning}");
}

#[test]
fn events_tell_what_happened_in_order() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let job = world.api.run(&demo_spec(&dataset));
    let path = format!("/v1/jobs/{}/events", job["id"].as_str().unwrap());
    let events = world.api.get(&path).expect(200);
    let events = events["data"].as_array().unwrap();
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds[..2], ["queued", "started"]);
    assert_eq!(kinds[32..], ["model_stored", "succeeded"]);
    assert!(kinds[2..32].iter().all(|kind| *kind == "fold_finished"));
    let seqs: Vec<u64> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=34).collect::<Vec<_>>());
    let rest = world.api.get(&format!("{path}?after=32")).expect(200);
    assert_eq!(rest["data"].as_array().unwrap().len(), 2);

    // Short folds are published together: their events carry the times of few transactions.
    let times: HashSet<&str> =
        events[2..32].iter().map(|event| event["time"].as_str().unwrap()).collect();
    assert!(times.len() <= 10, "{} transactions", times.len());
}

#[test]
fn a_stream_of_events_ends_with_the_job_and_resumes() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let id = world.api.submit(&demo_spec(&dataset));
    let path = format!("/v1/jobs/{id}/events");
    let stream = |last: &str| {
        let headers = [("accept", "text/event-stream"), ("last-event-id", last)];
        let answer = world.api.get_with(&path, &headers);
        assert_eq!(answer.header("content-type"), "text/event-stream");
        BufReader::new(&answer.bytes[..])
            .lines()
            .map(Result::unwrap)
            .filter_map(|line| line.strip_prefix("id: ").map(|id| id.parse::<i64>().unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(stream("0"), (1..=34).collect::<Vec<_>>());
    assert_eq!(stream("30"), [31, 32, 33, 34]);
    let nonsense = [("accept", "text/event-stream"), ("last-event-id", "x")];
    world.api.get_with(&path, &nonsense).problem(422, "invalid_request");
}

#[test]
fn a_waiting_answer_comes_when_the_job_ends() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let id = world.api.submit(&long_spec(&dataset));
    let start = Instant::now();
    let job = world.api.get(&format!("/v1/jobs/{id}?wait=0.3")).expect(200);
    assert!(start.elapsed() >= Duration::from_millis(250));
    assert!(job["finished_at"].is_null());
    world.api.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).expect(202);
    let start = Instant::now();
    let job = world.api.get(&format!("/v1/jobs/{id}?wait=60")).expect(200);
    assert_eq!(job["status"], "cancelled");
    assert!(start.elapsed() < Duration::from_secs(5));
    world.api.get(&format!("/v1/jobs/{id}?wait=-1")).problem(422, "invalid_request");
}

#[test]
fn an_answer_of_events_waits_for_the_next_one() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    // One fit without an end: after its start nothing happens by itself.
    let id = world.api.submit(&json!({
        "dataset_id": dataset, "target": "y", "model": {"type": "mlp", "hidden": [8]},
        "optimizer": {"type": "adam"}, "training": {"epochs": 1_000_000}
    }));
    world.api.until(&id, |job| job["status"] == "running");
    let path = format!("/v1/jobs/{id}/events");
    let kinds = |query: &str| -> Vec<String> {
        let events = world.api.get(&format!("{path}?{query}")).expect(200);
        let kind = |event: &Value| event["type"].as_str().unwrap().to_owned();
        events["data"].as_array().unwrap().iter().map(kind).collect()
    };
    // What is there comes at once.
    let start = Instant::now();
    assert_eq!(kinds("after=1&wait=60"), ["started"]);
    assert!(start.elapsed() < Duration::from_secs(10));
    let start = Instant::now();
    assert!(kinds("after=2&wait=0.3").is_empty());
    assert!(start.elapsed() >= Duration::from_millis(250));
    let start = Instant::now();
    let next = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| kinds("after=2&wait=60"));
        std::thread::sleep(Duration::from_millis(300));
        assert!(!waiting.is_finished());
        world.api.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).expect(202);
        waiting.join().unwrap()
    });
    assert_eq!(next[0], "cancelling");
    assert_eq!(kinds("after=3&wait=60"), ["cancelled"]);
    // Nothing can come any more.
    assert!(kinds("after=4&wait=60").is_empty());
    assert!(start.elapsed() < Duration::from_secs(20));
    for wait in ["-1", "301"] {
        let answer = world.api.get(&format!("{path}?wait={wait}"));
        assert_eq!(answer.errors(422, "invalid_request")[0].0, "/query/wait");
    }
    let headers = [("accept", "text/event-stream")];
    let streamed = world.api.get_with(&format!("{path}?wait=1"), &headers);
    assert_eq!(streamed.problem(422, "invalid_request")["errors"][0]["suggestion"], "leave it out");
}

#[test]
fn a_running_job_can_be_cancelled_and_then_deleted() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let id = world.api.submit(&long_spec(&dataset));
    let path = format!("/v1/jobs/{id}");
    world.api.until(&id, |job| job["status"] == "running");
    world.api.delete(&path).problem(409, "in_use");
    world.api.delete(&format!("/v1/datasets/{dataset}")).problem(409, "in_use");
    let cancelling = world.api.post(&format!("{path}/cancel"), &json!({})).expect(202);
    assert!(["cancelling", "cancelled"].contains(&cancelling["status"].as_str().unwrap()));
    let job = world.api.finished(&id);
    assert_eq!((&job["status"], &job["stop_reason"]), (&json!("cancelled"), &json!("cancelled")));
    assert!(job["result"].is_null());
    assert_eq!((&job["tasks"]["running"], &job["tasks"]["queued"]), (&json!(0), &json!(0)));
    world.api.post(&format!("{path}/cancel"), &json!({})).problem(409, "conflict");
    let list = |status: &str| {
        let page = world.api.get(&format!("/v1/jobs?status={status}")).expect(200);
        page["data"].as_array().unwrap().len()
    };
    assert_eq!((list("cancelled"), list("running")), (1, 0));
    world.api.delete(&path).expect(202);
    world.api.get(&path).problem(404, "not_found");
    assert_eq!(world.api.delete(&format!("/v1/datasets/{dataset}")).status, 204);
}

#[test]
fn a_fit_that_diverges_ends_the_job_with_the_reason() {
    let world = World::new();
    let rows: String = (0..40)
        .map(|i| format!("{},{}\n", if i % 3 == 0 { "1.7e308" } else { "-1.7e308" }, i % 2))
        .collect();
    let dataset = world.api.dataset(&format!("a,y\n{rows}"));
    let job = world.api.run(&json!({
        "dataset_id": dataset, "target": "y", "model": {"type": "perceptron", "eta0": 10},
        "cv": {"type": "stratified_kfold", "n_splits": 2}
    }));
    assert_eq!((&job["status"], &job["error"]["code"]), (&json!("failed"), &json!("diverged")));
    assert_eq!(job["stop_reason"], "diverged");
    assert!(job["result"].is_null());
    let events = world.api.get(&format!("/v1/jobs/{}/events", job["id"].as_str().unwrap()));
    assert_eq!(events.expect(200)["data"].as_array().unwrap().last().unwrap()["type"], "failed");
}

#[test]
fn the_same_key_with_the_same_spec_queues_once() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let post = |spec: &Value| world.api.post_with("/v1/jobs", ("idempotency-key", "k"), spec);
    let first = post(&demo_spec(&dataset)).expect(202);
    assert_eq!(post(&demo_spec(&dataset)).expect(202)["id"], first["id"]);
    post(&long_spec(&dataset)).problem(422, "idempotency_key_reused");
    assert_eq!(world.api.get("/v1/jobs").expect(200)["data"].as_array().unwrap().len(), 1);
}

#[test]
fn a_full_queue_says_when_to_come_back() {
    let limits = trainyard::domain::limits::Limits { max_unfinished_jobs: 1, ..Default::default() };
    let world = World::with_limits(limits);
    let dataset = world.api.demo_dataset();
    let id = world.api.submit(&long_spec(&dataset));
    let full = world.api.post("/v1/jobs", &demo_spec(&dataset));
    full.problem(429, "queue_full");
    assert_eq!(full.header("retry-after"), "5");
    world.api.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).expect(202);
    world.api.finished(&id);
    assert_eq!(world.api.run(&demo_spec(&dataset))["status"], "succeeded");
}

#[test]
fn a_busy_pool_does_not_slow_other_answers() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let id = world.api.submit(&long_spec(&dataset));
    world.api.until(&id, |job| job["status"] == "running");
    let times = world.api.latencies(200);
    // Training threads outnumber what the runtime would leave idle; an answer still takes
    // milliseconds, where waiting for a fold would take a second and more.
    assert!(times[190] < Duration::from_millis(100), "p95 {:?}", times[190]);
    world.api.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).expect(202);
    world.api.finished(&id);
}

#[test]
fn a_repeated_call_gets_its_answer_whatever_became_of_the_dataset() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let post = || world.api.post_with("/v1/jobs", ("idempotency-key", "k"), &demo_spec(&dataset));
    let first = post().expect(202);
    world.api.finished(first["id"].as_str().unwrap());
    assert_eq!(world.api.delete(&format!("/v1/datasets/{dataset}")).status, 204);
    assert_eq!(post().expect(202)["id"], first["id"]);
}

#[test]
fn what_the_contract_promises_for_later_is_said_rather_than_ignored() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let mut spec = demo_spec(&dataset);
    spec["search"] = Value::Null;
    spec["preprocess"] = Value::Null;
    spec["loss"] = json!("auto");
    assert_eq!(world.api.run(&spec)["status"], "succeeded");
    spec["search"] = json!({"strategy": "bayesian", "space": {}, "cv": {"type": "leave_one_out"}});
    spec["optimizer"] = json!("adam");
    let errors = world.api.post("/v1/jobs", &spec).errors(422, "invalid_request");
    let pointers: Vec<&str> = errors.iter().map(|(pointer, _)| pointer.as_str()).collect();
    for pointer in ["/search/strategy", "/optimizer"] {
        assert!(pointers.contains(&pointer), "{pointers:?}");
    }
}

#[test]
fn a_model_that_had_not_converged_is_warned_of() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let mut spec = demo_spec(&dataset);
    spec["model"]["max_iter"] = json!(1);
    let job = world.api.run(&spec);
    let warnings = job["result"]["warnings"].as_array().unwrap();
    assert_eq!((&warnings[0]["code"], warnings.len()), (&json!("not_converged"), 2));
    assert!(warnings[0]["detail"].as_str().unwrap().starts_with("30 of 30 folds"));
    let list = &world.api.get("/v1/jobs").expect(200)["data"][0];
    assert!(list["result"].get("folds").is_none(), "lists leave the folds out");
}

#[test]
fn a_task_that_trains_too_long_ends_its_job() {
    let limits = trainyard::domain::limits::Limits { max_task_seconds: 1, ..Default::default() };
    let world = World::with_limits(limits);
    let dataset = world.api.demo_dataset();
    let job = world.api.run(&long_spec(&dataset));
    assert_eq!((&job["status"], &job["error"]["code"]), (&json!("failed"), &json!("time_limit")));
}
