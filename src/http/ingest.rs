//! From received bytes to a stored dataset: stage, understand, keep, insert.
//!
//! Whatever fails on the way, nothing is left: the bytes are staged without a name until they are
//! understood, and the row comes last.

use std::io::BufReader;

use axum::body::Bytes;
use futures_util::Stream;
use serde_json::Value;
use tokio::runtime::Handle;
use trainyard_formats::csv::{self, CsvError, CsvLimits, CsvOptions, CsvSchema};
use trainyard_learn::describe::{DescribedColumn, describe};
use trainyard_learn::problem::Problem;

use super::AppState;
use super::problem::ApiError;
use crate::blobs::{Blobs, Staged};
use crate::domain::dataset::{Content, Dataset, Warning};
use crate::domain::ids::DatasetId;
use crate::domain::suggest::shown;
use crate::store::datasets::NewDataset;
use crate::store::idempotency::{Created, IdempotencyKey};

/// What is known of a dataset beside its bytes.
#[derive(Debug, Default)]
pub(super) struct About {
    pub(super) name: Option<String>,
    pub(super) options: CsvOptions,
    pub(super) generator: Option<Value>,
}

const MAX_NAME_CHARACTERS: usize = 200;

impl About {
    /// Takes a name as it came with a file.
    pub(super) fn named(name: Option<String>) -> Result<Self, ApiError> {
        let name = name.filter(|name| !name.is_empty());
        if name.as_ref().is_some_and(|name| name.chars().count() > MAX_NAME_CHARACTERS) {
            let detail = format!("must have at most {MAX_NAME_CHARACTERS} characters");
            return Err(ApiError::invalid_parameter("name", detail));
        }
        Ok(Self { name, ..Self::default() })
    }
}

/// Receives a body.
pub(super) async fn stage<E: std::fmt::Display>(
    state: &AppState,
    body: impl Stream<Item = Result<Bytes, E>> + Unpin,
) -> Result<Staged, ApiError> {
    Ok(state.blobs.stage(body, state.limits.max_upload_bytes).await?)
}

/// Understands and stores what was received.
pub(super) async fn store(
    state: &AppState,
    staged: Staged,
    about: About,
    key: Option<IdempotencyKey>,
) -> Result<Created<Dataset>, ApiError> {
    let parsed = {
        let _turn = state.ingesting.acquire().await.map_err(ApiError::internal)?;
        let (blobs, limits) = (state.blobs.clone(), state.limits.csv());
        let runtime = Handle::current();
        tokio::task::spawn_blocking(move || {
            let content = understand(&blobs, &staged, &about, &limits, &runtime);
            (staged, about, content)
        })
        .await
        .map_err(ApiError::internal)?
    };
    let (staged, about, content) = parsed;
    let kept = async {
        let content = content?;
        state.blobs.keep(&staged).await?;
        Ok::<_, ApiError>(content)
    };
    let (csv, content) = match kept.await {
        Ok(understood) => understood,
        Err(error) => {
            state.blobs.discard(staged).await;
            return Err(error);
        }
    };
    let new = NewDataset {
        id: DatasetId::new(&state.clock),
        name: about.name,
        size_bytes: staged.size_bytes,
        sha256: staged.sha256,
        csv,
        content,
    };
    Ok(state.store.create_dataset(state.project(), new, key.as_ref()).await?)
}

/// Two passes over the bytes: what the file is, then what is in it.
fn understand(
    blobs: &Blobs,
    staged: &Staged,
    about: &About,
    limits: &CsvLimits,
    runtime: &Handle,
) -> Result<(CsvSchema, Content), ApiError> {
    let open = || blobs.open_staged(staged, runtime).map(BufReader::new);
    let schema = csv::infer(open()?, &about.options, limits).map_err(unreadable)?;
    let table = csv::read_as(open()?, &schema, limits).map_err(unreadable)?;
    let columns = describe(&table);
    let content = Content {
        warnings: warnings(&schema, &columns),
        columns,
        generator: about.generator.clone(),
    };
    Ok((schema, content))
}

/// What was decided for the user, or found, that they should know of.
fn warnings(schema: &CsvSchema, columns: &[DescribedColumn]) -> Vec<Warning> {
    let about = |code: &str, name: &String, detail: &str| {
        Warning::new(code, format!("column {}: {detail}", shown(name))).column(name)
    };
    let unnamed = schema.unnamed.iter().map(|name| {
        about("unnamed_column", name, "the header names none here, so it is called that")
    });
    let long = schema.kept_as_text.iter().map(|name| {
        let detail = "whole numbers beyond 2^53 would lose digits, so they are kept as text";
        about("kept_as_text", name, detail)
    });
    let overflowed = columns.iter().filter(|column| column.overflowed()).map(|column| {
        let detail = "its statistics are beyond the finite numbers and stand as null";
        about("not_finite", &column.description.name, detail)
    });
    unnamed.chain(long).chain(overflowed).chain(one_column(schema)).collect()
}

/// A file of one column whose header has another delimiter in it was most likely split wrongly.
fn one_column(schema: &CsvSchema) -> Option<Warning> {
    let [name] = schema.names.as_slice() else { return None };
    let other = [';', '\t', '|'].into_iter().find(|delimiter| name.contains(*delimiter))?;
    let detail = format!(
        "the file was read as one column, and its header holds {other:?}; if that stands between \
         the columns, upload it with options {{\"delimiter\": {:?}}}",
        other.to_string()
    );
    Some(Warning::new("one_column", detail))
}

fn unreadable(error: CsvError) -> ApiError {
    match error {
        CsvError::Io(error) => ApiError::internal(error),
        CsvError::Invalid(problems) => ApiError::invalid_data(problems),
    }
}

/// The one format there is until others come.
pub(super) fn check_format(format: Option<&str>) -> Result<(), ApiError> {
    match format {
        None | Some("csv") => Ok(()),
        Some(other) => Err(ApiError::invalid(vec![
            Problem::new("/format", format!("{other:?} is not read here")).suggest("csv"),
        ])),
    }
}
