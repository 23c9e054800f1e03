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
use uuid::Uuid;

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
            // A store that was named could hold what is somebody else's.
            let name = object.location.filename().unwrap_or_default();
            let is_own = is_staged(name) && object.location == Path::from_iter([STAGING, name]);
            if is_own && object.last_modified.timestamp_millis() < before_ms {
                self.store.delete(&object.location).await?;
                n_deleted += 1;
            }
        }
        let Some(folder) = self.folder.clone() else { return Ok(n_deleted) };
        let deleted = spawn_blocking(move || delete_unfinished(&folder, before_ms)).await;
        Ok(n_deleted + deleted.map_err(io::Error::other)?)
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
            let is_own = is_blob(name) && object.location == path_of(name);
            if is_own && !in_use.contains(name) && self.is_old(&object) {
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

fn is_staged(name: &str) -> bool {
    Uuid::try_parse(name).is_ok()
}

fn is_blob(name: &str) -> bool {
    name.len() == 64 && is_hex(name)
}

fn is_hex(name: &str) -> bool {
    name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Deletes the files in a store's folder that were last written to before then and never became whole: the store
/// writes to `name#1` (or another number) before it gives a file its name, and lists no such file, so that
/// those of a process that was killed would stay for ever. One that cannot be looked at or deleted stays.
fn delete_unfinished(folder: &FilePath, before_ms: i64) -> usize {
    let blobs = entries(&folder.join(BLOBS)).filter(|(_, name)| name.len() == 2 && is_hex(name));
    let in_blobs = blobs.flat_map(|(path, _)| entries(&path));
    let unfinished = in_blobs
        .filter(|(_, name)| is_unfinished(name, is_blob))
        .chain(entries(&folder.join(STAGING)).filter(|(_, name)| is_unfinished(name, is_staged)));
    unfinished.filter(|(path, _)| was_deleted(path, before_ms)).count()
}

/// Deletes what was to become a staged file.
pub(super) async fn forget(folder: &FilePath, staged: &Path) {
    let Some(name) = staged.filename().map(str::to_owned) else { return };
    let folder = folder.join(STAGING);
    let forget = move || {
        let is_it = |known: &str| known == name;
        let files = entries(&folder).filter(|(_, known)| is_unfinished(known, is_it));
        files.filter(|(path, _)| was_deleted(path, i64::MAX)).count()
    };
    // What stays is swept.
    let _ = spawn_blocking(forget).await;
}

fn is_unfinished(name: &str, is_name: impl Fn(&str) -> bool) -> bool {
    name.split_once('#').is_some_and(|(name, number)| {
        is_name(name) && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn was_deleted(path: &FilePath, before_ms: i64) -> bool {
    let is_old = |modified: SystemTime| {
        let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        (since.as_millis() as i64) < before_ms
    };
    let deleted = match fs::metadata(path).and_then(|file| file.modified()) {
        Ok(modified) if is_old(modified) => fs::remove_file(path),
        Ok(_) => return false,
        Err(error) => Err(error),
    };
    // Who wrote to it may have ended meanwhile.
    if let Err(error) = &deleted
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, path = %path.display(), "a file that is not whole stays");
    }
    deleted.is_ok()
}

/// What is in a folder, with its names; nothing where there is none or it cannot be read.
fn entries(folder: &FilePath) -> impl Iterator<Item = (PathBuf, String)> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries.filter_map(|entry| Some((entry.path(), entry.file_name().into_string().ok()?)))
}
