//! Tasks: claimed with a lease, renewed, published once, handed back, reaped.
//!
//! A claim takes several short tasks under one lease; every later statement about a task names the
//! lease's token, so that whoever lost the lease changes nothing. While a task runs, `report` notes
//! how far it is.

mod checkpoints;
mod contexts;
mod publish;
mod report;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::json;
use trainyard_formats::ReadOptions;
use trainyard_learn::losses::TargetKind;
use trainyard_learn::scalar::Scalar;

use super::db::{Tx, composed, sql, tuples};
use super::jobs::folds;
use super::{Result, Store, StoreError, events, from_json, parsed};
use crate::domain::clock::Timestamp;
use crate::domain::dataset::Warning;
use crate::domain::ids::{JobId, ProjectId};
use crate::domain::job::{FoldResult, JobError, JobEvent, JobStatus};
use crate::domain::spec::JobSpec;
pub use checkpoints::{Checkpoint, Saved};
pub(super) use contexts::Contexts;
pub use publish::{Finished, NewModel, Outcome};
pub(super) use publish::{REFIT, fail_job};
pub use report::Report;
use report::forget_progress;

/// How many tasks of a project wait, or run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueDepth {
    /// The project's name.
    pub project: String,
    /// What they require of a worker, such as `gpu=true`; empty where they require nothing.
    pub requires: String,
    /// Whether they run; otherwise they wait for a worker.
    pub is_running: bool,
    /// How many.
    pub n_tasks: i64,
}

/// What a worker asks for.
#[derive(Clone, Debug)]
pub struct ClaimRequest<'a> {
    /// The worker's id.
    pub worker: &'a str,
    /// A fresh random token.
    pub lease_token: String,
    /// How long the lease lasts unless renewed.
    pub lease_ms: i64,
    /// How many tasks it could begin at once.
    pub n_idle: i64,
    /// Expected microseconds of work to take; at least one task is taken if there is any.
    pub budget_us: i64,
    /// At most so many tasks.
    pub max_tasks: i64,
    /// Each of which may need so much memory.
    pub max_memory_bytes: i64,
    /// What tasks may require: [`Labels::subsets`](crate::domain::labels::Labels::subsets) of the
    /// worker's.
    pub requirements: &'a [String],
}

/// A claimed task. With its lease it is the right to publish one outcome.
#[derive(Clone, Debug)]
pub struct ClaimedTask {
    /// The row.
    pub id: i64,
    /// How many times it was claimed, this time included.
    pub attempt: i64,
    /// How often it may be.
    pub max_attempts: i64,
    /// The lease under which it is held.
    pub lease_token: Arc<str>,
    /// What it may need, by estimate.
    pub memory_bytes: u64,
    /// How long it waited, from when it could have been claimed, in milliseconds.
    pub waited_ms: i64,
    /// From where an earlier attempt's fit can go on.
    pub checkpoint: Option<Checkpoint>,
    /// What to do.
    pub kind: TaskKind,
    /// The job it is part of.
    pub job: Arc<JobContext>,
}

/// What a task does.
#[derive(Clone, Debug)]
pub enum TaskKind {
    /// Train on a fold's training rows and score on its test rows.
    Fold {
        /// The fold's number over all repeats.
        idx: usize,
    },
    /// Put the folds together and train on all rows.
    Reduce {
        /// What the folds published, in order.
        folds: Vec<FoldResult>,
    },
}

/// What all tasks of a job need to know.
#[derive(Clone, Debug)]
pub struct JobContext {
    /// The job.
    pub id: JobId,
    /// Its project.
    pub project: ProjectId,
    /// What to run.
    pub spec: JobSpec,
    /// What to run for each of a validation curve's points, or a search's candidates.
    pub variants: Vec<JobSpec>,
    /// The classes of the target, in the order of their indices.
    pub classes: Vec<Scalar>,
    /// What the user should know; the model card repeats it.
    pub warnings: Vec<Warning>,
    /// The dataset's blob.
    pub data_sha256: String,
    /// How to read it.
    pub reading: ReadOptions,
    /// The trace that its tasks go on.
    pub traceparent: Option<String>,
}

impl JobContext {
    /// What there is to predict.
    pub fn target_kind(&self) -> TargetKind {
        TargetKind::of(self.spec.target.names().len(), self.classes.len())
    }
}

/// A task that is still held after a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The row.
    pub task: i64,
    /// Whether its job is being cancelled.
    pub cancelled: bool,
    /// Whether its job rests.
    pub paused: bool,
}

