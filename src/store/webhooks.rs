//! Webhooks and their messages: an outbox, written with the event and sent afterwards.

use serde_json::{Value, json as object};

use super::db::{Arg, Statement, Tx, composed, sql, values};
use super::idempotency::{self, Created, IdempotencyKey, Known};
use super::{Deleted, Result, Store, StoreError, from_json, json, parsed};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{JobId, ProjectId, WebhookId};
use crate::domain::webhook::{Delivery, DeliveryState, PAUSES_S, Webhook, WebhookEvent};

/// What became of a new webhook.
#[derive(Debug)]
pub enum NewWebhook {
    /// It is there, or was by the same call before.
    Webhook(Created<Webhook>),
    /// The project has as many as it may.
    TooMany,
}

/// A project has at most so many.
pub const MOST: i64 = 20;

/// A message that is to be sent now; whoever has it is alone with it for a while.
#[derive(Clone, Debug)]
pub struct Due {
    /// Its row.
    pub id: i64,
    /// Whose it is.
    pub webhook: String,
    /// Whether no answer came in time to the message before.
    pub hangs: bool,
    /// Where to.
    pub url: String,
    /// Signed with this.
    pub secret: String,
    /// The `webhook-id`.
    pub message_id: String,
    /// What is sent.
    pub payload: String,
    /// Which attempt this is, from 1.
    pub attempt: i64,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// What the receiver answered.
    pub status: Option<u16>,
    /// Why it counts as failed; `None` when it was delivered.
    pub error: Option<String>,
    /// Whether another attempt would fail too.
    pub is_final: bool,
    /// Whether no answer came in time.
    pub hung: bool,
}

/// A webhook that has messages which are due.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Waiting {
    /// Its id.
    pub id: String,
    /// Whether no answer came in time to the last message.
    pub hangs: bool,
    /// Since when the first message is due.
    pub since: i64,
    /// Where to.
    pub url: String,
    /// Signed with this.
    pub secret: String,
}

/// A sender that says nothing for so long is lost, and the message is sent again.
const ALONE_MS: i64 = 60_000;

/// Messages are kept for so long.
const KEPT_MS: i64 = 30 * 24 * 60 * 60 * 1_000;

/// A name in a list of them, as JSON has it.
fn quoted(event: WebhookEvent) -> String {
    format!("%\"{}\"%", event.name())
}

fn message_id(job: &str, seq: i64) -> String {
    format!("msg_{}_{seq}", job.trim_start_matches("job_"))
}

/// Puts an event of a job into the outbox, if anybody is to be told.
pub(super) async fn tell(
    tx: &mut Tx,
    (project, job): (ProjectId, JobId),
    (seq, time): (i64, Timestamp),
    kind: &str,
    data: &Value,
) -> Result<()> {
    let Some(event) = WebhookEvent::of(kind) else { return Ok(()) };
    let told: Vec<String> = sql("SELECT id FROM webhooks WHERE project_id = $1
         AND (events = '[]' OR events LIKE $2) ORDER BY id")
    .bind(project.to_string())
    .bind(quoted(event))
    .column(&mut *tx)
    .await?;
    if told.is_empty() {
        return Ok(());
    }
    let name: Option<(Option<String>,)> =
        sql("SELECT name FROM jobs WHERE id = $1").bind(job.to_string()).optional(&mut *tx).await?;
    let payload = object!({
        "type": event.name(),
        "timestamp": time,
        "data": {
            "job_id": job, "name": name.and_then(|(name,)| name), "seq": seq, "details": data,
        },
    });
    let payload = payload.to_string();
    let rows = told.into_iter().map(|webhook| -> [Arg; 10] {
        let (project, job) = (project.to_string().into(), job.to_string().into());
        let (kind, payload) = (event.name().into(), payload.as_str().into());
        let now = || time.0.into();
        [
            webhook.into(),
            project,
            job,
            seq.into(),
            kind,
            payload,
            "pending".into(),
            0.into(),
            now(),
            now(),
        ]
    });
    let insert =
        "INSERT INTO deliveries (webhook_id, project_id, job_id, seq, type, payload, state,
                                          attempt, next_at, created_at)";
    values(tx.dialect(), insert, rows, "").execute(tx).await?;
    Ok(())
}

