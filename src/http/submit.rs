//! `POST /v1/jobs`: checked, tried dry, submitted.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use trainyard_learn::network::LinearSpec;
use trainyard_learn::problem::Problem;
use trainyard_learn::splits::RowCounts;
use utoipa::{IntoParams, ToSchema};

use super::AppState;
use super::datasets::{IdempotencyHeader, key_reused};
use super::extract::{Idempotency, JsonBody, Query};
use super::problem::{ApiError, Code, ProblemBody};
use super::validate::{self, Checked};
use super::variants::{searched, variant};
use super::{leaks, loaded, order};
use crate::domain::dataset::{Dataset, Warning};
use crate::domain::evaluate::{gaps, problems};
use crate::domain::ids::{DatasetId, JobId, ModelId};
use crate::domain::job::{Job, JobStatus};
use crate::domain::limits::Limits;
use crate::domain::model::Model;
use crate::domain::spec::curve::CurveSpec;
use crate::domain::spec::evaluate::{EvaluateJobRequest, as_posted, evaluation};
use crate::domain::spec::{
    CheckedJob, Estimate, JobBody, JobRequest, JobSpec, ModelSpec, check, check_any, too_large,
};
use crate::domain::suggest::shown;
use crate::store::idempotency::Created;
use crate::store::jobs::{BadDependency, NewJob, Submitted};
use crate::telemetry;

/// How to submit.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CreateQuery {
    /// Check only, and say what the job would need.
    #[serde(default)]
    dry_run: bool,
}

/// What a job would need.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DryRun {
    /// What it would take.
    #[serde(flatten)]
    estimate: Estimate,
    /// Seconds that all tasks are expected to take on one thread, to an order of magnitude; they run
    /// beside each other on as many threads as workers have.
    fit_s: f64,
    /// The spec with every default filled in.
    #[schema(value_type = JobBody)]
    resolved_spec: Value,
    /// What the user should know.
    warnings: Vec<Warning>,
}

