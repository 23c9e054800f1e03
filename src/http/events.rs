//! `/v1/jobs/{id}/events`: a job's log, as JSON or as a stream of server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::Stream;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout};
use trainyard_learn::problem::Problem;
use utoipa::{IntoParams, ToSchema};

use super::AppState;
use super::extract::{PathId, Query, accepts};
use super::jobs::{self, find};
use super::page;
use super::problem::{ApiError, ProblemBody};
use crate::domain::ids::JobId;
use crate::store::events::Event;

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsQuery {
    /// Those after this `seq`.
    #[param(minimum = 0, default = 0)]
    after: Option<i64>,
    /// At most so many; JSON only.
    #[param(minimum = 1, maximum = 10000, default = 1000)]
    limit: Option<i64>,
    /// Seconds to hold the answer back unless there is an event before, or none can come any more; JSON
    /// only.
    #[param(minimum = 0, maximum = 300, default = 0)]
    wait: Option<f64>,
}

/// Events in order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Events {
    /// In order of `seq`; ask for more with `after`.
    data: Vec<Event>,
}

const LOOK_AGAIN: Duration = Duration::from_secs(1);
const EVENTS_A_LOOK: i64 = 500;

/// Follow what happens to a job: JSON, which waits for more with `wait`, or with
/// `Accept: text/event-stream` a stream that ends with the job and resumes after `Last-Event-ID`.
#[utoipa::path(
    operation_id = "get_job_events",
    get, path = "/v1/jobs/{id}/events", tag = "jobs",
    params(
        ("id" = JobId, Path), EventsQuery,
        ("Last-Event-ID" = Option<i64>, Header, description = "The last `seq` received.")
    ),
    responses(
        (status = 200, content((Events = "application/json"), (String = "text/event-stream"))),
        (status = 204, description = "the job has ended and all was told"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn events(
    State(state): State<AppState>,
    PathId(id): PathId<JobId>,
    Query(query): Query<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    // Watched before the first look, so that no change falls between.
    let mut watch = state.store.hints().watch(id);
    let job = find(&state, id).await?;
    let deadline = jobs::deadline(query.wait)?;
    let limit = page::limit(query.limit, 1_000, 10_000)?;
    let after = query.after.unwrap_or(0);
    if after < 0 {
        return Err(ApiError::invalid_parameter("query/after", "must be >= 0"));
    }
    if !accepts(&headers, "text/event-stream") {
        loop {
            // The status is read first: events that come with the end are then not missed.
            let ended = !state.store.is_unfinished(state.project(), id).await?;
            let data = state.store.events(state.project(), id, after, limit).await?;
            let over = ended || state.is_draining() || Instant::now() >= deadline;
            if over || !data.is_empty() {
                return Ok(Json(Events { data }).into_response());
            }
            jobs::changed(&mut watch, deadline).await;
        }
    }
    if query.wait.is_some() {
        let problem = Problem::new("/query/wait", "is of JSON; a stream waits by itself");
        return Err(ApiError::invalid(vec![problem.suggest("leave it out")]));
    }
    let last = match headers.get("last-event-id").map(|value| value.to_str().unwrap_or_default()) {
        None => after,
        Some(text) => text.parse().ok().filter(|id| *id >= 0).ok_or_else(|| {
            ApiError::invalid_parameter("headers/Last-Event-ID", "must be the `id` of an event")
        })?,
    };
    let project = state.project();
    if job.status.has_ended() && state.store.events(project, id, last, 1).await?.is_empty() {
        // Tells a browser's EventSource not to come back.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok(Sse::new(stream(state, id, last)).keep_alive(KeepAlive::default()).into_response())
}

struct Follow {
    state: AppState,
    job: JobId,
    watch: crate::store::hints::Watch,
    last: i64,
    waiting: VecDeque<Event>,
}

fn stream(
    state: AppState,
    job: JobId,
    last: i64,
) -> impl Stream<Item = Result<SseEvent, Infallible>> {
    // Watched before the first look, so that no event falls between.
    let watch = state.store.hints().watch(job);
    let follow = Follow { state, job, watch, last, waiting: VecDeque::new() };
    futures_util::stream::unfold(follow, |mut follow| async move {
        let event = follow.next().await?;
        let id = event.seq.to_string();
        let sse = SseEvent::default().id(id).event(&event.kind);
        // Data of ours always serialises; if ever not, the stream ends and the client resumes.
        Some((Ok(sse.json_data(&event).ok()?), follow))
    })
}

impl Follow {
    /// The next event; `None` once the job has ended and all is told, or the server is going away.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                self.last = event.seq;
                return Some(event);
            }
            // The status is read first: events that come with the end are then not missed.
            let ended = self.state.store.job(self.state.project(), self.job).await.ok()??;
            let ended = ended.status.has_ended();
            let store = &self.state.store;
            let found =
                store.events(self.state.project(), self.job, self.last, EVENTS_A_LOOK).await;
            self.waiting = found.ok()?.into();
            if self.waiting.is_empty() {
                if ended || self.state.is_draining() {
                    return None;
                }
                let _ = timeout(LOOK_AGAIN, self.watch.changed()).await;
            }
        }
    }
}
