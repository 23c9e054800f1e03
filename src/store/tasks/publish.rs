//! Publishing what tasks did: many in one transaction, each exactly once.
//!
//! A task's row comes first, and only whoever holds its lease may change it; the outcome of anybody
//! else is refused and nothing of it is written. The job's row comes last.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::claim::mark_running;
use super::{BACKOFF_MS, ClaimedTask, TaskKind, checkpoints, forget_progress, project_and_status};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{JobId, ModelId, ProjectId};
use crate::domain::job::{FoldResult, JobError, JobEvent, JobResult, JobStatus};
use crate::domain::model::ModelCard;
use crate::domain::predictions::FoldPredictions;
use crate::store::db::{Arg, Tx, composed, list, sql, values};
use crate::store::jobs::{let_go, set_status};
use crate::store::leaving::UNLESS_LEAVING;
use crate::store::{Result, Store, StoreError, events, json};

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
    /// By how much its process's memory grew meanwhile, where that was measured.
    pub peak_bytes: Option<u64>,
}

/// How a task ended.
#[derive(Debug)]
pub enum Outcome {
    /// A fold was trained and scored.
    Fold {
        /// Its scores.
        result: Box<FoldResult>,
        /// What it predicted, where that is kept.
        predictions: Option<FoldPredictions>,
        /// What its epochs were like, packed.
        history: Option<Vec<u8>>,
    },
    /// The folds were put together and the model, if any, was trained; its bytes are durable.
    Reduced {
        /// What came out of the job.
        result: Box<JobResult>,
        /// The model, if one was asked for.
        model: Option<Box<NewModel>>,
        /// What the epochs of its training were like, packed.
        history: Option<Vec<u8>>,
    },
    /// It heard that its job is being cancelled.
    Cancelled,
    /// It cannot succeed; trying again would end the same.
    Failed {
        /// Why.
        error: JobError,
        /// What its epochs were like up to there, packed.
        history: Option<Vec<u8>>,
    },
    /// It failed in a way that may pass.
    Retry(JobError),
    /// What it needs does not answer now: this attempt does not count.
    Away(JobError),
}

impl Outcome {
    fn model(&self) -> Option<&NewModel> {
        match self {
            Self::Reduced { model, .. } => model.as_deref(),
            _ => None,
        }
    }
}

impl Finished {
    /// The same without its model, whose bytes may be gone: to be tried again, which does not count.
    fn to_do_again(&self) -> Self {
        let detail = "the model's bytes were being deleted, since nothing had named them for a day";
        let outcome = Outcome::Away(JobError::new("model_not_stored", detail));
        let &Self { started_us, ended_us, load_us, peak_bytes, .. } = self;
        Self { task: self.task.clone(), outcome, started_us, ended_us, load_us, peak_bytes }
    }
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

/// Tasks for which something was away are tried again after so many milliseconds.
const AWAY_MS: i64 = 2_000;

/// The history of the final training stands where a fold of this number would.
pub(in crate::store) const REFIT: i64 = -1;

/// What the outcomes of one transaction add up to for a job.
#[derive(Default)]
struct Tally {
    started_us: Option<i64>,
    ended_us: Option<i64>,
    load_us: i64,
    /// Folds to insert, with what was predicted.
    folds: Vec<(i64, FoldResult, Vec<u8>)>,
    /// What epochs were like, by the fold's number or [`REFIT`].
    histories: Vec<(i64, Vec<u8>)>,
    events: Vec<(&'static str, Value)>,
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
        // In place of those whose model's bytes may be gone.
        let mut again: Vec<Option<Finished>> = finished.iter().map(|_| None).collect();
        loop {
            let items = finished.iter().zip(&again);
            let items: Vec<&Finished> =
                items.map(|(item, again)| again.as_ref().unwrap_or(item)).collect();
            match retrying!(self.publish_once(&items)) {
                Err(StoreError::Leaving { sha256 }) => {
                    tracing::warn!(sha256, "a model's bytes are leaving; it is made again");
                    for (item, again) in finished.iter().zip(&mut again) {
                        if item.outcome.model().is_some_and(|model| model.sha256 == sha256) {
                            *again = Some(item.to_do_again());
                        }
                    }
                }
                done => return done,
            }
        }
    }

