//! Publishing what tasks did: many in one transaction, each exactly once.
//!
//! A task's row is changed first, and only by whoever holds its lease; if that changes nothing, the
//! outcome is refused and nothing of it is written. The job's row comes last.

use std::collections::BTreeMap;

use serde_json::json;
use sqlx::{Sqlite, Transaction};

use super::{BACKOFF_MS, ClaimedTask, TaskKind, project_and_status};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{JobId, ModelId, ProjectId};
use crate::domain::job::{FoldResult, JobError, JobEvent, JobResult, JobStatus};
use crate::domain::model::ModelCard;
use crate::domain::predictions::FoldPredictions;
use crate::store::jobs::set_status;
use crate::store::{Result, Store, events, json, now};

/// A task that has ended at its worker.
#[derive(Debug)]
pub struct Finished {
    /// Which.
    pub task: ClaimedTask,
    /// How.
    pub outcome: Outcome,
    /// Microseconds since 1970 when it began to train.
    pub started_us: i64,
    /// Microseconds since 1970 when it ended.
    pub ended_us: i64,
    /// Microseconds it waited for the dataset.
    pub load_us: i64,
}

/// How a task ended.
#[derive(Debug)]
pub enum Outcome {
    /// A fold was trained and scored.
    Fold {
        /// Its scores.
        result: FoldResult,
        /// What it predicted.
        predictions: FoldPredictions,
    },
    /// The folds were put together and the model, if any, was trained; its bytes are durable.
    Reduced {
        /// What came out of the job.
        result: Box<JobResult>,
        /// The model, if one was asked for.
        model: Option<Box<NewModel>>,
    },
    /// It heard that its job is being cancelled.
    Cancelled,
    /// It cannot succeed; trying again would end the same.
    Failed(JobError),
    /// It failed in a way that may pass.
    Retry(JobError),
}

/// A model about to be published with its task.
#[derive(Debug)]
pub struct NewModel {
    /// Its id.
    pub id: ModelId,
    /// The blob's name.
    pub sha256: String,
    /// Bytes of the blob.
    pub size_bytes: u64,
    /// What a user should know.
    pub card: ModelCard,
}

type Tx = Transaction<'static, Sqlite>;

/// What the outcomes of one transaction add up to for a job.
#[derive(Default)]
struct Tally {
    n_folds: i64,
    started_us: Option<i64>,
    ended_us: Option<i64>,
    load_us: i64,
    end: Option<End>,
}

enum End {
    Succeeded(Box<JobResult>),
    Failed(JobError),
}

impl Store {
    /// Publishes outcomes; says of each whether it was accepted.
    ///
    /// # Errors
    /// When the database fails; then none was.
    pub async fn publish(&self, finished: &[Finished]) -> Result<Vec<bool>> {
        let mut tx = self.begin().await?;
        let now = now(&mut tx).await?;
        let mut tallies: BTreeMap<JobId, (ProjectId, Tally)> = BTreeMap::new();
        let mut accepted = Vec::with_capacity(finished.len());
        for item in finished {
            let job = &item.task.job;
            let (_, tally) = tallies
                .entry(job.id)
                .or_insert_with(|| (job.project, Tally::default()));
            // A job that is being cancelled or has failed takes nothing more.
            let (_, status) = project_and_status(&mut tx, &job.id.to_string()).await?;
            let open = status == JobStatus::Running && tally.end.is_none();
            accepted.push(apply(&mut tx, item, open, tally, now).await?);
        }
        for (job, (project, tally)) in tallies {
            apply_to_job(&mut tx, (project, job), tally, now).await?;
        }
        tx.commit().await?;
        for item in finished {
            self.hints.job_changed(item.task.job.id);
        }
        // A reduce task may have become available, or one to try again.
        self.hints.work_available();
        Ok(accepted)
    }
}

