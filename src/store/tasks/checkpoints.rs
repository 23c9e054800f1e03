//! Where the fits of tasks are saved, so that the next attempt goes on from there.

use std::collections::HashMap;

use super::ClaimedTask;
use super::publish::leases;
use crate::domain::ids::JobId;
use crate::store::db::{On, Tx, composed, list, sql};
use crate::store::{Result, Store};

/// The saved state of a task's fit; its bytes are durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The blob's name.
    pub sha256: String,
    /// Milliseconds that the fit has taken until then, in all its attempts.
    pub spent_ms: i64,
}

/// What became of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saved {
    /// The task's next attempt goes on from it.
    Yes {
        /// The blob that nothing refers to any more.
        replaced: Option<String>,
    },
    /// Somebody else has the task, or nobody.
    Refused,
}

impl Store {
    /// Notes where a claimed task's fit is saved, in place of where it was before.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn save_checkpoint(
        &self,
        task: &ClaimedTask,
        checkpoint: &Checkpoint,
    ) -> Result<Saved> {
        retrying!(self.save_checkpoint_once(task, checkpoint))
    }

    async fn save_checkpoint_once(
        &self,
        task: &ClaimedTask,
        checkpoint: &Checkpoint,
    ) -> Result<Saved> {
        let mut tx = self.db.begin().await?;
        let leases = leases(&mut tx, [task.id].into_iter()).await?;
        if !leases.get(&task.id).is_some_and(|lease| lease.is_of(task)) {
            return Ok(Saved::Refused);
        }
        let replaced = of_tasks(&mut tx, &[task.id]).await?.remove(&task.id);
        sql("INSERT INTO checkpoints (task_id, project_id, sha256, spent_ms)
             VALUES ($1, $2, $3, $4)
             ON CONFLICT (task_id) DO UPDATE SET sha256 = excluded.sha256,
                                                 spent_ms = excluded.spent_ms")
        .bind(task.id)
        .bind(task.job.project.to_string())
        .bind(&checkpoint.sha256)
        .bind(checkpoint.spent_ms)
        .execute(&mut tx)
        .await?;
        tx.commit().await?;
        Ok(Saved::Yes { replaced: replaced.map(|replaced| replaced.sha256) })
    }
}

/// The checkpoints of those of the tasks that have one.
pub(super) async fn of_tasks(
    on: impl Into<On<'_>>,
    tasks: &[i64],
) -> Result<HashMap<i64, Checkpoint>> {
    let (ids, args) = list(tasks.iter().copied(), 0);
    if args.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(i64, String, i64)> = composed(format!(
        "SELECT task_id, sha256, spent_ms FROM checkpoints WHERE task_id IN (VALUES {ids})"
    ))
    .bind_all(args)
    .all(on)
    .await?;
    let checkpoint = |(task, sha256, spent_ms)| (task, Checkpoint { sha256, spent_ms });
    Ok(rows.into_iter().map(checkpoint).collect())
}

/// Forgets those of tasks that end; the sweep finds their blobs.
pub(super) async fn forget(tx: &mut Tx, tasks: impl Iterator<Item = i64>) -> Result<()> {
    let (ids, args) = list(tasks, 0);
    composed(format!("DELETE FROM checkpoints WHERE task_id IN (VALUES {ids})"))
        .bind_all(args)
        .execute(tx)
        .await?;
    Ok(())
}

/// Forgets those of a job's tasks that have ended; the sweep finds their blobs.
pub(super) async fn forget_of_ended(tx: &mut Tx, job: JobId) -> Result<()> {
    sql("DELETE FROM checkpoints WHERE task_id IN (
             SELECT id FROM tasks WHERE job_id = $1
             AND state IN ('succeeded', 'failed', 'cancelled'))")
    .bind(job.to_string())
    .execute(tx)
    .await?;
    Ok(())
}
