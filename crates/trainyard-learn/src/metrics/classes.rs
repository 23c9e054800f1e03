//! Scores of classes.
//!
//! All of them are read off one confusion matrix, so asking for several costs little more than
//! asking for one. Where scikit-learn warns of a division by zero and counts 0, this counts 0.

use super::{Scorer, are_weights, ratio, weight_of, weighted_mean};

/// The score, or `None` for what is no score of the confusion matrix.
pub(super) fn score(scorer: Scorer, classes: &[ClassCounts]) -> Option<f64> {
    let sum = |of: fn(&ClassCounts) -> f64| classes.iter().map(of).sum::<f64>();
    let (hits, n) = (|c: &ClassCounts| c.hits, |c: &ClassCounts| c.target);
    Some(match scorer {
        // Every row has one class and one prediction, so a wrong one is wrong for two classes
        // and the scores of all rows are the share of right ones.
        Scorer::Accuracy | Scorer::F1Micro | Scorer::PrecisionMicro | Scorer::RecallMicro => {
            ratio(sum(hits), sum(n))
        }
        Scorer::BalancedAccuracy => {
            let in_target = classes.iter().filter(|class| class.target > 0.0);
            weighted_mean(in_target.map(|class| (class.recall(), 1.0)))
        }
        Scorer::F1 => classes.get(1)?.f1(),
        Scorer::Precision => classes.get(1)?.precision(),
        Scorer::Recall => classes.get(1)?.recall(),
        Scorer::Jaccard => classes.get(1)?.jaccard(),
        Scorer::MatthewsCorrcoef => {
            let Some(spread) = spread(classes) else { return Some(0.0) };
            let by_chance = sum(|c| c.target * c.predicted);
            (sum(hits) * sum(n) - by_chance) / spread.sqrt()
        }
        Scorer::CohenKappa => {
            let n = sum(n);
            let by_chance = sum(|c| c.target * c.predicted) / n;
            if n == by_chance {
                return None;
            }
            1.0 - (n - sum(hits)) / (n - by_chance)
        }
        _ => return averaged(scorer, &mut classes.iter().filter(|class| class.occurs())),
    })
}

/// What the correlation divides by, squared; `None` where it is nothing.
fn spread(classes: &[ClassCounts]) -> Option<f64> {
    let sum = |of: fn(&ClassCounts) -> f64| classes.iter().map(of).sum::<f64>();
    let n = sum(|c| c.target);
    let spread =
        (n * n - sum(|c| c.predicted * c.predicted)) * (n * n - sum(|c| c.target * c.target));
    // What rounding leaves of nothing is nothing.
    (spread > f64::EPSILON * n.powi(4)).then_some(spread)
}

/// Whether the score divides by nothing.
pub(super) fn falls_back(scorer: Scorer, classes: &[ClassCounts]) -> bool {
    match scorer {
        Scorer::MatthewsCorrcoef => !classes.is_empty() && spread(classes).is_none(),
        Scorer::AveragePrecision => classes.len() == 2 && classes[1].target == 0.0,
        Scorer::F1 | Scorer::Precision | Scorer::Recall | Scorer::Jaccard => {
            classes.get(1).is_some_and(|class| divides_by_nothing(scorer, class))
        }
        // Over the rows of all classes, of which there are some.
        Scorer::F1Micro | Scorer::PrecisionMicro | Scorer::RecallMicro | Scorer::JaccardMicro => {
            false
        }
        _ => classes.iter().any(|class| class.occurs() && divides_by_nothing(scorer, class)),
    }
}

/// The same for the part of a score that one class, label or row gives.
pub(super) fn divides_by_nothing(scorer: Scorer, counts: &ClassCounts) -> bool {
    use Scorer::*;
    let ClassCounts { target, predicted, .. } = counts;
    match scorer {
        Precision | PrecisionMacro | PrecisionWeighted | PrecisionMicro | PrecisionSamples => {
            *predicted == 0.0
        }
        Recall | RecallMacro | RecallWeighted | RecallMicro | RecallSamples => *target == 0.0,
        F1 | F1Macro | F1Weighted | F1Micro | F1Samples => target + predicted == 0.0,
        Jaccard | JaccardMacro | JaccardWeighted | JaccardMicro | JaccardSamples => {
            target + predicted == 0.0
        }
        _ => false,
    }
}

/// The scores that are means over classes or labels, and those of all of them together.
pub(super) fn averaged(
    scorer: Scorer,
    classes: &mut dyn Iterator<Item = &ClassCounts>,
) -> Option<f64> {
    use Scorer::*;
    let score = match scorer {
        F1Macro | F1Weighted | F1Micro => ClassCounts::f1,
        PrecisionMacro | PrecisionWeighted | PrecisionMicro => ClassCounts::precision,
        RecallMacro | RecallWeighted | RecallMicro => ClassCounts::recall,
        JaccardMacro | JaccardWeighted | JaccardMicro => ClassCounts::jaccard,
        _ => return None,
    };
    Some(match scorer {
        F1Macro | PrecisionMacro | RecallMacro | JaccardMacro => {
            weighted_mean(classes.map(|class| (score(class), 1.0)))
        }
        F1Micro | PrecisionMicro | RecallMicro | JaccardMicro => {
            score(&classes.fold(ClassCounts::default(), |sum, class| ClassCounts {
                target: sum.target + class.target,
                predicted: sum.predicted + class.predicted,
                hits: sum.hits + class.hits,
                n_rows: sum.n_rows + class.n_rows,
            }))
        }
        _ => weighted_mean(classes.map(|class| (score(class), class.target))),
    })
}

/// Counts every class, or `None` without rows, with unequal numbers of them, with weights that are
/// none, or with a class beyond `n_classes`.
pub(super) fn count(
    target: &[u32],
    prediction: &[u32],
    n_classes: usize,
    weights: Option<&[f64]>,
) -> Option<Vec<ClassCounts>> {
    if target.is_empty() || target.len() != prediction.len() || !are_weights(weights, target.len())
    {
        return None;
    }
    let mut classes = vec![ClassCounts::default(); n_classes];
    for (row, (&expected, &predicted)) in target.iter().zip(prediction).enumerate() {
        let weight = weight_of(weights, row);
        let class = classes.get_mut(expected as usize)?;
        class.target += weight;
        class.n_rows += 1;
        let class = classes.get_mut(predicted as usize)?;
        class.predicted += weight;
        class.n_rows += 1;
        class.hits += if expected == predicted { weight } else { 0.0 };
    }
    Some(classes)
}

/// The margins of the confusion matrix at one class, and its diagonal, in weights.
///
/// No score here asks for more of the matrix, so the rest is never counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ClassCounts {
    pub(super) target: f64,
    pub(super) predicted: f64,
    pub(super) hits: f64,
    /// Rows that name it, whatever their weight.
    pub(super) n_rows: usize,
}

impl ClassCounts {
    fn occurs(&self) -> bool {
        self.n_rows > 0
    }

    pub(super) fn precision(&self) -> f64 {
        ratio(self.hits, self.predicted)
    }

    pub(super) fn recall(&self) -> f64 {
        ratio(self.hits, self.target)
    }

    pub(super) fn f1(&self) -> f64 {
        ratio(2.0 * self.hits, self.target + self.predicted)
    }

    pub(super) fn jaccard(&self) -> f64 {
        ratio(self.hits, self.target + self.predicted - self.hits)
    }
}
