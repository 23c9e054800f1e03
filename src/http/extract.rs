//! What handlers take: JSON bodies checked against their schema, queries, ids, idempotency keys.

use std::str::FromStr;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::request::Parts;
use http::{HeaderMap, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use trainyard_learn::problem::Problem;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::{IntoParams, ToSchema};

use super::AppState;
use super::json;
use super::problem::{ApiError, Code};
use super::validate::{self, Checked, NUL};
use crate::blobs::hex;
use crate::domain::ids::InvalidId;
use crate::store::idempotency::IdempotencyKey;

/// A JSON body of the shape of `T`, with everything that is wrong with it.
#[derive(Debug)]
pub(super) struct JsonBody<T>(pub(super) Checked<T>);

impl<T: ToSchema + DeserializeOwned + Send + 'static> FromRequest<AppState> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        require_json(request.headers())?;
        let bytes = body_bytes(request, state, state.limits.max_spec_bytes).await?;
        unless_short(bytes.len(), move || Ok(Self(validate::check(json::parse(&bytes)?)))).await?
    }
}

/// A body of more bytes than this takes long enough that other answers should not wait for it.
const SHORT_BODY_BYTES: usize = 64 << 10;

/// Does work away from the runtime's threads, unless it is over before that would pay.
pub(super) async fn unless_short<T: Send + 'static>(
    n_bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    if n_bytes <= SHORT_BODY_BYTES {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(ApiError::internal)
}

/// Fails when the body is compressed: it would be taken for what it is not.
pub(super) fn require_plain(headers: &HeaderMap) -> Result<(), ApiError> {
    let plain = |coding: &http::HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(header::CONTENT_ENCODING).iter().all(plain) {
        return Ok(());
    }
    let detail = "a Content-Encoding is not read here; send the body as it is";
    Err(ApiError::new(Code::UnsupportedMediaType, detail))
}

/// Fails unless the body is said to be JSON; a body that is said to be nothing is taken for it.
pub(super) fn require_json(headers: &HeaderMap) -> Result<(), ApiError> {
    require_plain(headers)?;
    match media_type(headers) {
        None => Ok(()),
        Some(kind) if kind == "application/json" || kind.ends_with("+json") => Ok(()),
        Some(kind) => Err(ApiError::new(
            Code::UnsupportedMediaType,
            format!("{kind} is not read here; send application/json"),
        )),
    }
}

/// The body, whole, if it has at most so many bytes. One that says itself that it has more is refused
/// before it is sent.
pub(super) async fn body_bytes(
    request: Request,
    state: &AppState,
    most: usize,
) -> Result<Bytes, ApiError> {
    let too_large = || ApiError::new(Code::TooLarge, format!("a body may have {most} bytes here"));
    if content_length(request.headers()).is_some_and(|length| length > most as u64) {
        return Err(too_large());
    }
    let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
        let detail = rejection.body_text();
        match rejection.status() {
            http::StatusCode::PAYLOAD_TOO_LARGE => ApiError::new(Code::TooLarge, detail),
            http::StatusCode::REQUEST_TIMEOUT => ApiError::new(Code::RequestTimeout, detail),
            _ => ApiError::new(Code::IncompleteBody, detail),
        }
    })?;
    if bytes.len() > most { Err(too_large()) } else { Ok(bytes) }
}

/// How many bytes a body says that it has.
pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The media type in lower case, without its parameters.
pub(super) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// The query of a URL. Unlike axum's own it answers as every other error does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + IntoParams> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        let nuls: Vec<Problem> = url::form_urlencoded::parse(query.as_bytes())
            .filter(|(name, value)| name.contains('\0') || value.contains('\0'))
            .map(|(name, _)| Problem::new(format!("/query/{name}"), NUL))
            .collect();
        if !nuls.is_empty() {
            return Err(ApiError::invalid(nuls));
        }
        axum::extract::Query::try_from_uri(&parts.uri)
            .map(|axum::extract::Query(query)| Self(query))
            .map_err(|rejection| {
                let found = validate::query::<T>(query);
                let unseen = || vec![query_problem(&rejection.body_text())];
                ApiError::invalid(if found.is_empty() { unseen() } else { found })
            })
    }
}

/// No query at all: a parameter that nobody reads would be ignored in silence.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

impl IntoParams for Nothing {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Vec::new()
    }
}

/// What the deserializer says of a value that the schema has nothing against, as of an id that is none.
fn query_problem(text: &str) -> Problem {
    let text = text.trim_start_matches("Failed to deserialize query string: ");
    match text.split_once(": ") {
        Some((name, detail)) => Problem::new(format!("/query/{name}"), detail),
        None => Problem::new("/query", text),
    }
}

/// Whether a client asks for this media type by name.
pub(super) fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).any(|accept| {
        accept.split(',').any(|part| {
            let mut parts = part.split(';').map(str::trim);
            let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(media_type));
            let refused = parts.any(|p| matches!(p, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
            named && !refused
        })
    })
}

/// An id in the path. A text that is no id names nothing, so that is a 404.
#[derive(Clone, Copy, Debug)]
pub(super) struct PathId<T>(pub(super) T);

impl<S: Send + Sync, T: FromStr<Err = InvalidId> + Send> FromRequestParts<S> for PathId<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = axum::extract::Path::<String>::from_request_parts(parts, state).await;
        let text = path.map(|path| path.0).unwrap_or_default();
        text.parse().map(Self).map_err(|error: InvalidId| ApiError::not_found(error.of, &text))
    }
}

/// The `Idempotency-Key` header.
#[derive(Clone, Debug)]
pub(super) struct Idempotency(Option<String>);

const MAX_KEY_CHARACTERS: usize = 255;

impl<S: Send + Sync> FromRequestParts<S> for Idempotency {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get("idempotency-key") else {
            return Ok(Self(None));
        };
        match value.to_str() {
            Ok(key) if (1..=MAX_KEY_CHARACTERS).contains(&key.len()) => {
                Ok(Self(Some(key.to_owned())))
            }
            _ => Err(ApiError::invalid(vec![Problem::new(
                "/headers/Idempotency-Key",
                format!("must be 1 to {MAX_KEY_CHARACTERS} visible ASCII characters"),
            )])),
        }
    }
}

impl Idempotency {
    /// The key with the fingerprint of this call.
    pub(super) fn key(self, call: &str, body: &[u8]) -> Option<IdempotencyKey> {
        self.0.map(|key| {
            let mut hash = Sha256::new();
            hash.update(call);
            hash.update([0]);
            hash.update(body);
            IdempotencyKey { key, fingerprint: hex(&hash.finalize()) }
        })
    }
}
