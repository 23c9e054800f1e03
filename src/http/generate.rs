//! `POST /v1/datasets/generate`: a table is made here, and takes the way of an upload.

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use tokio::sync::mpsc;
use trainyard_formats::csv::CsvOptions;
use trainyard_formats::{Compression, Format, ReadOptions};
use trainyard_learn::generators::{Generated, GeneratorSpec};
use utoipa::ToSchema;

use super::AppState;
use super::datasets::{DatasetBody, IdempotencyHeader, created};
use super::extract::{Idempotency, JsonBody, Nothing, Query};
use super::ingest::{self, About};
use super::problem::{ApiError, ProblemBody};

/// A dataset to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "flowers", "generator": {"type": "iris"}}))]
pub(super) struct GenerateRequest {
    /// What to call it; the generator's name if left out.
    #[schema(max_length = 200)]
    name: Option<String>,
    /// What makes it.
    generator: GeneratorSpec,
}

/// Make a dataset: scikit-learn's `make_classification`, or a small real one that it ships.
#[utoipa::path(
    operation_id = "generate_dataset",
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
    _: Query<Nothing>,
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
        let turn = state.ingesting.acquire().await.map_err(ApiError::internal)?;
        let (sender, receiver) = mpsc::channel(4);
        let spec = request.generator;
        let making = tokio::task::spawn_blocking(move || {
            spec.generate().map(|generated| write_csv(&generated, &sender))
        });
        let body = futures_util::stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|chunk| (Ok::<_, String>(chunk), receiver))
        });
        let staged = ingest::stage(&state, Box::pin(body)).await?;
        let made = making.await.map_err(ApiError::internal)?;
        // Storing takes a turn of its own; waiting for it with this one in hand could be for ever.
        drop(turn);
        if let Err(problems) = made {
            state.blobs.discard(staged).await;
            let below = problems.into_iter().map(|p| p.below("/generator")).collect();
            return Err(ApiError::invalid(below));
        }
        let about = About {
            name: request.name.or(type_name),
            reading: as_written(),
            generator: Some(generator),
            ..About::default()
        };
        created(ingest::store(&state, staged, about, key).await?)
    });
    work.await.map_err(ApiError::internal)?
}

/// How [`write_csv`] writes.
fn as_written() -> ReadOptions {
    let dialect =
        CsvOptions { header: Some(true), delimiter: Some(",".to_owned()), ..CsvOptions::default() };
    ReadOptions {
        format: Some(Format::Csv),
        compression: Some(Compression::None),
        csv: Some(dialect),
        ..ReadOptions::default()
    }
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
