//! The receiver operating characteristic.

use super::steps_of;

/// The points of a ROC curve, by falling threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct RocCurve {
    /// The share of the negative rows at each threshold or above.
    pub false_positive_rate: Vec<f64>,
    /// The share of the positive rows at each threshold or above.
    pub true_positive_rate: Vec<f64>,
    /// The thresholds; the first is infinite, where no row is.
    pub thresholds: Vec<f64>,
}

/// The ROC curve of scores of rows, of which `target` says which are positive.
///
/// With `drop_intermediate`, without points on a straight line between their neighbours. `None`
/// without rows of both sides, with unequal numbers of them, with a score that is not finite or
/// weights that are none.
pub fn roc_curve(
    target: &[bool],
    score: &[f64],
    weights: Option<&[f64]>,
    drop_intermediate: bool,
) -> Option<RocCurve> {
    let steps = steps_of(target, score, weights)?;
    let last = steps.last().copied().filter(|last| last.hits > 0.0 && last.alarms > 0.0)?;
    let bends = |at: usize| {
        if at == 0 || at + 1 == steps.len() {
            return true;
        }
        let (before, here, after) = (steps[at - 1], steps[at], steps[at + 1]);
        (after.hits - here.hits) != (here.hits - before.hits)
            || (after.alarms - here.alarms) != (here.alarms - before.alarms)
    };
    let mut curve = RocCurve {
        false_positive_rate: vec![0.0],
        true_positive_rate: vec![0.0],
        thresholds: vec![f64::INFINITY],
    };
    for (at, step) in steps.iter().enumerate() {
        if !drop_intermediate || bends(at) {
            curve.false_positive_rate.push(step.alarms / last.alarms);
            curve.true_positive_rate.push(step.hits / last.hits);
            curve.thresholds.push(step.threshold);
        }
    }
    Some(curve)
}
