//! Which task comes next, for whom, and how many at once: as workers meet it in the store.

use std::time::Duration;

use serde_json::{Value, json};
use trainyard::domain::ids::{DatasetId, JobId, WorkerId};
use trainyard::domain::job::{JobPhase, JobResult, JobStatus};
use trainyard::domain::worker::WorkerStatus;
use trainyard::store::StoreError;
use trainyard::store::jobs::{JobFilter, Submitted};
use trainyard::store::tasks::Published::{Accepted, Refused};
use trainyard::store::tasks::{ClaimedTask, Outcome, TaskKind};
use trainyard::store::workers::NewWorker;

use crate::support::World;
use crate::yard::{Database, PROJECT, Yard, finished, fold, on_both};

/// A yard whose first job is out of the way.
pub async fn empty(on: Database) -> Yard {
    let yard = Yard::new(on).await;
    yard.store.cancel_job(PROJECT, yard.job).await.unwrap();
    yard
}

pub async fn next(yard: &Yard) -> ClaimedTask {
    yard.claim(60_000, 1).await.remove(0)
}

async fn end(yard: &Yard, job: JobId) {
    while !yard.job_of(job).await.status.has_ended() {
        for task in yard.claim(60_000, i64::MAX).await {
            publish(yard, &task).await;
        }
    }
}

pub async fn publish(yard: &Yard, task: &ClaimedTask) {
    let outcome = match task.kind {
        TaskKind::Fold { .. } => fold(task),
        TaskKind::Reduce { .. } => {
            let result = Box::new(JobResult::default());
            finished(task, Outcome::Reduced { result, model: None, history: None })
        }
    };
    assert_eq!(yard.store.publish(&[outcome]).await.unwrap(), [Accepted]);
}

async fn priority_decides_before_age(on: Database) {
    let yard = empty(on).await;
    let normal = yard.submit(2).await;
    let urgent = yard.submit_with(PROJECT, 2, json!({"priority": 5})).await;
    let idle = yard.submit_with(PROJECT, 2, json!({"priority": -5})).await;
    let mut order = Vec::new();
    for _ in 0..6 {
        order.push(next(&yard).await.job.id);
    }
    assert_eq!(order, [urgent, urgent, normal, normal, idle, idle]);
}

async fn no_more_folds_run_at_once_than_may(on: Database) {
    let yard = empty(on).await;
    let job = yard.submit_with(PROJECT, 5, json!({"max_parallel": 2})).await;
    let first = yard.claim(60_000, i64::MAX).await;
    assert_eq!(first.len(), 2);
    publish(&yard, &first[0]).await;
    let second = yard.claim(60_000, i64::MAX).await;
    assert_eq!(second.len(), 1, "one has ended, so one may begin");
    // One that is handed back keeps its place.
    yard.hand_back(&second).await;
    assert_eq!(yard.claim(60_000, i64::MAX).await.len(), 1);
    yard.store.take_back_leases().await.unwrap();
    end(&yard, job).await;
    let job = yard.job_of(job).await;
    assert_eq!((job.status, job.tasks.succeeded), (JobStatus::Succeeded, 6));
}

async fn a_worker_takes_what_its_labels_and_memory_are_enough_for(on: Database) {
    let yard = empty(on).await;
    let gpu = yard.submit_with(PROJECT, 2, json!({"requires": {"gpu": "true"}})).await;
    let any = yard.submit(2).await;
    let claim = async |labels, max_memory_bytes| {
        yard.next_for(labels, max_memory_bytes).await.map(|task| task.job.id)
    };
    assert_eq!(claim("", 10).await, None, "too small a worker");
    assert_eq!(claim("gpu=false,zone=a", i64::MAX).await, Some(any));
    assert_eq!(claim("zone=a,gpu=true", i64::MAX).await, Some(gpu), "it stood first in line");
    assert_eq!(claim("", i64::MAX).await, Some(any));
    assert_eq!(claim("", i64::MAX).await, None, "only what requires a GPU is left");
    assert_eq!(claim("gpu=true", i64::MAX).await, Some(gpu));
}

