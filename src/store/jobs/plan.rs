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
use crate::store::db::{Arg, Dialect, Tx, among, composed, sql, values};

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
    let first = if waits {
        0
    } else {
        let place = place(tx, project, spec.priority.into(), &requires).await?;
        place.now.max(place.own)
    };
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

/// Where a line is, and where a project's next task may stand in it.
struct Place {
    /// Whose turn it is.
    now: i64,
    /// Behind what waits of the project's own.
    own: i64,
}

/// Whose turn it is in the line of a priority and of what is required, as an expression; null where nobody
/// stands in it.
///
/// That is the first that waits or, where that has a higher turn, the last that was taken and runs. So those
/// at work keep the line where it is, whatever comes back of them (handed back, tried again, the next fold of
/// few at once); and one that nobody can take, for its memory or while all who could are busy, stands where it
/// is, whoever passes by. Of those that wait, the ones come first for which a living worker has the memory.
fn whose_turn(dialect: Dialect, priority: &str, requires: &str) -> String {
    let now = dialect.clock();
    let line = format!("other.priority = {priority} AND other.requires = {requires}");
    // As the index has it, which is for this alone and not for claims.
    let waits = format!("other.state = 'queued' AND other.cost_us > 0 AND {line}");
    let first = format!(
        "(SELECT other.turn FROM tasks AS other WHERE {waits} ORDER BY other.turn LIMIT 1)"
    );
    let first_that_fits = format!(
        "(SELECT other.turn FROM tasks AS other WHERE {waits}
          AND other.memory_bytes <= (SELECT COALESCE(MAX(memory_bytes), 9223372036854775807)
                                     FROM workers WHERE beat_at + lease_ms >= {now})
          ORDER BY other.turn LIMIT 1)"
    );
    let last_taken = format!(
        "(SELECT other.turn FROM tasks AS other WHERE other.state = 'running' AND {line}
          ORDER BY other.turn DESC LIMIT 1)"
    );
    format!(
        "COALESCE((SELECT MAX(turn) FROM (SELECT {first_that_fits} AS turn
                                          UNION ALL SELECT {last_taken}) AS turns), {first})"
    )
}

/// Where nobody stands in a line, it begins where the others are, whose workers it may share.
async fn place(tx: &mut Tx, project: ProjectId, priority: i64, requires: &str) -> Result<Place> {
    let whose_turn = whose_turn(tx.dialect(), "$2", "$3");
    let (now, own) = composed(format!(
        "SELECT COALESCE({whose_turn}, (SELECT MAX(turn) FROM (
                    SELECT (SELECT turn FROM tasks WHERE state = 'queued' AND priority = $2
                            ORDER BY turn LIMIT 1) AS turn
                    UNION ALL
                    SELECT (SELECT turn FROM tasks WHERE state = 'running' AND priority = $2
                            ORDER BY turn DESC LIMIT 1)) AS turns), 0),
                COALESCE((SELECT turn + cost_us FROM tasks
                          WHERE state = 'queued' AND project_id = $1 AND priority = $2
                          ORDER BY turn DESC LIMIT 1), 0)"
    ))
    .bind(project.to_string())
    .bind(priority)
    .bind(requires)
    .one(tx)
    .await?;
    Ok(Place { now, own })
}

/// Puts the tasks of a job that waited for others, or rested, into the line: behind those that its project
/// has there by now, and not before whose turn it is, since others had theirs meanwhile. Of the turns that
/// they were given before, which may be from a line that has ended, counts what one task takes at the most.
pub(super) async fn join_line(
    tx: &mut Tx,
    (project, job): (ProjectId, JobId),
    now: Timestamp,
) -> Result<()> {
    let first: Option<(i64, String, i64, i64)> =
        sql("SELECT priority, requires, MIN(turn), MIN(cost_us) FROM tasks
             WHERE job_id = $1 AND state = 'blocked' GROUP BY priority, requires")
        .bind(job.to_string())
        .optional(&mut *tx)
        .await?;
    let Some((priority, requires, before, cost_us)) = first else { return Ok(()) };
    let Place { now: at, own } = place(tx, project, priority, &requires).await?;
    let turn = before.clamp(at, at.saturating_add(cost_us)).max(own);
    sql("UPDATE tasks SET turn = turn + $2 WHERE job_id = $1 AND state = 'blocked'")
        .bind(job.to_string())
        .bind(turn - before)
        .execute(&mut *tx)
        .await?;
    let_go(tx, job, now).await
}

/// Opens what a job that runs keeps blocked and may run now: as many folds as may run at once, and
/// once all are published the task that puts them together. While one of the folds waits or runs the line stays
/// where they are, so that the next one's turn is what it was.
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

/// Opens the last task of those of the jobs whose folds are all published. Their turns are behind all folds, and
/// the one that ended last may have been the first: whoever came meanwhile is before them by one task only.
pub(in crate::store) async fn open_last(
    tx: &mut Tx,
    jobs: impl IntoIterator<Item = String>,
    now: Timestamp,
) -> Result<()> {
    let whose_turn = whose_turn(tx.dialect(), "tasks.priority", "tasks.requires");
    let (among, args) = among(tx.dialect(), jobs, 1);
    composed(format!(
        "UPDATE tasks SET state = 'queued',
             available_at = CASE WHEN available_at < $1 THEN $1 ELSE available_at END,
             turn = (SELECT MIN(place) FROM (
                         SELECT tasks.turn AS place
                         UNION ALL SELECT {whose_turn} + tasks.cost_us) AS places)
         WHERE job_id {among} AND kind = 'reduce' AND state = 'blocked'
         AND EXISTS (SELECT 1 FROM jobs WHERE jobs.id = tasks.job_id AND n_pending = 0)"
    ))
    .bind(now.0)
    .bind_all(args)
    .execute(&mut *tx)
    .await?;
    Ok(())
}
