//! Parsed datasets, shared between the tasks that train on them. Knows nothing of jobs.
//!
//! A table of some size is parsed once: what came of it lies in a columnar file beside the blobs,
//! under a name made of the upload's hash and of how it was read, so that the same bytes share one.
//! A table beyond the limit is never in memory; its columns are looked at in that file. The file is
//! no more than a copy: when it is not there it is made again.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use trainyard_formats::{FormatError, Limits, Loaded, ReadOptions, Room, columnar, read};
use trainyard_learn::kernels::Mapping;
use trainyard_learn::table::Table;

use crate::blobs::{BlobError, Blobs, hex};
use crate::cache::{SharedCache, Weighed};

/// A cache of parsed tables.
#[derive(Debug)]
pub struct Tables {
    blobs: Blobs,
    runtime: Handle,
    limits: Limits,
    /// Where the copies lie.
    directory: PathBuf,
    /// Tables of more bytes are not kept in memory.
    max_memory_bytes: usize,
    parsed: SharedCache<(String, ReadOptions), Table, TableError>,
}

/// Why a table could not be had.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TableError {
    /// The bytes could not be read; this may pass.
    #[error("the dataset could not be read: {0}")]
    Unreadable(String),
    /// The artifact store does not answer now.
    #[error("the dataset could not be read: {0}")]
    Away(String),
    /// The bytes are not what was described at upload.
    #[error("the dataset is not what was described at upload")]
    Changed,
}

/// How much of tables is kept, and where.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Where the copies lie; made if it is not there.
    pub directory: PathBuf,
    /// Bytes of all tables in memory that nobody uses.
    pub cached_bytes: usize,
    /// Where the numbers of a table go while it is parsed that is not for memory.
    pub scratch: PathBuf,
    /// Bytes of one table in memory.
    pub max_memory_bytes: usize,
}

/// Smaller tables are parsed in less time than a file takes to become durable.
const COPIED_FROM_BYTES: usize = 1 << 20;

/// So begins the name of a copy that is being written.
const PARTIAL: &str = "partial-";

impl Tables {
    /// No tables yet; what an earlier life left half written is deleted.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn new(blobs: Blobs, runtime: Handle, mut limits: Limits, kept: Kept) -> io::Result<Self> {
        let Kept { directory, cached_bytes, scratch, max_memory_bytes } = kept;
        fs::create_dir_all(&directory)?;
        fs::create_dir_all(&scratch)?;
        limits.room = Room::in_directory(scratch, max_memory_bytes);
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(PARTIAL) {
                fs::remove_file(entry.path())?;
            }
        }
        let parsed = SharedCache::new(cached_bytes);
        Ok(Self { blobs, runtime, limits, directory, max_memory_bytes, parsed })
    }

    /// How large a file and its table may be, and where numbers go that are too many for memory.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The table in a blob. Blocks while it is parsed; not for the runtime's threads.
    ///
    /// # Errors
    /// When the blob cannot be read as it was described.
    pub fn get(&self, sha256: &str, reading: &ReadOptions) -> Result<Arc<Table>, TableError> {
        let key = (sha256.to_owned(), reading.clone());
        self.parsed.get(key, || {
            let path = self.copy_of(sha256, reading);
            if let Some(table) = open(&path) {
                return Ok(weighed(self.placed(table)));
            }
            let table = self.parse(sha256, reading)?;
            Ok(weighed(self.copied(table, &path)))
        })
    }

    /// Keeps a table that was parsed just now, since who uploads it is about to train on it, and
    /// copies it behind the caller's back.
    pub fn put(self: &Arc<Self>, sha256: &str, loaded: Loaded) {
        let (tables, sha256) = (Arc::clone(self), sha256.to_owned());
        let Loaded { table, options_used: reading, .. } = loaded;
        let is_small = table.n_bytes() <= self.max_memory_bytes;
        if is_small {
            self.parsed.put((sha256.clone(), reading.clone()), weighed(table));
            self.runtime.spawn_blocking(move || {
                let path = tables.copy_of(&sha256, &reading);
                if let Ok(table) = tables.get(&sha256, &reading) {
                    tables.copy(&table, &path);
                }
            });
        } else {
            self.runtime.spawn_blocking(move || {
                let path = tables.copy_of(&sha256, &reading);
                tables.parsed.put((sha256, reading), weighed(tables.copied(table, &path)));
            });
        }
    }

    /// Deletes copies of what no dataset holds any more.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn sweep(&self, is_in_use: impl Fn(&str) -> bool) -> io::Result<usize> {
        let mut n_deleted = 0;
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let of = name.to_str().and_then(|name| name.split('-').next()).unwrap_or_default();
            // One that is being written has another name, and goes when its writer does.
            if of.len() == 64 && !is_in_use(of) {
                fs::remove_file(entry.path())?;
                n_deleted += 1;
            }
        }
        Ok(n_deleted)
    }

    fn copy_of(&self, sha256: &str, reading: &ReadOptions) -> PathBuf {
        let how = serde_json::to_vec(&(columnar::VERSION, reading)).unwrap_or_default();
        let how = hex(&Sha256::digest(how));
        self.directory.join(format!("{sha256}-{}", &how[..16]))
    }

    fn parse(&self, sha256: &str, reading: &ReadOptions) -> Result<Table, TableError> {
        let unreadable = |error: BlobError| match error.is_unreachable() {
            true => TableError::Away(error.to_string()),
            false => TableError::Unreadable(error.to_string()),
        };
        let file = self.blobs.open(sha256, &self.runtime).map_err(unreadable)?;
        match read(file, None, reading, &self.limits) {
            Ok(loaded) => Ok(loaded.table),
            Err(FormatError::Io(error)) => Err(unreadable(error.into())),
            Err(FormatError::Invalid(_)) => Err(TableError::Changed),
        }
    }

    /// The same table, in memory if it is small enough.
    fn placed(&self, table: Table) -> Table {
        if table.n_bytes() > self.max_memory_bytes { table } else { table.into_memory() }
    }

    /// The table, in memory or from the copy that is made of it.
    fn copied(&self, table: Table, path: &Path) -> Table {
        self.copy(&table, path);
        if table.n_bytes() <= self.max_memory_bytes {
            return table;
        }
        open(path).unwrap_or(table)
    }

    /// Makes the copy of a table, where it is worth one and there is none.
    fn copy(&self, table: &Table, path: &Path) {
        let is_small = table.n_bytes() < COPIED_FROM_BYTES.min(self.max_memory_bytes);
        if is_small || path.exists() {
            return;
        }
        if let Err(error) = self.write(table, path) {
            tracing::warn!(%error, "a table could not be copied; it is parsed again next time");
        }
    }

    /// Durable under its name, or not there.
    fn write(&self, table: &Table, path: &Path) -> Result<(), FormatError> {
        let partial = tempfile::Builder::new().prefix(PARTIAL).tempfile_in(&self.directory)?;
        columnar::write(table, partial.path())?;
        File::open(partial.path())?.sync_all()?;
        partial.persist(path).map_err(|error| error.error)?;
        Ok(())
    }
}

/// A copy, if there is one that can be read.
fn open(path: &Path) -> Option<Table> {
    let file = File::open(path).ok()?;
    let table = Mapping::new(&file).map_err(FormatError::Io);
    match table.and_then(|mapping| columnar::read(&Arc::new(mapping))) {
        Ok(table) => Some(table),
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "a copy of a table is made anew");
            let _ = fs::remove_file(path);
            None
        }
    }
}

fn weighed(value: Table) -> Weighed<Table> {
    Weighed { weight: value.size_bytes().max(1), value }
}