/// Of a task: id, job, kind, index, attempt and the most of them, memory, since when it waited, and
/// its cost.
type ClaimedRow = (i64, String, String, i64, i64, i64, i64, i64, i64);

/// Tasks are tried again after this many milliseconds, times their attempts.
const BACKOFF_MS: i64 = 1_000;

impl Store {
    /// Takes queued tasks under one new lease: the first in line, and as many behind it as fit the
    /// budget.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim(&self, request: &ClaimRequest<'_>) -> Result<Vec<ClaimedTask>> {
        retrying!(self.claim_once(request))
    }

    async fn claim_once(&self, request: &ClaimRequest<'_>) -> Result<Vec<ClaimedTask>> {
        let mut tx = self.db.begin().await?;
        let now = tx.now().await?;
        // What is looked at and not taken is hidden from other workers meanwhile. So as many as could
        // begin now come first, and only if they are short about as many more as there is budget for.
        let most = request.n_idle.clamp(1, request.max_tasks);
        let mut rows = take(&mut tx, request, now, (most, request.budget_us)).await?;
        let n = rows.len() as i64;
        let spent_us: i64 = rows.iter().map(|row| row.8).sum();
        let left_us = request.budget_us - spent_us;
        if n == most && left_us > 0 && n < request.max_tasks {
            let more = (left_us / (spent_us / n).max(1) + 1).min(request.max_tasks - n);
            rows.extend(take(&mut tx, request, now, (more, left_us)).await?);
        }
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        // RETURNING promises no order; jobs are locked in that of their ids, as everywhere.
        rows.sort_unstable_by(|a, b| (&a.1, a.0).cmp(&(&b.1, b.0)));
        let mut jobs: HashMap<String, Option<Arc<JobContext>>> = HashMap::new();
        let mut tasks = Vec::with_capacity(rows.len());
        let ids: Vec<i64> = rows.iter().map(|row| row.0).collect();
        let mut saved = checkpoints::of_tasks(&mut tx, &ids).await?;
        let lease_token: Arc<str> = request.lease_token.as_str().into();
        for (id, job_id, kind, idx, attempt, max_attempts, memory_bytes, available_at, _) in rows {
            if !jobs.contains_key(&job_id) {
                let context = self.start(&mut tx, &job_id, now).await?;
                jobs.insert(job_id.clone(), context);
            }
            // A job that cannot be started has failed, and its tasks with it.
            let Some(job) = jobs[&job_id].clone() else { continue };
            let kind = match kind.as_str() {
                "fold" => TaskKind::Fold { idx: idx as usize },
                _ => match folds(&mut tx, job.id).await {
                    Ok(folds) => TaskKind::Reduce { folds },
                    Err(error) => {
                        fail_unreadable(&mut tx, (job.project, job.id), error, now).await?;
                        continue;
                    }
                },
            };
            let lease_token = Arc::clone(&lease_token);
            let checkpoint = saved.remove(&id);
            if let Some(checkpoint) = &checkpoint {
                let spent_s = checkpoint.spent_ms as f64 / 1e3;
                let data = json!({"attempt": attempt, "spent_s": spent_s});
                events::append(&mut tx, (job.project, job.id), now, "resumed", data).await?;
            }
            tasks.push(ClaimedTask {
                id,
                attempt,
                max_attempts,
                lease_token,
                memory_bytes: memory_bytes.unsigned_abs(),
                waited_ms: (now.0 - available_at).max(0),
                checkpoint,
                kind,
                job,
            });
        }
        tx.commit().await?;
        // Those first in line come first.
        tasks.sort_unstable_by_key(|task| task.id);
        if tasks.is_empty() {
            // All of it was unreadable and has ended; who comes next should not wait for a poll.
            self.hints.work_available();
        }
        for job in jobs.keys() {
            self.hints.job_changed(parsed("job id", job)?);
        }
        Ok(tasks)
    }

    /// How many tasks wait and run, by project and by what they require.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn queue(&self) -> Result<Vec<QueueDepth>> {
        let mut found = Vec::new();
        for is_running in [false, true] {
            // Each state has an index of its own.
            let text = if is_running {
                "SELECT name, requires, COUNT(*)
                 FROM tasks JOIN projects ON projects.id = tasks.project_id
                 WHERE state = 'running' GROUP BY name, requires"
            } else {
                "SELECT name, requires, COUNT(*)
                 FROM tasks JOIN projects ON projects.id = tasks.project_id
                 WHERE state = 'queued' GROUP BY name, requires"
            };
            let rows: Vec<(String, String, i64)> = sql(text).all(&self.db).await?;
            found.extend(rows.into_iter().map(|(project, requires, n_tasks)| QueueDepth {
                project,
                requires,
                is_running,
                n_tasks,
            }));
        }
        Ok(found)
    }

    /// Prolongs leases and says which tasks are still held and which should stop.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn renew(&self, lease_tokens: &[Arc<str>], lease_ms: i64) -> Result<Vec<Held>> {
        retrying!(self.renew_once(lease_tokens, lease_ms))
    }

    async fn renew_once(&self, lease_tokens: &[Arc<str>], lease_ms: i64) -> Result<Vec<Held>> {
        let mut tx = self.db.begin().await?;
        let now = tx.now().await?;
        let mut held = Vec::new();
        // In the order of their ids, in which whoever publishes locks them too.
        let lock = tx.for_update();
        if !lock.is_empty() && !lease_tokens.is_empty() {
            let (tokens, args) = tuples(lease_tokens.iter().map(|token| [(&**token).into()]), 0);
            composed(format!(
                "SELECT id FROM tasks WHERE state = 'running' AND lease_token IN (VALUES {tokens})
                 ORDER BY id{lock}"
            ))
            .bind_all(args)
            .column::<i64>(&mut tx)
            .await?;
        }
        for token in lease_tokens {
            let rows: Vec<(i64, String)> = sql(
                "UPDATE tasks SET lease_until = $2 WHERE lease_token = $1 AND state = 'running'
                 RETURNING id, (SELECT status FROM jobs WHERE jobs.id = tasks.job_id)",
            )
            .bind(&**token)
            .bind(now.0 + lease_ms)
            .all(&mut tx)
            .await?;
            held.extend(rows.into_iter().map(|(task, status)| Held {
                task,
                cancelled: status == JobStatus::Cancelling.name(),
                paused: status == JobStatus::Paused.name(),
            }));
        }
        tx.commit().await?;
        Ok(held)
    }

    /// Takes back tasks whose lease has run out: to the queue with a pause, or, after the last
    /// attempt, to the end of their job.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn reap(&self) -> Result<usize> {
        let mut tx = self.db.begin_read().await?;
        let now = tx.now().await?;
        let overdue: bool =
            sql("SELECT EXISTS (SELECT 1 FROM tasks WHERE state = 'running' AND lease_until < $1)")
                .bind(now.0)
                .scalar(&mut tx)
                .await?;
        drop(tx);
        if overdue { self.take_back(false).await } else { Ok(0) }
    }

    /// Takes back all leases: right only for a server that knows that no other worker lives.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_back_leases(&self) -> Result<usize> {
        self.take_back(true).await
    }

    async fn take_back(&self, all: bool) -> Result<usize> {
        retrying!(self.take_back_once(all))
    }

    async fn take_back_once(&self, all: bool) -> Result<usize> {
        let mut tx = self.db.begin().await?;
        let now = tx.now().await?;
        let skip_locked = tx.for_update_skip_locked();
        let rows: Vec<(i64, String, i64, i64)> = composed(format!(
            "SELECT id, job_id, attempt, max_attempts FROM tasks
             WHERE state = 'running' AND ($1 OR lease_until < $2) ORDER BY id{skip_locked}",
        ))
        .bind(all)
        .bind(now.0)
        .all(&mut tx)
        .await?;
        let mut jobs = BTreeSet::new();
        for (id, job_id, attempt, max_attempts) in &rows {
            let job: JobId = parsed("job id", job_id)?;
            let Some((project, status)) = project_and_status(&mut tx, job).await? else { continue };
            jobs.insert(job);
            if status.has_ended() {
                // A task before this one has ended the job, and with it this task.
            } else if status == JobStatus::Cancelling {
                end_task(&mut tx, *id, "cancelled").await?;
                publish::settle_cancelled(&mut tx, (project, job), now).await?;
            } else if attempt < max_attempts {
                let available_at = now.0 + if all { 0 } else { BACKOFF_MS * attempt };
                requeue(&mut tx, *id, publish::again(status), available_at).await?;
                forget_progress(&mut tx, *id).await?;
                let data = json!({"reason": "worker_lost", "attempt": attempt});
                events::append(&mut tx, (project, job), now, "retrying", data).await?;
            } else {
                end_task(&mut tx, *id, "failed").await?;
                let detail = format!("a task's worker was lost {attempt} times");
                let error = JobError::new("worker_lost", detail);
                publish::fail_job(&mut tx, (project, job), status, &error, now).await?;
            }
        }
        if all {
            settle_all_cancelled(&mut tx, now).await?;
        }
        tx.commit().await?;
        for job in jobs {
            self.hints.job_changed(job);
        }
        if !rows.is_empty() {
            self.hints.work_available();
        }
        Ok(rows.len())
    }

    /// Hands claimed tasks back as if they had never been claimed: the worker is going away.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn hand_back(&self, tasks: &[ClaimedTask]) -> Result<()> {
        retrying!(self.hand_back_once(tasks))
    }

    async fn hand_back_once(&self, tasks: &[ClaimedTask]) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let now = tx.now().await?;
        publish::lock_tasks(&mut tx, tasks.iter().map(|task| task.id)).await?;
        for task in tasks {
            let job = task.job.id;
            let Some((project, status)) = project_and_status(&mut tx, job).await? else { continue };
            let open = publish::is_open(status);
            let changed =
                sql("UPDATE tasks SET state = $4, attempt = attempt - 1, lease_token = NULL,
                                  lease_until = NULL, worker = NULL
                 WHERE id = $1 AND attempt = $2 AND lease_token = $3 AND state = 'running'")
                .bind(task.id)
                .bind(task.attempt)
                .bind(&*task.lease_token)
                .bind(if open { publish::again(status) } else { "cancelled" })
                .execute(&mut tx)
                .await?;
            if open && changed > 0 {
                forget_progress(&mut tx, task.id).await?;
            }
            if status == JobStatus::Cancelling {
                publish::settle_cancelled(&mut tx, (project, job), now).await?;
            }
        }
        tx.commit().await?;
        self.hints.work_available();
        Ok(())
    }

    /// Marks a claimed task's job as running and reads what its tasks need. A job whose documents this
    /// version cannot read fails here, alone, so that those behind it in the line go on.
    async fn start(
        &self,
        tx: &mut Tx,
        job_id: &str,
        now: Timestamp,
    ) -> Result<Option<Arc<JobContext>>> {
        let id: JobId = parsed("job id", job_id)?;
        // A job that runs stays as it is, and workers that claim of it need not wait for each other:
        // whoever ends, pauses or cancels it locks its tasks too.
        let is_running: bool =
            sql("SELECT EXISTS (SELECT 1 FROM jobs WHERE id = $1 AND status = 'running')")
                .bind(job_id)
                .scalar(&mut *tx)
                .await?;
        if let (true, Some(context)) = (is_running, self.contexts.get(id)) {
            return Ok(Some(context));
        }
        let Some((project, before)) = project_and_status(tx, id).await? else { return Ok(None) };
        let status = before.after(JobEvent::TaskClaimed)?;
        if status != before {
            // A job that was paused before is started once.
            sql("UPDATE jobs SET status = $2, started_at = COALESCE(started_at, $3) WHERE id = $1")
                .bind(job_id)
                .bind(status.name())
                .bind(now.0)
                .execute(&mut *tx)
                .await?;
            events::append(tx, (project, id), now, "started", json!({})).await?;
        }
        if let Some(context) = self.contexts.get(id) {
            return Ok(Some(context));
        }
        match context(tx, (project, id)).await {
            Ok(context) => Ok(Some(self.contexts.put(context))),
            Err(error) => fail_unreadable(tx, (project, id), error, now).await.map(|()| None),
        }
    }
}

