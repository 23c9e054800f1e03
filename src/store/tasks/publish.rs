//! Publishing what tasks did: many in one transaction, each exactly once.
//!
//! A task's row comes first, and only whoever holds its lease may change it; the outcome of anybody
//! else is refused and nothing of it is written. The job's row comes last.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Value, json};

use super::claim::mark_running;
use super::{BACKOFF_MS, ClaimedTask, JobContext, TaskKind, checkpoints, forget_progress};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{JobId, ModelId, ProjectId};
use crate::domain::job::{FoldResult, JobError, JobEvent, JobResult, JobStatus};
use crate::domain::model::ModelCard;
use crate::domain::predictions::FoldPredictions;
use crate::store::db::{Arg, Tx, among, composed, rows, sql, values};
use crate::store::events::Logged;
use crate::store::jobs::{let_go, open_last, set_status};
use crate::store::leaving::UNLESS_LEAVING;
use crate::store::{Result, Store, StoreError, events, json, parsed};

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

/// What became of an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// It was accepted.
    Accepted,
    /// The bytes of its model may be gone, so that its task is to be done again.
    PutBack,
    /// Somebody else holds the task, or nobody: nothing of it was written.
    Refused,
}

/// A model about to be published with its task.
#[derive(Debug)]
pub struct NewModel {
    /// Its id.
    pub id: ModelId,
    /// The blob's name.
    pub sha256: String,
    /// The blob was stored after this, as [`Store::now`] has said it; if that is not known, after the task
    /// was claimed.
    pub stored_after: Option<Timestamp>,
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
struct Tally {
    project: ProjectId,
    status: JobStatus,
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

impl Tally {
    fn new(project: ProjectId, status: JobStatus) -> Self {
        Self {
            project,
            status,
            started_us: None,
            ended_us: None,
            load_us: 0,
            folds: Vec::new(),
            histories: Vec::new(),
            events: Vec::new(),
            end: None,
        }
    }
}

enum End {
    Succeeded(Box<JobResult>),
    Failed(JobError),
}

impl Store {
    /// Publishes outcomes; says of each what became of it.
    ///
    /// # Errors
    /// When the database fails; then none was accepted.
    pub async fn publish(&self, finished: &[Finished]) -> Result<Vec<Published>> {
        retrying!(self.publish_once(finished))
    }