async fn a_paused_job_rests_and_goes_on(on: Database) {
    let yard = empty(on).await;
    let job = yard.submit(4).await;
    let running = yard.claim(60_000, 1).await;
    let paused = yard.store.pause_job(PROJECT, job).await.unwrap().unwrap();
    assert_eq!((paused.status, paused.tasks.running), (JobStatus::Paused, 1));
    assert!(yard.claim(60_000, i64::MAX).await.is_empty(), "nothing of it is started");
    let tokens = [running[0].lease_token.clone()];
    let held = yard.store.renew(&tokens, 60_000).await.unwrap();
    assert!(held[0].paused, "and what runs hears of it");
    // One who had finished in the meantime is not told to do it again.
    publish(&yard, &running[0]).await;
    // It rests however often it is told to, and wakes up where it was.
    yard.store.pause_job(PROJECT, job).await.unwrap();
    let resumed = yard.store.resume_job(PROJECT, job).await.unwrap().unwrap();
    assert_eq!(resumed.status, JobStatus::Running);
    let started = resumed.started_at;
    end(&yard, job).await;
    let ended = yard.job_of(job).await;
    assert_eq!((ended.status, ended.started_at), (JobStatus::Succeeded, started));
    let events = yard.store.events(PROJECT, job, 0, 100).await.unwrap();
    let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds[..5], ["queued", "started", "paused", "fold_finished", "unpaused"]);
    let again = yard.store.pause_job(PROJECT, job).await;
    assert!(matches!(again, Err(StoreError::Transition(_))), "{again:?}");
}

