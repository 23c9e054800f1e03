//! Claiming: queued tasks are taken under one new lease, and what is needed to carry them out is read.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::json;

use super::{ClaimedTask, JobContext, TaskKind, checkpoints, project_and_status, publish};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{JobId, ProjectId};
use crate::domain::job::{JobError, JobEvent, JobStatus};
use crate::store::db::{Tx, composed, list};
use crate::store::jobs::folds;
use crate::store::{Result, Store, StoreError, events, from_json, parsed};

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

/// A task that was just taken.
#[derive(sqlx::FromRow)]
struct Taken {
    id: i64,
    job_id: String,
    kind: String,
    idx: i64,
    attempt: i64,
    max_attempts: i64,
    memory_bytes: i64,
    /// Since when it could have been claimed.
    available_at: i64,
    cost_us: i64,
    /// Whether an earlier attempt's fit was saved.
    is_saved: bool,
    /// Whether its job runs already.
    job_runs: bool,
    /// When it was taken, by the database's clock.
    taken_at: i64,
}

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
        // What is looked at and not taken is hidden from other workers meanwhile. So as many as could
        // begin now come first, and only if they are short about as many more as there is budget for.
        let most = request.n_idle.clamp(1, request.max_tasks);
        let mut rows = take(&mut tx, request, (most, request.budget_us)).await?;
        let n = rows.len() as i64;
        let spent_us: i64 = rows.iter().map(|row| row.cost_us).sum();
        let left_us = request.budget_us - spent_us;
        if n == most && left_us > 0 && n < request.max_tasks {
            let more = (left_us / (spent_us / n).max(1) + 1).min(request.max_tasks - n);
            rows.extend(take(&mut tx, request, (more, left_us)).await?);
        }
        let Some(now) = rows.first().map(|row| Timestamp(row.taken_at)) else {
            return Ok(Vec::new());
        };
        // RETURNING promises no order; jobs are locked in that of their ids, as everywhere.
        rows.sort_unstable_by(|a, b| (&a.job_id, a.id).cmp(&(&b.job_id, b.id)));
        let mut tasks = Vec::with_capacity(rows.len());
        let saved: Vec<i64> = rows.iter().filter(|row| row.is_saved).map(|row| row.id).collect();
        let mut saved = checkpoints::of_tasks(&mut tx, &saved).await?;
        let jobs = self.start(&mut tx, &rows, now).await?;
        let lease_token: Arc<str> = request.lease_token.as_str().into();
        for row in rows {
            let Taken { id, job_id, attempt, .. } = row;
            // A job that cannot be started has failed, and its tasks with it.
            let Some(Some(job)) = jobs.get(&parsed("job id", &job_id)?).cloned() else { continue };
            let kind = match row.kind.as_str() {
                "fold" => TaskKind::Fold { idx: row.idx as usize },
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
                max_attempts: row.max_attempts,
                lease_token,
                memory_bytes: row.memory_bytes.unsigned_abs(),
                waited_ms: (row.taken_at - row.available_at).max(0),
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
        for job in jobs.into_keys() {
            self.hints.job_changed(job);
        }
        Ok(tasks)
    }

    /// Reads what the tasks' jobs need and marks them as running. A job whose documents this version
    /// cannot read, or that is gone, fails here, alone, so that those behind it in the line go on.
    async fn start(
        &self,
        tx: &mut Tx,
        rows: &[Taken],
        now: Timestamp,
    ) -> Result<BTreeMap<JobId, Option<Arc<JobContext>>>> {
        let mut runs = BTreeMap::new();
        for row in rows {
            runs.insert(parsed("job id", &row.job_id)?, row.job_runs);
        }
        let mut jobs: BTreeMap<JobId, Option<Arc<JobContext>>> =
            runs.keys().map(|id| (*id, self.contexts.get(*id))).collect();
        let unread: Vec<JobId> =
            jobs.iter().filter(|(_, context)| context.is_none()).map(|(id, _)| *id).collect();
        let mut read = contexts(tx, &unread).await?;
        // A job that runs stays as it is, and workers that claim of it need not wait for each other:
        // whoever ends, pauses or cancels it locks its tasks too. What locks comes last.
        let queued: Vec<JobId> =
            runs.into_iter().filter(|(_, runs)| !runs).map(|(id, _)| id).collect();
        mark_running(tx, &queued, now).await?;
        for id in unread {
            match read.remove(&id).unwrap_or_else(|| Err(sqlx::Error::RowNotFound.into())) {
                Ok(context) => _ = jobs.insert(id, Some(self.contexts.put(context))),
                Err(error) => {
                    if let Some((project, _)) = project_and_status(tx, id).await? {
                        fail_unreadable(tx, (project, id), error, now).await?;
                    }
                }
            }
        }
        Ok(jobs)
    }
}

