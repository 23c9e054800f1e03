//! Parsed datasets, shared between the tasks that train on them. Knows nothing of jobs.

use std::sync::Arc;

use tokio::runtime::Handle;
use trainyard_formats::{FormatError, Limits, Loaded, ReadOptions, read};
use trainyard_learn::table::Table;

use crate::blobs::{BlobError, Blobs};
use crate::cache::{SharedCache, Weighed};

/// A cache of parsed tables.
#[derive(Debug)]
pub struct Tables {
    blobs: Blobs,
    runtime: Handle,
    limits: Limits,
    parsed: SharedCache<(String, ReadOptions), Table, TableError>,
}

/// Why a table could not be had.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TableError {
    /// The bytes could not be read; this may pass.
    #[error("the dataset could not be read: {0}")]
    Unreadable(String),
    /// The bytes are not what was described at upload.
    #[error("the dataset is not what was described at upload")]
    Changed,
}

impl Tables {
    /// A cache of tables of up to `max_bytes`, or of one that alone has more.
    pub fn new(blobs: Blobs, runtime: Handle, limits: Limits, max_bytes: usize) -> Self {
        Self { blobs, runtime, limits, parsed: SharedCache::new(max_bytes) }
    }

    /// The table in a blob. Blocks while it is parsed; not for the runtime's threads.
    ///
    /// # Errors
    /// When the blob cannot be read as it was described.
    pub fn get(&self, sha256: &str, reading: &ReadOptions) -> Result<Arc<Table>, TableError> {
        let key = (sha256.to_owned(), reading.clone());
        self.parsed.get(key, || self.parse(sha256, reading).map(weighed))
    }

    /// Keeps a table that was parsed just now, since who uploads it is about to train on it.
    pub fn put(&self, sha256: &str, loaded: Loaded) {
        self.parsed.put((sha256.to_owned(), loaded.options_used), weighed(loaded.table));
    }

    fn parse(&self, sha256: &str, reading: &ReadOptions) -> Result<Table, TableError> {
        let unreadable = |error: BlobError| TableError::Unreadable(error.to_string());
        let file = self.blobs.open(sha256, &self.runtime).map_err(unreadable)?;
        match read(file, None, reading, &self.limits) {
            Ok(loaded) => Ok(loaded.table),
            Err(FormatError::Io(error)) => Err(TableError::Unreadable(error.to_string())),
            Err(FormatError::Invalid(_)) => Err(TableError::Changed),
        }
    }
}

fn weighed(value: Table) -> Weighed<Table> {
    Weighed { weight: value.size_bytes().max(1), value }
}
