//! Scores of a classification, by scikit-learn's names.
//!
//! All of them are read off one confusion matrix, so asking for several costs little more than
//! asking for one. Where scikit-learn warns of a division by zero and counts 0, this counts 0.
//!
//! It is deliberately not about models: it compares class indices with class indices.

use serde::{Deserialize, Serialize};

/// A score between 0 and 1 of which more is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Scorer {
    /// The share of rows whose class was predicted.
    Accuracy,
    /// The mean recall of the classes in the target.
    BalancedAccuracy,
    /// The mean F1 score of the classes.
    F1Macro,
    /// The mean F1 score of the classes, weighted by their rows in the target.
    F1Weighted,
    /// The F1 score over the rows of all classes together.
    F1Micro,
    /// The mean precision of the classes.
    PrecisionMacro,
    /// The mean precision of the classes, weighted by their rows in the target.
    PrecisionWeighted,
    /// The mean recall of the classes.
    RecallMacro,
    /// The mean recall of the classes, weighted by their rows in the target.
    RecallWeighted,
}

impl Scorer {
    /// Every scorer.
    pub const ALL: [Self; 9] = [
        Self::Accuracy,
        Self::BalancedAccuracy,
        Self::F1Macro,
        Self::F1Weighted,
        Self::F1Micro,
        Self::PrecisionMacro,
        Self::PrecisionWeighted,
        Self::RecallMacro,
        Self::RecallWeighted,
    ];

    /// The name, as scikit-learn and JSON write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::BalancedAccuracy => "balanced_accuracy",
            Self::F1Macro => "f1_macro",
            Self::F1Weighted => "f1_weighted",
            Self::F1Micro => "f1_micro",
            Self::PrecisionMacro => "precision_macro",
            Self::PrecisionWeighted => "precision_weighted",
            Self::RecallMacro => "recall_macro",
            Self::RecallWeighted => "recall_weighted",
        }
    }

    /// The score of a prediction, or `None` where there is none: without rows, with unequal numbers
    /// of rows, or with a class beyond `n_classes`.
    pub fn score(self, target: &[u32], prediction: &[u32], n_classes: usize) -> Option<f64> {
        let classes = per_class(target, prediction, n_classes)?;
        Some(self.of(&classes))
    }

    fn of(self, classes: &[ClassCounts]) -> f64 {
        let macro_average = |score: fn(&ClassCounts) -> f64| {
            mean(classes.iter().filter(|class| class.occurs()).map(|class| (score(class), 1.0)))
        };
        let weighted_average = |score: fn(&ClassCounts) -> f64| {
            mean(classes.iter().map(|class| (score(class), class.n_target as f64)))
        };
        match self {
            // Every row has one class and one prediction, so a wrong one is wrong for two classes
            // and the F1 score of all rows is the share of right ones.
            Self::Accuracy | Self::F1Micro => ratio(
                classes.iter().map(|class| class.n_hits).sum(),
                classes.iter().map(|class| class.n_target).sum(),
            ),
            Self::BalancedAccuracy => mean(
                classes
                    .iter()
                    .filter(|class| class.n_target > 0)
                    .map(|class| (class.recall(), 1.0)),
            ),
            Self::F1Macro => macro_average(ClassCounts::f1),
            Self::F1Weighted => weighted_average(ClassCounts::f1),
            Self::PrecisionMacro => macro_average(ClassCounts::precision),
            Self::PrecisionWeighted => weighted_average(ClassCounts::precision),
            Self::RecallMacro => macro_average(ClassCounts::recall),
            Self::RecallWeighted => weighted_average(ClassCounts::recall),
        }
    }
}

/// The scores of a prediction, in the order of `scorers`; see [`Scorer::score`].
pub fn scores(
    scorers: &[Scorer],
    target: &[u32],
    prediction: &[u32],
    n_classes: usize,
) -> Vec<Option<f64>> {
    let classes = per_class(target, prediction, n_classes);
    scorers.iter().map(|scorer| classes.as_deref().map(|classes| scorer.of(classes))).collect()
}

/// The margins of the confusion matrix at one class, and its diagonal.
///
/// No score here asks for more of the matrix, so the rest is never counted.
#[derive(Clone, Copy, Debug, Default)]
struct ClassCounts {
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

fn per_class(target: &[u32], prediction: &[u32], n_classes: usize) -> Option<Vec<ClassCounts>> {
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
