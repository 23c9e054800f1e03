//! Claiming: queued tasks are taken under one new lease, and what is needed to carry them out is read.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::checkpoints::Resumed;
use super::{ClaimedTask, Holding, JobContext, TaskKind, checkpoints, project_and_status, publish};
use crate::domain::clock::Timestamp;
use crate::domain::ids::JobId;
use crate::domain::job::{JobError, JobEvent, JobStatus};
use crate::store::db::{Db, Tx, among, composed};
use crate::store::jobs::{folds_of, lock_tasks_of};
use crate::store::{N_READY, Result, Store, StoreError, events, from_json, parsed};

/// What a worker asks for.
#[derive(Clone, Debug)]
pub struct ClaimRequest<'a> {
    /// The worker's id.
    pub worker: &'a str,
    /// A fresh random token.
    pub lease_token: String,
    /// How long the lease lasts unless renewed.
    pub lease_ms: i64,
    /// Expected microseconds of work to take; at least one task is taken if there is any.
    pub budget_us: i64,
    /// At most so many tasks.
    pub max_tasks: i64,
    /// Each of which may need so much memory.
    pub max_memory_bytes: i64,
    /// Whether a [last try](ClaimedTask::is_last_try) may be among them. Two of them should not be at work in
    /// one process: what ends processes then ends no job but its own.
    pub may_be_last_try: bool,
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
    /// Whether an earlier attempt's fit was saved.
    is_saved: bool,
    /// Whether its job runs already.
    job_runs: bool,
    /// When it was taken, by the database's clock.
    taken_at: i64,
}

impl Taken {
    fn holding(&self, lease_token: &Arc<str>) -> Result<Holding> {
        let (job, lease_token) = (parsed("job id", &self.job_id)?, Arc::clone(lease_token));
        Ok(Holding { task: self.id, attempt: self.attempt, lease_token, job })
    }
}

/// What a claim has begun, for the logs of its jobs.
#[derive(Clone, Debug)]
pub struct Begun {
    at: Timestamp,
    /// The jobs that tasks were claimed of.
    jobs: BTreeSet<JobId>,
    /// Those of them that nobody had started.
    starting: Vec<JobId>,
    /// Fits that go on.
    resumed: Vec<Resumed>,
}

impl Begun {
    /// What is to be noted of claimed tasks; nothing where there are none.
    pub fn of(tasks: &[ClaimedTask]) -> Option<Self> {
        let at = tasks.first()?.claimed_at;
        let starting: BTreeSet<JobId> =
            tasks.iter().filter(|task| task.starts_job).map(|task| task.job.id).collect();
        Some(Self {
            at,
            jobs: tasks.iter().map(|task| task.job.id).collect(),
            starting: starting.into_iter().collect(),
            resumed: tasks.iter().filter_map(Resumed::of).collect(),
        })
    }
}

