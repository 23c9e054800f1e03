//! Large bytes on their way to a store while others are still being written.

use std::fmt;
use std::io::{self, Write};
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use object_store::path::Path;
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::{BlobError, Blobs, Staged, hex};

/// At once; with those that wait and what a store's client copies, eight are in memory.
const MOST_PARTS: usize = 2;

/// A part, or that there is none any more; one who says neither has broken off.
type Message = Option<Bytes>;
type Receiving = JoinHandle<Result<Path, BlobError>>;

/// Takes bytes and hands them on in parts; what fits in one stays here. For threads that are not the
/// runtime's.
pub(super) struct Parts<'a> {
    blobs: &'a Blobs,
    runtime: &'a Handle,
    until: Until<'a>,
    part: Vec<u8>,
    /// Of the parts that were handed on.
    hash: Sha256,
    size_bytes: u64,
    /// Where parts go, and what becomes of them.
    receiving: Option<(Sender<Message>, Receiving)>,
}

/// How long somebody waits for a store.
#[derive(Clone, Copy)]
pub struct Until<'a> {
    /// For each part, and for the end, at most.
    pub patience: Duration,
    /// And no longer than this says.
    pub is_wanted: &'a dyn Fn() -> bool,
}

impl Until<'_> {
    /// How often it is asked whether it is wanted.
    const EVERY: Duration = Duration::from_millis(100);

    /// What the future comes to, if that is soon enough.
    pub(super) async fn wait<T>(&self, future: impl Future<Output = T>) -> io::Result<T> {
        let deadline = Instant::now() + self.patience;
        let mut future = pin!(future);
        while (self.is_wanted)() {
            if let Ok(found) = timeout(Self::EVERY, &mut future).await {
                return Ok(found);
            }
            if Instant::now() >= deadline {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the store takes too long"));
            }
        }
        Err(io::Error::other("nobody wants it any more"))
    }
}

impl fmt::Debug for Until<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Until").field("patience", &self.patience).finish_non_exhaustive()
    }
}

/// What was written.
pub(super) enum Written {
    /// No more than a part.
    Whole(Vec<u8>),
    Staged(Staged),
}

impl<'a> Parts<'a> {
    pub(super) fn new(blobs: &'a Blobs, runtime: &'a Handle, until: Until<'a>) -> Self {
        let (part, hash) = (Vec::new(), Sha256::new());
        Self { blobs, runtime, until, part, hash, size_bytes: 0, receiving: None }
    }

    fn hand_on(&mut self) -> io::Result<()> {
        let (blobs, runtime) = (self.blobs, self.runtime);
        let (sender, _) = self.receiving.get_or_insert_with(|| {
            let (sender, parts) = mpsc::channel(1);
            let blobs = blobs.clone();
            let receive =
                async move { blobs.receive(streamed(parts), MOST_PARTS, |_| Ok(())).await };
            (sender, runtime.spawn(receive.boxed()))
        });
        self.hash.update(&self.part);
        self.size_bytes += self.part.len() as u64;
        let part = Some(Bytes::from(std::mem::take(&mut self.part)));
        // Nobody takes it where receiving has failed; `finish` says why.
        let sent = runtime.block_on(self.until.wait(sender.send(part)))?;
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// Everything was written, or an error broke it off: nothing of it stays then.
    pub(super) fn finish(mut self, written: io::Result<()>) -> Result<Written, BlobError> {
        let written = match &self.receiving {
            Some(_) if written.is_ok() && !self.part.is_empty() => self.hand_on(),
            _ => written,
        };
        let Some((sender, mut receiving)) = self.receiving else {
            written?;
            return Ok(Written::Whole(self.part));
        };
        let received = match written {
            Ok(()) => self.runtime.block_on(self.until.wait(async {
                // Nobody takes it where receiving has failed.
                let _ = sender.send(None).await;
                (&mut receiving).await.map_err(|error| BlobError::Io(io::Error::other(error)))?
            })),
            // Receiving may have failed first, which says more.
            Err(error) if receiving.is_finished() => self.runtime.block_on(async {
                let received = (&mut receiving).await;
                Ok(received.unwrap_or(Err(BlobError::Io(error))))
            }),
            Err(error) => Err(error),
        };
        match received {
            Ok(Ok(path)) => {
                let (sha256, size_bytes) = (hex(&self.hash.finalize()), self.size_bytes);
                Ok(Written::Staged(Staged { path, sha256, size_bytes }))
            }
            Ok(Err(error)) => Err(error),
            Err(error) => {
                // It ends by itself, now that nobody sends, and what it has received is nobody's.
                let blobs = self.blobs.clone();
                let forget = async move {
                    if let Ok(Ok(path)) = receiving.await {
                        blobs.discard(Staged { path, sha256: String::new(), size_bytes: 0 }).await;
                    }
                };
                self.runtime.spawn(forget.boxed());
                Err(BlobError::Io(error))
            }
        }
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

/// The parts until it is said that there is none any more; an error where nobody says so.
fn streamed(parts: Receiver<Message>) -> BoxStream<'static, io::Result<Bytes>> {
    let next = |parts: Option<Receiver<Message>>| async {
        let mut parts = parts?;
        match parts.recv().await {
            Some(Some(part)) => Some((Ok(part), Some(parts))),
            Some(None) => None,
            None => Some((Err(io::ErrorKind::UnexpectedEof.into()), None)),
        }
    };
    stream::unfold(Some(parts), next).boxed()
}
