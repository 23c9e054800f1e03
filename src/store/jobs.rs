//! Jobs: accepted with all their tasks, read, paused, cancelled, deleted.

mod plan;
mod rest;
mod row;

use std::collections::HashMap;

use super::db::{Db, On, Tx, among, composed, sql};
use super::idempotency::{self, Created, IdempotencyKey, Known};
use super::tasks::{REFIT, forget_of_ended, project_and_status};
use super::{Deleted, Result, Store, StoreError, events, from_json, json as to_json, parsed};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{DatasetId, JobId, ProjectId};
use crate::domain::job::{FoldResult, Job, JobEvent, JobStatus};
use crate::domain::predictions::FoldPredictions;
use crate::domain::spec::{CheckedJob, JobSpec};
use plan::insert_tasks;
pub(in crate::store) use plan::{let_go, open_last};
pub use rest::BadDependency;
use rest::{has_to_wait, insert_dependencies, millis};
#[cfg(test)]
pub(in crate::store) use rest::{overdue, ready};
#[cfg(test)]
pub(in crate::store) use row::listed;
use row::read;
use serde_json::{Value, json};
use trainyard_learn::training::History;

/// A job about to be accepted.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Its id.
    pub id: JobId,
    /// What will run.
    pub checked: CheckedJob,
    /// The spec as the client sent it.
    pub spec: Value,
    /// The trace that its tasks go on, as W3C's Trace Context writes it.
    pub traceparent: Option<String>,
}

/// What became of a new job.
#[derive(Debug)]
pub enum Submitted {
    /// It is queued, or was by the same call before.
    Job(Created<Box<Job>>),
    /// The dataset was deleted meanwhile.
    DatasetGone,
    /// It should come after jobs that it cannot come after.
    BadDependencies(Vec<BadDependency>),
    /// The project has as many unfinished jobs as it may.
    QueueFull,
}

/// A fold's predictions with its place.
#[derive(Clone, Debug)]
pub struct StoredPredictions {
    /// The fold's number over all repeats.
    pub idx: i64,
    /// Its repeat and fold.
    pub fold: FoldResult,
    /// What was predicted.
    pub predictions: FoldPredictions,
}

/// What the epochs of a training were like.
#[derive(Clone, Debug)]
pub struct StoredHistory {
    /// Up to now, or up to its end.
    pub epochs: History,
    /// Whether the training has ended by itself; otherwise it runs, or was broken off.
    pub finished: bool,
}

