//! Keeps the leases of claimed tasks alive, apart from the training threads, and brings back
//! whether a task should stop.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::queue::{Flights, Stop};
use crate::store::Store;

/// How long a lease lasts unless it is renewed.
pub(super) const LEASE_MS: i64 = 30_000;

const RENEW_EVERY: Duration = Duration::from_secs(5);

/// Renews for ever; ended by aborting it.
pub(super) async fn renew(store: Store, flights: Arc<Flights>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(RENEW_EVERY) => {}
            () = store.hints().stop() => {}
        }
        let leases = flights.leases();
        if leases.is_empty() {
            continue;
        }
        match store.renew(&leases, LEASE_MS).await {
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