/// Writes one outcome; false when its lease was lost.
async fn apply(
    tx: &mut Tx,
    item: &Finished,
    open: bool,
    tally: &mut Tally,
    now: Timestamp,
) -> Result<bool> {
    let task = &item.task;
    let job = (task.job.project, task.job.id);
    let state = match &item.outcome {
        _ if !open => "cancelled",
        Outcome::Fold { .. } | Outcome::Reduced { .. } => "succeeded",
        Outcome::Cancelled => "cancelled",
        Outcome::Failed(_) => "failed",
        Outcome::Retry(_) => "queued",
    };
    let held: Option<(i64, i64)> = sqlx::query_as(
        "UPDATE tasks SET lease_token = NULL, lease_until = NULL, available_at = $5,
                          state = CASE WHEN $4 = 'queued' AND attempt >= max_attempts
                                       THEN 'failed' ELSE $4 END
         WHERE id = $1 AND attempt = $2 AND lease_token = $3 AND state = 'running'
         RETURNING attempt, max_attempts",
    )
    .bind(task.id)
    .bind(task.attempt)
    .bind(&*task.lease_token)
    .bind(state)
    .bind(
        now.0
            + if state == "queued" {
                BACKOFF_MS * task.attempt
            } else {
                0
            },
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some((attempt, max_attempts)) = held else {
        return Ok(false);
    };
    if !open {
        return Ok(true);
    }
    if matches!(item.outcome, Outcome::Fold { .. } | Outcome::Reduced { .. }) {
        tally.started_us = Some(tally.started_us.unwrap_or(i64::MAX).min(item.started_us));
        tally.ended_us = Some(tally.ended_us.unwrap_or(i64::MIN).max(item.ended_us));
        tally.load_us = tally.load_us.max(item.load_us);
    }
    match &item.outcome {
        Outcome::Fold {
            result,
            predictions,
        } => {
            tally.n_folds += 1;
            insert_fold(tx, task, result, predictions, now).await?;
        }
        Outcome::Reduced { result, model } => {
            if let Some(model) = model {
                insert_model(tx, task, model, now).await?;
            }
            tally.end = Some(End::Succeeded(result.clone()));
        }
        Outcome::Cancelled => {}
        Outcome::Failed(error) => tally.end = Some(End::Failed(error.clone())),
        Outcome::Retry(error) if attempt >= max_attempts => {
            tally.end = Some(End::Failed(error.clone()));
        }
        Outcome::Retry(error) => {
            let data = json!({"reason": error.code, "detail": error.detail, "attempt": attempt});
            events::append(tx, job, now, "retrying", &data).await?;
        }
    }
    Ok(true)
}

async fn insert_fold(
    tx: &mut Tx,
    task: &ClaimedTask,
    result: &FoldResult,
    predictions: &FoldPredictions,
    now: Timestamp,
) -> Result<()> {
    let TaskKind::Fold { idx } = task.kind else {
        return Ok(());
    };
    let text = json("fold", result)?;
    sqlx::query(
        "INSERT INTO folds (job_id, idx, project_id, result, n_test, predictions)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(task.job.id.to_string())
    .bind(idx as i64)
    .bind(task.job.project.to_string())
    .bind(&text)
    .bind(i64::from(result.n_test))
    .bind(predictions.pack())
    .execute(&mut **tx)
    .await?;
    let data = json!({
        "repeat": result.repeat, "fold": result.fold, "scores": result.scores,
        "epochs": result.epochs, "fit_s": result.fit_s,
    });
    events::append(
        tx,
        (task.job.project, task.job.id),
        now,
        "fold_finished",
        &data,
    )
    .await
}

async fn insert_model(
    tx: &mut Tx,
    task: &ClaimedTask,
    model: &NewModel,
    now: Timestamp,
) -> Result<()> {
    let job = &task.job;
    sqlx::query(
        "INSERT INTO models (id, project_id, name, job_id, dataset_id, sha256, size_bytes, card,
                             created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(model.id.to_string())
    .bind(job.project.to_string())
    .bind(&job.spec.name)
    .bind(job.id.to_string())
    .bind(job.spec.dataset_id.to_string())
    .bind(&model.sha256)
    .bind(model.size_bytes as i64)
    .bind(json("model card", &model.card)?)
    .bind(now.0)
    .execute(&mut **tx)
    .await?;
    let data = json!({"model_id": model.id});
    events::append(tx, (job.project, job.id), now, "model_stored", &data).await
}

async fn apply_to_job(
    tx: &mut Tx,
    (project, job): (ProjectId, JobId),
    tally: Tally,
    now: Timestamp,
) -> Result<()> {
    let n_pending: i64 = sqlx::query_scalar(
        "UPDATE jobs SET n_pending = n_pending - $2,
                fit_started_us = MIN(COALESCE(fit_started_us, $3), COALESCE($3, fit_started_us)),
                fit_ended_us = MAX(COALESCE(fit_ended_us, $4), COALESCE($4, fit_ended_us)),
                load_us = MAX(COALESCE(load_us, 0), $5)
         WHERE id = $1 RETURNING n_pending",
    )
    .bind(job.to_string())
    .bind(tally.n_folds)
    .bind(tally.started_us)
    .bind(tally.ended_us)
    .bind(tally.load_us)
    .fetch_one(&mut **tx)
    .await?;
    let (_, status) = project_and_status(tx, &job.to_string()).await?;
    match (status, tally.end) {
        (JobStatus::Cancelling, _) => settle_cancelled(tx, (project, job), now).await,
        (_, Some(End::Failed(error))) => fail_job(tx, (project, job), status, &error, now).await,
        (_, Some(End::Succeeded(result))) => {
            let status = status.after(JobEvent::AllTasksSucceeded)?;
            events::append(tx, (project, job), now, status.name(), &json!({})).await?;
            sqlx::query(
                "UPDATE jobs SET status = $2, result = $3, finished_at = $4,
                                 stop_reason = 'completed' WHERE id = $1",
            )
            .bind(job.to_string())
            .bind(status.name())
            .bind(json("result", &result)?)
            .bind(now.0)
            .execute(&mut **tx)
            .await?;
            Ok(())
        }
        (_, None) if n_pending == 0 && tally.n_folds > 0 => {
            sqlx::query(
                "UPDATE tasks SET state = 'queued', available_at = $2
                 WHERE job_id = $1 AND kind = 'reduce' AND state = 'blocked'",
            )
            .bind(job.to_string())
            .bind(now.0)
            .execute(&mut **tx)
            .await?;
            Ok(())
        }
        (_, None) => Ok(()),
    }
}

/// Ends a job for which a task failed for good; what else runs of it loses its lease.
pub(super) async fn fail_job(
    tx: &mut Tx,
    (project, job): (ProjectId, JobId),
    status: JobStatus,
    error: &JobError,
    now: Timestamp,
) -> Result<()> {
    let status = status.after(JobEvent::TaskFailed)?;
    sqlx::query(
        "UPDATE tasks SET state = 'cancelled', lease_token = NULL, lease_until = NULL
         WHERE job_id = $1 AND state IN ('blocked', 'queued', 'running')",
    )
    .bind(job.to_string())
    .execute(&mut **tx)
    .await?;
    let data = json!({"code": error.code, "detail": error.detail});
    events::append(tx, (project, job), now, status.name(), &data).await?;
    sqlx::query(
        "UPDATE jobs SET status = $2, error = $3, stop_reason = $4, finished_at = $5 WHERE id = $1",
    )
    .bind(job.to_string())
    .bind(status.name())
    .bind(json("error", error)?)
    .bind(&error.code)
    .bind(now.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Ends a job that is being cancelled once nothing of it runs any more.
pub(super) async fn settle_cancelled(
    tx: &mut Tx,
    (project, job): (ProjectId, JobId),
    now: Timestamp,
) -> Result<()> {
    let running: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM tasks WHERE job_id = $1 AND state = 'running')",
    )
    .bind(job.to_string())
    .fetch_one(&mut **tx)
    .await?;
    if running {
        return Ok(());
    }
    let status = JobStatus::Cancelling.after(JobEvent::TasksStopped)?;
    events::append(tx, (project, job), now, status.name(), &json!({})).await?;
    set_status(tx, job, status, now).await
}
