//! `POST /v1/datasets`: a table arrives, as raw bytes or in a form.

use std::collections::HashSet;

use axum::Json;
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{FromRequest, Multipart, Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::TryStreamExt;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use trainyard_formats::csv::CsvOptions;
use trainyard_formats::{Compression, Format, ReadOptions};
use trainyard_learn::problem::Problem;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, Ref, RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::AppState;
use super::datasets::{DatasetBody, IdempotencyHeader, PreviewBody, created, previewed};
use super::extract::{Idempotency, Query, content_length, media_type, require_plain};
use super::ingest::{self, About};
use super::json;
use super::problem::{ApiError, Code, ProblemBody};
use super::validate;
use crate::blobs::{BlobError, Staged};
use crate::domain::suggest::{nearest, shown};

/// What comes with raw bytes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct UploadQuery {
    /// What to call it.
    #[param(max_length = 200)]
    name: Option<String>,
    /// The format of the bytes: `csv`, `tsv`, `json_lines`, `json`, `parquet`, `arrow`, `npy`,
    /// `npz`, `arff` or `svmlight`; found from the content if left out.
    format: Option<String>,
    /// How to read them, as JSON: `{"header": true, "delimiter": ";"}`. What is left out is found
    /// from the content, and the answer's `format_options` say what was.
    options: Option<String>,
    /// Only say what would be understood; nothing is stored.
    preview: Option<bool>,
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
    /// The format of the bytes.
    format: Option<Format>,
    /// How to read them, as JSON.
    options: Option<UploadOptions>,
}

/// How a file is to be read: the options of text, and two that are not of text alone.
pub(super) struct UploadOptions;

impl PartialSchema for UploadOptions {
    /// Not one beside the other: a schema that allows no other fields cannot be added to.
    fn schema() -> RefOr<Schema> {
        let mut options = CsvOptions::schema();
        if let RefOr::T(Schema::Object(object)) = &mut options {
            let mut compression = Ref::from_schema_name(Compression::name());
            compression.description =
                "What is around the file; found from its content if left out.".into();
            let zero_based = ObjectBuilder::new().schema_type(Type::Boolean).description(Some(
                "Whether the indices of svmlight count from 0; found from the file if left out.",
            ));
            object.properties.insert("compression".to_owned(), RefOr::Ref(compression));
            object.properties.insert("zero_based".to_owned(), zero_based.into());
        }
        options
    }
}

impl ToSchema for UploadOptions {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        CsvOptions::schemas(schemas);
    }
}

/// Upload a table: a multipart form with a `file`, or the raw bytes.
///
/// The format, the types of the columns and everything else are found from the content; a file may be
/// compressed by gzip or zstd. With `preview` the answer is 200, what was understood and the first
/// rows, and nothing is stored.
#[utoipa::path(
    operation_id = "upload_dataset",
    post, path = "/v1/datasets", tag = "datasets", params(UploadQuery, IdempotencyHeader),
    request_body(content(
        (UploadForm = "multipart/form-data"), (String = "text/csv"),
        (String = "text/tab-separated-values"), (String = "text/plain"),
        (String = "application/csv"), (String = "application/vnd.ms-excel"),
        (String = "application/json"), (String = "application/jsonl"),
        (String = "application/x-ndjson"), (String = "application/vnd.apache.parquet"),
        (String = "application/vnd.apache.arrow.file"),
        (String = "application/vnd.apache.arrow.stream"), (String = "application/gzip"),
        (String = "application/zstd"), (String = "application/zip"),
        (String = "application/octet-stream")
    )),
    responses(
        (status = 200, body = PreviewBody),
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
    let preview = query.preview == Some(true);
    let work = tokio::spawn(async move {
        let (staged, about) = match media_type(request.headers()).as_deref() {
            Some("multipart/form-data") => from_form(&state, query, request).await?,
            None => from_bytes(&state, query, request).await?,
            Some(media_type) if MEDIA_TYPES.contains(&media_type) => {
                from_bytes(&state, query, request).await?
            }
            Some(other) => {
                let detail = format!(
                    "{other} is not read here; send application/octet-stream or multipart/form-data"
                );
                return Err(ApiError::new(Code::UnsupportedMediaType, detail));
            }
        };
        if preview {
            let understood = ingest::understand(&state, staged, about).await?;
            let (staged, body) = previewed(understood);
            state.blobs.discard(staged).await;
            return Ok(Json(body).into_response());
        }
        let options = serde_json::to_string(&about.reading).unwrap_or_default();
        let name = about.name.as_deref().unwrap_or_default();
        let call = format!("upload\0{name}\0{options}");
        let key = idempotency.key(&call, staged.sha256.as_bytes());
        created(ingest::store(&state, staged, about, key).await?)
    });
    work.await.map_err(ApiError::internal)?
}

