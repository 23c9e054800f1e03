//! What a caller asks of the preparation: a way for each type of column, and columns that differ.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::columns::ColumnSpec;
use super::datetime::DatetimeSpec;
use super::encode::{EncodeSpec, OneHotSpec, TargetSpec};
use super::impute::{CategoricalImpute, NumericImpute};
use super::polynomial::PolynomialSpec;
use super::scale::ScaleSpec;
use super::text::TextSpec;
use crate::named::Named;
use crate::optim::fields::{fields, unlimited};

/// How columns become features: by their type, unless `columns` says otherwise of one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct PreprocessSpec {
    /// Numbers; booleans as well, as 0 and 1, whose missing ones are the most frequent of both.
    pub numeric: NumericSpec,
    /// Categories.
    pub categorical: CategoricalSpec,
    /// Moments.
    pub datetime: DatetimeSpec,
    /// Prose.
    pub text: TextSpec,
    /// Arrays of numbers.
    pub tensor: TensorSpec,
    /// Products of the numeric and boolean columns, after scaling; `null` for none.
    #[cfg_attr(feature = "openapi", schema(default = json!(null)))]
    pub polynomial: Option<PolynomialSpec>,
    /// Features whose variance over the training rows is not above this are left out, as
    /// scikit-learn's `VarianceThreshold`; `null` keeps all.
    #[cfg_attr(feature = "openapi", schema(minimum = 0.0, default = json!(null)))]
    pub variance_threshold: Option<f64>,
    /// Columns by their names that are not treated as their type is: `"drop"`, `"passthrough"`, or
    /// the options that differ.
    #[cfg_attr(feature = "openapi", schema(default = json!({})))]
    pub columns: BTreeMap<String, ColumnSpec>,
}

impl PreprocessSpec {
    /// This spec with `scale` where it leaves the scale of numbers or moments to the model.
    #[must_use]
    pub fn with_default_scale(mut self, scale: &ScaleSpec) -> Self {
        for place in [&mut self.numeric.scale, &mut self.datetime.scale] {
            place.get_or_insert_with(|| scale.clone().into());
        }
        self
    }

    /// The defaults, and then every option that changes what is found in training rows: what a
    /// test of all preparations runs over.
    pub fn examples() -> Vec<Self> {
        let mut all = vec![Self::default()];
        let mut add = |change: &dyn Fn(&mut Self)| {
            let mut spec = Self::default();
            change(&mut spec);
            all.push(spec);
        };
        for scale in ScaleSpec::examples() {
            add(&|spec| {
                spec.numeric.scale = Some(scale.clone().into());
                spec.datetime.scale = spec.numeric.scale.clone();
                spec.tensor.scale = scale.clone().into();
            });
        }
        for impute in NumericImpute::examples() {
            add(&|spec| {
                spec.numeric.impute = impute.clone().into();
                spec.numeric.indicator = true;
            });
        }
        for encode in EncodeSpec::examples() {
            for impute in CategoricalImpute::examples() {
                add(&|spec| {
                    spec.categorical.encode = encode.clone().into();
                    spec.categorical.impute = impute.clone().into();
                });
            }
            if !matches!(encode, EncodeSpec::Hashing(_)) {
                add(&|spec| {
                    spec.categorical.encode = encode.clone().into();
                    spec.categorical.min_frequency = Some(3.0);
                    spec.categorical.max_categories = Some(4);
                    spec.categorical.unseen = UnseenCategory::Rare;
                });
            }
        }
        for spec in DatetimeSpec::examples() {
            add(&|all| all.datetime = spec.clone());
        }
        for spec in TextSpec::examples() {
            add(&|all| all.text = spec.clone());
        }
        for degree in [2, 3] {
            let interaction_only = degree == 3;
            let polynomial = PolynomialSpec { degree, interaction_only, ..Default::default() };
            add(&|spec| {
                spec.polynomial = Some(polynomial.clone());
                spec.variance_threshold = interaction_only.then_some(0.1);
            });
        }
        add(&|spec| {
            spec.variance_threshold = Some(0.05);
            spec.categorical.encode = EncodeSpec::Target(TargetSpec::default()).into();
        });
        all
    }
}

fields! {
    /// How columns of numbers become features.
    pub struct NumericSpec {
        /// What stands for a missing number; of a boolean column that says nothing else, the most
        /// frequent value.
        pub impute: Named<NumericImpute> = (NumericImpute::Mean.into()),
        /// Whether a column with missing numbers in the training rows gets a second feature, 1
        /// where they are missing.
        pub indicator: bool = false,
        /// How numbers are brought to a scale; `null` leaves it to the model.
        pub scale: Option<Named<ScaleSpec>> = None,
    }
}

fields! {
    /// How categories become features.
    pub struct CategoricalSpec {
        /// What stands for a missing category.
        pub impute: Named<CategoricalImpute> = (CategoricalImpute::MostFrequent.into()),
        /// How a category becomes numbers.
        pub encode: Named<EncodeSpec> = (EncodeSpec::OneHot(OneHotSpec::default()).into()),
        /// Categories with fewer training rows are rare and count as one: a share of the rows
        /// below 1, a number of them from 1 on; `null` for no such bound.
        pub min_frequency: Option<f64> = None [exclusive_minimum = 0.0],
        /// At most so many categories, the rare ones together being one; `null` for no bound.
        pub max_categories: Option<u32> = None [minimum = 1],
        /// What becomes of a category that no training row has.
        pub unseen: UnseenCategory = (UnseenCategory::Ignore),
    }
}

/// What becomes of a category that no training row has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum UnseenCategory {
    /// It is none of those that there are: `one_hot` has zeros only, `ordinal` −1, `target` the mean
    /// of all, `frequency` 0.
    Ignore,
    /// Its row is refused.
    Error,
    /// It is one of the rare ones, if there are any; else it is ignored.
    Rare,
}

fields! {
    /// How arrays become features: one for each of their numbers, the last index fastest.
    pub struct TensorSpec {
        /// How each place of the array is brought to a scale over the training rows.
        pub scale: Named<ScaleSpec> = (ScaleSpec::None.into()),
    }
}

unlimited!(UnseenCategory);