impl Store {
    /// Takes queued tasks under one new lease: the first in line, and as many behind it as fit the
    /// budget. One that was tried before is taken by itself: it may be what its worker was lost by. What
    /// that began is to be noted by [`note`](Self::note) next.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim(&self, request: &ClaimRequest<'_>) -> Result<Vec<ClaimedTask>> {
        let mut rows = retrying!(take(&self.db, request))?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        // RETURNING promises no order; those first in line come first.
        rows.sort_unstable_by_key(|row| row.id);
        let lease_token: Arc<str> = request.lease_token.as_str().into();
        let prepared = self.prepare(&rows, &lease_token).await;
        if prepared.is_err() {
            let taken =
                rows.iter().map(|row| row.holding(&lease_token)).collect::<Result<Vec<_>>>()?;
            self.hand_back(&taken).await?;
        }
        let tasks = prepared?;
        if tasks.is_empty() {
            // All of it was unreadable and has ended; who comes next should not wait for a poll.
            self.hints.work_available();
        }
        Ok(tasks)
    }

    /// Takes nothing, on each of the connections that stand ready, so that the first claims do not wait until
    /// theirs has read and planned the statement.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rehearse(&self, request: &ClaimRequest<'_>) -> Result<()> {
        let request = ClaimRequest { max_tasks: 0, ..request.clone() };
        let claims = (0..N_READY).map(|_| take(&self.db, &request));
        futures_util::future::try_join_all(claims).await?;
        Ok(())
    }

    /// Reads what the tasks need. A job whose documents this version cannot read, or that is gone, fails
    /// here, alone, so that those behind it in the line go on.
    async fn prepare(&self, rows: &[Taken], lease_token: &Arc<str>) -> Result<Vec<ClaimedTask>> {
        let mut jobs: BTreeMap<JobId, Option<Arc<JobContext>>> = BTreeMap::new();
        for row in rows {
            let id = parsed("job id", &row.job_id)?;
            jobs.entry(id).or_insert_with(|| self.contexts.get(id));
        }
        let unread: Vec<JobId> =
            jobs.iter().filter(|(_, context)| context.is_none()).map(|(id, _)| *id).collect();
        let reduced = rows.iter().filter(|row| row.kind != "fold");
        let reduced: Vec<JobId> =
            reduced.map(|row| parsed("job id", &row.job_id)).collect::<Result<_>>()?;
        let (mut read, mut published) =
            tokio::try_join!(contexts(&self.db, &unread), folds_of(&self.db, &reduced))?;
        for id in unread {
            match read.remove(&id).unwrap_or_else(|| Err(sqlx::Error::RowNotFound.into())) {
                Ok(context) => _ = jobs.insert(id, Some(self.contexts.put(context))),
                Err(error) => self.fail_unreadable(id, error).await?,
            }
        }
        let saved: Vec<i64> = rows.iter().filter(|row| row.is_saved).map(|row| row.id).collect();
        let mut saved = checkpoints::of_tasks(&self.db, &saved).await?;
        let mut tasks = Vec::with_capacity(rows.len());
        for row in rows {
            // A job that cannot be started has failed, and its tasks with it.
            let Some(Some(job)) = jobs.get(&parsed("job id", &row.job_id)?).cloned() else {
                continue;
            };
            let kind = match row.kind.as_str() {
                "fold" => TaskKind::Fold { idx: row.idx as usize },
                _ => match published.remove(&job.id).unwrap_or_else(|| Ok(Vec::new())) {
                    Ok(folds) => TaskKind::Reduce { folds },
                    Err(error) => {
                        self.fail_unreadable(job.id, error).await?;
                        continue;
                    }
                },
            };
            tasks.push(ClaimedTask {
                id: row.id,
                attempt: row.attempt,
                max_attempts: row.max_attempts,
                lease_token: Arc::clone(lease_token),
                memory_bytes: row.memory_bytes.unsigned_abs(),
                claimed_at: Timestamp(row.taken_at),
                waited_ms: (row.taken_at - row.available_at).max(0),
                starts_job: !row.job_runs,
                checkpoint: saved.remove(&row.id),
                kind,
                job,
            });
        }
        Ok(tasks)
    }

    /// Ends a job whose documents this version cannot read; any other error is passed on.
    async fn fail_unreadable(&self, job: JobId, error: StoreError) -> Result<()> {
        let missing = matches!(error, StoreError::Database(sqlx::Error::RowNotFound));
        if !(missing || matches!(error, StoreError::Corrupt { .. })) {
            return Err(error);
        }
        tracing::error!(%error, %job, "a job cannot be read");
        let detail = "the job or its dataset was stored by another version, or is gone";
        let error = JobError::new("job_unreadable", detail);
        let mut tx = self.db.begin().await?;
        lock_tasks_of(&mut tx, job).await?;
        if let Some((project, status)) = project_and_status(&mut tx, job).await?
            && publish::is_open(status)
        {
            let now = tx.now().await?;
            publish::fail_job(&mut tx, (project, job), status, &error, now).await?;
        }
        tx.commit().await
    }

    /// Notes in their jobs what a claim has begun. The tasks may run meanwhile: should this not be done,
    /// whoever publishes first starts the job.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note(&self, begun: &Begun) -> Result<()> {
        retrying!(self.note_once(begun))?;
        for job in &begun.jobs {
            self.hints.job_changed(*job);
        }
        Ok(())
    }

    async fn note_once(&self, begun: &Begun) -> Result<()> {
        if begun.starting.is_empty() && begun.resumed.is_empty() {
            return Ok(());
        }
        let mut tx = self.db.begin().await?;
        mark_running(&mut tx, &begun.starting, begun.at).await?;
        for resumed in &begun.resumed {
            resumed.note(&mut tx, begun.at).await?;
        }
        tx.commit().await
    }
}

