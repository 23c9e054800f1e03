//! The scores of an epoch: of what was predicted of rows, against what they are.

use super::{Examples, Fit, Target};
use crate::metrics::{Judged, Scorer, scores};

/// Probabilities to keep of each row: none unless a scorer uses them and the loss has them.
pub(super) fn n_probabilities(fit: &Fit<'_>, target: Target<'_>) -> usize {
    let wanted = fit.scorers.iter().any(|scorer| scorer.needs_probabilities() || scorer.ranks());
    match target {
        Target::Classes { n_classes, .. } if wanted && fit.loss.has_probabilities() => n_classes,
        _ => 0,
    }
}

/// What was predicted of some rows; what there is none of is empty.
#[derive(Clone, Copy)]
pub(super) struct Said<'a> {
    pub(super) classes: &'a [u32],
    pub(super) values: &'a [f32],
    pub(super) probabilities: &'a [f32],
}

/// The scores of what was predicted of some rows.
pub(super) fn judge(
    scorers: &[Scorer],
    examples: &Examples<'_>,
    rows: &[u32],
    said: Said<'_>,
) -> Vec<Option<f64>> {
    match examples.target {
        Target::Classes { classes: target, n_classes } => {
            let target: Vec<u32> = rows.iter().map(|row| target[*row as usize]).collect();
            let prediction = &said.classes[..rows.len()];
            let probabilities = said.probabilities.get(..rows.len() * n_classes);
            let judged = Judged::Classes {
                target: &target,
                prediction,
                n_classes,
                probabilities,
                decision: None,
                weights: None,
            };
            scores(scorers, &judged)
        }
        Target::Labels { values, n_outputs } => {
            let row = |row: &u32| &values[*row as usize * n_outputs..][..n_outputs];
            let target: Vec<bool> =
                rows.iter().flat_map(|at| row(at).iter().map(|v| *v > 0.5)).collect();
            score_labels(scorers, &target, &said.values[..target.len()], n_outputs)
        }
        Target::Values { values: target, n_outputs } => {
            let row = |row: &u32| &target[*row as usize * n_outputs..][..n_outputs];
            let target: Vec<f64> =
                rows.iter().flat_map(|at| row(at).iter().map(|v| f64::from(*v))).collect();
            let prediction: Vec<f64> =
                said.values[..target.len()].iter().map(|v| f64::from(*v)).collect();
            let (target, prediction) = (&target, &prediction);
            scores(scorers, &Judged::Values { target, prediction, n_outputs, weights: None })
        }
    }
}

/// The scores of the probabilities of labels, rows × `n_labels`; a row is said to have those that are
/// more probable than not.
pub(crate) fn score_labels(
    scorers: &[Scorer],
    target: &[bool],
    probabilities: &[f32],
    n_labels: usize,
) -> Vec<Option<f64>> {
    let prediction: Vec<bool> = probabilities.iter().map(|p| *p > 0.5).collect();
    let decision: Vec<f64> = probabilities.iter().map(|p| f64::from(*p)).collect();
    let judged = Judged::Labels {
        target,
        prediction: &prediction,
        n_labels,
        decision: Some(&decision),
        weights: None,
    };
    scores(scorers, &judged)
}
