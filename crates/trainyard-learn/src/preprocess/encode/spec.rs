//! What a caller asks of an encoding.

use serde::{Deserialize, Serialize};

use super::target::TargetSpec;
use crate::optim::fields::{fields, nested, unlimited};
use crate::problem::Problem;

/// How a category becomes numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EncodeSpec {
    /// A feature for each category that is 1 in its rows, as scikit-learn's `OneHotEncoder`.
    OneHot(OneHotSpec),
    /// The place of the category in their order, from 0, as scikit-learn's `OrdinalEncoder`; −1
    /// for an unseen one.
    Ordinal,
    /// The mean of the target in the category's rows, drawn towards the mean of all, as
    /// scikit-learn's `TargetEncoder`: a feature for each class where there are more than two. A
    /// training row gets the mean of rows of which it is none.
    Target(TargetSpec),
    /// The share of training rows that have the category.
    Frequency,
    /// 1 or −1 in one of some features, which the hash of the category chooses, as scikit-learn's
    /// `FeatureHasher`: no category is unseen, and several may share a feature.
    Hashing(HashingSpec),
}

fields! {
    /// A feature for each category.
    pub struct OneHotSpec {
        /// Which category has no feature; `null` for none.
        pub drop: Option<DropCategory> = None,
    }
}

/// A category without a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DropCategory {
    /// The first.
    First,
    /// The first of two, and none where there are more or fewer.
    IfBinary,
}

fields! {
    /// Categories by their hash.
    pub struct HashingSpec {
        /// The features.
        pub n_features: u32 = 32 [minimum = 1, maximum = 65536],
    }
}

unlimited!(DropCategory);
nested!(EncodeSpec);

impl EncodeSpec {
    /// Everything that is wrong with it, with pointers relative to it.
    pub fn check(&self) -> Vec<Problem> {
        match self {
            Self::OneHot(spec) => spec.check(),
            Self::Target(spec) => spec.check(),
            Self::Hashing(spec) => spec.check(),
            Self::Ordinal | Self::Frequency => Vec::new(),
        }
    }

    /// Every encoder with its defaults, and then the options that change what it computes: what a
    /// test of all encoders runs over.
    pub fn examples() -> Vec<Self> {
        vec![
            Self::OneHot(OneHotSpec::default()),
            Self::Ordinal,
            Self::Target(TargetSpec::default()),
            Self::Frequency,
            Self::Hashing(HashingSpec::default()),
            Self::OneHot(OneHotSpec { drop: Some(DropCategory::First) }),
            Self::OneHot(OneHotSpec { drop: Some(DropCategory::IfBinary) }),
            Self::Target(TargetSpec { smooth: Some(2.5), cv: 3 }),
            Self::Target(TargetSpec { smooth: Some(0.0), cv: 2 }),
            Self::Hashing(HashingSpec { n_features: 5 }),
        ]
    }
}
