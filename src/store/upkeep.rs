//! A copy of the database while it is used, a look at whether it contradicts itself, and who sweeps.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection};

use super::db::{Db, Tx, sql};
use super::hints::Hints;
use super::tasks::Contexts;
use super::{Result, Store};

/// A state of the database that stays as it is, whatever others write, until it is dropped.
pub struct Snapshot {
    tx: Tx,
    /// By which `pg_dump` finds the same state; `None` of SQLite's.
    pub exported: Option<String>,
    /// The blobs that it names, apart from those of saved fits.
    pub blobs: HashSet<String>,
}

/// The right to sweep, which one process has at a time.
#[derive(Debug)]
pub struct Sweeper(Option<PgConnection>);

/// PostgreSQL's number of that right: any that nothing else of this database takes.
const SWEEPER: i64 = 0x7472_6169_6e79_6172;

impl Store {
    /// Opens a database of SQLite's as it is, only to read.
    ///
    /// # Errors
    /// When there is none.
    pub async fn look(path: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .busy_timeout(Duration::from_secs(10));
        let readers = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
        let db = Db::Sqlite { writer: readers.clone(), readers };
        Ok(Self { db, hints: Hints::default(), contexts: Contexts::default() })
    }

    /// Connects to a database of PostgreSQL's as it is.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn look_at_postgres(url: &str) -> Result<Self> {
        let db = Db::Postgres(super::postgres(url, None).await?);
        Ok(Self { db, hints: Hints::default(), contexts: Contexts::default() })
    }

    /// Writes all of a database of SQLite's but the saved fits to a new file, in one state, while others go
    /// on writing.
    ///
    /// # Errors
    /// When the file is there already or cannot be written.
    pub async fn copy_to(&self, path: &Path) -> Result<()> {
        if let Db::Sqlite { readers, .. } = &self.db {
            let copy = sqlx::query("VACUUM INTO $1").bind(path.display().to_string());
            copy.execute(readers).await?;
            let mut copy = SqliteConnectOptions::new().filename(path).connect().await?;
            sqlx::query("DELETE FROM checkpoints").execute(&mut copy).await?;
            copy.close().await?;
        }
        Ok(())
    }

    /// The database as it is now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn snapshot(&self) -> Result<Snapshot> {
        let mut tx = self.db.begin_read().await?;
        let exported = match &tx {
            Tx::Sqlite(_) => None,
            Tx::Postgres(_) => {
                Some(sql("SELECT pg_export_snapshot()").scalar::<String>(&mut tx).await?)
            }
        };
        let names: Vec<String> = sql(BLOBS_OF_RESULTS).column(&mut tx).await?;
        Ok(Snapshot { tx, exported, blobs: names.into_iter().collect() })
    }

    /// The blobs that are named.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn blobs_in_use(&self) -> Result<HashSet<String>> {
        let names: Vec<String> = sql(BLOBS_IN_USE).column(&self.db).await?;
        Ok(names.into_iter().collect())
    }

    /// What names a blob, in words and in no order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn namers(&self, blob: &str) -> Result<Vec<String>> {
        sql(NAMERS).bind(blob).column(&self.db).await
    }

    /// The right to sweep, unless another process has it. It ends with the connection, should this process
    /// be killed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sweeper(&self) -> Result<Option<Sweeper>> {
        let Db::Postgres(pool) = &self.db else { return Ok(Some(Sweeper(None))) };
        let mut connection = pool.acquire().await?.detach();
        let lock = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(SWEEPER);
        let is_ours: bool = lock.fetch_one(&mut connection).await?;
        let sweeper = Sweeper(Some(connection));
        if is_ours {
            return Ok(Some(sweeper));
        }
        sweeper.end().await;
        Ok(None)
    }

    /// What in the database contradicts something else in it, in words; nothing, if all is well.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn contradictions(&self) -> Result<Vec<String>> {
        let mut tx = self.db.begin_read().await?;
        let mut found: Vec<String> = Vec::new();
        if let Tx::Sqlite(_) = tx {
            let pages: Vec<String> = sql("PRAGMA integrity_check(20)").column(&mut tx).await?;
            found.extend(pages.into_iter().filter(|line| line != "ok"));
            let orphans =
                "SELECT \"table\" || ' ' || COALESCE(rowid, '') || ' names a missing row of '
                           || parent FROM pragma_foreign_key_check LIMIT 20";
            found.extend(sql(orphans).column::<String>(&mut tx).await?);
        }
        found.extend(sql(CONTRADICTIONS).column::<String>(&mut tx).await?);
        Ok(found)
    }
}

