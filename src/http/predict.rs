//! Prediction: rows in, classes out. Reads no row of the database once a model is in memory.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::Map;
use trainyard_learn::artifact::TrainedModel;
use trainyard_learn::csv::{self, CsvError, CsvLimits, CsvOptions};
use trainyard_learn::problem::Problem;
use trainyard_learn::scalar::Scalar;
use trainyard_learn::table::Table;
use utoipa::ToSchema;

use super::AppState;
use super::extract::{PathId, body_bytes, media_type, require_json};
use super::loaded;
use super::problem::{ApiError, Code, ProblemBody};
use crate::domain::ids::ModelId;
use crate::domain::suggest::nearest;

/// Rows to predict: `rows` in the order of the model's inputs, or `records` by their names.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PredictRequest {
    /// The model, where the path names none.
    #[serde(default)]
    #[schema(value_type = Option<ModelId>)]
    model: Option<String>,
    /// Rows of values, in the order of the model's inputs.
    #[serde(default)]
    rows: Option<Vec<Vec<Cell>>>,
    /// Rows as objects, by the names of the model's inputs.
    #[serde(default)]
    records: Option<Vec<Map<String, serde_json::Value>>>,
}

/// A value to predict from.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
enum Cell {
    Boolean(bool),
    Number(f64),
    #[schema(value_type = Option<Object>)]
    Other(serde_json::Value),
}

/// What a model says of each row.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Prediction {
    /// The model.
    model_id: ModelId,
    /// The class of each row.
    predictions: Vec<Scalar>,
    /// The classes the model chooses from.
    classes: Vec<Scalar>,
    /// The decision values of each row: one for two classes (positive for the second), else one a
    /// class.
    decision_function: Vec<Vec<f64>>,
}

