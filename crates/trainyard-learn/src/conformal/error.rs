//! Why there is no prediction that holds so often.

/// Why predictions cannot be made sets or intervals.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConformalError {
    /// There is nothing to fit on.
    #[error("there is no row to fit on; give predictions of rows held out of the training")]
    NoRows,
    /// Sets are of classes and intervals of values.
    #[error(
        "sets of classes are made by lac or aps, intervals of values by absolute_residual or \
         normalized_residual, and what was asked for is of the other side"
    )]
    Method,
    /// The probabilities are no rows of that width.
    #[error(
        "{n_values} probabilities are no rows of {n_classes} classes; give one for each of two or \
         more classes"
    )]
    Shape {
        /// How many probabilities there are.
        n_values: usize,
        /// How many a row should have.
        n_classes: usize,
    },
    /// What belongs to the same rows is of different numbers of them.
    #[error("there are {n_rows} predictions and {n_others} targets or scales; give one a row")]
    Rows {
        /// Predictions.
        n_rows: usize,
        /// Targets or scales.
        n_others: usize,
    },
    /// Values that are no probabilities of one row.
    #[error(
        "the values of row {row} are no probabilities; each must be between 0 and 1 and their sum \
         1: calibrate decision values first"
    )]
    Probabilities {
        /// The row, from 0.
        row: usize,
    },
    /// A class that has no probability.
    #[error(
        "row {row} is of class {class}, and there are probabilities of {n_classes} classes only"
    )]
    Class {
        /// The row, from 0.
        row: usize,
        /// Its class, from 0.
        class: u32,
        /// How many classes there are.
        n_classes: usize,
    },
    /// Rows that do not tell how classes are confused.
    #[error("all rows are of one class; sets of classes need rows of at least two")]
    OneClass,
    /// A number that is none, or too large a residual.
    #[error(
        "the prediction, the target or the residual of row {row} is no finite number; look whether \
         the training diverged"
    )]
    Value {
        /// The row, from 0.
        row: usize,
    },
    /// A scale that nothing can be divided by.
    #[error("the scale of row {row} is {scale}; it must be a finite number above 0")]
    Scale {
        /// The row, from 0.
        row: usize,
        /// The scale.
        scale: f64,
    },
    /// A share of misses that is none.
    #[error("alpha is {0}; it must be greater than 0 and less than 1, such as 0.1 for nine of ten")]
    Alpha(f64),
    /// Scores that could not have been fitted.
    #[error("what was read is no fitted conformal predictor; fit it again")]
    Damaged,
}
