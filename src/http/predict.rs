//! Prediction: rows in, classes out. Reads no row of the database once a model is in memory.

mod columns;
mod csv;
mod rows;

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use trainyard_formats::csv::CsvLimits;
use trainyard_learn::artifact::TrainedModel;
use trainyard_learn::conformal::{ConformalError, Interval};
use trainyard_learn::kernels::Crew;
use trainyard_learn::model::Predicted;
use trainyard_learn::output::Region;
use trainyard_learn::problem::Problem;
use trainyard_learn::scalar::Scalar;
use trainyard_learn::table::{Column, Table};
use utoipa::{IntoParams, ToSchema};

use super::AppState;
use super::extract::{
    Nothing, PathId, Query, body_bytes, media_type, require_json, require_plain, unless_short,
};
use super::loaded::{self, LoadedModel};
use super::problem::{ApiError, Code, ProblemBody};
use super::{json, validate};
use crate::domain::dataset::Warning;
use crate::domain::evaluate::{imputed, refused, unseen};
use crate::domain::ids::ModelId;
use columns::columns;
use rows::{Records, Rows};

/// Rows to predict: `rows` in the order of the model's inputs, or `records` by their names.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"records": [{"petal_length": 1.4, "petal_width": 0.2}]}))]
pub(super) struct PredictRequest {
    /// The model, where the path names none.
    #[serde(default)]
    #[schema(value_type = Option<ModelId>)]
    model: Option<String>,
    /// Rows of numbers and booleans, in the order of the model's inputs.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Vec<Value>>>)]
    rows: Option<Rows>,
    /// Rows as objects, by the names of the model's inputs.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Object>>)]
    records: Option<Records>,
    /// Asks for sets of classes, or intervals of amounts, that hold the truth with this probability;
    /// of models that were trained with `conformal`.
    #[serde(default)]
    #[schema(exclusive_minimum = 0.0, exclusive_maximum = 1.0)]
    coverage: Option<f64>,
}

/// What to say beside predictions.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PredictQuery {
    /// As in the body, for those that have no place for it.
    #[param(exclusive_minimum = 0.0, exclusive_maximum = 1.0)]
    coverage: Option<f64>,
}

/// What a model says of each row.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Prediction {
    /// The model.
    model_id: ModelId,
    /// The class of each row, or its value (the list of its values or labels, where there are
    /// several targets). Null where a value is beyond the finite numbers.
    #[schema(value_type = Vec<Value>)]
    predictions: Said,
    /// The classes the model chooses from; absent where it predicts amounts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    classes: Vec<Scalar>,
    /// The probability of each class, or of each label in the order of the model's targets; absent
    /// of models that have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Vec<Option<f64>>>>)]
    probabilities: Option<Vec<Vec<f32>>>,
    /// The decision values of each row: one for two classes (positive for the second), else one a
    /// class; absent of models that have probabilities. Null where a value is beyond the finite
    /// numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Vec<Option<f64>>>>)]
    decision_function: Option<Vec<Vec<f64>>>,
    /// Of each row the classes that it may have, the most likely first, with the coverage asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    prediction_sets: Option<Vec<Vec<Scalar>>>,
    /// Of each row the least and the largest value that it may have, with the coverage asked for;
    /// null where there is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Vec<Option<f64>>>>)]
    intervals: Option<Vec<[f64; 2]>>,
    /// What the user should know.
    warnings: Vec<Warning>,
}

/// What is said of each row, as JSON has it.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Said {
    Classes(Vec<Scalar>),
    Values(Vec<f32>),
    Several(Vec<Vec<f32>>),
    Labels(Vec<Vec<Scalar>>),
}

