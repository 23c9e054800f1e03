//! `/v1/datasets`: uploaded, generated, looked at, deleted.

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequest, Multipart, Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::TryStreamExt;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;
use trainyard_learn::csv::CsvOptions;
use trainyard_learn::describe::ColumnDescription;
use trainyard_learn::generators::{Generated, GeneratorSpec};
use trainyard_learn::problem::Problem;
use trainyard_learn::scalar::Scalar;
use trainyard_learn::table::Values;
use utoipa::{IntoParams, ToSchema};

use super::AppState;
use super::extract::{Idempotency, JsonBody, PathId, Query, media_type};
use super::ingest::{self, About};
use super::page::{self, Page, PageQuery};
use super::problem::{ApiError, Code, ProblemBody};
use super::validate;
use crate::blobs::Staged;
use crate::domain::clock::Timestamp;
use crate::domain::dataset::{Dataset, Warning};
use crate::domain::ids::DatasetId;
use crate::store::datasets::Deleted;
use crate::store::idempotency::Created;
use crate::tables::TableError;

/// A dataset, described.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Dataset)]
pub(super) struct DatasetBody {
    /// Its id.
    id: DatasetId,
    /// What the client calls it.
    name: Option<String>,
    /// The format of the bytes.
    format: &'static str,
    /// How they were read.
    format_options: FormatOptions,
    /// Bytes as uploaded.
    size_bytes: u64,
    /// Their SHA-256.
    sha256: String,
    /// Rows, the header not counted.
    n_rows: usize,
    /// Columns.
    n_columns: usize,
    /// What is in each column.
    columns: Vec<ColumnDescription>,
    /// What the user should know about it.
    warnings: Vec<Warning>,
    /// The generator that made it, if one did.
    #[schema(value_type = Option<Object>)]
    generator: Option<Value>,
    /// When it was stored.
    created_at: Timestamp,
}

/// How a file was read.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FormatOptions {
    /// Whether the first row names the columns.
    header: bool,
    /// The character between fields.
    delimiter: String,
}

