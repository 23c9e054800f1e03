//! The scores of an epoch: of what was predicted of rows, against what they are.

use super::{Examples, Fit, Target};
use crate::metrics::{Judged, Scorer, scores};

/// Numbers to keep of each row for the scorers that need more than its class: each class's
/// probability; of two classes that are only put in order the one number that orders them, which is no
/// probability and needs none.
pub(super) fn n_probabilities(fit: &Fit<'_>, target: Target<'_>) -> usize {
    let Target::Classes { n_classes, .. } = target else { return 0 };
    let needs = |of: fn(Scorer) -> bool| fit.scorers.iter().any(|scorer| of(*scorer));
    let ranks = needs(Scorer::ranks);
    match fit.loss.has_probabilities() {
        true if needs(Scorer::needs_probabilities) || (ranks && n_classes > 2) => n_classes,
        _ => usize::from(ranks && n_classes == 2),
    }
}

/// Writes what [`n_probabilities`] says of rows with these outputs, `width` numbers each.
pub(super) fn keep_probabilities(kept: &mut [f32], z: &[f32], width: usize, fit: &Fit<'_>) {
    let n_outputs = fit.network.n_outputs();
    if width > 1 {
        return fit.loss.probabilities(kept, z, n_outputs, width);
    }
    let apart = |row: &[f32]| if let [first, second] = row { second - first } else { row[0] };
    kept.iter_mut().zip(z.chunks_exact(n_outputs)).for_each(|(kept, row)| *kept = apart(row));
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
            let width = said.probabilities.len() / said.classes.len().max(1);
            let probabilities = (width > 0).then(|| &said.probabilities[..rows.len() * width]);
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
            let said = &said.values[..target.len()];
            judge_labels(&target, said, (n_outputs, None), |judged| scores(scorers, judged))
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

/// Judges the probabilities of labels, rows × `n_labels`, with the rows' weights; a row is said to have
/// those that are more probable than not.
pub(crate) fn judge_labels<R>(
    target: &[bool],
    probabilities: &[f32],
    (n_labels, weights): (usize, Option<&[f64]>),
    judge: impl FnOnce(&Judged<'_>) -> R,
) -> R {
    let prediction: Vec<bool> = probabilities.iter().map(|p| *p > 0.5).collect();
    let decision: Vec<f64> = probabilities.iter().map(|p| f64::from(*p)).collect();
    judge(&Judged::Labels {
        target,
        prediction: &prediction,
        n_labels,
        decision: Some(&decision),
        weights,
    })
}
