//! The HTTP interface: routes, extractors, answers. `openapi.yaml` is generated from it.
//!
//! A handler reads as a sentence: extract, check, one store call, respond. Knows nothing of SQL and
//! nothing of workers. Start reading at `routes`; a resource is a file.

mod checkpoints;
mod compare;
mod content;
mod curves;
mod datasets;
mod docs;
mod evaluate;
mod events;
mod extract;
mod generate;
mod guard;
mod ingest;
mod jobs;
mod json;
mod leaks;
mod loaded;
mod metrics;
mod models;
pub mod openapi;
mod operations;
mod order;
mod out_of_fold;
mod overlap;
mod page;
mod predict;
mod predictions;
pub mod problem;
mod submit;
mod suggestion;
mod upload;
mod validate;
mod variants;
mod webhooks;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath};
use axum::middleware;
use http::{HeaderName, HeaderValue, Request, header};
use tokio::sync::Semaphore;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{
    MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer,
};
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::RequestBodyTimeoutLayer;
use tower_http::trace::{DefaultOnResponse, TraceLayer};
use tracing::Level;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes as route;

use crate::blobs::Blobs;
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::ids::ProjectId;
use crate::domain::limits::Limits;
use crate::meters::Meters;
use crate::store::Store;
use crate::tables::Tables;
use crate::telemetry;
use crate::webhooks::Receivers;
pub use guard::Allowed;
use leaks::KnownLeaks;
use loaded::LoadedModels;

const CONCURRENT_INGESTIONS: usize = 2;

/// What handlers work with.
#[derive(Clone, Debug)]
pub struct AppState {
    inner: Arc<Shared>,
}

/// What the clones of a state share.
#[derive(Debug)]
pub struct Shared {
    store: Store,
    blobs: Blobs,
    tables: Arc<Tables>,
    clock: Clock,
    limits: Limits,
    models: LoadedModels,
    leaks: KnownLeaks,
    meters: Meters,
    receivers: Receivers,
    started: Timestamp,
    /// How many tables may be made or understood at once: each may need gigabytes.
    ingesting: Semaphore,
    draining: AtomicBool,
}

impl AppState {
    /// The state of a server.
    pub fn new(
        store: Store,
        blobs: Blobs,
        tables: Arc<Tables>,
        clock: Clock,
        limits: Limits,
        meters: Meters,
        receivers: Receivers,
    ) -> Self {
        let models = LoadedModels::default();
        let started = clock.now();
        Self {
            inner: Arc::new(Shared {
                store,
                blobs,
                tables,
                clock,
                limits,
                models,
                leaks: KnownLeaks::default(),
                meters,
                receivers,
                started,
                ingesting: Semaphore::new(CONCURRENT_INGESTIONS),
                draining: AtomicBool::new(false),
            }),
        }
    }

    /// Tells waiting answers to end, because the server is going away.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// The caller's project. There is one until keys name others.
    fn project(&self) -> ProjectId {
        ProjectId::DEFAULT
    }
}

impl std::ops::Deref for AppState {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.inner
    }
}

/// Every route with its part of the document.
fn routes() -> OpenApiRouter<AppState> {
    // Staging has a limit of its own for files.
    let upload = OpenApiRouter::new()
        .routes(route!(datasets::list, upload::upload))
        .layer(DefaultBodyLimit::disable());
    OpenApiRouter::new()
        .merge(upload)
        .routes(route!(generate::generate))
        .routes(route!(datasets::get, datasets::delete))
        .routes(route!(datasets::rows))
        .routes(route!(content::content))
        .routes(route!(overlap::overlap))
        .routes(route!(suggestion::suggestion))
        .routes(route!(jobs::list, submit::create))
        .routes(route!(jobs::get, jobs::delete))
        .routes(route!(jobs::folds))
        .routes(route!(checkpoints::checkpoints))
        .routes(route!(predictions::predictions))
        .routes(route!(compare::compare_jobs))
        .routes(route!(curves::curves))
        .routes(route!(metrics::metrics))
        .routes(route!(jobs::cancel))
        .routes(route!(jobs::pause))
        .routes(route!(jobs::resume))
        .routes(route!(operations::workers))
        .routes(route!(webhooks::list, webhooks::create))
        .routes(route!(webhooks::get, webhooks::delete))
        .routes(route!(webhooks::deliveries))
        .routes(route!(webhooks::replay))
        .routes(route!(events::events))
        .routes(route!(models::list))
        .routes(route!(models::get, models::delete))
        .routes(route!(predict::by_path))
        .routes(route!(evaluate::evaluate))
        .routes(route!(predict::by_body))
        .routes(route!(operations::livez))
        .routes(route!(operations::readyz))
        .routes(route!(operations::metrics))
        .routes(route!(operations::openapi_yaml))
        .routes(route!(operations::openapi_json))
}

