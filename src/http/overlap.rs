//! `/v1/datasets/{id}/overlap`: whether rows to test on are among those to train on.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use trainyard_learn::findings::train_test_overlap;
use utoipa::{IntoParams, ToSchema};

use super::AppState;
use super::datasets::find;
use super::extract::{PathId, Query};
use super::problem::{ApiError, ProblemBody};
use crate::domain::dataset::{Dataset, Warning};
use crate::domain::ids::DatasetId;

/// What to compare with.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OverlapQuery {
    /// The dataset to test on.
    with: String,
}

/// What two datasets have in common.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Overlap {
    /// The dataset to train on.
    train_id: DatasetId,
    /// The dataset to test on.
    test_id: DatasetId,
    /// The columns that both have, by name and type. Those that name rows or hold one value are not
    /// compared.
    columns: Vec<String>,
    /// `train_test_overlap` where at least a hundredth of the rows to test on are, or nearly are,
    /// among those to train on; with the share as evidence. Nothing is said of fewer than 20 rows, and
    /// of columns with so few values that equal rows are no surprise.
    warnings: Vec<Warning>,
}

/// Compare with a dataset to test on: scores on rows that were trained on say nothing.
#[utoipa::path(
    operation_id = "compare_datasets",
    get, path = "/v1/datasets/{id}/overlap", tag = "datasets",
    params(("id" = DatasetId, Path), OverlapQuery),
    responses(
        (status = 200, body = Overlap),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn overlap(
    State(state): State<AppState>,
    PathId(id): PathId<DatasetId>,
    Query(query): Query<OverlapQuery>,
) -> Result<Json<Overlap>, ApiError> {
    let train = find(&state, id).await?;
    let with = query.with.parse().map_err(|_| no_such(&query.with))?;
    if with == id {
        let detail = "is the dataset itself; name another one, to test on";
        return Err(ApiError::invalid_parameter("with", detail));
    }
    let test = find(&state, with).await.map_err(|_| no_such(&query.with))?;
    let columns = in_common(&train, &test);
    if columns.is_empty() {
        let detail = "has no column of the same name and type";
        return Err(ApiError::invalid_parameter("with", detail));
    }
    // Both tables are looked at whole, as in an ingestion.
    let _turn = state.ingesting.acquire().await.map_err(ApiError::internal)?;
    let worker = state.clone();
    let work = tokio::task::spawn_blocking(move || {
        let table = |dataset: &Dataset| worker.tables.get(&dataset.sha256, &dataset.reading);
        let (rows, others) = (table(&train)?, table(&test)?);
        Ok(train_test_overlap(&rows, &train.content.columns, &others))
    });
    let found = work.await.map_err(ApiError::internal)?;
    let found = found.map_err(|error: crate::tables::TableError| ApiError::internal(error))?;
    let warnings = found.map(Warning::from).into_iter().collect();
    Ok(Json(Overlap { train_id: id, test_id: with, columns, warnings }))
}

fn no_such(id: &str) -> ApiError {
    ApiError::invalid_parameter("with", format!("there is no dataset {id:?}"))
}

fn in_common(train: &Dataset, test: &Dataset) -> Vec<String> {
    let columns = train.content.columns.iter().map(|column| &column.description);
    let in_both = columns.filter(|column| {
        let other = test.column(&column.name).map(|other| other.description.column_type);
        other == Some(column.column_type)
    });
    in_both.map(|column| column.name.clone()).collect()
}