/// Starts those of the jobs that nobody has started or is starting. Who takes tasks of a job that another
/// claim is starting does not wait for it: should that one be undone, whoever publishes first starts the job.
pub(super) async fn mark_running(tx: &mut Tx, jobs: &[JobId], now: Timestamp) -> Result<()> {
    if jobs.is_empty() {
        return Ok(());
    }
    let (before, skip_locked) = (JobStatus::Queued, tx.for_update_skip_locked());
    let (ids, args) = list(jobs.iter().map(JobId::to_string), 0);
    let n = args.len();
    // A job that was paused before is started once.
    let started: Vec<String> = composed(format!(
        "UPDATE jobs SET status = ${}, started_at = COALESCE(started_at, ${})
         WHERE id IN (SELECT id FROM jobs WHERE id IN ({ids}) AND status = ${}{skip_locked})
         RETURNING id",
        n + 1,
        n + 2,
        n + 3
    ))
    .bind_all(args)
    .bind(before.after(JobEvent::TaskClaimed)?.name())
    .bind(now.0)
    .bind(before.name())
    .column(&mut *tx)
    .await?;
    let started = started.iter().map(|id| parsed("job id", id)).collect::<Result<Vec<JobId>>>()?;
    events::append_to_each(tx, &started, now, "started").await
}

/// Takes the first tasks in line, of at most so many those whose predecessors fit the budget.
async fn take(
    tx: &mut Tx,
    request: &ClaimRequest<'_>,
    (most, budget_us): (i64, i64),
) -> Result<Vec<Taken>> {
    // What another worker is claiming at this moment is passed over.
    let skip_locked = tx.for_update_skip_locked();
    let requirements = request.requirements.iter().map(String::as_str);
    let (requirements, args) = list(requirements, 6);
    let now = tx.clock();
    composed(format!(
        "WITH line AS MATERIALIZED (
                 SELECT id, cost_us, priority, turn FROM tasks
                 WHERE state = 'queued' AND available_at <= {now} AND memory_bytes <= $6
                 AND requires IN (VALUES {requirements})
                 ORDER BY priority DESC, turn, id LIMIT $4{skip_locked})
             UPDATE tasks SET state = 'running', attempt = attempt + 1, lease_token = $1,
                              lease_until = {now} + $2, worker = $3
             WHERE id IN (
                 SELECT id FROM (
                     SELECT id, SUM(cost_us) OVER (
                                ORDER BY priority DESC, turn, id
                            ) - cost_us AS before_us FROM line
                 ) AS sized WHERE before_us < $5)
             RETURNING id, job_id, kind, idx, attempt, max_attempts, memory_bytes, available_at,
                       cost_us, {now} AS taken_at,
                       EXISTS (SELECT 1 FROM checkpoints WHERE task_id = tasks.id) AS is_saved,
                       EXISTS (SELECT 1 FROM jobs WHERE jobs.id = tasks.job_id
                               AND status = 'running') AS job_runs",
    ))
    .bind(&request.lease_token)
    .bind(request.lease_ms)
    .bind(request.worker)
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

/// What those of the jobs need that are there with their dataset, or why it cannot be read.
async fn contexts(tx: &mut Tx, jobs: &[JobId]) -> Result<HashMap<JobId, Result<JobContext>>> {
    if jobs.is_empty() {
        return Ok(HashMap::new());
    }
    let (ids, args) = list(jobs.iter().map(JobId::to_string), 0);
    let rows: Vec<ContextRow> = composed(format!(
        "SELECT jobs.id, jobs.project_id, resolved_spec, classes, warnings, sha256, reading, variants,
                traceparent
         FROM jobs JOIN datasets ON datasets.id = jobs.dataset_id WHERE jobs.id IN ({ids})"
    ))
    .bind_all(args)
    .all(tx)
    .await?;
    rows.into_iter().map(|row| Ok((parsed("job id", &row.id)?, row.read()))).collect()
}

/// A job's and its dataset's documents, as stored.
#[derive(sqlx::FromRow)]
struct ContextRow {
    id: String,
    project_id: String,
    resolved_spec: String,
    classes: String,
    warnings: String,
    sha256: String,
    reading: String,
    variants: Option<String>,
    traceparent: Option<String>,
}

impl ContextRow {
    fn read(self) -> Result<JobContext> {
        let variants = self.variants.map(|text| from_json("variants", &text)).transpose()?;
        Ok(JobContext {
            id: parsed("job id", &self.id)?,
            project: parsed("project id", &self.project_id)?,
            spec: from_json("resolved spec", &self.resolved_spec)?,
            variants: variants.unwrap_or_default(),
            classes: from_json("classes", &self.classes)?,
            warnings: from_json("warnings", &self.warnings)?,
            data_sha256: self.sha256,
            reading: from_json("dataset's reading", &self.reading)?,
            traceparent: self.traceparent,
        })
    }
}