async fn jobs_are_listed_by_status_and_by_dataset(on: Database) {
    let yard = empty(on).await;
    let queued = [yard.submit(2).await, yard.submit(2).await];
    let of = yard.dataset.id;
    let other = DatasetId::new(&yard.clock);
    let list = async |status, dataset, after| {
        let filter = JobFilter { after, status, dataset, limit: 10 };
        let jobs = yard.store.jobs(PROJECT, filter).await.unwrap();
        jobs.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    let newest_first = [queued[1], queued[0], yard.job];
    assert_eq!(list(None, None, None).await, newest_first);
    assert_eq!(list(None, Some(of), None).await, newest_first);
    assert_eq!(list(Some(JobStatus::Queued), None, None).await, newest_first[..2]);
    assert_eq!(list(Some(JobStatus::Queued), Some(of), None).await, newest_first[..2]);
    assert_eq!(list(Some(JobStatus::Queued), Some(of), Some(queued[1])).await, [queued[0]]);
    assert_eq!(list(Some(JobStatus::Cancelled), Some(of), None).await, [yard.job]);
    assert_eq!(list(Some(JobStatus::Queued), Some(other), None).await, []);
}

async fn a_job_comes_after_those_that_it_names(on: Database) {
    let yard = empty(on).await;
    let (first, second) = (yard.submit(2).await, yard.submit(2).await);
    let last = yard.submit_with(PROJECT, 2, json!({"after": [first, second]})).await;
    let waiting = yard.job_of(last).await;
    assert_eq!((waiting.status, waiting.after), (JobStatus::Waiting, vec![first, second]));
    assert_eq!(yard.store.move_on().await.unwrap(), 0);
    end(&yard, first).await;
    end(&yard, second).await;
    assert_eq!(yard.store.move_on().await.unwrap(), 1);
    assert_eq!(yard.job_of(last).await.status, JobStatus::Queued);
    end(&yard, last).await;
    assert_eq!(yard.job_of(last).await.status, JobStatus::Succeeded);
    // After what has succeeded already, there is nothing to wait for.
    let next = yard.submit_with(PROJECT, 2, json!({"after": [last]})).await;
    assert_eq!(yard.job_of(next).await.status, JobStatus::Queued);
}

async fn a_job_whose_predecessor_does_not_succeed_fails_and_so_do_those_after_it(on: Database) {
    let yard = empty(on).await;
    let first = yard.submit(2).await;
    let second = yard.submit_with(PROJECT, 2, json!({"after": [first]})).await;
    let third = yard.submit_with(PROJECT, 2, json!({"after": [second]})).await;
    yard.store.cancel_job(PROJECT, first).await.unwrap();
    let deleted = yard.store.delete_job(PROJECT, first).await.unwrap();
    assert_eq!(deleted, trainyard::store::Deleted::InUse, "one waits for it");
    while yard.store.move_on().await.unwrap() > 0 {}
    for (job, why) in [(second, "was cancelled"), (third, "failed")] {
        let job = yard.job_of(job).await;
        let error = job.error.unwrap();
        assert_eq!((job.status, error.code.as_str()), (JobStatus::Failed, "dependency_failed"));
        assert!(error.detail.contains(why), "{}", error.detail);
    }
    let nobody = JobId::new(&yard.clock);
    let after = json!({"after": [first, nobody, "job_x"]});
    let (_, Submitted::BadDependencies(bad)) = yard.try_submit(PROJECT, 2, after).await else {
        panic!("accepted")
    };
    let bad: Vec<_> = bad.into_iter().map(|bad| (bad.index, bad.status)).collect();
    assert_eq!(bad, [(0, Some(JobStatus::Cancelled)), (1, None), (2, None)]);
}

async fn a_job_that_takes_too_long_fails(on: Database) {
    let yard = empty(on).await;
    let job = yard.submit_with(PROJECT, 2, json!({"max_seconds": 0.05})).await;
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(yard.store.move_on().await.unwrap(), 0, "its time counts from its start");
    let task = next(&yard).await;
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(yard.store.move_on().await.unwrap(), 1);
    let job = yard.job_of(job).await;
    assert_eq!((job.status, job.error.unwrap().code.as_str()), (JobStatus::Failed, "time_limit"));
    assert_eq!(yard.store.publish(&[fold(&task)]).await.unwrap(), [Refused]);
}

/// As if so many seconds more had gone by since these moments.
async fn go_by(yard: &Yard, job: JobId, seconds: i64, moments: &[&str]) {
    for moment in moments {
        let earlier = format!("UPDATE jobs SET {moment} = {moment} - {seconds}000");
        assert_eq!(yard.change(&format!("{earlier} WHERE id = '{job}'")).await, 1);
    }
}

async fn a_rest_does_not_count_against_the_time_that_a_job_may_take(on: Database) {
    let yard = empty(on).await;
    let job = yard.submit_with(PROJECT, 2, json!({"max_seconds": 60})).await;
    // It rests before it starts, twice while it runs, and works for half of its time.
    yard.store.pause_job(PROJECT, job).await.unwrap();
    go_by(&yard, job, 100, &["paused_at"]).await;
    yard.store.resume_job(PROJECT, job).await.unwrap();
    let tasks = yard.claim(60_000, 1).await;
    go_by(&yard, job, 30, &["started_at"]).await;
    for _ in 0..2 {
        yard.store.pause_job(PROJECT, job).await.unwrap();
        go_by(&yard, job, 100, &["started_at", "paused_at"]).await;
        assert_eq!(yard.store.move_on().await.unwrap(), 0, "it rests");
        let resumed = yard.store.resume_job(PROJECT, job).await.unwrap().unwrap();
        assert_eq!(resumed.status, JobStatus::Running);
        assert_eq!(yard.store.move_on().await.unwrap(), 0, "it has rested");
    }
    publish(&yard, &tasks[0]).await;
    // One of three tasks took thirty seconds, however long the rests.
    let eta_s = yard.job_of(job).await.eta_s.unwrap();
    assert!((60.0..90.0).contains(&eta_s), "{eta_s}");
    go_by(&yard, job, 31, &["started_at"]).await;
    assert_eq!(yard.store.move_on().await.unwrap(), 1);
    let ended = yard.job_of(job).await;
    assert_eq!(ended.error.unwrap().code, "time_limit");
}

async fn a_rest_that_an_older_process_begins_is_not_taken_for_the_one_before(on: Database) {
    let yard = empty(on).await;
    let job = yard.submit_with(PROJECT, 2, json!({"max_seconds": 60})).await;
    let _running = next(&yard).await;
    let rested = async || {
        yard.store.resume_job(PROJECT, job).await.unwrap();
        let rested = format!("SELECT CAST(paused_ms AS TEXT) FROM jobs WHERE id = '{job}'");
        yard.texts(&rested).await[0].parse::<i64>().unwrap()
    };
    yard.store.pause_job(PROJECT, job).await.unwrap();
    go_by(&yard, job, 100, &["started_at", "paused_at"]).await;
    let before = rested().await;
    assert!((100_000..130_000).contains(&before), "{before}");
    // It does not say since when, and nobody knows.
    yard.change(&format!("UPDATE jobs SET status = 'paused' WHERE id = '{job}'")).await;
    assert_eq!(rested().await, before);
}

async fn what_ends_at_rest_before_its_start_was_noted_has_started(on: Database) {
    let yard = empty(on).await;
    let job = yard.submit(2).await;
    let tasks = yard.claim_unnoted().await;
    yard.store.pause_job(PROJECT, job).await.unwrap();
    assert_eq!(yard.job_of(job).await.started_at, None);
    publish(&yard, &tasks[0]).await;
    let paused = yard.job_of(job).await;
    assert_eq!((paused.status, paused.started_at), (JobStatus::Paused, Some(tasks[0].claimed_at)));
    assert!(paused.timings.queued_s.is_some());
    let resumed = yard.store.resume_job(PROJECT, job).await.unwrap().unwrap();
    assert_eq!((resumed.status, resumed.started_at), (JobStatus::Running, paused.started_at));
    publish(&yard, &tasks[1]).await;
    end(&yard, job).await;
    let events = yard.store.events(PROJECT, job, 0, 100).await.unwrap();
    let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    let expected = ["queued", "paused", "started", "fold_finished", "unpaused", "fold_finished"];
    assert_eq!(kinds[..6], expected);
    assert_eq!(kinds.iter().filter(|kind| **kind == "started").count(), 1);
}

async fn a_job_that_waits_for_others_can_rest_meanwhile(on: Database) {
    let yard = empty(on).await;
    let first = yard.submit(2).await;
    let last = yard.submit_with(PROJECT, 2, json!({"after": [first]})).await;
    let rest = async || yard.store.pause_job(PROJECT, last).await.unwrap().unwrap();
    let go_on = async || yard.store.resume_job(PROJECT, last).await.unwrap().unwrap();
    assert_eq!(rest().await.status, JobStatus::Paused);
    assert_eq!(go_on().await.status, JobStatus::Waiting, "there is something to wait for");
    assert_eq!(go_on().await.status, JobStatus::Waiting, "whoever asks twice");
    let paused = rest().await;
    assert_eq!((paused.status, paused.phase), (JobStatus::Paused, JobPhase::Waiting));
    end(&yard, first).await;
    assert_eq!(yard.store.move_on().await.unwrap(), 0, "it rests");
    assert!(yard.claim(60_000, i64::MAX).await.is_empty());
    let in_use = yard.store.delete_job(PROJECT, first).await.unwrap();
    assert_eq!(in_use, trainyard::store::Deleted::InUse, "one comes after it");
    assert_eq!(go_on().await.status, JobStatus::Queued, "there was something to wait for");
    end(&yard, last).await;
    assert_eq!(yard.job_of(last).await.status, JobStatus::Succeeded);
    let events = yard.store.events(PROJECT, last, 0, 100).await.unwrap();
    let told: Vec<_> =
        events.iter().map(|event| (event.kind.as_str(), &event.data["status"])).collect();
    let of_rests =
        [("paused", Value::Null), ("unpaused", json!("waiting")), ("paused", Value::Null)];
    let of_rests = of_rests.each_ref().map(|(kind, status)| (*kind, status));
    assert_eq!(told[1..4], of_rests);
    assert_eq!(told[4], ("unpaused", &json!("queued")));
}

async fn a_job_at_rest_fails_with_what_it_waited_for(on: Database) {
    let yard = empty(on).await;
    let first = yard.submit(2).await;
    let after = json!({"after": [first]});
    let rests = yard.submit_with(PROJECT, 2, after.clone()).await;
    let wakes = yard.submit_with(PROJECT, 2, after).await;
    for job in [rests, wakes] {
        yard.store.pause_job(PROJECT, job).await.unwrap();
    }
    yard.store.cancel_job(PROJECT, first).await.unwrap();
    // Whoever is told to go on before anybody has looked waits, and in vain.
    let resumed = yard.store.resume_job(PROJECT, wakes).await.unwrap().unwrap();
    assert_eq!(resumed.status, JobStatus::Waiting);
    assert_eq!(yard.store.move_on().await.unwrap(), 2);
    for job in [rests, wakes] {
        let job = yard.job_of(job).await;
        let code = job.error.unwrap().code;
        assert_eq!((job.status, code.as_str()), (JobStatus::Failed, "dependency_failed"));
    }
    assert_eq!(yard.store.contradictions().await.unwrap(), [] as [String; 0]);
}

async fn a_task_is_tried_as_often_as_the_job_says(on: Database) {
    let yard = empty(on).await;
    let job = yard.submit_with(PROJECT, 2, json!({"max_attempts": 1})).await;
    yard.claim(60_000, 1).await;
    yard.store.take_back_leases().await.unwrap();
    let job = yard.job_of(job).await;
    assert_eq!((job.status, job.error.unwrap().code.as_str()), (JobStatus::Failed, "worker_lost"));
}

async fn a_job_is_kept_as_long_as_it_says(on: Database) {
    let yard = empty(on).await;
    let short = yard.submit_with(PROJECT, 2, json!({"retention_s": 0})).await;
    let long = yard.submit_with(PROJECT, 2, json!({"retention_s": 1e9})).await;
    assert_eq!(yard.store.forget_old_jobs(None).await.unwrap(), 0, "none has ended");
    end(&yard, short).await;
    end(&yard, long).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(yard.store.forget_old_jobs(None).await.unwrap(), 1);
    assert!(yard.store.job(PROJECT, short).await.unwrap().is_none());
    // What says nothing is kept as the server says: here the yard's own job, not at all.
    assert_eq!(yard.store.forget_old_jobs(Some(0.0)).await.unwrap(), 1);
    assert!(yard.store.job(PROJECT, long).await.unwrap().is_some());
}

async fn workers_are_listed_until_an_hour_after_they_were_lost(on: Database) {
    let yard = empty(on).await;
    let worker = |name: &str, lease_ms| NewWorker {
        id: WorkerId::new(&yard.clock),
        name: name.to_owned(),
        labels: "gpu=false".parse().unwrap(),
        n_cores: 8,
        n_threads: 2,
        memory_bytes: 5 << 30,
        lease_ms,
    };
    let (lost, lives) = (worker("lost", 1), worker("lives", 60_000));
    yard.store.beat(&lost).await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    yard.store.beat(&lives).await.unwrap();
    let listed = yard.store.workers().await.unwrap();
    let listed: Vec<_> =
        listed.iter().map(|worker| (worker.name.as_str(), worker.status)).collect();
    assert_eq!(listed, [("lost", WorkerStatus::Lost), ("lives", WorkerStatus::Alive)]);
    yard.change("UPDATE workers SET beat_at = 0 WHERE name = 'lost'").await;
    let listed = yard.store.workers().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].cores, listed[0].threads, listed[0].memory_bytes), (8, 2, 5 << 30));
    // A process of an older version, beside this one, does not say how many cores there are.
    yard.change("UPDATE workers SET n_cores = NULL").await;
    assert_eq!(yard.store.workers().await.unwrap()[0].cores, 2);
    assert!(listed[0].labels.include(&"gpu=false".parse().unwrap()));
    assert_eq!(yard.store.forget_workers(false).await.unwrap(), 1);
    yard.store.sign_off(lives.id).await.unwrap();
    assert!(yard.store.workers().await.unwrap().is_empty());
}

