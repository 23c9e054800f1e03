//! `/v1/jobs/{id}/curves`: what a job's out-of-fold predictions look like.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use trainyard_learn::metrics::curves::Strategy;
use utoipa::{IntoParams, ToSchema};

use super::AppState;
use super::extract::{PathId, Query};
use super::out_of_fold::{OutOfFold, out_of_fold};
use super::problem::{ApiError, ProblemBody};
use crate::domain::curves::{self, Curves, Detail};
use crate::domain::ids::JobId;

/// Which predictions, and how closely.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CurvesQuery {
    /// The fold, by its number over all repeats; all folds that are done if left out.
    fold: Option<u32>,
    /// At most so many points a curve, evenly spaced, the first and the last included.
    #[param(minimum = 2, maximum = 10000, default = 200)]
    max_points: Option<i64>,
    /// The bins of calibration curves.
    #[param(minimum = 1, maximum = 100, default = 10)]
    n_bins: Option<i64>,
    /// Whether these bins are of equal width, or have about as many rows each.
    #[param(inline)]
    strategy: Option<Bins>,
}

/// How the bins of a calibration curve are chosen.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Bins {
    /// Of equal width.
    #[default]
    Uniform,
    /// With about as many rows each.
    Quantile,
}

/// Look at a job's out-of-fold predictions as a whole: confusion matrix, ROC, precision-recall and
/// calibration curves of classes and labels, errors of amounts. The points are scikit-learn's.
#[utoipa::path(
    operation_id = "get_job_curves",
    get, path = "/v1/jobs/{id}/curves", tag = "jobs", params(("id" = JobId, Path), CurvesQuery),
    responses(
        (status = 200, body = Curves),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn curves(
    State(state): State<AppState>,
    PathId(id): PathId<JobId>,
    Query(query): Query<CurvesQuery>,
) -> Result<Json<Curves>, ApiError> {
    let in_range = |name: &str, value: Option<i64>, default: i64, (least, most): (i64, i64)| {
        let value = value.unwrap_or(default);
        if (least..=most).contains(&value) {
            return Ok(value as usize);
        }
        let detail = format!("must be {least} to {most}");
        Err(ApiError::invalid_parameter(&format!("query/{name}"), detail))
    };
    let detail = Detail {
        max_points: in_range("max_points", query.max_points, 200, (2, 10_000))?,
        n_bins: in_range("n_bins", query.n_bins, 10, (1, 100))?,
        strategy: match query.strategy.unwrap_or_default() {
            Bins::Uniform => Strategy::Uniform,
            Bins::Quantile => Strategy::Quantile,
        },
    };
    let OutOfFold { pooled, classes, targets } = out_of_fold(&state, id, query.fold).await?;
    let work =
        tokio::task::spawn_blocking(move || curves::curves(&pooled, &classes, &targets, detail));
    Ok(Json(work.await.map_err(ApiError::internal)?))
}