impl Sweeper {
    /// Gives the right back.
    pub async fn end(self) {
        if let Some(connection) = self.0 {
            drop(connection.close().await);
        }
    }
}

impl Snapshot {
    /// Lets the state go.
    pub async fn end(self) {
        drop(self.tx.commit().await);
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("n_blobs", &self.blobs.len()).finish_non_exhaustive()
    }
}

const BLOBS_IN_USE: &str = "SELECT sha256 FROM datasets UNION SELECT sha256 FROM models
                            UNION SELECT sha256 FROM checkpoints";

const NAMERS: &str = "SELECT 'dataset ' || id FROM datasets WHERE sha256 = $1
    UNION ALL SELECT 'model ' || id || ' of ' || job_id FROM models WHERE sha256 = $1
    UNION ALL SELECT 'a saved fit of ' || tasks.job_id FROM checkpoints
              JOIN tasks ON tasks.id = checkpoints.task_id WHERE sha256 = $1";

/// A backup's: a saved fit's bytes go when the next are there, and without it the fit begins anew.
const BLOBS_OF_RESULTS: &str = "SELECT sha256 FROM datasets UNION SELECT sha256 FROM models";

/// Jobs and tasks that contradict each other; each branch names itself.
const CONTRADICTIONS: &str = "
    SELECT 'ended, with open tasks: ' || jobs.id FROM jobs
    WHERE status IN ('succeeded', 'failed', 'cancelled') AND EXISTS (
        SELECT 1 FROM tasks WHERE job_id = jobs.id AND state IN ('queued', 'blocked', 'running'))
    UNION ALL
    SELECT 'pending is not what is missing: ' || jobs.id FROM jobs
    WHERE n_pending <> (SELECT COUNT(*) FROM tasks WHERE job_id = jobs.id AND kind = 'fold')
                     - (SELECT COUNT(*) FROM folds WHERE job_id = jobs.id)
    UNION ALL
    SELECT 'a fold without a task that succeeded: ' || folds.job_id FROM folds
    WHERE NOT EXISTS (SELECT 1 FROM tasks WHERE tasks.job_id = folds.job_id AND kind = 'fold'
                      AND tasks.idx = folds.idx AND state = 'succeeded')
    UNION ALL
    SELECT 'cancelling, with nothing to wait for: ' || jobs.id FROM jobs
    WHERE status = 'cancelling' AND NOT EXISTS (
        SELECT 1 FROM tasks WHERE job_id = jobs.id AND state = 'running')
    UNION ALL
    SELECT 'succeeded, with a task that did not: ' || jobs.id FROM jobs
    WHERE status = 'succeeded' AND EXISTS (
        SELECT 1 FROM tasks WHERE job_id = jobs.id AND state <> 'succeeded')
    UNION ALL
    SELECT 'nothing is left to do: ' || jobs.id FROM jobs
    WHERE status IN ('queued', 'running') AND NOT EXISTS (
        SELECT 1 FROM tasks WHERE job_id = jobs.id AND state IN ('queued', 'running'))
    UNION ALL
    SELECT 'rests, with a task in the line: ' || jobs.id FROM jobs
    WHERE status IN ('paused', 'waiting') AND EXISTS (
        SELECT 1 FROM tasks WHERE job_id = jobs.id AND state = 'queued')
    UNION ALL
    SELECT 'nothing is left to do after its rest: ' || jobs.id FROM jobs
    WHERE status IN ('paused', 'waiting') AND NOT EXISTS (
        SELECT 1 FROM tasks WHERE job_id = jobs.id AND state IN ('blocked', 'running'))
    UNION ALL
    SELECT 'more at once than may: ' || jobs.id FROM jobs
    WHERE max_parallel < (SELECT COUNT(*) FROM tasks WHERE job_id = jobs.id AND kind = 'fold'
                          AND state IN ('queued', 'running'))
    UNION ALL
    SELECT 'started before what it comes after: ' || job_id FROM dependencies
    JOIN jobs ON jobs.id = job_id JOIN jobs AS other ON other.id = after_id
    WHERE jobs.started_at IS NOT NULL AND other.status <> 'succeeded'
    UNION ALL
    SELECT 'not in its place: event ' || events.seq || ' of ' || events.job_id FROM events
    WHERE seq > (SELECT COUNT(*) FROM events AS others WHERE others.job_id = events.job_id)
    UNION ALL
    SELECT 'ended twice: ' || job_id FROM events
    WHERE type IN ('succeeded', 'failed', 'cancelled') GROUP BY job_id HAVING COUNT(*) > 1
    LIMIT 100";
