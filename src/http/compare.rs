//! `/v1/compare`: which of several jobs' models is better, and how sure that is.

use axum::Json;
use axum::extract::State;
use trainyard_learn::problem::Problem;

use super::AppState;
use super::extract::{JsonBody, Nothing, Query};
use super::out_of_fold::out_of_fold;
use super::problem::{ApiError, Code, ProblemBody};
use crate::domain::compare::{CompareRequest, Comparison, Contender, compare, right};
use crate::domain::ids::JobId;
use crate::domain::job::{JobStatus, ScoreSummary};

/// Compare jobs that share their folds: a corrected t-test, a Bayesian one with a region of practical
/// equivalence, McNemar's test of their predictions, and an effect size, for every two of them.
#[utoipa::path(
    operation_id = "compare_jobs",
    post, path = "/v1/compare", tag = "jobs", request_body = CompareRequest,
    responses(
        (status = 200, body = Comparison),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn compare_jobs(
    State(state): State<AppState>,
    _: Query<Nothing>,
    JsonBody(mut body): JsonBody<CompareRequest>,
) -> Result<Json<Comparison>, ApiError> {
    let Some(request) = body.value.take().filter(|_| body.problems.is_empty()) else {
        return Err(ApiError::invalid(body.problems));
    };
    let mut contenders = Vec::new();
    let mut summaries = Vec::new();
    for (index, id) in request.job_ids.iter().enumerate() {
        match contender(&state, id, &request.metric.name()).await? {
            Some((contender, summary)) => {
                contenders.push(contender);
                summaries.push(summary);
            }
            None => {
                let problem = Problem::new(format!("/job_ids/{index}"), "there is no such job");
                body.add(vec![problem]);
            }
        }
    }
    if !body.problems.is_empty() {
        return Err(ApiError::invalid(body.problems));
    }
    let work = tokio::task::spawn_blocking(move || compare(&request, &contenders, &summaries));
    let found = work.await.map_err(ApiError::internal)?;
    found.map(Json).map_err(ApiError::invalid)
}

/// All that is needed of a job; nothing where there is none of that id.
async fn contender(
    state: &AppState,
    id: &str,
    metric: &str,
) -> Result<Option<(Contender, ScoreSummary)>, ApiError> {
    let project = state.project();
    let Ok(id) = id.parse::<JobId>() else { return Ok(None) };
    let Some(job) = state.store.job(project, id).await? else { return Ok(None) };
    let Some(spec) = state.store.spec(project, id).await? else { return Ok(None) };
    let dataset = state.store.dataset(project, job.dataset_id).await?;
    let data = match dataset {
        Some(dataset) => {
            let reading = serde_json::to_string(&dataset.reading).map_err(ApiError::internal)?;
            format!("{} {reading}", dataset.sha256)
        }
        // Of one that is gone only its name is left.
        None => format!("deleted {}", job.dataset_id),
    };
    let succeeded = job.status == JobStatus::Succeeded && spec.cv.is_some() && spec.curve.is_none();
    let right = if succeeded {
        match out_of_fold(state, id, None).await {
            Ok(found) => right(&found.pooled),
            // Then there is no test of rows; those of folds need none.
            Err(error) if error.code() == Code::TooLarge => None,
            Err(error) => return Err(error),
        }
    } else {
        None
    };
    let summary = job.result.as_ref().and_then(|result| result.cv.get(metric)).copied();
    let contender = Contender {
        id,
        status: job.status,
        spec,
        data,
        folds: job.result.and_then(|result| result.folds).unwrap_or_default(),
        right,
    };
    Ok(Some((contender, summary.unwrap_or(ScoreSummary::NONE))))
}
