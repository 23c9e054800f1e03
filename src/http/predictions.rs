//! `/v1/jobs/{id}/predictions`: what the folds' models said of rows that they had not seen.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use serde::{Deserialize, Serialize};
use trainyard_learn::model::{Predicted, Truth};
use trainyard_learn::scalar::Scalar;
use utoipa::{IntoParams, ToSchema};

use super::AppState;
use super::extract::{PathId, Query, accepts};
use super::out_of_fold::refuse_curve;
use super::page::{self, Page};
use super::problem::{ApiError, ProblemBody};
use crate::domain::ids::JobId;

/// Which predictions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PredictionsQuery {
    /// At most so many; if left out, 1,000 as JSON and 10,000 as CSV.
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<i64>,
    /// Those after this cursor: the `next_cursor` of the page before.
    after: Option<String>,
}

/// What a model said of a row that it had not seen.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Prediction {
    /// The row of the dataset, from 0.
    row: u32,
    /// The repeat in which it was a test row.
    repeat: u32,
    /// The fold in which it was a test row.
    fold: u32,
    /// Its class, or its value (the list of its values, where there are several targets).
    #[schema(value_type = Value)]
    target: Said,
    /// The class predicted, or the value or values.
    #[schema(value_type = Value)]
    prediction: Said,
    /// The probability of each class; absent of models that have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Option<f64>>>)]
    probabilities: Option<Vec<f32>>,
    /// The decision values: one for two classes (positive for the second), else one a class; absent
    /// of models that have probabilities. Null where a value is beyond the finite numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Option<f64>>>)]
    decision_function: Option<Vec<f64>>,
}

/// A class or values, as JSON has them.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Said {
    Class(Scalar),
    Value(f64),
    Values(Vec<f64>),
    Single(f32),
    Singles(Vec<f32>),
    Labels(Vec<Scalar>),
}

/// Look at a job's out-of-fold predictions, by repeat, fold and row; as JSON, or as CSV with
/// `Accept: text/csv`.
#[utoipa::path(
    operation_id = "get_job_predictions",
    get, path = "/v1/jobs/{id}/predictions", tag = "jobs",
    params(("id" = JobId, Path), PredictionsQuery),
    responses(
        (status = 200, content((Page<Prediction> = "application/json"), (String = "text/csv")),
            headers(("x-next-cursor" = Option<String>, description = "CSV: `after` of the next page, if there is one")),
        ),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn predictions(
    State(state): State<AppState>,
    PathId(id): PathId<JobId>,
    Query(query): Query<PredictionsQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let csv = accepts(&headers, "text/csv");
    let limit = page::limit(query.limit, if csv { 10_000 } else { 1_000 }, 10_000)?;
    let Cursor { fold, position } =
        page::cursor(query.after.as_deref())?.unwrap_or(Cursor { fold: 0, position: 0 });
    let project = state.project();
    let spec = state.store.spec(project, id).await?;
    refuse_curve(&spec.ok_or_else(|| ApiError::not_found("job", id))?)?;
    let classes = state.store.classes(project, id).await?;
    let classes = classes.ok_or_else(|| ApiError::not_found("job", id))?;
    let wanted = position as i64 + limit + 1;
    let stored = state.store.predictions(project, id, fold, wanted).await?;
    let class = |code: u32| {
        let unknown = || Scalar::Text(String::new());
        classes.get(code as usize).cloned().unwrap_or_else(unknown)
    };
    let mut items = Vec::new();
    for part in &stored {
        let known = &part.predictions;
        let skip = if part.idx == fold { position } else { 0 };
        for i in skip..known.rows.len() {
            let target = match &known.truth {
                Truth::Classes(target) => Said::Class(class(target[i])),
                Truth::Values(values) => {
                    let n_outputs = values.len() / known.rows.len();
                    match values[i * n_outputs..][..n_outputs] {
                        [value] => Said::Value(value),
                        ref several if !classes.is_empty() => {
                            let word = |value: &f64| class(u32::from(*value > 0.5));
                            Said::Labels(several.iter().map(word).collect())
                        }
                        ref several => Said::Values(several.to_vec()),
                    }
                }
            };
            let (mut probabilities, mut decision_function) = (None, None);
            let prediction = match &known.predicted {
                Predicted::Decisions { prediction, decision, n_values } => {
                    decision_function = Some(decision[i * n_values..][..*n_values].to_vec());
                    Said::Class(class(prediction[i]))
                }
                Predicted::Probabilities { prediction, probabilities: all, n_classes } => {
                    probabilities = Some(all[i * n_classes..][..*n_classes].to_vec());
                    Said::Class(class(prediction[i]))
                }
                Predicted::Values { values, n_outputs } => {
                    match values[i * n_outputs..][..*n_outputs] {
                        [value] => Said::Single(value),
                        ref several => Said::Singles(several.to_vec()),
                    }
                }
                Predicted::Labels { probabilities: all, n_labels } => {
                    let of_row = &all[i * n_labels..][..*n_labels];
                    probabilities = Some(of_row.to_vec());
                    let word = |p: &f32| class(u32::from(*p > 0.5));
                    Said::Labels(of_row.iter().map(word).collect())
                }
            };
            let prediction = Prediction {
                row: known.rows[i],
                repeat: part.fold.repeat,
                fold: part.fold.fold,
                target,
                prediction,
                probabilities,
                decision_function,
            };
            items.push((Cursor { fold: part.idx, position: i + 1 }, prediction));
        }
    }
    let page = Page::of(items, limit, |(cursor, _)| cursor.to_string());
    let page = Page {
        data: page.data.into_iter().map(|(_, prediction)| prediction).collect(),
        next_cursor: page.next_cursor,
    };
    if csv { Ok(as_csv(&page)) } else { Ok(Json(page).into_response()) }
}

/// A place in the predictions: a fold, and how many of its rows are passed.
#[derive(Clone, Copy)]
struct Cursor {
    fold: i64,
    position: usize,
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.fold, self.position)
    }
}

