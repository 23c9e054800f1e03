//! `/v1/datasets`: listed, looked at, deleted. They come in by `upload` and `generate`.

use std::ops::Range;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use trainyard_formats::{Compression, Format, ReadOptions};
use trainyard_learn::describe::ColumnDescription;
use trainyard_learn::scalar::Scalar;
use trainyard_learn::table::{Table, Values};
use utoipa::{IntoParams, ToSchema};

use super::AppState;
use super::extract::{Nothing, PathId, Query};
use super::ingest::Understood;
use super::page::{self, Page, PageQuery};
use super::problem::{ApiError, Code, ProblemBody};
use crate::blobs::Staged;
use crate::domain::clock::Timestamp;
use crate::domain::dataset::{Content, Dataset, Warning};
use crate::domain::ids::DatasetId;
use crate::store::Deleted;
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
    #[serde(flatten)]
    content: ContentBody,
    /// The generator that made it, if one did.
    #[schema(value_type = Option<Object>)]
    generator: Option<Value>,
    /// When it was stored.
    created_at: Timestamp,
}

/// What bytes are, and what is in them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ContentBody {
    /// The format of the bytes.
    format: Option<Format>,
    /// How they are compressed.
    compression: Compression,
    /// How they were read, in the form that `options` take: what was said, and what was found.
    #[schema(value_type = Object)]
    format_options: Map<String, Value>,
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
}

impl ContentBody {
    fn new(reading: &ReadOptions, size_bytes: u64, sha256: String, content: Content) -> Self {
        let columns: Vec<ColumnDescription> =
            content.columns.into_iter().map(|column| column.description).collect();
        let mut format_options = match reading.csv.as_ref().map(serde_json::to_value) {
            Some(Ok(Value::Object(dialect))) => dialect,
            _ => Map::new(),
        };
        if let Some(zero_based) = reading.zero_based {
            format_options.insert("zero_based".to_owned(), zero_based.into());
        }
        Self {
            format: reading.format,
            compression: reading.compression.unwrap_or_default(),
            format_options,
            size_bytes,
            sha256,
            n_rows: content.n_rows,
            n_columns: columns.len(),
            columns,
            warnings: content.warnings,
        }
    }
}

impl From<Dataset> for DatasetBody {
    fn from(dataset: Dataset) -> Self {
        let Dataset { id, name, size_bytes, sha256, reading, mut content, created_at } = dataset;
        let generator = content.generator.take();
        let content = ContentBody::new(&reading, size_bytes, sha256, content);
        Self { id, name, content, generator, created_at }
    }
}

/// What a file would be as a dataset; nothing is stored.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DatasetPreview)]
pub(super) struct PreviewBody {
    /// What it would be called.
    name: Option<String>,
    #[serde(flatten)]
    content: ContentBody,
    /// The first rows; null where a value is missing.
    #[schema(value_type = Vec<Vec<Value>>)]
    rows: Vec<Vec<Value>>,
}

/// Rows in a preview.
const N_PREVIEW_ROWS: usize = 10;

/// The preview of what was understood, and the bytes that are not wanted any more.
pub(super) fn previewed(understood: Understood) -> (Staged, PreviewBody) {
    let Understood { staged, about, loaded, content } = understood;
    let (size_bytes, sha256) = (staged.size_bytes, staged.sha256.clone());
    let body = PreviewBody {
        name: about.name,
        rows: rows_of(&loaded.table, 0..some_rows(&loaded.table, N_PREVIEW_ROWS)),
        content: ContentBody::new(&loaded.options_used, size_bytes, sha256, content),
    };
    (staged, body)
}

/// The answer to a call that creates a dataset.
pub(super) fn created(created: Created<Dataset>) -> Result<Response, ApiError> {
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
    operation_id = "list_datasets",
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
    let found = state.store.datasets(state.project(), after, limit + 1).await?;
    let bodies = found.into_iter().map(DatasetBody::from).collect();
    Ok(Json(Page::of(bodies, limit, |dataset| dataset.id.to_string())))
}