async fn other_processes_hear_at_once_what_changed(on: Database) {
    let yard = empty(on).await;
    let Some(other) = yard.another_process().await else { return };
    let soon = Duration::from_millis(800);
    // What came before is over.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let _ = tokio::time::timeout(Duration::from_millis(50), other.hints().work()).await;
    let _ = tokio::time::timeout(Duration::from_millis(50), other.hints().stop()).await;
    let job = yard.submit(2).await;
    tokio::time::timeout(soon, other.hints().work()).await.expect("of work");
    let mut watch = other.hints().watch(job);
    yard.store.cancel_job(PROJECT, job).await.unwrap();
    tokio::time::timeout(soon, other.hints().stop()).await.expect("that tasks should stop");
    tokio::time::timeout(soon, watch.changed()).await.expect("that a job changed");
    // Both go away without waiting for each other.
    tokio::time::timeout(soon, other.close()).await.expect("closed");
}

on_both! {
    other_processes_hear_at_once_what_changed,
    priority_decides_before_age,
    no_more_folds_run_at_once_than_may,
    a_worker_takes_what_its_labels_and_memory_are_enough_for,
    a_paused_job_rests_and_goes_on,
    jobs_are_listed_by_status_and_by_dataset,
    a_job_comes_after_those_that_it_names,
    a_job_whose_predecessor_does_not_succeed_fails_and_so_do_those_after_it,
    a_job_that_takes_too_long_fails,
    a_rest_does_not_count_against_the_time_that_a_job_may_take,
    a_rest_that_an_older_process_begins_is_not_taken_for_the_one_before,
    what_ends_at_rest_before_its_start_was_noted_has_started,
    a_job_that_waits_for_others_can_rest_meanwhile,
    a_job_at_rest_fails_with_what_it_waited_for,
    a_task_is_tried_as_often_as_the_job_says,
    a_job_is_kept_as_long_as_it_says,
    workers_are_listed_until_an_hour_after_they_were_lost,
}

