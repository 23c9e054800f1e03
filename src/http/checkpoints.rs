//! `/v1/jobs/{id}/checkpoints`: from where a job's fits go on.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::AppState;
use super::extract::{Nothing, PathId, Query};
use super::problem::{ApiError, ProblemBody};
use crate::domain::checkpoint::SavedFit;
use crate::domain::ids::JobId;

/// The fits that are saved.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Checkpoints {
    /// Folds in order, then the final model.
    data: Vec<SavedFit>,
}

/// Look at a job's checkpoints: its fits that are saved and have not ended.
///
/// A fit is saved every `--checkpoint-seconds` and when its job is paused or the server is told to end; the
/// next state takes the place of the one before, and a fit that ends needs none. A search's state holds what
/// its fits that have ended gave, too.
#[utoipa::path(
    operation_id = "get_job_checkpoints",
    get, path = "/v1/jobs/{id}/checkpoints", tag = "jobs", params(("id" = JobId, Path)),
    responses(
        (status = 200, body = Checkpoints),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn checkpoints(
    State(state): State<AppState>,
    PathId(id): PathId<JobId>,
    _: Query<Nothing>,
) -> Result<Json<Checkpoints>, ApiError> {
    let saved = state.store.saved_fits(state.project(), id).await?;
    Ok(Json(Checkpoints { data: saved.ok_or_else(|| ApiError::not_found("job", id))? }))
}
