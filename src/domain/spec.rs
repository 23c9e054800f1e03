//! What a client asks for ([`JobRequest`]) and what can run ([`JobSpec`]).
//!
//! [`check`] is the only way from one to the other. It finds every problem at once; nothing
//! downstream checks again. Shapes and ranges of single fields are the schema's business, checked
//! where the body is read; here is what needs the dataset or several fields.

mod check;
mod choices;
pub mod curve;
pub mod evaluate;
pub mod search;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use trainyard_learn::calibration::CalibrationSpec;
use trainyard_learn::conformal::ConformalSpec;
use trainyard_learn::losses::LossSpec;
use trainyard_learn::metrics::Scorer;
use trainyard_learn::named::Named;
use trainyard_learn::network::{LayerSpec, LinearSpec, MlpSpec, NetworkSpec};
use trainyard_learn::optim::OptimizerSpec;
use trainyard_learn::perceptron::PerceptronSpec;
use trainyard_learn::preprocess::{PreprocessSpec, TargetTransformSpec};
use trainyard_learn::scalar::Scalar;
use trainyard_learn::splits::SplitSpec;
use trainyard_learn::thresholds::ThresholdSpec;
use trainyard_learn::training::TrainingSpec;
use utoipa::ToSchema;

use super::dataset::Warning;
use super::ids::{DatasetId, JobId};
use super::labels::Labels;
pub(crate) use check::{VARIED, default_optimizer, too_large, weight_column};
pub use check::{check, check_any};
pub use choices::{LossChoice, TargetColumns};
use curve::CurveSpec;
use evaluate::{EvaluateJobRequest, EvaluateSpec};
use search::SearchSpec;

/// What a job is to do.
#[derive(Debug, ToSchema)]
#[serde(untagged)]
pub enum JobBody {
    /// Train.
    Train(Box<JobRequest>),
    /// Evaluate a stored model.
    Evaluate(Box<EvaluateJobRequest>),
}

