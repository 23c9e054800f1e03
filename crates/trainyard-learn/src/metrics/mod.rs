//! Scores of predictions, by scikit-learn's names; of every one more is better.
//!
//! Those of classes are in `classes`, those of their order in `ranking`, those of their
//! probabilities in `probabilities`, those of several labels a row in `labels`, and those of values
//! in `values`. Curves are in [`curves`].
//!
//! Of two classes the second is the positive one. Where scikit-learn takes the classes from the
//! rows that it is given, these are all of the job's classes.
//!
//! It is deliberately not about models: it compares what is with what was said.

mod classes;
pub mod curves;
mod labels;
mod order;
mod probabilities;
mod ranking;
mod scorer;
mod two;
mod values;
mod written;

use std::cell::OnceCell;

pub use scorer::{Scorer, Share};

use crate::losses::TargetKind;

/// What was predicted, and what really is.
///
/// Weights are one a row, finite and not below 0, and not all 0; without them every row counts the
/// same.
#[derive(Clone, Copy, Debug)]
pub enum Judged<'a> {
    /// Classes, as indices below `n_classes`.
    Classes {
        /// The class of each row.
        target: &'a [u32],
        /// The class predicted of each row.
        prediction: &'a [u32],
        /// How many classes there are.
        n_classes: usize,
        /// Rows × classes, where there are any. Scores of the order of two classes are content with one
        /// a row, which may be any number that is higher the more speaks for the second.
        probabilities: Option<&'a [f32]>,
        /// Rows × classes, of two classes one or two a row, where there are any; used where there
        /// are no probabilities.
        decision: Option<&'a [f64]>,
        /// How much each row counts.
        weights: Option<&'a [f64]>,
    },
    /// Labels, of which a row has any number: rows × `n_labels`.
    Labels {
        /// Which it has.
        target: &'a [bool],
        /// Which it is said to have.
        prediction: &'a [bool],
        /// How many labels there are.
        n_labels: usize,
        /// Rows × labels: probabilities or decision values, where there are any.
        decision: Option<&'a [f64]>,
        /// How much each row counts.
        weights: Option<&'a [f64]>,
    },
    /// Values, rows × `n_outputs`.
    Values {
        /// What they are.
        target: &'a [f64],
        /// What was predicted.
        prediction: &'a [f64],
        /// Values of a row.
        n_outputs: usize,
        /// How much each row counts.
        weights: Option<&'a [f64]>,
    },
}

/// The scores, in the order of `scorers`.
///
/// `None` where one is undefined, as it is without rows, with unequal numbers of rows or a class
/// beyond `n_classes`; where it is no score of such a target, or needs probabilities and there are
/// none; and where it is beyond the finite numbers. Scores of pairs of classes and the largest
/// error take no weights.
pub fn scores(scorers: &[Scorer], judged: &Judged<'_>) -> Vec<Option<f64>> {
    let of_each = |score: &dyn Fn(Scorer) -> Option<f64>| {
        scorers.iter().map(|scorer| score(*scorer).filter(|score| score.is_finite())).collect()
    };
    match *judged {
        Judged::Classes { target, prediction, n_classes, probabilities, decision, weights } => {
            let counts = classes::count(target, prediction, n_classes, weights);
            let ranked = OnceCell::new();
            let kind = TargetKind::Classes { n_classes };
            of_each(&|scorer| {
                let counts = counts.as_deref().filter(|_| scorer.fits(kind))?;
                let of = probabilities::Given { target, prediction, n_classes, weights };
                if scorer.ranks() || scorer.needs_probabilities() {
                    if let Some(score) = probabilities::score(scorer, of, probabilities) {
                        return score;
                    }
                    let of_rows = || ranking::Ranked::new(of, probabilities, decision);
                    ranked.get_or_init(of_rows).as_ref()?.score(scorer)
                } else {
                    classes::score(scorer, counts)
                }
            })
        }
        Judged::Labels { target, prediction, n_labels, decision, weights } => {
            let counts = labels::count(target, prediction, n_labels, weights);
            let ranked = OnceCell::new();
            of_each(&|scorer| {
                let counts = counts.as_ref().filter(|_| scorer.fits_labels())?;
                if scorer.ranks() {
                    let of_labels = || labels::rank(target, decision?, n_labels);
                    let ranked = ranked.get_or_init(of_labels).as_deref()?;
                    labels::ranked_score(scorer, ranked, target, weights)
                } else {
                    labels::score(scorer, counts)
                }
            })
        }
        Judged::Values { target, prediction, n_outputs, weights } => {
            let outputs = values::outputs(target, prediction, n_outputs, weights);
            let kind = TargetKind::Values { n_outputs };
            of_each(&|scorer| {
                values::score(scorer, outputs.as_deref().filter(|_| scorer.fits(kind))?)
            })
        }
    }
}

/// Whether each score is one that divides by nothing and counts 0 there, as scikit-learn has it, which
/// warns of most of them: precision of a class that is never predicted, recall of one that no row is of,
/// the share explained of a target that does not vary.
pub fn falls_back(scorers: &[Scorer], judged: &Judged<'_>) -> Vec<bool> {
    let of_each = |falls: &dyn Fn(Scorer) -> bool| scorers.iter().map(|s| falls(*s)).collect();
    match *judged {
        Judged::Classes { target, prediction, n_classes, weights, .. } => {
            let counts = classes::count(target, prediction, n_classes, weights).unwrap_or_default();
            of_each(&|scorer| classes::falls_back(scorer, &counts))
        }
        Judged::Labels { target, prediction, n_labels, weights, .. } => {
            let counts = labels::count(target, prediction, n_labels, weights);
            let falls = |scorer| counts.as_ref().is_some_and(|c| labels::falls_back(scorer, c));
            of_each(&falls)
        }
        Judged::Values { target, prediction, n_outputs, weights } => {
            let outputs = values::outputs(target, prediction, n_outputs, weights);
            of_each(&|scorer| values::falls_back(scorer, outputs.as_deref().unwrap_or_default()))
        }
    }
}

/// The score of two classes that a confusion matrix gives, the target's class first, in weights;
/// `None` where it is undefined or no score of a confusion matrix.
pub(crate) fn score_of_two(scorer: Scorer, confusion: [[f64; 2]; 2]) -> Option<f64> {
    let [[tn, fp], [fn_, tp]] = confusion;
    let of = |hits, target, predicted| classes::ClassCounts { hits, target, predicted, n_rows: 1 };
    classes::score(scorer, &[of(tn, tn + fp, tn + fn_), of(tp, tp + fn_, tp + fp)])
}

/// Whether weights are one a row and none is below 0, or all are left out.
pub(crate) fn are_weights(weights: Option<&[f64]>, n_rows: usize) -> bool {
    weights.is_none_or(|weights| {
        let sum: f64 = weights.iter().sum();
        weights.len() == n_rows
            && weights.iter().all(|weight| *weight >= 0.0)
            && sum > 0.0
            && sum.is_finite()
    })
}

fn weight_of(weights: Option<&[f64]>, row: usize) -> f64 {
    weights.and_then(|weights| weights.get(row)).copied().unwrap_or(1.0)
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole }
}

/// The mean of values with weights; 0 where all of these are 0.
fn weighted_mean(values: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (sum, weight) = values
        .fold((0.0, 0.0), |(sum, total), (value, weight)| (sum + value * weight, total + weight));
    ratio(sum, weight)
}
