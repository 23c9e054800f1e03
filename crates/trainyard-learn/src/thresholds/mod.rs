//! Decision thresholds: from which score on a row is said to be of the positive class.
//!
//! A threshold is chosen by scores of rows that the classifier was not trained on (out of fold, or
//! held out), as scikit-learn's `TunedThresholdClassifierCV` chooses it, but among all of the scores
//! and not a grid of them: in one sweep over the sorted rows, in O(n log n).
//!
//! It is deliberately not about models, and its value is of the rows that it was chosen by: expect a
//! little less of others.

mod error;
mod spec;

pub use error::ThresholdError;
use serde::{Deserialize, Serialize};
pub use spec::{CostMatrix, ThresholdMetric, ThresholdSpec};

use crate::metrics::are_weights;
use crate::metrics::curves::steps_of;

/// Rows of two classes by the class predicted of them, in weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Confusion {
    /// Negative, and predicted so.
    pub true_negative: f64,
    /// Negative, and predicted positive.
    pub false_positive: f64,
    /// Positive, and predicted negative.
    pub false_negative: f64,
    /// Positive, and predicted so.
    pub true_positive: f64,
}

/// A threshold, and what comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// A row with this score or more is predicted positive.
    pub threshold: f64,
    /// The number that the spec asks for: a metric, the mean cost, the precision or the recall.
    pub value: f64,
    /// The rows by class and prediction.
    pub confusion: Confusion,
}

/// The best threshold, beside the one that would be used without it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TunedThreshold {
    /// The best threshold; of equally good ones the lowest.
    pub chosen: Cut,
    /// The default threshold, which need not do what the spec demands. A model takes a row that is just
    /// there for the negative class.
    pub default: Cut,
}

/// Chooses the threshold of the positive class's `scores` that is best for `spec`, by rows of which
/// `target` says whether they are positive; with weights, one a row, finite and not below 0.
///
/// Every score of a row that counts is a candidate, and so is the next number above all of them,
/// which predicts no row positive. `default` is the threshold to compare with: 0.5 of probabilities,
/// 0 of decision values.
///
/// # Errors
/// Without rows or with rows of one class only; with unequal numbers of scores, classes and weights;
/// with a score, a default, a cost or a weight that is no finite number; with a share beyond 0 to 1;
/// and where no threshold has the precision that is demanded.
pub fn tune(
    spec: &ThresholdSpec,
    target: &[bool],
    scores: &[f64],
    weights: Option<&[f64]>,
    default: f64,
) -> Result<TunedThreshold, ThresholdError> {
    spec.check()?;
    check_rows(target, scores, weights)?;
    if !default.is_finite() {
        return Err(ThresholdError::Default(default));
    }
    let steps = steps_of(target, scores, weights).ok_or(ThresholdError::NoRows)?;
    let (Some(first), Some(last)) = (steps.first(), steps.last()) else {
        return Err(ThresholdError::NoRows);
    };
    let (positive, negative) = (last.hits, last.alarms);
    if positive <= 0.0 || negative <= 0.0 {
        return Err(ThresholdError::OneClass);
    }

    let cut = |threshold: f64, hits: f64, alarms: f64| {
        let confusion = Confusion {
            true_negative: negative - alarms,
            false_positive: alarms,
            false_negative: positive - hits,
            true_positive: hits,
        };
        Cut { threshold, value: spec.value(&confusion), confusion }
    };
    let nothing = cut(first.threshold.next_up(), 0.0, 0.0);
    let candidates = || {
        let rising = steps.iter().rev().map(|step| cut(step.threshold, step.hits, step.alarms));
        rising.chain(Some(nothing).filter(|cut| cut.threshold.is_finite()))
    };
    let allowed = candidates().filter_map(|cut| Some((spec.rank(&cut.confusion)?, cut)));
    let (_, chosen) = allowed
        .reduce(|best, next| if next.0 > best.0 { next } else { best })
        .ok_or_else(|| {
            // The lowest threshold has every recall, so what cannot be reached is a precision.
            let precision = |cut: Cut| ThresholdMetric::Precision.value(&cut.confusion);
            ThresholdError::Unreachable { highest: candidates().map(precision).fold(0.0, f64::max) }
        })?;

    let n_above = steps.partition_point(|step| step.threshold >= default);
    let default = match n_above.checked_sub(1).and_then(|at| steps.get(at)) {
        Some(step) => cut(default, step.hits, step.alarms),
        None => cut(default, 0.0, 0.0),
    };
    Ok(TunedThreshold { chosen, default })
}

fn check_rows(
    target: &[bool],
    scores: &[f64],
    weights: Option<&[f64]>,
) -> Result<(), ThresholdError> {
    if target.len() != scores.len() {
        return Err(ThresholdError::Rows { n_scores: scores.len(), n_targets: target.len() });
    }
    if target.is_empty() {
        return Err(ThresholdError::NoRows);
    }
    if let Some(row) = scores.iter().position(|score| !score.is_finite()) {
        return Err(ThresholdError::Score { row, score: scores[row] });
    }
    if are_weights(weights, target.len()) { Ok(()) } else { Err(ThresholdError::Weights) }
}
