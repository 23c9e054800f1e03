//! `/v1/jobs/{id}/metrics`: how a training goes or went, epoch by epoch.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use trainyard_learn::problem::Problem;
use trainyard_learn::training::History;
use utoipa::{IntoParams, ToSchema};

use super::AppState;
use super::extract::{PathId, Query};
use super::jobs::find;
use super::problem::{ApiError, Code, ProblemBody};
use crate::domain::ids::JobId;
use crate::domain::job::{Job, JobStatus};
use crate::domain::suggest::nearest;
use crate::store::jobs::StoredHistory;

/// Which points.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct MetricsQuery {
    /// The series, separated by commas; all of them if left out.
    series: Option<String>,
    /// The fold, by its number over all repeats, of a job that draws a curve times the number of
    /// points and plus the point; if left out, the training of the final model, or fold 0 of a job
    /// that trains none.
    fold: Option<u32>,
    /// At most so many points, evenly spaced, the last one included.
    #[param(minimum = 2, maximum = 10000, default = 1000)]
    max_points: Option<i64>,
}

/// How a training goes, or went.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Metrics {
    /// The fold as asked for; null for the training of the final model.
    fold: Option<u32>,
    /// Whether the training has ended and this is all of it. False while it runs, and for ever where
    /// it was broken off: these are its epochs so far, and of long trainings not every one. A task
    /// that is tried again starts its curves again.
    finished: bool,
    /// All series that there are: losses, scores, `learning_rate`, and for each layer
    /// `grad_norm.0`, `weight_norm.0`, `update_ratio.0` (how much a step changes the weights) and
    /// `dead_units.1` (the share of units of an activation that nothing moves). Norms are those of the
    /// epoch's last step: gradients before they are clipped, weights after it. Units are looked at over
    /// the last steps that have 1,024 rows together.
    series: Vec<String>,
    /// A point an epoch: `epoch`, and the value of each series; null where there is none.
    #[schema(value_type = Vec<Object>)]
    data: Vec<Map<String, Value>>,
}

/// Look at a training's losses, scores and norms by epoch; of one that runs, about a second ago.
#[utoipa::path(
    operation_id = "get_job_metrics",
    get, path = "/v1/jobs/{id}/metrics", tag = "jobs", params(("id" = JobId, Path), MetricsQuery),
    responses(
        (status = 200, body = Metrics),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn metrics(
    State(state): State<AppState>,
    PathId(id): PathId<JobId>,
    Query(query): Query<MetricsQuery>,
) -> Result<Json<Metrics>, ApiError> {
    let max_points = query.max_points.unwrap_or(1_000);
    if !(2..=10_000).contains(&max_points) {
        return Err(ApiError::invalid_parameter("query/max_points", "must be 2 to 10000"));
    }
    let job = find(&state, id).await?;
    let has_refit = job.resolved_spec["refit"] != json!(false);
    let fold = query.fold.or_else(|| (!has_refit).then_some(0));
    let n_folds = job.tasks.total - 1;
    if fold.is_some_and(|fold| i64::from(fold) >= n_folds) {
        let detail = format!("there are {n_folds} folds, counted from 0");
        return Err(ApiError::invalid_parameter("query/fold", detail));
    }
    let Some(StoredHistory { epochs: history, finished }) =
        state.store.history(state.project(), id, fold).await?
    else {
        return Err(ApiError::new(Code::NotFound, why_none(&job, fold.is_none())));
    };
    let chosen = chosen(query.series.as_deref(), &history).map_err(ApiError::invalid)?;
    let data = points(&history, &chosen, max_points as usize);
    Ok(Json(Metrics { fold, finished, series: history.names().to_vec(), data }))
}

/// Why a training has no points to show, and what to do about it.
fn why_none(job: &Job, is_final: bool) -> String {
    let failed_in = job.error.as_ref().and_then(|error| error.fold);
    if job.resolved_spec["model"]["type"] == "perceptron" {
        "a perceptron keeps no record of its epochs".to_owned()
    } else if job.finished_at.is_none() && is_final && !job.resolved_spec["cv"].is_null() {
        "the final model is trained after the folds, and has not begun; ?fold=0 shows the first of those"
            .to_owned()
    } else if job.status == JobStatus::Paused {
        "this training had shown no epoch when the job was paused; POST to its /resume".to_owned()
    } else if job.finished_at.is_none() {
        "this training has not begun, or not yet shown its first epochs; look again in a second"
            .to_owned()
    } else if let (Some(fold), Value::Null) = (failed_in, &job.resolved_spec["curve"]) {
        format!("this training has not begun: the job failed in fold {fold}; ask with ?fold={fold}")
    } else {
        "the job ended before this training had an epoch; ask for another fold with ?fold="
            .to_owned()
    }
}

/// The columns of the series asked for, or what is wrong with their names.
fn chosen(series: Option<&str>, history: &History) -> Result<Vec<usize>, Vec<Problem>> {
    let Some(series) = series else { return Ok((0..history.names().len()).collect()) };
    let mut columns = Vec::new();
    let mut problems = Vec::new();
    for name in series.split(',') {
        match history.names().iter().position(|known| known == name) {
            Some(column) => columns.push(column),
            None => {
                let problem = Problem::new("query/series", format!("there is no series `{name}`"));
                let known = history.names().iter().map(String::as_str);
                problems.push(match nearest(name, known) {
                    Some(near) => problem.suggest(near),
                    None => problem.suggest(history.names().join(", ")),
                });
            }
        }
    }
    if problems.is_empty() { Ok(columns) } else { Err(problems) }
}

fn points(history: &History, columns: &[usize], most: usize) -> Vec<Map<String, Value>> {
    let n = history.epochs().len();
    let n_points = n.min(most);
    (0..n_points)
        .map(|point| {
            // Evenly spaced, from the first to the last.
            let at = if n_points < 2 { n - 1 } else { point * (n - 1) / (n_points - 1) };
            let row = history.row(at);
            let mut fields = Map::new();
            fields.insert("epoch".to_owned(), json!(history.epochs()[at]));
            for column in columns {
                fields.insert(history.names()[*column].clone(), json!(row[*column]));
            }
            fields
        })
        .collect()
}