/// A job that trains until it is told to stop.
fn long(dataset: &str) -> Value {
    json!({
        "dataset_id": dataset, "target": "y", "model": {"type": "mlp", "hidden": [8]},
        "optimizer": {"type": "adam"}, "training": {"epochs": 1_000_000}
    })
}

#[test]
fn a_client_pauses_a_running_job_and_lets_it_go_on() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let job = world.api.submit(&long(&dataset));
    let path = format!("/v1/jobs/{job}");
    let running = |n: u64| move |job: &Value| job["tasks"]["running"] == n;
    world.api.until(&job, running(1));
    let paused = world.api.post(&format!("{path}/pause"), &json!({})).expect(202);
    assert_eq!(paused["status"], "paused");
    world.api.until(&job, running(0));
    let resumed = world.api.post(&format!("{path}/resume"), &json!({})).expect(202);
    assert_eq!(resumed["status"], "running");
    world.api.until(&job, running(1));
    world.api.post(&format!("{path}/cancel"), &json!({})).expect(202);
    world.api.until(&job, |job| job["status"] == "cancelled");
    world.api.post(&format!("{path}/pause"), &json!({})).problem(409, "conflict");
}

#[test]
fn a_client_says_in_which_order_and_where_its_jobs_run() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let spec = |more: Value| {
        let mut spec =
            json!({"dataset_id": dataset, "target": "y", "model": {"type": "perceptron"}});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    let first = world.api.submit(&long(&dataset));
    let second = world.api.submit(&spec(json!({"after": [first]})));
    let job = world.api.get(&format!("/v1/jobs/{second}")).expect(200);
    assert_eq!((&job["status"], &job["after"]), (&json!("waiting"), &json!([first])));
    world.api.post(&format!("/v1/jobs/{first}/cancel"), &json!({})).expect(202);
    let ended = world.api.finished(&second);
    assert_eq!(ended["error"]["code"], "dependency_failed");
    for path in ["/v1/jobs", "/v1/jobs?dry_run=true"] {
        let answer = world.api.post(path, &spec(json!({"after": [first]})));
        assert_eq!(answer.errors(422, "invalid_request")[0].0, "/after/0");
    }
    // Nobody has the label, which is no mistake, and said.
    let gpu = spec(json!({"requires": {"gpu": "true"}, "priority": 7, "max_parallel": 3}));
    let dry = world.api.post("/v1/jobs?dry_run=true", &gpu).expect(200);
    assert_eq!(dry["warnings"][1]["code"], "no_worker", "{}", dry["warnings"]);
    assert_eq!(dry["resolved_spec"]["requires"], json!({"gpu": "true"}));
    let odd = spec(json!({"requires": {"g p u": "1"}, "priority": 101, "max_attempts": 0}));
    let errors = world.api.post("/v1/jobs", &odd).errors(422, "invalid_request");
    let pointers: Vec<&str> = errors.iter().map(|error| error.0.as_str()).collect();
    assert_eq!(pointers, ["/priority", "/max_attempts", "/requires"]);
    let workers = world.api.get("/v1/workers").expect(200);
    assert_eq!(workers["data"][0]["status"], "alive", "{workers}");
    assert_eq!(workers["data"][0]["threads"], 2);
    let n_cores = std::thread::available_parallelism().unwrap();
    assert_eq!(workers["data"][0]["cores"], n_cores.get());
}
