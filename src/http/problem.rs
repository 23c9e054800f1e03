//! The one place where errors become responses: `application/problem+json` (RFC 9457).
//!
//! A handler returns [`ApiError`]; [`render`] gives it its body, because only there the request's id
//! is known. Answers of the framework itself (no such route, wrong method) take the same way.

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use trainyard_learn::problem::Problem;
use utoipa::ToSchema;

use crate::blobs::BlobError;
use crate::store::StoreError;

/// The body of every answer that is not a success.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// A reference that names the kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem, for people.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time; absent for errors of the server's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The kind of problem, for programs; stable.
    pub code: String,
    /// The request's id, to find it in the server's log.
    pub request_id: String,
    /// Everything that is wrong with the body, in place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ProblemItem>,
}

/// One thing that is wrong with a body.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProblemItem {
    /// Where, as a JSON pointer.
    pub pointer: String,
    /// What is wrong.
    pub detail: String,
    /// What would be right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

macro_rules! codes {
    ($($variant:ident = $name:literal, $status:ident, $title:literal;)*) => {
        /// Every kind of problem; `docs/errors.md` lists them for users.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code {
            $(#[doc = $title] $variant,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name by which programs know it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The status it answers with.
            pub fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }

            /// What it is, for people.
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
        }
    };
}

codes! {
    MalformedRequest = "malformed_request", BAD_REQUEST, "The request cannot be read";
    MalformedJson = "malformed_json", BAD_REQUEST, "The body is not JSON";
    IncompleteBody = "incomplete_body", BAD_REQUEST, "The body broke off";
    HostNotAllowed = "host_not_allowed", FORBIDDEN, "The request was meant for another host";
    WebhooksOff = "webhooks_off", FORBIDDEN, "Webhooks are off";
    NotFound = "not_found", NOT_FOUND, "There is nothing here";
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "This method does nothing here";
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "The request took too long to arrive";
    Conflict = "conflict", CONFLICT, "The state does not allow it";
    InUse = "in_use", CONFLICT, "It is in use";
    TooLarge = "too_large", PAYLOAD_TOO_LARGE, "The body is too large";
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "The media type is not known";
    RangeNotSatisfiable = "range_not_satisfiable", RANGE_NOT_SATISFIABLE, "There are no such bytes";
    InvalidRequest = "invalid_request", UNPROCESSABLE_ENTITY, "The request is invalid";
    InvalidData = "invalid_data", UNPROCESSABLE_ENTITY, "The data cannot be used";
    IdempotencyKeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY, "The key was used for another call";
    QueueFull = "queue_full", TOO_MANY_REQUESTS, "Too many jobs are unfinished";
    HeadersTooLarge = "headers_too_large", REQUEST_HEADER_FIELDS_TOO_LARGE, "The headers are too large";
    Internal = "internal", INTERNAL_SERVER_ERROR, "The server failed";
    NotReady = "not_ready", SERVICE_UNAVAILABLE, "The server cannot serve now";
    StorageFull = "storage_full", INSUFFICIENT_STORAGE, "The server's disk is full";
}

/// A request that was not served as it asked.
#[derive(Clone, Debug)]
pub struct ApiError {
    code: Code,
    detail: Option<String>,
    errors: Vec<ProblemItem>,
}

impl ApiError {
    /// What kind of problem it is.
    pub fn code(&self) -> Code {
        self.code
    }

