//! The parts of the server's answers that the command line shows.
//!
//! Fields the client does not know are ignored, and nearly every field may be missing or null: a
//! newer server may say more, and a status that this client has not heard of is only shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::error::{ClientError, printable};
use crate::domain::suggest::shown;

/// A stored dataset.
#[derive(Clone, Debug, Deserialize)]
pub struct Dataset {
    /// Its id.
    pub id: String,
    /// How many rows there are.
    #[serde(default)]
    pub n_rows: Option<u64>,
    /// How many columns there are.
    #[serde(default)]
    pub n_columns: Option<u64>,
    /// What the user should know about it.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub warnings: Vec<Warning>,
}

/// Something that is allowed and that the user should know.
#[derive(Clone, Debug, Deserialize)]
pub struct Warning {
    /// The column it is about.
    #[serde(default)]
    pub column: Option<String>,
    /// What it is, in a sentence.
    #[serde(default)]
    pub detail: String,
}

/// A job.
#[derive(Clone, Debug, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// Where it stands.
    pub status: String,
    /// What is being done.
    #[serde(default)]
    pub phase: Option<String>,
    /// The share that is done, from 0 to 1.
    #[serde(default)]
    pub progress: Option<f64>,
    /// Seconds until it ends.
    #[serde(default)]
    pub eta_s: Option<f64>,
    /// How many tasks there are, by state.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub tasks: Tasks,
    /// How long it took.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub timings: Timings,
    /// What came out.
    #[serde(default)]
    pub result: Option<JobResult>,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<JobFailure>,
    /// What the user should know about the spec.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub warnings: Vec<Warning>,
    /// When it ended.
    #[serde(default)]
    pub finished_at: Option<String>,
}

/// A job's tasks by state.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Tasks {
    /// All of them.
    pub total: u64,
    /// Those that are done.
    pub succeeded: u64,
    /// Those that failed for good.
    pub failed: u64,
}

/// How long the parts of a job took, in seconds.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Timings {
    /// Wall-clock from the first task's start to the last task's end.
    pub fit_s: Option<f64>,
    /// From its acceptance to its end.
    pub total_s: Option<f64>,
}

/// Why a job failed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct JobFailure {
    /// Stable and machine-readable.
    pub code: String,
    /// What happened, in a sentence.
    pub detail: String,
}

/// What came out of a job.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct JobResult {
    /// Scores over the test folds, by scorer.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub cv: BTreeMap<String, Score>,
    /// Each fold.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub folds: Vec<Fold>,
    /// The model; null without a refit.
    #[serde(default)]
    pub model_id: Option<String>,
    /// The points of a curve.
    #[serde(default)]
    pub curve: Option<Curve>,
    /// What the user should know about how it went.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub warnings: Vec<Warning>,
}

/// The points of a learning curve or of a validation curve.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Curve {
    /// The parameter that the curve is over.
    pub param: Option<String>,
    /// Its points.
    pub points: Vec<CurvePoint>,
}

/// A point of a curve.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct CurvePoint {
    /// Rows trained on.
    pub n_train: Option<f64>,
    /// What the parameter was set to.
    pub value: Option<Value>,
    /// Scores on the rows trained on, by scorer.
    pub train: BTreeMap<String, Score>,
    /// Scores on other rows, by scorer.
    pub test: BTreeMap<String, Score>,
}

/// A scorer's values over the folds.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Score {
    /// Arithmetic mean.
    pub mean: Option<f64>,
    /// Population standard deviation.
    pub std: Option<f64>,
    /// The worst fold.
    pub min: Option<f64>,
    /// The best fold.
    pub max: Option<f64>,
}

/// One trained and scored fold.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Fold {
    /// Which repeat, from 0.
    pub repeat: Option<u64>,
    /// Which fold of the repeat, from 0.
    pub fold: Option<u64>,
    /// Rows trained on.
    pub n_train: Option<u64>,
    /// Rows scored on.
    pub n_test: Option<u64>,
    /// Scores on the test rows, by scorer.
    pub scores: BTreeMap<String, Option<f64>>,
    /// Epochs trained.
    pub epochs: Option<u64>,
    /// Seconds of training.
    pub fit_s: Option<f64>,
}

/// What a model says about rows.
#[derive(Clone, Debug, Deserialize)]
pub struct Prediction {
    /// A value for each row: a class or an amount.
    pub predictions: Vec<Value>,
}

impl Job {
    /// Whether nothing can happen to it any more.
    pub fn has_ended(&self) -> bool {
        // A newer server may have ends that this client cannot name.
        self.finished_at.is_some()
            || matches!(self.status.as_str(), "succeeded" | "failed" | "cancelled")
    }

    /// Its result, once it has ended and if it has succeeded.
    ///
    /// # Errors
    /// When it ended in another way, or a job that succeeded shows no result.
    pub fn into_result(self) -> Result<JobResult, ClientError> {
        let missing = Some("it has no result".to_owned());
        let detail = match (self.status.as_str(), self.error) {
            ("succeeded", _) => missing,
            (_, Some(JobFailure { code, detail })) if code.is_empty() => Some(detail),
            (_, Some(JobFailure { code, detail })) => Some(format!("{detail} ({code})")),
            (_, None) => None,
        };
        match self.result {
            Some(result) if self.status == "succeeded" => Ok(result),
            _ => Err(ClientError::Ended { id: self.id, status: self.status, detail }),
        }
    }
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.column {
            // Most sentences name it already.
            Some(column) if !self.detail.contains(&shown(column)) => {
                write!(f, "column {}: {}", shown(column), printable(&self.detail))
            }
            _ => f.write_str(&printable(&self.detail)),
        }
    }
}

pub(super) fn null_is_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