/// Of raw bytes; the content says what they are.
const MEDIA_TYPES: [&str; 15] = [
    "text/csv",
    "text/tab-separated-values",
    "text/plain",
    "application/csv",
    "application/vnd.ms-excel",
    "application/json",
    "application/jsonl",
    "application/x-ndjson",
    "application/vnd.apache.parquet",
    "application/vnd.apache.arrow.file",
    "application/vnd.apache.arrow.stream",
    "application/gzip",
    "application/zstd",
    "application/zip",
    "application/octet-stream",
];

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
    let mut about = About::named(query.name)?;
    about.reading = reading(query.format.as_deref(), query.options.as_deref())?;
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
                let way_out = match nearest(other, FIELDS) {
                    Some(near) => near.to_owned(),
                    None => format!("one of: {}", FIELDS.join(", ")),
                };
                return Err(ApiError::invalid(vec![problem.suggest(way_out)]));
            }
        }
    }
    let mut about = About::named(name.or_else(|| file_name.clone()))?;
    about.file_name = file_name;
    about.reading = reading(format.as_deref(), how.as_deref())?;
    Ok(about)
}

/// The fields of a form.
const FIELDS: [&str; 4] = ["file", "name", "format", "options"];

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

/// How a client says that a file is to be read.
fn reading(format: Option<&str>, options: Option<&str>) -> Result<ReadOptions, ApiError> {
    let mut problems = Vec::new();
    let format = format.and_then(|name| named(name, &FORMATS, "/format", &mut problems));
    let mut raw = match options {
        None => Value::Object(Map::new()),
        Some(text) => json::parse(text.as_bytes()).map_err(|_| {
            let problem = Problem::new("/options", "is not JSON, or names a field twice");
            let way_out = "curl cuts a -F value at a semicolon; --form-string does not";
            ApiError::invalid(vec![problem.suggest(way_out)])
        })?,
    };
    // These two are not of text alone.
    let mut take = |name: &str| raw.as_object_mut().and_then(|fields| fields.shift_remove(name));
    let compression = match take("compression") {
        None | Some(Value::Null) => None,
        Some(value) => {
            let name = value.as_str().unwrap_or_default();
            named(name, &["none", "gzip", "zstd"], "/options/compression", &mut problems)
        }
    };
    let zero_based = match take("zero_based") {
        None | Some(Value::Null) => None,
        Some(Value::Bool(value)) => Some(value),
        Some(_) => {
            problems.push(Problem::new("/options/zero_based", "must be true or false"));
            None
        }
    };
    let dialect: Option<CsvOptions> = match validate::check(raw).into_valid() {
        Ok(dialect) => Some(dialect),
        Err(found) => {
            problems.extend(found.into_iter().map(|p| p.below("/options")));
            None
        }
    };
    let csv = dialect.filter(|dialect| *dialect != CsvOptions::default());
    let reading = ReadOptions { format, compression, csv, zero_based };
    // Where no format is named, its reader says so.
    problems.extend(format.iter().flat_map(|format| reading.misplaced(*format)));
    if problems.is_empty() { Ok(reading) } else { Err(ApiError::invalid(problems)) }
}

const FORMATS: [&str; 10] =
    ["csv", "tsv", "json_lines", "json", "parquet", "arrow", "npy", "npz", "arff", "svmlight"];

/// The variant of that name, or a problem that says which there are.
fn named<T: DeserializeOwned>(
    name: &str,
    names: &[&str],
    pointer: &str,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let found = serde_json::from_value(Value::from(name)).ok();
    if found.is_none() {
        let problem = Problem::new(pointer, format!("{} is not read here", shown(name)));
        problems.push(match nearest(name, names.iter().copied()) {
            Some(near) => problem.suggest(near),
            None => problem.suggest(format!("one of: {}", names.join(", "))),
        });
    }
    found
}
