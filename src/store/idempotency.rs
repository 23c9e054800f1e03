//! Idempotency keys: the same POST sent twice creates once.

use super::db::{Tx, sql};
use super::{Result, Store};
use crate::domain::ids::ProjectId;

/// A key with the fingerprint of the call that came with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// As the client sent it.
    pub key: String,
    /// SHA-256 of the call and its body, in hexadecimal.
    pub fingerprint: String,
}

/// What became of a call that creates.
#[derive(Clone, Debug, PartialEq)]
pub enum Created<T> {
    /// It was created.
    New(T),
    /// The same call had created it before.
    Before(T),
    /// Another call has used the key.
    KeyReused,
}

/// What is known of a key.
pub(super) enum Known {
    Nothing,
    SameCall { resource_id: String },
    OtherCall,
}

pub(super) async fn look_up(
    tx: &mut Tx,
    project: ProjectId,
    key: Option<&IdempotencyKey>,
) -> Result<Known> {
    let Some(key) = key else {
        return Ok(Known::Nothing);
    };
    let row: Option<(String, String)> = sql(
        "SELECT fingerprint, resource_id FROM idempotency_keys WHERE project_id = $1 AND key = $2",
    )
    .bind(project.to_string())
    .bind(&key.key)
    .optional(&mut *tx)
    .await?;
    Ok(match row {
        None => Known::Nothing,
        Some((fingerprint, resource_id)) if fingerprint == key.fingerprint => {
            Known::SameCall { resource_id }
        }
        Some(_) => Known::OtherCall,
    })
}

pub(super) async fn remember(
    tx: &mut Tx,
    project: ProjectId,
    key: Option<&IdempotencyKey>,
    resource_id: &str,
) -> Result<()> {
    let Some(key) = key else { return Ok(()) };
    let now = tx.now().await?;
    sql("INSERT INTO idempotency_keys (project_id, key, fingerprint, resource_id, created_at)
         VALUES ($1, $2, $3, $4, $5)")
    .bind(project.to_string())
    .bind(&key.key)
    .bind(&key.fingerprint)
    .bind(resource_id)
    .bind(now.0)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// A client that repeats a call does so within minutes or hours.
const KEPT_MS: i64 = 7 * 24 * 60 * 60 * 1_000;

impl Store {
    /// Forgets keys older than a week.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_old_keys(&self) -> Result<u64> {
        let mut tx = self.db.begin().await?;
        let now = tx.now().await?;
        let forgotten = sql("DELETE FROM idempotency_keys WHERE created_at < $1")
            .bind(now.0 - KEPT_MS)
            .execute(&mut tx)
            .await?;
        tx.commit().await?;
        Ok(forgotten)
    }
}
