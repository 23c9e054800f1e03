//! Jobs that draw a curve: the same cross-validation at several sizes of the training set, or at
//! several values of a parameter.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// What a curve is drawn over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum CurveSpec {
    /// Over the number of training rows, as scikit-learn's `learning_curve`: would more rows help?
    Learning {
        /// Shares of the training rows, above 0 and up to 1, or numbers of rows, whole and from 2 on.
        /// Shares are of the first fold's training rows, rounded down; of sizes that come to the same
        /// number of rows one is drawn.
        #[serde(default = "default_sizes")]
        #[schema(min_items = 1, max_items = 100, default = json!([0.1, 0.325, 0.55, 0.775, 1.0]))]
        sizes: Vec<f64>,
        /// Whether rows are drawn at random from each fold's training rows, the smaller sets within
        /// the larger; otherwise the first ones of the file are taken, which in a sorted file are of
        /// one class. (scikit-learn's default is false.)
        #[serde(default = "default_shuffle")]
        #[schema(default = true)]
        shuffle: bool,
        /// The seed of the drawing; the job's `random_state` if left out. The same rows as
        /// scikit-learn's for the same seed.
        #[serde(default)]
        #[schema(minimum = 0, maximum = 4294967295u32)]
        random_state: Option<u32>,
    },
    /// Over the values of one parameter, as scikit-learn's `validation_curve`: where does the model
    /// fit too little, and where too much?
    Validation {
        /// Where the parameter is in the spec, its parts joined by dots: `optimizer.learning_rate`,
        /// `model.hidden`, `preprocess.numeric.scale`, `model.layers.0.units`.
        #[schema(max_length = 500)]
        param: String,
        /// What it is set to, a point of the curve each.
        #[schema(min_items = 1, max_items = 100)]
        values: Vec<Value>,
    },
}

impl CurveSpec {
    /// Points of the curve.
    pub fn n_points(&self) -> usize {
        match self {
            Self::Learning { sizes, .. } => sizes.len(),
            Self::Validation { values, .. } => values.len(),
        }
    }

    /// The curve with its sizes in order and its seed named.
    pub(super) fn resolved(self, seed: u32) -> Self {
        match self {
            Self::Learning { mut sizes, shuffle, random_state } => {
                sizes.sort_by(f64::total_cmp);
                let random_state = random_state.or(shuffle.then_some(seed));
                Self::Learning { sizes, shuffle, random_state }
            }
            validation @ Self::Validation { .. } => validation,
        }
    }
}

/// The rows that a size stands for where a fold trains on `n_train`.
pub fn rows_of(size: f64, n_train: usize) -> usize {
    let rows = if size <= 1.0 { (size * n_train as f64) as usize } else { size as usize };
    rows.clamp(1, n_train.max(1))
}

fn default_sizes() -> Vec<f64> {
    // numpy's linspace(0.1, 1.0, 5), which is scikit-learn's default.
    vec![0.1, 0.325, 0.55, 0.775, 1.0]
}

fn default_shuffle() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_rounded_down_as_scikit_learns_and_leave_a_row() {
        let rows = [0.1, 0.325, 0.55, 0.775, 1.0].map(|share| rows_of(share, 119));
        assert_eq!(rows, [11, 38, 65, 92, 119]);
        assert_eq!((rows_of(0.001, 119), rows_of(50.0, 119), rows_of(500.0, 119)), (1, 50, 119));
    }

    #[test]
    fn sizes_come_in_order_and_the_seed_is_the_jobs() {
        let sizes = vec![1.0, 0.5];
        let curve = CurveSpec::Learning { sizes, shuffle: true, random_state: None };
        let resolved =
            CurveSpec::Learning { sizes: vec![0.5, 1.0], shuffle: true, random_state: Some(7) };
        assert_eq!(curve.resolved(7), resolved);
    }
}