/// A body may pause at most so long.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The whole service as a router.
pub fn router(state: AppState, allowed: Allowed) -> Router {
    let (router, _) = routes().split_for_parts();
    layered(router.merge(docs::router()), state, allowed)
}

/// What a process that only trains answers: how it is.
pub fn health_router(state: AppState, allowed: Allowed) -> Router {
    let router = OpenApiRouter::new()
        .routes(route!(operations::livez))
        .routes(route!(operations::readyz))
        .routes(route!(operations::metrics));
    layered(router.split_for_parts().0, state, allowed)
}

/// What every answer goes through.
fn layered(router: Router<AppState>, state: AppState, allowed: Allowed) -> Router {
    let trace = TraceLayer::new_for_http()
        .make_span_with(|request: &Request<axum::body::Body>| {
            let id = request.extensions().get::<RequestId>();
            let request_id = id.and_then(|id| id.header_value().to_str().ok()).unwrap_or_default();
            let span = tracing::info_span!(
                "request",
                method = %request.method(),
                path = request.uri().path(),
                request_id
            );
            let parent = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
            telemetry::follow(&span, parent);
            // By the route, so that requests for one thing and another count together.
            if let Some(route) = request.extensions().get::<MatchedPath>() {
                telemetry::rename(&span, format!("{} {}", request.method(), route.as_str()));
            }
            span
        })
        .on_request(())
        .on_failure(())
        .on_response(DefaultOnResponse::new().level(Level::INFO));
    let request_id = SetRequestIdLayer::new(X_REQUEST_ID.clone(), FreshId(state.clock.clone()));
    let no_sniffing = SetResponseHeaderLayer::overriding(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    router.layer(DefaultBodyLimit::max(state.limits.max_body_bytes)).with_state(state).layer(
        ServiceBuilder::new()
            .map_request(drop_unfit_request_id)
            .layer(request_id)
            .layer(PropagateRequestIdLayer::new(X_REQUEST_ID.clone()))
            .layer(trace)
            .layer(no_sniffing)
            .layer(middleware::from_fn(problem::render))
            .layer(CatchPanicLayer::new())
            .layer(middleware::from_fn_with_state(Arc::new(allowed), guard::check))
            .layer(RequestBodyTimeoutLayer::new(BODY_TIMEOUT)),
    )
}

#[derive(Clone, Debug)]
struct FreshId(Clock);

impl MakeRequestId for FreshId {
    fn make_request_id<B>(&mut self, _: &Request<B>) -> Option<RequestId> {
        HeaderValue::from_str(&self.0.new_uuid().to_string()).ok().map(RequestId::new)
    }
}

/// A client may bring an id of its own, as long as it is fit for a log line.
fn drop_unfit_request_id<B>(mut request: Request<B>) -> Request<B> {
    let fit = |value: &HeaderValue| {
        (1..=64).contains(&value.len())
            && value.as_bytes().iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
    };
    if request.headers().get(&X_REQUEST_ID).is_some_and(|value| !fit(value)) {
        request.headers_mut().remove(&X_REQUEST_ID);
    }
    request
}