/// Takes the first tasks in line, of at most so many those whose predecessors fit the budget.
async fn take(
    tx: &mut Tx,
    request: &ClaimRequest<'_>,
    now: Timestamp,
    (most, budget_us): (i64, i64),
) -> Result<Vec<ClaimedRow>> {
    // What another worker is claiming at this moment is passed over.
    let skip_locked = tx.for_update_skip_locked();
    let requirements = request.requirements.iter().map(|text| [text.as_str().into()]);
    let (requirements, args) = tuples(requirements, 7);
    composed(format!(
        "WITH line AS MATERIALIZED (
                 SELECT id, cost_us, priority, turn FROM tasks
                 WHERE state = 'queued' AND available_at <= $4 AND memory_bytes <= $7
                 AND requires IN (VALUES {requirements})
                 ORDER BY priority DESC, turn, id LIMIT $5{skip_locked})
             UPDATE tasks SET state = 'running', attempt = attempt + 1, lease_token = $1,
                              lease_until = $2, worker = $3
             WHERE id IN (
                 SELECT id FROM (
                     SELECT id, SUM(cost_us) OVER (
                                ORDER BY priority DESC, turn, id
                            ) - cost_us AS before_us FROM line
                 ) AS sized WHERE before_us < $6)
             RETURNING id, job_id, kind, idx, attempt, max_attempts, memory_bytes, available_at,
                       cost_us",
    ))
    .bind(&request.lease_token)
    .bind(now.0 + request.lease_ms)
    .bind(request.worker)
    .bind(now.0)
    .bind(most)
    .bind(budget_us)
    .bind(request.max_memory_bytes)
    .bind_all(args)
    .all(tx)
    .await
}

