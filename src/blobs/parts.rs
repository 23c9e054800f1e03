//! Large bytes on their way to a store while others are still being written.

use std::io::{self, Write};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, Sender};
use tokio::task::JoinHandle;

use super::{BlobError, Blobs, Staged};

/// At once; with those that wait and what a store's client copies, eight are in memory.
const MOST_PARTS: usize = 2;

type Part = Result<Bytes, io::Error>;
type Staging = JoinHandle<Result<Staged, BlobError>>;

/// Takes bytes and hands them on in parts; what fits in one stays here. For threads that are not the
/// runtime's.
pub(super) struct Parts<'a> {
    blobs: &'a Blobs,
    runtime: &'a Handle,
    part: Vec<u8>,
    /// Where full parts go, and what becomes of them.
    staging: Option<(Sender<Part>, Staging)>,
}

/// What was written.
pub(super) enum Written {
    /// No more than a part.
    Whole(Vec<u8>),
    Staged(Staged),
}

impl<'a> Parts<'a> {
    pub(super) fn new(blobs: &'a Blobs, runtime: &'a Handle) -> Self {
        Self { blobs, runtime, part: Vec::new(), staging: None }
    }

    fn hand_on(&mut self) -> io::Result<()> {
        let (blobs, runtime) = (self.blobs, self.runtime);
        let (sender, _) = self.staging.get_or_insert_with(|| {
            let (sender, parts) = mpsc::channel(1);
            let blobs = blobs.clone();
            let stage =
                async move { blobs.stage_in_parts(streamed(parts), u64::MAX, MOST_PARTS).await };
            (sender, runtime.spawn(stage.boxed()))
        });
        let part = Bytes::from(std::mem::take(&mut self.part));
        // Nobody takes it where staging has failed; `finish` says why.
        runtime.block_on(sender.send(Ok(part))).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// Everything was written, or an error broke it off: nothing of it stays then.
    pub(super) fn finish(mut self, written: io::Result<()>) -> Result<Written, BlobError> {
        let written = match &self.staging {
            Some(_) if written.is_ok() && !self.part.is_empty() => self.hand_on(),
            _ => written,
        };
        let Some((sender, staged)) = self.staging else {
            written?;
            return Ok(Written::Whole(self.part));
        };
        let staged = self.runtime.block_on(async {
            if let Err(error) = &written {
                // It has ended by itself where nobody takes this.
                let _ = sender.send(Err(error.kind().into())).await;
            }
            drop(sender);
            staged.await.map_err(|error| BlobError::Io(io::Error::other(error)))?
        });
        // Why staging failed says more than that nobody took the parts.
        let staged = staged.map_err(|error| match (error, written) {
            (BlobError::BrokenOff(_), Err(first)) => BlobError::Io(first),
            (error, _) => error,
        })?;
        Ok(Written::Staged(staged))
    }
}

impl Write for Parts<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.blobs.part_bytes - self.part.len();
        let taken = &bytes[..bytes.len().min(room)];
        self.part.extend_from_slice(taken);
        if self.part.len() == self.blobs.part_bytes {
            self.hand_on()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn streamed(parts: mpsc::Receiver<Part>) -> BoxStream<'static, Part> {
    stream::unfold(parts, |mut parts| async { parts.recv().await.map(|part| (part, parts)) })
        .boxed()
}
