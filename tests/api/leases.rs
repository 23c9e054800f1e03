//! Leases, as two workers meet them in the store: work is done at least once and published once.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use trainyard::domain::job::{JobError, JobResult, JobStatus};
use trainyard::store::tasks::Published::{Accepted, Refused};
use trainyard::store::tasks::{ClaimedTask, Outcome, TaskKind};

use crate::scheduling::publish;
use crate::yard::{Database, PROJECT, Yard, finished, fold, folds, on_both};

async fn a_claim_is_sized_by_expected_work(on: Database) {
    let yard = Yard::new(on).await;
    let first = yard.claim(60_000, 1).await;
    assert_eq!(first.len(), 1, "at least one, however small the budget");
    let rest = yard.claim(60_000, 1_000_000).await;
    assert_eq!(rest.len(), 3, "a large budget takes all that is queued");
    assert!(yard.claim(60_000, 1_000_000).await.is_empty(), "the reduce task waits for the folds");
    assert_eq!(yard.job().await.status, JobStatus::Running);
}

async fn the_last_fold_frees_the_reduce_task_and_that_ends_the_job(on: Database) {
    let yard = Yard::new(on).await;
    let tasks = yard.claim(60_000, 1_000_000).await;
    assert_eq!(yard.store.publish(&folds(&tasks[..3])).await.unwrap(), [Accepted; 3]);
    assert!(yard.claim(60_000, 1_000_000).await.is_empty());
    assert_eq!(yard.store.publish(&folds(&tasks[3..])).await.unwrap(), [Accepted]);
    let reduce = yard.claim(60_000, 1_000_000).await;
    let TaskKind::Reduce { folds } = &reduce[0].kind else { panic!("{reduce:?}") };
    assert_eq!(folds.iter().map(|fold| fold.fold).collect::<Vec<_>>(), [0, 1, 2, 3]);
    let result = JobResult::default();
    let outcome =
        || Outcome::Reduced { result: Box::new(result.clone()), model: None, history: None };
    assert_eq!(yard.store.publish(&[finished(&reduce[0], outcome())]).await.unwrap(), [Accepted]);
    assert_eq!(yard.store.publish(&[finished(&reduce[0], outcome())]).await.unwrap(), [Refused]);
    let job = yard.job().await;
    assert_eq!((job.status, job.tasks.succeeded), (JobStatus::Succeeded, 5));
    assert_eq!(job.timings.fit_s, Some(4e-6));
}

async fn a_late_result_is_refused_and_the_second_worker_publishes_once(on: Database) {
    let yard = Yard::new(on).await;
    let late = yard.claim(1, 1_000_000).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(yard.store.reap().await.unwrap(), 4);
    assert_eq!(yard.store.publish(&folds(&late)).await.unwrap(), [Refused; 4], "nobody holds it");
    assert_eq!(yard.n_folds().await, 0);
    let second = yard.claim_again().await;
    assert_eq!((second.len(), second[0].attempt), (4, 2));
    assert_eq!(yard.store.publish(&folds(&late)).await.unwrap(), [Refused; 4], "another holds it");
    assert_eq!(yard.store.publish(&folds(&second)).await.unwrap(), [Accepted; 4]);
    assert_eq!(yard.store.publish(&folds(&late)).await.unwrap(), [Refused; 4], "it is done");
    assert_eq!(yard.n_folds().await, 4);
}

async fn a_renewed_lease_is_not_reaped_and_a_lost_one_is_not_renewed(on: Database) {
    let yard = Yard::new(on).await;
    let tasks = yard.claim(50, 1_000_000).await;
    let token = Arc::clone(&tasks[0].lease_token);
    let held = yard.store.renew(&[Arc::clone(&token)], 60_000).await.unwrap();
    assert_eq!(held.len(), 4);
    tokio::time::sleep(Duration::from_millis(80)).await;
    assert_eq!(yard.store.reap().await.unwrap(), 0);
    assert_eq!(yard.store.take_back_leases().await.unwrap(), 4);
    assert!(yard.store.renew(&[token], 60_000).await.unwrap().is_empty());
}

