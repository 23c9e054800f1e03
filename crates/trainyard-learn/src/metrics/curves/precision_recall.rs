//! Precision against recall.

use super::steps_of;

/// The points of a precision-recall curve, by rising threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct PrecisionRecallCurve {
    /// The share of positive rows among those at each threshold or above; the last is 1.
    pub precision: Vec<f64>,
    /// The share of the positive rows at each threshold or above; the last is 0.
    pub recall: Vec<f64>,
    /// The thresholds, one fewer.
    pub thresholds: Vec<f64>,
}

/// The precision-recall curve of scores of rows, of which `target` says which are positive.
///
/// Without positive rows the recall is 1 at every threshold, as scikit-learn has it. `None` without
/// rows, with unequal numbers of them, with a score that is not finite or weights that are none.
pub fn precision_recall_curve(
    target: &[bool],
    score: &[f64],
    weights: Option<&[f64]>,
) -> Option<PrecisionRecallCurve> {
    let steps = steps_of(target, score, weights)?;
    let all = steps.last()?.hits;
    let recall = |hits: f64| if all == 0.0 { 1.0 } else { hits / all };
    let rising = || steps.iter().rev();
    Some(PrecisionRecallCurve {
        precision: rising().map(|s| s.hits / (s.hits + s.alarms)).chain([1.0]).collect(),
        recall: rising().map(|s| recall(s.hits)).chain([0.0]).collect(),
        thresholds: rising().map(|s| s.threshold).collect(),
    })
}
