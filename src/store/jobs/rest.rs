//! Jobs that rest: paused by a client, or waiting for other jobs; and those that took too long, or
//! have been kept long enough.

use serde_json::json;

use super::plan::join_line;
use super::{lock_tasks_of, set_status, status};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{JobId, ProjectId};
use crate::domain::job::{Job, JobError, JobEvent, JobStatus};
use crate::store::db::{Arg, Statement, Tx, among, composed, sql, values};
use crate::store::tasks::{fail_job, project_and_status};
use crate::store::{Result, Store, StoreError, events, parsed};

/// At most so many jobs move on, end, or go in one pass; the next comes soon.
const AT_ONCE: i64 = 100;

impl Store {
    /// Lets a job rest: what is queued or waits is not started, what is running is saved where it can be
    /// and handed back. `None` when there is no such job.
    ///
    /// # Errors
    /// [`StoreError::Transition`] when it is being cancelled or has ended; otherwise when the database
    /// fails.
    pub async fn pause_job(&self, project: ProjectId, id: JobId) -> Result<Option<Job>> {
        retrying!(self.move_job(project, id, Wish::Pause))
    }

    /// Lets a paused job go on, or wait on. `None` when there is no such job.
    ///
    /// # Errors
    /// [`StoreError::Transition`] when it is being cancelled or has ended; otherwise when the database
    /// fails.
    pub async fn resume_job(&self, project: ProjectId, id: JobId) -> Result<Option<Job>> {
        retrying!(self.move_job(project, id, Wish::Resume))
    }

