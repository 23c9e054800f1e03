//! What nobody will ask for any more: what was half received, and blobs that nothing names.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path as FilePath, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt};
use tokio::task::spawn_blocking;

use super::{BLOBS, BlobError, Blobs, STAGING, SWEEP_AGE, path_of};

impl Blobs {
    /// Deletes what an earlier life left half received. Right only at start, and where nobody else
    /// uses the store.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn clear_staging(&self) -> Result<usize, BlobError> {
        self.delete_staged(i64::MAX).await
    }

    /// Deletes what was half received more than a day ago: it will not be asked for again.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sweep_staging(&self) -> Result<usize, BlobError> {
        self.delete_staged(self.youngest_old()).await
    }

    async fn delete_staged(&self, before_ms: i64) -> Result<usize, BlobError> {
        let mut found = self.store.list(Some(&Path::from(STAGING)));
        let mut n_deleted = 0;
        while let Some(object) = found.try_next().await? {
            if object.last_modified.timestamp_millis() < before_ms {
                self.store.delete(&object.location).await?;
                n_deleted += 1;
            }
        }
        let Some(folder) = self.folder.clone() else { return Ok(n_deleted) };
        let deleted = spawn_blocking(move || delete_unfinished(&folder, before_ms)).await;
        Ok(n_deleted + deleted.map_err(io::Error::other)??)
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
        object.last_modified.timestamp_millis() < self.youngest_old()
    }

    fn youngest_old(&self) -> i64 {
        self.clock.now().0 - SWEEP_AGE.as_millis() as i64
    }
}

/// Deletes the files in a store's folder that were last written to before then and never became whole: the store
/// writes to `name#1` (or another number) before it gives a file its name, and lists no such file, so that
/// those of a process that was killed would stay for ever.
fn delete_unfinished(folder: &FilePath, before_ms: i64) -> io::Result<usize> {
    let mut folders = vec![folder.join(STAGING), folder.join(BLOBS)];
    folders.extend(entries(&folder.join(BLOBS))?);
    let mut n_deleted = 0;
    for path in
        folders.iter().map(|folder| entries(folder)).collect::<io::Result<Vec<_>>>()?.concat()
    {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let number = name.rsplit_once('#').map(|(_, number)| number.parse::<u64>());
        if !matches!(number, Some(Ok(_))) {
            continue;
        }
        // Who writes to it may have ended meanwhile.
        let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        match fs::metadata(&path).and_then(|file| file.modified()) {
            Ok(modified) if millis(modified) < before_ms => match fs::remove_file(&path) {
                Err(error) if !gone(&error) => return Err(error),
                removed => n_deleted += usize::from(removed.is_ok()),
            },
            Err(error) if !gone(&error) => return Err(error),
            _ => {}
        }
    }
    Ok(n_deleted)
}

/// What is in a folder; nothing where there is none.
fn entries(folder: &FilePath) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error)
            if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()) =>
        {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

fn millis(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64
}
