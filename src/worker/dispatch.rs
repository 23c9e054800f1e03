//! The dispatcher: claims for idle threads, gathers what they finish, publishes it together.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::Span;

use super::queue::{Flights, Queue, Stop};
use super::run::Ended;
use crate::domain::clock::Clock;
use crate::domain::job::FitSummary;
use crate::meters::{self, Meters};
use crate::store::tasks::{
    Begun, ClaimRequest, ClaimedTask, Finished, Holding, Outcome, Published,
};
use crate::store::workers::NewWorker;
use crate::store::{Store, StoreError};
use crate::telemetry;

/// Expected work that one thread's part of a claim should hold.
const CLAIM_BUDGET_US: i64 = 200_000;

/// A claim is one transaction, and so is its publication: neither should become long.
const MAX_CLAIMED: i64 = 48;

/// Finished tasks wait at most so long for others to be published with.
const GATHER: Duration = Duration::from_millis(100);

/// Once no task waits for a thread, those that still run are waited for only so long.
const GATHER_LAST: Duration = Duration::from_millis(3);

/// A hint can be lost; the queue is looked at this often anyway.
const POLL: Duration = Duration::from_millis(1_500);

/// Tasks get so long to notice that the worker is going away, and what came of them the rest of the server's
/// eight seconds.
const DRAIN: Duration = Duration::from_secs(6);

const PUBLISH_ATTEMPTS: u32 = 4;

/// While the database is away, results are tried again so often.
const PUBLISH_AGAIN: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Dispatcher {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) worker: NewWorker,
    pub(super) meters: Meters,
    pub(super) queue: Arc<Queue>,
    pub(super) flights: Arc<Flights>,
    pub(super) done: mpsc::UnboundedReceiver<Ended>,
    pub(super) stopped: watch::Receiver<bool>,
}

impl Dispatcher {
    /// Works until it is told to stop.
    pub(super) async fn run(mut self) {
        let mut n_running = 0;
        let mut next_reap = Instant::now() + POLL;
        let lease = self.lease();
        let n_threads = self.worker.n_threads;
        let id = self.worker.id.to_string();
        let requirements = self.worker.labels.subsets();
        let (clock, lease_ms) = (self.clock.clone(), self.worker.lease_ms);
        let max_memory_bytes = i64::try_from(self.worker.memory_bytes).unwrap_or(i64::MAX);
        let flights = Arc::clone(&self.flights);
        let request = |n_idle: usize| ClaimRequest {
            worker: &id,
            lease_token: clock.new_uuid().to_string(),
            lease_ms,
            budget_us: CLAIM_BUDGET_US * n_idle as i64,
            max_tasks: MAX_CLAIMED,
            max_memory_bytes,
            may_be_last_try: !flights.have_last_try(),
            requirements: &requirements,
        };
        if let Err(error) = self.asked(self.store.rehearse(&request(0))).await {
            tracing::debug!(%error, "claims could not be rehearsed");
        }
        while !*self.stopped.borrow() {
            // One task more than there is memory for waits for it; others are for other workers.
            while n_running < n_threads && self.flights.memory_bytes() <= self.worker.memory_bytes {
                match self.claim(&request(n_threads - n_running)).await {
                    0 => break,
                    n => n_running += n,
                }
            }
            tokio::select! {
                Some(ended) = self.done.recv() => {
                    let batch = self.gather(ended, n_running).await;
                    n_running -= batch.len();
                    self.settle(batch).await;
                }
                () = self.store.hints().work(), if n_running < n_threads => {}
                () = self.store.hints().move_on() => self.move_on().await,
                () = sleep(POLL) => {}
                _ = self.stopped.changed() => {}
            }
            if Instant::now() >= next_reap {
                let again = if self.reap(next_reap).await { POLL } else { lease };
                next_reap = Instant::now() + again;
                self.move_on().await;
            }
        }
        self.drain(n_running).await;
        if let Err(error) = self.asked(self.store.sign_off(self.worker.id)).await {
            tracing::warn!(%error, "the worker could not sign off");
        }
    }

