//! Health, and the API's document.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::timeout;
use utoipa::ToSchema;

use super::AppState;
use super::extract::{Nothing, Query};
use super::openapi;
use super::problem::{ApiError, Code, ProblemBody};
use crate::domain::worker::Worker;
use crate::meters::Waiting;
use crate::store::StoreError;
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
    match soon(READY_WITHIN, state.store.ping()).await {
        Some(()) => Ok(Json(json!({"status": "ok"}))),
        None => Err(ApiError::new(Code::NotReady, "the database does not answer")),
    }
}

/// Whoever asks whether the server is ready waits for seconds, and whoever collects its counts should have
/// them in an outage too.
const READY_WITHIN: Duration = Duration::from_secs(2);
const COUNTED_WITHIN: Duration = Duration::from_secs(1);

/// What the database says, if it does so soon.
async fn soon<T>(
    within: Duration,
    asked: impl Future<Output = Result<T, StoreError>>,
) -> Option<T> {
    match timeout(within, asked).await {
        Ok(Ok(answer)) => return Some(answer),
        Ok(Err(error)) => tracing::error!(%error, "the database does not answer"),
        Err(_) => tracing::error!(?within, "the database does not answer in time"),
    }
    None
}

/// What the process has done and what waits, for Prometheus (OpenMetrics text).
///
/// Counts are of this process, since it started; `trainyard_queue_tasks` is of all processes. While the
/// database does not answer, that one is left out and `trainyard_database_up` is 0.
#[utoipa::path(get, path = "/metrics", tag = "operations", operation_id = "prometheus", responses(
    (status = 200, content_type = "application/openmetrics-text")
))]
pub(super) async fn metrics(State(state): State<AppState>) -> Result<Response, ApiError> {
    let named = |queue| {
        let QueueDepth { project, requires, is_running, n_tasks } = queue;
        let state = if is_running { "running" } else { "queued" };
        (Waiting { project, requires, state }, n_tasks)
    };
    let depths = soon(COUNTED_WITHIN, state.store.queue()).await;
    let waiting = depths.map(|depths| depths.into_iter().map(named).collect());
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