/// A job as a client asks for it. Only `dataset_id`, `target` and `model` are required.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "iris",
    "dataset_id": "ds_01890a5d-ac96-774b-bcce-b302099a8057",
    "target": "species",
    "model": {"type": "perceptron"},
    "cv": {"type": "stratified_kfold", "n_splits": 5},
    "scoring": ["accuracy", "f1_macro"]
}))]
pub struct JobRequest {
    /// What the client calls it.
    #[serde(default)]
    #[schema(max_length = 200)]
    pub name: Option<String>,
    /// The dataset to train on.
    #[schema(value_type = DatasetId)]
    pub dataset_id: String,
    /// The column to predict, or several columns to predict together: amounts, or labels, which are
    /// booleans or 0 and 1.
    pub target: TargetColumns,
    /// The columns to predict from; all others than the target if left out.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 10000)]
    pub features: Option<Vec<String>>,
    /// Whether the target holds classes or amounts.
    #[serde(default)]
    #[schema(default = "auto")]
    pub task: TaskRequest,
    /// The model and its parameters.
    #[schema(no_recursion)]
    pub model: ModelSpec,
    /// How to cross-validate; null trains on all rows without it.
    #[serde(default)]
    pub cv: Option<SplitSpec>,
    /// What to measure on every fold; `accuracy` of classes and `r2` of amounts if left out.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 50)]
    pub scoring: Option<Vec<Scorer>>,
    /// Whether to train a model on all rows in the end: true if left out, except of a `curve`, which
    /// keeps no model.
    #[serde(default)]
    pub refit: Option<bool>,
    /// Whether to score also on the rows that were trained on, which costs a prediction of each of them
    /// (as scikit-learn's `return_train_score`). The scores of each epoch, which cost little, are at `/metrics`
    /// of the job either way. A `curve` is of these scores too, and needs them.
    #[serde(default = "default_return_train_score")]
    #[schema(default = true)]
    pub return_train_score: bool,
    /// The seed of everything random: of a network's initial weights, batches and dropout, and of a
    /// `cv` that shuffles and names no seed itself. (A perceptron has its own `random_state`, with
    /// scikit-learn's default of 0.)
    #[serde(default)]
    #[schema(minimum = 0, maximum = 4294967295u32, default = 0)]
    pub random_state: u32,
    /// Anything the client wants to keep with the job; at most 16 KiB of JSON.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
    /// How networks learn; `adam` if left out. A `perceptron` takes none.
    #[serde(default)]
    #[schema(no_recursion)]
    pub optimizer: Option<OptimizerSpec>,
    /// What networks minimise; `auto` is `cross_entropy` for classes and `mse` for amounts. A
    /// `perceptron` takes none but `auto`.
    #[serde(default)]
    pub loss: LossChoice,
    /// How long and in what portions networks learn. A `perceptron` takes none.
    #[serde(default)]
    #[schema(no_recursion)]
    pub training: Option<TrainingSpec>,
    /// How columns become features, fitted on the training rows of each fold. Left out, gaps are
    /// filled by means and most frequent values, categories become one feature each, and numbers are
    /// scaled for networks and not for a `perceptron`.
    #[serde(default)]
    #[schema(no_recursion)]
    pub preprocess: Option<PreprocessSpec>,
    /// How amounts are transformed before a network learns them, fitted on the training rows of each
    /// fold, each column of a target by itself. Predictions are brought back, and scores are of
    /// amounts as they are; losses, and the scores of each epoch, are of transformed ones.
    #[serde(default)]
    #[schema(default = "none")]
    pub target_transform: Option<Named<TargetTransformSpec>>,
    /// A column of how much each row counts while a network learns, none below 0. It is no feature
    /// then.
    #[serde(default)]
    #[schema(max_length = 1000)]
    pub sample_weight: Option<String>,
    /// A column of how much each row counts in the scores of folds, of the model and of a search, none
    /// below 0, as scikit-learn's `sample_weight` of a metric; the scores of each epoch are without. It
    /// is no feature then.
    #[serde(default)]
    #[schema(max_length = 1000)]
    pub scoring_weight: Option<String>,
    /// Makes the model's probabilities come true as often as they say (and makes probabilities of a
    /// perceptron's decisions): by a logistic curve, by a rising one, or by one temperature; as
    /// scikit-learn's `CalibratedClassifierCV`. Fitted on the out-of-fold predictions of `cv`.
    #[serde(default)]
    pub calibration: Option<CalibrationSpec>,
    /// Chooses from which probability on a row is taken for the second of two classes. Found on the
    /// out-of-fold predictions of `cv`, calibrated if they are to be. Where none does what it demands, the
    /// model decides as without it, and a warning says so.
    #[serde(default)]
    pub threshold: Option<ThresholdSpec>,
    /// Lets the model answer with sets of classes, or intervals of amounts, that hold the truth with
    /// the coverage that a prediction asks for. Fitted on the out-of-fold predictions of `cv`, each row
    /// as it was tested first, and calibrated by others: the scores are of the folds' models, and the
    /// answer is of one trained on all rows, which is as good or a little better (cross-conformal).
    #[serde(default)]
    pub conformal: Option<Named<ConformalSpec>>,
    /// Draws a curve instead of training one model: the scores of `cv` over several sizes of the
    /// training set, or over several values of a parameter.
    #[serde(default)]
    pub curve: Option<CurveSpec>,
    /// Chooses parameters by an inner cross-validation.
    #[serde(default)]
    pub search: Option<SearchSpec>,
    /// Among the queued tasks, those of the highest number come first.
    #[serde(default)]
    #[schema(minimum = -100, maximum = 100, default = 0)]
    pub priority: i32,
    /// The labels that a worker must have to take the tasks, as in `{"gpu": "true"}`.
    #[serde(default)]
    pub requires: Labels,
    /// The folds that run at once, at most; any number if left out.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 100_000)]
    pub max_parallel: Option<u32>,
    /// How often a task is tried that its worker was lost with, or that ran out of disk.
    #[serde(default = "default_max_attempts")]
    #[schema(minimum = 1, maximum = 20, default = 3)]
    pub max_attempts: u32,
    /// Seconds from the job's start within which it must end; it fails otherwise. While it is paused
    /// they do not count. To end a training early and keep the model, there is `training.max_seconds`.
    #[serde(default)]
    #[schema(minimum = 0.001, maximum = 1e9)]
    pub max_seconds: Option<f64>,
    /// Seconds after its end when the job is deleted, with its folds and events; its model stays. If
    /// left out, the server's own setting.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1e10)]
    pub retention_s: Option<f64>,
    /// Jobs that have to succeed before this one starts; if one does not, this one fails.
    #[serde(default)]
    #[schema(max_items = 100, value_type = Vec<JobId>)]
    pub after: Vec<String>,
}

