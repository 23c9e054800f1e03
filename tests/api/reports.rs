//! Reports of how far tasks are, as workers leave them in the store: of who holds the task alone.

use trainyard::domain::job::{JobError, JobStatus};
use trainyard::store::tasks::Published::Accepted;
use trainyard::store::tasks::{Checkpoint, ClaimedTask, Finished, Outcome, Report};
use trainyard_learn::training::History;

use crate::yard::{Database, PROJECT, Yard, finished, fold, on_both};

/// The packed history of so many epochs, whose losses are `loss`.
fn history(n_epochs: u32, loss: f64) -> Vec<u8> {
    let mut history = History::new(vec!["train_loss".to_owned()]);
    (1..=n_epochs).for_each(|epoch| history.push(epoch, &[loss]));
    history.pack()
}

fn report(task: &ClaimedTask, progress: f64, history: Vec<u8>) -> Report {
    let ClaimedTask { id, attempt, lease_token, .. } = task.clone();
    Report { task: id, attempt, lease_token, progress, history: Some(history) }
}

fn fold_with(task: &ClaimedTask, told: Vec<u8>) -> Finished {
    let mut published = fold(task);
    let Outcome::Fold { history, .. } = &mut published.outcome else { panic!("it is a fold") };
    *history = Some(told);
    published
}

impl Yard {
    async fn report(&self, report: Report) -> bool {
        self.store.report(&[report]).await.unwrap()[0]
    }

    /// A fold's losses, and whether they are all.
    async fn curve(&self, fold: u32) -> Option<(Vec<f64>, bool)> {
        let stored = self.store.history(PROJECT, self.job, Some(fold)).await.unwrap()?;
        Some((stored.epochs.series("train_loss").unwrap(), stored.finished))
    }

    async fn progress(&self) -> f64 {
        self.job().await.progress
    }
}

async fn a_report_moves_the_job_until_the_result_takes_its_place(on: Database) {
    let yard = Yard::new(on).await;
    let tasks = yard.claim(60_000, 1_000_000).await;
    assert_eq!((yard.progress().await, yard.curve(0).await), (0.0, None));
    // Of five tasks, half of the first is done, then three quarters.
    assert!(yard.report(report(&tasks[0], 0.5, history(1, 9.0))).await);
    assert_eq!((yard.progress().await, yard.curve(0).await), (0.1, Some((vec![9.0], false))));
    let within_an_epoch = Report { history: None, ..report(&tasks[0], 0.6, vec![]) };
    assert!(yard.report(within_an_epoch).await);
    assert_eq!((yard.progress().await, yard.curve(0).await), (0.12, Some((vec![9.0], false))));
    assert!(yard.report(report(&tasks[0], 0.75, history(2, 9.0))).await);
    assert_eq!((yard.progress().await, yard.curve(0).await), (0.15, Some((vec![9.0; 2], false))));
    assert!(yard.report(report(&tasks[0], 0.25, history(2, 9.0))).await);
    assert_eq!(yard.progress().await, 0.15, "it never falls during an attempt");
    assert_eq!(yard.curve(1).await, None);

    let published = fold_with(&tasks[0], history(3, 9.0));
    assert_eq!(yard.store.publish(&[published]).await.unwrap(), [Accepted]);
    let whole = Some((vec![9.0; 3], true));
    assert_eq!((yard.progress().await, yard.curve(0).await), (0.2, whole.clone()));
    assert!(!yard.report(report(&tasks[0], 0.9, history(2, 9.0))).await, "it is done");
    assert_eq!((yard.progress().await, yard.curve(0).await), (0.2, whole));
}

async fn a_late_report_is_refused_and_the_next_attempt_starts_its_curve_again(on: Database) {
    let yard = Yard::new(on).await;
    let late = yard.claim(60_000, 1_000_000).await;
    assert!(yard.report(report(&late[0], 0.5, history(5, 1.0))).await);
    yard.store.take_back_leases().await.unwrap();
    assert_eq!((yard.progress().await, yard.curve(0).await), (0.0, None));
    assert!(!yard.report(report(&late[0], 0.6, history(6, 1.0))).await, "nobody holds it");
    assert_eq!((yard.progress().await, yard.curve(0).await), (0.0, None));

    let second = yard.claim_again().await;
    assert_eq!((second[0].id, second[0].attempt), (late[0].id, 2));
    assert!(yard.report(report(&second[0], 0.25, history(2, 2.0))).await);
    assert!(!yard.report(report(&late[0], 0.7, history(7, 1.0))).await, "another holds it");
    let other_attempt = ClaimedTask { attempt: 1, ..second[0].clone() };
    assert!(!yard.report(report(&other_attempt, 0.7, history(7, 1.0))).await);
    // Nor does a worker that has lost a task take anything away from who has it.
    yard.hand_back(&late).await;
    assert_eq!((yard.progress().await, yard.curve(0).await), (0.05, Some((vec![2.0; 2], false))));
}

