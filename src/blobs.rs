//! Datasets and models as immutable bytes, named by their SHA-256.
//!
//! Bytes are durable before a row names them; a blob that no row names is swept after a day (by `sweep`), which
//! is long enough for whoever is about to name it. Knows nothing of what the bytes mean.

mod error;
mod old;
mod parts;

use std::fs::File;
use std::io::{self, Seek, Write};
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, Stream, StreamExt, TryStreamExt};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::buffered::BufWriter;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{
    BackoffConfig, GetOptions, GetResultPayload, ObjectStore, ObjectStoreExt, ObjectStoreScheme,
    RetryConfig,
};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::runtime::Handle;
use tokio_util::io::{StreamReader, SyncIoBridge};
use url::Url;

pub use self::error::BlobError;
pub use self::parts::Until;
use self::parts::{Parts, Written};
use crate::causes::with_causes;
use crate::domain::clock::Clock;

/// The blobs of a server.
#[derive(Clone, Debug)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
    clock: Clock,
    /// How much of a stream is written at once.
    part_bytes: usize,
    /// Of a store that is one: it lists no files that are not whole.
    folder: Option<PathBuf>,
    /// Where copies lie of what is to be a file and is none; the system's place if not told.
    scratch: Option<PathBuf>,
}

/// Bytes that were received and have no name yet; [`Blobs::keep`] or [`Blobs::discard`] them.
#[derive(Debug)]
#[must_use = "staged bytes are kept or discarded"]
pub struct Staged {
    path: Path,
    /// SHA-256 of the bytes, in hexadecimal.
    pub sha256: String,
    /// How many bytes there are.
    pub size_bytes: u64,
}

const STAGING: &str = "staging";
const BLOBS: &str = "blobs";
const SWEEP_AGE: Duration = Duration::from_secs(24 * 60 * 60);
const WRITE_BUFFER_BYTES: usize = 1 << 20;

/// S3 takes a large object in parts of at least 5 MiB, and at most 10,000 of them.
const PART_BYTES: usize = 8 << 20;
/// Of one object, at once.
const MOST_PARTS: usize = 8;

impl Blobs {
    /// Blobs in a directory, each write synced to the disk.
    ///
    /// # Errors
    /// When the directory cannot be used.
    pub fn local(directory: &FilePath, clock: Clock) -> Result<Self, BlobError> {
        let store = LocalFileSystem::new_with_prefix(directory)?.with_fsync(true);
        let part_bytes = WRITE_BUFFER_BYTES;
        let (store, folder) = (Arc::new(store), Some(directory.to_owned()));
        Ok(Self { store, clock, part_bytes, folder, scratch: None })
    }

    /// Blobs at a URL: `file:///folder`, `s3://bucket/folder`, `gs://…` or `az://…`. Who may use a
    /// store, and where it is if not its maker's, comes from the variables that its maker's own tools
    /// read, such as `AWS_ACCESS_KEY_ID` and `AWS_ENDPOINT`.
    ///
    /// # Errors
    /// When there is no such store.
    pub fn at(url: &str, clock: Clock) -> Result<Self, BlobError> {
        let unusable = |reason: &dyn std::fmt::Display| BlobError::Url(reason.to_string());
        let parsed = Url::parse(url).map_err(|error| unusable(&error))?;
        if parsed.scheme() == "file" {
            let folder = parsed.to_file_path().map_err(|()| unusable(&"it names no folder"))?;
            std::fs::create_dir_all(&folder)?;
            return Self::local(&folder, clock);
        }
        if !["s3", "gs", "az"].contains(&parsed.scheme()) {
            return Err(unusable(&"give file://, s3://, gs:// or az://"));
        }
        // The one provider of TLS that is compiled in; whoever set it before set the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let store = elsewhere(&parsed).map_err(|error| unusable(&with_causes(&error)))?;
        Ok(Self::over(store, clock))
    }