async fn a_task_that_keeps_losing_its_worker_ends_its_job(on: Database) {
    let yard = Yard::new(on).await;
    for _ in 0..3 {
        assert!(!yard.job().await.status.has_ended());
        assert_eq!(yard.claim_again().await.len(), 4);
        yard.store.take_back_leases().await.unwrap();
    }
    let job = yard.job().await;
    assert_eq!((job.status, job.attempt), (JobStatus::Failed, 3));
    assert_eq!(job.error.unwrap().code, "worker_lost");
    assert!(yard.claim(60_000, 1_000_000).await.is_empty());
}

async fn what_is_tried_again_says_which_fit_it_is(on: Database) {
    let yard = Yard::new(on).await;
    let tasks = yard.claim_again().await;
    let retry = |task| finished(task, Outcome::Retry(JobError::new("dataset_unreadable", "x")));
    assert_eq!(yard.store.publish(&[retry(&tasks[2])]).await.unwrap(), [Accepted]);
    assert_eq!(yard.store.take_back_leases().await.unwrap(), 3);
    yard.change("UPDATE tasks SET available_at = 0 WHERE state = 'queued'").await;
    let tasks = yard.claim_again().await;
    assert_eq!(yard.store.publish(&folds(&tasks)).await.unwrap(), [Accepted; 4]);
    assert_eq!(yard.claim_again().await.len(), 1);
    assert_eq!(yard.store.take_back_leases().await.unwrap(), 1);
    let events = yard.store.events(PROJECT, yard.job, 0, 100).await.unwrap();
    let retrying = events.iter().filter(|event| event.kind == "retrying").map(|event| &event.data);
    let told: Vec<_> =
        retrying.map(|data| json!([data["kind"], data["repeat"], data["fold"]])).collect();
    let fold = |number: u32| json!(["fold", 0, number]);
    assert_eq!(told, [fold(2), fold(0), fold(1), fold(3), json!(["refit", null, null])]);
}

async fn what_meets_an_outage_is_tried_until_it_is_over(on: Database) {
    let yard = Yard::new(on).await;
    for _ in 0..4 {
        let tasks = yard.claim_again().await;
        assert_eq!((tasks.len(), tasks[0].attempt), (4, 1), "the attempt does not count");
        let away = || Outcome::Away(JobError::new("dataset_unreadable", "x"));
        let met: Vec<_> = tasks.iter().map(|task| finished(task, away())).collect();
        assert_eq!(yard.store.publish(&met).await.unwrap(), [Accepted; 4]);
        assert!(yard.claim(60_000, 1_000_000).await.is_empty(), "not at once");
        yard.change("UPDATE tasks SET available_at = 0 WHERE state = 'queued'").await;
    }
    let retrying = "SELECT data FROM events WHERE type = 'retrying'";
    assert_eq!(yard.texts(retrying).await.len(), 4, "once a publication");
    let tasks = yard.claim_again().await;
    assert_eq!(yard.store.publish(&folds(&tasks)).await.unwrap(), [Accepted; 4]);
}

async fn what_is_handed_back_was_never_tried(on: Database) {
    let yard = Yard::new(on).await;
    let tasks = yard.claim(60_000, 1_000_000).await;
    yard.hand_back(&tasks).await;
    let again = yard.claim(60_000, 1_000_000).await;
    assert_eq!((again.len(), again[0].attempt), (4, 1));
    assert_eq!(yard.store.publish(&folds(&tasks)).await.unwrap(), [Refused; 4]);
}

async fn what_is_handed_back_waits_from_then_on(on: Database) {
    let yard = Yard::new(on).await;
    let tasks = yard.claim(60_000, 1_000_000).await;
    // It ran for an hour.
    yard.change("UPDATE tasks SET available_at = available_at - 3600000").await;
    yard.hand_back(&tasks).await;
    let waited_ms = yard.claim(60_000, 1).await[0].waited_ms;
    assert!(waited_ms < 600_000, "{waited_ms} ms");
}

async fn what_was_lost_before_is_taken_by_itself(on: Database) {
    let yard = Yard::new(on).await;
    assert_eq!(yard.claim(60_000, 1_000_000).await.len(), 4);
    yard.store.take_back_leases().await.unwrap();
    yard.submit(3).await;
    yard.submit_with(PROJECT, 2, json!({"priority": 1})).await;
    let mut claimed = Vec::new();
    loop {
        let tasks = yard.claim(60_000, 1_000_000).await;
        if tasks.is_empty() {
            break;
        }
        claimed.push((tasks.len(), tasks[0].attempt));
    }
    assert_eq!(claimed, [(2, 1), (1, 2), (1, 2), (1, 2), (1, 2), (3, 1)]);
}

