//! `/v1/datasets/{id}/suggestion`: a job to begin with.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::AppState;
use super::datasets::find;
use super::extract::{PathId, Query};
use super::problem::{ApiError, ProblemBody};
use crate::domain::ids::DatasetId;
use crate::domain::suggestion::{Suggestion, suggest};

/// What to predict.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SuggestionQuery {
    /// The column to predict; the likeliest if left out.
    target: Option<String>,
}

/// Suggest a job: a spec that `POST /v1/jobs` takes as it is, with the reasons for what is in it.
///
/// Columns that name rows, hold one value or give the target away are left out. Gaps are filled, and
/// categories, moments and texts become numbers.
#[utoipa::path(
    operation_id = "suggest_job",
    get, path = "/v1/datasets/{id}/suggestion", tag = "datasets",
    params(("id" = DatasetId, Path), SuggestionQuery),
    responses(
        (status = 200, body = Suggestion),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn suggestion(
    State(state): State<AppState>,
    PathId(id): PathId<DatasetId>,
    Query(query): Query<SuggestionQuery>,
) -> Result<Json<Suggestion>, ApiError> {
    let dataset = find(&state, id).await?;
    // The table may be large, and looking at it takes as long as an ingestion's last part.
    let _turn = state.ingesting.acquire().await.map_err(ApiError::internal)?;
    let worker = state.clone();
    let work = tokio::task::spawn_blocking(move || {
        let (tables, limits) = (&worker.tables, &worker.limits);
        let table = tables.get(&dataset.sha256, &dataset.reading);
        let table = table.map_err(ApiError::internal)?;
        suggest(&dataset, &table, query.target.as_deref(), limits).map_err(ApiError::invalid)
    });
    Ok(Json(work.await.map_err(ApiError::internal)??))
}