    /// Blobs in a store as it is.
    pub fn over(store: Arc<dyn ObjectStore>, clock: Clock) -> Self {
        Self { store, clock, part_bytes: PART_BYTES, folder: None, scratch: None }
    }

    /// The same, with copies in this directory, on a disk that has room for them.
    #[must_use]
    pub fn with_scratch(mut self, directory: PathBuf) -> Self {
        self.scratch = Some(directory);
        self
    }

    /// Receives a stream of at most `limit` bytes. Nothing of it stays when it fails.
    ///
    /// # Errors
    /// When it is too large or breaks off, or the store fails.
    pub async fn stage<E: std::fmt::Display>(
        &self,
        body: impl Stream<Item = Result<Bytes, E>> + Unpin,
        limit: u64,
    ) -> Result<Staged, BlobError> {
        let (mut hash, mut size_bytes) = (Sha256::new(), 0);
        let seen = |chunk: &Bytes| {
            size_bytes += chunk.len() as u64;
            hash.update(chunk);
            if size_bytes > limit { Err(BlobError::TooLarge(limit)) } else { Ok(()) }
        };
        let path = self.receive(body, MOST_PARTS, seen).await?;
        Ok(Staged { path, sha256: hex(&hash.finalize()), size_bytes })
    }

    /// Where the bytes of a stream lie then, with so many parts on their way at once; `seen` is told of each
    /// chunk and may refuse it. Nothing stays when it fails.
    async fn receive<E: std::fmt::Display>(
        &self,
        mut body: impl Stream<Item = Result<Bytes, E>> + Unpin,
        most_parts: usize,
        mut seen: impl FnMut(&Bytes) -> Result<(), BlobError>,
    ) -> Result<Path, BlobError> {
        let path = Path::from_iter([STAGING.to_owned(), self.clock.new_uuid().to_string()]);
        let mut writer =
            BufWriter::with_capacity(Arc::clone(&self.store), path.clone(), self.part_bytes)
                .with_max_concurrency(most_parts);
        let received = async {
            while let Some(chunk) = body.next().await {
                let chunk = chunk.map_err(|error| BlobError::BrokenOff(error.to_string()))?;
                seen(&chunk)?;
                writer.put(chunk).await?;
            }
            Ok(())
        };
        match received.await {
            Ok(()) => {
                let ended = writer.shutdown().await;
                // Where a folder's last call fails, its file stays.
                if let (Err(_), Some(folder)) = (&ended, &self.folder) {
                    old::forget(folder, &path).await;
                }
                ended?;
            }
            Err(error) => {
                // The first error says why; one of the clean-up would hide it.
                let _ = writer.abort().await;
                return Err(error);
            }
        }
        Ok(path)
    }

    /// Gives staged bytes their name. They are durable when this returns, and stay staged until they are
    /// [discarded](Self::discard): whoever cannot name them in the database may have to
    /// [keep them again](Self::keep_again).
    ///
    /// # Errors
    /// When the store fails.
    pub async fn keep(&self, staged: &Staged) -> Result<(), BlobError> {
        // Bytes that are there already are replaced by themselves, which makes them young again
        // and so safe from the sweep. In a folder it is another name for the same file; where the file
        // system gives none it can be renamed, once.
        let name = path_of(&staged.sha256);
        match self.store.copy(&staged.path, &name).await {
            Err(object_store::Error::Generic { .. }) => {
                Ok(self.store.rename(&staged.path, &name).await?)
            }
            kept => Ok(kept?),
        }
    }