impl Store {
    /// Adds a webhook.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn create_webhook(
        &self,
        project: ProjectId,
        new: Webhook,
        key: Option<&IdempotencyKey>,
    ) -> Result<NewWebhook> {
        retrying!(self.create_webhook_once(project, &new, key))
    }

    async fn create_webhook_once(
        &self,
        project: ProjectId,
        new: &Webhook,
        key: Option<&IdempotencyKey>,
    ) -> Result<NewWebhook> {
        let mut tx = self.db.begin().await?;
        match idempotency::look_up(&mut tx, project, key).await? {
            Known::Nothing => {}
            Known::OtherCall => return Ok(NewWebhook::Webhook(Created::KeyReused)),
            Known::SameCall { resource_id } => {
                let before = read(&mut tx, project, &resource_id).await?;
                let before = before.map_or(Created::KeyReused, Created::Before);
                return Ok(NewWebhook::Webhook(before));
            }
        }
        let n: i64 = sql("SELECT COUNT(*) FROM webhooks WHERE project_id = $1")
            .bind(project.to_string())
            .scalar(&mut tx)
            .await?;
        if n >= MOST {
            return Ok(NewWebhook::TooMany);
        }
        let created_at = tx.now().await?;
        sql("INSERT INTO webhooks (id, project_id, url, events, secret, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(new.id.to_string())
        .bind(project.to_string())
        .bind(&new.url)
        .bind(json("events", &new.events)?)
        .bind(new.secret.as_deref().unwrap_or_default())
        .bind(created_at.0)
        .execute(&mut tx)
        .await?;
        idempotency::remember(&mut tx, project, key, &new.id.to_string()).await?;
        tx.commit().await?;
        Ok(NewWebhook::Webhook(Created::New(Webhook { created_at, ..new.clone() })))
    }

    /// The webhooks of a project, newest first, without their secrets.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn webhooks(&self, project: ProjectId) -> Result<Vec<Webhook>> {
        let rows: Vec<Row> = sql("SELECT id, url, events, secret, created_at FROM webhooks
             WHERE project_id = $1 ORDER BY id DESC")
        .bind(project.to_string())
        .all(&self.db)
        .await?;
        rows.into_iter().map(|row| Ok(Webhook { secret: None, ..row.webhook()? })).collect()
    }

    /// A webhook of the project, without its secret.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn webhook(&self, project: ProjectId, id: WebhookId) -> Result<Option<Webhook>> {
        let found = read(&mut self.db.begin_read().await?, project, &id.to_string()).await?;
        Ok(found.map(|webhook| Webhook { secret: None, ..webhook }))
    }

    /// Deletes a webhook with its messages.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_webhook(&self, project: ProjectId, id: WebhookId) -> Result<Deleted> {
        let mut tx = self.db.begin().await?;
        let n = sql("DELETE FROM webhooks WHERE project_id = $1 AND id = $2")
            .bind(project.to_string())
            .bind(id.to_string())
            .execute(&mut tx)
            .await?;
        tx.commit().await?;
        Ok(if n == 0 { Deleted::NotFound } else { Deleted::Yes })
    }

    /// Takes messages that are to be sent now: of each webhook that has some at most as many as its share.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn due_deliveries(
        &self,
        shares: impl FnOnce(&[Waiting]) -> Vec<usize>,
    ) -> Result<Vec<Due>> {
        let mut tx = self.db.begin_read().await?;
        let now = tx.now().await?;
        // The first that is due, by an index, whatever others wait behind it.
        let waiting: Vec<Waiting> = sql("SELECT * FROM (
                 SELECT id, url, secret, hangs,
                        (SELECT next_at FROM deliveries
                         WHERE webhook_id = webhooks.id AND state = 'pending' AND next_at <= $1
                         ORDER BY next_at LIMIT 1) AS since
                 FROM webhooks) AS waiting
             WHERE since IS NOT NULL")
        .bind(now.0)
        .all(&mut tx)
        .await?;
        drop(tx);
        let shares = shares(&waiting);
        let mut waiting: Vec<(Waiting, usize)> = waiting.into_iter().zip(shares).collect();
        waiting.retain(|(_, share)| *share > 0);
        if waiting.is_empty() { Ok(Vec::new()) } else { retrying!(self.take_due(&waiting)) }
    }

    async fn take_due(&self, waiting: &[(Waiting, usize)]) -> Result<Vec<Due>> {
        let mut tx = self.db.begin().await?;
        let now = tx.now().await?;
        let skip_locked = tx.dialect().for_update_skip_locked();
        let mut due = Vec::new();
        for (webhook, share) in waiting {
            let rows: Vec<(i64, String, i64, String, i64)> = composed(format!(
                "UPDATE deliveries SET attempt = attempt + 1, next_at = $2
                 WHERE id IN (SELECT id FROM deliveries
                              WHERE webhook_id = $3 AND state = 'pending' AND next_at <= $1
                              ORDER BY next_at, id LIMIT $4{skip_locked})
                 RETURNING id, job_id, seq, payload, attempt"
            ))
            .bind(now.0)
            .bind(now.0 + ALONE_MS)
            .bind(&webhook.id)
            .bind(*share as i64)
            .all(&mut tx)
            .await?;
            due.extend(rows.into_iter().map(|(id, job, seq, payload, attempt)| Due {
                id,
                webhook: webhook.id.clone(),
                hangs: webhook.hangs,
                url: webhook.url.clone(),
                secret: webhook.secret.clone(),
                message_id: message_id(&job, seq),
                payload,
                attempt,
            }));
        }
        tx.commit().await?;
        Ok(due)
    }

    /// Notes how an attempt ended: delivered, to be sent again after a pause, or given up; and whether its
    /// receiver hangs.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn settle_delivery(&self, due: &Due, sent: &Sent) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let now = tx.now().await?;
        let pause_s = usize::try_from(due.attempt - 1).ok().and_then(|n| PAUSES_S.get(n));
        let state = match (&sent.error, pause_s) {
            (None, _) => DeliveryState::Delivered,
            (Some(_), Some(_)) if !sent.is_final => DeliveryState::Pending,
            (Some(_), _) => DeliveryState::Failed,
        };
        // The webhook first, in which order it is deleted with its messages too.
        sql("UPDATE webhooks SET hangs = $2 WHERE id = $1 AND hangs <> $2")
            .bind(&due.webhook)
            .bind(sent.hung)
            .execute(&mut tx)
            .await?;
        sql("UPDATE deliveries SET state = $3, next_at = $4, last_status = $5, last_error = $6,
                                   delivered_at = $7
             WHERE id = $1 AND attempt = $2 AND state = 'pending'")
        .bind(due.id)
        .bind(due.attempt)
        .bind(state.name())
        .bind(now.0 + pause_s.map_or(0, |seconds| seconds * 1_000))
        .bind(sent.status.map(i64::from))
        .bind(&sent.error)
        .bind((state == DeliveryState::Delivered).then_some(now.0))
        .execute(&mut tx)
        .await?;
        tx.commit().await
    }

    /// The messages of a webhook before `after`, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn deliveries(
        &self,
        project: ProjectId,
        webhook: WebhookId,
        (state, after): (Option<DeliveryState>, Option<i64>),
        limit: i64,
    ) -> Result<Vec<Delivery>> {
        let statement = listed((project, webhook), (state, after), limit);
        let rows: Vec<DeliveryRow> = statement.all(&self.db).await?;
        rows.into_iter().map(DeliveryRow::delivery).collect()
    }

    /// Sends a message anew, as if for the first time; whether there is one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn replay(&self, project: ProjectId, webhook: WebhookId, id: i64) -> Result<bool> {
        let mut tx = self.db.begin().await?;
        let now = tx.now().await?;
        let n = sql("UPDATE deliveries SET state = 'pending', attempt = 0, next_at = $4,
                                          delivered_at = NULL
             WHERE project_id = $1 AND webhook_id = $2 AND id = $3")
        .bind(project.to_string())
        .bind(webhook.to_string())
        .bind(id)
        .bind(now.0)
        .execute(&mut tx)
        .await?;
        tx.commit().await?;
        Ok(n > 0)
    }

    /// Gives up messages that nobody has sent for as long as they would be tried, because webhooks are
    /// off, and forgets those older than thirty days; how many that were.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_old_deliveries(&self) -> Result<u64> {
        let mut tx = self.db.begin().await?;
        let now = tx.now().await?;
        sql("UPDATE deliveries SET state = 'failed', last_error = $2
             WHERE state = 'pending' AND next_at < $1")
        .bind(now.0 - PAUSES_S.iter().sum::<i64>() * 1_000)
        .bind("it was due for days and not sent: webhooks are turned off, or its receiver hangs")
        .execute(&mut tx)
        .await?;
        let n = sql("DELETE FROM deliveries WHERE created_at < $1 AND state <> 'pending'")
            .bind(now.0 - KEPT_MS)
            .execute(&mut tx)
            .await?;
        tx.commit().await?;
        Ok(n)
    }
}

