//! The tasks of a job: planned with it, and brought into the line.
//!
//! A line has an order: by priority, and within one by turns. A task's turn is how many microseconds
//! of its own project's work stand before it, counted from where the line was when it joined. So a
//! project with ten thousand tasks and one with a single task go side by side, and nobody has to keep
//! count (start-time fair queueing: Goyal, Vin and Cheng, SIGCOMM 1996).

use crate::domain::clock::Timestamp;
use crate::domain::ids::{JobId, ProjectId};
use crate::domain::spec::CheckedJob;
use crate::store::Result;
use crate::store::db::{Arg, Tx, among, composed, sql, values};

/// Rows in one INSERT; each binds thirteen values and SQLite takes 32,766.
const ROWS_PER_INSERT: usize = 1_000;

/// Inserts a job's tasks: one a fit, and a last one that reduces and refits. Those that may run stand
/// in the line.
pub(super) async fn insert_tasks(
    tx: &mut Tx,
    (project, job): (ProjectId, JobId),
    checked: &CheckedJob,
    waits: bool,
    now: Timestamp,
) -> Result<()> {
    let spec = &checked.spec;
    let (n_fits, cost_us) = (checked.n_fits(), checked.estimate.task_cost_us);
    let memory_bytes = i64::try_from(checked.estimate.memory_bytes).unwrap_or(i64::MAX);
    let n_open = if waits { 0 } else { spec.max_parallel.map_or(n_fits, |most| most as usize) };
    let last_state = if n_fits == 0 && !waits { "queued" } else { "blocked" };
    let folds =
        (0..n_fits).map(|idx| ("fold", idx, if idx < n_open { "queued" } else { "blocked" }));
    let tasks: Vec<_> = folds.chain([("reduce", n_fits, last_state)]).collect();
    let requires = spec.requires.to_string();
    let first =
        if waits { 0 } else { next_turn(tx, project, spec.priority.into(), &requires).await? };
    for chunk in tasks.chunks(ROWS_PER_INSERT) {
        let rows = chunk.iter().map(|(kind, place, state)| -> [Arg; 13] {
            let (job, project) = (job.to_string().into(), project.to_string().into());
            let idx = if *kind == "fold" { *place as i64 } else { 0 };
            let turn = first.saturating_add(cost_us.saturating_mul(*place as i64));
            let (kind, idx, state) = ((*kind).into(), idx.into(), (*state).into());
            let (priority, attempt) = (i64::from(spec.priority).into(), 0.into());
            let (available_at, most) = (now.0.into(), i64::from(spec.max_attempts).into());
            let (turn, requires) = (turn.into(), requires.as_str().into());
            [
                project,
                job,
                kind,
                idx,
                state,
                priority,
                cost_us.into(),
                available_at,
                attempt,
                most,
                turn,
                requires,
                memory_bytes.into(),
            ]
        });
        let insert = "INSERT INTO tasks (project_id, job_id, kind, idx, state, priority, cost_us,
                                         available_at, attempt, max_attempts, turn, requires,
                                         memory_bytes)";
        values(tx.dialect(), insert, rows, "").execute(tx).await?;
    }
    Ok(())
}

/// The turn of the next task that a project puts into the line of a priority: behind its own, and not
/// before whose turn it is.
///
/// Whose turn it is, is asked among tasks that require the same: one that nobody is there for stands where
/// it is, whoever passes by.
async fn next_turn(tx: &mut Tx, project: ProjectId, priority: i64, requires: &str) -> Result<i64> {
    sql("SELECT COALESCE(MAX(turn), 0) FROM (
             SELECT (SELECT turn FROM tasks
                     WHERE state = 'queued' AND priority = $2 AND requires = $3
                     ORDER BY turn LIMIT 1) AS turn
             UNION ALL
             SELECT (SELECT turn + cost_us FROM tasks
                     WHERE state = 'queued' AND project_id = $1 AND priority = $2
                     ORDER BY turn DESC LIMIT 1)) AS turns")
    .bind(project.to_string())
    .bind(priority)
    .bind(requires)
    .scalar(tx)
    .await
}

/// Puts the tasks of a job that waited for others, or rested, into the line: behind those that its project
/// has there by now, and not before whose turn it is, since others had theirs meanwhile.
pub(super) async fn join_line(
    tx: &mut Tx,
    (project, job): (ProjectId, JobId),
    now: Timestamp,
) -> Result<()> {
    let place: Option<(i64, String, i64)> = sql("SELECT priority, requires, MIN(turn) FROM tasks
         WHERE job_id = $1 AND state = 'blocked' GROUP BY priority, requires")
    .bind(job.to_string())
    .optional(&mut *tx)
    .await?;
    let Some((priority, requires, before)) = place else { return Ok(()) };
    let turn = next_turn(tx, project, priority, &requires).await?.max(before);
    sql("UPDATE tasks SET turn = turn + $2 WHERE job_id = $1 AND state = 'blocked'")
        .bind(job.to_string())
        .bind(turn - before)
        .execute(&mut *tx)
        .await?;
    let_go(tx, job, now).await
}

/// Opens what a job that runs keeps blocked and may run now: as many folds as may run at once, and
/// once all are published the task that puts them together.
pub(in crate::store) async fn let_go(tx: &mut Tx, job: JobId, now: Timestamp) -> Result<()> {
    let job = job.to_string();
    // What pauses before another attempt goes on pausing.
    sql("UPDATE tasks SET state = 'queued',
             available_at = CASE WHEN available_at < $2 THEN $2 ELSE available_at END
         WHERE id IN (
             SELECT id FROM tasks WHERE job_id = $1 AND kind = 'fold' AND state = 'blocked'
             ORDER BY idx
             LIMIT (SELECT CASE WHEN most.room < 0 THEN 0 ELSE most.room END FROM (
                 SELECT COALESCE(max_parallel, 1000000000) - (
                     SELECT COUNT(*) FROM tasks WHERE job_id = $1 AND kind = 'fold'
                     AND state IN ('queued', 'running')) AS room
                 FROM jobs WHERE id = $1) AS most))")
    .bind(&job)
    .bind(now.0)
    .execute(&mut *tx)
    .await?;
    open_last(tx, [job], now).await
}

/// Opens the last task of those of the jobs whose folds are all published.
pub(in crate::store) async fn open_last(
    tx: &mut Tx,
    jobs: impl IntoIterator<Item = String>,
    now: Timestamp,
) -> Result<()> {
    let (among, args) = among(tx.dialect(), jobs, 1);
    composed(format!(
        "UPDATE tasks SET state = 'queued',
             available_at = CASE WHEN available_at < $1 THEN $1 ELSE available_at END
         WHERE job_id {among} AND kind = 'reduce' AND state = 'blocked'
         AND EXISTS (SELECT 1 FROM jobs WHERE jobs.id = tasks.job_id AND n_pending = 0)"
    ))
    .bind(now.0)
    .bind_all(args)
    .execute(&mut *tx)
    .await?;
    Ok(())
}
