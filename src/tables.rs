//! Parsed datasets, shared between the tasks that train on them. Knows nothing of jobs.

use std::io::BufReader;
use std::sync::Arc;

use tokio::runtime::Handle;
use trainyard_formats::csv::{self, CsvError, CsvLimits, CsvSchema};
use trainyard_learn::table::Table;

use crate::blobs::{BlobError, Blobs};
use crate::cache::SharedCache;

/// A cache of parsed tables.
#[derive(Debug)]
pub struct Tables {
    blobs: Blobs,
    runtime: Handle,
    limits: CsvLimits,
    parsed: SharedCache<(String, CsvSchema), Table, TableError>,
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
    pub fn new(blobs: Blobs, runtime: Handle, limits: CsvLimits, max_bytes: usize) -> Self {
        Self { blobs, runtime, limits, parsed: SharedCache::new(max_bytes) }
    }

    /// The table in a blob of that size. Blocks while it is parsed; not for the runtime's threads.
    ///
    /// # Errors
    /// When the blob cannot be read as it was described.
    pub fn get(
        &self,
        sha256: &str,
        csv: &CsvSchema,
        size_bytes: u64,
    ) -> Result<Arc<Table>, TableError> {
        // Text weighs what it does in the file, and a number at most eight bytes.
        let weight = csv.n_rows * csv.names.len() * 8 + size_bytes as usize;
        self.parsed.get((sha256.to_owned(), csv.clone()), weight, || self.parse(sha256, csv))
    }

    fn parse(&self, sha256: &str, csv: &CsvSchema) -> Result<Table, TableError> {
        let unreadable = |error: BlobError| TableError::Unreadable(error.to_string());
        let reader = self.blobs.open(sha256, &self.runtime).map_err(unreadable)?;
        csv::read_as(BufReader::new(reader), csv, &self.limits).map_err(|error| match error {
            CsvError::Io(error) => TableError::Unreadable(error.to_string()),
            CsvError::Invalid(_) => TableError::Changed,
        })
    }
}
