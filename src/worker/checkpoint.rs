//! Saves the state of a fit where the next attempt of its task finds it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::timeout;
use trainyard_learn::training::SavedFit;

use super::Resources;
use super::queue::{Signal, Stop};
use crate::blobs::Until;
use crate::store::tasks::{Checkpoint, ClaimedTask, Saved};

/// What was saved, as far as it is not taken off: a file, which may be large.
#[derive(Debug)]
pub(super) struct State {
    file: File,
    n_bytes: u64,
}

impl State {
    /// All of a file from its beginning on.
    fn of(file: File) -> io::Result<Self> {
        let n_bytes = file.metadata()?.len();
        Ok(Self { file, n_bytes })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.n_bytes == 0
    }

    /// The last so many bytes, and what is before them; nothing where there are fewer or they cannot be read.
    pub(super) fn split_last(self, n: usize) -> Option<(Self, Vec<u8>)> {
        let n_bytes = self.n_bytes.checked_sub(n as u64)?;
        let mut last = vec![0; n];
        let read = self.file.read_exact_at(&mut last, n_bytes);
        read.inspect_err(unreadable).ok()?;
        Some((Self { n_bytes, ..self }, last))
    }

    /// For a fit that goes on from it.
    pub(super) fn into_saved(self) -> SavedFit {
        let n_bytes = self.n_bytes;
        SavedFit { bytes: Box::new(Told(self.file.take(n_bytes))), n_bytes }
    }

    /// All of it in memory; for what is known to be small.
    pub(super) fn into_bytes(self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = self.file.take(self.n_bytes).read_to_end(&mut bytes);
        read.inspect_err(unreadable).ok()?;
        Some(bytes)
    }
}

/// A reader whose errors are told of: to a fit what cannot be read is no state, whatever the reason.
struct Told<R>(R);

impl<R: Read> Read for Told<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.0.read(to).inspect_err(unreadable)
    }
}

fn unreadable(error: &io::Error) {
    tracing::warn!(%error, "a checkpoint cannot be read");
}

/// Where tasks are saved, and how often.
#[derive(Debug)]
pub(super) struct Checkpoints {
    resources: Resources,
    runtime: Handle,
}

/// A blob's bytes end with so many that no other blob has, so that it is nobody else's.
pub(super) const MARK_BYTES: usize = 16;

/// The fit stands still while each part of its state is written, and then noted, and does without where one takes
/// longer.
const WRITTEN: Duration = Duration::from_secs(30);
const NOTED: Duration = Duration::from_secs(5);

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
    pub(super) fn load(&self, task: &ClaimedTask) -> Option<(State, Duration)> {
        let Checkpoint { sha256, spent_ms, .. } = task.checkpoint.as_ref()?;
        let opened = self.resources.blobs.open_checked(sha256, &self.runtime);
        match opened.and_then(|file| Ok(State::of(file)?)) {
            Ok(marked) => {
                let (state, _) = marked.split_last(MARK_BYTES)?;
                Some((state, Duration::from_millis(spent_ms.unsigned_abs())))
            }
            Err(error) => {
                tracing::warn!(%error, task = task.id, "a checkpoint cannot be read");
                None
            }
        }
    }

    /// Saves the state that `write` writes, unless the signal says that nobody wants it, with how long the task
    /// has taken, of a search with its inner fits, and, if known, the fit's last whole epoch; where that fails
    /// the one before stays.
    pub(super) fn save(
        &self,
        (task, signal): (&ClaimedTask, &Signal),
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
        (spent, epoch): (Duration, Option<u32>),
    ) {
        let Resources { store, blobs, clock, .. } = &self.resources;
        let mark: [u8; MARK_BYTES] = clock.new_uuid().into_bytes();
        let is_wanted = || !matches!(signal.stop(), Some(Stop::Cancelled | Stop::LeaseLost));
        let until = Until { patience: WRITTEN, is_wanted: &is_wanted };
        let written = blobs.write(&self.runtime, until, |to| {
            write(to)?;
            to.write_all(&mark)
        });
        let saved = written.map_err(|error| error.to_string()).and_then(|(sha256, size_bytes)| {
            let spent_ms = spent.as_millis() as i64;
            let checkpoint = Checkpoint { sha256: sha256.clone(), spent_ms, epoch };
            let saved = store.save_checkpoint(task, &checkpoint, size_bytes);
            self.runtime.block_on(async {
                let saved = store.within(NOTED, saved).await;
                let unused = match saved.map_err(|error| error.to_string())? {
                    Saved::Yes { replaced } => replaced,
                    Saved::Refused => Some(sha256),
                };
                let Some(unused) = unused else { return Ok(()) };
                // What is not deleted in time is swept.
                let deleted = timeout(NOTED, blobs.delete(&unused)).await;
                deleted.unwrap_or(Ok(())).map_err(|error| error.to_string())
            })
        });
        if let Err(error) = saved
            && is_wanted()
        {
            tracing::warn!(error, task = task.id, "a checkpoint could not be saved");
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Seek;

    use super::*;

    /// A state of these bytes.
    pub(in crate::worker) fn state(bytes: &[u8]) -> State {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        State::of(file).unwrap()
    }

    #[test]
    fn a_state_is_what_is_before_what_was_told_behind_it() {
        let (rest, last) = state(b"state of a fit, told").split_last(6).unwrap();
        assert_eq!(last, b", told");
        let (rest, last) = rest.split_last(7).unwrap();
        assert_eq!(last, b" of a fit"[2..]);
        let mut bytes = Vec::new();
        let SavedFit { bytes: mut saved, n_bytes } = rest.into_saved();
        saved.read_to_end(&mut bytes).unwrap();
        assert_eq!((bytes.as_slice(), n_bytes), (&b"state o"[..], 7));
        assert!(state(b"ab").split_last(3).is_none());
        let (nothing, _) = state(b"ab").split_last(2).unwrap();
        assert!(nothing.is_empty() && nothing.into_bytes() == Some(vec![]));
    }
}
