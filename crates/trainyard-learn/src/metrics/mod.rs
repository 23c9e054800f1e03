//! Scores of predictions, by scikit-learn's names; of every one more is better.
//!
//! Those of classes are read off one confusion matrix, so asking for several costs little more than
//! asking for one; where scikit-learn warns of a division by zero and counts 0, this counts 0. Those
//! of values are in `values`, those of probabilities in `probabilities`.
//!
//! It is deliberately not about models: it compares what is with what was said.

mod probabilities;
mod values;

use serde::{Deserialize, Serialize};

use crate::losses::TargetKind;

/// A score of which more is better.
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
    /// The mean logarithm of the probability of the true class.
    NegLogLoss,
    /// The share of the target's variance that is explained, the mean error included.
    R2,
    /// The share of the target's variance that is explained, the mean error left out.
    ExplainedVariance,
    /// The mean squared error, negated.
    NegMeanSquaredError,
    /// The root of the mean squared error, negated.
    NegRootMeanSquaredError,
    /// The mean absolute error, negated.
    NegMeanAbsoluteError,
    /// The median absolute error, negated.
    NegMedianAbsoluteError,
    /// The largest absolute error, negated; of one target only.
    NegMaxError,
}

/// What was predicted, and what really is.
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
        /// Rows × classes, where there are any.
        probabilities: Option<&'a [f32]>,
    },
    /// Values, rows × `n_outputs`.
    Values {
        /// What they are.
        target: &'a [f64],
        /// What was predicted.
        prediction: &'a [f64],
        /// Values of a row.
        n_outputs: usize,
    },
}

impl Scorer {
    /// Every scorer.
    pub const ALL: [Self; 17] = [
        Self::Accuracy,
        Self::BalancedAccuracy,
        Self::F1Macro,
        Self::F1Weighted,
        Self::F1Micro,
        Self::PrecisionMacro,
        Self::PrecisionWeighted,
        Self::RecallMacro,
        Self::RecallWeighted,
        Self::NegLogLoss,
        Self::R2,
        Self::ExplainedVariance,
        Self::NegMeanSquaredError,
        Self::NegRootMeanSquaredError,
        Self::NegMeanAbsoluteError,
        Self::NegMedianAbsoluteError,
        Self::NegMaxError,
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
            Self::NegLogLoss => "neg_log_loss",
            Self::R2 => "r2",
            Self::ExplainedVariance => "explained_variance",
            Self::NegMeanSquaredError => "neg_mean_squared_error",
            Self::NegRootMeanSquaredError => "neg_root_mean_squared_error",
            Self::NegMeanAbsoluteError => "neg_mean_absolute_error",
            Self::NegMedianAbsoluteError => "neg_median_absolute_error",
            Self::NegMaxError => "neg_max_error",
        }
    }

    /// Whether it is a score of such a target.
    pub fn fits(self, target: TargetKind) -> bool {
        match target {
            TargetKind::Classes { .. } => self.is_of_classes(),
            TargetKind::Values { n_outputs } => {
                !self.is_of_classes() && (n_outputs == 1 || self != Self::NegMaxError)
            }
        }
    }

    /// Whether it needs the classes' probabilities.
    pub fn needs_probabilities(self) -> bool {
        self == Self::NegLogLoss
    }

    fn is_of_classes(self) -> bool {
        !matches!(
            self,
            Self::R2
                | Self::ExplainedVariance
                | Self::NegMeanSquaredError
                | Self::NegRootMeanSquaredError
                | Self::NegMeanAbsoluteError
                | Self::NegMedianAbsoluteError
                | Self::NegMaxError
        )
    }

    /// `None` for what is no score of the confusion matrix.
    fn of(self, classes: &[ClassCounts]) -> Option<f64> {
        let macro_average = |score: fn(&ClassCounts) -> f64| {
            mean(classes.iter().filter(|class| class.occurs()).map(|class| (score(class), 1.0)))
        };
        let weighted_average = |score: fn(&ClassCounts) -> f64| {
            mean(classes.iter().map(|class| (score(class), class.n_target as f64)))
        };
        Some(match self {
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
            _ => return None,
        })
    }
}

/// The scores, in the order of `scorers`. `None` where one is undefined: without rows, with unequal
/// numbers of rows, with a class beyond `n_classes`, without the probabilities that it needs, or
/// where it is no score of such a target.
pub fn scores(scorers: &[Scorer], judged: &Judged<'_>) -> Vec<Option<f64>> {
    match *judged {
        Judged::Classes { target, prediction, n_classes, probabilities } => {
            let classes = per_class(target, prediction, n_classes);
            let score = |scorer: &Scorer| {
                let classes = classes.as_deref()?;
                if *scorer == Scorer::NegLogLoss {
                    return probabilities::neg_log_loss(target, probabilities?, n_classes);
                }
                scorer.of(classes)
            };
            scorers.iter().map(score).collect()
        }
        Judged::Values { target, prediction, n_outputs } => {
            let fits = |scorer: &&Scorer| scorer.fits(TargetKind::Values { n_outputs });
            let score = |scorer: &Scorer| {
                Some(scorer)
                    .filter(fits)
                    .and_then(|s| values::score(*s, target, prediction, n_outputs))
            };
            scorers.iter().map(score).collect()
        }
    }
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
