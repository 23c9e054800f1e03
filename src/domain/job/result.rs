//! What comes out of a job and of each of its folds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use trainyard_learn::calibration::CalibrationReport;
use trainyard_learn::scalar::Scalar;
use trainyard_learn::thresholds::TunedThreshold;
use utoipa::ToSchema;

use crate::domain::dataset::Warning;
use crate::domain::ids::ModelId;
use crate::domain::spec::JobSpec;

/// What came out of a job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobResult {
    /// Scores over the test folds, by scorer; empty without cross-validation, and of a curve.
    pub cv: BTreeMap<String, ScoreSummary>,
    /// The same on the rows that each fold trained on: far above `cv`, the model has learned its rows
    /// by heart. Empty with `return_train_score` false.
    #[serde(default)]
    pub cv_train: BTreeMap<String, ScoreSummary>,
    /// Each fold, in order; left out of lists of jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folds: Option<Vec<FoldResult>>,
    /// How the stored model does, of a job that evaluates one; null of other jobs.
    #[serde(default)]
    pub evaluation: Option<EvaluationResult>,
    /// What the search chose for the model, and what it was chosen over; null of other jobs.
    #[serde(default)]
    pub search: Option<SearchResult>,
    /// The points of the curve that the spec asks for; null of other jobs.
    #[serde(default)]
    pub curve: Option<DrawnCurve>,
    /// Scores of the refitted model on the rows it was trained on; empty without a refit, and with
    /// `return_train_score` false.
    pub train: BTreeMap<String, Option<f64>>,
    /// The refit: how it went; null without one.
    pub refit: Option<RefitResult>,
    /// What calibration changes in out-of-fold predictions that it was not fitted on, each row as it was
    /// tested first; null unless the spec asks for it.
    #[serde(default)]
    pub calibration: Option<CalibrationReport>,
    /// The decision threshold and the default one, by all out-of-fold predictions; null unless the spec
    /// asks for it, and where no threshold does what it demands.
    #[serde(default)]
    pub threshold: Option<TunedThreshold>,
    /// What the model makes sets or intervals of; null unless the spec asks for it.
    #[serde(default)]
    pub conformal: Option<ConformalResult>,
    /// The model; null without a refit.
    pub model_id: Option<ModelId>,
    /// What the user should know about how it went.
    pub warnings: Vec<Warning>,
}

/// How a stored model does on a dataset. Its predictions are at `/predictions`, and their curves at
/// `/curves`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EvaluationResult {
    /// The model.
    pub model_id: ModelId,
    /// Rows.
    pub n_rows: u32,
    /// Scores, by scorer; null where one is undefined.
    pub scores: BTreeMap<String, Option<f64>>,
}

/// What a search came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SearchResult {
    /// The candidate that the model is of, from 0; null without a refit, as are the others.
    pub best_trial: Option<u32>,
    /// The spec with what was chosen.
    pub best_spec: Option<JobSpec>,
    /// Its mean score over the inner folds of all rows. It is the best of many, and flatters: `cv` has
    /// the scores on rows that no choice has seen.
    pub best_score: Option<f64>,
    /// Candidates.
    pub n_trials: u32,
    /// Candidates that were given up early.
    pub n_pruned: u32,
    /// The candidates: what each sets, and its mean score over the inner folds of all rows.
    pub trials: Vec<Trial>,
}

/// A candidate of a search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Trial {
    /// What it sets, by path.
    #[schema(value_type = Object)]
    pub params: Map<String, Value>,
    /// Its mean score over the inner folds of all rows; null where undefined, and without a refit.
    pub score: Option<f64>,
}

/// What a search chose on a fold's training rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Choice {
    /// Which candidate, from 0.
    pub candidate: u32,
    /// What it sets, by path.
    #[schema(value_type = Object)]
    pub params: Map<String, Value>,
    /// Its mean score over the inner folds.
    pub score: Option<f64>,
    /// That of every candidate; null where it is undefined or training diverged.
    pub scores: Vec<Option<f64>>,
}

/// A learning curve or a validation curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DrawnCurve {
    /// The parameter, of a validation curve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub param: Option<String>,
    /// In the order of the resolved spec's sizes or values.
    pub points: Vec<CurvePoint>,
}

