//! A stored model: what it was trained on and by, and where its bytes are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use trainyard_formats::csv::CsvOptions;
use trainyard_learn::scalar::Scalar;

use super::clock::Timestamp;
use super::dataset::Warning;
use super::ids::{DatasetId, JobId, ModelId};
use super::job::ScoreSummary;
use super::spec::{JobSpec, TargetColumns};

/// A stored model, as its card shows it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Model {
    /// Its id.
    pub id: ModelId,
    /// The name of the job that made it.
    pub name: Option<String>,
    /// The job that made it.
    pub job_id: JobId,
    /// The dataset it was trained on.
    pub dataset_id: DatasetId,
    /// SHA-256 of the model file.
    pub sha256: String,
    /// Bytes of the model file.
    pub size_bytes: u64,
    /// Everything else about it.
    #[serde(flatten)]
    pub card: ModelCard,
    /// When it was stored.
    pub created_at: Timestamp,
}

/// What a user should know before using a model; stored as one JSON document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ModelCard {
    /// The spec that made it, every default filled in.
    pub spec: JobSpec,
    /// SHA-256 of the training data as uploaded.
    pub data_sha256: String,
    /// Rows it was trained on.
    pub n_rows: usize,
    /// How values were written in the training data, where it was CSV; CSV to predict is read so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csv: Option<CsvOptions>,
    /// The columns it takes, in the order of `rows`.
    pub inputs: Vec<String>,
    /// What it predicts.
    pub outputs: ModelOutput,
    /// Cross-validated scores, by scorer.
    pub cv: BTreeMap<String, ScoreSummary>,
    /// Scores on the rows it was trained on, by scorer.
    pub train: BTreeMap<String, Option<f64>>,
    /// What the user should know about it.
    pub warnings: Vec<Warning>,
}

/// What a model predicts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ModelOutput {
    /// The column or columns it learned.
    pub target: TargetColumns,
    /// The classes it chooses from, in the order of its probabilities or decision values; none
    /// where it predicts amounts. With several targets these are labels, and the two words for
    /// whether a row has one.
    pub classes: Vec<Scalar>,
}
