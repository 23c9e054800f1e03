//! Jobs that evaluate a stored model on another dataset.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use trainyard_learn::metrics::Scorer;
use utoipa::ToSchema;

use super::{CheckedJob, Estimate, JobSpec};
use crate::domain::dataset::Dataset;
use crate::domain::ids::{DatasetId, JobId, ModelId};
use crate::domain::labels::Labels;
use crate::domain::limits::Limits;
use crate::domain::model::ModelCard;

/// A job that evaluates a stored model on a dataset: no training, and whatever a fold keeps is kept of
/// the dataset's rows.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EvaluateJobRequest {
    /// A name for people.
    #[serde(default)]
    #[schema(max_length = 200)]
    pub name: Option<String>,
    /// A dataset with the columns that the model takes and those that it predicts.
    #[schema(value_type = DatasetId)]
    pub dataset_id: String,
    /// What is evaluated.
    pub evaluate: EvaluatedModelRequest,
    /// The scores; those that the model's job had, if left out.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 50)]
    pub scoring: Option<Vec<Scorer>>,
    /// A column of the dataset that says how much each row counts in the scores; all alike, if left
    /// out.
    #[serde(default)]
    #[schema(max_length = 1000)]
    pub scoring_weight: Option<String>,
    /// Anything the client wants to keep with the job; at most 16 KiB of JSON.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
    /// Among the queued tasks, those of the highest number come first.
    #[serde(default)]
    #[schema(minimum = -100, maximum = 100, default = 0)]
    pub priority: i32,
    /// The labels that a worker must have to take the tasks, as in `{"gpu": "true"}`.
    #[serde(default)]
    pub requires: Labels,
    /// How often a task is tried that its worker was lost with, or that ran out of disk.
    #[serde(default = "super::default_max_attempts")]
    #[schema(minimum = 1, maximum = 20, default = 3)]
    pub max_attempts: u32,
    /// Seconds from the job's start within which it must end; it fails otherwise. While it is paused
    /// they do not count.
    #[serde(default)]
    #[schema(minimum = 0.001, maximum = 1e9)]
    pub max_seconds: Option<f64>,
    /// Seconds after its end when the job is deleted, with its predictions and events. If left out, the
    /// server's own setting.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1e10)]
    pub retention_s: Option<f64>,
    /// Jobs that have to succeed before this one starts; if one does not, this one fails.
    #[serde(default)]
    #[schema(max_items = 100, value_type = Vec<JobId>)]
    pub after: Vec<String>,
}

/// What is evaluated.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EvaluatedModelRequest {
    /// The model.
    #[schema(value_type = ModelId)]
    pub model_id: String,
}

/// What is evaluated, of a resolved spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EvaluateSpec {
    /// The model.
    pub model_id: ModelId,
}

/// A resolved spec as it can be posted again: of an evaluation, which keeps the model's beside it, what
/// an evaluation asks for.
pub fn as_posted(mut resolved: Value) -> Value {
    const ASKED: [&str; 11] = [
        "name",
        "dataset_id",
        "evaluate",
        "scoring",
        "scoring_weight",
        "metadata",
        "priority",
        "requires",
        "max_attempts",
        "max_seconds",
        "retention_s",
    ];
    if let Value::Object(fields) = &mut resolved
        && fields.get("evaluate").is_some_and(|evaluate| !evaluate.is_null())
    {
        fields.retain(|name, _| ASKED.contains(&name.as_str()));
    }
    resolved
}

/// The job that evaluates a model, whose spec is the model's apart from what is asked for. What the
/// dataset lacks has been looked for.
pub fn evaluation(
    request: EvaluateJobRequest,
    (model_id, card): (ModelId, &ModelCard),
    dataset: &Dataset,
    limits: &Limits,
) -> CheckedJob {
    let spec = JobSpec {
        name: request.name,
        dataset_id: dataset.id,
        scoring: request.scoring.unwrap_or_else(|| card.spec.scoring.clone()),
        scoring_weight: request.scoring_weight,
        evaluate: Some(EvaluateSpec { model_id }),
        cv: None,
        curve: None,
        search: None,
        refit: false,
        return_train_score: false,
        priority: request.priority,
        requires: request.requires,
        max_parallel: None,
        max_attempts: request.max_attempts,
        max_seconds: request.max_seconds,
        retention_s: request.retention_s,
        metadata: request.metadata,
        ..card.spec.clone()
    };
    let n_values = dataset.n_rows() * spec.features.len();
    let table = dataset.content.table_memory_bytes(limits.max_table_megabytes << 20);
    let estimate = Estimate {
        n_parameters: 0,
        // The parsed table, and the matrix of the features as they are and as they are prepared.
        memory_bytes: table + (2 * n_values * size_of::<f64>()) as u64,
        n_tasks: 2,
        task_cost_us: (n_values as i64 / 10).max(100),
    };
    let classes = card.outputs.classes.clone();
    let (variants, warnings, after) = (Vec::new(), Vec::new(), request.after);
    CheckedJob { spec, classes, n_folds: 1, variants, warnings, estimate, after }
}