/// Starts those of the jobs that nobody has started or is starting: who takes tasks of a job that another
/// claim is starting does not wait for it.
pub(super) async fn mark_running(tx: &mut Tx, jobs: &[JobId], now: Timestamp) -> Result<()> {
    if jobs.is_empty() {
        return Ok(());
    }
    let (before, skip_locked) = (JobStatus::Queued, tx.dialect().for_update_skip_locked());
    let (among, args) = among(tx.dialect(), jobs.iter().map(JobId::to_string), 0);
    let n = args.len();
    // A job that was paused before is started once.
    let started: Vec<String> = composed(format!(
        "UPDATE jobs SET status = ${}, started_at = COALESCE(started_at, ${})
         WHERE id IN (SELECT id FROM jobs WHERE id {among} AND status = ${}{skip_locked})
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
async fn take(db: &Db, request: &ClaimRequest<'_>) -> Result<Vec<Taken>> {
    let dialect = db.dialect();
    // What another worker is claiming at this moment is passed over. What is locked and not taken would be
    // hidden from others meanwhile, so the line is first looked over for how many of it fit.
    let skip_locked = dialect.for_update_skip_locked();
    let requirements = request.requirements.iter().map(String::as_str);
    let (among_these, args) = among(dialect, requirements, 7);
    // A claim that is forgotten is made again, and what came of it refused.
    let (now, unsynced) = (dialect.clock(), dialect.unsynced());
    let may_take = format!(
        "state = 'queued' AND available_at <= {now} AND memory_bytes <= $6
         AND ($7 OR attempt = 0 OR attempt + 1 < max_attempts)
         AND requires {among_these} ORDER BY priority DESC, turn, id"
    );
    // How much is before each, and how many were tried before, itself included.
    let sums = "SUM(cost_us) OVER line_so_far - cost_us AS before_us,
                SUM(CASE WHEN attempt > 0 THEN 1 ELSE 0 END) OVER line_so_far AS n_tried";
    let so_far = "WINDOW line_so_far AS (ORDER BY priority DESC, turn, id)";
    let fits = "before_us < $5 AND (before_us = 0 OR n_tried = 0)";
    composed(format!(
        "WITH line AS MATERIALIZED (
                 SELECT id, cost_us, attempt, priority, turn FROM tasks WHERE {may_take}
                 LIMIT (SELECT COUNT(*) FROM (
                     SELECT {sums}
                     FROM (SELECT id, cost_us, attempt, priority, turn FROM tasks WHERE {may_take} LIMIT $4)
                          AS ahead {so_far}
                 ) AS sized WHERE {fits}){skip_locked})
             UPDATE tasks SET state = 'running', attempt = attempt + 1, lease_token = $1,
                              lease_until = {now} + $2, worker = $3
             WHERE id IN (SELECT id FROM (SELECT id, {sums} FROM line {so_far}) AS sized WHERE {fits})
             RETURNING id, job_id, kind, idx, attempt, max_attempts, memory_bytes, available_at,
                       {now} AS taken_at,
                       EXISTS (SELECT 1 FROM checkpoints WHERE task_id = tasks.id) AS is_saved,
                       {unsynced} AND EXISTS (SELECT 1 FROM jobs WHERE jobs.id = tasks.job_id
                                              AND status = 'running') AS job_runs",
    ))
    .bind(&request.lease_token)
    .bind(request.lease_ms)
    .bind(request.worker)
    .bind(request.max_tasks)
    .bind(request.budget_us)
    .bind(request.max_memory_bytes)
    .bind(request.may_be_last_try)
    .bind_all(args)
    .all(db.writer())
    .await
}

/// What those of the jobs need that are there with their dataset, or why it cannot be read.
async fn contexts(db: &Db, jobs: &[JobId]) -> Result<HashMap<JobId, Result<JobContext>>> {
    if jobs.is_empty() {
        return Ok(HashMap::new());
    }
    let (among, args) = among(db.dialect(), jobs.iter().map(JobId::to_string), 0);
    let rows: Vec<ContextRow> = composed(format!(
        "SELECT jobs.id, jobs.project_id, resolved_spec, classes, warnings, sha256, reading, variants,
                traceparent
         FROM jobs JOIN datasets ON datasets.id = jobs.dataset_id WHERE jobs.id {among}"
    ))
    .bind_all(args)
    .all(db)
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
