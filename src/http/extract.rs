//! What handlers take: JSON bodies checked against their schema, queries, ids, idempotency keys.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::request::Parts;
use http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};
use trainyard_learn::problem::Problem;
use utoipa::ToSchema;

use super::problem::{ApiError, Code};
use super::validate::{self, Checked};
use crate::blobs::hex;
use crate::store::idempotency::IdempotencyKey;

/// A JSON body of the shape of `T`, with everything that is wrong with it.
#[derive(Debug)]
pub(super) struct JsonBody<T>(pub(super) Checked<T>);

impl<S: Send + Sync, T: ToSchema + DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        require_json(request.headers())?;
        let bytes = body_bytes(request, state).await?;
        let raw: Value = serde_json::from_slice(&bytes)
            .map_err(|error| ApiError::new(Code::MalformedJson, error.to_string()))?;
        Ok(Self(validate::check(raw)))
    }
}

/// Fails unless the body is said to be JSON; a body that is said to be nothing is taken for it.
pub(super) fn require_json(headers: &HeaderMap) -> Result<(), ApiError> {
    match media_type(headers) {
        None => Ok(()),
        Some(kind) if kind == "application/json" || kind.ends_with("+json") => Ok(()),
        Some(kind) => Err(ApiError::new(
            Code::UnsupportedMediaType,
            format!("{kind} is not read here; send application/json"),
        )),
    }
}

/// The body, whole; the router limits its size.
pub(super) async fn body_bytes<S: Send + Sync>(
    request: Request,
    state: &S,
) -> Result<Bytes, ApiError> {
    Bytes::from_request(request, state)
        .await
        .map_err(|rejection| {
            let detail = rejection.body_text();
            match rejection.status() {
                http::StatusCode::PAYLOAD_TOO_LARGE => ApiError::new(Code::TooLarge, detail),
                http::StatusCode::REQUEST_TIMEOUT => ApiError::new(Code::RequestTimeout, detail),
                _ => ApiError::new(Code::IncompleteBody, detail),
            }
        })
}

/// The media type in lower case, without its parameters.
pub(super) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(
        value
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase(),
    )
}

/// The query of a URL. Unlike axum's own it answers as every other error does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        axum::extract::Query::try_from_uri(&parts.uri)
            .map(|axum::extract::Query(query)| Self(query))
            .map_err(|rejection| ApiError::invalid_parameter("query", rejection.body_text()))
    }
}

/// An id in the path. A text that is no id names nothing, so that is a 404.
#[derive(Clone, Copy, Debug)]
pub(super) struct PathId<T>(pub(super) T);

impl<S: Send + Sync, T: std::str::FromStr + Send> FromRequestParts<S> for PathId<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = axum::extract::Path::<String>::from_request_parts(parts, state).await;
        let text = path.map(|path| path.0).unwrap_or_default();
        text.parse()
            .map(Self)
            .map_err(|_| ApiError::not_found("resource", &text))
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
            IdempotencyKey {
                key,
                fingerprint: hex(&hash.finalize()),
            }
        })
    }
}
