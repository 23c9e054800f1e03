//! Where the fits of tasks are saved, so that the next attempt goes on from there, and what a job has
//! of them.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::publish::leases;
use super::{ClaimedTask, JobContext, TaskKind};
use crate::domain::checkpoint::{FitKind, SavedFit};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{JobId, ProjectId};
use crate::domain::spec::{JobSpec, Place};
use crate::store::db::{On, Tx, among, composed, sql};
use crate::store::{Result, Store, events, from_json};

/// The saved state of a task's fit; its bytes are durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The blob's name.
    pub sha256: String,
    /// Milliseconds that the task has taken until then, in all its attempts: of a search, its inner fits too.
    pub spent_ms: i64,
    /// The last whole epoch, where its number says how far the fit is.
    pub epoch: Option<u32>,
}

/// A fit that a claim goes on with.
#[derive(Clone, Debug)]
pub(super) struct Resumed {
    job: Arc<JobContext>,
    /// The number of its fit; none of the last one.
    idx: Option<usize>,
    attempt: i64,
    from: Checkpoint,
}

impl Resumed {
    /// The fit of a claimed task, if it was saved.
    pub(super) fn of(task: &ClaimedTask) -> Option<Self> {
        let idx = match task.kind {
            TaskKind::Fold { idx } => Some(idx),
            TaskKind::Reduce { .. } => None,
        };
        let (job, from) = (Arc::clone(&task.job), task.checkpoint.clone()?);
        Some(Self { job, idx, attempt: task.attempt, from })
    }

    /// Notes in its job which fit goes on, and from where.
    pub(super) async fn note(&self, tx: &mut Tx, at: Timestamp) -> Result<()> {
        let Self { job, idx, attempt, from } = self;
        let mut data = json!({
            "attempt": attempt, "epoch": from.epoch, "spent_s": from.spent_ms as f64 / 1e3,
        });
        let n_fits = n_fits(tx, job.id).await?;
        tell_fit(&mut data, idx.map(|idx| job.spec.place(idx, n_fits)));
        events::append(tx, (job.project, job.id), at, "resumed", data).await
    }
}

/// How many fits of folds a job has.
async fn n_fits(tx: &mut Tx, job: JobId) -> Result<usize> {
    let n_fits: i64 = sql("SELECT COUNT(*) FROM tasks WHERE job_id = $1 AND kind = 'fold'")
        .bind(job.to_string())
        .scalar(tx)
        .await?;
    Ok(n_fits.unsigned_abs() as usize)
}

/// Adds to an event's data which fit it is about.
fn tell_fit(data: &mut Value, place: Option<Place>) {
    data["kind"] = json!(kind_of(place));
    data["repeat"] = json!(place.map(|place| place.repeat));
    data["fold"] = json!(place.map(|place| place.fold));
    if let Some(point) = place.and_then(|place| place.point) {
        data["point"] = point.into();
    }
}

/// Adds to an event's data which fit of its job a claimed task makes.
pub(super) async fn tell_fit_of(tx: &mut Tx, data: &mut Value, task: &ClaimedTask) -> Result<()> {
    let place = match task.kind {
        TaskKind::Fold { idx } => Some(task.job.spec.place(idx, n_fits(tx, task.job.id).await?)),
        TaskKind::Reduce { .. } => None,
    };
    tell_fit(data, place);
    Ok(())
}

/// The same by the task's kind and number. Of a job that only another version can read nothing is added:
/// its tasks are taken back all the same.
pub(super) async fn tell_fit_by(
    tx: &mut Tx,
    data: &mut Value,
    (job, kind, idx): (JobId, &str, i64),
) -> Result<()> {
    if kind != "fold" {
        tell_fit(data, None);
        return Ok(());
    }
    let spec: String = sql("SELECT resolved_spec FROM jobs WHERE id = $1")
        .bind(job.to_string())
        .scalar(&mut *tx)
        .await?;
    if let Ok(spec) = from_json::<JobSpec>("resolved_spec", &spec) {
        tell_fit(data, Some(spec.place(idx as usize, n_fits(tx, job).await?)));
    }
    Ok(())
}