impl Store {
    /// Accepts a job: plans one task a fold and a last one that reduces and refits.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn create_job(
        &self,
        project: ProjectId,
        new: NewJob,
        key: Option<&IdempotencyKey>,
        max_unfinished: i64,
    ) -> Result<Submitted> {
        retrying!(self.create_job_once(project, &new, key, max_unfinished))
    }

    async fn create_job_once(
        &self,
        project: ProjectId,
        new: &NewJob,
        key: Option<&IdempotencyKey>,
        max_unfinished: i64,
    ) -> Result<Submitted> {
        let mut tx = self.db.begin().await?;
        match idempotency::look_up(&mut tx, project, key).await? {
            Known::Nothing => {}
            Known::OtherCall => return Ok(Submitted::Job(Created::KeyReused)),
            Known::SameCall { resource_id } => {
                let id = parsed("job id", &resource_id)?;
                drop(tx);
                let before = self.job(project, id).await?.map(Box::new);
                return Ok(Submitted::Job(before.map_or(Created::KeyReused, Created::Before)));
            }
        }
        let spec = &new.checked.spec;
        // Locked, so that the dataset cannot go, and the count not grow, before this job is there.
        let (lock, share) = (tx.dialect().for_update(), tx.dialect().for_share());
        composed(format!("SELECT id FROM projects WHERE id = $1{lock}"))
            .bind(project.to_string())
            .column::<String>(&mut tx)
            .await?;
        let clock = tx.dialect().clock();
        let found: Option<(i64, i64)> = composed(format!(
            "SELECT {clock}, (SELECT COUNT(*) FROM jobs WHERE project_id = $1
                 AND status IN ('waiting', 'queued', 'running', 'paused', 'cancelling'))
             FROM datasets WHERE project_id = $1 AND id = $2{share}"
        ))
        .bind(project.to_string())
        .bind(spec.dataset_id.to_string())
        .optional(&mut tx)
        .await?;
        let Some((now, n_unfinished)) = found else {
            return Ok(Submitted::DatasetGone);
        };
        if n_unfinished >= max_unfinished {
            return Ok(Submitted::QueueFull);
        }
        let created_at = Timestamp(now);
        let n_fits = new.checked.n_fits();
        let waits = match has_to_wait(&mut tx, project, &new.checked.after).await? {
            Ok(waits) => waits,
            Err(bad) => return Ok(Submitted::BadDependencies(bad)),
        };
        let status = if waits { JobStatus::Waiting } else { JobStatus::Queued };
        let variants = &new.checked.variants;
        let variants = (!variants.is_empty()).then(|| to_json("variants", variants)).transpose()?;
        sql("INSERT INTO jobs (id, project_id, name, dataset_id, status, spec, resolved_spec,
                               classes, warnings, n_pending, created_at, variants, priority,
                               max_parallel, max_ms, retention_ms, traceparent)
             VALUES ($1, $2, $3, $4, $12, $5, $6, $7, $8, $9, $10, $11, $13, $14, $15, $16, $17)")
        .bind(new.id.to_string())
        .bind(project.to_string())
        .bind(&spec.name)
        .bind(spec.dataset_id.to_string())
        .bind(new.spec.to_string())
        .bind(to_json("spec", spec)?)
        .bind(to_json("classes", &new.checked.classes)?)
        .bind(to_json("warnings", &new.checked.warnings)?)
        .bind(n_fits as i64)
        .bind(created_at.0)
        .bind(variants)
        .bind(status.name())
        .bind(i64::from(spec.priority))
        .bind(spec.max_parallel.map(i64::from))
        .bind(spec.max_seconds.map(millis))
        .bind(spec.retention_s.map(millis))
        .bind(new.traceparent.as_deref())
        .execute(&mut tx)
        .await?;
        insert_dependencies(&mut tx, (project, new.id), &new.checked.after).await?;
        insert_tasks(&mut tx, (project, new.id), &new.checked, waits, created_at).await?;
        let data = json!({"n_tasks": n_fits + 1});
        events::append(&mut tx, (project, new.id), created_at, status.name(), data).await?;
        idempotency::remember(&mut tx, project, key, &new.id.to_string()).await?;
        let job = read(&mut tx, project, new.id).await?;
        tx.commit().await?;
        self.hints.work_available();
        let job = job.ok_or_else(|| StoreError::corrupt("job", "not found after its insert"))?;
        Ok(Submitted::Job(Created::New(Box::new(job))))
    }

    /// The job that the same call created before; `None` when the key is new.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn created_before(
        &self,
        project: ProjectId,
        key: &IdempotencyKey,
    ) -> Result<Option<Created<Box<Job>>>> {
        let mut tx = self.db.begin_read().await?;
        let resource_id = match idempotency::look_up(&mut tx, project, Some(key)).await? {
            Known::Nothing => return Ok(None),
            Known::OtherCall => return Ok(Some(Created::KeyReused)),
            Known::SameCall { resource_id } => resource_id,
        };
        drop(tx);
        let job = self.job(project, parsed("job id", &resource_id)?).await?;
        Ok(Some(job.map_or(Created::KeyReused, |job| Created::Before(Box::new(job)))))
    }

    /// A job of the project.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn job(&self, project: ProjectId, id: JobId) -> Result<Option<Job>> {
        let mut tx = self.db.begin_read().await?;
        let mut job = read(&mut tx, project, id).await?;
        if let Some(result) = job.as_mut().and_then(|job| job.result.as_mut()) {
            result.folds = Some(folds(&mut tx, id).await?);
        }
        Ok(job)
    }

    /// Whether there is a job of the project that has not ended.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn is_unfinished(&self, project: ProjectId, id: JobId) -> Result<bool> {
        sql("SELECT EXISTS (SELECT 1 FROM jobs
             WHERE project_id = $1 AND id = $2 AND finished_at IS NULL)")
        .bind(project.to_string())
        .bind(id.to_string())
        .scalar(&self.db)
        .await
    }

    /// At most `limit` jobs of the project before `after`, newest first; their results leave the
    /// folds out, which could be thousands.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn jobs(&self, project: ProjectId, filter: JobFilter) -> Result<Vec<Job>> {
        row::list(&mut self.db.begin_read().await?, project, filter).await
    }

    /// Ends what is queued of a job and tells what is running to stop.
    ///
    /// `None` when there is no such job.
    ///
    /// # Errors
    /// [`StoreError::Transition`] when it has ended already; otherwise when the database fails.
    pub async fn cancel_job(&self, project: ProjectId, id: JobId) -> Result<Option<Job>> {
        retrying!(self.cancel_job_once(project, id))
    }

    async fn cancel_job_once(&self, project: ProjectId, id: JobId) -> Result<Option<Job>> {
        let mut tx = self.db.begin().await?;
        lock_tasks_of(&mut tx, id).await?;
        let Some(before) = status(&mut tx, project, id).await? else { return Ok(None) };
        let tasks_running: bool =
            sql("SELECT EXISTS (SELECT 1 FROM tasks WHERE job_id = $1 AND state = 'running')")
                .bind(id.to_string())
                .scalar(&mut tx)
                .await?;
        let after = before.after(JobEvent::CancelRequested { tasks_running })?;
        if after != before {
            let now = tx.now().await?;
            sql("UPDATE tasks SET state = 'cancelled'
                 WHERE job_id = $1 AND state IN ('queued', 'blocked')")
            .bind(id.to_string())
            .execute(&mut tx)
            .await?;
            forget_of_ended(&mut tx, id).await?;
            events::append(&mut tx, (project, id), now, after.name(), json!({})).await?;
            set_status(&mut tx, id, after, now).await?;
        }
        tx.commit().await?;
        self.hints.tasks_should_stop();
        self.hints.job_changed(id);
        self.job(project, id).await
    }

    /// Deletes a job that has ended, with its folds and events; its model stays.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_job(&self, project: ProjectId, id: JobId) -> Result<Deleted> {
        let mut tx = self.db.begin().await?;
        let Some(status) = status(&mut tx, project, id).await? else {
            return Ok(Deleted::NotFound);
        };
        let is_awaited: bool = sql("SELECT EXISTS (SELECT 1 FROM dependencies
             JOIN jobs ON jobs.id = job_id WHERE after_id = $1 AND started_at IS NULL
             AND status IN ('waiting', 'paused'))")
        .bind(id.to_string())
        .scalar(&mut tx)
        .await?;
        if !status.has_ended() || is_awaited {
            return Ok(Deleted::InUse);
        }
        sql("DELETE FROM jobs WHERE project_id = $1 AND id = $2")
            .bind(project.to_string())
            .bind(id.to_string())
            .execute(&mut tx)
            .await?;
        tx.commit().await?;
        Ok(Deleted::Yes)
    }

    /// What a job was resolved to; `None` when there is no such job.
    ///
    /// # Errors
    /// When the database fails, or another version stored it.
    pub async fn spec(&self, project: ProjectId, id: JobId) -> Result<Option<JobSpec>> {
        let text: Option<(String,)> =
            sql("SELECT resolved_spec FROM jobs WHERE project_id = $1 AND id = $2")
                .bind(project.to_string())
                .bind(id.to_string())
                .optional(&self.db)
                .await?;
        text.map(|(text,)| from_json("resolved_spec", &text)).transpose()
    }

    /// The folds of a job that are published, in order; `None` when there is no such job.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn folds(&self, project: ProjectId, id: JobId) -> Result<Option<Vec<FoldResult>>> {
        let mut tx = self.db.begin_read().await?;
        match read(&mut tx, project, id).await? {
            Some(_) => folds(&mut tx, id).await.map(Some),
            None => Ok(None),
        }
    }

    /// The predictions of the published folds from number `first` on, as many folds as are needed
    /// for `n_rows` rows.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn predictions(
        &self,
        project: ProjectId,
        id: JobId,
        first: i64,
        n_rows: i64,
    ) -> Result<Vec<StoredPredictions>> {
        let rows: Vec<(i64, String, Vec<u8>)> = sql("SELECT idx, result, predictions FROM folds
             WHERE project_id = $1 AND job_id = $2 AND length(predictions) > 0 AND idx IN (
                 SELECT idx FROM (
                     SELECT idx, SUM(n_test) OVER (ORDER BY idx) - n_test AS n_before
                     FROM folds WHERE job_id = $2 AND idx >= $3) AS sized
                 WHERE n_before < $4)
             ORDER BY idx")
        .bind(project.to_string())
        .bind(id.to_string())
        .bind(first)
        .bind(n_rows)
        .all(&self.db)
        .await?;
        rows.into_iter()
            .map(|(idx, fold, bytes)| {
                let predictions = FoldPredictions::unpack(&bytes)
                    .ok_or_else(|| StoreError::corrupt("predictions", "wrong length"))?;
                Ok(StoredPredictions { idx, fold: from_json("fold", &fold)?, predictions })
            })
            .collect()
    }

    /// What the epochs of a training were like: of a fold by its number, or without of the final
    /// one. `None` where nothing was told of them yet, or there is nothing to tell.
    ///
    /// # Errors
    /// When the database fails or holds what this version cannot read.
    pub async fn history(
        &self,
        project: ProjectId,
        job: JobId,
        fold: Option<u32>,
    ) -> Result<Option<StoredHistory>> {
        let row: Option<(Vec<u8>, bool)> = sql(
            "SELECT epochs, finished FROM histories WHERE project_id = $1 AND job_id = $2 AND idx = $3",
        )
        .bind(project.to_string())
        .bind(job.to_string())
        .bind(fold.map_or(REFIT, i64::from))
        .optional(&self.db)
        .await?;
        let Some((epochs, finished)) = row else { return Ok(None) };
        let epochs =
            History::unpack(&epochs).ok_or_else(|| StoreError::corrupt("history", "wrong form"))?;
        Ok(Some(StoredHistory { epochs, finished }))
    }

    /// The classes of a job's target, in the order of their indices.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn classes(
        &self,
        project: ProjectId,
        id: JobId,
    ) -> Result<Option<Vec<trainyard_learn::scalar::Scalar>>> {
        let text: Option<(String,)> =
            sql("SELECT classes FROM jobs WHERE project_id = $1 AND id = $2")
                .bind(project.to_string())
                .bind(id.to_string())
                .optional(&self.db)
                .await?;
        text.map(|(text,)| from_json("classes", &text)).transpose()
    }
}