    async fn publish_once(&self, finished: &[&Finished]) -> Result<Vec<bool>> {
        let mut by_job: BTreeMap<JobId, Vec<(usize, &Finished)>> = BTreeMap::new();
        let mut accepted = vec![false; finished.len()];
        for (index, item) in finished.iter().copied().enumerate() {
            by_job.entry(item.task.job.id).or_default().push((index, item));
        }
        let jobs: Vec<JobId> = by_job.keys().copied().collect();
        let (mut any_failed, mut any_ended, mut any_freed) = (false, false, false);
        let mut tx = self.db.begin().await?;
        let any_model = finished.iter().any(|item| item.outcome.model().is_some());
        let now = if any_model { tx.now_to_name().await? } else { tx.now().await? };
        let mut leases = leases(&mut tx, finished.iter().map(|item| item.task.id)).await?;
        for (job, mut items) in by_job {
            let project = items[0].1.task.job.project;
            // A job that was deleted meanwhile takes nothing, and keeps nobody else from publishing.
            let Some((_, mut status)) = project_and_status(&mut tx, job).await? else { continue };
            let mut tally = Tally::default();
            // A lease is used up by the first outcome, should there be two of one task.
            items.retain(|(_, item)| {
                let held = leases.get(&item.task.id).is_some_and(|lease| lease.is_of(&item.task));
                held && leases.remove(&item.task.id).is_some()
            });
            if items.is_empty() {
                continue;
            }
            if status == JobStatus::Queued {
                // Nobody has noted yet that it was started.
                mark_running(&mut tx, &[job], now).await?;
                status = JobStatus::Running;
            }
            release(&mut tx, &items, status, now).await?;
            for (index, item) in items {
                accepted[index] = true;
                // A job that is being cancelled takes nothing more.
                if is_open(status) {
                    add(&mut tx, item, &mut tally, now).await?;
                }
            }
            any_failed |= matches!(tally.end, Some(End::Failed(_)));
            any_ended |= tally.end.is_some();
            any_freed |= apply_to_job(&mut tx, (project, job), status, tally, now).await?;
        }
        tx.commit().await?;
        if any_failed {
            // What else runs of a failed job has lost its lease and should hear of it.
            self.hints.tasks_should_stop();
        }
        if any_ended {
            self.hints.jobs_should_move();
        }
        for job in jobs {
            self.hints.job_changed(job);
        }
        if any_freed {
            self.hints.work_available();
        }
        Ok(accepted)
    }
}

/// Under which a task runs at this moment.
pub(super) struct Lease {
    attempt: i64,
    token: String,
}

impl Lease {
    pub(super) fn is_of(&self, task: &ClaimedTask) -> bool {
        self.attempt == task.attempt && self.token == *task.lease_token
    }
}

/// The leases of those of the tasks that run, by the task; none changes until the transaction ends.
pub(super) async fn leases(
    tx: &mut Tx,
    tasks: impl Iterator<Item = i64>,
) -> Result<HashMap<i64, Lease>> {
    let lock = tx.dialect().for_update();
    let (ids, args) = list(tasks, 0);
    if args.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(i64, i64, String)> = composed(format!(
        "SELECT id, attempt, lease_token FROM tasks
         WHERE state = 'running' AND id IN (VALUES {ids}) ORDER BY id{lock}"
    ))
    .bind_all(args)
    .all(tx)
    .await?;
    Ok(rows.into_iter().map(|(id, attempt, token)| (id, Lease { attempt, token })).collect())
}

/// Where several connections write, whoever changes a job locks its tasks first, in their order, and
/// then the job: two that want the same then wait instead of blocking each other.
pub(super) async fn lock_tasks(tx: &mut Tx, tasks: impl Iterator<Item = i64>) -> Result<()> {
    let lock = tx.dialect().for_update();
    let (ids, args) = list(tasks, 0);
    if lock.is_empty() || args.is_empty() {
        return Ok(());
    }
    let text = format!("SELECT id FROM tasks WHERE id IN (VALUES {ids}) ORDER BY id{lock}");
    composed(text).bind_all(args).column::<i64>(tx).await?;
    Ok(())
}

/// Whether a job takes results: a paused one takes those of what ran when it was paused, a queued one those
/// of what was claimed while another claim was starting it.
pub(super) fn is_open(status: JobStatus) -> bool {
    matches!(status, JobStatus::Queued | JobStatus::Running | JobStatus::Paused)
}

/// The state of a task that is to be tried again.
pub(super) fn again(status: JobStatus) -> &'static str {
    if status == JobStatus::Paused { "blocked" } else { "queued" }
}

