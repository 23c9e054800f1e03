//! `/v1/webhooks`: who is told when something happens to a job, and how the messages went.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use trainyard_learn::problem::Problem;
use url::Url;
use utoipa::{IntoParams, ToSchema};

use super::AppState;
use super::datasets::{IdempotencyHeader, key_reused};
use super::extract::{Idempotency, JsonBody, Nothing, PathId, Query};
use super::page::{self, Page};
use super::problem::{ApiError, Code, ProblemBody};
use crate::domain::ids::WebhookId;
use crate::domain::webhook::{self, Delivery, DeliveryState, Webhook, WebhookEvent};
use crate::store::Deleted;
use crate::store::idempotency::Created;
use crate::store::webhooks::{MOST, NewWebhook};
use crate::webhooks::Receivers;

/// Who is to be told.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookRequest {
    /// Where messages are POSTed to: `https://…`.
    #[schema(min_length = 1, max_length = 2000)]
    url: String,
    /// What is told; all of it if left out.
    #[serde(default)]
    #[schema(max_items = 6)]
    events: Vec<WebhookEvent>,
}

/// The webhooks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Webhooks {
    /// The newest first.
    data: Vec<Webhook>,
}

fn enabled(state: &AppState) -> Result<(), ApiError> {
    if state.receivers == Receivers::Off {
        let detail = "webhooks are off; the operator turns them on by `serve --webhooks public`, or `any` to reach \
             addresses of the own network";
        return Err(ApiError::new(Code::WebhooksOff, detail));
    }
    Ok(())
}

/// Add a webhook: from now on a message is POSTed to its URL when something happens to a job.
///
/// Messages and their signatures follow Standard Webhooks. The answer is the only one that shows the
/// `secret`. A message that is not answered with 2xx is sent again, over three days.
#[utoipa::path(
    operation_id = "create_webhook",
    post, path = "/v1/webhooks", tag = "webhooks", params(IdempotencyHeader),
    request_body = WebhookRequest,
    responses(
        (status = 201, body = Webhook, headers(("location" = String))),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn create(
    State(state): State<AppState>,
    _: Query<Nothing>,
    idempotency: Idempotency,
    JsonBody(mut body): JsonBody<WebhookRequest>,
) -> Result<Response, ApiError> {
    enabled(&state)?;
    if let Some(reason) = body.value.as_ref().and_then(|body| state.receivers.refuse(&body.url)) {
        body.add(vec![Problem::new("/url", reason)]);
    }
    let key = idempotency.key("webhook", body.raw.to_string().as_bytes());
    let request = body.into_valid().map_err(ApiError::invalid)?;
    let mut bytes = [0; 24];
    SystemRandom::new().fill(&mut bytes).map_err(ApiError::internal)?;
    let new = Webhook {
        id: WebhookId::new(&state.clock),
        // As it is understood: without what a parser passes over, such as blanks around it.
        url: Url::parse(&request.url).map_or(request.url, String::from),
        events: request.events,
        secret: Some(webhook::secret(&bytes)),
        created_at: state.clock.now(),
    };
    match state.store.create_webhook(state.project(), new, key.as_ref()).await? {
        NewWebhook::Webhook(Created::New(webhook) | Created::Before(webhook)) => {
            let headers = [(header::LOCATION, format!("/v1/webhooks/{}", webhook.id))];
            Ok((StatusCode::CREATED, headers, Json(webhook)).into_response())
        }
        NewWebhook::Webhook(Created::KeyReused) => Err(key_reused()),
        NewWebhook::TooMany => {
            let detail = format!("there are {MOST} webhooks, which is the most; delete one");
            Err(ApiError::new(Code::Conflict, detail))
        }
    }
}

/// List the webhooks, newest first.
#[utoipa::path(
    operation_id = "list_webhooks",
    get, path = "/v1/webhooks", tag = "webhooks",
    responses(
        (status = 200, body = Webhooks),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(state): State<AppState>,
    _: Query<Nothing>,
) -> Result<Json<Webhooks>, ApiError> {
    Ok(Json(Webhooks { data: state.store.webhooks(state.project()).await? }))
}

/// Look at a webhook.
#[utoipa::path(
    operation_id = "get_webhook",
    get, path = "/v1/webhooks/{id}", tag = "webhooks", params(("id" = WebhookId, Path)),
    responses(
        (status = 200, body = Webhook),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get(
    State(state): State<AppState>,
    PathId(id): PathId<WebhookId>,
    _: Query<Nothing>,
) -> Result<Json<Webhook>, ApiError> {
    let found = state.store.webhook(state.project(), id).await?;
    Ok(Json(found.ok_or_else(|| ApiError::not_found("webhook", id))?))
}

/// Delete a webhook with its messages.
#[utoipa::path(
    operation_id = "delete_webhook",
    delete, path = "/v1/webhooks/{id}", tag = "webhooks", params(("id" = WebhookId, Path)),
    responses(
        (status = 204),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete(
    State(state): State<AppState>,
    PathId(id): PathId<WebhookId>,
    _: Query<Nothing>,
) -> Result<StatusCode, ApiError> {
    match state.store.delete_webhook(state.project(), id).await? {
        Deleted::Yes => Ok(StatusCode::NO_CONTENT),
        Deleted::NotFound | Deleted::InUse => Err(ApiError::not_found("webhook", id)),
    }
}

/// Which messages.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeliveriesQuery {
    /// At most so many.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<i64>,
    /// Those after this cursor: the `next_cursor` of the page before.
    after: Option<String>,
    /// Only those of this state, such as `failed`.
    state: Option<DeliveryState>,
}

/// List a webhook's messages of the last thirty days, newest first, and how they went.
#[utoipa::path(
    operation_id = "list_deliveries",
    get, path = "/v1/webhooks/{id}/deliveries", tag = "webhooks",
    params(("id" = WebhookId, Path), DeliveriesQuery),
    responses(
        (status = 200, body = Page<Delivery>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn deliveries(
    State(state): State<AppState>,
    PathId(id): PathId<WebhookId>,
    Query(query): Query<DeliveriesQuery>,
) -> Result<Json<Page<Delivery>>, ApiError> {
    let limit = page::limit(query.limit, 20, 100)?;
    let which = (query.state, page::cursor(query.after.as_deref())?);
    if state.store.webhook(state.project(), id).await?.is_none() {
        return Err(ApiError::not_found("webhook", id));
    }
    let found = state.store.deliveries(state.project(), id, which, limit + 1).await?;
    Ok(Json(Page::of(found, limit, |delivery| delivery.id.to_string())))
}

/// Send a message again, whatever became of it before.
#[utoipa::path(
    operation_id = "replay_delivery",
    post, path = "/v1/webhooks/{id}/deliveries/{delivery}/replay", tag = "webhooks",
    params(
        ("id" = WebhookId, Path),
        ("delivery" = i64, Path, description = "The delivery's own `id`."),
    ),
    responses(
        (status = 202, content_type = "application/json"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn replay(
    State(state): State<AppState>,
    Path((webhook, delivery)): Path<(String, String)>,
    _: Query<Nothing>,
) -> Result<Response, ApiError> {
    enabled(&state)?;
    let missing = || ApiError::not_found("delivery", &delivery);
    let webhook: WebhookId = webhook.parse().map_err(|_| missing())?;
    let id: i64 = delivery.parse().map_err(|_| missing())?;
    if !state.store.replay(state.project(), webhook, id).await? {
        return Err(missing());
    }
    let body = serde_json::json!({"id": id, "state": DeliveryState::Pending});
    Ok((StatusCode::ACCEPTED, Json(body)).into_response())
}
