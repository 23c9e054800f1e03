//! Deletes the blobs that nothing refers to any more.
//!
//! A blob is swept that is older than a day and that no row names. It is marked in the database before it is
//! deleted (`store/leaving` has the protocol), so that the same bytes may be stored and named again at any
//! moment. A process that dies in between leaves marks, which run out. A deletion begins only while there is
//! much time left of its mark; a process that is stopped just after it has looked at the clock, and for
//! minutes, or a store that carries out a call minutes after it was given up, could still be late.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::blobs::{BlobError, Blobs};
use crate::domain::clock::Clock;
use crate::store::{Store, StoreError};

/// Why blobs could not be swept.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store of blobs failed.
    #[error(transparent)]
    Blob(#[from] BlobError),
}

/// So many are marked at once.
const BATCH: usize = 64;

/// A mark runs out after so long.
const MARKED: Duration = Duration::from_secs(120);

/// What is marked is deleted within this time, or not; the rest of the mark's is for a call that was given up.
const DELETED: Duration = Duration::from_secs(30);

/// Deletes what is older than a day and not `in_use`, unless another process sweeps; how many blobs.
///
/// # Errors
/// When the database or the store fails.
pub async fn sweep(
    store: &Store,
    blobs: &Blobs,
    in_use: &HashSet<String>,
    clock: &Clock,
) -> Result<usize, SweepError> {
    let Some(right) = store.sweeper().await? else { return Ok(0) };
    let swept = sweep_alone(store, blobs, in_use, clock).await;
    right.end().await;
    swept
}

async fn sweep_alone(
    store: &Store,
    blobs: &Blobs,
    in_use: &HashSet<String>,
    clock: &Clock,
) -> Result<usize, SweepError> {
    store.forget_left().await?;
    let mut n_deleted = blobs.sweep_staging().await?;
    for names in blobs.old(in_use).await?.chunks(BATCH) {
        n_deleted += delete(store, blobs, names, clock.new_uuid().to_string()).await?;
    }
    Ok(n_deleted)
}

async fn delete(
    store: &Store,
    blobs: &Blobs,
    names: &[String],
    mark: String,
) -> Result<usize, SweepError> {
    let deadline = Instant::now() + DELETED;
    let leaving = store.let_leave(mark, names, MARKED).await?;
    let (mut left, mut stay, mut failure) = (Vec::new(), Vec::new(), None);
    for name in &leaving.names {
        if failure.is_some() || Instant::now() >= deadline {
            stay.push(name.clone());
            continue;
        }
        match timeout_at(deadline, blobs.delete_old(name)).await {
            Ok(Ok(true)) => left.push(name.clone()),
            Ok(Ok(false)) => stay.push(name.clone()),
            // Whether it is deleted, or will be, nobody knows: its mark runs out.
            Ok(Err(error)) => failure = Some(error),
            Err(_) => tracing::warn!(name, "a blob's deletion has taken too long"),
        }
    }
    store.have_left(&leaving, &left).await?;
    store.stay(&leaving, &stay).await?;
    failure.map_or(Ok(left.len()), |error| Err(error.into()))
}
