//! Saves the state of a fit where the next attempt of its task finds it.

use std::time::Duration;

use tokio::runtime::Handle;

use super::Resources;
use crate::store::tasks::{Checkpoint, ClaimedTask, Saved};

/// Where tasks are saved, and how often.
#[derive(Debug)]
pub(super) struct Checkpoints {
    resources: Resources,
    runtime: Handle,
}

/// A blob's bytes end with so many that no other blob has, so that it is nobody else's.
pub(super) const MARK_BYTES: usize = 16;

/// The fit stands still until its state is noted, and does without where that takes longer.
const PATIENCE: Duration = Duration::from_secs(5);

impl Checkpoints {
    pub(super) fn new(resources: Resources, runtime: Handle) -> Self {
        Self { resources, runtime }
    }

    /// A task is saved so long after it began or was last saved.
    pub(super) fn every(&self) -> Duration {
        self.resources.checkpoint_every
    }

    /// What an earlier attempt saved, and how long the task had taken; none where there is none or it cannot
    /// be read: the fit then begins anew, and ends in the same.
    pub(super) fn load(&self, task: &ClaimedTask) -> Option<(Vec<u8>, Duration)> {
        let Checkpoint { sha256, spent_ms, .. } = task.checkpoint.as_ref()?;
        match self.runtime.block_on(self.resources.blobs.get(sha256)) {
            Ok(bytes) => {
                let spent = Duration::from_millis(spent_ms.unsigned_abs());
                let mut state = Vec::from(bytes);
                state.truncate(state.len().checked_sub(MARK_BYTES)?);
                Some((state, spent))
            }
            Err(error) => {
                tracing::warn!(%error, task = task.id, "a checkpoint cannot be read");
                None
            }
        }
    }

    /// Saves a state with how long the task has taken, of a search with its inner fits, and, if known, the
    /// fit's last whole epoch; where that fails the one before stays.
    pub(super) fn save(
        &self,
        task: &ClaimedTask,
        state: Vec<u8>,
        (spent, epoch): (Duration, Option<u32>),
    ) {
        let Resources { store, blobs, clock, .. } = &self.resources;
        let bytes = marked(state, clock.new_uuid().into_bytes());
        let saved = self.runtime.block_on(async {
            let size_bytes = bytes.len() as u64;
            let sha256 = blobs.put(bytes).await.map_err(|error| error.to_string())?;
            let spent_ms = spent.as_millis() as i64;
            let checkpoint = Checkpoint { sha256: sha256.clone(), spent_ms, epoch };
            let saved = store.save_checkpoint(task, &checkpoint, size_bytes);
            let saved = store.within(PATIENCE, saved).await;
            let unused = match saved.map_err(|error| error.to_string())? {
                Saved::Yes { replaced } => replaced,
                Saved::Refused => Some(sha256),
            };
            match unused {
                Some(unused) => blobs.delete(&unused).await.map_err(|error| error.to_string()),
                None => Ok(()),
            }
        });
        if let Err(error) = saved {
            tracing::warn!(error, task = task.id, "a checkpoint could not be saved");
        }
    }
}

fn marked(mut state: Vec<u8>, mark: [u8; MARK_BYTES]) -> Vec<u8> {
    // A full vector would double, and the estimate has no room for a large state twice more.
    state.reserve_exact(MARK_BYTES);
    state.extend(mark);
    state
}

#[cfg(test)]
mod tests {
    use super::super::series::tests::series;
    use super::*;

    #[test]
    fn what_is_told_behind_a_state_makes_it_no_larger_than_that() {
        let state = vec![7; 1_000_000];
        // Of a fit of its own, and of one of a search's.
        let packed = series(vec![Some(0.5)]).pack(state.clone(), Duration::ZERO);
        for state in [state, packed] {
            let n_bytes = state.len() + MARK_BYTES;
            let marked = marked(state, [1; MARK_BYTES]);
            assert_eq!(marked.len(), n_bytes);
            assert!(marked.capacity() < n_bytes + 100, "{} bytes", marked.capacity());
        }
    }
}
