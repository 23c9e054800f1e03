//! Datasets: inserted whole, read, deleted.

use sqlx::FromRow;
use trainyard_formats::ReadOptions;

use super::db::{composed, sql};
use super::idempotency::{self, Created, IdempotencyKey, Known};
use super::leaving::UNLESS_LEAVING;
use super::{BEHIND_ALL, Deleted, Result, Store, StoreError, from_json, json, parsed};
use crate::domain::clock::Timestamp;
use crate::domain::dataset::{Content, Dataset};
use crate::domain::ids::{DatasetId, ProjectId};

/// A dataset about to be stored; its bytes are durable already.
#[derive(Clone, Debug)]
pub struct NewDataset {
    /// Its id.
    pub id: DatasetId,
    /// What the client calls it.
    pub name: Option<String>,
    /// Bytes as uploaded.
    pub size_bytes: u64,
    /// The blob's name.
    pub sha256: String,
    /// The blob was stored after this, as [`Store::after_leaving`] has said it; it need not be known.
    pub stored_after: Option<Timestamp>,
    /// How to read it.
    pub reading: ReadOptions,
    /// What is in it.
    pub content: Content,
}

#[derive(FromRow)]
struct Row {
    id: String,
    name: Option<String>,
    size_bytes: i64,
    sha256: String,
    reading: String,
    content: String,
    created_at: i64,
}

impl Row {
    fn dataset(self) -> Result<Dataset> {
        Ok(Dataset {
            id: parsed("dataset id", &self.id)?,
            name: self.name,
            size_bytes: self.size_bytes as u64,
            sha256: self.sha256,
            reading: from_json("dataset's reading", &self.reading)?,
            content: from_json("dataset content", &self.content)?,
            created_at: Timestamp(self.created_at),
        })
    }
}

impl Store {
    /// Stores a dataset, or finds the one that the same call stored before.
    ///
    /// # Errors
    /// When the database fails, and [`StoreError::Leaving`] where its bytes may be gone: they are then to be
    /// stored again.
    pub async fn create_dataset(
        &self,
        project: ProjectId,
        new: NewDataset,
        key: Option<&IdempotencyKey>,
    ) -> Result<Created<Dataset>> {
        retrying!(self.create_dataset_once(project, &new, key))
    }

    async fn create_dataset_once(
        &self,
        project: ProjectId,
        new: &NewDataset,
        key: Option<&IdempotencyKey>,
    ) -> Result<Created<Dataset>> {
        let mut tx = self.db.begin().await?;
        match idempotency::look_up(&mut tx, project, key).await? {
            Known::Nothing => {}
            Known::OtherCall => return Ok(Created::KeyReused),
            Known::SameCall { resource_id } => {
                let id = parsed("dataset id", &resource_id)?;
                drop(tx);
                // A dataset that was deleted since is created anew by nobody: the key is spent.
                return Ok(self
                    .dataset(project, id)
                    .await?
                    .map_or(Created::KeyReused, Created::Before));
            }
        }
        let created_at = tx.now_to_name().await?;
        let added = composed(format!(
            "INSERT INTO datasets (sha256, id, project_id, name, size_bytes, reading, content,
                                   created_at)
             SELECT $1, $3, $4, $5, $6, $7, $8, $9 {UNLESS_LEAVING}"
        ))
        .bind(&new.sha256)
        .bind(new.stored_after.map_or(0, |after| after.0))
        .bind(new.id.to_string())
        .bind(project.to_string())
        .bind(&new.name)
        .bind(new.size_bytes as i64)
        .bind(json("dataset's reading", &new.reading)?)
        .bind(json("dataset content", &new.content)?)
        .bind(created_at.0)
        .execute(&mut tx)
        .await?;
        if added == 0 {
            return Err(StoreError::Leaving { sha256: new.sha256.clone() });
        }
        idempotency::remember(&mut tx, project, key, &new.id.to_string()).await?;
        tx.commit().await?;
        let NewDataset { id, name, size_bytes, sha256, reading, content, .. } = new.clone();
        Ok(Created::New(Dataset { id, name, size_bytes, sha256, reading, content, created_at }))
    }

    /// A dataset of the project.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn dataset(&self, project: ProjectId, id: DatasetId) -> Result<Option<Dataset>> {
        let row: Option<Row> =
            sql("SELECT id, name, size_bytes, sha256, reading, content, created_at FROM datasets
             WHERE project_id = $1 AND id = $2")
            .bind(project.to_string())
            .bind(id.to_string())
            .optional(&self.db)
            .await?;
        row.map(Row::dataset).transpose()
    }

    /// At most `limit` datasets of the project before `after`, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn datasets(
        &self,
        project: ProjectId,
        after: Option<DatasetId>,
        limit: i64,
    ) -> Result<Vec<Dataset>> {
        let rows: Vec<Row> =
            sql("SELECT id, name, size_bytes, sha256, reading, content, created_at FROM datasets
             WHERE project_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3")
            .bind(project.to_string())
            .bind(after.map_or_else(|| BEHIND_ALL.to_owned(), |id| id.to_string()))
            .bind(limit)
            .all(&self.db)
            .await?;
        rows.into_iter().map(Row::dataset).collect()
    }

    /// Deletes a dataset unless a job that has not ended trains on it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_dataset(&self, project: ProjectId, id: DatasetId) -> Result<Deleted> {
        let mut tx = self.db.begin().await?;
        // Whoever submits a job holds the row in the meantime.
        let lock = tx.dialect().for_update();
        composed(format!("SELECT id FROM datasets WHERE project_id = $1 AND id = $2{lock}"))
            .bind(project.to_string())
            .bind(id.to_string())
            .column::<String>(&mut tx)
            .await?;
        let in_use: bool =
            sql("SELECT EXISTS (SELECT 1 FROM jobs WHERE project_id = $1 AND dataset_id = $2
             AND status IN ('waiting', 'queued', 'running', 'paused', 'cancelling'))")
            .bind(project.to_string())
            .bind(id.to_string())
            .scalar(&mut tx)
            .await?;
        if in_use {
            return Ok(Deleted::InUse);
        }
        let deleted = sql("DELETE FROM datasets WHERE project_id = $1 AND id = $2")
            .bind(project.to_string())
            .bind(id.to_string())
            .execute(&mut tx)
            .await?;
        tx.commit().await?;
        Ok(if deleted == 0 { Deleted::NotFound } else { Deleted::Yes })
    }
}
