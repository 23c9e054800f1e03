//! What calibration changes.

use serde::{Deserialize, Serialize};

use super::{CalibrationError, Calibrator, ScoreKind, Scores};
use crate::metrics::{self, Judged, Scorer};

/// How good probabilities are; of each number less is better.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Quality {
    /// How far the probability of the most likely class is from the share of right rows, over ten
    /// bins of equal width (see [`Scorer::NegExpectedCalibrationError`]).
    pub expected_calibration_error: f64,
    /// The mean of the negative logarithm of the true class's probability.
    pub log_loss: f64,
    /// The mean squared error of the probabilities, as scikit-learn's `brier_score_loss`.
    pub brier_score: f64,
}

/// The quality of probabilities as they were, and calibrated.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CalibrationReport {
    /// Of the scores; `None` of decision values, which are no probabilities.
    pub before: Option<Quality>,
    /// Of the calibrated scores.
    pub after: Option<Quality>,
}

impl Calibrator {
    /// What it changes for rows with scores like those that it was fitted on, whose classes are
    /// known.
    ///
    /// On the rows that it was fitted on it looks better than it is, an isotonic one most: report on
    /// others where there are any.
    ///
    /// # Errors
    /// As [`Calibrator::fit`].
    pub fn report(
        &self,
        values: &[f64],
        target: &[u32],
        weights: Option<&[f64]>,
    ) -> Result<CalibrationReport, CalibrationError> {
        let scores = Scores { values, n_columns: self.n_columns, kind: self.kind };
        scores.check()?;
        scores.check_rows(target, weights)?;
        Ok(CalibrationReport::weighted(scores, &self.calibrate(values)?, target, weights))
    }
}

impl CalibrationReport {
    /// What calibration by others changes: the scores of rows, and what was made of them, in the same
    /// shape.
    pub(crate) fn of(scores: Scores<'_>, calibrated: &[f64], target: &[u32]) -> Self {
        Self::weighted(scores, calibrated, target, None)
    }

    fn weighted(
        scores: Scores<'_>,
        calibrated: &[f64],
        target: &[u32],
        weights: Option<&[f64]>,
    ) -> Self {
        let quality = |values| quality(values, scores.n_columns, target, weights);
        let before = match scores.kind {
            ScoreKind::Probability => quality(scores.values),
            ScoreKind::Decision => None,
        };
        Self { before, after: quality(calibrated) }
    }
}

/// The quality of probabilities, in single precision as the scorers take them.
fn quality(
    values: &[f64],
    n_columns: usize,
    target: &[u32],
    weights: Option<&[f64]>,
) -> Option<Quality> {
    let probabilities: Vec<f32> = match n_columns {
        1 => values.iter().flat_map(|p| [(1.0 - p) as f32, *p as f32]).collect(),
        _ => values.iter().map(|p| *p as f32).collect(),
    };
    let n_classes = n_columns.max(2);
    let most_likely = |row: &[f32]| {
        let first = |best: usize, at: usize| if row[at] > row[best] { at } else { best };
        (1..row.len()).fold(0, first) as u32
    };
    let prediction: Vec<u32> = probabilities.chunks_exact(n_classes).map(most_likely).collect();
    let judged = Judged::Classes {
        target,
        prediction: &prediction,
        n_classes,
        probabilities: Some(&probabilities),
        decision: None,
        weights,
    };
    let of = [Scorer::NegExpectedCalibrationError, Scorer::NegLogLoss, Scorer::NegBrierScore];
    match metrics::scores(&of, &judged)[..] {
        [Some(error), Some(log_loss), Some(brier)] => Some(Quality {
            expected_calibration_error: -error,
            log_loss: -log_loss,
            brier_score: -brier,
        }),
        _ => None,
    }
}