/// A point of a curve: a cross-validation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CurvePoint {
    /// Rows trained on, on average over the folds.
    pub n_train: f64,
    /// The parameter's value, of a validation curve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value)]
    pub value: Option<Value>,
    /// Scores on the rows trained on, over the folds, by scorer.
    pub train: BTreeMap<String, ScoreSummary>,
    /// Scores on the test rows, over the folds, by scorer.
    pub test: BTreeMap<String, ScoreSummary>,
    /// Seconds of training, on average over the folds.
    pub fit_s: f64,
}

/// What a model makes sets or intervals of.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConformalResult {
    /// Rows that it was fitted on: each that was tested, as it was tested first.
    pub n_rows: usize,
    /// Coverages up to this say anything: above it a set has every class, and an interval every
    /// number.
    pub highest_coverage: f64,
}

/// A scorer's values over the folds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ScoreSummary {
    /// Arithmetic mean.
    pub mean: Option<f64>,
    /// Population standard deviation, as numpy's default is.
    pub std: Option<f64>,
    /// The worst fold.
    pub min: Option<f64>,
    /// The best fold.
    pub max: Option<f64>,
    /// The 95 % confidence interval of the mean by the corrected resampled t, which allows for the
    /// rows that folds share; null with fewer than two folds. A score's own limits may lie inside.
    pub ci95: Option<[f64; 2]>,
}

impl ScoreSummary {
    /// Of a score that some fold does not have: a mean over the others would be another quantity.
    pub const NONE: Self = Self { mean: None, std: None, min: None, max: None, ci95: None };
}

/// One trained and scored fold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FoldResult {
    /// Which repeat, from 0.
    pub repeat: u32,
    /// Which fold of the repeat, from 0.
    pub fold: u32,
    /// Which point of a curve, from 0; absent where none is drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point: Option<u32>,
    /// What the search chose on its training rows; absent without a search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Choice>,
    /// Rows trained on.
    pub n_train: u32,
    /// Rows scored on.
    pub n_test: u32,
    /// Scores on the test rows, by scorer; null where a scorer is undefined.
    pub scores: BTreeMap<String, Option<f64>>,
    /// The same on the rows trained on; null where undefined, and absent with `return_train_score` false
    /// and of jobs of versions that did not keep them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub train_scores: BTreeMap<String, Option<f64>>,
    /// Seconds that predicting and scoring both took.
    #[serde(default)]
    pub score_s: f64,
    /// Categories of test rows that no training row had, by column; the result's warnings sum them up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unseen_categories: Vec<UnseenCategories>,
    /// Classes that no training row was of; the result's warnings sum them up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub untrained_classes: Vec<Scalar>,
    /// Classes that no test row is of; the result's warnings sum them up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub untested_classes: Vec<Scalar>,
    /// Scorers that divide by nothing on the test rows and count 0 there, as scikit-learn's do; the
    /// result's warnings sum them up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ill_defined: Vec<String>,
    /// How training went.
    #[serde(flatten)]
    pub fit: FitSummary,
}

/// Categories of a column that no training row had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnseenCategories {
    /// The column.
    pub column: String,
    /// Test rows with such a category.
    pub n_rows: u64,
    /// The first of these categories.
    pub first: String,
}

/// The training of the final model on all rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RefitResult {
    /// Rows trained on.
    pub n_train: u32,
    /// How training went.
    #[serde(flatten)]
    pub fit: FitSummary,
}

/// How one training went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FitSummary {
    /// Epochs trained.
    pub epochs: u32,
    /// Of a perceptron, whether training stopped by its own criterion before the last epoch allowed;
    /// null for networks, which have none.
    pub converged: Option<bool>,
    /// The epoch whose weights were kept, where early stopping chose it.
    pub best_epoch: Option<u32>,
    /// Why training ended: `completed` (all epochs, or converged), `early_stopping` or `max_seconds`.
    #[serde(default)]
    pub stop_reason: String,
    /// The mean loss over the last epoch; null for a perceptron.
    pub train_loss: Option<f64>,
    /// The loss on the rows held out, after the last epoch.
    pub val_loss: Option<f64>,
    /// Seconds of training, scoring not counted.
    pub fit_s: f64,
}
