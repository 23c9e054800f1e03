//! What a classifier says of rows, and whether it can be calibrated.

use serde::{Deserialize, Serialize};

use super::CalibrationError;
use crate::metrics::are_weights;

/// Scores of this size and more are refused, so that nothing here leaves the finite numbers.
pub(super) const LARGEST_SCORE: f64 = 1e150;

/// How far the sum of a row of probabilities may be from 1: many in single precision stay within it.
const SUM_TOLERANCE: f64 = 1e-4;

/// What is added to a probability before its logarithm is taken, as scikit-learn adds it.
const TINY: f64 = 1e-12;

/// What scores are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreKind {
    /// From 0 to 1, and a row's sum is 1.
    Probability,
    /// Any finite number, and more speaks for the class: margins or logits.
    Decision,
}

/// The scores of rows, rows × `n_columns`.
///
/// One column is the score of the positive class of two. Two and more are one a class; of two, the
/// positive class is scored by its probability, or by its decision value less the other's.
#[derive(Clone, Copy, Debug)]
pub struct Scores<'a> {
    /// Row by row.
    pub values: &'a [f64],
    /// Scores a row.
    pub n_columns: usize,
    /// What they are.
    pub kind: ScoreKind,
}

impl Scores<'_> {
    /// How many classes they are of.
    pub fn n_classes(&self) -> usize {
        self.n_columns.max(2)
    }

    /// How many classes are calibrated each by itself: of two, the positive one only.
    pub(super) fn n_curves(&self) -> usize {
        if self.n_columns > 2 { self.n_columns } else { 1 }
    }

    /// The scores that the curve of that index is of.
    pub(super) fn column(&self, place: usize) -> Vec<f64> {
        let rows = self.values.chunks_exact(self.n_columns);
        match (self.n_columns, self.kind) {
            (1, _) => self.values.to_vec(),
            (2, ScoreKind::Probability) => rows.map(|row| row[1]).collect(),
            (2, ScoreKind::Decision) => rows.map(|row| row[1] - row[0]).collect(),
            _ => rows.map(|row| row[place]).collect(),
        }
    }

    /// The logits, rows × classes. One decision value x becomes −x and x, as in scikit-learn.
    pub(super) fn logits(&self) -> Vec<f64> {
        let log = |p: f64| (p + TINY).ln();
        match (self.n_columns, self.kind) {
            (1, ScoreKind::Decision) => self.values.iter().flat_map(|x| [-x, *x]).collect(),
            (_, ScoreKind::Decision) => self.values.to_vec(),
            (1, ScoreKind::Probability) => {
                self.values.iter().flat_map(|p| [log(1.0 - p), log(*p)]).collect()
            }
            (_, ScoreKind::Probability) => self.values.iter().map(|p| log(*p)).collect(),
        }
    }

    /// What is wrong with the scores by themselves.
    pub(super) fn check(&self) -> Result<(), CalibrationError> {
        let (n_values, n_columns) = (self.values.len(), self.n_columns);
        if n_columns == 0 || !n_values.is_multiple_of(n_columns) {
            return Err(CalibrationError::Shape { n_values, n_columns });
        }
        let is_out = |score: &f64| score.is_nan() || score.abs() > LARGEST_SCORE;
        if let Some(at) = self.values.iter().position(is_out) {
            return Err(CalibrationError::Score { row: at / n_columns, score: self.values[at] });
        }
        match first_row_without_probabilities(self.values, n_columns) {
            Some(row) if self.kind == ScoreKind::Probability => {
                Err(CalibrationError::Probabilities { row })
            }
            _ => Ok(()),
        }
    }

    /// What is wrong with the rows that they are of: every class needs one that counts.
    pub(super) fn check_rows(
        &self,
        target: &[u32],
        weights: Option<&[f64]>,
    ) -> Result<(), CalibrationError> {
        let (n_rows, n_targets) = (self.values.len() / self.n_columns, target.len());
        if n_rows != n_targets {
            return Err(CalibrationError::Rows { n_rows, n_targets });
        }
        if n_rows == 0 {
            return Err(CalibrationError::NoRows);
        }
        if !are_weights(weights, n_rows) {
            return Err(CalibrationError::Weights);
        }
        let n_classes = self.n_classes();
        let mut counts = vec![false; n_classes];
        for (row, class) in target.iter().enumerate() {
            let Some(counts) = counts.get_mut(*class as usize) else {
                return Err(CalibrationError::Class { row, class: *class, n_classes });
            };
            *counts |= weights.is_none_or(|weights| weights[row] > 0.0);
        }
        match counts.iter().position(|counts| !counts) {
            Some(class) => Err(CalibrationError::MissingClass { class: class as u32 }),
            None => Ok(()),
        }
    }
}

/// The first row that is no probabilities: one is not between 0 and 1, or the sum of more than one
/// is not 1.
pub(crate) fn first_row_without_probabilities(values: &[f64], n_columns: usize) -> Option<usize> {
    values.chunks_exact(n_columns.max(1)).position(|row| {
        let sum: f64 = row.iter().sum();
        !row.iter().all(|p| (0.0..=1.0).contains(p))
            || (n_columns > 1 && (sum - 1.0).abs() > SUM_TOLERANCE)
    })
}
