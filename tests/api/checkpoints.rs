//! What a client sees of the fits that are saved while they train.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use trainyard::domain::checkpoint::FitKind;
use trainyard::domain::ids::JobId;
use trainyard::store::tasks::{Checkpoint, Saved};

use crate::process::Process;
use crate::support::{Api, World};
use crate::yard::{Database, PROJECT, Yard, fold, folds, on_both};

fn checkpoints(api: &Api, job: &str) -> Vec<Value> {
    let answer = api.get(&format!("/v1/jobs/{job}/checkpoints")).expect(200);
    answer["data"].as_array().unwrap().clone()
}

/// The job's checkpoints once they are as asked.
fn until(api: &Api, job: &str, is: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let found = checkpoints(api, job);
        if is(&found) {
            return found;
        }
        assert!(Instant::now() < deadline, "waited too long: {found:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn start(directory: &tempfile::TempDir, n_workers: &str) -> Process {
    let arguments = ["--checkpoint-seconds", "0.1", "--workers", n_workers];
    Process::start_with(directory.path(), &arguments)
}

#[test]
fn checkpoints_say_how_far_the_fits_of_folds_are_until_the_job_ends() {
    let directory = tempfile::tempdir().unwrap();
    let process = start(&directory, "4");
    let api = &process.api;
    let spec = json!({
        "dataset_id": api.demo_dataset(), "target": "y",
        "model": {"type": "mlp", "hidden": [64, 32]}, "optimizer": {"type": "adam"},
        "training": {"epochs": 100_000, "batch_size": 32},
        "cv": {"type": "repeated_stratified_kfold", "n_splits": 2, "n_repeats": 2}
    });
    let n_parameters = api.post("/v1/jobs?dry_run=true", &spec).expect(200)["n_parameters"].clone();
    let job = api.submit(&spec);
    let all = until(api, &job, |found| found.len() == 4);
    let places: Vec<_> = all.iter().map(|one| (&one["repeat"], &one["fold"])).collect();
    assert_eq!(json!(places), json!([[0, 0], [0, 1], [1, 0], [1, 1]]));
    for one in &all {
        assert_eq!(one["kind"], "fold");
        assert!(one.get("point").is_none() && one.get("sha256").is_none(), "{one}");
        // The parameters, and the two moments that Adam keeps of each.
        let least = 3 * 4 * n_parameters.as_u64().unwrap();
        assert!(one["size_bytes"].as_u64().unwrap() > least, "{one}, {n_parameters} parameters");
    }
    let number = |one: &Value, field: &str| one[field].as_f64().unwrap();
    let later = until(api, &job, |found| number(&found[0], "epoch") > number(&all[0], "epoch"));
    assert!(number(&later[0], "spent_s") > number(&all[0], "spent_s"), "{later:?}");
    // RFC 3339 in UTC sorts as text.
    let submitted = api.get(&format!("/v1/jobs/{job}")).expect(200)["created_at"].clone();
    let times = [&submitted, &all[0]["saved_at"], &later[0]["saved_at"]];
    assert!(times.is_sorted_by_key(|time| time.as_str().unwrap()), "{times:?}");

    // At rest they stay: the fits go on from them.
    api.post(&format!("/v1/jobs/{job}/pause"), &json!({})).expect(202);
    api.until(&job, |job| job["tasks"]["running"] == 0);
    assert_eq!(checkpoints(api, &job).len(), 4);
    api.post(&format!("/v1/jobs/{job}/cancel"), &json!({})).expect(202);
    assert_eq!(api.finished(&job)["status"], "cancelled");
    assert_eq!(checkpoints(api, &job), [] as [Value; 0]);
}

#[test]
fn a_final_model_has_no_fold_and_a_perceptron_of_several_classes_no_epoch() {
    let directory = tempfile::tempdir().unwrap();
    let process = start(&directory, "1");
    let api = &process.api;
    let three = api.generated(&json!({
        "type": "make_classification", "n_samples": 1000, "n_informative": 10, "n_classes": 3
    }));
    for (dataset, has_epochs) in [(api.demo_dataset(), true), (three, false)] {
        let job = api.submit(&json!({
            "dataset_id": dataset, "target": "y",
            "model": {"type": "perceptron", "tol": null, "max_iter": 80_000}
        }));
        let saved = until(api, &job, |found| !found.is_empty()).remove(0);
        let place = [&saved["kind"], &saved["repeat"], &saved["fold"]];
        assert_eq!(json!(place), json!(["refit", null, null]));
        assert_eq!(saved["epoch"].as_u64().is_some_and(|epoch| epoch > 0), has_epochs, "{saved}");
        let ended = api.finished(&job);
        assert_eq!(ended["status"], "succeeded", "{ended}");
        assert_eq!(checkpoints(api, &job), [] as [Value; 0]);
    }
}

#[test]
fn a_job_that_is_not_there_has_no_checkpoints() {
    let world = World::new();
    let nobody = JobId::new(&trainyard::domain::clock::Clock::system());
    world.api.get(&format!("/v1/jobs/{nobody}/checkpoints")).problem(404, "not_found");
    let query = world.api.get(&format!("/v1/jobs/{nobody}/checkpoints?limit=3"));
    query.problem(422, "invalid_request");
}

async fn a_checkpoint_goes_with_its_task(on: Database) {
    let yard = Yard::new(on).await;
    let cv = json!({"type": "repeated_stratified_kfold", "n_splits": 2, "n_repeats": 2});
    let curve = json!({"type": "learning", "sizes": [0.5, 1.0]});
    let job = yard.submit_with(PROJECT, 2, json!({"cv": cv, "curve": curve})).await;
    let mut tasks = yard.claim(60_000, i64::MAX).await;
    tasks.retain(|task| task.job.id == job);
    assert_eq!(tasks.len(), 8, "two repeats of two folds at two points");
    for (spent_ms, task) in (1..).zip(&tasks) {
        let checkpoint = Checkpoint { sha256: "a".repeat(64), spent_ms, epoch: Some(3) };
        let saved = yard.store.save_checkpoint(task, &checkpoint, 7).await.unwrap();
        assert_eq!(saved, Saved::Yes { replaced: None });
    }
    let again = Checkpoint { sha256: "b".repeat(64), spent_ms: 1_500, epoch: None };
    yard.store.save_checkpoint(&tasks[5], &again, 9).await.unwrap();
    let saved = yard.store.saved_fits(PROJECT, job).await.unwrap().unwrap();
    let places: Vec<_> = saved.iter().map(|one| (one.repeat, one.fold, one.point)).collect();
    let all = [(0, 0), (0, 1), (1, 0), (1, 1)].into_iter();
    let all = all.flat_map(|(repeat, fold)| [(repeat, fold, 0), (repeat, fold, 1)]);
    let all: Vec<_> = all.map(|(repeat, fold, at)| (Some(repeat), Some(fold), Some(at))).collect();
    assert_eq!(places, all);
    assert_eq!((saved[4].epoch, saved[4].size_bytes, saved[4].spent_s), (Some(3), Some(7), 0.005));
    assert_eq!((saved[5].epoch, saved[5].size_bytes, saved[5].spent_s), (None, Some(9), 1.5));
    assert!(saved[5].kind == FitKind::Fold && saved[5].saved_at >= saved[4].saved_at);

    yard.store.publish(&[fold(&tasks[0])]).await.unwrap();
    let left = yard.store.saved_fits(PROJECT, job).await.unwrap().unwrap();
    assert_eq!(left, saved[1..]);
    let of_others = yard.store.saved_fits(PROJECT, yard.job).await.unwrap();
    assert_eq!(of_others, Some(vec![]));
    let elsewhere = yard.other_project().await;
    assert_eq!(yard.store.saved_fits(elsewhere, job).await.unwrap(), None);
}

/// What the job's log says of fits that went on.
async fn resumed(yard: &Yard, job: JobId) -> Vec<Value> {
    let events = yard.store.events(PROJECT, job, 0, 100).await.unwrap();
    events.into_iter().filter(|event| event.kind == "resumed").map(|event| event.data).collect()
}

async fn the_log_says_which_fit_goes_on_and_from_where(on: Database) {
    let yard = Yard::new(on).await;
    yard.store.cancel_job(PROJECT, yard.job).await.unwrap();
    let cv = json!({"type": "repeated_stratified_kfold", "n_splits": 2, "n_repeats": 2});
    let job = yard.submit_with(PROJECT, 2, json!({"cv": cv})).await;
    let tasks = yard.claim(60_000, i64::MAX).await;
    let save = async |task, epoch| {
        let checkpoint = Checkpoint { sha256: "a".repeat(64), spent_ms: 2_500, epoch };
        yard.store.save_checkpoint(task, &checkpoint, 7).await.unwrap();
    };
    // The second fold of the second repeat, of which alone something is saved.
    save(&tasks[3], Some(12)).await;
    yard.hand_back(&tasks).await;
    let tasks = yard.claim(60_000, i64::MAX).await;
    let place = json!({"kind": "fold", "repeat": 1, "fold": 1});
    let mut told = json!({"attempt": 1, "epoch": 12, "spent_s": 2.5});
    told.as_object_mut().unwrap().extend(place.as_object().unwrap().clone());
    assert_eq!(resumed(&yard, job).await, [told]);
    yard.store.publish(&folds(&tasks)).await.unwrap();

    let last = yard.claim(60_000, i64::MAX).await;
    save(&last[0], None).await;
    yard.hand_back(&last).await;
    yard.claim(60_000, i64::MAX).await;
    let told = json!({"attempt": 1, "kind": "refit", "repeat": null, "fold": null, "epoch": null,
                      "spent_s": 2.5});
    assert_eq!(resumed(&yard, job).await[1..], [told]);
}

on_both!(a_checkpoint_goes_with_its_task, the_log_says_which_fit_goes_on_and_from_where);
