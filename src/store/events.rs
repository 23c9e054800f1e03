//! One persisted, ordered log a job.

use serde::Serialize;
use serde_json::{Value, json};

use super::db::{Arg, Tx, composed, list, sql, values};
use super::{Result, Store, from_json, parsed, webhooks};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{JobId, ProjectId};

/// Something that happened to a job.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Event {
    /// Its place in the job's log, from 1.
    pub seq: i64,
    /// When it was stored.
    pub time: Timestamp,
    /// What happened: `queued`, `started`, `fold_finished`, `model_stored`, `retrying`, `resumed`,
    /// `waiting`, `paused`, `unpaused`, `cancelling`, `succeeded`, `failed` or `cancelled`.
    #[serde(rename = "type")]
    pub kind: String,
    /// More about it, by type. Of `resumed`: which fit goes on (`kind`, `repeat`, `fold` and `point`, as
    /// `/checkpoints` has them), after which `epoch`, having taken `spent_s`, in which `attempt` of its
    /// task. Of `unpaused`: the `status` that the job has now.
    #[schema(value_type = Object)]
    pub data: Value,
}

/// Appends to a job's log, inside the transaction in which it happened.
pub(super) async fn append(
    tx: &mut Tx,
    job: (ProjectId, JobId),
    time: Timestamp,
    kind: &'static str,
    data: Value,
) -> Result<()> {
    append_all(tx, job, time, &[(kind, data)]).await
}

/// Appends several in order; a claim's worth of folds at the most, so one statement takes them.
pub(super) async fn append_all(
    tx: &mut Tx,
    (project, job): (ProjectId, JobId),
    time: Timestamp,
    events: &[(&'static str, Value)],
) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let last: i64 = sql("SELECT COALESCE(MAX(seq), 0) FROM events WHERE job_id = $1")
        .bind(job.to_string())
        .scalar(&mut *tx)
        .await?;
    let rows = events.iter().zip(last + 1..).map(|((kind, data), seq)| -> [Arg; 6] {
        let (job, project) = (job.to_string().into(), project.to_string().into());
        [job, seq.into(), project, time.0.into(), (*kind).into(), data.to_string().into()]
    });
    let insert = "INSERT INTO events (job_id, seq, project_id, time, type, data)";
    values(insert, rows, "").execute(&mut *tx).await?;
    for ((kind, data), seq) in events.iter().zip(last + 1..) {
        webhooks::tell(tx, (project, job), (seq, time), kind, data).await?;
    }
    Ok(())
}

/// Appends one event without details to the logs of several jobs.
pub(super) async fn append_to_each(
    tx: &mut Tx,
    jobs: &[JobId],
    time: Timestamp,
    kind: &'static str,
) -> Result<()> {
    if jobs.is_empty() {
        return Ok(());
    }
    let data = json!({});
    let (ids, args) = list(jobs.iter().map(JobId::to_string), 3);
    let told: Vec<(String, String, i64, bool)> = composed(format!(
        "INSERT INTO events (job_id, seq, project_id, time, type, data)
         SELECT id, (SELECT COALESCE(MAX(seq), 0) + 1 FROM events WHERE job_id = jobs.id),
                project_id, $1, $2, $3
         FROM jobs WHERE id IN ({ids})
         RETURNING job_id, project_id, seq,
                   EXISTS (SELECT 1 FROM webhooks WHERE webhooks.project_id = events.project_id)"
    ))
    .bind(time.0)
    .bind(kind)
    .bind(data.to_string())
    .bind_all(args)
    .all(&mut *tx)
    .await?;
    for (job, project, seq, _) in
        told.into_iter().filter(|(.., somebody_listens)| *somebody_listens)
    {
        let job = (parsed("project id", &project)?, parsed("job id", &job)?);
        webhooks::tell(tx, job, (seq, time), kind, &data).await?;
    }
    Ok(())
}

impl Store {
    /// At most `limit` events of a job after `seq`, in order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn events(
        &self,
        project: ProjectId,
        job: JobId,
        after: i64,
        limit: i64,
    ) -> Result<Vec<Event>> {
        let rows: Vec<(i64, i64, String, String)> = sql("SELECT seq, time, type, data FROM events
             WHERE project_id = $1 AND job_id = $2 AND seq > $3 ORDER BY seq LIMIT $4")
        .bind(project.to_string())
        .bind(job.to_string())
        .bind(after)
        .bind(limit)
        .all(&self.db)
        .await?;
        rows.into_iter()
            .map(|(seq, time, kind, data)| {
                Ok(Event { seq, time: Timestamp(time), kind, data: from_json("event", &data)? })
            })
            .collect()
    }
}