/// Moves on tasks whose leases hold.
async fn release(
    tx: &mut Tx,
    items: &[(usize, &Finished)],
    status: JobStatus,
    now: Timestamp,
) -> Result<()> {
    let mut by_state: BTreeMap<(&str, bool), Vec<&ClaimedTask>> = BTreeMap::new();
    for (_, item) in items {
        let state = match &item.outcome {
            _ if !is_open(status) => "cancelled",
            Outcome::Fold { .. } | Outcome::Reduced { .. } => "succeeded",
            Outcome::Cancelled => "cancelled",
            Outcome::Failed { .. } => "failed",
            Outcome::Retry(_) | Outcome::Away(_) => again(status),
        };
        let is_away = matches!(item.outcome, Outcome::Away(_));
        by_state.entry((state, is_away)).or_default().push(&item.task);
    }
    for ((state, is_away), tasks) in by_state {
        let tried_again = ["queued", "blocked"].contains(&state);
        let (moved, args): (_, Vec<Arg>) = if tried_again && is_away {
            let moved = "state = $2, attempt = attempt - 1, available_at = $1";
            (moved, vec![(now.0 + AWAY_MS).into(), state.into()])
        } else if tried_again {
            let moved = "state = CASE WHEN attempt < max_attempts THEN $3 ELSE 'failed' END,
                         available_at = attempt * $1 + $2";
            (moved, vec![BACKOFF_MS.into(), now.0.into(), state.into()])
        } else {
            ("state = $1", vec![state.into()])
        };
        if !tried_again {
            checkpoints::forget(tx, tasks.iter().map(|task| task.id)).await?;
        }
        let (ids, tasks) = list(tasks.into_iter().map(|task| task.id), args.len());
        composed(format!(
            "UPDATE tasks SET lease_token = NULL, lease_until = NULL, {moved}
             WHERE state = 'running' AND id IN (VALUES {ids})"
        ))
        .bind_all(args)
        .bind_all(tasks)
        .execute(tx)
        .await?;
    }
    Ok(())
}

/// Adds one accepted outcome to what its job will be told.
async fn add(tx: &mut Tx, item: &Finished, tally: &mut Tally, now: Timestamp) -> Result<()> {
    let Finished { task, outcome, started_us, ended_us, load_us, peak_bytes } = item;
    if let Some(peak_bytes) = peak_bytes {
        sql("UPDATE tasks SET peak_bytes = $2 WHERE id = $1")
            .bind(task.id)
            .bind(i64::try_from(*peak_bytes).unwrap_or(i64::MAX))
            .execute(&mut *tx)
            .await?;
    }
    if matches!(outcome, Outcome::Fold { .. } | Outcome::Reduced { .. }) {
        tally.started_us = Some(tally.started_us.unwrap_or(i64::MAX).min(*started_us));
        tally.ended_us = Some(tally.ended_us.unwrap_or(i64::MIN).max(*ended_us));
        tally.load_us = tally.load_us.max(*load_us);
    }
    match outcome {
        Outcome::Fold { result, predictions, history } => {
            let TaskKind::Fold { idx } = task.kind else { return Ok(()) };
            tally.histories.extend(history.clone().map(|history| (idx as i64, history)));
            let mut data = json!({
                "repeat": result.repeat, "fold": result.fold, "scores": result.scores,
                "epochs": result.fit.epochs, "fit_s": result.fit.fit_s,
            });
            if let Some(point) = result.point {
                data["point"] = point.into();
            }
            if let Some(peak_bytes) = peak_bytes {
                data["peak_bytes"] = (*peak_bytes).into();
            }
            tally.events.push(("fold_finished", data));
            let predictions = predictions.as_ref().map(FoldPredictions::pack);
            tally.folds.push((idx as i64, (**result).clone(), predictions.unwrap_or_default()));
        }
        Outcome::Reduced { result, model, history } => {
            tally.histories.extend(history.clone().map(|history| (REFIT, history)));
            if let Some(model) = model {
                insert_model(tx, task, model, now).await?;
                tally.events.push(("model_stored", json!({"model_id": model.id})));
            }
            tally.end = Some(End::Succeeded(result.clone()));
        }
        Outcome::Cancelled => {}
        Outcome::Failed { error, history } => {
            let idx = match task.kind {
                TaskKind::Fold { idx } => idx as i64,
                TaskKind::Reduce { .. } => REFIT,
            };
            tally.histories.extend(history.clone().map(|history| (idx, history)));
            tally.end = Some(End::Failed(error.clone()));
        }
        Outcome::Retry(error) if task.attempt >= task.max_attempts => {
            tally.end = Some(End::Failed(error.clone()));
        }
        Outcome::Retry(error) | Outcome::Away(error) => {
            forget_progress(tx, task.id).await?;
            let JobError { code, detail, .. } = error;
            let data = json!({"reason": code, "detail": detail, "attempt": task.attempt});
            // What is away fails many tasks alike, again and again: it is told once a publication.
            let is_told = |told: &(&str, Value)| told.0 == "retrying" && told.1["reason"] == *code;
            if matches!(outcome, Outcome::Retry(_)) || !tally.events.iter().any(is_told) {
                tally.events.push(("retrying", data));
            }
        }
    }
    Ok(())
}

