//! One persisted, ordered log a job.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;
use serde_json::{Value, json};

use super::db::{Arg, Tx, among, composed, sql, values};
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
    /// task. Of `retrying`: which fit is made again, after which `attempt`, and the `reason`; what keeps many
    /// fits from being made at once is told of the first. Of `unpaused`: the `status` that the job has now.
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
    append_all(tx, time, &[Logged { job, kind, data }]).await
}

/// An event to be appended to the log of a job.
pub(super) struct Logged {
    pub(super) job: (ProjectId, JobId),
    pub(super) kind: &'static str,
    pub(super) data: Value,
}

/// Appends several, each in its turn, to the logs of their jobs; a claim's worth of folds at the most, so one
/// statement takes them.
pub(super) async fn append_all(tx: &mut Tx, time: Timestamp, events: &[Logged]) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let jobs: BTreeSet<String> = events.iter().map(|event| event.job.1.to_string()).collect();
    let (among, args) = among(tx.dialect(), jobs, 0);
    let last: Vec<(String, i64)> = composed(format!(
        "SELECT id, (SELECT COALESCE(MAX(seq), 0) FROM events WHERE job_id = jobs.id)
         FROM jobs WHERE id {among}"
    ))
    .bind_all(args)
    .all(&mut *tx)
    .await?;
    let mut last: HashMap<String, i64> = last.into_iter().collect();
    let mut seqs = Vec::with_capacity(events.len());
    let rows: Vec<[Arg; 6]> = events
        .iter()
        .map(|Logged { job: (project, job), kind, data }| {
            let job = job.to_string();
            let seq = last.entry(job.clone()).and_modify(|last| *last += 1).or_insert(1);
            seqs.push(*seq);
            let (project, data) = (project.to_string().into(), data.to_string().into());
            [job.into(), (*seq).into(), project, time.0.into(), (*kind).into(), data]
        })
        .collect();
    let insert = "INSERT INTO events (job_id, seq, project_id, time, type, data)";
    values(tx.dialect(), insert, rows, "").execute(&mut *tx).await?;
    for (Logged { job, kind, data }, seq) in events.iter().zip(seqs) {
        webhooks::tell(tx, *job, (seq, time), kind, data).await?;
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
    let (among, args) = among(tx.dialect(), jobs.iter().map(JobId::to_string), 3);
    let told: Vec<(String, String, i64, bool)> = composed(format!(
        "INSERT INTO events (job_id, seq, project_id, time, type, data)
         SELECT id, (SELECT COALESCE(MAX(seq), 0) + 1 FROM events WHERE job_id = jobs.id),
                project_id, $1, $2, $3
         FROM jobs WHERE id {among}
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