/// Ends a running job whose documents this version cannot read; any other error is passed on.
async fn fail_unreadable(
    tx: &mut Tx,
    job: (ProjectId, JobId),
    error: StoreError,
    now: Timestamp,
) -> Result<()> {
    let missing = matches!(error, StoreError::Database(sqlx::Error::RowNotFound));
    if !(missing || matches!(error, StoreError::Corrupt { .. })) {
        return Err(error);
    }
    tracing::error!(%error, job = %job.1, "a job cannot be read");
    let detail = "the job or its dataset was stored by another version, or is gone";
    let error = JobError::new("job_unreadable", detail);
    publish::fail_job(tx, job, JobStatus::Running, &error, now).await
}

async fn context(tx: &mut Tx, (project, id): (ProjectId, JobId)) -> Result<JobContext> {
    let row: (String, String, String, String, String, Option<String>, Option<String>) =
        sql("SELECT resolved_spec, classes, warnings, sha256, reading, variants, traceparent
         FROM jobs JOIN datasets ON datasets.id = jobs.dataset_id WHERE jobs.id = $1")
        .bind(id.to_string())
        .one(&mut *tx)
        .await?;
    let (spec, classes, warnings, data_sha256, reading, variants, traceparent) = row;
    let variants = variants.map(|text| from_json("variants", &text)).transpose()?;
    Ok(JobContext {
        id,
        project,
        spec: from_json("resolved spec", &spec)?,
        variants: variants.unwrap_or_default(),
        classes: from_json("classes", &classes)?,
        warnings: from_json("warnings", &warnings)?,
        data_sha256,
        reading: from_json("dataset's reading", &reading)?,
        traceparent,
    })
}

/// The project and status of a job, which stay so until the transaction ends; `None` when it was
/// deleted.
pub(super) async fn project_and_status(
    tx: &mut Tx,
    job: JobId,
) -> Result<Option<(ProjectId, JobStatus)>> {
    let lock = tx.for_update();
    let row: Option<(String, String)> =
        composed(format!("SELECT project_id, status FROM jobs WHERE id = $1{lock}"))
            .bind(job.to_string())
            .optional(&mut *tx)
            .await?;
    let Some((project, status)) = row else { return Ok(None) };
    let status =
        JobStatus::from_name(&status).ok_or_else(|| StoreError::corrupt("job status", &status))?;
    Ok(Some((parsed("project id", &project)?, status)))
}

/// Ends every job that was being cancelled and has nothing running: nobody else will.
async fn settle_all_cancelled(tx: &mut Tx, now: Timestamp) -> Result<()> {
    let jobs: Vec<(String, String)> =
        sql("SELECT project_id, id FROM jobs WHERE status = 'cancelling'").all(&mut *tx).await?;
    for (project, job) in jobs {
        sql("UPDATE tasks SET state = 'cancelled'
             WHERE job_id = $1 AND state IN ('queued', 'blocked')")
        .bind(&job)
        .execute(&mut *tx)
        .await?;
        let job = (parsed("project id", &project)?, parsed("job id", &job)?);
        publish::settle_cancelled(tx, job, now).await?;
    }
    Ok(())
}

async fn end_task(tx: &mut Tx, id: i64, state: &str) -> Result<()> {
    sql("UPDATE tasks SET state = $2, lease_token = NULL, lease_until = NULL
         WHERE id = $1 AND state = 'running'")
    .bind(id)
    .bind(state)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

async fn requeue(tx: &mut Tx, id: i64, state: &str, available_at: i64) -> Result<()> {
    sql("UPDATE tasks SET state = $3, available_at = $2, lease_token = NULL,
                          lease_until = NULL, worker = NULL
         WHERE id = $1 AND state = 'running'")
    .bind(id)
    .bind(available_at)
    .bind(state)
    .execute(&mut *tx)
    .await?;
    Ok(())
}