/// A claim's worth of folds at the most, so one statement takes them.
async fn insert_folds(
    tx: &mut Tx,
    (project, job): (ProjectId, JobId),
    folds: Vec<(i64, FoldResult, Vec<u8>)>,
) -> Result<()> {
    if folds.is_empty() {
        return Ok(());
    }
    let mut rows = Vec::with_capacity(folds.len());
    for (idx, result, predictions) in folds {
        rows.push((idx, json("fold", &result)?, result.n_test, predictions));
    }
    let rows = rows.into_iter().map(|(idx, result, n_test, predictions)| -> [Arg; 6] {
        let n_test = i64::from(n_test).into();
        let (job, project) = (job.to_string().into(), project.to_string().into());
        [job, idx.into(), project, result.into(), n_test, predictions.into()]
    });
    let insert = "INSERT INTO folds (job_id, idx, project_id, result, n_test, predictions)";
    values(insert, rows, "").execute(tx).await?;
    Ok(())
}

/// Where a task has reported how it went so far, this takes its place.
async fn insert_histories(
    tx: &mut Tx,
    (project, job): (ProjectId, JobId),
    histories: Vec<(i64, Vec<u8>)>,
) -> Result<()> {
    if histories.is_empty() {
        return Ok(());
    }
    let rows = histories.into_iter().map(|(idx, epochs)| -> [Arg; 4] {
        [job.to_string().into(), idx.into(), project.to_string().into(), epochs.into()]
    });
    values(
        "INSERT INTO histories (job_id, idx, project_id, epochs)",
        rows,
        "ON CONFLICT (job_id, idx) DO UPDATE SET epochs = excluded.epochs, finished = TRUE",
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn insert_model(
    tx: &mut Tx,
    task: &ClaimedTask,
    model: &NewModel,
    now: Timestamp,
) -> Result<()> {
    let job = &task.job;
    // Its bytes were stored after the task was claimed.
    let added = composed(format!(
        "INSERT INTO models (sha256, id, project_id, name, job_id, dataset_id, size_bytes, card,
                             created_at)
         SELECT $1, $3, $4, $5, $6, $7, $8, $9, $10 {UNLESS_LEAVING}"
    ))
    .bind(&model.sha256)
    .bind(task.claimed_at.0)
    .bind(model.id.to_string())
    .bind(job.project.to_string())
    .bind(&job.spec.name)
    .bind(job.id.to_string())
    .bind(job.spec.dataset_id.to_string())
    .bind(model.size_bytes as i64)
    .bind(json("model card", &model.card)?)
    .bind(now.0)
    .execute(&mut *tx)
    .await?;
    if added == 0 {
        return Err(StoreError::Leaving { sha256: model.sha256.clone() });
    }
    Ok(())
}

/// Whether a task became available.
async fn apply_to_job(
    tx: &mut Tx,
    (project, job): (ProjectId, JobId),
    status: JobStatus,
    tally: Tally,
    now: Timestamp,
) -> Result<bool> {
    let n_folds = tally.folds.len() as i64;
    insert_folds(tx, (project, job), tally.folds).await?;
    insert_histories(tx, (project, job), tally.histories).await?;
    events::append_all(tx, (project, job), now, &tally.events).await?;
    let (n_pending, is_limited): (i64, bool) = sql("UPDATE jobs SET n_pending = n_pending - $2,
                fit_started_us = CASE WHEN fit_started_us <= $3 OR $3 IS NULL
                                      THEN fit_started_us ELSE $3 END,
                fit_ended_us = CASE WHEN fit_ended_us >= $4 OR $4 IS NULL
                                    THEN fit_ended_us ELSE $4 END,
                load_us = CASE WHEN load_us >= $5 THEN load_us ELSE $5 END
         WHERE id = $1 RETURNING n_pending, max_parallel IS NOT NULL")
    .bind(job.to_string())
    .bind(n_folds)
    .bind(tally.started_us)
    .bind(tally.ended_us)
    .bind(tally.load_us)
    .one(&mut *tx)
    .await?;
    let mut frees = false;
    match (status, tally.end) {
        (JobStatus::Cancelling, _) => settle_cancelled(tx, (project, job), now).await?,
        (_, Some(End::Failed(error))) => fail_job(tx, (project, job), status, &error, now).await?,
        (_, Some(End::Succeeded(result))) => {
            let status = status.after(JobEvent::AllTasksSucceeded)?;
            tracing::info!(%job, "a job succeeded");
            events::append(tx, (project, job), now, status.name(), json!({})).await?;
            sql("UPDATE jobs SET status = $2, result = $3, finished_at = $4,
                                 stop_reason = 'completed' WHERE id = $1")
            .bind(job.to_string())
            .bind(status.name())
            .bind(json("result", &result)?)
            .bind(now.0)
            .execute(&mut *tx)
            .await?;
        }
        (JobStatus::Running, None) if n_folds > 0 && (n_pending == 0 || is_limited) => {
            let_go(tx, job, now).await?;
            frees = true;
        }
        (_, None) => {}
    }
    Ok(frees)
}

/// Ends a job for which a task failed for good; what else runs of it loses its lease.
pub(in crate::store) async fn fail_job(
    tx: &mut Tx,
    (project, job): (ProjectId, JobId),
    status: JobStatus,
    error: &JobError,
    now: Timestamp,
) -> Result<()> {
    let status = status.after(JobEvent::TaskFailed)?;
    tracing::info!(%job, code = error.code, "a job failed");
    sql("UPDATE tasks SET state = 'cancelled', lease_token = NULL, lease_until = NULL
         WHERE job_id = $1 AND state IN ('blocked', 'queued', 'running')")
    .bind(job.to_string())
    .execute(&mut *tx)
    .await?;
    checkpoints::forget_of_ended(tx, job).await?;
    let data = serde_json::to_value(error).unwrap_or_default();
    events::append(tx, (project, job), now, status.name(), data).await?;
    sql(
        "UPDATE jobs SET status = $2, error = $3, stop_reason = $4, finished_at = $5 WHERE id = $1",
    )
    .bind(job.to_string())
    .bind(status.name())
    .bind(json("error", error)?)
    .bind(&error.code)
    .bind(now.0)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Ends a job that is being cancelled once nothing of it runs any more.
pub(super) async fn settle_cancelled(
    tx: &mut Tx,
    (project, job): (ProjectId, JobId),
    now: Timestamp,
) -> Result<()> {
    let running: bool =
        sql("SELECT EXISTS (SELECT 1 FROM tasks WHERE job_id = $1 AND state = 'running')")
            .bind(job.to_string())
            .scalar(&mut *tx)
            .await?;
    if running {
        return Ok(());
    }
    checkpoints::forget_of_ended(tx, job).await?;
    let status = JobStatus::Cancelling.after(JobEvent::TasksStopped)?;
    tracing::info!(%job, "a job was cancelled");
    events::append(tx, (project, job), now, status.name(), json!({})).await?;
    set_status(tx, job, status, now).await
}