/// Whether a target holds classes or amounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskRequest {
    /// Text, booleans, and whole numbers of at most 32 distinct values are classes; several columns
    /// are labels if all hold booleans, or 0 and 1, and amounts otherwise.
    #[default]
    Auto,
    /// The target holds classes.
    Classification,
    /// The target holds amounts.
    Regression,
}

/// A model by its name, with its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ModelSpec {
    /// scikit-learn's `Perceptron`.
    Perceptron(PerceptronSpec),
    /// Linear, logistic or softmax regression, by the loss.
    Linear(LinearSpec),
    /// A multi-layer perceptron.
    Mlp(MlpSpec),
    /// An explicit list of layers.
    Network(NetworkSpec),
}

impl ModelSpec {
    /// The model's name in a spec.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Perceptron(_) => "perceptron",
            Self::Linear(_) => "linear",
            Self::Mlp(_) => "mlp",
            Self::Network(_) => "network",
        }
    }

    /// The layers of a network; none of a perceptron.
    pub fn layers(&self) -> Option<Vec<LayerSpec>> {
        match self {
            Self::Perceptron(_) => None,
            Self::Linear(linear) => Some(linear.layers()),
            Self::Mlp(mlp) => Some(mlp.layers()),
            Self::Network(network) => Some(network.layers.clone()),
        }
    }
}

/// A job that can run: checked against its dataset, every default filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobSpec {
    /// What the client calls it.
    pub name: Option<String>,
    /// The dataset to train on.
    pub dataset_id: DatasetId,
    /// The columns to predict.
    pub target: TargetColumns,
    /// The columns to predict from, in the model's order.
    pub features: Vec<String>,
    /// What the target was taken for.
    pub task: TaskRequest,
    /// The model and its parameters.
    #[schema(no_recursion)]
    pub model: ModelSpec,
    /// How to cross-validate.
    pub cv: Option<SplitSpec>,
    /// What to measure on every fold.
    pub scoring: Vec<Scorer>,
    /// Whether to train a model on all rows in the end.
    pub refit: bool,
    /// Whether to score also on the rows that were trained on.
    #[serde(default = "default_return_train_score")]
    pub return_train_score: bool,
    /// The seed of a `cv` that shuffles and names no seed itself.
    pub random_state: u32,
    /// How the network learns; null for a perceptron.
    #[schema(no_recursion)]
    pub optimizer: Option<OptimizerSpec>,
    /// What the network minimises; null for a perceptron.
    pub loss: Option<Named<LossSpec>>,
    /// How long and in what portions the network learns; null for a perceptron.
    #[schema(no_recursion)]
    pub training: Option<TrainingSpec>,
    /// How the columns are prepared.
    #[serde(default)]
    #[schema(no_recursion)]
    pub preprocess: PreprocessSpec,
    /// How amounts are transformed before they are learned.
    #[serde(default)]
    pub target_transform: Named<TargetTransformSpec>,
    /// The column of how much each row counts.
    pub sample_weight: Option<String>,
    /// The column of how much each row counts in the scores.
    #[serde(default)]
    pub scoring_weight: Option<String>,
    /// How probabilities are calibrated.
    #[serde(default)]
    pub calibration: Option<CalibrationSpec>,
    /// What the decision threshold is best for.
    #[serde(default)]
    pub threshold: Option<ThresholdSpec>,
    /// What sets or intervals are made of.
    #[serde(default)]
    pub conformal: Option<Named<ConformalSpec>>,
    /// What a curve is drawn over.
    #[serde(default)]
    pub curve: Option<CurveSpec>,
    /// How parameters are chosen.
    #[serde(default)]
    pub search: Option<SearchSpec>,
    /// The model that is evaluated, of a job that trains none; absent from others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluate: Option<EvaluateSpec>,
    /// Among the queued tasks, those of the highest number come first.
    #[serde(default)]
    pub priority: i32,
    /// The labels that a worker must have to take the tasks.
    #[serde(default)]
    pub requires: Labels,
    /// The folds that run at once, at most; null for any number.
    #[serde(default)]
    pub max_parallel: Option<u32>,
    /// How often a task is tried.
    #[serde(default = "default_max_attempts")]
    pub max_attempts: u32,
    /// Seconds from the job's start within which it must end, those of its rests not counted.
    #[serde(default)]
    pub max_seconds: Option<f64>,
    /// Seconds after its end when the job is deleted; null for the server's own setting.
    #[serde(default)]
    pub retention_s: Option<f64>,
    /// The client's own.
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
}