    /// A problem of a kind with what happened this time.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: Some(detail.into()), errors: Vec::new() }
    }

    /// There is no such thing, or it is another project's.
    pub fn not_found(what: &str, id: impl std::fmt::Display) -> Self {
        Self::new(Code::NotFound, format!("there is no {what} {id}"))
    }

    /// The body could be read and is wrong in these ways.
    pub fn invalid(problems: Vec<Problem>) -> Self {
        Self::of_problems(Code::InvalidRequest, problems)
    }

    /// The uploaded data could be received and are wrong in these ways.
    pub fn invalid_data(problems: Vec<Problem>) -> Self {
        Self::of_problems(Code::InvalidData, problems)
    }

    /// One query parameter or header is wrong.
    pub fn invalid_parameter(name: &str, detail: impl Into<String>) -> Self {
        Self::invalid(vec![Problem::new(format!("/{name}"), detail)])
    }

    fn of_problems(code: Code, problems: Vec<Problem>) -> Self {
        let detail = match problems.as_slice() {
            [one] if one.pointer.is_empty() => one.detail.clone(),
            [one] => format!("{}: {}", one.pointer, one.detail),
            many => format!("{} problems; see errors", many.len()),
        };
        let item = |p: Problem| ProblemItem {
            pointer: p.pointer,
            detail: p.detail,
            suggestion: p.suggestion,
        };
        Self { code, detail: Some(detail), errors: problems.into_iter().map(item).collect() }
    }

    /// Something failed that is not the client's doing. The log says what; the answer does not.
    pub fn internal(error: impl std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed");
        Self { code: Code::Internal, detail: None, errors: Vec::new() }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Transition(error) => Self::new(Code::Conflict, error.to_string()),
            StoreError::Leaving { .. } => {
                tracing::warn!(%error, "an upload has waited in vain for the end of a deletion");
                let detail = "the same bytes are being deleted; send them again in two minutes";
                Self::new(Code::NotReady, detail)
            }
            error if error.is_disk_full() => storage_full(&error),
            error if error.is_unreachable() => not_ready("database", &error),
            error => Self::internal(error),
        }
    }
}

impl From<BlobError> for ApiError {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::TooLarge(limit) => {
                Self::new(Code::TooLarge, format!("an upload may have {limit} bytes"))
            }
            BlobError::BrokenOff(reason) => Self::new(Code::IncompleteBody, reason),
            error if error.is_disk_full() => storage_full(&error),
            error if error.is_unreachable() => not_ready("artifact store", &error),
            error => Self::internal(error),
        }
    }
}

fn not_ready(what: &str, error: &dyn std::fmt::Display) -> ApiError {
    tracing::error!(%error, "the {what} does not answer");
    ApiError::new(Code::NotReady, format!("the {what} does not answer; try again in some seconds"))
}

fn storage_full(error: &dyn std::fmt::Display) -> ApiError {
    tracing::error!(%error, "the disk is full");
    ApiError::new(Code::StorageFull, "nothing was stored; try again when there is room")
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        // What was not read of a body closes the connection; a client that is not told so sends its
        // next request into it.
        if matches!(self.code, Code::TooLarge | Code::UnsupportedMediaType) {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Gives every answer that is not a success its body.
pub async fn render(request: Request, next: Next) -> Response {
    let request_id = request
        .extensions()
        .get::<tower_http::request_id::RequestId>()
        .and_then(|id| id.header_value().to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let mut response = next.run(request).await;
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let error =
        response.extensions_mut().remove::<ApiError>().unwrap_or_else(|| of_framework(status));
    let body = ProblemBody {
        kind: format!("/docs/errors#{}", error.code.name()),
        title: error.code.title().to_owned(),
        status: status.as_u16(),
        detail: error.detail,
        code: error.code.name().to_owned(),
        request_id,
        errors: error.errors,
    };
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts
        .headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if [Code::QueueFull, Code::NotReady].contains(&error.code) {
        parts.headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    Response::from_parts(parts, Body::from(serde_json::to_vec(&body).unwrap_or_default()))
}

/// The framework answers with a status only.
fn of_framework(status: StatusCode) -> ApiError {
    let code = Code::ALL.iter().copied().find(|code| code.status() == status);
    let code = code.unwrap_or(if status.is_server_error() {
        Code::Internal
    } else {
        Code::MalformedRequest
    });
    let detail = match code {
        Code::NotFound => Some("there is no such path; /docs lists those there are"),
        Code::MethodNotAllowed => Some("the Allow header names the methods of this path"),
        _ => None,
    };
    ApiError { code, detail: detail.map(str::to_owned), errors: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_being_deleted_are_not_a_store_that_does_not_answer() {
        let error = ApiError::from(StoreError::Leaving { sha256: "0".repeat(64) });
        assert_eq!(error.code(), Code::NotReady);
        let detail = error.detail.unwrap();
        assert!(detail.contains("are being deleted; send them again"), "{detail}");
    }
}
