//! `/v1/jobs`: waited for, looked into, cancelled, deleted.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::{Instant, timeout_at};
use utoipa::{IntoParams, ToSchema};

use super::AppState;
use super::extract::{Nothing, PathId, Query};
use super::page::{self, Page};
use super::problem::{ApiError, Code, ProblemBody};
use crate::domain::ids::{DatasetId, JobId};
use crate::domain::job::{FoldResult, Job, JobStatus};
use crate::store::Deleted;
use crate::store::hints::Watch;
use crate::store::jobs::JobFilter;

/// Which jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// At most so many.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<i64>,
    /// Those after this cursor: the `next_cursor` of the page before.
    after: Option<String>,
    /// Only those of this status.
    status: Option<JobStatus>,
    /// Only those on this dataset.
    dataset_id: Option<DatasetId>,
}

/// List the jobs, newest first. Their results leave `folds` out; look at a job for its folds.
#[utoipa::path(
    operation_id = "list_jobs",
    get, path = "/v1/jobs", tag = "jobs", params(ListQuery),
    responses(
        (status = 200, body = Page<Job>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(state): State<AppState>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<Job>>, ApiError> {
    let limit = page::limit(query.limit, 20, 100)?;
    let filter = JobFilter {
        after: page::cursor(query.after.as_deref())?,
        status: query.status,
        dataset: query.dataset_id,
        limit: limit + 1,
    };
    let jobs = state.store.jobs(state.project(), filter).await?;
    Ok(Json(Page::of(jobs, limit, |job| job.id.to_string())))
}

/// How to look at a job.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct GetQuery {
    /// Seconds to hold the answer back unless the job ends before.
    #[param(minimum = 0, maximum = 300, default = 0)]
    wait: Option<f64>,
}

const LONGEST_WAIT_S: f64 = 300.0;

/// A hint can be lost; a waiting answer looks this often anyway.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Look at a job, or wait for its end.
#[utoipa::path(
    operation_id = "get_job",
    get, path = "/v1/jobs/{id}", tag = "jobs", params(("id" = JobId, Path), GetQuery),
    responses(
        (status = 200, body = Job),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get(
    State(state): State<AppState>,
    PathId(id): PathId<JobId>,
    Query(query): Query<GetQuery>,
) -> Result<Json<Job>, ApiError> {
    let deadline = deadline(query.wait)?;
    // Watched before the first look, so that no change falls between.
    let mut watch = state.store.hints().watch(id);
    while Instant::now() < deadline && !state.is_draining() {
        // No more is looked at meanwhile: a job may have thousands of folds.
        if !state.store.is_unfinished(state.project(), id).await? {
            break;
        }
        changed(&mut watch, deadline).await;
    }
    Ok(Json(find(&state, id).await?))
}

/// Until when an answer may be held back.
pub(super) fn deadline(wait: Option<f64>) -> Result<Instant, ApiError> {
    let wait = wait.unwrap_or(0.0);
    if !(0.0..=LONGEST_WAIT_S).contains(&wait) {
        let detail = format!("must be 0 to {LONGEST_WAIT_S} seconds");
        return Err(ApiError::invalid_parameter("query/wait", detail));
    }
    Ok(Instant::now() + Duration::from_secs_f64(wait))
}

/// Waits until the job may have changed, or it is time to look anyway: either way the next look says
/// what is true.
pub(super) async fn changed(watch: &mut Watch, deadline: Instant) {
    let look_again = deadline.min(Instant::now() + LOOK_AGAIN);
    let _ = timeout_at(look_again, watch.changed()).await;
}

pub(super) async fn find(state: &AppState, id: JobId) -> Result<Job, ApiError> {
    let found = state.store.job(state.project(), id).await?;
    found.ok_or_else(|| ApiError::not_found("job", id))
}

/// The folds that are done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Folds {
    /// In order.
    data: Vec<FoldResult>,
}

/// Look at a job's folds, those that are done.
#[utoipa::path(
    operation_id = "get_job_folds",
    get, path = "/v1/jobs/{id}/folds", tag = "jobs", params(("id" = JobId, Path)),
    responses(
        (status = 200, body = Folds),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn folds(
    State(state): State<AppState>,
    PathId(id): PathId<JobId>,
    _: Query<Nothing>,
) -> Result<Json<Folds>, ApiError> {
    let folds = state.store.folds(state.project(), id).await?;
    Ok(Json(Folds { data: folds.ok_or_else(|| ApiError::not_found("job", id))? }))
}

/// Cancel a job. What is queued ends at once, what is running after its epoch.
#[utoipa::path(
    operation_id = "cancel_job",
    post, path = "/v1/jobs/{id}/cancel", tag = "jobs", params(("id" = JobId, Path)),
    responses(
        (status = 202, body = Job),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn cancel(
    State(state): State<AppState>,
    PathId(id): PathId<JobId>,
    _: Query<Nothing>,
) -> Result<(StatusCode, Json<Job>), ApiError> {
    let job = state.store.cancel_job(state.project(), id).await?;
    let job = job.ok_or_else(|| ApiError::not_found("job", id))?;
    Ok((StatusCode::ACCEPTED, Json(job)))
}

/// Let a job rest. What is queued or waits for other jobs is not started; what is running is saved where
/// it can be, and goes on from there. It answers at once; `tasks.running` says what has not heard of it
/// yet. `max_seconds` does not count while it rests. One that waits for a job which fails meanwhile fails
/// with it.
#[utoipa::path(
    operation_id = "pause_job",
    post, path = "/v1/jobs/{id}/pause", tag = "jobs", params(("id" = JobId, Path)),
    responses(
        (status = 202, body = Job),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn pause(
    State(state): State<AppState>,
    PathId(id): PathId<JobId>,
    _: Query<Nothing>,
) -> Result<(StatusCode, Json<Job>), ApiError> {
    let job = state.store.pause_job(state.project(), id).await?;
    Ok((StatusCode::ACCEPTED, Json(job.ok_or_else(|| ApiError::not_found("job", id))?)))
}

/// Let a paused job go on: with its tasks, or with waiting for the jobs that it comes after.
#[utoipa::path(
    operation_id = "resume_job",
    post, path = "/v1/jobs/{id}/resume", tag = "jobs", params(("id" = JobId, Path)),
    responses(
        (status = 202, body = Job),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn resume(
    State(state): State<AppState>,
    PathId(id): PathId<JobId>,
    _: Query<Nothing>,
) -> Result<(StatusCode, Json<Job>), ApiError> {
    let job = state.store.resume_job(state.project(), id).await?;
    Ok((StatusCode::ACCEPTED, Json(job.ok_or_else(|| ApiError::not_found("job", id))?)))
}

/// Delete a job that has ended, with its folds, predictions and events. Its model stays.
#[utoipa::path(
    operation_id = "delete_job",
    delete, path = "/v1/jobs/{id}", tag = "jobs", params(("id" = JobId, Path)),
    responses(
        (status = 202, content_type = "application/json"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete(
    State(state): State<AppState>,
    PathId(id): PathId<JobId>,
    _: Query<Nothing>,
) -> Result<Response, ApiError> {
    match state.store.delete_job(state.project(), id).await? {
        Deleted::Yes => {
            Ok((StatusCode::ACCEPTED, Json(json!({"id": id, "deleted": true}))).into_response())
        }
        Deleted::NotFound => Err(ApiError::not_found("job", id)),
        Deleted::InUse => Err(ApiError::new(
            Code::InUse,
            "the job has not ended, or others wait for it; cancel it first, or those",
        )),
    }
}
