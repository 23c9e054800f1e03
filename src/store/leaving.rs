//! Blobs that leave the artifact store: who deletes and who names them never miss each other.
//!
//! A sweep marks what it is about to delete, commits, and only then looks a last time whether a row names it.
//! Who names a blob looks for a mark in the transaction that names it. A lock of PostgreSQL's, shared by
//! those who name, puts the two transactions one behind the other, as SQLite's one writer does. So either
//! the sweep sees the name, or who names sees the mark, and stores the bytes again.
//!
//! A mark says until when the deletion may happen; one that has happened sets that to then, and one whose
//! process died runs out. It stays for a day behind that: bytes that were stored before it may be gone, so
//! a mark stands in the way of whoever does not know to have stored them after it.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::db::{Tx, among, composed, sql, values};
use super::{Result, Store, StoreError};
use crate::domain::clock::Timestamp;

/// Blobs that nobody but the holder deletes, and nobody names.
#[derive(Debug)]
pub struct Leaving {
    mark: String,
    /// Their names.
    pub names: Vec<String>,
}

/// PostgreSQL's number of the lock: any that nothing else of this database takes.
const NAMES: i64 = 0x7472_6169_6e79_6173;

/// Who wants to name a blob that is leaving waits so long at the most.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often it looks.
const LOOK: Duration = Duration::from_millis(50);

/// Nobody names what it has stored longer ago.
const KEPT_MS: i64 = 24 * 60 * 60 * 1_000;

impl Store {
    /// Marks blobs as leaving, for so long; those are left out that somebody else is deleting or a row names.
    ///
    /// # Errors
    /// When the database fails; marks that were made then run out.
    pub async fn let_leave(
        &self,
        mark: String,
        names: &[String],
        within: Duration,
    ) -> Result<Leaving> {
        if names.is_empty() {
            return Ok(Leaving { mark, names: Vec::new() });
        }
        let marked = retrying!(self.mark_once(&mark, names, within))?;
        let (among, args) = among(self.db.dialect(), marked.iter().cloned(), 0);
        let named: Vec<String> = if marked.is_empty() {
            Vec::new()
        } else {
            composed(format!(
                "SELECT sha256 FROM datasets WHERE sha256 {among}
                 UNION SELECT sha256 FROM models WHERE sha256 {among}
                 UNION SELECT sha256 FROM checkpoints WHERE sha256 {among}"
            ))
            .bind_all(args)
            .column(&self.db)
            .await?
        };
        let (stay, names) = marked.into_iter().partition(|name| named.contains(name));
        let leaving = Leaving { mark, names };
        self.stay(&leaving, &stay).await?;
        Ok(leaving)
    }

    async fn mark_once(
        &self,
        mark: &str,
        names: &[String],
        within: Duration,
    ) -> Result<Vec<String>> {
        let mut tx = self.db.begin().await?;
        if let Tx::Postgres(_) = tx {
            // Waits for those who are naming; who comes after sees the marks.
            sql("SELECT pg_advisory_xact_lock($1)").bind(NAMES).execute(&mut tx).await?;
        }
        let now = tx.now().await?;
        let until = now.0 + within.as_millis() as i64;
        let rows = names.iter().map(|name| [name.into(), mark.into(), now.0.into(), until.into()]);
        let marked = values(
            tx.dialect(),
            "INSERT INTO leaving (sha256, mark, marked_at, until)",
            rows,
            "ON CONFLICT (sha256) DO UPDATE SET mark = excluded.mark,
                 marked_at = excluded.marked_at, until = excluded.until
             WHERE leaving.until < excluded.marked_at RETURNING sha256",
        )
        .column(&mut tx)
        .await?;
        tx.commit().await?;
        Ok(marked)
    }

    /// Notes that these have been deleted: no deletion of them is under way any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn have_left(&self, leaving: &Leaving, names: &[String]) -> Result<()> {
        let clock = self.db.dialect().clock();
        self.unmark(&format!("UPDATE leaving SET until = {clock}"), leaving, names).await
    }

    /// Takes marks back: nothing was deleted, nor will be.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn stay(&self, leaving: &Leaving, names: &[String]) -> Result<()> {
        self.unmark("DELETE FROM leaving", leaving, names).await
    }

    async fn unmark(&self, change: &str, leaving: &Leaving, names: &[String]) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        let mut tx = self.db.begin().await?;
        let (among, args) = among(tx.dialect(), names.iter().cloned(), 1);
        composed(format!("{change} WHERE mark = $1 AND sha256 {among}"))
            .bind(&leaving.mark)
            .bind_all(args)
            .execute(&mut tx)
            .await?;
        tx.commit().await
    }

    /// Forgets marks that stand in nobody's way any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_left(&self) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let now = tx.now().await?;
        sql("DELETE FROM leaving WHERE until < $1").bind(now.0 - KEPT_MS).execute(&mut tx).await?;
        tx.commit().await
    }

    /// The database's clock, for whoever is about to store bytes that are to be named.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn now(&self) -> Result<Timestamp> {
        let clock = format!("SELECT {}", self.db.dialect().clock());
        Ok(Timestamp(composed(clock).scalar(&self.db).await?))
    }

    /// Waits until no deletion of the blob can happen any more; when that was. What is stored after it stays.
    ///
    /// # Errors
    /// When that takes too long, or the database fails.
    pub async fn after_leaving(&self, sha256: &str) -> Result<Timestamp> {
        let deadline = Instant::now() + PATIENCE;
        let clock = self.db.dialect().clock();
        loop {
            let look = format!("SELECT (SELECT until FROM leaving WHERE sha256 = $1), {clock}");
            let (until, now): (Option<i64>, i64) =
                composed(look).bind(sha256).one(&self.db).await?;
            if until.is_none_or(|until| until < now) {
                return Ok(Timestamp(now));
            }
            if Instant::now() >= deadline {
                return Err(StoreError::Leaving { sha256: sha256.to_owned() });
            }
            sleep(LOOK).await;
        }
    }
}

impl Tx {
    /// The clock, in a transaction that is going to name blobs, each by a statement with
    /// [`UNLESS_LEAVING`]; asked before that statement.
    pub(super) async fn now_to_name(&mut self) -> Result<Timestamp> {
        match self {
            Self::Sqlite(_) => self.now().await,
            Self::Postgres(_) => {
                let lock = format!("pg_advisory_xact_lock_shared({NAMES})");
                let text = format!("SELECT {}, {lock}", self.dialect().clock());
                Ok(Timestamp(composed(text).scalar(self).await?))
            }
        }
    }

    /// Until when the deletion may happen of a blob that could not be named.
    pub(super) async fn leaving_until(&mut self, sha256: &str) -> Result<Timestamp> {
        let until = sql("SELECT until FROM leaving WHERE sha256 = $1");
        Ok(Timestamp(until.bind(sha256).scalar(self).await?))
    }
}

/// Ends `INSERT … SELECT …` that names the blob `$1`, stored after `$2`; where it adds no row, the bytes may be
/// gone.
pub(super) const UNLESS_LEAVING: &str =
    "WHERE NOT EXISTS (SELECT 1 FROM leaving WHERE leaving.sha256 = $1 AND leaving.until >= $2)";