    fn lease(&self) -> Duration {
        Duration::from_millis(self.worker.lease_ms.unsigned_abs())
    }

    /// What the store answers before what was claimed with the question, or held by then, would be lost.
    async fn asked<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.store.within(self.lease(), call).await
    }

    /// Takes back tasks whose lease ran out. `false` where the database was away, or this process, since it
    /// was due: nobody could renew meanwhile, so all get a lease's time to.
    async fn reap(&self, due: Instant) -> bool {
        let reaped = match self.asked(self.store.has_lost_leases()).await {
            Ok(_) if due.elapsed() > POLL => return false,
            Ok(false) => return true,
            Ok(true) => self.asked(self.store.reap()).await,
            Err(error) => Err(error),
        };
        match reaped {
            Ok(0) => true,
            Ok(n) => {
                self.meters.leases_expired.inc_by(n as u64);
                tracing::warn!(n_tasks = n, "took back tasks whose lease ran out");
                true
            }
            Err(error) => {
                tracing::error!(%error, "leases could not be reaped");
                false
            }
        }
    }

    /// Moves on jobs that waited for others, and ends those that take too long.
    async fn move_on(&self) {
        if let Err(error) = self.asked(self.store.move_on()).await {
            tracing::error!(%error, "jobs could not be moved on");
        }
    }

    /// Claims work for idle threads; returns how many tasks there are more.
    async fn claim(&self, request: &ClaimRequest<'_>) -> usize {
        let start = Instant::now();
        match self.asked(self.store.claim(request)).await {
            Ok(tasks) => {
                let n = tasks.len();
                self.meters.claim_seconds.observe(start.elapsed().as_secs_f64());
                self.meters.tasks_claimed.inc_by(n as u64);
                for task in &tasks {
                    self.meters.wait_seconds.observe(task.waited_ms as f64 / 1e3);
                }
                let begun = Begun::of(&tasks);
                self.queue.put(tasks.into_iter().map(|task| self.flights.add(task)));
                if let Some(begun) = begun
                    && let Err(error) = self.asked(self.store.note(&begun)).await
                {
                    tracing::warn!(%error, "the start of tasks could not be noted");
                }
                n
            }
            Err(error) => {
                tracing::error!(%error, "tasks could not be claimed");
                0
            }
        }
    }

    /// Collects what finishes soon after `first`, so that short tasks share one transaction.
    async fn gather(&mut self, first: Ended, n_running: usize) -> Vec<Ended> {
        let mut batch = vec![first];
        let mut deadline = Instant::now() + GATHER;
        let mut last = false;
        while batch.len() < n_running {
            if !last && self.queue.is_empty() {
                last = true;
                deadline = deadline.min(Instant::now() + GATHER_LAST);
            }
            match timeout_at(deadline, self.done.recv()).await {
                Ok(Some(ended)) => batch.push(ended),
                Ok(None) | Err(_) => break,
            }
        }
        batch
    }

    /// Publishes what finished and hands back what was interrupted.
    async fn settle(&self, batch: Vec<Ended>) {
        let mut finished = Vec::with_capacity(batch.len());
        let mut interrupted = Vec::new();
        let mut ids = Vec::with_capacity(batch.len());
        for ended in batch {
            match ended {
                Ended::Finished(item) => {
                    ids.push(item.task.id);
                    finished.push(*item);
                }
                Ended::Interrupted(task) => {
                    ids.push(task.id);
                    interrupted.push(task.holding());
                }
                Ended::LeaseLost(task) => {
                    tracing::warn!(task = task.id, job = %task.job.id, "lost a lease; discarded");
                    ids.push(task.id);
                }
            }
        }
        if !finished.is_empty() {
            self.publish(&finished).await;
        }
        self.hand_back(&interrupted).await;
        for id in ids {
            self.flights.remove(id);
        }
    }

    async fn publish(&self, finished: &[Finished]) {
        // With its model a job's trace ends.
        let last = finished.iter().filter(|item| matches!(item.outcome, Outcome::Reduced { .. }));
        let _spans: Vec<Span> = last.map(|item| published(&item.task)).collect();
        for attempt in 1.. {
            // They may be large and the way narrow: each time they get longer.
            let published = self.store.publish(finished);
            match self.store.within(self.lease() * attempt, published).await {
                Ok(became) => {
                    for (item, became) in finished.iter().zip(became) {
                        if became != Published::Refused {
                            count(&self.meters, item, became);
                            continue;
                        }
                        self.meters.late_results_refused.inc();
                        let (task, job) = (item.task.id, item.task.job.id);
                        tracing::warn!(task, %job, "a late result was refused");
                    }
                    return;
                }
                Err(error) if self.is_worth_trying_again(&error, attempt) => {
                    tracing::warn!(%error, attempt, "results could not be published; trying again");
                    sleep(PUBLISH_AGAIN.min(Duration::from_millis(200 << attempt.min(8)))).await;
                }
                // Without a renewal the leases run out, and the tasks are tried again.
                Err(error) => {
                    tracing::error!(%error, "results could not be published");
                    return;
                }
            }
        }
    }

    /// What the database said may pass soon; an outage does, and nobody else can do the work meanwhile.
    fn is_worth_trying_again(&self, error: &StoreError, attempt: u32) -> bool {
        let soon = matches!(error, StoreError::Database(_)) && attempt < PUBLISH_ATTEMPTS;
        soon || error.is_unreachable() && !*self.stopped.borrow()
    }

    async fn hand_back(&self, held: &[Holding]) {
        if held.is_empty() {
            return;
        }
        if let Err(error) = self.asked(self.store.hand_back(held)).await {
            tracing::error!(%error, "tasks could not be handed back; their leases will run out");
        }
    }

    /// Stops what runs, publishes what finishes meanwhile, hands back the rest. What has not answered by
    /// then is in a long step, and whatever comes of it is refused.
    async fn drain(&mut self, n_running: usize) {
        let untaken = self.queue.close();
        for (_, _, signal) in self.flights.signals() {
            signal.raise(Stop::Shutdown);
        }
        let mut batch = Vec::new();
        let deadline = Instant::now() + DRAIN;
        while batch.len() + untaken.len() < n_running {
            match timeout_at(deadline, self.done.recv()).await {
                Ok(Some(ended)) => batch.push(ended),
                Ok(None) | Err(_) => break,
            }
        }
        batch.extend(untaken.into_iter().map(|flight| Ended::Interrupted(flight.task)));
        self.settle(batch).await;
        self.hand_back(&self.flights.held()).await;
    }
}

/// The span of a publication, in the trace of the task's job.
fn published(task: &ClaimedTask) -> Span {
    let span = tracing::info_span!("publish", job = %task.job.id, task = task.id);
    telemetry::follow(&span, task.job.traceparent.as_deref());
    span
}

fn count(meters: &Meters, item: &Finished, became: Published) {
    let trained = |n_train: u32, fit: &FitSummary| {
        meters.rows_trained.inc_by(u64::from(n_train) * u64::from(fit.epochs));
    };
    let outcome = match &item.outcome {
        _ if became == Published::PutBack => "retried",
        Outcome::Fold { result, .. } => {
            trained(result.n_train, &result.fit);
            "succeeded"
        }
        Outcome::Reduced { result, .. } => {
            if let Some(refit) = &result.refit {
                trained(refit.n_train, &refit.fit);
            }
            "succeeded"
        }
        Outcome::Cancelled => "cancelled",
        Outcome::Failed { .. } => "failed",
        Outcome::Retry(_) | Outcome::Away(_) => "retried",
    };
    meters.tasks_published.get_or_create(&meters::Ended { outcome }).inc();
    meters.task_seconds.observe((item.ended_us - item.started_us).max(0) as f64 / 1e6);
}