/// Scores on the rows trained on tell whether a model has learned them by heart.
fn default_return_train_score() -> bool {
    true
}

/// How often a task is tried, if nothing else is asked for.
fn default_max_attempts() -> u32 {
    3
}

/// A spec with what its check learned on the way.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedJob {
    /// The spec.
    pub spec: JobSpec,
    /// The classes of the target, in the order of their indices; none of amounts.
    pub classes: Vec<Scalar>,
    /// How many folds there are; the data decide where splits are by groups.
    pub n_folds: usize,
    /// The spec of each of a validation curve's points, or of a search's candidates.
    pub variants: Vec<JobSpec>,
    /// What the user should know.
    pub warnings: Vec<Warning>,
    /// What it will need.
    pub estimate: Estimate,
    /// The jobs that have to succeed first, as they were named.
    pub after: Vec<String>,
}

impl CheckedJob {
    /// Trainings that are scored: one a fold, of a curve one a fold and point.
    pub fn n_fits(&self) -> usize {
        self.n_folds * self.spec.n_points()
    }
}

impl JobSpec {
    /// Points of its curve; one where it draws none.
    pub fn n_points(&self) -> usize {
        self.curve.as_ref().map_or(1, CurveSpec::n_points)
    }

    /// Where the fit of this number stands among so many.
    pub fn place(&self, idx: usize, n_fits: usize) -> Place {
        let n_points = self.n_points().max(1);
        let n_repeats = self.cv.as_ref().map_or(1, SplitSpec::n_repeats).max(1) as usize;
        let n_splits = (n_fits / n_points / n_repeats).max(1);
        let (number, point) = (idx / n_points, idx % n_points);
        Place {
            repeat: (number / n_splits) as u32,
            fold: (number % n_splits) as u32,
            point: self.curve.is_some().then_some(point as u32),
        }
    }
}

/// Where a fold's fit stands in its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which repeat, from 0.
    pub repeat: u32,
    /// Which fold of the repeat, from 0.
    pub fold: u32,
    /// Which point of a curve, from 0; none where none is drawn.
    pub point: Option<u32>,
}

/// What a job will need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Estimate {
    /// Numbers that training finds.
    pub n_parameters: u64,
    /// Memory of one running task, the dataset included.
    pub memory_bytes: u64,
    /// One a fold, of a curve one a fold and point, and one that reduces and refits.
    pub n_tasks: u64,
    /// Microseconds that one fold is expected to take.
    #[serde(skip)]
    pub task_cost_us: i64,
}

impl Estimate {
    /// Seconds that all tasks are expected to take on one thread.
    pub fn fit_s(&self) -> f64 {
        self.n_tasks as f64 * self.task_cost_us as f64 / 1e6
    }
}
