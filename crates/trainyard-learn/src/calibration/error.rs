//! Why there is no calibration.

use super::scores::LARGEST_SCORE;

/// Why scores cannot be calibrated.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CalibrationError {
    /// There is nothing to fit on.
    #[error("there is no row to calibrate on; give the scores of rows held out of the training")]
    NoRows,
    /// The scores are no rows of that width.
    #[error(
        "{n_values} scores are no rows of {n_columns}; give one score a row of two classes, or one \
         for each class"
    )]
    Shape {
        /// How many scores there are.
        n_values: usize,
        /// How many a row should have.
        n_columns: usize,
    },
    /// Scores and classes are of different rows.
    #[error("there are scores of {n_rows} rows and classes of {n_targets}; give one class a row")]
    Rows {
        /// Rows of scores.
        n_rows: usize,
        /// Classes.
        n_targets: usize,
    },
    /// A score that is no number, or too large a one.
    #[error(
        "row {row} has the score {score}; scores must be numbers up to {LARGEST_SCORE:e} in size: \
         look whether the training diverged"
    )]
    Score {
        /// The row, from 0.
        row: usize,
        /// The score.
        score: f64,
    },
    /// Values that are no probabilities of one row.
    #[error(
        "the values of row {row} are no probabilities; each must be between 0 and 1 and their sum \
         1: if they are decision values, say so"
    )]
    Probabilities {
        /// The row, from 0.
        row: usize,
    },
    /// Weights that are none.
    #[error(
        "the weights must be one a row, finite and not below 0, with a finite sum above 0; leave \
         them out to count every row the same"
    )]
    Weights,
    /// A class that is none of the scores'.
    #[error("row {row} is of class {class}, and there are scores of {n_classes} classes only")]
    Class {
        /// The row, from 0.
        row: usize,
        /// Its class, from 0.
        class: u32,
        /// How many classes there are.
        n_classes: usize,
    },
    /// A class of which nothing can be learnt.
    #[error(
        "no row that counts is of class {class}, so its probability cannot be calibrated; add rows \
         of it, or leave out the class or the calibration"
    )]
    MissingClass {
        /// The class, from 0.
        class: u32,
    },
    /// A calibrator that could not have been fitted.
    #[error("what was read is no fitted calibrator; fit it again")]
    Damaged,
}
