//! `POST /v1/datasets`: a table arrives, as raw bytes or in a form.

use std::collections::HashSet;

use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{FromRequest, Multipart, Request, State};
use axum::response::Response;
use futures_util::TryStreamExt;
use serde::Deserialize;
use trainyard_formats::csv::CsvOptions;
use trainyard_learn::problem::Problem;
use utoipa::{IntoParams, ToSchema};

use super::AppState;
use super::datasets::{DatasetBody, IdempotencyHeader, created};
use super::extract::{Idempotency, Query, content_length, media_type, require_plain};
use super::ingest::{self, About};
use super::json;
use super::problem::{ApiError, Code, ProblemBody};
use super::validate;
use crate::blobs::{BlobError, Staged};

/// What comes with raw bytes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct UploadQuery {
    /// What to call it.
    #[param(max_length = 200)]
    name: Option<String>,
    /// The format of the bytes: `csv`.
    format: Option<String>,
    /// How to read them, as JSON: `{"header": true, "delimiter": ";"}`.
    options: Option<String>,
}

/// A file with what comes with it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the form; it is read field by field")]
pub(super) struct UploadForm {
    /// The bytes.
    #[schema(format = Binary)]
    file: String,
    /// What to call it; the file's name if left out.
    name: Option<String>,
    /// The format of the bytes: `csv`.
    format: Option<String>,
    /// How to read them, as JSON.
    options: Option<CsvOptions>,
}

/// Upload a table: a multipart form with a `file`, or the raw bytes.
///
/// The types of the columns, the header and everything else are found from the content.
#[utoipa::path(
    operation_id = "upload_dataset",
    post, path = "/v1/datasets", tag = "datasets", params(UploadQuery, IdempotencyHeader),
    request_body(content(
        (UploadForm = "multipart/form-data"), (String = "text/csv")
    )),
    responses(
        (status = 201, body = DatasetBody, headers(("location" = String))),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn upload(
    State(state): State<AppState>,
    Query(query): Query<UploadQuery>,
    idempotency: Idempotency,
    request: Request,
) -> Result<Response, ApiError> {
    require_plain(request.headers())?;
    refuse_early(&request, state.limits.max_upload_bytes)?;
    // A task of its own, because a client that goes away ends the handler wherever it is, and what
    // was received so far must still be cleaned up.
    let work = tokio::spawn(async move {
        let (staged, about) = match media_type(request.headers()).as_deref() {
            Some("multipart/form-data") => from_form(&state, query, request).await?,
            None
            | Some(
                "text/csv"
                | "text/plain"
                | "application/csv"
                | "application/octet-stream"
                | "application/vnd.ms-excel",
            ) => from_bytes(&state, query, request).await?,
            Some(other) => {
                let detail =
                    format!("{other} is not read here; send text/csv or multipart/form-data");
                return Err(ApiError::new(Code::UnsupportedMediaType, detail));
            }
        };
        let options = serde_json::to_string(&about.options).unwrap_or_default();
        let name = about.name.as_deref().unwrap_or_default();
        let call = format!("upload\0{name}\0{options}");
        let key = idempotency.key(&call, staged.sha256.as_bytes());
        created(ingest::store(&state, staged, about, key).await?)
    });
    work.await.map_err(ApiError::internal)?
}

/// What a form adds to its file.
const FORM_BYTES: u64 = 1 << 20;

/// Refuses what says itself that it is too large, before any of it is sent.
fn refuse_early(request: &Request, limit: u64) -> Result<(), ApiError> {
    match content_length(request.headers()) {
        Some(length) if length > limit.saturating_add(FORM_BYTES) => {
            Err(BlobError::TooLarge(limit).into())
        }
        _ => Ok(()),
    }
}

async fn from_bytes(
    state: &AppState,
    query: UploadQuery,
    request: Request,
) -> Result<(Staged, About), ApiError> {
    ingest::check_format(query.format.as_deref())?;
    let mut about = About::named(query.name)?;
    about.options = options(query.options.as_deref())?;
    let staged = ingest::stage(state, request.into_body().into_data_stream()).await?;
    Ok((staged, about))
}

async fn from_form(
    state: &AppState,
    query: UploadQuery,
    request: Request,
) -> Result<(Staged, About), ApiError> {
    let mut form = Multipart::from_request(request, &())
        .await
        .map_err(|rejection| ApiError::new(Code::MalformedRequest, rejection.body_text()))?;
    let mut staged = None;
    match read_form(state, query, &mut form, &mut staged).await {
        Ok(about) => match staged {
            Some(staged) => Ok((staged, about)),
            None => Err(ApiError::invalid(vec![Problem::new("/file", "is required")])),
        },
        Err(error) => {
            if let Some(staged) = staged {
                state.blobs.discard(staged).await;
            }
            Err(error)
        }
    }
}

async fn read_form(
    state: &AppState,
    query: UploadQuery,
    form: &mut Multipart,
    staged: &mut Option<Staged>,
) -> Result<About, ApiError> {
    let broken = |error: MultipartError| ApiError::new(Code::IncompleteBody, error.body_text());
    let (mut name, mut format, mut how) = (query.name, query.format, query.options);
    let mut file_name = None;
    let mut seen = HashSet::new();
    while let Some(field) = form.next_field().await.map_err(broken)? {
        let field_name = field.name().unwrap_or_default().to_owned();
        if !seen.insert(field_name.clone()) {
            let problem = Problem::new(format!("/{field_name}"), "is there twice");
            return Err(ApiError::invalid(vec![problem]));
        }
        match field_name.as_str() {
            "file" => {
                file_name = field.file_name().map(str::to_owned);
                *staged =
                    Some(ingest::stage(state, Box::pin(field.map_err(|e| e.body_text()))).await?);
            }
            "name" => name = Some(short_text(field, "name").await?),
            "format" => format = Some(short_text(field, "format").await?),
            "options" => how = Some(short_text(field, "options").await?),
            other => {
                let problem = Problem::new(format!("/{other}"), "is no field of this form");
                let problem = problem.suggest("one of: file, name, format, options");
                return Err(ApiError::invalid(vec![problem]));
            }
        }
    }
    ingest::check_format(format.as_deref())?;
    let mut about = About::named(name.or(file_name))?;
    about.options = options(how.as_deref())?;
    Ok(about)
}

const MAX_FORM_TEXT_BYTES: usize = 64 << 10;

async fn short_text(mut field: Field<'_>, name: &str) -> Result<String, ApiError> {
    let mut bytes = Vec::new();
    let broken = |error: MultipartError| ApiError::new(Code::IncompleteBody, error.body_text());
    while let Some(chunk) = field.chunk().await.map_err(broken)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_FORM_TEXT_BYTES {
            let detail = format!("must have at most {MAX_FORM_TEXT_BYTES} bytes");
            return Err(ApiError::invalid_parameter(name, detail));
        }
    }
    String::from_utf8(bytes).map_err(|_| ApiError::invalid_parameter(name, "must be UTF-8"))
}

fn options(text: Option<&str>) -> Result<CsvOptions, ApiError> {
    let Some(text) = text else {
        return Ok(CsvOptions::default());
    };
    let raw = json::parse(text.as_bytes()).map_err(|_| {
        let problem = Problem::new("/options", "is not JSON, or names a field twice");
        let way_out = "curl cuts a -F value at a semicolon; --form-string does not";
        ApiError::invalid(vec![problem.suggest(way_out)])
    })?;
    validate::check(raw).into_valid().map_err(|problems| {
        ApiError::invalid(problems.into_iter().map(|p| p.below("/options")).collect())
    })
}