    /// Whether a new job could come after these.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn check_dependencies(
        &self,
        project: ProjectId,
        after: &[String],
    ) -> Result<Result<bool, Vec<BadDependency>>> {
        if after.is_empty() {
            return Ok(Ok(false));
        }
        has_to_wait(&mut self.db.begin().await?, project, after).await
    }

    async fn move_job(&self, project: ProjectId, id: JobId, wish: Wish) -> Result<Option<Job>> {
        let mut tx = self.db.begin().await?;
        lock_tasks_of(&mut tx, id).await?;
        let Some(before) = status(&mut tx, project, id).await? else { return Ok(None) };
        let started: bool = sql("SELECT started_at IS NOT NULL FROM jobs WHERE id = $1")
            .bind(id.to_string())
            .scalar(&mut tx)
            .await?;
        let after = before.after(match wish {
            Wish::Pause => JobEvent::PauseRequested,
            Wish::Resume => {
                JobEvent::ResumeRequested { started, waits: unmet(&mut tx, id).await?.is_some() }
            }
        })?;
        if after != before {
            let now = tx.now().await?;
            set_status(&mut tx, id, after, now).await?;
            let (kind, data) = match wish {
                Wish::Pause => {
                    begin_rest(&mut tx, id, now).await?;
                    ("paused", json!({}))
                }
                Wish::Resume => {
                    end_rest(&mut tx, id, now).await?;
                    if after != JobStatus::Waiting {
                        join_line(&mut tx, (project, id), now).await?;
                    }
                    ("unpaused", json!({"status": after.name()}))
                }
            };
            events::append(&mut tx, (project, id), now, kind, data).await?;
        }
        tx.commit().await?;
        match wish {
            Wish::Pause => self.hints.tasks_should_stop(),
            Wish::Resume => {
                self.hints.work_available();
                // What it waits for may have been in vain.
                self.hints.jobs_should_move();
            }
        }
        self.hints.job_changed(id);
        self.job(project, id).await
    }

    /// Moves on jobs whose time has come: those that waited for others that have ended, also at rest if
    /// that was in vain, and those that take longer than they may. How many moved.
    ///
    /// Nobody has to call this at the right moment: what the tables say decides.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn move_on(&self) -> Result<usize> {
        let mut tx = self.db.begin_read().await?;
        let now = tx.now().await?;
        let ready: Vec<String> = ready().column(&mut tx).await?;
        let overdue: Vec<String> = overdue(now).column(&mut tx).await?;
        drop(tx);
        for job in ready.iter().chain(&overdue) {
            let job: JobId = parsed("job id", job)?;
            retrying!(self.move_one(job))?;
        }
        Ok(ready.len() + overdue.len())
    }

    async fn move_one(&self, job: JobId) -> Result<()> {
        let mut tx = self.db.begin().await?;
        lock_tasks_of(&mut tx, job).await?;
        let Some((project, status)) = project_and_status(&mut tx, job).await? else {
            return Ok(());
        };
        let now = tx.now().await?;
        match status {
            JobStatus::Waiting | JobStatus::Paused => match unmet(&mut tx, job).await? {
                None if status == JobStatus::Waiting => {
                    set_status(&mut tx, job, status.after(JobEvent::DependenciesMet)?, now).await?;
                    join_line(&mut tx, (project, job), now).await?;
                    events::append(&mut tx, (project, job), now, "queued", json!({})).await?;
                }
                Some((other, ended)) if ended.has_ended() => {
                    let how = if ended == JobStatus::Failed { "failed" } else { "was cancelled" };
                    let detail = format!("{other} {how}, and this job was to come after it");
                    let error = JobError::new("dependency_failed", detail);
                    fail_job(&mut tx, (project, job), status, &error, now).await?;
                }
                None | Some(_) => {}
            },
            JobStatus::Running => {
                let overdue: Option<i64> = sql("SELECT max_ms FROM jobs WHERE id = $1
                     AND started_at + paused_ms + max_ms < $2")
                .bind(job.to_string())
                .bind(now.0)
                .optional::<(i64,)>(&mut tx)
                .await?
                .map(|(max_ms,)| max_ms);
                if let Some(max_ms) = overdue {
                    let detail = format!("the job took longer than {} s", max_ms as f64 / 1e3);
                    let error = JobError::new("time_limit", detail);
                    fail_job(&mut tx, (project, job), status, &error, now).await?;
                }
            }
            _ => {}
        }
        tx.commit().await?;
        self.hints.tasks_should_stop();
        self.hints.work_available();
        self.hints.job_changed(job);
        Ok(())
    }

    /// Deletes jobs that have been kept as long as they asked for, or as `default_s` says. How many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_old_jobs(&self, default_s: Option<f64>) -> Result<u64> {
        let mut tx = self.db.begin_read().await?;
        let now = tx.now().await?;
        // Each kind has an index of its own; all that have ended may be very many.
        let mut due: Vec<String> = sql("SELECT id FROM jobs WHERE finished_at IS NOT NULL
             AND retention_ms IS NOT NULL AND finished_at + retention_ms <= $1 LIMIT $2")
        .bind(now.0)
        .bind(AT_ONCE)
        .column(&mut tx)
        .await?;
        if let Some(seconds) = default_s {
            let by_default: Vec<String> = sql("SELECT id FROM jobs WHERE finished_at <= $1
                 AND finished_at IS NOT NULL AND retention_ms IS NULL LIMIT $2")
            .bind(now.0 - millis(seconds))
            .bind(AT_ONCE)
            .column(&mut tx)
            .await?;
            due.extend(by_default);
        }
        drop(tx);
        if due.is_empty() {
            return Ok(0);
        }
        let mut tx = self.db.begin().await?;
        let (among, args) = among(tx.dialect(), due, 0);
        let n_deleted = composed(format!(
            "DELETE FROM jobs WHERE id {among}
             AND NOT EXISTS (SELECT 1 FROM dependencies JOIN jobs AS other ON other.id = job_id
                             WHERE after_id = jobs.id AND other.started_at IS NULL
                             AND other.status IN ('waiting', 'paused'))"
        ))
        .bind_all(args)
        .execute(&mut tx)
        .await?;
        tx.commit().await?;
        Ok(n_deleted)
    }
}

/// Jobs that wait for nothing any more, or in vain: by the worst of what each waits for. Those that rest before
/// their start have an index; with EXISTS PostgreSQL would read all jobs.
pub(in crate::store) fn ready() -> Statement {
    sql("SELECT id FROM (
             SELECT id, status, (
                 SELECT MAX(CASE WHEN other.status = 'succeeded' THEN 0
                                 WHEN other.status IN ('failed', 'cancelled') THEN 2 ELSE 1 END)
                 FROM dependencies JOIN jobs AS other ON other.id = after_id
                 WHERE job_id = jobs.id) AS worst
             FROM jobs WHERE status IN ('waiting', 'paused') AND started_at IS NULL) AS resting
         WHERE worst = 2 OR status = 'waiting' AND COALESCE(worst, 0) = 0
         ORDER BY id LIMIT $1")
    .bind(AT_ONCE)
}

/// Jobs that take longer than they may, in the order of the index of those that have a limit: by another SQLite
/// would read all jobs instead.
pub(in crate::store) fn overdue(now: Timestamp) -> Statement {
    sql("SELECT id FROM jobs WHERE status = 'running' AND max_ms IS NOT NULL
         AND started_at + paused_ms + max_ms < $2 ORDER BY started_at LIMIT $1")
    .bind(AT_ONCE)
    .bind(now.0)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    Pause,
    Resume,
}

/// Takes a job out of the line.
async fn begin_rest(tx: &mut Tx, job: JobId, now: Timestamp) -> Result<()> {
    sql("UPDATE jobs SET paused_at = $2 WHERE id = $1")
        .bind(job.to_string())
        .bind(now.0)
        .execute(&mut *tx)
        .await?;
    sql("UPDATE tasks SET state = 'blocked' WHERE job_id = $1 AND state = 'queued'")
        .bind(job.to_string())
        .execute(&mut *tx)
        .await?;
    Ok(())
}

/// Notes how long a job has rested. Before its start nothing counts against its limit, so that no rest
/// needs to be taken off.
async fn end_rest(tx: &mut Tx, job: JobId, now: Timestamp) -> Result<()> {
    // A process that knows nothing of rests may pause the job next: it is not to rest since this one.
    sql("UPDATE jobs SET paused_at = NULL, paused_ms = paused_ms
             + CASE WHEN started_at IS NOT NULL AND paused_at < $2 THEN $2 - paused_at ELSE 0 END
         WHERE id = $1")
    .bind(job.to_string())
    .bind(now.0)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// A job that this one has to wait for, or waits for in vain; `None` when all have succeeded. One that
/// was deleted has ended, and is taken for one that did not fail.
async fn unmet(tx: &mut Tx, job: JobId) -> Result<Option<(String, JobStatus)>> {
    let others: Vec<(String, String)> = sql("SELECT after_id, status FROM dependencies
         JOIN jobs ON jobs.id = after_id WHERE job_id = $1 AND status <> 'succeeded'
         ORDER BY after_id")
    .bind(job.to_string())
    .all(tx)
    .await?;
    let mut unmet = None;
    for (other, status) in others {
        let status = JobStatus::from_name(&status)
            .ok_or_else(|| StoreError::corrupt("job status", &status))?;
        // One that was in vain decides.
        if unmet.is_none() || status.has_ended() {
            unmet = Some((other, status));
        }
    }
    Ok(unmet)
}

/// What stands in the way of a new job's waiting for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadDependency {
    /// Its place in the list.
    pub index: usize,
    /// How it has ended; `None` when there is no such job.
    pub status: Option<JobStatus>,
}

/// Whether a new job has to wait for those that it is to come after.
pub(super) async fn has_to_wait(
    tx: &mut Tx,
    project: ProjectId,
    after: &[String],
) -> Result<Result<bool, Vec<BadDependency>>> {
    let (mut waits, mut bad) = (false, Vec::new());
    for (index, other) in after.iter().enumerate() {
        let found = match other.parse::<JobId>() {
            Ok(other) => status(tx, project, other).await?,
            Err(_) => None,
        };
        match found {
            None | Some(JobStatus::Failed | JobStatus::Cancelled) => {
                bad.push(BadDependency { index, status: found });
            }
            Some(status) => waits |= status != JobStatus::Succeeded,
        }
    }
    Ok(if bad.is_empty() { Ok(waits) } else { Err(bad) })
}

/// Notes which jobs a new one is to come after.
pub(super) async fn insert_dependencies(
    tx: &mut Tx,
    (project, job): (ProjectId, JobId),
    after: &[String],
) -> Result<()> {
    let mut distinct: Vec<&String> = after.iter().collect();
    distinct.sort_unstable();
    distinct.dedup();
    if !distinct.is_empty() {
        let rows = distinct.into_iter().map(|other| -> [Arg; 3] {
            [job.to_string().into(), other.as_str().into(), project.to_string().into()]
        });
        let insert = "INSERT INTO dependencies (job_id, after_id, project_id)";
        values(tx.dialect(), insert, rows, "").execute(tx).await?;
    }
    Ok(())
}

/// The jobs that a job was to come after, in the order of their ids.
pub(super) async fn dependencies(tx: &mut Tx, job: &str) -> Result<Vec<JobId>> {
    let ids: Vec<String> =
        sql("SELECT after_id FROM dependencies WHERE job_id = $1 ORDER BY after_id")
            .bind(job)
            .column(tx)
            .await?;
    ids.iter().map(|id| parsed("job id", id)).collect()
}

/// The milliseconds of so many seconds, at least one.
pub(super) fn millis(seconds: f64) -> i64 {
    ((seconds * 1e3) as i64).max(1)
}