async fn what_ends_its_workers_ends_no_job_but_its_own(on: Database) {
    let yard = Yard::new(on).await;
    let kills = yard.submit(2).await;
    let last = yard.submit(3).await;
    // Workers of four threads, of which each ends where this job's first fold begins.
    let is_deadly =
        |task: &ClaimedTask| task.job.id == kills && matches!(task.kind, TaskKind::Fold { idx: 0 });
    let mut n_lost = 0;
    loop {
        let mut held = Vec::new();
        while held.len() < 4 {
            let may_be_last_try = !held.iter().any(ClaimedTask::is_last_try);
            let tasks = yard.claim_as(60_000, 1_000_000, may_be_last_try).await;
            if tasks.is_empty() {
                break;
            }
            held.extend(tasks);
        }
        if held.is_empty() {
            break;
        }
        if held.iter().any(is_deadly) {
            n_lost += 1;
            yard.store.take_back_leases().await.unwrap();
        }
        for task in held.iter().filter(|_| !held.iter().any(is_deadly)) {
            publish(&yard, task).await;
        }
    }
    let ended = yard.job_of(kills).await;
    assert_eq!((ended.error.unwrap().code.as_str(), n_lost), ("worker_lost", 3));
    for job in [yard.job, last] {
        let job = yard.job_of(job).await;
        assert_eq!(job.status, JobStatus::Succeeded, "{:?}", job.error);
    }
}

async fn a_cancelled_job_takes_no_result_and_ends_with_its_last_task(on: Database) {
    let yard = Yard::new(on).await;
    let tasks = yard.claim(60_000, 1).await;
    let job = yard.store.cancel_job(PROJECT, yard.job).await.unwrap().unwrap();
    assert_eq!((job.status, job.tasks.queued), (JobStatus::Cancelling, 0));
    let held = yard.store.renew(&[Arc::clone(&tasks[0].lease_token)], 60_000).await.unwrap();
    assert!(held[0].cancelled, "the renewal brings the word");
    assert_eq!(yard.store.publish(&folds(&tasks)).await.unwrap(), [Accepted]);
    assert_eq!(yard.job().await.status, JobStatus::Cancelled);
    assert_eq!(yard.n_folds().await, 0);
}

async fn a_failure_that_may_pass_is_tried_again_and_one_that_cannot_ends_the_job(on: Database) {
    let yard = Yard::new(on).await;
    let error = |code: &str| JobError::new(code, "x");
    let tasks = yard.claim(60_000, 1_000_000).await;
    let outcomes = [
        finished(&tasks[0], Outcome::Retry(error("unreadable"))),
        fold(&tasks[1]),
        finished(&tasks[2], Outcome::Retry(error("unreadable"))),
    ];
    assert_eq!(yard.store.publish(&outcomes).await.unwrap(), [Accepted; 3]);
    assert_eq!(yard.n_folds().await, 1);
    let again = yard.claim_again().await;
    assert_eq!((again.len(), again[0].attempt), (2, 2));
    let failed = finished(&again[0], Outcome::Failed { error: error("diverged"), history: None });
    assert_eq!(yard.store.publish(&[failed]).await.unwrap(), [Accepted]);
    let job = yard.job().await;
    assert_eq!((job.status, job.error.unwrap().code.as_str()), (JobStatus::Failed, "diverged"));
    let late = [fold(&tasks[3]), fold(&again[1])];
    assert_eq!(yard.store.publish(&late).await.unwrap(), [Refused; 2], "their leases are gone");
}

async fn what_is_handed_back_of_a_cancelled_job_ends_it_and_holds_nobody_up(on: Database) {
    let yard = Yard::new(on).await;
    let tasks = yard.claim(60_000, 1_000_000).await;
    yard.store.cancel_job(PROJECT, yard.job).await.unwrap();
    yard.hand_back(&tasks).await;
    let job = yard.job().await;
    assert_eq!((job.status, job.tasks.queued), (JobStatus::Cancelled, 0));
    assert!(yard.claim(60_000, 1_000_000).await.is_empty());
}

