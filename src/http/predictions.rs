//! `/v1/jobs/{id}/predictions`: what the folds' models said of rows that they had not seen.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use serde::{Deserialize, Serialize};
use trainyard_learn::scalar::Scalar;
use utoipa::{IntoParams, ToSchema};

use super::AppState;
use super::extract::{PathId, Query, accepts};
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
    /// Its class.
    target: Scalar,
    /// The class predicted.
    prediction: Scalar,
    /// The decision values: one for two classes (positive for the second), else one a class. Null
    /// where a value is beyond the finite numbers. (A perceptron has no probabilities.)
    #[schema(value_type = Vec<Option<f64>>)]
    decision_function: Vec<f64>,
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
        let width = known.n_values();
        for i in skip..known.rows.len() {
            let prediction = Prediction {
                row: known.rows[i],
                repeat: part.fold.repeat,
                fold: part.fold.fold,
                target: class(known.target[i]),
                prediction: class(known.prediction[i]),
                decision_function: known.decision[i * width..(i + 1) * width].to_vec(),
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
    let width = page.data.first().map_or(0, |p| p.decision_function.len());
    let mut text = "row,repeat,fold,target,prediction".to_owned();
    for i in 0..width {
        let _ = write!(text, ",decision_{i}");
    }
    text.push('\n');
    for p in &page.data {
        let (target, prediction) = (csv_field(&p.target), csv_field(&p.prediction));
        let _ = write!(text, "{},{},{},{target},{prediction}", p.row, p.repeat, p.fold);
        for value in &p.decision_function {
            // As in JSON, a value beyond the finite numbers is none.
            let _ = if value.is_finite() { write!(text, ",{value}") } else { write!(text, ",") };
        }
        text.push('\n');
    }
    let mut response = ([(header::CONTENT_TYPE, "text/csv")], text).into_response();
    if let Some(cursor) = page.next_cursor.as_deref().and_then(|cursor| cursor.parse().ok()) {
        response.headers_mut().insert("x-next-cursor", cursor);
    }
    response
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
