//! The worker: claims tasks, trains on threads of its own, publishes what came out.
//!
//! Three parties share the work. The *dispatcher* (a task of the runtime) claims and publishes; the
//! *training threads* (plain threads, so that however busy they are the runtime answers) run one
//! task each; the *renewer* (a task of the runtime) keeps the leases alive and passes on that a job
//! was cancelled. A fourth, in `report`, shows how far they are. The worker knows nothing of HTTP; it
//! meets the rest in the store.
//!
//! Start reading at `dispatch`, then `run`, which is one task from start to end.

mod checkpoint;
mod dispatch;
mod evaluate;
mod fit;
mod learning;
mod observe;
mod peak;
mod prepare;
mod queue;
mod reduce;
mod renew;
mod report;
mod run;
mod search;
mod series;
mod warnings;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use trainyard_learn::kernels::Crew;

use crate::blobs::Blobs;
use crate::domain::clock::Clock;
use crate::domain::ids::WorkerId;
use crate::domain::labels::Labels;
use crate::meters::Meters;
use crate::scratch::Scratch;
use crate::store::Store;
use crate::store::workers::NewWorker;
use crate::tables::Tables;
use queue::{Flights, Queue};
use run::Runner;

/// What a worker works with.
#[derive(Clone, Debug)]
pub struct Resources {
    /// Where tasks come from and results go.
    pub store: Store,
    /// Where model files go.
    pub blobs: Blobs,
    /// Parsed datasets.
    pub tables: Arc<Tables>,
    /// Room for what is too large for memory.
    pub scratch: Scratch,
    /// Time and identifiers.
    pub clock: Clock,
    /// What is counted.
    pub meters: Meters,
    /// How long a claimed task is held without a word of its worker.
    pub lease: Duration,
    /// How often a fit that takes long is saved.
    pub checkpoint_every: Duration,
    /// How long one task may train.
    pub time_limit: Duration,
    /// What tasks may require of the worker.
    pub labels: Labels,
    /// What the tasks that run may need together, by estimate.
    pub memory_bytes: u64,
}

/// Training yields to whoever answers: requests, claims, renewals, the database beside it. A thread's
/// helpers inherit it.
const NICENESS: i32 = 5;

/// What a training thread asks of the database may be large, and waits for this long.
const READ_WITHIN: Duration = Duration::from_secs(300);

/// The worker of a process.
#[derive(Debug)]
pub struct Worker {
    stop: watch::Sender<bool>,
    dispatcher: JoinHandle<()>,
    renewer: JoinHandle<()>,
    reports: JoinHandle<()>,
}

impl Worker {
    /// Starts a worker with `n_threads` training threads; when this returns it is on the list.
    ///
    /// # Errors
    /// When the machine gives no more threads.
    pub async fn start(resources: &Resources, n_threads: usize) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::new(resources.memory_bytes));
        let flights = Arc::new(Flights::default());
        let (done_sender, done) = mpsc::unbounded_channel();
        let (reporter, reports) = report::channel(n_threads);
        let runner = Runner::new(resources.clone(), Handle::current(), n_threads, reporter);
        let runner = Arc::new(runner);
        for index in 0..n_threads {
            let (queue, runner) = (Arc::clone(&queue), Arc::clone(&runner));
            let done_sender = done_sender.clone();
            thread::Builder::new().name(format!("train-{index}")).spawn(move || {
                // Where this is not allowed, all are equal.
                let _ = rustix::process::nice(NICENESS);
                // Its helpers start when a fit first needs them, and rest when it does not.
                let mut crew = Crew::new(n_threads);
                while let Some(flight) = queue.take() {
                    let memory_bytes = flight.task.memory_bytes;
                    let ended = runner.run(flight, &mut crew);
                    queue.release(memory_bytes);
                    if done_sender.send(ended).is_err() {
                        return;
                    }
                }
            })?;
        }
        let (stop, stopped) = watch::channel(false);
        let worker = NewWorker {
            id: WorkerId::new(&resources.clock),
            name: format!("{}-{}", host(), std::process::id()),
            labels: resources.labels.clone(),
            n_cores: thread::available_parallelism().map_or(1, usize::from),
            n_threads,
            memory_bytes: resources.memory_bytes,
            lease_ms: resources.lease.as_millis() as i64,
        };
        renew::beat(&resources.store, &worker).await;
        let renewer = tokio::spawn(renew::renew(
            resources.store.clone(),
            Arc::clone(&flights),
            worker.clone(),
        ));
        let reports = tokio::spawn(report::show(resources.store.clone(), reports));
        let dispatcher = dispatch::Dispatcher {
            store: resources.store.clone(),
            clock: resources.clock.clone(),
            worker,
            meters: resources.meters.clone(),
            queue,
            flights,
            done,
            stopped,
        };
        Ok(Self { stop, dispatcher: tokio::spawn(dispatcher.run()), renewer, reports })
    }

    /// Stops claiming, publishes what is finished and hands back the rest. What the database does not hear of
    /// by the deadline is left to the end of its leases.
    pub async fn shutdown(mut self, deadline: Instant) {
        let _ = self.stop.send(true);
        match timeout_at(deadline, &mut self.dispatcher).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the dispatcher ended badly"),
            Err(_) => {
                tracing::warn!(
                    "the database does not answer; what ran here waits for its leases' end"
                );
                self.dispatcher.abort();
            }
        }
        self.renewer.abort();
        self.reports.abort();
    }
}

/// The machine's name, for people.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "worker".to_owned() } else { name.to_owned() }
}
