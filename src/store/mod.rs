//! The database: the only place with SQL. Each method is one transaction, named for what happens.
//!
//! SQLite in the data directory (WAL, `synchronous=FULL`; one connection writes, several read) or
//! PostgreSQL (READ COMMITTED, row locks), by the same statements: `db` has what differs. What a
//! method has returned survives a power cut. Knows nothing of HTTP and nothing of how a task is
//! carried out. Start reading at [`tasks`], where work is claimed and published.
//!
//! Whoever changes a job locks its tasks first and then its row, which SQLite's one writer makes
//! superfluous; where two still block each other, PostgreSQL ends one, which is run again.

/// Runs one attempt of a transaction again where another transaction was in its way.
macro_rules! retrying {
    ($attempt:expr) => {{
        let mut n_conflicts = 0;
        loop {
            match $attempt.await {
                Err(error) if error.is_conflict() && n_conflicts < $crate::store::MOST_CONFLICTS => {
                    n_conflicts += 1;
                    tracing::debug!(%error, n_conflicts, "a transaction is run again");
                }
                done => break done,
            }
        }
    }};
}

pub mod datasets;
mod db;
pub mod events;
pub mod hints;
pub mod idempotency;
pub mod jobs;
pub mod leaving;
pub mod models;
mod notify;
pub mod place;
#[cfg(test)]
mod statements;
pub mod tasks;
pub mod upkeep;
pub mod webhooks;
pub mod workers;

use std::io;
use std::path::Path;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, SqliteConnection};
use tokio::time::timeout;

use crate::domain::job::IllegalTransition;
use db::{Db, sql};
use hints::Hints;
use tasks::Contexts;

/// Older versions can corrupt a database when a WAL is reset.
const OLDEST_SQLITE: (u32, u32, u32) = (3, 51, 3);

const N_READERS: u32 = 4;

/// Of one process, to PostgreSQL.
const N_CONNECTIONS: u32 = 8;

/// A process that is stopped or cut off within a transaction keeps its locks for so long at the most.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// A transaction that others were in the way of is run again so often.
const MOST_CONFLICTS: u32 = 8;

/// A handle to the database; clones share its connections.
#[derive(Clone, Debug)]
pub struct Store {
    db: Db,
    hints: Hints,
    contexts: Contexts,
}

/// Why a store call failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused or could not be reached.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// PostgreSQL could not be reached at the start.
    #[error("PostgreSQL at {place}: {reason}; is --database-url right?")]
    Unreachable {
        /// Where.
        place: String,
        /// Why.
        reason: String,
    },
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
    /// Bytes are about to be deleted, or may have been since they were stored.
    #[error("the blob {sha256} is leaving the artifact store")]
    Leaving {
        /// Its name.
        sha256: String,
    },
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
        const POSTGRES_DISK_FULL: &str = "53100";
        [SQLITE_FULL, POSTGRES_DISK_FULL].contains(&self.code().as_ref())
    }

    /// Whether the database cannot be reached now: it is away, starts, or is too busy to answer.
    pub fn is_unreachable(&self) -> bool {
        const GOING_AND_STARTING: [&str; 5] = ["57P01", "57P02", "57P03", "53300", "25P03"];
        let Self::Database(error) = self else { return false };
        let code = self.code();
        let lost = matches!(
            error,
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed
        );
        lost || code.starts_with("08") || GOING_AND_STARTING.contains(&code.as_ref())
    }

    /// Whether another transaction was in the way, and the same call would go through now:
    /// PostgreSQL's serialization failure, deadlock, a key that both wanted to write, and a transaction
    /// that paused for too long.
    fn is_conflict(&self) -> bool {
        ["40001", "40P01", "23505", "25P03"].contains(&self.code().as_ref())
    }

    /// The database's own code of the error, or nothing.
    fn code(&self) -> std::borrow::Cow<'_, str> {
        match self {
            Self::Database(sqlx::Error::Database(error)) => error.code().unwrap_or_default(),
            _ => "".into(),
        }
    }
}

