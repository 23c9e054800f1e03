//! Keeps the leases of claimed tasks alive, apart from the training threads, and brings back
//! whether a task should stop.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::queue::{Flights, Stop};
use crate::store::Store;

/// A lease outlasts so many renewals, some of which may fail.
const RENEWALS_A_LEASE: u32 = 6;

/// Renews for ever; ended by aborting it.
pub(super) async fn renew(store: Store, flights: Arc<Flights>, lease: Duration) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(lease / RENEWALS_A_LEASE) => {}
            () = store.hints().stop() => {}
        }
        let leases = flights.leases();
        if leases.is_empty() {
            continue;
        }
        match store.renew(&leases, lease.as_millis() as i64).await {
            Ok(held) => {
                let held: HashMap<i64, bool> =
                    held.into_iter().map(|held| (held.task, held.cancelled)).collect();
                for (task, lease, signal) in flights.signals() {
                    // A claim made while the database answered is not in the answer.
                    if !leases.contains(&lease) {
                        continue;
                    }
                    match held.get(&task) {
                        Some(false) => {}
                        Some(true) => signal.raise(Stop::Cancelled),
                        None => signal.raise(Stop::LeaseLost),
                    }
                }
            }
            // The leases still last for several tries.
            Err(error) => tracing::warn!(%error, "leases could not be renewed"),
        }
    }
}