    /// Gives staged bytes their name once more, should it be gone.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn keep_again(&self, staged: &Staged) -> Result<(), BlobError> {
        // In a folder the name may be another one of the same file. To rename one such to another does nothing
        // and is no error, so that a third would stay which nothing lists.
        match self.store.head(&path_of(&staged.sha256)).await {
            Err(object_store::Error::NotFound { .. }) => self.keep(staged).await,
            found => Ok(found.map(drop)?),
        }
    }

    /// Forgets staged bytes.
    pub async fn discard(&self, staged: Staged) {
        let deleted = self.store.delete(&staged.path).await;
        if let Err(error) = deleted
            && !matches!(error, object_store::Error::NotFound { .. })
        {
            tracing::warn!(%error, "staged bytes could not be deleted; the next start sweeps them");
        }
    }

    /// Stores bytes under their hash, which is returned. They are durable when this returns.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put(&self, bytes: Vec<u8>) -> Result<String, BlobError> {
        let name = hex(&Sha256::digest(&bytes));
        self.store.put(&path_of(&name), bytes.into()).await?;
        Ok(name)
    }

    /// Stores what `write` writes under its hash, which is returned with how many bytes it is; they are
    /// durable then. Of large bytes no more than eight parts are in memory. For threads that are not the
    /// runtime's.
    ///
    /// # Errors
    /// When `write` or the store fails, or this has waited long enough. What was written goes then, or is swept.
    pub fn write(
        &self,
        runtime: &Handle,
        until: Until<'_>,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(String, u64), BlobError> {
        let mut parts = Parts::new(self, runtime, until);
        let written = write(&mut parts);
        match parts.finish(written)? {
            Written::Whole(bytes) => {
                let size_bytes = bytes.len() as u64;
                let name = runtime.block_on(until.wait(self.put(bytes)))??;
                Ok((name, size_bytes))
            }
            Written::Staged(staged) => {
                let (name, size_bytes) = (staged.sha256.clone(), staged.size_bytes);
                let kept = runtime.block_on(until.wait(self.keep(&staged)));
                let blobs = self.clone();
                runtime.spawn(async move { blobs.discard(staged).await }.boxed());
                kept?.map(|()| (name, size_bytes))
            }
        }
    }

    /// A whole blob, its hash checked.
    ///
    /// # Errors
    /// When the store fails or the bytes have changed.
    pub async fn get(&self, name: &str) -> Result<Bytes, BlobError> {
        let bytes = self.store.get(&path_of(name)).await?.bytes().await?;
        unchanged(name, &Sha256::digest(&bytes))?;
        Ok(bytes)
    }

    /// Reads a blob from its start to its end, its hash checked.
    ///
    /// # Errors
    /// When the store fails or the bytes have changed.
    pub async fn check(&self, name: &str) -> Result<(), BlobError> {
        let (mut hash, mut bytes) = (Sha256::new(), self.stream(name, None).await?);
        while let Some(chunk) = bytes.try_next().await? {
            hash.update(&chunk);
        }
        unchanged(name, &hash.finalize())
    }

    /// Copies a blob, unless the other store has it, its hash checked; how many bytes it has.
    ///
    /// # Errors
    /// When a store fails or the bytes have changed.
    pub async fn copy_to(&self, name: &str, other: &Self) -> Result<u64, BlobError> {
        let path = path_of(name);
        if let Ok(known) = other.store.head(&path).await {
            return Ok(known.size);
        }
        let staged = other.stage(self.stream(name, None).await?, u64::MAX).await?;
        if staged.sha256 != name {
            let found = staged.sha256.clone();
            other.discard(staged).await;
            return Err(BlobError::Changed { name: name.to_owned(), found });
        }
        let size_bytes = staged.size_bytes;
        let kept = other.keep(&staged).await;
        other.discard(staged).await;
        kept.map(|()| size_bytes)
    }

    /// Deletes a blob that nothing refers to any more, and that nobody else can have stored.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn delete(&self, name: &str) -> Result<(), BlobError> {
        Ok(self.store.delete(&path_of(name)).await?)
    }

    /// A blob's bytes, or a range of them, as they come.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn stream(
        &self,
        name: &str,
        range: Option<Range<u64>>,
    ) -> Result<BoxStream<'static, Result<Bytes, object_store::Error>>, BlobError> {
        let options = GetOptions { range: range.map(Into::into), ..GetOptions::default() };
        Ok(self.store.get_opts(&path_of(name), options).await?.into_stream())
    }

    /// Staged bytes as a file, a copy where they are not one; for threads that are not the runtime's.
    ///
    /// # Errors
    /// When the store fails.
    pub fn open_staged(&self, staged: &Staged, runtime: &Handle) -> Result<File, BlobError> {
        self.open_path(&staged.path, runtime)
    }

    /// A blob as a file, a copy where it is not one; for threads that are not the runtime's.
    ///
    /// # Errors
    /// When the store fails.
    pub fn open(&self, name: &str, runtime: &Handle) -> Result<File, BlobError> {
        self.open_path(&path_of(name), runtime)
    }

    /// The same, its hash checked.
    ///
    /// # Errors
    /// When the store fails or the bytes have changed.
    pub fn open_checked(&self, name: &str, runtime: &Handle) -> Result<File, BlobError> {
        let mut file = self.open(name, runtime)?;
        let mut hash = Sha256::new();
        io::copy(&mut file, &mut hash)?;
        file.rewind()?;
        unchanged(name, &hash.finalize())?;
        Ok(file)
    }

    fn open_path(&self, path: &Path, runtime: &Handle) -> Result<File, BlobError> {
        let found = runtime.block_on(self.store.get(path))?;
        match found.payload {
            GetResultPayload::File(file, _) => Ok(file),
            GetResultPayload::Stream(stream) => {
                let reader = StreamReader::new(stream.map_err(std::io::Error::other));
                let mut bridge = SyncIoBridge::new_with_handle(reader, runtime.clone());
                let mut file = match &self.scratch {
                    Some(directory) => tempfile::tempfile_in(directory)?,
                    None => tempfile::tempfile()?,
                };
                std::io::copy(&mut bridge, &mut file)?;
                file.rewind()?;
                Ok(file)
            }
        }
    }

    /// Writes, reads and deletes a few bytes: better now than with a user's data.
    ///
    /// # Errors
    /// When one of it fails.
    pub async fn probe(&self) -> Result<(), BlobError> {
        let path = Path::from_iter([STAGING.to_owned(), self.clock.new_uuid().to_string()]);
        self.store.put(&path, "trainyard".into()).await?;
        self.store.get(&path).await?.bytes().await?;
        self.store.delete(&path).await?;
        Ok(())
    }
}

