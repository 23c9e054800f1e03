//! Shows how fits go while they run: gathers what the training threads report and stores it, all
//! together and at most once a second.
//!
//! A report is only that: it may be superseded or left out, and no result depends on one. Whoever
//! lost the lease is refused by the store.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::store::Store;
use crate::store::tasks::Report;

/// A fit reports this often; one that takes no longer never does.
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
    while let Some(first) = reports.recv().await {
        let mut latest: HashMap<(i64, Arc<str>), Report> = HashMap::new();
        let mut next = Some(first);
        while let Some(mut report) = next {
            let key = (report.task, Arc::clone(&report.lease_token));
            // Within an epoch there is nothing new to tell of those before, and what was told stands.
            if let Some(before) = latest.remove(&key) {
                report.history = report.history.or(before.history);
            }
            latest.insert(key, report);
            next = reports.try_recv().ok();
        }
        let latest: Vec<Report> = latest.into_values().collect();
        if let Err(error) = store.within(PATIENCE, store.report(&latest)).await {
            tracing::warn!(%error, "the progress of tasks could not be stored");
        }
        tokio::time::sleep(REPORT_EVERY).await;
    }
}
