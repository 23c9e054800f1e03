//! Models: read and deleted here; published by [`super::tasks`] with the task that made them.

use sqlx::FromRow;

use super::db::sql;
use super::{BEHIND_ALL, Deleted, Result, Store, from_json, parsed};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ModelId, ProjectId};
use crate::domain::model::Model;

#[derive(FromRow)]
struct Row {
    id: String,
    name: Option<String>,
    job_id: String,
    dataset_id: String,
    sha256: String,
    size_bytes: i64,
    card: String,
    created_at: i64,
}

impl Row {
    fn model(self) -> Result<Model> {
        Ok(Model {
            id: parsed("model id", &self.id)?,
            name: self.name,
            job_id: parsed("job id", &self.job_id)?,
            dataset_id: parsed("dataset id", &self.dataset_id)?,
            sha256: self.sha256,
            size_bytes: self.size_bytes as u64,
            card: from_json("model card", &self.card)?,
            created_at: Timestamp(self.created_at),
        })
    }
}

impl Store {
    /// A model of the project.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn model(&self, project: ProjectId, id: ModelId) -> Result<Option<Model>> {
        let row: Option<Row> = sql(
            "SELECT id, name, job_id, dataset_id, sha256, size_bytes, card, created_at FROM models
             WHERE project_id = $1 AND id = $2",
        )
        .bind(project.to_string())
        .bind(id.to_string())
        .optional(&self.db)
        .await?;
        row.map(Row::model).transpose()
    }

    /// At most `limit` models of the project before `after`, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn models(
        &self,
        project: ProjectId,
        after: Option<ModelId>,
        limit: i64,
    ) -> Result<Vec<Model>> {
        let rows: Vec<Row> = sql(
            "SELECT id, name, job_id, dataset_id, sha256, size_bytes, card, created_at FROM models
             WHERE project_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
        )
        .bind(project.to_string())
        .bind(after.map_or_else(|| BEHIND_ALL.to_owned(), |id| id.to_string()))
        .bind(limit)
        .all(&self.db)
        .await?;
        rows.into_iter().map(Row::model).collect()
    }

    /// Deletes a model.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_model(&self, project: ProjectId, id: ModelId) -> Result<Deleted> {
        let mut tx = self.db.begin().await?;
        let deleted = sql("DELETE FROM models WHERE project_id = $1 AND id = $2")
            .bind(project.to_string())
            .bind(id.to_string())
            .execute(&mut tx)
            .await?;
        tx.commit().await?;
        Ok(if deleted == 0 { Deleted::NotFound } else { Deleted::Yes })
    }
}