/// Predict with a model: JSON `rows` or `records`, or `text/csv` with a header.
#[utoipa::path(
    operation_id = "predict_with_model",
    post, path = "/v1/models/{id}/predict", tag = "models", params(("id" = ModelId, Path), PredictQuery),
    request_body(content((PredictRequest = "application/json"), (String = "text/csv"))),
    responses(
        (status = 200, body = Prediction),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn by_path(
    State(state): State<AppState>,
    PathId(id): PathId<ModelId>,
    Query(query): Query<PredictQuery>,
    request: Request,
) -> Result<Response, ApiError> {
    let model = loaded::load(&state, id).await?;
    let Received { asked, n_bytes } = receive(&state, request, Some(&model)).await?;
    let coverage = asked.coverage.or(query.coverage);
    if let Some(named) = &asked.named
        && *named != id.to_string()
    {
        let problem = Problem::new("/model", "is another model than the path names");
        return Err(ApiError::invalid(vec![problem.suggest("leave it out")]));
    }
    let asked = Asked { coverage, ..asked };
    unless_short(n_bytes, move || answer(&state, (id, &model), asked)).await?
}

/// Predict with the model that the body names.
#[utoipa::path(
    operation_id = "predict",
    post, path = "/predict", tag = "models", request_body = PredictRequest,
    responses(
        (status = 200, body = Prediction),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn by_body(
    State(state): State<AppState>,
    _: Query<Nothing>,
    request: Request,
) -> Result<Response, ApiError> {
    require_json(request.headers())?;
    let Received { asked, n_bytes } = receive(&state, request, None).await?;
    let invalid = |detail: &str| ApiError::invalid(vec![Problem::new("/model", detail)]);
    let named = asked.named.as_ref().ok_or_else(|| invalid("is required"))?;
    let id: ModelId = named.parse().map_err(|_| invalid("is no model's id"))?;
    let model = loaded::load(&state, id).await?;
    unless_short(n_bytes, move || answer(&state, (id, &model), asked)).await?
}

/// What a body asks for.
struct Received {
    asked: Asked,
    n_bytes: usize,
}

enum Input {
    Rows(Rows),
    Records(Records),
    Table(Table),
}

/// Reads a body; one of CSV only where it is known for which model.
async fn receive(
    state: &AppState,
    request: Request,
    model: Option<&Arc<LoadedModel>>,
) -> Result<Received, ApiError> {
    require_plain(request.headers())?;
    let headers = request.headers().clone();
    let bytes = body_bytes(request, state, state.limits.max_body_bytes).await?;
    let n_bytes = bytes.len();
    let csv = model.filter(|_| media_type(&headers).as_deref() == Some("text/csv")).cloned();
    let limits = CsvLimits { max_rows: state.limits.max_prediction_rows, ..state.limits.csv() };
    let read = move || match csv {
        Some(model) => csv::read(&bytes, &model, &limits),
        None => from_json(&headers, &bytes),
    };
    let asked = unless_short(n_bytes, read).await??;
    Ok(Received { asked, n_bytes })
}

/// What a body says.
struct Asked {
    input: Input,
    /// The model that it names.
    named: Option<String>,
    coverage: Option<f64>,
    /// What the user should know of how it was read.
    warnings: Vec<Warning>,
}

impl Input {
    fn n_rows(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.n_rows(),
            Self::Records(records) => records.0.len(),
            Self::Table(table) => table.n_rows(),
        }
    }
}

/// Larger bodies of the wrong shape are told of their first problem only: as JSON values they would
/// take a hundred times their size.
const MAX_RECHECKED_BYTES: usize = 256 << 10;

fn from_json(headers: &HeaderMap, bytes: &Bytes) -> Result<Asked, ApiError> {
    require_json(headers)?;
    let request: PredictRequest = serde_json::from_slice(bytes).map_err(|error| {
        if !error.is_data() {
            return ApiError::new(Code::MalformedJson, error.to_string());
        }
        if bytes.len() > MAX_RECHECKED_BYTES {
            return ApiError::invalid(vec![Problem::new("", error.to_string())]);
        }
        // Slower, and tells of everything, in place.
        match json::parse(bytes).map(validate::check::<PredictRequest>) {
            Ok(checked) => ApiError::invalid(checked.problems),
            Err(error) => error,
        }
    })?;
    let (named, coverage) = (request.model, request.coverage);
    let asked = |input| Asked { input, named, coverage, warnings: Vec::new() };
    match (request.rows, request.records) {
        (Some(rows), None) => Ok(asked(Input::Rows(rows))),
        (None, Some(records)) => Ok(asked(Input::Records(records))),
        (None, None) => Err(ApiError::invalid(vec![Problem::new(
            "/rows",
            "either `rows` or `records` is required",
        )])),
        (Some(_), Some(_)) => {
            Err(ApiError::invalid(vec![Problem::new("/records", "is there beside `rows`")]))
        }
    }
}

fn answer(
    state: &AppState,
    (id, model): (ModelId, &LoadedModel),
    Asked { input, coverage, mut warnings, .. }: Asked,
) -> Result<Response, ApiError> {
    let n_rows = input.n_rows();
    let most = state.limits.max_prediction_rows;
    if n_rows > most {
        return Err(ApiError::new(
            Code::TooLarge,
            format!("{n_rows} rows; at most {most} at once"),
        ));
    }
    let columns = columns(input, &model.preprocessor, &model.values).map_err(ApiError::invalid)?;
    let columns: Vec<&Column> = columns.iter().collect();
    let rows: Vec<u32> = (0..n_rows as u32).collect();
    let n_features = model.preprocessor.n_features();
    let mut x = vec![0.0; n_rows * n_features];
    let met = model.preprocessor.transform(&columns, &rows, &mut x);
    let refused = refused(&met);
    if !refused.is_empty() {
        return Err(ApiError::invalid(refused));
    }
    warnings.extend(unseen(&met));
    warnings.extend(imputed(model, &columns));
    let mut crew = Crew::new(1);
    let predicted = model.predict(&x, n_features, &mut crew);
    let (mut prediction_sets, mut intervals) = (None, None);
    if let Some(coverage) = coverage {
        match region(model, &predicted, coverage)? {
            Region::Sets(sets) => {
                let class = |class: u32| model.classes[class as usize].clone();
                let words = |set: Vec<u32>| set.into_iter().map(class).collect();
                prediction_sets = Some(sets.into_iter().map(words).collect());
            }
            Region::Intervals(found) => {
                let ends = |interval: Interval| [interval.lower, interval.upper];
                intervals = Some(found.into_iter().map(ends).collect());
            }
        }
    }
    let said = |prediction: &[u32]| {
        Said::Classes(prediction.iter().map(|c| model.classes[*c as usize].clone()).collect())
    };
    let (mut probabilities, mut decision_function) = (None, None);
    let n_overflowed;
    let predictions = match predicted {
        Predicted::Decisions { prediction, decision, n_values } => {
            let rows = each(&decision, n_values);
            n_overflowed = not_finite(&rows, |value| value.is_finite());
            decision_function = Some(rows);
            said(&prediction)
        }
        Predicted::Probabilities { prediction, probabilities: values, n_classes } => {
            let rows = each(&values, n_classes);
            n_overflowed = not_finite(&rows, |value| value.is_finite());
            probabilities = Some(rows);
            said(&prediction)
        }
        Predicted::Values { values, n_outputs: 1 } => {
            n_overflowed = values.iter().filter(|value| !value.is_finite()).count();
            Said::Values(values)
        }
        Predicted::Values { values, n_outputs } => {
            let rows = each(&values, n_outputs);
            n_overflowed = not_finite(&rows, |value| value.is_finite());
            Said::Several(rows)
        }
        Predicted::Labels { probabilities: values, n_labels } => {
            let rows = each(&values, n_labels);
            n_overflowed = not_finite(&rows, |value| value.is_finite());
            let word = |p: &f32| model.classes[usize::from(*p > 0.5)].clone();
            let labels = rows.iter().map(|row| row.iter().map(word).collect()).collect();
            probabilities = Some(rows);
            Said::Labels(labels)
        }
    };
    if n_overflowed > 0 {
        let detail = format!(
            "the numbers for {n_overflowed} rows are beyond the finite ones; their predictions mean \
             little"
        );
        warnings.push(Warning::new("not_finite", detail));
    }
    let classes = model.classes.clone();
    let body = Prediction {
        model_id: id,
        predictions,
        classes,
        probabilities,
        decision_function,
        prediction_sets,
        intervals,
        warnings,
    };
    Ok(Json(body).into_response())
}

/// What holds the truth with this probability.
fn region(model: &TrainedModel, predicted: &Predicted, coverage: f64) -> Result<Region, ApiError> {
    let invalid = |detail: String| Problem::new("/coverage", detail);
    match model.output.region(predicted, coverage) {
        Ok(Some(region)) => Ok(region),
        Ok(None) => {
            let problem = invalid("the model makes neither sets nor intervals".to_owned());
            let way_out = "train it with `conformal`, or leave `coverage` out";
            Err(ApiError::invalid(vec![problem.suggest(way_out)]))
        }
        Err(ConformalError::Alpha(_)) => {
            Err(ApiError::invalid(vec![invalid("must be between 0 and 1".to_owned())]))
        }
        Err(error) => Err(ApiError::invalid(vec![invalid(error.to_string())])),
    }
}

/// Row by row.
fn each<T: Copy>(values: &[T], width: usize) -> Vec<Vec<T>> {
    values.chunks_exact(width.max(1)).map(<[T]>::to_vec).collect()
}

fn not_finite<T>(rows: &[Vec<T>], is_finite: impl Fn(&T) -> bool) -> usize {
    rows.iter().filter(|row| !row.iter().all(&is_finite)).count()
}
