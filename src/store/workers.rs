//! Workers: each says that it lives with every beat; who has not for a lease's length is lost.

use super::db::{composed, sql};
use super::{Result, Store, StoreError, from_json, json, parsed};
use crate::domain::clock::Timestamp;
use crate::domain::ids::WorkerId;
use crate::domain::labels::Labels;
use crate::domain::worker::{Worker, WorkerStatus};

/// A worker that begins to work.
#[derive(Clone, Debug)]
pub struct NewWorker {
    /// Its id.
    pub id: WorkerId,
    /// Its host and process, for people.
    pub name: String,
    /// What tasks may require of it.
    pub labels: Labels,
    /// How many cores there are.
    pub n_cores: usize,
    /// How many tasks it trains at once.
    pub n_threads: usize,
    /// What its tasks may use.
    pub memory_bytes: u64,
    /// How long its leases last.
    pub lease_ms: i64,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    name: String,
    version: String,
    labels: String,
    n_threads: i64,
    n_cores: i64,
    memory_bytes: i64,
    lease_ms: i64,
    started_at: i64,
    beat_at: i64,
    running_tasks: i64,
}

/// A lost worker is listed for so long.
const SHOWN_MS: i64 = 60 * 60 * 1_000;

impl Store {
    /// Says that a worker lives, for the first time or again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn beat(&self, worker: &NewWorker) -> Result<()> {
        retrying!(self.beat_once(worker))
    }

    async fn beat_once(&self, worker: &NewWorker) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let now = tx.now().await?;
        sql("INSERT INTO workers (id, name, version, labels, n_threads, memory_bytes, lease_ms,
                                  started_at, beat_at, n_cores)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9)
             ON CONFLICT (id) DO UPDATE SET beat_at = excluded.beat_at")
        .bind(worker.id.to_string())
        .bind(&worker.name)
        .bind(env!("CARGO_PKG_VERSION"))
        .bind(json("labels", &worker.labels)?)
        .bind(worker.n_threads as i64)
        .bind(i64::try_from(worker.memory_bytes).unwrap_or(i64::MAX))
        .bind(worker.lease_ms)
        .bind(now.0)
        .bind(worker.n_cores as i64)
        .execute(&mut tx)
        .await?;
        tx.commit().await
    }

    /// Takes a worker off the list that goes away in order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sign_off(&self, worker: WorkerId) -> Result<()> {
        let mut tx = self.db.begin().await?;
        sql("DELETE FROM workers WHERE id = $1").bind(worker.to_string()).execute(&mut tx).await?;
        tx.commit().await
    }

    /// Forgets the workers that nobody has heard of for an hour; with `all`, every one: right only for
    /// a server that knows that no other worker lives.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_workers(&self, all: bool) -> Result<u64> {
        let mut tx = self.db.begin().await?;
        let now = tx.now().await?;
        let n_forgotten = sql("DELETE FROM workers WHERE $1 OR beat_at < $2")
            .bind(all)
            .bind(now.0 - SHOWN_MS)
            .execute(&mut tx)
            .await?;
        tx.commit().await?;
        Ok(n_forgotten)
    }

    /// Whether a living worker has the labels, and memory for a task.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn is_anybody_there(&self, requires: &Labels, memory_bytes: u64) -> Result<bool> {
        let now = self.db.dialect().clock();
        let offered: Vec<(String,)> = composed(format!(
            "SELECT DISTINCT labels FROM workers WHERE beat_at + lease_ms >= {now} AND memory_bytes >= $1"
        ))
        .bind(i64::try_from(memory_bytes).unwrap_or(i64::MAX))
        .all(&self.db)
        .await?;
        for (labels,) in offered {
            let labels: Labels = from_json("labels", &labels)?;
            if labels.include(requires) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The workers that live or were lost within the hour, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn workers(&self) -> Result<Vec<Worker>> {
        let mut tx = self.db.begin_read().await?;
        let now = tx.now().await?;
        let rows: Vec<Row> = sql(
            "SELECT id, name, version, labels, n_threads, COALESCE(n_cores, n_threads) AS n_cores,
                    memory_bytes, lease_ms, started_at, beat_at, COALESCE(n_tasks, 0) AS running_tasks
             FROM workers LEFT JOIN (SELECT worker, COUNT(*) AS n_tasks FROM tasks
                                     WHERE state = 'running' GROUP BY worker) AS held
                          ON held.worker = workers.id
             WHERE beat_at >= $1 ORDER BY started_at, id",
        )
        .bind(now.0 - SHOWN_MS)
        .all(&mut tx)
        .await?;
        rows.into_iter()
            .map(|row| {
                let is_lost = row.beat_at + row.lease_ms < now.0;
                Ok::<_, StoreError>(Worker {
                    id: parsed("worker id", &row.id)?,
                    name: row.name,
                    status: if is_lost { WorkerStatus::Lost } else { WorkerStatus::Alive },
                    version: row.version,
                    labels: from_json("labels", &row.labels)?,
                    cores: row.n_cores as u32,
                    threads: row.n_threads as u32,
                    memory_bytes: row.memory_bytes as u64,
                    running_tasks: row.running_tasks as u32,
                    started_at: Timestamp(row.started_at),
                    last_beat_at: Timestamp(row.beat_at),
                })
            })
            .collect()
    }
}
