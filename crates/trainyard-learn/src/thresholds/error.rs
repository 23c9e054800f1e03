//! Why there is no threshold.

/// Why no threshold can be chosen.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ThresholdError {
    /// There is nothing to choose by.
    #[error(
        "there is no row to choose a threshold by; give the scores of rows held out of training"
    )]
    NoRows,
    /// Scores and classes are of different rows.
    #[error("there are {n_scores} scores and classes of {n_targets} rows; give one of each a row")]
    Rows {
        /// Scores.
        n_scores: usize,
        /// Classes.
        n_targets: usize,
    },
    /// A score that is no number.
    #[error(
        "row {row} has the score {score}, which is no number; look whether the training diverged"
    )]
    Score {
        /// The row, from 0.
        row: usize,
        /// The score.
        score: f64,
    },
    /// The threshold to compare with is no number.
    #[error("the default threshold is {0}; it must be a number, such as 0.5 of probabilities")]
    Default(f64),
    /// Weights that are none.
    #[error(
        "the weights must be one a row, finite and not below 0, with a finite sum above 0; leave \
         them out to count every row the same"
    )]
    Weights,
    /// No threshold is better than another for rows of one class.
    #[error("all rows that count are of one class; a threshold needs rows of both")]
    OneClass,
    /// A share that is none.
    #[error("the least recall or precision is {0}; it must be between 0 and 1")]
    Share(f64),
    /// A cost that is no number.
    #[error("every cost must be a finite number")]
    Cost,
    /// No threshold has the precision that is demanded.
    #[error(
        "no threshold has the precision that is demanded, the highest is {highest}; ask for less, or \
         for a better model"
    )]
    Unreachable {
        /// The highest precision of all thresholds.
        highest: f64,
    },
}
