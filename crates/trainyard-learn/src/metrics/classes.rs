//! Scores of classes.
//!
//! All of them are read off one confusion matrix, so asking for several costs little more than
//! asking for one. Where scikit-learn warns of a division by zero and counts 0, this counts 0.

use super::Scorer;

/// The score, or `None` for what is no score of the confusion matrix.
pub(super) fn score(scorer: Scorer, classes: &[ClassCounts]) -> Option<f64> {
    let macro_average = |score: fn(&ClassCounts) -> f64| {
        mean(classes.iter().filter(|class| class.occurs()).map(|class| (score(class), 1.0)))
    };
    let weighted_average = |score: fn(&ClassCounts) -> f64| {
        mean(classes.iter().map(|class| (score(class), class.n_target as f64)))
    };
    let in_target = classes.iter().filter(|class| class.n_target > 0);
    Some(match scorer {
        // Every row has one class and one prediction, so a wrong one is wrong for two classes
        // and the F1 score of all rows is the share of right ones.
        Scorer::Accuracy | Scorer::F1Micro => ratio(
            classes.iter().map(|class| class.n_hits).sum(),
            classes.iter().map(|class| class.n_target).sum(),
        ),
        Scorer::BalancedAccuracy => mean(in_target.map(|class| (class.recall(), 1.0))),
        Scorer::F1Macro => macro_average(ClassCounts::f1),
        Scorer::F1Weighted => weighted_average(ClassCounts::f1),
        Scorer::PrecisionMacro => macro_average(ClassCounts::precision),
        Scorer::PrecisionWeighted => weighted_average(ClassCounts::precision),
        Scorer::RecallMacro => macro_average(ClassCounts::recall),
        Scorer::RecallWeighted => weighted_average(ClassCounts::recall),
        _ => return None,
    })
}

/// Counts every class, or `None` without rows, with unequal numbers of them, or with a class beyond
/// `n_classes`.
pub(super) fn count(
    target: &[u32],
    prediction: &[u32],
    n_classes: usize,
) -> Option<Vec<ClassCounts>> {
    if target.is_empty() || target.len() != prediction.len() {
        return None;
    }
    let mut classes = vec![ClassCounts::default(); n_classes];
    for (&expected, &predicted) in target.iter().zip(prediction) {
        classes.get_mut(expected as usize)?.n_target += 1;
        let class = classes.get_mut(predicted as usize)?;
        class.n_predicted += 1;
        class.n_hits += usize::from(expected == predicted);
    }
    Some(classes)
}

/// The margins of the confusion matrix at one class, and its diagonal.
///
/// No score here asks for more of the matrix, so the rest is never counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ClassCounts {
    n_target: usize,
    n_predicted: usize,
    n_hits: usize,
}

impl ClassCounts {
    fn occurs(&self) -> bool {
        self.n_target + self.n_predicted > 0
    }

    fn precision(&self) -> f64 {
        ratio(self.n_hits, self.n_predicted)
    }

    fn recall(&self) -> f64 {
        ratio(self.n_hits, self.n_target)
    }

    fn f1(&self) -> f64 {
        ratio(2 * self.n_hits, self.n_target + self.n_predicted)
    }
}

fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 / whole as f64
}

/// The mean of values with weights that are not all zero.
fn mean(values: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (sum, weight) = values
        .fold((0.0, 0.0), |(sum, total), (value, weight)| (sum + value * weight, total + weight));
    sum / weight
}
