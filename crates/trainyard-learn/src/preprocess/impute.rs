//! What stands where a value is missing.

use serde::{Deserialize, Serialize};

use super::quantiles::{mean, mode, quantile, sorted_present};
use crate::optim::fields::{nested, unlimited};
use crate::problem::Problem;

/// What stands for a missing number, as scikit-learn's `SimpleImputer`. Where the training rows
/// have no number at all, it is 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum NumericImpute {
    /// The mean of the training rows.
    Mean,
    /// Their median.
    Median,
    /// Their most frequent number, the smallest of several.
    MostFrequent,
    /// A number.
    Constant {
        /// That number.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(default = 0.0))]
        value: f64,
    },
    /// Nothing: a missing number stays missing.
    None,
}

impl NumericImpute {
    /// Everything that is wrong with it, with pointers relative to it.
    pub fn check(&self) -> Vec<Problem> {
        match self {
            Self::Constant { value } if !value.is_finite() => {
                vec![Problem::new("/value", format!("value is {value}; it must be finite"))]
            }
            _ => Vec::new(),
        }
    }

    /// Every imputer of numbers.
    pub fn examples() -> Vec<Self> {
        let constant = Self::Constant { value: -1.5 };
        vec![Self::Mean, Self::Median, Self::MostFrequent, constant, Self::None]
    }

    /// The number that stands for a missing one.
    pub(super) fn fit(&self, values: &[f64]) -> Option<f64> {
        match self {
            Self::Mean => Some(mean(values)),
            Self::Median => Some(quantile(&sorted_present(values), 0.5)),
            Self::MostFrequent => Some(mode(&sorted_present(values)).unwrap_or(0.0)),
            Self::Constant { value } => Some(*value),
            Self::None => None,
        }
    }
}

/// What stands for a missing category.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum CategoricalImpute {
    /// The most frequent category of the training rows, the first in order of several.
    MostFrequent,
    /// A category.
    Constant {
        /// That category.
        #[serde(default = "missing")]
        #[cfg_attr(feature = "openapi", schema(default = "missing"))]
        value: String,
    },
    /// Nothing: to be missing is a category of its own, except that `ordinal` leaves a missing
    /// number.
    None,
}

impl CategoricalImpute {
    /// Every imputer of categories.
    pub fn examples() -> Vec<Self> {
        vec![Self::MostFrequent, Self::Constant { value: missing() }, Self::None]
    }
}

fn missing() -> String {
    "missing".to_owned()
}

/// What stands for a missing moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DatetimeImpute {
    /// The median moment of the training rows, the earlier of two; 1970 without any.
    Median,
    /// Their most frequent moment, the earliest of several.
    MostFrequent,
    /// Nothing: its parts stay missing.
    None,
}

nested!(NumericImpute);
unlimited!(CategoricalImpute, DatetimeImpute);
