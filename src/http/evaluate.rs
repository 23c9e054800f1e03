//! `/v1/models/{id}/evaluate`: how a stored model does on another dataset.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use trainyard_learn::artifact::TrainedModel;
use trainyard_learn::kernels::Crew;
use trainyard_learn::losses::TargetKind;
use trainyard_learn::metrics::Scorer;
use trainyard_learn::metrics::curves::Strategy;
use trainyard_learn::model::Truth;
use trainyard_learn::problem::Problem;
use trainyard_learn::scalar::Scalar;
use trainyard_learn::table::{Column, Table};
use utoipa::ToSchema;

use super::AppState;
use super::extract::{JsonBody, Nothing, PathId, Query};
use super::loaded;
use super::predict::{columns_of, refuse, unseen};
use super::problem::{ApiError, Code, ProblemBody};
use crate::domain::curves::{Curves, Detail, curves};
use crate::domain::dataset::{Dataset, Warning};
use crate::domain::ids::{DatasetId, ModelId};
use crate::domain::pooled::Pooled;
use crate::domain::predictions::FoldPredictions;
use crate::domain::suggest::{nearest, shown};

/// Rows times the numbers predicted of each, at most.
const MAX_NUMBERS: usize = 20_000_000;

/// Rows are predicted so many at a time.
const BLOCK_ROWS: usize = 8_192;

/// What to evaluate on, and by what.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EvaluateRequest {
    /// A dataset with the columns that the model takes and those that it predicts.
    #[schema(value_type = DatasetId)]
    dataset_id: String,
    /// The scores; those that the model's job had, if left out.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 50)]
    scoring: Option<Vec<Scorer>>,
}

/// How a model does on a dataset.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Evaluation {
    /// The model.
    model_id: ModelId,
    /// The dataset.
    dataset_id: DatasetId,
    /// Its rows.
    n_rows: usize,
    /// Scores, by scorer; null where one is undefined.
    scores: BTreeMap<String, Option<f64>>,
    /// What the predictions look like.
    curves: Curves,
    /// What the user should know.
    warnings: Vec<Warning>,
}