/// A store by its URL and the variables. A call that fails is made again soon, and not for long: whoever
/// waits for it should hear, and tasks are tried again anyway.
fn elsewhere(url: &Url) -> Result<Arc<dyn ObjectStore>, object_store::Error> {
    let retry = RetryConfig {
        backoff: BackoffConfig { max_backoff: Duration::from_secs(2), ..BackoffConfig::default() },
        max_retries: usize::MAX,
        retry_timeout: Duration::from_secs(20),
    };
    let (_, folder) = ObjectStoreScheme::parse(url)?;
    let folder = Path::parse(folder)?;
    macro_rules! store {
        ($builder:ident) => {{
            let builder = $builder::new().with_url(url.as_str()).with_retry(retry);
            let configured = std::env::vars().fold(builder, |builder, (name, value)| {
                match name.to_ascii_lowercase().parse() {
                    Ok(key) => builder.with_config(key, value),
                    Err(_) => builder,
                }
            });
            Arc::new(PrefixStore::new(configured.build()?, folder)) as Arc<dyn ObjectStore>
        }};
    }
    Ok(match url.scheme() {
        "gs" => store!(GoogleCloudStorageBuilder),
        "az" => store!(MicrosoftAzureBuilder),
        _ => store!(AmazonS3Builder),
    })
}

fn path_of(name: &str) -> Path {
    // Two levels, because some file systems slow down on a folder of a million entries.
    let folder = name.get(..2).unwrap_or_default();
    Path::from_iter([BLOBS, folder, name])
}

/// Whether bytes of this hash are those that the name stands for.
fn unchanged(name: &str, hash: &[u8]) -> Result<(), BlobError> {
    let found = hex(hash);
    if found == name { Ok(()) } else { Err(BlobError::Changed { name: name.to_owned(), found }) }
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        use std::fmt::Write;
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