/// Predict with a model: JSON `rows` or `records`, or `text/csv` with a header.
#[utoipa::path(
    post, path = "/v1/models/{id}/predict", tag = "models", params(("id" = ModelId, Path)),
    request_body(content((PredictRequest = "application/json"), (String = "text/csv"))),
    responses(
        (status = 200, body = Prediction),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn by_path(
    State(state): State<AppState>,
    PathId(id): PathId<ModelId>,
    request: Request,
) -> Result<Response, ApiError> {
    let model = loaded::load(&state, id).await?;
    let Received { input, named, n_bytes } = receive(&state, request).await?;
    if let Some(named) = named
        && named != id.to_string()
    {
        let problem = Problem::new("/model", "is another model than the path names");
        return Err(ApiError::invalid(vec![problem.suggest("leave it out")]));
    }
    unless_short(n_bytes, move || answer(&state, id, &model, &input)).await?
}

/// Predict with the model that the body names.
#[utoipa::path(
    post, path = "/predict", tag = "models", request_body = PredictRequest,
    responses(
        (status = 200, body = Prediction),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn by_body(
    State(state): State<AppState>,
    request: Request,
) -> Result<Response, ApiError> {
    require_json(request.headers())?;
    let Received { input, named, n_bytes } = receive(&state, request).await?;
    let invalid = |detail: &str| ApiError::invalid(vec![Problem::new("/model", detail)]);
    let named = named.ok_or_else(|| invalid("is required"))?;
    let id: ModelId = named.parse().map_err(|_| invalid("is no model's id"))?;
    let model = loaded::load(&state, id).await?;
    unless_short(n_bytes, move || answer(&state, id, &model, &input)).await?
}

/// What a body asks for.
struct Received {
    input: Input,
    /// The model that it names.
    named: Option<String>,
    n_bytes: usize,
}

enum Input {
    Rows(Vec<Vec<Cell>>),
    Records(Vec<Map<String, serde_json::Value>>),
    Table(Table),
}

async fn receive(state: &AppState, request: Request) -> Result<Received, ApiError> {
    let headers = request.headers().clone();
    let bytes = body_bytes(request, &()).await?;
    let n_bytes = bytes.len();
    let csv = media_type(&headers).as_deref() == Some("text/csv");
    let limits = CsvLimits { max_rows: state.limits.max_prediction_rows, ..state.limits.csv() };
    let read = move || if csv { from_csv(&bytes, &limits) } else { from_json(&headers, &bytes) };
    let (input, named) = unless_short(n_bytes, read).await??;
    Ok(Received { input, named, n_bytes })
}

/// A body of more bytes than this takes long enough that other answers should not wait for it.
const SHORT_BODY_BYTES: usize = 64 << 10;

/// Does work away from the runtime's threads, unless it is over before that would pay.
async fn unless_short<T: Send + 'static>(
    n_bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    if n_bytes <= SHORT_BODY_BYTES {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(ApiError::internal)
}

impl Input {
    fn n_rows(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.len(),
            Self::Records(records) => records.len(),
            Self::Table(table) => table.n_rows(),
        }
    }
}

fn from_json(headers: &HeaderMap, bytes: &Bytes) -> Result<(Input, Option<String>), ApiError> {
    require_json(headers)?;
    let request: PredictRequest = serde_json::from_slice(bytes).map_err(|error| {
        if error.is_data() {
            ApiError::invalid(vec![Problem::new("", error.to_string())])
        } else {
            ApiError::new(Code::MalformedJson, error.to_string())
        }
    })?;
    match (request.rows, request.records) {
        (Some(rows), None) => Ok((Input::Rows(rows), request.model)),
        (None, Some(records)) => Ok((Input::Records(records), request.model)),
        (None, None) => Err(ApiError::invalid(vec![Problem::new(
            "/rows",
            "either `rows` or `records` is required",
        )])),
        (Some(_), Some(_)) => {
            Err(ApiError::invalid(vec![Problem::new("/records", "is there beside `rows`")]))
        }
    }
}

fn from_csv(bytes: &[u8], limits: &CsvLimits) -> Result<(Input, Option<String>), ApiError> {
    let table = csv::infer(bytes, &CsvOptions::default(), limits)
        .and_then(|schema| csv::read(bytes, &schema, limits));
    match table {
        Ok(table) => Ok((Input::Table(table), None)),
        Err(CsvError::Io(error)) => Err(ApiError::internal(error)),
        Err(CsvError::Invalid(problems)) => Err(ApiError::invalid_data(problems)),
    }
}

/// At most this many problems of rows are told; the rest are counted.
const MAX_PROBLEMS: usize = 50;

fn answer(
    state: &AppState,
    id: ModelId,
    model: &TrainedModel,
    input: &Input,
) -> Result<Response, ApiError> {
    let n_rows = input.n_rows();
    let most = state.limits.max_prediction_rows;
    if n_rows > most {
        return Err(ApiError::new(
            Code::TooLarge,
            format!("{n_rows} rows; at most {most} at once"),
        ));
    }
    let x = matrix(input, &model.inputs).map_err(|mut problems| {
        let n_more = problems.len().saturating_sub(MAX_PROBLEMS);
        problems.truncate(MAX_PROBLEMS);
        if n_more > 0 {
            problems.push(Problem::new("", format!("and {n_more} more like these")));
        }
        ApiError::invalid(problems)
    })?;
    let perceptron = &model.perceptron;
    let mut predictions = Vec::with_capacity(n_rows);
    let mut decision_function = Vec::with_capacity(n_rows);
    for row in x.chunks_exact(model.inputs.len()) {
        let mut scores = vec![0.0; perceptron.n_scores()];
        perceptron.decide_row(row, &mut scores);
        decision_function.push(scores);
        predictions.push(model.classes[perceptron.predict_row(row) as usize].clone());
    }
    let classes = model.classes.clone();
    let body = Prediction { model_id: id, predictions, classes, decision_function };
    Ok(Json(body).into_response())
}

/// The values row by row, or everything that is wrong with them.
fn matrix(input: &Input, names: &[String]) -> Result<Vec<f64>, Vec<Problem>> {
    let mut x = Vec::with_capacity(input.n_rows() * names.len());
    let mut problems = Vec::new();
    match input {
        Input::Rows(rows) => {
            for (i, row) in rows.iter().enumerate() {
                if row.len() == names.len() {
                    for (j, cell) in row.iter().enumerate() {
                        match cell {
                            Cell::Number(value) => x.push(*value),
                            Cell::Boolean(value) => x.push(f64::from(u8::from(*value))),
                            Cell::Other(value) => {
                                problems.push(no_number(
                                    format!("/rows/{i}/{j}"),
                                    &names[j],
                                    value,
                                ));
                            }
                        }
                    }
                } else {
                    let detail =
                        format!("has {} values; the model takes {}", row.len(), names.len());
                    let problem = Problem::new(format!("/rows/{i}"), detail);
                    problems.push(problem.suggest(format!("[{}]", names.join(", "))));
                }
            }
        }
        Input::Records(records) => {
            for (i, record) in records.iter().enumerate() {
                let given: Vec<&String> = record.keys().collect();
                check_names(&format!("/records/{i}"), &given, names, &mut problems);
                for name in names {
                    match record.get(name) {
                        None => {}
                        Some(serde_json::Value::Bool(value)) => x.push(f64::from(u8::from(*value))),
                        Some(value) => match value.as_f64() {
                            Some(value) => x.push(value),
                            None => {
                                problems.push(no_number(
                                    format!("/records/{i}/{name}"),
                                    name,
                                    value,
                                ));
                            }
                        },
                    }
                }
            }
        }
        Input::Table(table) => {
            let given: Vec<&String> = table.columns().iter().map(|column| &column.name).collect();
            check_names("/file", &given, names, &mut problems);
            match table.matrix(names) {
                Some(matrix) => x = matrix.into_raw_vec_and_offset().0,
                None if problems.is_empty() => {
                    for name in names {
                        if table.matrix(std::slice::from_ref(name)).is_none() {
                            let detail = format!("column {name:?} holds text or missing values");
                            problems.push(Problem::new("/file", detail));
                        }
                    }
                }
                None => {}
            }
        }
    }
    if problems.is_empty() { Ok(x) } else { Err(problems) }
}

fn no_number(pointer: String, name: &str, value: &serde_json::Value) -> Problem {
    let detail = if value.is_null() {
        format!(
            "the value of {name:?} is missing, and the model was trained without missing values"
        )
    } else {
        format!("the value of {name:?} must be a number")
    };
    Problem::new(pointer, detail)
}

fn check_names(pointer: &str, given: &[&String], names: &[String], problems: &mut Vec<Problem>) {
    for extra in given.iter().filter(|name| !names.contains(name)) {
        let problem = Problem::new(pointer, format!("{extra:?} is no input of the model"));
        problems.push(match nearest(extra, names.iter().map(String::as_str)) {
            Some(near) => problem.suggest(near),
            None => problem.suggest("leave it out"),
        });
    }
    for missing in names.iter().filter(|name| !given.contains(name)) {
        problems.push(Problem::new(pointer, format!("{missing:?} is missing")));
    }
}
