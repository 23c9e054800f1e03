//! What only the rows tell of a job: features that give the target away, and rows to test on that the
//! model was trained on. Nothing of it keeps a job from running.

use std::sync::Arc;

use trainyard_learn::findings::{leaks, train_test_overlap};

use super::AppState;
use super::problem::ApiError;
use crate::cache::{SharedCache, Weighed};
use crate::domain::dataset::{Dataset, Warning};
use crate::domain::evaluate::trained_on_these;
use crate::domain::ids::DatasetId;
use crate::domain::spec::JobSpec;
use crate::tables::TableError;

/// What was found of late: jobs come by the hundred on one dataset with one target.
#[derive(Debug)]
pub(super) struct KnownLeaks(SharedCache<Asked, Vec<Warning>, TableError>);

/// The data, the targets and the features.
type Asked = (DatasetId, Vec<String>, Vec<String>);

/// Names of columns in answers that are kept.
const MAX_KNOWN_NAMES: usize = 100_000;

impl Default for KnownLeaks {
    fn default() -> Self {
        Self(SharedCache::new(MAX_KNOWN_NAMES))
    }
}

/// Warnings of a job's features that give its target away.
pub(super) async fn given_away(
    state: &AppState,
    spec: &JobSpec,
    dataset: Dataset,
) -> Result<Vec<Warning>, ApiError> {
    let (targets, features) = (spec.target.names().to_vec(), spec.features.clone());
    let worker = state.clone();
    let work = tokio::task::spawn_blocking(move || {
        worker.leaks.0.get((dataset.id, targets.clone(), features.clone()), || {
            let table = worker.tables.get(&dataset.sha256, &dataset.reading)?;
            let found = leaks(&table, &targets, &features);
            let weight = targets.len() + features.len();
            Ok(Weighed { value: found.into_iter().map(Warning::from).collect(), weight })
        })
    });
    match work.await.map_err(ApiError::internal)? {
        Ok(found) => Ok(found.to_vec()),
        // Whoever runs the job meets the same, and tells it as the job's failure.
        Err(error) => {
            tracing::warn!(%error, "a table could not be looked at for a warning");
            Ok(Vec::new())
        }
    }
}

/// A warning where rows to evaluate a model on are among those that it was trained on, as long as the
/// dataset that it was trained on is there.
pub(super) async fn trained_on(
    state: &AppState,
    (train_id, train_sha256): (DatasetId, &str),
    test: &Dataset,
) -> Result<Option<Warning>, ApiError> {
    if test.sha256 == train_sha256 {
        return Ok(Some(trained_on_these(test.n_rows())));
    }
    let Some(train) = state.store.dataset(state.project(), train_id).await? else {
        return Ok(None);
    };
    let (worker, test) = (state.clone(), test.clone());
    let work = tokio::task::spawn_blocking(move || {
        let table = |dataset: &Dataset| worker.tables.get(&dataset.sha256, &dataset.reading);
        let (rows, others): (Arc<_>, Arc<_>) = (table(&train)?, table(&test)?);
        Ok(train_test_overlap(&rows, &train.content.columns, &others))
    });
    let found = work.await.map_err(ApiError::internal)?;
    let found = found.map_err(|error: TableError| ApiError::internal(error))?;
    Ok(found.map(Warning::from))
}