/// Evaluate a model on a dataset: scores, confusion matrix, curves, residuals.
#[utoipa::path(
    operation_id = "evaluate_model",
    post, path = "/v1/models/{id}/evaluate", tag = "models", params(("id" = ModelId, Path)),
    request_body = EvaluateRequest,
    responses(
        (status = 200, body = Evaluation),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn evaluate(
    State(state): State<AppState>,
    PathId(id): PathId<ModelId>,
    _: Query<Nothing>,
    JsonBody(body): JsonBody<EvaluateRequest>,
) -> Result<Json<Evaluation>, ApiError> {
    let Some(request) = body.value.filter(|_| body.problems.is_empty()) else {
        return Err(ApiError::invalid(body.problems));
    };
    let model = loaded::load(&state, id).await?;
    let stored = state.store.model(state.project(), id).await?;
    let card = stored.ok_or_else(|| ApiError::not_found("model", id))?.card;
    let no_dataset = || {
        let detail = format!("there is no dataset {:?}", request.dataset_id);
        ApiError::invalid(vec![Problem::new("/dataset_id", detail)])
    };
    let dataset_id: DatasetId = request.dataset_id.parse().map_err(|_| no_dataset())?;
    let dataset = state.store.dataset(state.project(), dataset_id).await?;
    let dataset = dataset.ok_or_else(no_dataset)?;
    let scoring = request.scoring.unwrap_or_else(|| card.spec.scoring.clone());
    let problems = problems(&model, &dataset, &scoring);
    if !problems.is_empty() {
        return Err(ApiError::invalid(problems));
    }
    let n_rows = dataset.n_rows();
    if n_rows.saturating_mul(width(&model)) > MAX_NUMBERS {
        let detail = format!("{n_rows} rows are too many to evaluate a model on at once");
        return Err(ApiError::new(Code::TooLarge, detail));
    }
    // The table is looked at whole, as in an ingestion.
    let _turn = state.ingesting.acquire().await.map_err(ApiError::internal)?;
    let worker = state.clone();
    let work = tokio::task::spawn_blocking(move || {
        let table = worker.tables.get(&dataset.sha256, &dataset.reading);
        let table = table.map_err(ApiError::internal)?;
        let (pooled, mut warnings) = predict_all(&model, &table)?;
        if dataset.sha256 == card.data_sha256 {
            let detail = "the model was trained on these rows: its scores on them say little";
            warnings.push(Warning::new("train_test_overlap", detail));
        }
        let n_classes = model.classes.len();
        let scores = pooled.predicted.scores(&scoring, &pooled.truth, n_classes);
        let undefined = scoring.iter().zip(&scores).filter(|(_, score)| score.is_none());
        warnings.extend(undefined.map(|(scorer, _)| {
            let detail = format!("`{}` is undefined; it needs {}", scorer.name(), scorer.needs());
            Warning::new("undefined_score", detail)
        }));
        let detail = Detail { max_points: 200, n_bins: 10, strategy: Strategy::Uniform };
        let name = |scorer: &Scorer| scorer.name().to_owned();
        Ok(Evaluation {
            model_id: id,
            dataset_id,
            n_rows,
            scores: scoring.iter().map(name).zip(scores).collect(),
            curves: curves(&pooled, &model.classes, &model.targets, detail),
            warnings,
        })
    });
    work.await.map_err(ApiError::internal)?.map(Json)
}

/// Numbers predicted of a row.
fn width(model: &TrainedModel) -> usize {
    model.classes.len().max(model.targets.len())
}

/// What the dataset lacks, and what is no score of such a target.
fn problems(model: &TrainedModel, dataset: &Dataset, scoring: &[Scorer]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let wanted = model.preprocessor.columns().map(|(name, _)| name);
    for name in wanted.chain(model.targets.iter().map(String::as_str)) {
        let Some(column) = dataset.column(name) else {
            let detail = format!("the dataset has no column {}", shown(name));
            let problem = Problem::new("/dataset_id", detail);
            problems.push(match nearest(name, dataset.column_names()) {
                Some(near) => problem.suggest(format!("it has {}", shown(near))),
                None => problem,
            });
            continue;
        };
        if model.targets.iter().any(|target| target == name) && column.description.n_missing > 0 {
            let n = column.description.n_missing;
            let detail = format!("column {} has {n} missing values", shown(name));
            let problem = Problem::new("/dataset_id", detail);
            problems.push(problem.suggest("upload the rows whose target is known"));
        }
    }
    for (index, scorer) in scoring.iter().enumerate().filter(|(_, s)| !s.fits(model.kind())) {
        let detail = format!("`{}` does not fit what the model predicts", scorer.name());
        let problem = Problem::new(format!("/scoring/{index}"), detail);
        problems.push(match scorer.instead(model.kind()) {
            Some(near) => problem.suggest(near.name()),
            None => problem,
        });
    }
    problems
}

/// What the model says of all rows, beside what they are.
fn predict_all(model: &TrainedModel, table: &Table) -> Result<(Pooled, Vec<Warning>), ApiError> {
    let missing = |name: &str| {
        let detail = format!("column {} holds what the model does not predict", shown(name));
        ApiError::invalid(vec![Problem::new("/dataset_id", detail)])
    };
    let truth = match model.kind() {
        TargetKind::Classes { .. } => {
            let labels: Vec<String> = model.classes.iter().map(Scalar::text).collect();
            let name = &model.targets[0];
            Truth::Classes(table.class_indices(name, &labels).ok_or_else(|| {
                let detail = format!(
                    "column {} holds a class that the model does not know; it knows {}",
                    shown(name),
                    labels.join(", ")
                );
                ApiError::invalid(vec![Problem::new("/dataset_id", detail)])
            })?)
        }
        TargetKind::Values { .. } | TargetKind::Labels { .. } => {
            let values = table.matrix(&model.targets);
            let values = values.ok_or_else(|| missing(&model.targets[0]))?;
            Truth::Values(values.into_raw_vec_and_offset().0)
        }
    };
    let wanted = model.preprocessor.columns().filter_map(|(name, _)| table.column(name));
    let own = Table::new(wanted.cloned().collect::<Vec<Column>>());
    let columns = columns_of(own, &model.preprocessor).map_err(|problems| {
        let of_dataset =
            |problem: Problem| Problem { pointer: "/dataset_id".to_owned(), ..problem };
        ApiError::invalid(problems.into_iter().map(of_dataset).collect())
    })?;
    let columns: Vec<&Column> = columns.iter().collect();
    let n_features = model.preprocessor.n_features();
    let rows: Vec<u32> = (0..table.n_rows() as u32).collect();
    let mut met = trainyard_learn::preprocess::Report::default();
    let mut crew = Crew::new(1);
    let mut x = vec![0.0; BLOCK_ROWS.min(rows.len()) * n_features];
    let mut parts = Vec::new();
    for rows in rows.chunks(BLOCK_ROWS) {
        let x = &mut x[..rows.len() * n_features];
        met.absorb(model.preprocessor.transform(&columns, rows, x));
        let predicted = model.predict(x, n_features, &mut crew);
        parts.push(FoldPredictions {
            rows: rows.to_vec(),
            truth: part(&truth, rows, model.targets.len()),
            predicted,
        });
    }
    refuse(&met)?;
    let pooled = Pooled::of(parts).ok_or_else(|| missing(&model.targets[0]))?;
    Ok((pooled, unseen(&met)))
}

fn part(truth: &Truth, rows: &[u32], n_outputs: usize) -> Truth {
    let range = |width: usize| {
        let first = rows.first().map_or(0, |row| *row as usize);
        first * width..(first + rows.len()) * width
    };
    match truth {
        Truth::Classes(classes) => Truth::Classes(classes[range(1)].to_vec()),
        Truth::Values(values) => Truth::Values(values[range(n_outputs)].to_vec()),
    }
}
