//! What was met on the way: in training rows that cannot be learnt from, and in rows to prepare.

use super::{MAX_FEATURES, shown};
use crate::problem::Problem;

/// Why training rows cannot be prepared.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FitProblem {
    /// There is no training row.
    #[error("there is no row to prepare by")]
    NoRows,
    /// Numbers whose spread is beyond the finite numbers.
    #[error("the numbers of column {} are too large to be scaled", shown(column))]
    TooLarge {
        /// The column.
        column: String,
    },
    /// Box and Cox's powers are of positive numbers.
    #[error("column {} has {value}, and box-cox takes positive numbers only", shown(column))]
    NotPositive {
        /// The column.
        column: String,
        /// A number that is not positive.
        value: f64,
    },
    /// Encoding by a target without one.
    #[error("column {} is to be encoded by a target, and there is none", shown(column))]
    NeedsTarget {
        /// The column.
        column: String,
    },
    /// No feature is left.
    #[error("no feature is left of the columns")]
    NoFeatures,
    /// More features than [`MAX_FEATURES`].
    #[error("the columns become {n_features} features, more than the {MAX_FEATURES} allowed")]
    TooManyFeatures {
        /// How many there would be.
        n_features: usize,
    },
}

impl FitProblem {
    /// The same as a problem of the spec, with a pointer relative to it and a way out.
    pub fn problem(&self) -> Problem {
        let (pointer, way_out) = match self {
            Self::NoRows => return Problem::new("", self.to_string()),
            Self::TooLarge { column } => {
                (of_column(column), "divide the numbers, or set its scale to \"quantile\"")
            }
            Self::NotPositive { column, .. } => {
                (of_column(column), "set its scale to {\"type\": \"power\"}, which is yeo-johnson")
            }
            Self::NeedsTarget { column } => (of_column(column), "take another encoding"),
            Self::NoFeatures => {
                ("/variance_threshold".to_owned(), "lower it, or keep other columns")
            }
            Self::TooManyFeatures { .. } => {
                ("/categorical".to_owned(), "set max_categories, or take another encoding")
            }
        };
        Problem::new(pointer, self.to_string()).suggest(way_out)
    }
}

fn of_column(name: &str) -> String {
    format!("/columns/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// What training rows turned out to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FitReport {
    /// Columns without a value in any training row: what stands for theirs is 0, and a column of
    /// categories has none.
    pub all_missing: Vec<String>,
    /// Columns of which no feature came.
    pub without_features: Vec<String>,
}

/// What was met in rows that has no proper number in the matrix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Categories that no training row has.
    pub unseen: Vec<Unseen>,
    /// Missing values of columns that impute none; NaN in the matrix, or an unseen category.
    pub missing: Vec<Rows>,
    /// Numbers that came out infinite, or as NaN where a power has no value.
    pub not_finite: Vec<Rows>,
}

impl Report {
    /// Whether everything has its proper number.
    pub fn is_empty(&self) -> bool {
        self.unseen.is_empty() && self.missing.is_empty() && self.not_finite.is_empty()
    }

    /// Adds what was met in rows after these.
    pub fn absorb(&mut self, later: Self) {
        let rows = |all: &mut Vec<Rows>, later: Vec<Rows>| {
            for more in later {
                match all.iter_mut().find(|known| known.column == more.column) {
                    Some(known) => known.count += more.count,
                    None => all.push(more),
                }
            }
        };
        rows(&mut self.missing, later.missing);
        rows(&mut self.not_finite, later.not_finite);
        for more in later.unseen {
            match self.unseen.iter_mut().find(|known| known.column == more.column) {
                Some(known) => known.count += more.count,
                None => self.unseen.push(more),
            }
        }
    }

    /// The unseen categories that the spec refuses.
    pub fn refused(&self) -> impl Iterator<Item = &Unseen> {
        self.unseen.iter().filter(|unseen| unseen.is_refused)
    }
}

/// Rows of one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    /// The column.
    pub column: String,
    /// How many rows.
    pub count: usize,
    /// The first of them, by its place in the table.
    pub first_row: u32,
}

/// Rows of one column whose category no training row has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unseen {
    /// The column.
    pub column: String,
    /// How many rows.
    pub count: usize,
    /// The first of them, by its place in the table.
    pub first_row: u32,
    /// The category of that row.
    pub first_value: String,
    /// Whether the spec has such rows refused.
    pub is_refused: bool,
}
