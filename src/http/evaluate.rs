//! `/v1/models/{id}/evaluate`: how a stored model does on another dataset.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use trainyard_learn::metrics::Scorer;
use trainyard_learn::metrics::curves::Strategy;
use trainyard_learn::problem::Problem;
use utoipa::ToSchema;

use super::AppState;
use super::extract::{JsonBody, Nothing, PathId, Query};
use super::problem::{ApiError, Code, ProblemBody};
use super::{leaks, loaded};
use crate::domain::curves::{Curves, Detail, curves};
use crate::domain::dataset::Warning;
use crate::domain::evaluate::{gaps, predict_all, problems, unseen, weights, width};
use crate::domain::ids::{DatasetId, ModelId};
use crate::domain::model::Model;
use crate::domain::pooled::Pooled;

/// Rows times the numbers predicted of each, at most.
const MAX_NUMBERS: usize = 20_000_000;

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
    /// A column of the dataset that says how much each row counts in the scores; all alike, if left
    /// out.
    #[serde(default)]
    #[schema(max_length = 1000)]
    scoring_weight: Option<String>,
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
    let Model { card, dataset_id: trained_on, .. } =
        stored.ok_or_else(|| ApiError::not_found("model", id))?;
    let no_dataset = || {
        let detail = format!("there is no dataset {:?}", request.dataset_id);
        ApiError::invalid(vec![Problem::new("/dataset_id", detail)])
    };
    let dataset_id: DatasetId = request.dataset_id.parse().map_err(|_| no_dataset())?;
    let dataset = state.store.dataset(state.project(), dataset_id).await?;
    let dataset = dataset.ok_or_else(no_dataset)?;
    let scoring = request.scoring.unwrap_or_else(|| card.spec.scoring.clone());
    let weight = request.scoring_weight;
    let problems = problems(&model, &dataset, &scoring, weight.as_deref());
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
    let overlap = leaks::trained_on(&state, (trained_on, &card.data_sha256), &dataset).await?;
    let gaps = gaps(&model, &dataset);
    let worker = state.clone();
    let work = tokio::task::spawn_blocking(move || {
        let table = worker.tables.get(&dataset.sha256, &dataset.reading);
        let table = table.map_err(ApiError::internal)?;
        let found = predict_all(&model, &table, &|| false).map_err(ApiError::invalid)?;
        let (pooled, met) = found.ok_or_else(|| ApiError::internal("nobody stopped it"))?;
        let mut warnings = unseen(&met);
        warnings.extend(gaps);
        warnings.extend(overlap);
        let n_classes = model.classes.len();
        let weights = weights(&table, weight.as_deref());
        let Pooled { truth, predicted, .. } = &pooled;
        let scores = predicted.scores(&scoring, truth, n_classes, weights.as_deref());
        let undefined = scoring.iter().zip(&scores).filter(|(_, score)| score.is_none());
        warnings.extend(undefined.map(|(scorer, _)| {
            let detail = format!("`{}` is undefined; it needs {}", scorer.name(), scorer.needs());
            Warning::new("undefined_score", detail)
        }));
        let ill_defined = predicted.ill_defined(&scoring, truth, n_classes, weights.as_deref());
        warnings.extend(ill_defined.into_iter().map(|scorer| {
            let name = scorer.name();
            let detail =
                format!("`{name}` divides by nothing and counts 0 there, as scikit-learn has it");
            Warning::new("ill_defined_score", detail)
        }));
        let detail = Detail { max_points: 200, n_bins: 10, strategy: Strategy::Uniform };
        let name = |scorer: &Scorer| scorer.name().into_owned();
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
