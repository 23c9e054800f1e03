//! From received bytes to a stored dataset: stage, understand, keep, insert.
//!
//! Whatever fails on the way, nothing is left: the bytes are staged without a name until they are
//! understood, and the row comes last. A preview stops before they are kept.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use axum::body::Bytes;
use futures_util::{Stream, StreamExt};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::time::timeout;
use trainyard_formats::{FormatError, Loaded, Notes, ReadOptions, read};
use trainyard_learn::describe::{DescribedColumn, describe_on};
use trainyard_learn::findings;

use super::AppState;
use super::problem::ApiError;
use super::validate::NUL;
use crate::blobs::{BlobError, Staged};
use crate::domain::dataset::{Content, Dataset, TableBytes, Warning};
use crate::domain::ids::DatasetId;
use crate::domain::suggest::shown;
use crate::store::StoreError;
use crate::store::datasets::NewDataset;
use crate::store::idempotency::{Created, IdempotencyKey};

/// What is known of a dataset beside its bytes.
#[derive(Debug, Default)]
pub(super) struct About {
    pub(super) name: Option<String>,
    /// The file's own name, which may say what it is.
    pub(super) file_name: Option<String>,
    pub(super) reading: ReadOptions,
    pub(super) generator: Option<Value>,
}

/// Bytes that were understood.
#[derive(Debug)]
pub(super) struct Understood {
    pub(super) staged: Staged,
    pub(super) about: About,
    pub(super) loaded: Loaded,
    pub(super) content: Content,
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
        if name.as_ref().is_some_and(|name| name.contains('\0')) {
            return Err(ApiError::invalid_parameter("name", NUL));
        }
        Ok(Self { name, ..Self::default() })
    }
}

/// Of a body that cannot be stored, so much is heard and for so long: a client that is cut while it sends
/// does not read why.
const HEARD_BYTES: usize = 64 << 20;
const HEARD: Duration = Duration::from_secs(5);

/// Receives a body.
pub(super) async fn stage<E: std::fmt::Display>(
    state: &AppState,
    body: impl Stream<Item = Result<Bytes, E>> + Unpin,
) -> Result<Staged, ApiError> {
    let mut body = body.fuse();
    match state.blobs.stage(&mut body, state.limits.max_upload_bytes).await {
        Ok(staged) => Ok(staged),
        Err(error) => {
            let rest = async {
                let mut n_bytes = 0;
                while let Some(Ok(chunk)) = body.next().await
                    && n_bytes < HEARD_BYTES
                {
                    n_bytes += chunk.len();
                }
            };
            let _ = timeout(HEARD, rest).await;
            Err(error.into())
        }
    }
}

/// Finds out what was received; of what is no table, nothing is left.
pub(super) async fn understand(
    state: &AppState,
    staged: Staged,
    about: About,
) -> Result<Understood, ApiError> {
    let _turn = state.ingesting.acquire().await.map_err(ApiError::internal)?;
    let (blobs, limits) = (state.blobs.clone(), state.tables.limits().clone());
    let runtime = Handle::current();
    let (staged, about, found) = tokio::task::spawn_blocking(move || {
        let understand = || {
            let file = blobs.open_staged(&staged, &runtime)?;
            let name = about.file_name.as_deref().or(about.name.as_deref());
            let loaded = read(file, name, &about.reading, &limits).map_err(unreadable)?;
            let columns = describe_on(&loaded.table, limits.n_threads);
            let content = Content {
                n_rows: loaded.table.n_rows(),
                warnings: warnings(&loaded, &columns),
                columns,
                generator: about.generator.clone(),
                table: Some(TableBytes::of(&loaded.table)),
            };
            Ok::<_, ApiError>((loaded, content))
        };
        // A defect must not take the staged bytes along: they are still to be deleted.
        let found = catch_unwind(AssertUnwindSafe(understand));
        let found = found.unwrap_or_else(|_| Err(ApiError::internal("a reader panicked")));
        (staged, about, found)
    })
    .await
    .map_err(ApiError::internal)?;
    match found {
        Ok((loaded, content)) => Ok(Understood { staged, about, loaded, content }),
        Err(error) => {
            state.blobs.discard(staged).await;
            Err(error)
        }
    }
}

/// Understands and stores what was received.
pub(super) async fn store(
    state: &AppState,
    staged: Staged,
    about: About,
    key: Option<IdempotencyKey>,
) -> Result<Created<Dataset>, ApiError> {
    let Understood { staged, about, loaded, content } = understand(state, staged, about).await?;
    let new = NewDataset {
        id: DatasetId::new(&state.clock),
        name: about.name,
        size_bytes: staged.size_bytes,
        sha256: staged.sha256.clone(),
        stored_after: None,
        reading: loaded.options_used.clone(),
        content,
    };
    let sha256 = staged.sha256.clone();
    let created = keep(state, &staged, new, key.as_ref()).await;
    state.blobs.discard(staged).await;
    let created = created?;
    state.tables.put(&sha256, loaded);
    Ok(created)
}

/// Names the bytes and then the dataset; both again, where the bytes were about to be swept, which
/// nothing had named for a day.
async fn keep(
    state: &AppState,
    staged: &Staged,
    mut new: NewDataset,
    key: Option<&IdempotencyKey>,
) -> Result<Created<Dataset>, ApiError> {
    state.blobs.keep(staged).await?;
    loop {
        match state.store.create_dataset(state.project(), new.clone(), key).await {
            Err(StoreError::Leaving { sha256 }) => {
                new.stored_after = Some(state.store.after_leaving(&sha256).await?);
                state.blobs.keep_again(staged).await?;
            }
            created => return Ok(created?),
        }
    }
}

/// What was decided for the user, or found, that they should know of.
fn warnings(loaded: &Loaded, columns: &[DescribedColumn]) -> Vec<Warning> {
    let about = |code: &str, name: &String, detail: &str| {
        Warning::new(code, format!("column {}: {detail}", shown(name))).column(name)
    };
    let Notes { unnamed, kept_as_text, told } = &loaded.notes;
    let unnamed = unnamed.iter().map(|name| {
        about("unnamed_column", name, "the header names none here, so it is called that")
    });
    let long = kept_as_text.iter().map(|name| {
        let detail = "whole numbers beyond 2^53 would lose digits, so they are kept as text";
        about("kept_as_text", name, detail)
    });
    let told = told.iter().map(Warning::from);
    let found =
        findings::at_upload_described(&loaded.table, columns).into_iter().map(Warning::from);
    let overflowed = columns.iter().filter(|column| column.overflowed()).map(|column| {
        let detail = "its statistics are beyond the finite numbers and stand as null";
        about("not_finite", &column.description.name, detail)
    });
    let mut all: Vec<Warning> = unnamed.chain(long).chain(told).chain(overflowed).collect();
    for warning in found {
        // The reader saw the same where it could still be read otherwise, and so knows a way out; the
        // figures are the finding's.
        let same =
            |told: &&mut Warning| (&told.code, &told.column) == (&warning.code, &warning.column);
        match all.iter_mut().find(same) {
            Some(told) => told.evidence = warning.evidence,
            None => all.push(warning),
        }
    }
    all
}

fn unreadable(error: FormatError) -> ApiError {
    match error {
        FormatError::Io(error) => BlobError::Io(error).into(),
        FormatError::Invalid(problems) => ApiError::invalid_data(problems),
    }
}