/// Look at a dataset.
#[utoipa::path(
    operation_id = "get_dataset",
    get, path = "/v1/datasets/{id}", tag = "datasets", params(("id" = DatasetId, Path)),
    responses(
        (status = 200, body = DatasetBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get(
    State(state): State<AppState>,
    PathId(id): PathId<DatasetId>,
    _: Query<Nothing>,
) -> Result<Json<DatasetBody>, ApiError> {
    Ok(Json(find(&state, id).await?.into()))
}

pub(super) async fn find(state: &AppState, id: DatasetId) -> Result<Dataset, ApiError> {
    let found = state.store.dataset(state.project(), id).await?;
    found.ok_or_else(|| ApiError::not_found("dataset", id))
}

/// Delete a dataset. Its bytes go once no other dataset has the same.
#[utoipa::path(
    operation_id = "delete_dataset",
    delete, path = "/v1/datasets/{id}", tag = "datasets", params(("id" = DatasetId, Path)),
    responses(
        (status = 204),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete(
    State(state): State<AppState>,
    PathId(id): PathId<DatasetId>,
    _: Query<Nothing>,
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

/// One answer holds at most so many values.
const MAX_VALUES: usize = 500_000;

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
    #[schema(value_type = Vec<Vec<Value>>)]
    data: Vec<Vec<Value>>,
}

/// Look at rows of a dataset: as many as asked for, and of a wide one fewer, so that an answer holds
/// at most half a million values.
#[utoipa::path(
    operation_id = "get_dataset_rows",
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
        let table = state.tables.get(&dataset.sha256, &dataset.reading)?;
        let limit = some_rows(&table, limit);
        let offset = query.offset.unwrap_or(0).min(table.n_rows());
        let end = offset.saturating_add(limit).min(table.n_rows());
        let data = rows_of(&table, offset..end);
        let columns = table.columns().iter().map(|column| column.name.clone()).collect();
        Ok::<_, TableError>(Rows { columns, offset, n_rows: table.n_rows(), data })
    });
    let rows = work.await.map_err(ApiError::internal)?.map_err(ApiError::internal)?;
    Ok(Json(rows))
}

/// How many rows an answer holds, of those that are asked for: all of their values together are within
/// the limit, where one row alone is.
fn some_rows(table: &Table, asked: usize) -> usize {
    let width = |values: &Values| match values {
        Values::Tensor { shape, .. } => shape.iter().product::<usize>(),
        _ => 1,
    };
    let row: usize = table.columns().iter().map(|column| width(&column.values)).sum();
    asked.min((MAX_VALUES / row.max(1)).max(1)).min(table.n_rows())
}

fn rows_of(table: &Table, rows: Range<usize>) -> Vec<Vec<Value>> {
    rows.map(|row| table.columns().iter().map(|c| value(&c.values, row)).collect()).collect()
}

/// A value as JSON; null where it is missing.
fn value(values: &Values, row: usize) -> Value {
    match values {
        Values::Numeric(rows) => rows
            .get(row)
            .filter(|v| !v.is_nan())
            .map_or(Value::Null, |v| serde_json::to_value(Scalar::Number(*v)).unwrap_or_default()),
        Values::Boolean(rows) => rows.get(row).copied().flatten().into(),
        Values::Tensor { shape, values } => {
            let len = shape.iter().product::<usize>();
            values.get(row * len..(row + 1) * len).map_or(Value::Null, |own| nested(own, shape))
        }
        Values::Categorical { .. } | Values::Datetime(_) | Values::Text(_) => {
            values.text(row).into()
        }
    }
}

/// Numbers in row-major order as arrays in arrays.
fn nested(values: &[f32], shape: &[usize]) -> Value {
    match shape {
        [] | [_] => values.iter().map(|value| Value::from(*value)).collect(),
        [_, inner @ ..] => {
            let len = inner.iter().product::<usize>().max(1);
            values.chunks(len).map(|part| nested(part, inner)).collect()
        }
    }
}
