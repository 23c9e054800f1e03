//! Datasets and models as immutable bytes, named by their SHA-256.
//!
//! Bytes are durable before a row names them; a blob that no row names is swept after a day (by `sweep`), which
//! is long enough for whoever is about to name it. Knows nothing of what the bytes mean.

use std::collections::HashSet;
use std::fs::File;
use std::io::Seek;
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, TryStreamExt};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::buffered::BufWriter;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{
    BackoffConfig, GetOptions, GetResultPayload, ObjectMeta, ObjectStore, ObjectStoreExt,
    ObjectStoreScheme, RetryConfig,
};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio_util::io::{StreamReader, SyncIoBridge};
use url::Url;

use crate::causes::with_causes;
use crate::domain::clock::Clock;

/// The blobs of a server.
#[derive(Clone, Debug)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
    clock: Clock,
    /// How much of a stream is written at once.
    part_bytes: usize,
    /// Where copies lie of what is to be a file and is none; the system's place if not told.
    scratch: Option<PathBuf>,
}

/// Why a blob could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// There is no such store.
    #[error("the artifact URL: {0}")]
    Url(String),
    /// The store failed.
    #[error("blob store: {0}")]
    Store(#[from] object_store::Error),
    /// Reading or writing failed.
    #[error("blob: {0}")]
    Io(#[from] std::io::Error),
    /// The bytes are not those that the name stands for.
    #[error("blob {name} has changed: its SHA-256 is {found}")]
    Changed {
        /// Its name.
        name: String,
        /// What it hashes to.
        found: String,
    },
    /// More bytes than allowed.
    #[error("more than {0} bytes")]
    TooLarge(u64),
    /// The sender stopped before the end.
    #[error("the body broke off: {0}")]
    BrokenOff(String),
}

impl BlobError {
    /// Whether there is no such blob.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Store(object_store::Error::NotFound { .. }))
    }

    /// Whether a store elsewhere does not answer now, or not as it should.
    pub fn is_unreachable(&self) -> bool {
        let error = match self {
            Self::Store(error) => Some(error),
            Self::Io(error) => error.get_ref().and_then(|inner| inner.downcast_ref()),
            _ => None,
        };
        let Some(object_store::Error::Generic { store, .. }) = error else { return false };
        ["S3", "GCS", "MicrosoftAzure"].contains(store)
    }

    /// Whether the disk is full.
    pub fn is_disk_full(&self) -> bool {
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = source {
            if error
                .downcast_ref::<std::io::Error>()
                .is_some_and(|e| e.kind() == std::io::ErrorKind::StorageFull)
            {
                return true;
            }
            source = error.source();
        }
        false
    }
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

impl Blobs {
    /// Blobs in a directory, each write synced to the disk.
    ///
    /// # Errors
    /// When the directory cannot be used.
    pub fn local(directory: &FilePath, clock: Clock) -> Result<Self, BlobError> {
        let store = LocalFileSystem::new_with_prefix(directory)?.with_fsync(true);
        let part_bytes = WRITE_BUFFER_BYTES;
        let (store, scratch) = (Arc::new(store), None);
        Ok(Self { store, clock, part_bytes, scratch })
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
        let (part_bytes, scratch) = (PART_BYTES, None);
        Self { store, clock, part_bytes, scratch }
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
        mut body: impl Stream<Item = Result<Bytes, E>> + Unpin,
        limit: u64,
    ) -> Result<Staged, BlobError> {
        let path = Path::from_iter([STAGING.to_owned(), self.clock.new_uuid().to_string()]);
        let mut hash = Sha256::new();
        let mut size_bytes = 0;
        let mut writer =
            BufWriter::with_capacity(Arc::clone(&self.store), path.clone(), self.part_bytes);
        let received = async {
            while let Some(chunk) = body.next().await {
                let chunk = chunk.map_err(|error| BlobError::BrokenOff(error.to_string()))?;
                size_bytes += chunk.len() as u64;
                if size_bytes > limit {
                    return Err(BlobError::TooLarge(limit));
                }
                hash.update(&chunk);
                writer.put(chunk).await?;
            }
            Ok(())
        };
        match received.await {
            Ok(()) => writer.shutdown().await?,
            Err(error) => {
                // The first error says why; one of the clean-up would hide it.
                let _ = writer.abort().await;
                return Err(error);
            }
        }
        Ok(Staged { path, sha256: hex(&hash.finalize()), size_bytes })
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

    /// A whole blob, its hash checked.
    ///
    /// # Errors
    /// When the store fails or the bytes have changed.
    pub async fn get(&self, name: &str) -> Result<Bytes, BlobError> {
        let bytes = self.store.get(&path_of(name)).await?.bytes().await?;
        let found = hex(&Sha256::digest(&bytes));
        if found == name {
            Ok(bytes)
        } else {
            Err(BlobError::Changed { name: name.to_owned(), found })
        }
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
        let found = hex(&hash.finalize());
        if found == name {
            Ok(())
        } else {
            Err(BlobError::Changed { name: name.to_owned(), found })
        }
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
    pub fn open_staged(
        &self,
        staged: &Staged,
        runtime: &tokio::runtime::Handle,
    ) -> Result<File, BlobError> {
        self.open_path(&staged.path, runtime)
    }

    /// A blob as a file, a copy where it is not one; for threads that are not the runtime's.
    ///
    /// # Errors
    /// When the store fails.
    pub fn open(&self, name: &str, runtime: &tokio::runtime::Handle) -> Result<File, BlobError> {
        self.open_path(&path_of(name), runtime)
    }

    fn open_path(&self, path: &Path, runtime: &tokio::runtime::Handle) -> Result<File, BlobError> {
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

    /// Deletes what an earlier life left half received. Right only at start, and where nobody else
    /// uses the store.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn clear_staging(&self) -> Result<usize, BlobError> {
        let mut found = self.store.list(Some(&Path::from(STAGING)));
        let mut n_deleted = 0;
        while let Some(object) = found.try_next().await? {
            self.store.delete(&object.location).await?;
            n_deleted += 1;
        }
        Ok(n_deleted)
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

    /// Deletes what was half received more than a day ago: it will not be asked for again.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sweep_staging(&self) -> Result<usize, BlobError> {
        let mut found = self.store.list(Some(&Path::from(STAGING)));
        let mut n_deleted = 0;
        while let Some(object) = found.try_next().await? {
            if self.is_old(&object) {
                self.store.delete(&object.location).await?;
                n_deleted += 1;
            }
        }
        Ok(n_deleted)
    }

    /// The names of blobs that are older than a day and not `in_use`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn old(&self, in_use: &HashSet<String>) -> Result<Vec<String>, BlobError> {
        let mut found = self.store.list(Some(&Path::from(BLOBS)));
        let mut old = Vec::new();
        while let Some(object) = found.try_next().await? {
            let Some(name) = object.location.filename() else { continue };
            if !in_use.contains(name) && self.is_old(&object) {
                old.push(name.to_owned());
            }
        }
        Ok(old)
    }

    /// Deletes a blob if it still is older than a day, and says whether it is gone: who stores bytes that are
    /// there already makes them young.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn delete_old(&self, name: &str) -> Result<bool, BlobError> {
        let path = path_of(name);
        match self.store.head(&path).await {
            Ok(object) if self.is_old(&object) => {
                self.store.delete(&path).await?;
                Ok(true)
            }
            Ok(_) => Ok(false),
            // An earlier call has, of which nobody knew.
            Err(object_store::Error::NotFound { .. }) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    fn is_old(&self, object: &ObjectMeta) -> bool {
        let youngest = self.clock.now().0 - SWEEP_AGE.as_millis() as i64;
        object.last_modified.timestamp_millis() < youngest
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

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        use std::fmt::Write;
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    fn blobs() -> (Blobs, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        (Blobs::local(directory.path(), Clock::system()).unwrap(), directory)
    }

    fn files(directory: &tempfile::TempDir) -> usize {
        fn count(path: &FilePath) -> usize {
            std::fs::read_dir(path)
                .unwrap()
                .map(|entry| {
                    let path = entry.unwrap().path();
                    if path.is_dir() { count(&path) } else { 1 }
                })
                .sum()
        }
        count(directory.path())
    }

    #[tokio::test]
    async fn a_stream_becomes_a_named_blob() {
        let (blobs, directory) = blobs();
        let body = stream::iter([Ok::<_, String>(Bytes::from("ab")), Ok(Bytes::from("c"))]);
        let staged = blobs.stage(body, 3).await.unwrap();
        // SHA-256 of "abc", from FIPS 180-2.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!((staged.sha256.as_str(), staged.size_bytes), (abc, 3));
        blobs.keep(&staged).await.unwrap();
        assert_eq!(blobs.get(abc).await.unwrap(), "abc");
        // Once more, should the first have been in vain, and where it was not.
        blobs.delete(abc).await.unwrap();
        blobs.keep_again(&staged).await.unwrap();
        blobs.keep_again(&staged).await.unwrap();
        blobs.discard(staged).await;
        assert_eq!((blobs.get(abc).await.unwrap(), files(&directory)), ("abc".into(), 1));
    }

    #[tokio::test]
    async fn nothing_stays_of_a_body_that_is_too_large_or_breaks_off() {
        let (blobs, directory) = blobs();
        let large = stream::repeat_with(|| Ok::<_, String>(Bytes::from(vec![0; 1 << 20]))).take(5);
        let error = blobs.stage(large, (4 << 20) + 1).await.unwrap_err();
        assert!(matches!(error, BlobError::TooLarge(_)));
        let broken =
            stream::iter([Ok(Bytes::from(vec![0; 3 << 20])), Err("connection reset".to_owned())]);
        assert!(blobs.stage(broken, u64::MAX).await.is_err());
        assert_eq!(files(&directory), 0);
    }

    #[tokio::test]
    async fn changed_bytes_are_noticed() {
        let (blobs, directory) = blobs();
        let name = blobs.put(b"model".to_vec()).await.unwrap();
        let path = directory.path().join("blobs").join(&name[..2]).join(&name);
        std::fs::write(path, "MODEL").unwrap();
        assert!(matches!(blobs.get(&name).await, Err(BlobError::Changed { .. })));
    }

    #[tokio::test]
    async fn what_is_young_or_in_use_is_not_old() {
        let directory = tempfile::tempdir().unwrap();
        let tomorrow = Clock::new(|| {
            #[expect(clippy::disallowed_methods, reason = "the files' own clock, a day on")]
            let now = std::time::SystemTime::now();
            now + SWEEP_AGE + Duration::from_secs(60)
        });
        let blobs = Blobs::local(directory.path(), tomorrow).unwrap();
        let used = blobs.put(b"used".to_vec()).await.unwrap();
        let unused = blobs.put(b"unused".to_vec()).await.unwrap();
        let today = Blobs { clock: Clock::system(), ..blobs.clone() };
        assert_eq!(today.old(&HashSet::new()).await.unwrap(), [""; 0]);
        let old = blobs.old(&HashSet::from([used.clone()])).await.unwrap();
        assert_eq!(old, [unused.as_str()]);
        assert!(!today.delete_old(&unused).await.unwrap(), "it was stored again");
        assert!(blobs.delete_old(&unused).await.unwrap());
        assert!(blobs.get(&unused).await.unwrap_err().is_missing());
        assert_eq!(blobs.get(&used).await.unwrap(), "used");
    }
}