async fn reports_stand_and_fall_by_themselves(on: Database) {
    let yard = Yard::new(on).await;
    let late = yard.claim(60_000, 1).await;
    yard.hand_back(&late).await;
    let tasks = yard.claim(60_000, 1_000_000).await;
    assert_eq!((tasks[0].id, tasks[0].attempt), (late[0].id, late[0].attempt));
    let reports = [report(&late[0], 0.5, history(1, 1.0)), report(&tasks[1], 0.5, history(1, 1.0))];
    assert_eq!(yard.store.report(&reports).await.unwrap(), [false, true]);
    assert_eq!((yard.curve(0).await, yard.progress().await), (None, 0.1));
}

async fn what_goes_back_to_the_queue_starts_again(on: Database) {
    let yard = Yard::new(on).await;
    let tasks = yard.claim(60_000, 1_000_000).await;
    for task in &tasks[..2] {
        assert!(yard.report(report(task, 0.5, history(1, 1.0))).await);
    }
    yard.hand_back(&tasks[..1]).await;
    assert_eq!((yard.progress().await, yard.curve(0).await), (0.1, None));
    let retry = Outcome::Retry(JobError::new("unreadable", ""));
    assert_eq!(yard.store.publish(&[finished(&tasks[1], retry)]).await.unwrap(), [Accepted]);
    assert_eq!((yard.progress().await, yard.curve(1).await), (0.0, None));
}

async fn what_was_saved_says_how_far_it_is_while_nobody_works_on_it(on: Database) {
    let yard = Yard::new(on).await;
    let tasks = yard.claim(60_000, 1_000_000).await;
    assert!(yard.report(report(&tasks[0], 0.5, history(1, 1.0))).await);
    let checkpoint = Checkpoint { sha256: "a".repeat(64), spent_ms: 1, epoch: Some(1) };
    yard.store.save_checkpoint(&tasks[0], &checkpoint, 7).await.unwrap();
    yard.hand_back(&tasks[..1]).await;
    assert_eq!((yard.progress().await, yard.curve(0).await), (0.1, Some((vec![1.0], false))));
    yard.store.take_back_leases().await.unwrap();
    assert_eq!((yard.progress().await, yard.curve(0).await), (0.1, Some((vec![1.0], false))));
}

async fn what_a_job_was_like_stays_when_it_ends_early(on: Database) {
    let cancelled = Yard::new(on).await;
    let tasks = cancelled.claim(60_000, 1_000_000).await;
    assert!(cancelled.report(report(&tasks[0], 0.5, history(2, 1.0))).await);
    assert!(cancelled.report(report(&tasks[1], 0.5, history(1, 1.0))).await);
    cancelled.store.cancel_job(PROJECT, cancelled.job).await.unwrap();
    let ended = [finished(&tasks[0], Outcome::Cancelled)];
    assert_eq!(cancelled.store.publish(&ended).await.unwrap(), [Accepted]);
    cancelled.hand_back(&tasks[1..]).await;
    assert_eq!(cancelled.job().await.status, JobStatus::Cancelled);
    assert_eq!(cancelled.curve(0).await, Some((vec![1.0; 2], false)));
    assert_eq!(cancelled.curve(1).await, Some((vec![1.0], false)));
    assert_eq!(cancelled.progress().await, 0.2);

    let failed = Yard::new(on).await;
    let tasks = failed.claim(60_000, 1_000_000).await;
    for task in &tasks[..2] {
        assert!(failed.report(report(task, 0.5, history(2, 1.0))).await);
    }
    let error = JobError::new("diverged", "");
    let outcome = Outcome::Failed { error, history: Some(history(3, 1.0)) };
    assert_eq!(failed.store.publish(&[finished(&tasks[0], outcome)]).await.unwrap(), [Accepted]);
    assert_eq!(failed.curve(0).await, Some((vec![1.0; 3], true)), "it ended by itself");
    assert_eq!(failed.curve(1).await, Some((vec![1.0; 2], false)), "it was broken off");
}

on_both! {
    a_report_moves_the_job_until_the_result_takes_its_place,
    a_late_report_is_refused_and_the_next_attempt_starts_its_curve_again,
    reports_stand_and_fall_by_themselves,
    what_goes_back_to_the_queue_starts_again,
    what_was_saved_says_how_far_it_is_while_nobody_works_on_it,
    what_a_job_was_like_stays_when_it_ends_early,
}
