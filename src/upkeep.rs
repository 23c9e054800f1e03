//! What an operator does beside the server: a backup while it works, and a check of what is stored.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::blobs::{BlobError, Blobs};
use crate::domain::clock::Clock;
use crate::store::place::{NoPlace, Place};
use crate::store::{Store, StoreError};

/// Why it could not be done.
#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    /// There is no such kind of database.
    #[error(transparent)]
    DatabaseUrl(#[from] NoPlace),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A blob could not be read or written.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// A file could not be written.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is nothing to look at.
    #[error("there is no folder {0}; name the server's own with --data-dir")]
    NoDataDir(PathBuf),
    /// It is a folder of something else.
    #[error(
        "there is no database {0}; name the server's own folder with --data-dir, or its database \
         with --database-url"
    )]
    NoDatabase(PathBuf),
    /// The blobs are elsewhere.
    #[error("there is no folder {0}; name the server's own with --artifact-url")]
    NoArtifacts(PathBuf),
    /// It would mix with what is there.
    #[error("{0} is not empty; name a new folder")]
    NotEmpty(PathBuf),
    /// PostgreSQL's own tool failed.
    #[error("pg_dump: {0}")]
    PgDump(String),
    /// Blobs went faster than they could be copied.
    #[error("blobs of the database are missing: {0}; `trainyard fsck` says which")]
    BlobsMissing(usize),
}

/// What a backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackedUp {
    /// Blobs: datasets and models.
    pub n_blobs: usize,
    /// Their bytes.
    pub n_bytes: u64,
}

/// A blob can be swept between the copy of the database and its own: then all is done again, so often.
const ATTEMPTS: usize = 3;

/// The database's file, in a data directory and so in a backup.
const DATABASE: &str = "trainyard.db";

/// PostgreSQL's, in a backup, for `pg_restore`.
const DUMP: &str = "trainyard.pgdump";

/// Writes the database and all blobs that it names to a new folder, in one state, while the server
/// works. The folder of a backup of SQLite's is a data directory: to restore is to serve from it. Saved
/// fits are left out, whose bytes may be gone before they are copied: those that were under way begin anew.
///
/// # Errors
/// When the folder is not empty, or something cannot be read or written. The database's file gets its
/// name last: a folder without one is no backup.
pub async fn backup(
    (store, place): (&Store, &Place),
    blobs: &Blobs,
    folder: &Path,
    clock: &Clock,
) -> Result<BackedUp, UpkeepError> {
    let failed = |source| UpkeepError::Io { path: folder.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(failed)?;
    if std::fs::read_dir(folder).map_err(failed)?.next().is_some() {
        return Err(UpkeepError::NotEmpty(folder.to_owned()));
    }
    let partial = folder.join("partial");
    let copies = Blobs::local(folder, clock.clone())?;
    let mut n_missing = 0;
    for _ in 0..ATTEMPTS {
        let _ = std::fs::remove_file(&partial);
        let (named, snapshot) = match place {
            Place::Sqlite(_) => {
                store.copy_to(&partial).await?;
                let copy = Store::look(&partial).await?;
                let named = copy.blobs_in_use().await?;
                copy.close().await;
                (named, None)
            }
            Place::Postgres(url) => {
                let snapshot = store.snapshot().await?;
                dump(url, snapshot.exported.as_deref().unwrap_or_default(), &partial)?;
                (snapshot.blobs.clone(), Some(snapshot))
            }
        };
        let mut backed_up = BackedUp { n_blobs: 0, n_bytes: 0 };
        n_missing = 0;
        for name in &named {
            match blobs.copy_to(name, &copies).await {
                Ok(n_bytes) => {
                    backed_up.n_blobs += 1;
                    backed_up.n_bytes += n_bytes;
                }
                Err(error) if error.is_missing() => n_missing += 1,
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(snapshot) = snapshot {
            snapshot.end().await;
        }
        if n_missing == 0 {
            let name = if place.file().is_some() { DATABASE } else { DUMP };
            copies.clear_staging().await?;
            std::fs::rename(&partial, folder.join(name)).map_err(failed)?;
            return Ok(backed_up);
        }
    }
    Err(UpkeepError::BlobsMissing(n_missing))
}

fn dump(url: &str, snapshot: &str, to: &Path) -> Result<(), UpkeepError> {
    // Every user of the machine can read an argument, but not a variable.
    let mut place = Url::parse(url).map_err(|error| UpkeepError::PgDump(error.to_string()))?;
    let password = place
        .password()
        .map(|password| percent_decode_str(password).decode_utf8_lossy().into_owned());
    let _ = place.set_password(None);
    let mut command = Command::new("pg_dump");
    if let Some(password) = password {
        command.env("PGPASSWORD", password);
    }
    let output = command
        .args(["--format=custom", "--no-owner", "--no-privileges"])
        .arg("--exclude-table-data=checkpoints")
        .arg(format!("--snapshot={snapshot}"))
        .arg("--file")
        .arg(to)
        .arg("--dbname")
        .arg(place.as_str())
        .output()
        .map_err(|error| {
            UpkeepError::PgDump(format!(
                "{error}; it comes with PostgreSQL's client and must be in the path"
            ))
        })?;
    if output.status.success() {
        return Ok(());
    }
    Err(UpkeepError::PgDump(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

/// What is wrong with what is stored, in words; nothing, if all is well. A server may work meanwhile.
///
/// # Errors
/// When the database or the store of the blobs cannot be read at all.
pub async fn fsck(store: &Store, blobs: &Blobs) -> Result<Vec<String>, UpkeepError> {
    let mut findings = store.contradictions().await?;
    let mut names: Vec<String> = store.blobs_in_use().await?.into_iter().collect();
    names.sort_unstable();
    for name in names {
        let wrong = match blobs.check(&name).await {
            Ok(()) => continue,
            Err(error) if error.is_missing() => format!("blob {name} is missing"),
            Err(error @ BlobError::Changed { .. }) => error.to_string(),
            Err(error) => return Err(error.into()),
        };
        let mut namers = store.namers(&name).await?;
        namers.sort_unstable();
        // One that was named a moment ago and is no more is no loss.
        if !namers.is_empty() {
            findings.push(format!("{wrong}; named by {}", namers.join(", ")));
        }
    }
    Ok(findings)
}
