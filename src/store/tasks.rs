//! Tasks: claimed with a lease, renewed, published once, handed back, reaped.
//!
//! A claim takes several short tasks under one lease; every later statement about a task names the
//! lease's token, so that whoever lost the lease changes nothing. While a task runs, `report` notes
//! how far it is.

mod checkpoints;
mod claim;
mod contexts;
mod publish;
mod report;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;
use trainyard_formats::ReadOptions;
use trainyard_learn::losses::TargetKind;
use trainyard_learn::scalar::Scalar;

use super::db::{Tx, among, composed, sql};
use super::{Result, Store, StoreError, events, parsed};
use crate::domain::clock::Timestamp;
use crate::domain::dataset::Warning;
use crate::domain::ids::{JobId, ProjectId};
use crate::domain::job::{FoldResult, JobError, JobStatus};
use crate::domain::spec::JobSpec;
pub(super) use checkpoints::forget_of_ended;
pub use checkpoints::{Checkpoint, Saved};
pub use claim::{Begun, ClaimRequest};
pub(super) use contexts::Contexts;
pub use publish::{Finished, NewModel, Outcome, Published};
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
    /// When it was claimed, by the database's clock.
    pub claimed_at: Timestamp,
    /// How long it waited, from when it could have been claimed, in milliseconds.
    pub waited_ms: i64,
    /// Whether its job did not run yet.
    pub starts_job: bool,
    /// From where an earlier attempt's fit can go on.
    pub checkpoint: Option<Checkpoint>,
    /// What to do.
    pub kind: TaskKind,
    /// The job it is part of.
    pub job: Arc<JobContext>,
}

impl ClaimedTask {
    /// Whether it was tried before and is not tried again: if its worker is lost, its job ends.
    pub fn is_last_try(&self) -> bool {
        self.attempt > 1 && self.attempt >= self.max_attempts
    }

    /// By what it is held.
    pub fn holding(&self) -> Holding {
        let lease_token = Arc::clone(&self.lease_token);
        Holding { task: self.id, attempt: self.attempt, lease_token, job: self.job.id }
    }
}

/// By what a task is held.
#[derive(Clone, Debug)]
pub struct Holding {
    /// The row.
    pub task: i64,
    /// Which attempt it is.
    pub attempt: i64,
    /// The lease.
    pub lease_token: Arc<str>,
    /// The job that it is part of.
    pub job: JobId,
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

/// Tasks are tried again after this many milliseconds, times their attempts.
const BACKOFF_MS: i64 = 1_000;

impl Store {
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
        let lock = tx.dialect().for_update();
        if !lock.is_empty() && !lease_tokens.is_empty() {
            let tokens = lease_tokens.iter().map(|token| &**token);
            let (among, args) = among(tx.dialect(), tokens, 0);
            composed(format!(
                "SELECT id FROM tasks WHERE state = 'running' AND lease_token {among}
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
        if self.has_lost_leases().await? { self.take_back(false).await } else { Ok(0) }
    }

    /// Whether a task runs whose lease has run out.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn has_lost_leases(&self) -> Result<bool> {
        let now = self.db.dialect().clock();
        composed(format!(
            "SELECT EXISTS (SELECT 1 FROM tasks WHERE state = 'running' AND lease_until < {now})"
        ))
        .scalar(&self.db)
        .await
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
        let skip_locked = tx.dialect().for_update_skip_locked();
        let rows: Vec<(i64, String, String, i64, i64, i64)> = composed(format!(
            "SELECT id, job_id, kind, idx, attempt, max_attempts FROM tasks
             WHERE state = 'running' AND ($1 OR lease_until < $2) ORDER BY id{skip_locked}",
        ))
        .bind(all)
        .bind(now.0)
        .all(&mut tx)
        .await?;
        let mut jobs = BTreeSet::new();
        for (id, job_id, kind, idx, attempt, max_attempts) in &rows {
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
                let mut data = json!({"reason": "worker_lost", "attempt": attempt});
                checkpoints::tell_fit_by(&mut tx, &mut data, (job, kind, *idx)).await?;
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
    pub async fn hand_back(&self, held: &[Holding]) -> Result<()> {
        retrying!(self.hand_back_once(held))
    }

    async fn hand_back_once(&self, held: &[Holding]) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let now = tx.now().await?;
        publish::lock_tasks(&mut tx, held.iter().map(|held| held.task)).await?;
        for &Holding { task, attempt, ref lease_token, job } in held {
            let Some((project, status)) = project_and_status(&mut tx, job).await? else { continue };
            let open = publish::is_open(status);
            // From now on it waits; before, it ran.
            let changed =
                sql("UPDATE tasks SET state = $4, attempt = attempt - 1, available_at = $5,
                                  lease_token = NULL, lease_until = NULL, worker = NULL
                 WHERE id = $1 AND attempt = $2 AND lease_token = $3 AND state = 'running'")
                .bind(task)
                .bind(attempt)
                .bind(&**lease_token)
                .bind(if open { publish::again(status) } else { "cancelled" })
                .bind(now.0)
                .execute(&mut tx)
                .await?;
            if open && changed > 0 {
                forget_progress(&mut tx, task).await?;
            }
            if status == JobStatus::Cancelling {
                publish::settle_cancelled(&mut tx, (project, job), now).await?;
            }
        }
        tx.commit().await?;
        self.hints.work_available();
        Ok(())
    }
}

/// The project and status of a job, which stay so until the transaction ends; `None` when it was
/// deleted.
pub(super) async fn project_and_status(
    tx: &mut Tx,
    job: JobId,
) -> Result<Option<(ProjectId, JobStatus)>> {
    let lock = tx.dialect().for_update();
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
