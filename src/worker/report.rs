//! Shows how fits go while they run: gathers what the training threads report and stores it, all
//! together and at most once a second.
//!
//! A report is only that: it may be superseded or left out, and no result depends on one. What the store
//! fails to take goes with what is reported next. Whoever lost the lease is refused by the store.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::store::Store;
use crate::store::tasks::Report;

/// A task reports this often; one whose training takes no longer never does.
pub(super) const REPORT_EVERY: Duration = Duration::from_secs(1);

/// A report that takes longer is superseded by then.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the training threads leave their reports.
#[derive(Clone, Debug)]
pub(super) struct Reporter(mpsc::Sender<Report>);

impl Reporter {
    /// Leaves a report, without waiting, and says whether it did: while the database is slow it does not.
    pub(super) fn send(&self, report: Report) -> bool {
        self.0.try_send(report).is_ok()
    }
}

/// With room for what the threads report between two transactions.
pub(super) fn channel(n_threads: usize) -> (Reporter, mpsc::Receiver<Report>) {
    let (sender, receiver) = mpsc::channel(2 * n_threads.max(1));
    (Reporter(sender), receiver)
}

/// Stores what is reported until no thread is left.
pub(super) async fn show(store: Store, mut reports: mpsc::Receiver<Report>) {
    let mut latest = Latest::default();
    while let Some(first) = reports.recv().await {
        latest.add(first);
        while let Ok(report) = reports.try_recv() {
            latest.add(report);
        }
        let told = latest.take();
        if let Err(error) = store.within(PATIENCE, store.report(&told)).await {
            tracing::warn!(%error, "the progress of tasks could not be stored");
            latest.put_back(told, reports.max_capacity());
        }
        tokio::time::sleep(REPORT_EVERY).await;
    }
}

/// How far each task is that reported since that was last stored.
#[derive(Debug, Default)]
struct Latest(HashMap<(i64, Arc<str>), Report>);

impl Latest {
    fn add(&mut self, mut report: Report) {
        let key = (report.task, Arc::clone(&report.lease_token));
        // Within an epoch there is nothing new to tell of those before, and what was told stands.
        if let Some(before) = self.0.remove(&key) {
            report.history = report.history.or(before.history);
        }
        self.0.insert(key, report);
    }

    fn take(&mut self) -> Vec<Report> {
        self.0.drain().map(|(_, report)| report).collect()
    }

    /// What was not stored waits for the next time: no thread tells of an epoch twice. More than so many
    /// are mostly of tasks that have ended.
    fn put_back(&mut self, told: Vec<Report>, most: usize) {
        if told.len() <= most {
            told.into_iter().for_each(|report| self.add(report));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use trainyard_learn::training::History;

    use super::super::search::tests::World;
    use super::*;
    use crate::domain::ids::ProjectId;
    use crate::store::tasks::ClaimedTask;

    /// The packed history of so many epochs.
    fn history(n_epochs: u32) -> Vec<u8> {
        let mut history = History::new(vec!["train_loss".to_owned()]);
        (1..=n_epochs).for_each(|epoch| history.push(epoch, &[0.5]));
        history.pack()
    }

    fn report(task: &ClaimedTask, progress: f64, history: Option<Vec<u8>>) -> Report {
        let ClaimedTask { id, attempt, lease_token, .. } = task.clone();
        Report { task: id, attempt, lease_token, progress, history }
    }

    #[test]
    fn a_curve_that_could_not_be_stored_goes_with_the_next_report() {
        let job = json!({
            "target": "y", "model": {"type": "linear"}, "optimizer": {"type": "adam"},
            "training": {"epochs": 3}, "cv": {"type": "kfold", "n_splits": 2}
        });
        let world = World::new(&job, &[]);
        let tasks = world.claim();
        let job = tasks[0].job.id;
        let store = &world.runner.resources.store;
        let (reporter, reports) = channel(1);
        world.runner.runtime.block_on(async {
            let refuses = "CREATE TRIGGER refuses BEFORE UPDATE OF progress ON tasks
                           BEGIN SELECT RAISE(ABORT, 'not now'); END";
            store.change(refuses).await;
            let shown = tokio::spawn(show(store.clone(), reports));
            assert!(reporter.send(report(&tasks[0], 0.2, Some(history(1)))));
            tokio::time::sleep(REPORT_EVERY / 2).await;
            store.change("DROP TRIGGER refuses").await;

            // Within the second epoch there is nothing new to tell of the first.
            assert!(reporter.send(report(&tasks[0], 0.3, None)));
            assert!(reporter.send(report(&tasks[0], 0.4, None)));
            drop(reporter);
            shown.await.unwrap();
            let stored = store.history(ProjectId::DEFAULT, job, Some(0)).await.unwrap();
            let losses = stored.and_then(|stored| stored.epochs.series("train_loss"));
            assert_eq!(losses, Some(vec![0.5]));
            let job = store.job(ProjectId::DEFAULT, job).await.unwrap().unwrap();
            assert!(
                (job.progress - 0.4 / 3.0).abs() < 1e-9,
                "the first of three tasks: {}",
                job.progress
            );
        });
    }

    #[test]
    fn the_last_report_of_each_lease_waits_with_the_last_curve() {
        let job = json!({"target": "y", "model": {"type": "perceptron"}});
        let world = World::new(&job, &[]);
        let task = world.claim().remove(0);
        let mut latest = Latest::default();
        for number in 0..3 {
            let lease_token: Arc<str> = format!("lease {number}").into();
            let task = ClaimedTask { lease_token, ..task.clone() };
            for (progress, told) in [(0.1, Some(history(2))), (0.2, None), (0.3, Some(history(3)))]
            {
                latest.add(report(&task, progress, told));
            }
            latest.add(report(&task, 0.4, None));
        }
        let told = latest.take();
        latest.put_back(told, 3);
        let told = latest.take();
        let last =
            told.iter().filter(|told| told.progress == 0.4 && told.history == Some(history(3)));
        assert_eq!((told.len(), last.count()), (3, 3));
        latest.put_back(told, 2);
        assert!(latest.take().is_empty(), "more than there is room for");
    }
}
