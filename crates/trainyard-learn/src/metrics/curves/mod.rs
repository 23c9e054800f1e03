//! Curves of predictions, as scikit-learn draws them.
//!
//! They are deliberately not drawn here: these are their points.

mod calibration;
mod confusion;
mod precision_recall;
mod roc;

pub use calibration::{CalibrationCurve, Strategy, calibration_curve};
pub use confusion::confusion_matrix;
pub use precision_recall::{PrecisionRecallCurve, precision_recall_curve};
pub use roc::{RocCurve, roc_curve};

use super::order::order;
use super::ranking::{Step, steps};
use super::{are_weights, weight_of};

/// The steps of two sides, or `None` without rows, with unequal numbers of them, with a score that
/// is not finite or weights that are none.
pub(crate) fn steps_of(
    target: &[bool],
    score: &[f64],
    weights: Option<&[f64]>,
) -> Option<Vec<Step>> {
    let are_rows = !target.is_empty()
        && target.len() == score.len()
        && score.iter().all(|score| score.is_finite())
        && are_weights(weights, target.len());
    are_rows.then(|| steps(&order(score, 1, 0), |row| target[row], |row| weight_of(weights, row)))
}