async fn a_start_ends_what_was_being_cancelled(on: Database) {
    let yard = Yard::new(on).await;
    yard.claim(60_000, 1_000_000).await;
    yard.store.cancel_job(PROJECT, yard.job).await.unwrap();
    assert_eq!(yard.job().await.status, JobStatus::Cancelling);
    yard.store.take_back_leases().await.unwrap();
    assert_eq!(yard.job().await.status, JobStatus::Cancelled);
}

async fn a_deleted_job_keeps_no_other_from_publishing(on: Database) {
    let yard = Yard::new(on).await;
    let tasks = yard.claim(60_000, 1_000_000).await;
    let error = JobError::new("diverged", "");
    let failed = finished(&tasks[0], Outcome::Failed { error, history: None });
    assert_eq!(yard.store.publish(&[failed]).await.unwrap(), [Accepted]);
    yard.store.delete_job(PROJECT, yard.job).await.unwrap();
    assert_eq!(yard.store.publish(&folds(&tasks[1..])).await.unwrap(), [Refused; 3]);
}

/// A job whose documents another version wrote ends alone; those behind it go on.
async fn what_cannot_be_read_ends_alone(on: Database) {
    for damage in [
        "UPDATE jobs SET resolved_spec = '{}'",
        "UPDATE datasets SET reading = '0'",
        "UPDATE folds SET result = '{}'",
    ] {
        let yard = Yard::new(on).await;
        if damage.contains("folds") {
            let tasks = yard.claim(60_000, 1_000_000).await;
            yard.store.publish(&folds(&tasks)).await.unwrap();
        }
        assert!(yard.change(damage).await > 0, "{damage}");
        assert!(yard.claim(60_000, 1_000_000).await.is_empty());
        let ended = yard.texts("SELECT status || error FROM jobs").await;
        assert!(ended[0].starts_with("failed") && ended[0].contains("job_unreadable"), "{ended:?}");
        let deleted = yard.store.delete_job(PROJECT, yard.job).await.unwrap();
        assert_eq!(deleted, trainyard::store::Deleted::Yes);
    }
}

/// A worker that lost its lease, took the same task again, and has both results at once.
async fn of_two_results_of_a_task_the_one_whose_lease_holds_is_taken(on: Database) {
    let yard = Yard::new(on).await;
    let late = yard.claim(60_000, 1).await;
    yard.change("UPDATE tasks SET lease_until = 1 WHERE state = 'running'").await;
    assert_eq!(yard.store.reap().await.unwrap(), 1);
    yard.change("UPDATE tasks SET available_at = 0").await;
    let again = yard.claim(60_000, 1).await;
    assert_eq!(late[0].id, again[0].id);
    let results = [fold(&late[0]), fold(&again[0]), fold(&again[0])];
    assert_eq!(yard.store.publish(&results).await.unwrap(), [Refused, Accepted, Refused]);
    assert_eq!(yard.n_folds().await, 1);
}

on_both! {
    of_two_results_of_a_task_the_one_whose_lease_holds_is_taken,
    a_claim_is_sized_by_expected_work,
    the_last_fold_frees_the_reduce_task_and_that_ends_the_job,
    a_late_result_is_refused_and_the_second_worker_publishes_once,
    a_renewed_lease_is_not_reaped_and_a_lost_one_is_not_renewed,
    a_task_that_keeps_losing_its_worker_ends_its_job,
    what_is_tried_again_says_which_fit_it_is,
    what_meets_an_outage_is_tried_until_it_is_over,
    what_is_handed_back_was_never_tried,
    what_is_handed_back_waits_from_then_on,
    what_was_lost_before_is_taken_by_itself,
    what_ends_its_workers_ends_no_job_but_its_own,
    a_cancelled_job_takes_no_result_and_ends_with_its_last_task,
    a_failure_that_may_pass_is_tried_again_and_one_that_cannot_ends_the_job,
    what_is_handed_back_of_a_cancelled_job_ends_it_and_holds_nobody_up,
    a_start_ends_what_was_being_cancelled,
    a_deleted_job_keeps_no_other_from_publishing,
    what_cannot_be_read_ends_alone,
}
