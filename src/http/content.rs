//! `GET /v1/datasets/{id}/content`: the bytes as they were uploaded, whole or in part.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use trainyard_formats::{Compression, Format, ReadOptions};

use super::AppState;
use super::datasets::find;
use super::extract::{Nothing, PathId, Query};
use super::problem::{ApiError, Code, ProblemBody};
use crate::domain::ids::DatasetId;

/// The bytes of a dataset as they were uploaded.
#[utoipa::path(
    operation_id = "get_dataset_content",
    get, path = "/v1/datasets/{id}/content", tag = "datasets",
    params(
        ("id" = DatasetId, Path),
        ("range" = Option<String>, Header, description = "One range of bytes, such as `bytes=0-999`."),
    ),
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
    _: Query<Nothing>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let dataset = find(&state, id).await?;
    let (size, etag) = (dataset.size_bytes, format!("\"{}\"", dataset.sha256));
    let given = |name: header::HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
    if given(header::IF_NONE_MATCH).is_some_and(|tags| tags == "*" || tags.contains(&etag)) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let unchanged = given(header::IF_RANGE).is_none_or(|tag| tag == etag);
    let range = match given(header::RANGE).filter(|_| unchanged).map(|text| range(text, size)) {
        None | Some(Asked::Everything) => None,
        Some(Asked::Part(range)) => Some(range),
        Some(Asked::Nothing) => {
            let detail = format!("the content has {size} bytes");
            let error = ApiError::new(Code::RangeNotSatisfiable, detail);
            let whole = [(header::CONTENT_RANGE, format!("bytes */{size}"))];
            return Ok((whole, error).into_response());
        }
    };
    let (media_type, extension) = file_type(&dataset.reading);
    let stream = state.blobs.stream(&dataset.sha256, range.clone()).await?;
    let mut response = Body::from_stream(stream).into_response();
    let length = range.as_ref().map_or(size, |range| range.end - range.start);
    let attachment = format!("attachment; filename=\"{id}.{extension}\"");
    for (name, value) in [
        (header::CONTENT_TYPE, media_type.to_owned()),
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

/// The media type of bytes that are read so, and what a file of them is called.
fn file_type(reading: &ReadOptions) -> (&'static str, String) {
    let (media_type, extension) = match reading.format.unwrap_or(Format::Csv) {
        Format::Csv => ("text/csv", "csv"),
        Format::Tsv => ("text/tab-separated-values", "tsv"),
        Format::JsonLines => ("application/x-ndjson", "jsonl"),
        Format::Json => ("application/json", "json"),
        Format::Parquet => ("application/vnd.apache.parquet", "parquet"),
        Format::Arrow => ("application/vnd.apache.arrow.file", "arrow"),
        Format::Npy => ("application/octet-stream", "npy"),
        Format::Npz => ("application/zip", "npz"),
        Format::Arff => ("text/plain", "arff"),
        Format::Svmlight => ("text/plain", "svmlight"),
    };
    match reading.compression.unwrap_or_default() {
        Compression::None => (media_type, extension.to_owned()),
        Compression::Gzip => ("application/gzip", format!("{extension}.gz")),
        Compression::Zstd => ("application/zstd", format!("{extension}.zst")),
    }
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
        .split_once('=')
        .filter(|(unit, _)| unit.eq_ignore_ascii_case("bytes"))
        .and_then(|(_, spec)| spec.split_once('-'))
    else {
        return Asked::Everything;
    };
    if [first, last].iter().any(|text| text.bytes().any(|byte| !byte.is_ascii_digit())) {
        return Asked::Everything;
    }
    let range = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Ok(first), _) if last.is_empty() => first..size,
        (_, Ok(length)) if first.is_empty() => size.saturating_sub(length)..size,
        _ => return Asked::Everything,
    };
    if range.is_empty() { Asked::Nothing } else { Asked::Part(range) }
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
        assert_eq!(range("Bytes=0-0", 100), Asked::Part(0..1));
        assert_eq!(range("bytes=+1-+3", 100), Asked::Everything);
    }
}