    async fn publish_once(&self, finished: &[Finished]) -> Result<Vec<Published>> {
        let mut became = vec![Published::Refused; finished.len()];
        if finished.is_empty() {
            return Ok(became);
        }
        let jobs: BTreeSet<JobId> = finished.iter().map(|item| item.task.job.id).collect();
        let mut tx = self.db.begin().await?;
        if finished.iter().any(|item| item.outcome.model().is_some()) {
            tx.now_to_name().await?;
        }
        let mut leases = leases(&mut tx, finished.iter().map(|item| item.task.id)).await?;
        // A job that was deleted meanwhile takes nothing, and keeps nobody else from publishing.
        let Statuses { mut statuses, unstarted, now } = statuses(&mut tx, &jobs).await?;
        let mut held: Vec<(usize, &Finished)> = finished.iter().enumerate().collect();
        // A lease is used up by the first outcome, should there be two of one task.
        held.retain(|(_, Finished { task, .. })| {
            let held = leases.get(&task.id).is_some_and(|lease| lease.is_of(task));
            held && statuses.contains_key(&task.job.id) && leases.remove(&task.id).is_some()
        });
        if held.is_empty() {
            return Ok(became);
        }
        start(&mut tx, &held, (&mut statuses, &unstarted), now).await?;
        let leaving = insert_models(&mut tx, &held, &statuses, now).await?;
        let again: BTreeMap<usize, Finished> = held
            .iter()
            .filter(|(_, item)| leaving.contains_key(&item.task.id))
            .map(|(index, item)| (*index, item.to_do_again()))
            .collect();
        for (index, item) in &mut held {
            *item = again.get(index).unwrap_or(item);
        }
        release(&mut tx, &held, (&statuses, &leaving), now).await?;
        let mut tallies: BTreeMap<JobId, Tally> = BTreeMap::new();
        for (index, item) in held {
            became[index] = match again.get(&index) {
                None => Published::Accepted,
                Some(_) => Published::PutBack,
            };
            let JobContext { id, project, .. } = *item.task.job;
            let status = statuses[&id];
            let tally = tallies.entry(id).or_insert_with(|| Tally::new(project, status));
            // A job that is being cancelled takes nothing more.
            if is_open(status) {
                add(&mut tx, item, tally).await?;
            }
        }
        let any_failed = tallies.values().any(|tally| matches!(tally.end, Some(End::Failed(_))));
        let any_ended = tallies.values().any(|tally| tally.end.is_some());
        let any_freed = apply(&mut tx, tallies, now).await?;
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
        Ok(became)
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
///
/// What runs has a token, and nothing else does. That it runs is said so, here and where it ends, because
/// PostgreSQL might otherwise read the index of all that run.
pub(super) async fn leases(
    tx: &mut Tx,
    tasks: impl Iterator<Item = i64>,
) -> Result<HashMap<i64, Lease>> {
    let lock = tx.dialect().for_update();
    let (among, args) = among(tx.dialect(), tasks, 0);
    let rows: Vec<(i64, i64, String)> = composed(format!(
        "SELECT id, attempt, lease_token FROM tasks
         WHERE lease_token IS NOT NULL AND id {among} ORDER BY id{lock}"
    ))
    .bind_all(args)
    .all(tx)
    .await?;
    Ok(rows.into_iter().map(|(id, attempt, token)| (id, Lease { attempt, token })).collect())
}

/// How jobs stand until the transaction ends.
struct Statuses {
    statuses: HashMap<JobId, JobStatus>,
    /// Those of which nobody has noted that they were started.
    unstarted: BTreeSet<JobId>,
    now: Timestamp,
}

/// The statuses of those of the jobs that there are, and the time.
async fn statuses(tx: &mut Tx, jobs: &BTreeSet<JobId>) -> Result<Statuses> {
    let (lock, clock) = (tx.dialect().for_update(), tx.dialect().clock());
    let (among, args) = among(tx.dialect(), jobs.iter().map(JobId::to_string), 0);
    let rows: Vec<(String, String, bool, i64)> = composed(format!(
        "SELECT id, status, started_at IS NULL, {clock} FROM jobs WHERE id {among} ORDER BY id{lock}"
    ))
    .bind_all(args)
    .all(tx)
    .await?;
    let now = Timestamp(rows.first().map_or(0, |(.., now)| *now));
    let (mut statuses, mut unstarted) = (HashMap::new(), BTreeSet::new());
    for (id, status, is_unstarted, _) in rows {
        let id = parsed("job id", &id)?;
        let known = JobStatus::from_name(&status);
        statuses.insert(id, known.ok_or_else(|| StoreError::corrupt("job status", &status))?);
        if is_unstarted {
            unstarted.insert(id);
        }
    }
    Ok(Statuses { statuses, unstarted, now })
}

/// Starts those of the jobs of which nobody has noted yet that they were.
async fn start(
    tx: &mut Tx,
    held: &[(usize, &Finished)],
    (statuses, unstarted): (&mut HashMap<JobId, JobStatus>, &BTreeSet<JobId>),
    now: Timestamp,
) -> Result<()> {
    let mut resting: BTreeMap<(ProjectId, JobId), Timestamp> = BTreeMap::new();
    for (_, Finished { task, .. }) in held {
        let JobContext { id, project, .. } = *task.job;
        if statuses[&id] == JobStatus::Paused && unstarted.contains(&id) {
            let at = resting.entry((project, id)).or_insert(task.claimed_at);
            *at = task.claimed_at.min(*at);
        }
    }
    // What was told to rest before anybody had noted that it runs has run since it was claimed.
    for (job, at) in resting {
        sql("UPDATE jobs SET started_at = $2 WHERE id = $1")
            .bind(job.1.to_string())
            .bind(at.0)
            .execute(&mut *tx)
            .await?;
        events::append(tx, job, now, "started", json!({})).await?;
    }
    let jobs: BTreeSet<JobId> = held.iter().map(|(_, item)| item.task.job.id).collect();
    let queued = jobs.into_iter().filter(|job| statuses[job] == JobStatus::Queued);
    let queued: Vec<JobId> = queued.collect();
    mark_running(tx, &queued, now).await?;
    statuses.extend(queued.into_iter().map(|job| (job, JobStatus::Running)));
    Ok(())
}

/// Where several connections write, whoever changes a job locks its tasks first, in their order, and
/// then the job: two that want the same then wait instead of blocking each other.
pub(super) async fn lock_tasks(tx: &mut Tx, tasks: impl Iterator<Item = i64>) -> Result<()> {
    let lock = tx.dialect().for_update();
    if lock.is_empty() {
        return Ok(());
    }
    let (among, args) = among(tx.dialect(), tasks, 0);
    let text = format!("SELECT id FROM tasks WHERE id {among} ORDER BY id{lock}");
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

/// Moves on tasks whose leases hold; those whose model's bytes are being deleted wait until that is over.
async fn release(
    tx: &mut Tx,
    items: &[(usize, &Finished)],
    (statuses, leaving): (&HashMap<JobId, JobStatus>, &HashMap<i64, Timestamp>),
    now: Timestamp,
) -> Result<()> {
    let mut by_state: BTreeMap<(&str, Option<i64>), Vec<&ClaimedTask>> = BTreeMap::new();
    for (_, item) in items {
        let status = statuses[&item.task.job.id];
        let state = match &item.outcome {
            _ if !is_open(status) => "cancelled",
            Outcome::Fold { .. } | Outcome::Reduced { .. } => "succeeded",
            Outcome::Cancelled => "cancelled",
            Outcome::Failed { .. } => "failed",
            Outcome::Retry(_) | Outcome::Away(_) => again(status),
        };
        let away_until = matches!(item.outcome, Outcome::Away(_))
            .then(|| leaving.get(&item.task.id).map_or(now.0 + AWAY_MS, |until| until.0 + 1));
        by_state.entry((state, away_until)).or_default().push(&item.task);
    }
    for ((state, away_until), tasks) in by_state {
        let tried_again = ["queued", "blocked"].contains(&state);
        let (moved, args): (_, Vec<Arg>) = if tried_again && let Some(until) = away_until {
            let moved = "state = $2, attempt = attempt - 1, available_at = $1";
            (moved, vec![until.into(), state.into()])
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
        let tasks = tasks.into_iter().map(|task| task.id);
        let (among, tasks) = among(tx.dialect(), tasks, args.len());
        composed(format!(
            "UPDATE tasks SET lease_token = NULL, lease_until = NULL, {moved}
             WHERE lease_token IS NOT NULL AND id {among}"
        ))
        .bind_all(args)
        .bind_all(tasks)
        .execute(tx)
        .await?;
    }
    Ok(())
}

/// Adds one accepted outcome to what its job will be told.
async fn add(tx: &mut Tx, item: &Finished, tally: &mut Tally) -> Result<()> {
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
            // What is away fails many tasks alike, again and again: it is told once a publication.
            let is_told = |told: &(&str, Value)| told.0 == "retrying" && told.1["reason"] == *code;
            if matches!(outcome, Outcome::Retry(_)) || !tally.events.iter().any(is_told) {
                let mut data = json!({"reason": code, "detail": detail, "attempt": task.attempt});
                checkpoints::tell_fit_of(tx, &mut data, task).await?;
                tally.events.push(("retrying", data));
            }
        }
    }
    Ok(())
}

/// A claim's worth of folds at the most, so one statement takes them.
async fn insert_folds(tx: &mut Tx, tallies: &mut BTreeMap<JobId, Tally>) -> Result<()> {
    let mut rows: Vec<[Arg; 6]> = Vec::new();
    for (job, tally) in tallies {
        for (idx, result, predictions) in tally.folds.drain(..) {
            let (job, project) = (job.to_string().into(), tally.project.to_string().into());
            let n_test = i64::from(result.n_test).into();
            let result = json("fold", &result)?.into();
            rows.push([job, idx.into(), project, result, n_test, predictions.into()]);
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    let insert = "INSERT INTO folds (job_id, idx, project_id, result, n_test, predictions)";
    values(tx.dialect(), insert, rows, "").execute(tx).await?;
    Ok(())
}

/// Where a task has reported how it went so far, this takes its place.
async fn insert_histories(tx: &mut Tx, tallies: &mut BTreeMap<JobId, Tally>) -> Result<()> {
    let mut rows: Vec<[Arg; 4]> = Vec::new();
    for (job, tally) in tallies {
        for (idx, epochs) in tally.histories.drain(..) {
            let (job, project) = (job.to_string().into(), tally.project.to_string().into());
            rows.push([job, idx.into(), project, epochs.into()]);
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    let insert = "INSERT INTO histories (job_id, idx, project_id, epochs)";
    let replace =
        "ON CONFLICT (job_id, idx) DO UPDATE SET epochs = excluded.epochs, finished = TRUE";
    values(tx.dialect(), insert, rows, replace).execute(tx).await?;
    Ok(())
}

/// Inserts the models, but for those whose bytes may be gone: until when they may go, by the task.
async fn insert_models(
    tx: &mut Tx,
    held: &[(usize, &Finished)],
    statuses: &HashMap<JobId, JobStatus>,
    now: Timestamp,
) -> Result<HashMap<i64, Timestamp>> {
    let mut leaving = HashMap::new();
    for (_, Finished { task, outcome, .. }) in held {
        // A job that is being cancelled takes nothing more.
        if let Some(model) = outcome.model()
            && is_open(statuses[&task.job.id])
            && !insert_model(tx, task, model, now).await?
        {
            tracing::warn!(sha256 = model.sha256, "a model's bytes are leaving; it is made again");
            leaving.insert(task.id, tx.leaving_until(&model.sha256).await?);
        }
    }
    Ok(leaving)
}

/// `false` where its bytes may be gone.
async fn insert_model(
    tx: &mut Tx,
    task: &ClaimedTask,
    model: &NewModel,
    now: Timestamp,
) -> Result<bool> {
    let job = &task.job;
    let added = composed(format!(
        "INSERT INTO models (sha256, id, project_id, name, job_id, dataset_id, size_bytes, card,
                             created_at)
         SELECT $1, $3, $4, $5, $6, $7, $8, $9, $10 {UNLESS_LEAVING}"
    ))
    .bind(&model.sha256)
    .bind(model.stored_after.unwrap_or(task.claimed_at).0)
    .bind(model.id.to_string())
    .bind(job.project.to_string())
    .bind(&job.spec.name)
    .bind(job.id.to_string())
    .bind(job.spec.dataset_id.to_string())
    .bind(model.size_bytes as i64)
    .bind(json("model card", &model.card)?)
    .bind(now.0)
    .execute(tx)
    .await?;
    Ok(added > 0)
}

/// Tells the jobs what happened to them; whether a task became available.
async fn apply(tx: &mut Tx, mut tallies: BTreeMap<JobId, Tally>, now: Timestamp) -> Result<bool> {
    let n_folds: HashMap<JobId, i64> =
        tallies.iter().map(|(job, tally)| (*job, tally.folds.len() as i64)).collect();
    insert_folds(tx, &mut tallies).await?;
    insert_histories(tx, &mut tallies).await?;
    let (mut events, mut changes): (_, Vec<[Arg; 8]>) = (Vec::new(), Vec::new());
    for (job, tally) in &mut tallies {
        let mut ended = [Arg::from(None::<&str>), None::<&str>.into(), None::<i64>.into()];
        if let Some(End::Succeeded(result)) = &tally.end {
            let status = tally.status.after(JobEvent::AllTasksSucceeded)?.name();
            tracing::info!(%job, "a job succeeded");
            tally.events.push((status, json!({})));
            ended = [status.into(), json("result", result)?.into(), now.0.into()];
        }
        let of_job = (tally.project, *job);
        events.extend(tally.events.drain(..).map(|(kind, data)| Logged {
            job: of_job,
            kind,
            data,
        }));
        let [status, result, finished_at] = ended;
        let (started_us, ended_us) = (tally.started_us.into(), tally.ended_us.into());
        let (n_folds, load_us) = (n_folds[job].into(), tally.load_us.into());
        let job = job.to_string().into();
        changes.push([job, n_folds, started_us, ended_us, load_us, status, result, finished_at]);
    }
    events::append_all(tx, now, &events).await?;
    let mut last = Vec::new();
    let mut frees = false;
    for (job, n_pending, is_limited) in change_jobs(tx, changes).await? {
        let id = parsed("job id", &job)?;
        let Some(Tally { project, status, end, .. }) = tallies.remove(&id) else { continue };
        match (status, end) {
            (JobStatus::Cancelling, _) => settle_cancelled(tx, (project, id), now).await?,
            (_, Some(End::Failed(error))) => {
                fail_job(tx, (project, id), status, &error, now).await?;
            }
            (JobStatus::Running, None) if n_folds[&id] > 0 && is_limited => {
                let_go(tx, id, now).await?;
                frees = true;
            }
            (JobStatus::Running, None) if n_folds[&id] > 0 && n_pending == 0 => last.push(job),
            (_, Some(End::Succeeded(_)) | None) => {}
        }
    }
    if !last.is_empty() {
        open_last(tx, last, now).await?;
        frees = true;
    }
    Ok(frees)
}

/// Changes each of the jobs by a row: its id, how many folds were published, when the first of them began and
/// the last ended, how long they waited for data, and, of one that has succeeded, its status, result and end.
/// Their ids, how many folds are left, and whether only so many may run at once.
async fn change_jobs(tx: &mut Tx, changes: Vec<[Arg; 8]>) -> Result<Vec<(String, i64, bool)>> {
    let (rows, args) = rows(tx.dialect(), changes);
    composed(format!(
        "UPDATE jobs SET n_pending = n_pending - column2,
                fit_started_us = CASE WHEN fit_started_us <= column3 OR column3 IS NULL
                                      THEN fit_started_us ELSE column3 END,
                fit_ended_us = CASE WHEN fit_ended_us >= column4 OR column4 IS NULL
                                    THEN fit_ended_us ELSE column4 END,
                load_us = CASE WHEN load_us >= column5 THEN load_us ELSE column5 END,
                status = COALESCE(column6, status), result = COALESCE(column7, result),
                finished_at = COALESCE(column8, finished_at),
                stop_reason = CASE WHEN column6 IS NULL THEN stop_reason ELSE 'completed' END
         FROM {rows} WHERE id = column1
         RETURNING id, n_pending, max_parallel IS NOT NULL"
    ))
    .bind_all(args)
    .all(tx)
    .await
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