impl std::str::FromStr for Cursor {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (fold, position) = text.split_once('-').ok_or(())?;
        let (fold, position) = (fold.parse().map_err(|_| ())?, position.parse().map_err(|_| ())?);
        // No fold is as large as that; the sum with the limit must not overflow either.
        if position > u32::MAX as usize { Err(()) } else { Ok(Self { fold, position }) }
    }
}

fn as_csv(page: &Page<Prediction>) -> Response {
    use std::fmt::Write;
    let first = page.data.first();
    let names = |name: &str, said: &Said| -> Vec<String> {
        match said.len() {
            1 => vec![name.to_owned()],
            n => (0..n).map(|i| format!("{name}_{i}")).collect(),
        }
    };
    let mut text = "row,repeat,fold".to_owned();
    if let Some(first) = first {
        let numbered = |name: &str, n: usize| (0..n).map(|i| format!("{name}_{i}")).collect();
        let mut head = names("target", &first.target);
        head.extend(names("prediction", &first.prediction));
        let probabilities: Vec<String> =
            numbered("probability", first.probabilities.as_ref().map_or(0, Vec::len));
        head.extend(probabilities);
        let decisions: Vec<String> =
            numbered("decision", first.decision_function.as_ref().map_or(0, Vec::len));
        head.extend(decisions);
        head.iter().for_each(|name| {
            let _ = write!(text, ",{name}");
        });
    } else {
        text.push_str(",target,prediction");
    }
    text.push('\n');
    for p in &page.data {
        let _ = write!(text, "{},{},{}", p.row, p.repeat, p.fold);
        p.target.write_csv(&mut text);
        p.prediction.write_csv(&mut text);
        for value in p.probabilities.iter().flatten() {
            number(&mut text, f64::from(*value).is_finite().then_some(value));
        }
        for value in p.decision_function.iter().flatten() {
            number(&mut text, value.is_finite().then_some(value));
        }
        text.push('\n');
    }
    let mut response = ([(header::CONTENT_TYPE, "text/csv")], text).into_response();
    if let Some(cursor) = page.next_cursor.as_deref().and_then(|cursor| cursor.parse().ok()) {
        response.headers_mut().insert("x-next-cursor", cursor);
    }
    response
}

/// As in JSON, a value beyond the finite numbers is none.
fn number(text: &mut String, value: Option<impl std::fmt::Display>) {
    use std::fmt::Write;
    let _ = match value {
        Some(value) => write!(text, ",{value}"),
        None => write!(text, ","),
    };
}

impl Said {
    fn len(&self) -> usize {
        match self {
            Self::Class(_) | Self::Value(_) | Self::Single(_) => 1,
            Self::Values(values) => values.len(),
            Self::Singles(values) => values.len(),
            Self::Labels(labels) => labels.len(),
        }
    }

    fn write_csv(&self, text: &mut String) {
        match self {
            Self::Class(class) => {
                text.push(',');
                text.push_str(&csv_field(class));
            }
            Self::Labels(labels) => labels.iter().for_each(|label| {
                text.push(',');
                text.push_str(&csv_field(label));
            }),
            Self::Value(value) => number(text, value.is_finite().then_some(value)),
            Self::Single(value) => number(text, value.is_finite().then_some(value)),
            Self::Values(values) => {
                values.iter().for_each(|v| number(text, v.is_finite().then_some(v)));
            }
            Self::Singles(values) => {
                values.iter().for_each(|v| number(text, v.is_finite().then_some(v)));
            }
        }
    }
}

/// A value as a CSV field. Text that a spreadsheet would run as a formula is made plain text.
fn csv_field(value: &Scalar) -> String {
    let Scalar::Text(text) = value else {
        return value.text();
    };
    let dangerous = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if dangerous { format!("'{text}") } else { text.clone() };
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spreadsheet_runs_no_field() {
        assert_eq!(csv_field(&Scalar::Text("=1+1".into())), "'=1+1");
        assert_eq!(csv_field(&Scalar::Text("a,\"b\"".into())), "\"a,\"\"b\"\"\"");
        assert_eq!(csv_field(&Scalar::Number(-1.0)), "-1");
    }
}