/// A plan is made once for all values, so the statement says only what is asked for.
pub(super) fn listed(
    (project, webhook): (ProjectId, WebhookId),
    (state, after): (Option<DeliveryState>, Option<i64>),
    limit: i64,
) -> Statement {
    let of_state = if state.is_some() { " AND state = $5" } else { "" };
    composed(format!(
        "SELECT id, job_id, seq, type AS kind, state, attempt, next_at, last_status, last_error,
                created_at, delivered_at FROM deliveries
         WHERE project_id = $1 AND webhook_id = $2 AND id < $3{of_state} ORDER BY id DESC LIMIT $4"
    ))
    .bind(project.to_string())
    .bind(webhook.to_string())
    .bind(after.unwrap_or(i64::MAX))
    .bind(limit)
    .bind_all(state.map(|state| state.name().into()))
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    url: String,
    events: String,
    secret: String,
    created_at: i64,
}

impl Row {
    fn webhook(self) -> Result<Webhook> {
        Ok(Webhook {
            id: parsed("webhook id", &self.id)?,
            url: self.url,
            events: from_json("events", &self.events)?,
            secret: Some(self.secret),
            created_at: Timestamp(self.created_at),
        })
    }
}

async fn read(tx: &mut Tx, project: ProjectId, id: &str) -> Result<Option<Webhook>> {
    let row: Option<Row> = sql("SELECT id, url, events, secret, created_at FROM webhooks
         WHERE project_id = $1 AND id = $2")
    .bind(project.to_string())
    .bind(id)
    .optional(tx)
    .await?;
    row.map(Row::webhook).transpose()
}

#[derive(sqlx::FromRow)]
struct DeliveryRow {
    id: i64,
    job_id: String,
    seq: i64,
    kind: String,
    state: String,
    attempt: i64,
    next_at: i64,
    last_status: Option<i64>,
    last_error: Option<String>,
    created_at: i64,
    delivered_at: Option<i64>,
}

impl DeliveryRow {
    fn delivery(self) -> Result<Delivery> {
        let state = DeliveryState::from_name(&self.state)
            .ok_or_else(|| StoreError::corrupt("delivery state", &self.state))?;
        let is_pending = state == DeliveryState::Pending;
        Ok(Delivery {
            id: self.id,
            message_id: message_id(&self.job_id, self.seq),
            kind: self.kind,
            job_id: parsed("job id", &self.job_id)?,
            state,
            attempt: self.attempt,
            next_attempt_at: is_pending.then_some(Timestamp(self.next_at)),
            last_status: self.last_status,
            last_error: self.last_error,
            created_at: Timestamp(self.created_at),
            delivered_at: self.delivered_at.map(Timestamp),
        })
    }
}
