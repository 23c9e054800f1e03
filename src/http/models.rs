//! `/v1/models`: listed, looked at, deleted.

use axum::Json;
use axum::extract::State;
use http::StatusCode;

use super::AppState;
use super::extract::{Nothing, PathId, Query};
use super::page::{self, Page, PageQuery};
use super::problem::{ApiError, ProblemBody};
use crate::domain::ids::ModelId;
use crate::domain::model::Model;
use crate::store::Deleted;

/// List the models, newest first.
#[utoipa::path(
    operation_id = "list_models",
    get, path = "/v1/models", tag = "models", params(PageQuery),
    responses(
        (status = 200, body = Page<Model>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(state): State<AppState>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<Model>>, ApiError> {
    let limit = page::limit(query.limit, 20, 100)?;
    let after = page::cursor(query.after.as_deref())?;
    let models = state.store.models(state.project(), after, limit + 1).await?;
    Ok(Json(Page::of(models, limit, |model| model.id.to_string())))
}

/// Look at a model's card.
#[utoipa::path(
    operation_id = "get_model",
    get, path = "/v1/models/{id}", tag = "models", params(("id" = ModelId, Path)),
    responses(
        (status = 200, body = Model),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get(
    State(state): State<AppState>,
    PathId(id): PathId<ModelId>,
    _: Query<Nothing>,
) -> Result<Json<Model>, ApiError> {
    let found = state.store.model(state.project(), id).await?;
    Ok(Json(found.ok_or_else(|| ApiError::not_found("model", id))?))
}

/// Delete a model.
#[utoipa::path(
    operation_id = "delete_model",
    delete, path = "/v1/models/{id}", tag = "models", params(("id" = ModelId, Path)),
    responses(
        (status = 204),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete(
    State(state): State<AppState>,
    PathId(id): PathId<ModelId>,
    _: Query<Nothing>,
) -> Result<StatusCode, ApiError> {
    let deleted = state.store.delete_model(state.project(), id).await?;
    state.models.forget(id);
    match deleted {
        Deleted::Yes => Ok(StatusCode::NO_CONTENT),
        Deleted::NotFound | Deleted::InUse => Err(ApiError::not_found("model", id)),
    }
}
