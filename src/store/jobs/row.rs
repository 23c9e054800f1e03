//! A job's row with its tasks' counts, read into what a client sees.

use serde_json::Value;
use sqlx::FromRow;

use super::JobFilter;
use super::rest::dependencies;
use crate::domain::clock::Timestamp;
use crate::domain::ids::{JobId, ProjectId};
use crate::domain::job::{Job, JobPhase, JobStatus, Memory, TaskCounts, Timings};
use crate::domain::spec::evaluate::as_posted;
use crate::store::db::{Arg, Statement, Tx, composed, sql};
use crate::store::{BEHIND_ALL, Result, StoreError, from_json, parsed};

macro_rules! columns {
    () => {
        "id, name, dataset_id, status, spec, resolved_spec, warnings, n_pending, result, error,
             stop_reason, load_us, fit_started_us, fit_ended_us, created_at, started_at,
             finished_at, paused_ms"
    };
}

/// The jobs of a project that a filter names, newest first.
pub(super) async fn list(tx: &mut Tx, project: ProjectId, filter: JobFilter) -> Result<Vec<Job>> {
    let rows: Vec<Row> = listed(project, filter).all(&mut *tx).await?;
    let now = tx.now().await?;
    let mut jobs = Vec::with_capacity(rows.len());
    for row in rows {
        let id = row.id.clone();
        match with_tasks(tx, row, now).await {
            // One job that another version wrote should not hide all others.
            Err(error @ StoreError::Corrupt { .. }) => {
                tracing::error!(%error, job = id, "a job cannot be read and is left out of a list");
            }
            job => jobs.push(job?),
        }
    }
    Ok(jobs)
}

/// A plan is made once for all values, so a statement says only what is asked for: jobs of a status and those
/// of a dataset have indexes.
pub(in crate::store) fn listed(project: ProjectId, filter: JobFilter) -> Statement {
    let status = filter.status.map(|status| Arg::from(status.name()));
    let dataset = filter.dataset.map(|id| Arg::from(id.to_string()));
    let of_status = if status.is_some() { " AND status = $4" } else { "" };
    let n = 4 + usize::from(status.is_some());
    let of_dataset =
        dataset.as_ref().map_or_else(String::new, |_| format!(" AND dataset_id = ${n}"));
    let columns = columns!();
    composed(format!(
        "SELECT {columns} FROM jobs WHERE project_id = $1 AND id < $2{of_status}{of_dataset}
         ORDER BY id DESC LIMIT $3"
    ))
    .bind(project.to_string())
    .bind(filter.after.map_or_else(|| BEHIND_ALL.to_owned(), |id| id.to_string()))
    .bind(filter.limit)
    .bind_all(status.into_iter().chain(dataset))
}

#[derive(FromRow)]
struct Row {
    id: String,
    name: Option<String>,
    dataset_id: String,
    status: String,
    spec: String,
    resolved_spec: String,
    warnings: String,
    n_pending: i64,
    result: Option<String>,
    error: Option<String>,
    stop_reason: Option<String>,
    load_us: Option<i64>,
    fit_started_us: Option<i64>,
    fit_ended_us: Option<i64>,
    created_at: i64,
    started_at: Option<i64>,
    finished_at: Option<i64>,
    paused_ms: i64,
}

/// A job of the project.
pub(super) async fn read(tx: &mut Tx, project: ProjectId, id: JobId) -> Result<Option<Job>> {
    let row: Option<Row> =
        sql(concat!("SELECT ", columns!(), " FROM jobs WHERE project_id = $1 AND id = $2"))
            .bind(project.to_string())
            .bind(id.to_string())
            .optional(&mut *tx)
            .await?;
    match row {
        None => Ok(None),
        Some(row) => {
            let now = tx.now().await?;
            with_tasks(tx, row, now).await.map(Some)
        }
    }
}

async fn with_tasks(tx: &mut Tx, row: Row, now: Timestamp) -> Result<Job> {
    let states: Vec<(String, i64, i64, f64, i64, Option<i64>)> = sql(
        "SELECT state, COUNT(*), MAX(attempt), SUM(progress), MAX(memory_bytes), MAX(peak_bytes)
         FROM tasks WHERE job_id = $1 GROUP BY state",
    )
    .bind(&row.id)
    .all(&mut *tx)
    .await?;
    let mut tasks = TaskCounts::default();
    let mut memory = Memory::default();
    let mut n_done = 0.0;
    for (state, n, _, progress, estimated_bytes, peak_bytes) in &states {
        memory.estimated_bytes = memory.estimated_bytes.max(*estimated_bytes);
        memory.peak_bytes = memory.peak_bytes.max(*peak_bytes);
        tasks.total += n;
        n_done += if state == "succeeded" { *n as f64 } else { *progress };
        match state.as_str() {
            "queued" | "blocked" => tasks.queued += n,
            "running" => tasks.running += n,
            "succeeded" => tasks.succeeded += n,
            "failed" => tasks.failed += n,
            _ => {}
        }
    }
    let attempt = states.iter().map(|(_, _, attempt, ..)| *attempt).max().unwrap_or(0);
    let progress = (n_done / tasks.total.max(1) as f64).min(1.0);
    let after = dependencies(tx, &row.id).await?;
    row.job((tasks, memory), progress, attempt, (after, now))
}

impl Row {
    fn job(
        self,
        (tasks, memory): (TaskCounts, Memory),
        progress: f64,
        attempt: i64,
        (after, now): (Vec<JobId>, Timestamp),
    ) -> Result<Job> {
        let status = JobStatus::from_name(&self.status)
            .ok_or_else(|| StoreError::corrupt("job status", &self.status))?;
        let created_at = Timestamp(self.created_at);
        let started_at = self.started_at.map(Timestamp);
        let finished_at = self.finished_at.map(Timestamp);
        let seconds = |us: i64| us as f64 / 1e6;
        let resolved_spec: Value = from_json("resolved spec", &self.resolved_spec)?;
        Ok(Job {
            id: parsed("job id", &self.id)?,
            name: self.name,
            status,
            phase: match status {
                JobStatus::Waiting | JobStatus::Queued => JobPhase::Waiting,
                _ if status.has_ended() => JobPhase::Done,
                _ if started_at.is_none() => JobPhase::Waiting,
                _ if self.n_pending > 0 => JobPhase::CrossValidation,
                _ => JobPhase::Refit,
            },
            progress,
            eta_s: started_at
                .filter(|_| status == JobStatus::Running && progress > 0.0)
                .map(|Timestamp(started)| Timestamp(started + self.paused_ms))
                .map(|started| now.seconds_since(started) * (1.0 - progress) / progress),
            attempt,
            spec: from_json("spec", &self.spec)?,
            metadata: resolved_spec.get("metadata").cloned().unwrap_or_default(),
            resolved_spec: as_posted(resolved_spec),
            dataset_id: parsed("dataset id", &self.dataset_id)?,
            after,
            tasks,
            memory,
            timings: Timings {
                queued_s: started_at.map(|started| started.seconds_since(created_at)),
                load_s: self.load_us.map(seconds),
                fit_s: self.fit_started_us.zip(self.fit_ended_us).map(|(a, b)| seconds(b - a)),
                total_s: finished_at.map(|finished| finished.seconds_since(created_at)),
            },
            result: self.result.map(|text| from_json("result", &text)).transpose()?,
            error: self.error.map(|text| from_json("error", &text)).transpose()?,
            stop_reason: self.stop_reason,
            warnings: from_json("warnings", &self.warnings)?,
            created_at,
            started_at,
            finished_at,
        })
    }
}
