//! The database: the only place with SQL. Each method is one transaction, named for what happens.
//!
//! SQLite in WAL mode with `synchronous=FULL`: what a method has returned survives a power cut. One
//! connection writes, several read, so a reader never waits for a writer. Knows nothing of HTTP and
//! nothing of how a task is carried out. Start reading at [`tasks`], where work is claimed and
//! published.
//!
//! Statements are plain strings with `$1` and portable types (64-bit integers, doubles, text, bytes),
//! so that a second database can share them.

/// The database's clock in milliseconds, as an expression of SQL.
macro_rules! now_ms {
    () => {
        "CAST(unixepoch('subsec') * 1000 AS INTEGER)"
    };
}

pub mod datasets;
pub mod events;
pub mod hints;
pub mod idempotency;
pub mod jobs;
pub mod models;
pub mod tasks;

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Sqlite, Transaction};

use crate::domain::clock::Timestamp;
use crate::domain::job::IllegalTransition;
use hints::Hints;

/// Older versions can corrupt a database when a WAL is reset.
const OLDEST_SQLITE: (u32, u32, u32) = (3, 51, 3);

const N_READERS: u32 = 4;

/// A handle to the database; clones share its connections.
#[derive(Clone, Debug)]
pub struct Store {
    writer: SqlitePool,
    readers: SqlitePool,
    hints: Hints,
}

/// Why a store call failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused or could not be reached.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("migration: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A stored document is not what this version writes.
    #[error("stored {what} is unreadable: {reason}")]
    Corrupt {
        /// Which.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// The bundled SQLite is too old to be trusted with data.
    #[error("SQLite {0} can lose data; {OLDEST_SQLITE:?} or newer is needed")]
    OldSqlite(String),
    /// A caller asked for what cannot happen now.
    #[error(transparent)]
    Transition(#[from] IllegalTransition),
}

impl StoreError {
    fn corrupt(what: &'static str, reason: impl std::fmt::Display) -> Self {
        Self::Corrupt { what, reason: reason.to_string() }
    }

    /// Whether the disk is full.
    pub fn is_disk_full(&self) -> bool {
        const SQLITE_FULL: &str = "13";
        matches!(self, Self::Database(sqlx::Error::Database(error))
            if error.code().as_deref() == Some(SQLITE_FULL))
    }
}

/// What became of a wish to delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone.
    Yes,
    /// There was none.
    NotFound,
    /// Something that has not ended needs it.
    InUse,
}

pub(crate) type Result<T, E = StoreError> = std::result::Result<T, E>;

impl Store {
    /// Opens or creates the database and brings its schema up to date.
    ///
    /// # Errors
    /// When the file cannot be opened, or was written by a newer version.
    pub async fn open(path: &Path, hints: Hints) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10));
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_with(options.clone())
            .await?;
        let version: String =
            sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&writer).await?;
        if version_numbers(&version) < OLDEST_SQLITE {
            return Err(StoreError::OldSqlite(version));
        }
        sqlx::migrate!("migrations/sqlite").run(&writer).await?;
        // Readers connect when first needed, which keeps the start quick.
        let readers = SqlitePoolOptions::new()
            .max_connections(N_READERS)
            .connect_lazy_with(options.create_if_missing(false).read_only(true));
        Ok(Self { writer, readers, hints })
    }

    /// Hints about what changed; see [`Hints`].
    pub fn hints(&self) -> &Hints {
        &self.hints
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT 1 FROM projects").fetch_one(&self.readers).await?;
        Ok(())
    }

    /// Waits for running statements and closes the files.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    async fn begin(&self) -> Result<Transaction<'static, Sqlite>> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }
}

/// The database's clock, so that workers on machines with other clocks agree about leases.
async fn now(tx: &mut Transaction<'static, Sqlite>) -> Result<Timestamp> {
    let now = sqlx::query_scalar(concat!("SELECT ", now_ms!())).fetch_one(&mut **tx).await?;
    Ok(Timestamp(now))
}

fn json<T: serde::Serialize>(what: &'static str, value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| StoreError::corrupt(what, error))
}

fn from_json<T: serde::de::DeserializeOwned>(what: &'static str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| StoreError::corrupt(what, error))
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
    what: &'static str,
    text: &str,
) -> Result<T> {
    text.parse().map_err(|error| StoreError::corrupt(what, error))
}

fn version_numbers(version: &str) -> (u32, u32, u32) {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}