impl From<Dataset> for DatasetBody {
    fn from(dataset: Dataset) -> Self {
        let n_rows = dataset.n_rows();
        let Dataset {
            id,
            name,
            size_bytes,
            sha256,
            content,
            created_at,
        } = dataset;
        let columns: Vec<ColumnDescription> = content
            .columns
            .into_iter()
            .map(|column| column.description)
            .collect();
        Self {
            id,
            name,
            format: "csv",
            format_options: FormatOptions {
                header: content.csv.header,
                delimiter: char::from(content.csv.delimiter).to_string(),
            },
            size_bytes,
            sha256,
            n_rows,
            n_columns: columns.len(),
            columns,
            warnings: content.warnings,
            generator: content.generator,
            created_at,
        }
    }
}

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
            None => Err(ApiError::invalid(vec![Problem::new(
                "/file",
                "is required",
            )])),
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
    let broken = |error: axum::extract::multipart::MultipartError| {
        ApiError::new(Code::IncompleteBody, error.body_text())
    };
    let (mut name, mut format, mut how) = (query.name, query.format, query.options);
    let mut file_name = None;
    while let Some(field) = form.next_field().await.map_err(broken)? {
        match field.name().unwrap_or_default() {
            "file" if staged.is_some() => {
                return Err(ApiError::invalid(vec![Problem::new(
                    "/file",
                    "is there twice",
                )]));
            }
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

async fn short_text(
    mut field: axum::extract::multipart::Field<'_>,
    name: &str,
) -> Result<String, ApiError> {
    let mut bytes = Vec::new();
    let broken = |error: axum::extract::multipart::MultipartError| {
        ApiError::new(Code::IncompleteBody, error.body_text())
    };
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
    let raw = serde_json::from_str(text)
        .map_err(|error| ApiError::invalid_parameter("options", error.to_string()))?;
    validate::check(raw).into_valid().map_err(|problems| {
        ApiError::invalid(problems.into_iter().map(|p| p.below("/options")).collect())
    })
}

/// A dataset to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GenerateRequest {
    /// What to call it; the generator's name if left out.
    #[schema(max_length = 200)]
    name: Option<String>,
    /// What makes it.
    generator: GeneratorSpec,
}

/// Make a dataset: scikit-learn's `make_classification`, or a small real one that it ships.
#[utoipa::path(
    post, path = "/v1/datasets/generate", tag = "datasets", params(IdempotencyHeader),
    request_body = GenerateRequest,
    responses(
        (status = 201, body = DatasetBody, headers(("location" = String))),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn generate(
    State(state): State<AppState>,
    idempotency: Idempotency,
    JsonBody(mut body): JsonBody<GenerateRequest>,
) -> Result<Response, ApiError> {
    if let Some(request) = &body.value {
        let found = request.generator.check();
        body.add(found.into_iter().map(|p| p.below("/generator")).collect());
    }
    let key = idempotency.key("generate", body.raw.to_string().as_bytes());
    let generator = body.raw["generator"].clone();
    let request = body.into_valid().map_err(ApiError::invalid)?;
    let type_name = generator["type"].as_str().map(str::to_owned);
    let work = tokio::spawn(async move {
        let (sender, receiver) = mpsc::channel(4);
        let spec = request.generator;
        let making = tokio::task::spawn_blocking(move || {
            spec.generate()
                .map(|generated| write_csv(&generated, &sender))
        });
        let body = futures_util::stream::unfold(receiver, |mut receiver| async {
            receiver
                .recv()
                .await
                .map(|chunk| (Ok::<_, String>(chunk), receiver))
        });
        let staged = ingest::stage(&state, Box::pin(body)).await?;
        let made = making.await.map_err(ApiError::internal)?;
        if let Err(problems) = made {
            state.blobs.discard(staged).await;
            let below = problems
                .into_iter()
                .map(|p| p.below("/generator"))
                .collect();
            return Err(ApiError::invalid(below));
        }
        let about = About {
            name: request.name.or(type_name),
            options: CsvOptions {
                header: Some(true),
                delimiter: None,
            },
            generator: Some(generator),
        };
        created(ingest::store(&state, staged, about, key).await?)
    });
    work.await.map_err(ApiError::internal)?
}

const CHUNK_BYTES: usize = 64 << 10;

/// Writes the table as a client would have uploaded it: each number as the shortest text that reads
/// back as the same number.
fn write_csv(generated: &Generated, sender: &mpsc::Sender<axum::body::Bytes>) {
    use std::fmt::Write;
    let mut text = generated.feature_names.join(",");
    let _ = writeln!(text, ",{}", generated.target_name);
    for (row, class) in generated.x.rows().into_iter().zip(&generated.y) {
        for value in row {
            let _ = write!(text, "{value},");
        }
        let _ = match &generated.class_names {
            Some(names) => writeln!(text, "{}", names[*class as usize]),
            None => writeln!(text, "{class}"),
        };
        if text.len() >= CHUNK_BYTES {
            let chunk = std::mem::take(&mut text);
            if sender.blocking_send(chunk.into()).is_err() {
                return;
            }
        }
    }
    let _ = sender.blocking_send(text.into());
}

fn created(created: Created<Dataset>) -> Result<Response, ApiError> {
    match created {
        Created::New(dataset) | Created::Before(dataset) => {
            let location = format!("/v1/datasets/{}", dataset.id);
            let body = Json(DatasetBody::from(dataset));
            Ok((StatusCode::CREATED, [(header::LOCATION, location)], body).into_response())
        }
        Created::KeyReused => Err(key_reused()),
    }
}

/// The key stands for another call.
pub(super) fn key_reused() -> ApiError {
    ApiError::new(
        Code::IdempotencyKeyReused,
        "this Idempotency-Key came with another call before, or what it made is deleted; use a \
         fresh key",
    )
}

/// A header of every POST that creates.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes the header; `Idempotency` reads it")]
pub(super) struct IdempotencyHeader {
    /// The same key with the same call gives the first answer again, and creates nothing.
    #[param(rename = "Idempotency-Key", max_length = 255)]
    idempotency_key: Option<String>,
}

/// List the datasets, newest first.
#[utoipa::path(
    get, path = "/v1/datasets", tag = "datasets", params(PageQuery),
    responses(
        (status = 200, body = Page<DatasetBody>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(state): State<AppState>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<DatasetBody>>, ApiError> {
    let limit = page::limit(query.limit, 20, 100)?;
    let after = page::cursor(query.after.as_deref())?;
    let found = state
        .store
        .datasets(state.project(), after, limit + 1)
        .await?;
    let bodies = found.into_iter().map(DatasetBody::from).collect();
    Ok(Json(Page::of(bodies, limit, |dataset| {
        dataset.id.to_string()
    })))
}

/// Look at a dataset.
#[utoipa::path(
    get, path = "/v1/datasets/{id}", tag = "datasets", params(("id" = DatasetId, Path)),
    responses(
        (status = 200, body = DatasetBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get(
    State(state): State<AppState>,
    PathId(id): PathId<DatasetId>,
) -> Result<Json<DatasetBody>, ApiError> {
    Ok(Json(find(&state, id).await?.into()))
}

async fn find(state: &AppState, id: DatasetId) -> Result<Dataset, ApiError> {
    let found = state.store.dataset(state.project(), id).await?;
    found.ok_or_else(|| ApiError::not_found("dataset", id))
}

/// Delete a dataset. Its bytes go once no other dataset has the same.
#[utoipa::path(
    delete, path = "/v1/datasets/{id}", tag = "datasets", params(("id" = DatasetId, Path)),
    responses(
        (status = 204),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete(
    State(state): State<AppState>,
    PathId(id): PathId<DatasetId>,
) -> Result<StatusCode, ApiError> {
    match state.store.delete_dataset(state.project(), id).await? {
        Deleted::Yes => Ok(StatusCode::NO_CONTENT),
        Deleted::NotFound => Err(ApiError::not_found("dataset", id)),
        Deleted::InUse => Err(ApiError::new(
            Code::InUse,
            "a job that has not ended trains on it; wait for the job or cancel it",
        )),
    }
}

/// Which rows.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RowsQuery {
    /// The first row, from 0.
    #[param(minimum = 0, default = 0)]
    offset: Option<usize>,
    /// At most so many.
    #[param(minimum = 1, maximum = 10000, default = 100)]
    limit: Option<i64>,
}

/// Rows of a dataset.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Rows {
    /// The columns' names.
    columns: Vec<String>,
    /// The number of the first row here.
    offset: usize,
    /// How many rows the dataset has.
    n_rows: usize,
    /// The rows; null where a value is missing.
    data: Vec<Vec<Option<Scalar>>>,
}

/// Look at rows of a dataset.
#[utoipa::path(
    get, path = "/v1/datasets/{id}/rows", tag = "datasets",
    params(("id" = DatasetId, Path), RowsQuery),
    responses(
        (status = 200, body = Rows),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn rows(
    State(state): State<AppState>,
    PathId(id): PathId<DatasetId>,
    Query(query): Query<RowsQuery>,
) -> Result<Json<Rows>, ApiError> {
    let limit = page::limit(query.limit, 100, 10_000)? as usize;
    let dataset = find(&state, id).await?;
    let work = tokio::task::spawn_blocking(move || {
        let table = state.tables.get(&dataset.sha256, &dataset.content.csv)?;
        let offset = query.offset.unwrap_or(0).min(table.n_rows());
        let end = offset.saturating_add(limit).min(table.n_rows());
        let data = (offset..end)
            .map(|row| {
                table
                    .columns()
                    .iter()
                    .map(|c| scalar(&c.values, row))
                    .collect()
            })
            .collect();
        let columns = table
            .columns()
            .iter()
            .map(|column| column.name.clone())
            .collect();
        Ok::<_, TableError>(Rows {
            columns,
            offset,
            n_rows: table.n_rows(),
            data,
        })
    });
    let rows = work
        .await
        .map_err(ApiError::internal)?
        .map_err(ApiError::internal)?;
    Ok(Json(rows))
}

fn scalar(values: &Values, row: usize) -> Option<Scalar> {
    match values {
        Values::Numeric(rows) => rows
            .get(row)
            .filter(|v| !v.is_nan())
            .map(|v| Scalar::Number(*v)),
        Values::Boolean(rows) => rows.get(row).copied().flatten().map(Scalar::Boolean),
        Values::Categorical { .. } => values.text(row).map(Scalar::Text),
    }
}

/// The bytes of a dataset as they were uploaded.
#[utoipa::path(
    get, path = "/v1/datasets/{id}/content", tag = "datasets",
    params(("id" = DatasetId, Path), ("range" = Option<String>, Header)),
    responses(
        (status = 200, content_type = "text/csv", headers(("etag" = String))),
        (status = 206, content_type = "text/csv", headers(("content-range" = String))),
        (status = 304),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn content(
    State(state): State<AppState>,
    PathId(id): PathId<DatasetId>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let dataset = find(&state, id).await?;
    let (size, etag) = (dataset.size_bytes, format!("\"{}\"", dataset.sha256));
    let given = |name: header::HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
    if given(header::IF_NONE_MATCH).is_some_and(|tags| tags == "*" || tags.contains(&etag)) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let unchanged = given(header::IF_RANGE).is_none_or(|tag| tag == etag);
    let range = match given(header::RANGE)
        .filter(|_| unchanged)
        .map(|text| range(text, size))
    {
        None | Some(Asked::Everything) => None,
        Some(Asked::Part(range)) => Some(range),
        Some(Asked::Nothing) => {
            let detail = format!("the content has {size} bytes");
            return Err(ApiError::new(Code::RangeNotSatisfiable, detail));
        }
    };
    let stream = state.blobs.stream(&dataset.sha256, range.clone()).await?;
    let mut response = Body::from_stream(stream).into_response();
    let length = range.as_ref().map_or(size, |range| range.end - range.start);
    let attachment = format!("attachment; filename=\"{id}.csv\"");
    for (name, value) in [
        (header::CONTENT_TYPE, "text/csv".to_owned()),
        (header::ETAG, etag),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
        (header::CONTENT_DISPOSITION, attachment),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    if let Some(range) = range {
        let value = format!("bytes {}-{}/{size}", range.start, range.end - 1);
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(header::CONTENT_RANGE, value);
        }
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

#[derive(Debug, PartialEq)]
enum Asked {
    Everything,
    Part(std::ops::Range<u64>),
    Nothing,
}

/// One range of bytes (RFC 9110, section 14.2); several, or what is no range, ask for everything.
fn range(text: &str, size: u64) -> Asked {
    let Some((first, last)) = text
        .strip_prefix("bytes=")
        .and_then(|spec| spec.split_once('-'))
    else {
        return Asked::Everything;
    };
    let range = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Ok(first), _) if last.is_empty() => first..size,
        (_, Ok(length)) if first.is_empty() => size.saturating_sub(length)..size,
        _ => return Asked::Everything,
    };
    if range.is_empty() {
        Asked::Nothing
    } else {
        Asked::Part(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert_eq!(range("bytes=0-9", 100), Asked::Part(0..10));
        assert_eq!(range("bytes=90-", 100), Asked::Part(90..100));
        assert_eq!(range("bytes=-5", 100), Asked::Part(95..100));
        assert_eq!(range("bytes=0-999", 100), Asked::Part(0..100));
        assert_eq!(range("bytes=100-", 100), Asked::Nothing);
        assert_eq!(range("bytes=0-1,5-6", 100), Asked::Everything);
        assert_eq!(range("rows=0-1", 100), Asked::Everything);
        assert_eq!(range("bytes=9-1", 100), Asked::Everything);
    }
}
