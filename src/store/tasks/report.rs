//! How far tasks are while they run, and what is forgotten of an attempt that is tried again.

use std::sync::Arc;

use super::REFIT;
use crate::domain::ids::JobId;
use crate::store::db::{Tx, sql};
use crate::store::{Result, Store, parsed};

/// How far a claimed task is.
#[derive(Clone, Debug)]
pub struct Report {
    /// The row.
    pub task: i64,
    /// Which attempt it is.
    pub attempt: i64,
    /// The lease under which it is held.
    pub lease_token: Arc<str>,
    /// The share that is done, from 0 to 1.
    pub progress: f64,
    /// What its epochs were like so far, packed.
    pub history: Option<Vec<u8>>,
}

impl Store {
    /// Notes how far tasks are; says of each whether it was accepted, as it is from whoever holds
    /// the task.
    ///
    /// # Errors
    /// When the database fails; then none was.
    pub async fn report(&self, reports: &[Report]) -> Result<Vec<bool>> {
        retrying!(self.report_once(reports))
    }

    async fn report_once(&self, reports: &[Report]) -> Result<Vec<bool>> {
        let mut tx = self.db.begin().await?;
        let mut accepted = Vec::with_capacity(reports.len());
        let mut jobs: Vec<JobId> = Vec::new();
        for report in reports {
            let row: Option<(String, String, i64)> =
                sql("UPDATE tasks SET progress = CASE WHEN progress > $4 THEN progress ELSE $4 END
                 WHERE id = $1 AND attempt = $2 AND lease_token = $3 AND state = 'running'
                 RETURNING project_id, job_id, CASE kind WHEN 'fold' THEN idx ELSE $5 END")
                .bind(report.task)
                .bind(report.attempt)
                .bind(&*report.lease_token)
                .bind(report.progress)
                .bind(REFIT)
                .optional(&mut tx)
                .await?;
            accepted.push(row.is_some());
            let Some((project, job, idx)) = row else { continue };
            jobs.push(parsed("job id", &job)?);
            let Some(history) = &report.history else { continue };
            sql("INSERT INTO histories (job_id, idx, project_id, epochs, finished)
                 VALUES ($1, $2, $3, $4, FALSE)
                 ON CONFLICT (job_id, idx) DO UPDATE SET epochs = excluded.epochs")
            .bind(&job)
            .bind(idx)
            .bind(&project)
            .bind(history)
            .execute(&mut tx)
            .await?;
        }
        tx.commit().await?;
        for job in jobs {
            self.hints.job_changed(job);
        }
        Ok(accepted)
    }
}

/// Forgets how far a task was that goes back to the queue, unless it was saved: its next attempt starts
/// again.
pub(super) async fn forget_progress(tx: &mut Tx, task: i64) -> Result<()> {
    sql("UPDATE tasks SET progress = 0
         WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM checkpoints WHERE task_id = tasks.id)")
    .bind(task)
    .execute(&mut *tx)
    .await?;
    sql("DELETE FROM histories WHERE finished = FALSE AND (job_id, idx) IN (
             SELECT job_id, CASE kind WHEN 'fold' THEN idx ELSE $2 END FROM tasks
             WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM checkpoints WHERE task_id = tasks.id))")
    .bind(task)
    .bind(REFIT)
    .execute(&mut *tx)
    .await?;
    Ok(())
}