/// Which jobs to list.
#[derive(Clone, Copy, Debug)]
pub struct JobFilter {
    /// Only older ones than this.
    pub after: Option<JobId>,
    /// Only those of this status.
    pub status: Option<JobStatus>,
    /// Only those on this dataset.
    pub dataset: Option<DatasetId>,
    /// At most so many.
    pub limit: i64,
}

/// The tasks of a job before the job: whoever publishes some of them locks in that order too.
pub(super) async fn lock_tasks_of(tx: &mut Tx, job: JobId) -> Result<()> {
    let lock = tx.dialect().for_update();
    if lock.is_empty() {
        return Ok(());
    }
    composed(format!("SELECT id FROM tasks WHERE job_id = $1 ORDER BY id{lock}"))
        .bind(job.to_string())
        .column::<i64>(tx)
        .await?;
    Ok(())
}

/// A job's status alone: a job whose documents cannot be read can still be ended and deleted.
async fn status(tx: &mut Tx, project: ProjectId, job: JobId) -> Result<Option<JobStatus>> {
    let found = project_and_status(tx, job).await?;
    Ok(found.filter(|(owner, _)| *owner == project).map(|(_, status)| status))
}

/// Moves a job; the caller has asked the state machine.
pub(super) async fn set_status(
    tx: &mut Tx,
    job: JobId,
    status: JobStatus,
    now: Timestamp,
) -> Result<()> {
    let finished_at = status.has_ended().then_some(now.0);
    let stop_reason = (status == JobStatus::Cancelled).then_some("cancelled");
    sql("UPDATE jobs SET status = $2, finished_at = $3, stop_reason = COALESCE($4, stop_reason)
         WHERE id = $1")
    .bind(job.to_string())
    .bind(status.name())
    .bind(finished_at)
    .bind(stop_reason)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// The published folds of each of the jobs, in order, or why they cannot be read.
pub(super) async fn folds_of(
    db: &Db,
    jobs: &[JobId],
) -> Result<HashMap<JobId, Result<Vec<FoldResult>>>> {
    let mut found: HashMap<_, _> = jobs.iter().map(|job| (*job, Ok(Vec::new()))).collect();
    if jobs.is_empty() {
        return Ok(found);
    }
    let (among, args) = among(db.dialect(), jobs.iter().map(JobId::to_string), 0);
    let rows: Vec<(String, String)> = composed(format!(
        "SELECT job_id, result FROM folds WHERE job_id {among} ORDER BY job_id, idx"
    ))
    .bind_all(args)
    .all(db)
    .await?;
    for (job, fold) in rows {
        let folds = found.entry(parsed("job id", &job)?).or_insert_with(|| Ok(Vec::new()));
        match (from_json("fold", &fold), &mut *folds) {
            (Ok(fold), Ok(before)) => before.push(fold),
            (Err(error), _) => *folds = Err(error),
            (Ok(_), Err(_)) => {}
        }
    }
    Ok(found)
}

/// The published folds of a job, in order; the caller knows that the job is the project's.
pub(super) async fn folds(on: impl Into<On<'_>>, job: JobId) -> Result<Vec<FoldResult>> {
    let rows: Vec<String> = sql("SELECT result FROM folds WHERE job_id = $1 ORDER BY idx")
        .bind(job.to_string())
        .column(on)
        .await?;
    rows.iter().map(|text| from_json("fold", text)).collect()
}