/// Behind every id of any kind, in the order of bytes: where a list without a cursor begins.
const BEHIND_ALL: &str = "~";

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
    /// Opens or creates a database in a file, and brings its schema up to date.
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
            .before_acquire(|connection, _| Box::pin(is_free(connection)))
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
        // A migration may make a table anew; what refers to it should not go with the old one.
        let mut migrator = options.clone().foreign_keys(false).connect().await?;
        sqlx::migrate!("migrations/sqlite").run(&mut migrator).await?;
        migrator.close().await?;
        // Readers connect when first needed, which keeps the start quick.
        let readers = SqlitePoolOptions::new()
            .before_acquire(|connection, _| Box::pin(is_free(connection)))
            .max_connections(N_READERS)
            .connect_lazy_with(options.create_if_missing(false).read_only(true));
        Ok(Self { db: Db::Sqlite { writer, readers }, hints, contexts: Contexts::default() })
    }

    /// Connects to a PostgreSQL database (`postgres://user:password@host:5432/name?sslmode=…`), and
    /// brings its schema up to date; of several processes that start together, one does.
    ///
    /// # Errors
    /// When it cannot be reached, or a newer version has changed its schema.
    pub async fn connect(url: &str, hints: Hints) -> Result<Self> {
        let pool = postgres(url, Some(LONGEST_PAUSE)).await?;
        sqlx::migrate!("migrations/postgres").run(&pool).await?;
        let hints = notify::share(&pool, hints).await?;
        Ok(Self { db: Db::Postgres(pool), hints, contexts: Contexts::default() })
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
        sql("SELECT id FROM projects LIMIT 1").scalar::<String>(&self.db).await?;
        Ok(())
    }

    /// What a call of this store comes to within a time. Of a PostgreSQL whose machine has vanished nobody hears
    /// a word: TCP waits a quarter of an hour for it, and for an answer that is due for ever.
    ///
    /// # Errors
    /// Those of the call, and that the database does not answer.
    pub async fn within<T>(
        &self,
        time: Duration,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        match &self.db {
            Db::Sqlite { .. } => call.await,
            Db::Postgres(_) => timeout(time, call).await.unwrap_or_else(|_| Err(silent().into())),
        }
    }

    /// Waits for running statements and closes the files.
    pub async fn close(&self) {
        self.db.close().await;
    }
}

/// Whether a connection's last transaction has ended. SQLite ends one by itself, when the disk is full,
/// without a word that sqlx hears: no other could begin on that connection, so it is closed.
async fn is_free(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    Ok(!connection.is_in_transaction())
}

/// So many connections to PostgreSQL are there before they are needed: to claim, to publish and to renew.
const N_READY: u32 = 3;

/// A connection to PostgreSQL that was used within this time is taken to stand.
const TRUSTED: Duration = Duration::from_secs(1);

/// A connection to PostgreSQL that stands says so within this time.
const SAYS_SO: Duration = Duration::from_secs(1);

/// What a connection fails of shows within this time.
const LAST_TRY: Duration = Duration::from_secs(2);

/// How statements are planned: all of ours are made for an index, and of a queue that filled up since its
/// table was looked at last PostgreSQL thinks that reading and sorting all of it costs nothing. What it must
/// not do has a price so high that compiling the statement would seem to pay. A connection plans a statement
/// once, whatever its values, and not five times and more.
const PLANS: &str = "SET enable_seqscan = off; SET enable_bitmapscan = off; SET jit = off;
                     SET plan_cache_mode = force_generic_plan";

/// Where transactions may pause for so long only, the connection of one that does not go on is closed.
async fn postgres(url: &str, longest_pause: Option<Duration>) -> Result<PgPool> {
    let options: PgConnectOptions = url.parse()?;
    let pause_ms = longest_pause.map_or(0, |pause| pause.as_millis());
    let pool = PgPoolOptions::new()
        .max_connections(N_CONNECTIONS)
        .min_connections(N_READY)
        .acquire_timeout(Duration::from_secs(10))
        // Whether a connection still stands is asked of one that was idle, and not at each use.
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > TRUSTED {
                    stands(connection).await?;
                }
                Ok(true)
            })
        })
        // A call that was given up leaves one behind that may never answer.
        .after_release(|connection, _| {
            Box::pin(async move {
                stands(connection).await?;
                Ok(true)
            })
        })
        .after_connect(move |connection, _| {
            Box::pin(async move {
                let set = format!("SET idle_in_transaction_session_timeout = {pause_ms}; {PLANS}");
                connection.execute(AssertSqlSafe(set)).await?;
                Ok(())
            })
        });
    let options = options.application_name("trainyard");
    let place = place_of(&options);
    match pool.connect_with(options.clone()).await {
        Ok(pool) => Ok(pool),
        Err(error) => Err(StoreError::Unreachable { place, reason: reason(error, options).await }),
    }
}

/// Whether the other end of a connection still answers.
async fn stands(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    timeout(SAYS_SO, connection.ping()).await.unwrap_or_else(|_| Err(silent()))
}

/// That the database has not answered.
fn silent() -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "it does not answer"))
}

fn place_of(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

/// Why there is no connection. A pool that has tried again until its time was over does not say.
async fn reason(error: sqlx::Error, options: PgConnectOptions) -> String {
    let error = match error {
        sqlx::Error::PoolTimedOut => {
            match timeout(LAST_TRY, PgConnection::connect_with(&options)).await {
                Ok(Err(error)) => error,
                Ok(Ok(_)) | Err(_) => return "it did not answer in time".to_owned(),
            }
        }
        error => error,
    };
    match error {
        // Without sqlx's own words before them.
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Database(error) => error.to_string(),
        error => error.to_string(),
    }
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
