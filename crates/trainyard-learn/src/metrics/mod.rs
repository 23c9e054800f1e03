//! Scores of predictions, by scikit-learn's names; of every one more is better.
//!
//! Those of classes are in `classes`, those of their probabilities in `probabilities`, and those of
//! values in `values`.
//!
//! It is deliberately not about models: it compares what is with what was said.

mod classes;
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
    /// The mean logarithm of the probability of the true class, which is kept off 0 and 1.
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
    /// The largest absolute error, negated; of one output only.
    NegMaxError,
    /// The mean of the absolute errors as shares of the target, negated. A target of 0 makes it
    /// very large.
    NegMeanAbsolutePercentageError,
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
    pub const ALL: [Self; 18] = [
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
        Self::NegMeanAbsolutePercentageError,
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
            Self::NegMeanAbsolutePercentageError => "neg_mean_absolute_percentage_error",
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
                | Self::NegMeanAbsolutePercentageError
        )
    }
}

/// The scores, in the order of `scorers`.
///
/// `None` where one is undefined, as it is without rows, with unequal numbers of rows or a class
/// beyond `n_classes`; where it is no score of such a target, or needs probabilities and there are
/// none; and where it is beyond the finite numbers.
pub fn scores(scorers: &[Scorer], judged: &Judged<'_>) -> Vec<Option<f64>> {
    match *judged {
        Judged::Classes { target, prediction, n_classes, probabilities } => {
            let counts = classes::count(target, prediction, n_classes);
            let score = |scorer: &Scorer| match scorer {
                Scorer::NegLogLoss => {
                    probabilities::neg_log_loss(target, probabilities?, n_classes)
                }
                _ => classes::score(*scorer, counts.as_deref()?),
            };
            scorers.iter().map(score).collect()
        }
        Judged::Values { target, prediction, n_outputs } => {
            let outputs = values::outputs(target, prediction, n_outputs);
            let score = |scorer: &Scorer| {
                let outputs = outputs.as_deref()?;
                let fits = scorer.fits(TargetKind::Values { n_outputs });
                if fits { values::score(*scorer, outputs) } else { None }
            };
            scorers.iter().map(score).collect()
        }
    }
}
