//! Keeps the leases of claimed tasks alive, apart from the training threads, and brings back
//! whether a task should stop; and says that the worker lives.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::queue::{Flights, Stop};
use crate::store::Store;
use crate::store::tasks::Held;
use crate::store::workers::NewWorker;

/// A lease outlasts so many renewals, some of which may fail.
const RENEWALS_A_LEASE: u32 = 6;

/// A worker that has not been heard of for a lease is lost; it speaks up so often within one.
const BEATS_A_LEASE: u32 = 3;

/// Who has had no answer for a third of a lease asks again, by another connection.
const ANSWERS_A_LEASE: u32 = 3;

/// Says that the worker lives; where that fails, the next time comes soon.
pub(super) async fn beat(store: &Store, worker: &NewWorker) {
    let within = Duration::from_millis(worker.lease_ms.unsigned_abs()) / ANSWERS_A_LEASE;
    if let Err(error) = store.within(within, store.beat(worker)).await {
        tracing::warn!(%error, "the worker could not say that it lives");
    }
}

/// Renews for ever; ended by aborting it.
pub(super) async fn renew(store: Store, flights: Arc<Flights>, worker: NewWorker) {
    let lease = Duration::from_millis(worker.lease_ms.unsigned_abs());
    let mut next_beat = Instant::now() + lease / BEATS_A_LEASE;
    loop {
        if Instant::now() >= next_beat {
            next_beat = Instant::now() + lease / BEATS_A_LEASE;
            beat(&store, &worker).await;
        }
        tokio::select! {
            () = tokio::time::sleep(lease / RENEWALS_A_LEASE) => {}
            () = store.hints().stop() => {}
        }
        let leases = flights.leases();
        if leases.is_empty() {
            continue;
        }
        let renewed = store.renew(&leases, worker.lease_ms);
        match store.within(lease / ANSWERS_A_LEASE, renewed).await {
            Ok(held) => {
                let held: HashMap<i64, Held> =
                    held.into_iter().map(|held| (held.task, held)).collect();
                for (task, lease, signal) in flights.signals() {
                    // A claim made while the database answered is not in the answer.
                    if !leases.contains(&lease) {
                        continue;
                    }
                    match held.get(&task) {
                        Some(Held { cancelled: true, .. }) => signal.raise(Stop::Cancelled),
                        Some(Held { paused: true, .. }) => signal.raise(Stop::Paused),
                        Some(_) => {}
                        None => signal.raise(Stop::LeaseLost),
                    }
                }
            }
            // The leases still last for several tries.
            Err(error) => tracing::warn!(%error, "leases could not be renewed"),
        }
    }
}