/// Submit a job: cross-validate a model on a dataset and train it on all rows, or, with `evaluate`,
/// evaluate a stored model on a dataset.
///
/// The answer comes at once; follow the job with `GET /v1/jobs/{id}?wait=30` or its events.
#[utoipa::path(
    operation_id = "create_job",
    post, path = "/v1/jobs", tag = "jobs", params(CreateQuery, IdempotencyHeader),
    request_body = JobBody,
    responses(
        (status = 200, body = DryRun, description = "with `dry_run`"),
        (status = 202, body = Job, headers(("location" = String))),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn create(
    State(state): State<AppState>,
    Query(query): Query<CreateQuery>,
    idempotency: Idempotency,
    JsonBody(body): JsonBody<JobRequest>,
) -> Result<Response, ApiError> {
    let spec = body.raw.clone();
    let key = idempotency.key("job", spec.to_string().as_bytes()).filter(|_| !query.dry_run);
    // A call that was answered before gets that answer, whatever has become of its dataset.
    if let Some(key) = &key
        && let Some(before) = state.store.created_before(state.project(), key).await?
    {
        return submitted(before);
    }
    let mut checked = match is_evaluation(&spec) {
        true => check_evaluation(&state, spec.clone()).await?,
        false => check_body(&state, body).await?,
    };
    checked.warnings.extend(nobody_for(&state, &checked).await?);
    if query.dry_run {
        let CheckedJob { spec, warnings, estimate, after, .. } = checked;
        let spec = serde_json::to_value(spec).map_err(ApiError::internal)?;
        let resolved_spec = as_posted(spec);
        state.store.check_dependencies(state.project(), &after).await?.map_err(bad_dependencies)?;
        let fit_s = estimate.fit_s();
        return Ok(Json(DryRun { estimate, fit_s, resolved_spec, warnings }).into_response());
    }
    let traceparent = telemetry::traceparent();
    let new = NewJob { id: JobId::new(&state.clock), checked, spec, traceparent };
    let most = state.limits.max_unfinished_jobs;
    match state.store.create_job(state.project(), new, key.as_ref(), most).await? {
        Submitted::Job(created) => submitted(created),
        Submitted::DatasetGone => Err(ApiError::invalid(vec![no_dataset()])),
        Submitted::BadDependencies(bad) => Err(bad_dependencies(bad)),
        Submitted::QueueFull => Err(ApiError::new(
            Code::QueueFull,
            format!("{most} jobs are queued or running; wait for some, or cancel them"),
        )),
    }
}

/// Whether no worker that lives could take the job's tasks: one may come yet.
async fn nobody_for(state: &AppState, checked: &CheckedJob) -> Result<Option<Warning>, ApiError> {
    let CheckedJob { spec, estimate, .. } = checked;
    if state.store.is_anybody_there(&spec.requires, estimate.memory_bytes).await? {
        return Ok(None);
    }
    let detail = match spec.requires.is_empty() {
        true => format!("with the {} MB that a task may need", estimate.memory_bytes >> 20),
        false => format!("with the labels {} and memory enough", spec.requires),
    };
    let detail = format!("no worker {detail} is there now; the job waits until one is");
    Ok(Some(Warning::new("no_worker", detail)))
}

fn bad_dependencies(bad: Vec<BadDependency>) -> ApiError {
    ApiError::invalid(bad.into_iter().map(bad_dependency).collect())
}

fn bad_dependency(bad: BadDependency) -> Problem {
    let pointer = format!("/after/{}", bad.index);
    match bad.status {
        None => Problem::new(pointer, "there is no such job").suggest("the `id` of a job"),
        Some(status) => {
            let ended = if status == JobStatus::Failed { "failed" } else { "was cancelled" };
            Problem::new(pointer, format!("that job {ended}, so this one could never start"))
                .suggest("submit that job again, and name the new one")
        }
    }
}

fn submitted(created: Created<Box<Job>>) -> Result<Response, ApiError> {
    match created {
        Created::New(job) | Created::Before(job) => {
            let headers = [(header::LOCATION, format!("/v1/jobs/{}", job.id))];
            Ok((StatusCode::ACCEPTED, headers, Json(*job)).into_response())
        }
        Created::KeyReused => Err(key_reused()),
    }
}

fn is_evaluation(sent: &Value) -> bool {
    sent.get("evaluate").is_some_and(|evaluate| !evaluate.is_null())
}

/// Checks whether the model can be evaluated on the dataset.
async fn check_evaluation(state: &AppState, sent: Value) -> Result<CheckedJob, ApiError> {
    let mut body = validate::check::<EvaluateJobRequest>(sent);
    let Some(request) = body.value.take() else {
        return Err(ApiError::invalid(body.problems));
    };
    body.add(check_any(&request.metadata, &request.requires));
    let dataset = match find_dataset(state, &request.dataset_id).await? {
        Ok(dataset) => Some(dataset),
        Err(problem) => {
            body.add(vec![problem]);
            None
        }
    };
    let model = match request.evaluate.model_id.parse::<ModelId>() {
        Ok(id) => state.store.model(state.project(), id).await?,
        Err(_) => None,
    };
    if model.is_none() {
        let detail = format!("there is no model {}", shown(&request.evaluate.model_id));
        body.add(vec![Problem::new("/evaluate/model_id", detail)]);
    }
    let (Some(dataset), Some(Model { id, dataset_id: trained_on, card, .. })) = (dataset, model)
    else {
        return Err(ApiError::invalid(body.problems));
    };
    let model = loaded::load(state, id).await?;
    let mut checked = evaluation(request, (id, &card), &dataset, &state.limits);
    let JobSpec { scoring, scoring_weight, .. } = &checked.spec;
    body.add(problems(&model, &dataset, scoring, scoring_weight.as_deref()));
    let otherwise = ("/dataset_id", "send fewer rows");
    body.add(
        too_large(&checked.estimate, &dataset, &state.limits, otherwise).into_iter().collect(),
    );
    if !body.problems.is_empty() {
        return Err(ApiError::invalid(body.problems));
    }
    let overlap = leaks::trained_on(state, (trained_on, &card.data_sha256), &dataset).await?;
    checked.warnings.extend(overlap);
    checked.warnings.extend(gaps(&model, &dataset));
    Ok(checked)
}

/// Checks the shape and, as far as it could be understood, the meaning; tells of both together.
async fn check_body(
    state: &AppState,
    mut body: Checked<JobRequest>,
) -> Result<CheckedJob, ApiError> {
    let Some(mut request) = body.value.take() else {
        return Err(ApiError::invalid(body.problems));
    };
    if body.problems.iter().any(|known| matches!(&*known.pointer, "/model" | "/model/type")) {
        // Nobody said which model; this one takes all that any of them takes.
        request.model = ModelSpec::Linear(LinearSpec::default());
    }
    let search = request.search.as_ref();
    let mut found = search.map_or_else(Vec::new, |s| searched(&body.raw, s, &body.problems));
    let dataset = match find_dataset(state, &request.dataset_id).await? {
        Ok(dataset) => dataset,
        Err(problem) => {
            found.push(problem);
            body.add(found);
            return Err(ApiError::invalid(body.problems));
        }
    };
    match check(request, &dataset, &state.limits) {
        Ok(checked) if body.problems.is_empty() && found.is_empty() => {
            let checked = variants(&body.raw, checked, &dataset, &state.limits);
            let mut checked = checked.map_err(ApiError::invalid)?;
            checked.warnings.extend(order::look(state, &checked, &dataset).await?);
            checked.warnings.extend(leaks::given_away(state, &checked.spec, dataset).await?);
            Ok(checked)
        }
        checked => {
            found.extend(checked.err().into_iter().flatten());
            body.add(found);
            Err(ApiError::invalid(body.problems))
        }
    }
}

/// So many problems of a curve's points or a search's candidates are looked for.
const MAX_VARIANT_PROBLEMS: usize = 20;

/// Checks the job with each of the values that a validation curve is drawn over, or with what each of
/// a search's candidates sets.
fn variants(
    sent: &Value,
    mut checked: CheckedJob,
    dataset: &Dataset,
    limits: &Limits,
) -> Result<CheckedJob, Vec<Problem>> {
    let of_curve: Vec<(String, Map<String, Value>)> = match &checked.spec.curve {
        Some(CurveSpec::Validation { param, values }) => values
            .iter()
            .enumerate()
            .map(|(index, value)| {
                let settings = Map::from_iter([(param.clone(), value.clone())]);
                (format!("/curve/values/{index}"), settings)
            })
            .collect(),
        _ => Vec::new(),
    };
    let of_search = checked.spec.search.iter().flat_map(|search| {
        let candidate = |index| ("/search/space".to_owned(), search.candidate(index));
        (0..search.n_candidates()).map(candidate)
    });
    let settings: Vec<_> = of_curve.into_iter().chain(of_search).collect();
    let n_fits_each = checked.spec.search.as_ref().map_or(1, |search| {
        let n_inner = search.cv.n_folds(&RowCounts::of_rows(dataset.n_rows()));
        (n_inner.max(1) * settings.len()) as i64
    });
    let mut problems: Vec<Problem> = Vec::new();
    for (pointer, settings) in &settings {
        match variant((sent, &checked), settings, dataset, limits) {
            Ok(point) => {
                let Estimate { n_parameters, memory_bytes, task_cost_us, .. } = point.estimate;
                let most = &mut checked.estimate;
                most.n_parameters = most.n_parameters.max(n_parameters);
                most.memory_bytes = most.memory_bytes.max(memory_bytes);
                most.task_cost_us = most.task_cost_us.max(task_cost_us);
                checked.variants.push(point.spec);
            }
            Err(found) => problems.extend(found.into_iter().map(|problem| Problem {
                detail: format!(
                    "{} {}{}",
                    problem.pointer,
                    problem.detail,
                    where_it_is(settings, pointer)
                ),
                pointer: pointer.clone(),
                suggestion: problem.suggestion,
            })),
        }
        if problems.len() > MAX_VARIANT_PROBLEMS {
            break;
        }
    }
    checked.estimate.task_cost_us = checked.estimate.task_cost_us.saturating_mul(n_fits_each);
    if problems.is_empty() { Ok(checked) } else { Err(problems) }
}

/// Of a search's candidates, which one it is.
fn where_it_is(settings: &Map<String, Value>, pointer: &str) -> String {
    if pointer != "/search/space" {
        return String::new();
    }
    format!(", with {}", shown(&Value::Object(settings.clone()).to_string()))
}

async fn find_dataset(state: &AppState, id: &str) -> Result<Result<Dataset, Problem>, ApiError> {
    let Ok(id) = id.parse::<DatasetId>() else {
        let problem = Problem::new("/dataset_id", "is no dataset's id");
        return Ok(Err(problem.suggest("the `id` that POST /v1/datasets answered")));
    };
    let found = state.store.dataset(state.project(), id).await?;
    Ok(found.ok_or_else(no_dataset))
}

fn no_dataset() -> Problem {
    Problem::new("/dataset_id", "there is no such dataset")
        .suggest("GET /v1/datasets lists those there are")
}