fn kind_of(place: Option<Place>) -> FitKind {
    if place.is_some() { FitKind::Fold } else { FitKind::Refit }
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
        size_bytes: u64,
    ) -> Result<Saved> {
        retrying!(self.save_checkpoint_once(task, checkpoint, size_bytes))
    }

    async fn save_checkpoint_once(
        &self,
        task: &ClaimedTask,
        checkpoint: &Checkpoint,
        size_bytes: u64,
    ) -> Result<Saved> {
        let mut tx = self.db.begin().await?;
        let leases = leases(&mut tx, [task.id].into_iter()).await?;
        if !leases.get(&task.id).is_some_and(|lease| lease.is_of(task)) {
            return Ok(Saved::Refused);
        }
        let replaced = of_tasks(&mut tx, &[task.id]).await?.remove(&task.id);
        let now = tx.now().await?;
        sql("INSERT INTO checkpoints (task_id, project_id, sha256, spent_ms, epoch, size_bytes,
                                      saved_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (task_id) DO UPDATE SET sha256 = excluded.sha256,
                 spent_ms = excluded.spent_ms, epoch = excluded.epoch,
                 size_bytes = excluded.size_bytes, saved_at = excluded.saved_at")
        .bind(task.id)
        .bind(task.job.project.to_string())
        .bind(&checkpoint.sha256)
        .bind(checkpoint.spent_ms)
        .bind(checkpoint.epoch.map(i64::from))
        .bind(size_bytes as i64)
        .bind(now.0)
        .execute(&mut tx)
        .await?;
        tx.commit().await?;
        Ok(Saved::Yes { replaced: replaced.map(|replaced| replaced.sha256) })
    }

    /// The fits of a job that are saved, folds first; `None` when there is no such job.
    ///
    /// # Errors
    /// When the database fails or holds what this version cannot read.
    pub async fn saved_fits(
        &self,
        project: ProjectId,
        job: JobId,
    ) -> Result<Option<Vec<SavedFit>>> {
        let mut tx = self.db.begin_read().await?;
        let of_job: Option<(String, i64)> = sql("SELECT resolved_spec, (SELECT COUNT(*) FROM tasks
                     WHERE job_id = jobs.id AND kind = 'fold') FROM jobs
             WHERE project_id = $1 AND id = $2")
        .bind(project.to_string())
        .bind(job.to_string())
        .optional(&mut tx)
        .await?;
        let Some((spec, n_fits)) = of_job else { return Ok(None) };
        let spec: JobSpec = from_json("resolved_spec", &spec)?;
        let rows: Vec<Row> = sql("SELECT kind, idx, spent_ms, epoch, size_bytes, saved_at
             FROM checkpoints JOIN tasks ON tasks.id = checkpoints.task_id
             WHERE job_id = $1 ORDER BY tasks.id")
        .bind(job.to_string())
        .all(&mut tx)
        .await?;
        let fits = rows.into_iter().map(|row| row.fit(&spec, n_fits.unsigned_abs() as usize));
        Ok(Some(fits.collect()))
    }
}

/// A checkpoint with its task's kind and number.
#[derive(sqlx::FromRow)]
struct Row {
    kind: String,
    idx: i64,
    spent_ms: i64,
    epoch: Option<i64>,
    size_bytes: Option<i64>,
    saved_at: Option<i64>,
}

impl Row {
    /// As one of the so many fits of folds, or the last one.
    fn fit(self, spec: &JobSpec, n_fits: usize) -> SavedFit {
        let place = (self.kind == "fold").then(|| spec.place(self.idx as usize, n_fits));
        SavedFit {
            kind: kind_of(place),
            repeat: place.map(|place| place.repeat),
            fold: place.map(|place| place.fold),
            point: place.and_then(|place| place.point),
            epoch: self.epoch.map(|epoch| epoch as u32),
            spent_s: self.spent_ms as f64 / 1e3,
            size_bytes: self.size_bytes.map(i64::unsigned_abs),
            saved_at: self.saved_at.map(Timestamp),
        }
    }
}

/// The checkpoints of those of the tasks that have one.
pub(super) async fn of_tasks(
    on: impl Into<On<'_>>,
    tasks: &[i64],
) -> Result<HashMap<i64, Checkpoint>> {
    if tasks.is_empty() {
        return Ok(HashMap::new());
    }
    let on = on.into();
    let (among, args) = among(on.dialect(), tasks.iter().copied(), 0);
    let rows: Vec<(i64, String, i64, Option<i64>)> = composed(format!(
        "SELECT task_id, sha256, spent_ms, epoch FROM checkpoints WHERE task_id {among}"
    ))
    .bind_all(args)
    .all(on)
    .await?;
    let checkpoint = |(task, sha256, spent_ms, epoch): (_, _, _, Option<i64>)| {
        (task, Checkpoint { sha256, spent_ms, epoch: epoch.map(|epoch| epoch as u32) })
    };
    Ok(rows.into_iter().map(checkpoint).collect())
}

/// Forgets those of tasks that end; the sweep finds their blobs.
pub(super) async fn forget(tx: &mut Tx, tasks: impl Iterator<Item = i64>) -> Result<()> {
    let (among, args) = among(tx.dialect(), tasks, 0);
    composed(format!("DELETE FROM checkpoints WHERE task_id {among}"))
        .bind_all(args)
        .execute(tx)
        .await?;
    Ok(())
}

/// Forgets those of a job's tasks that have ended; the sweep finds their blobs.
pub(in crate::store) async fn forget_of_ended(tx: &mut Tx, job: JobId) -> Result<()> {
    sql("DELETE FROM checkpoints WHERE task_id IN (
             SELECT id FROM tasks WHERE job_id = $1
             AND state IN ('succeeded', 'failed', 'cancelled'))")
    .bind(job.to_string())
    .execute(tx)
    .await?;
    Ok(())
}
