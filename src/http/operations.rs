//! Health, and the API's document.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::AppState;
use super::extract::{Nothing, Query};
use super::openapi;
use super::problem::{ApiError, Code, ProblemBody};
use crate::domain::worker::Worker;
use crate::meters::Waiting;
use crate::store::tasks::QueueDepth;

/// Whether the process answers.
#[utoipa::path(get, path = "/livez", tag = "operations", responses(
    (status = 200, content_type = "application/json")
))]
pub(super) async fn livez() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// Whether the server can do its work: the database answers, and it is not going away.
#[utoipa::path(get, path = "/readyz", tag = "operations", responses(
    (status = 200, content_type = "application/json"),
    (status = 503, body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn readyz(State(state): State<AppState>) -> Result<Json<Value>, ApiError> {
    if state.is_draining() {
        return Err(ApiError::new(Code::NotReady, "the server is going away"));
    }
    match state.store.ping().await {
        Ok(()) => Ok(Json(json!({"status": "ok"}))),
        Err(error) => {
            tracing::error!(%error, "the database does not answer");
            Err(ApiError::new(Code::NotReady, "the database does not answer"))
        }
    }
}

/// What the process has done and what waits, for Prometheus (OpenMetrics text).
///
/// Counts are of this process, since it started; `trainyard_queue_tasks` is of all processes.
#[utoipa::path(get, path = "/metrics", tag = "operations", operation_id = "prometheus", responses(
    (status = 200, content_type = "application/openmetrics-text")
))]
pub(super) async fn metrics(State(state): State<AppState>) -> Result<Response, ApiError> {
    let waiting = state.store.queue().await?;
    let waiting = waiting
        .into_iter()
        .map(|queue| {
            let state = if queue.is_running { "running" } else { "queued" };
            let QueueDepth { project, requires, n_tasks, .. } = queue;
            (Waiting { project, requires, state }, n_tasks)
        })
        .collect();
    let uptime = state.clock.now().seconds_since(state.started);
    let text = state.meters.text(waiting, uptime).map_err(ApiError::internal)?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// The workers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Workers {
    /// The oldest first.
    data: Vec<Worker>,
}

/// Look at the workers: those that live, and those that were lost within the hour.
#[utoipa::path(get, path = "/v1/workers", tag = "operations", operation_id = "list_workers", responses(
    (status = 200, body = Workers),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn workers(
    State(state): State<AppState>,
    _: Query<Nothing>,
) -> Result<Json<Workers>, ApiError> {
    Ok(Json(Workers { data: state.store.workers().await? }))
}

/// This document, as YAML.
#[utoipa::path(get, path = "/openapi.yaml", tag = "operations", responses(
    (status = 200, content_type = "application/yaml")
))]
pub(super) async fn openapi_yaml() -> Result<Response, ApiError> {
    let text = openapi::yaml().map_err(ApiError::internal)?;
    Ok(([(header::CONTENT_TYPE, "application/yaml")], text).into_response())
}

/// This document, as JSON.
#[utoipa::path(get, path = "/openapi.json", tag = "operations", responses(
    (status = 200, content_type = "application/json")
))]
pub(super) async fn openapi_json() -> Response {
    Json(&*openapi::DOCUMENT).into_response()
}
