//! Datasets made from nothing but a spec: scikit-learn's `make_classification` and three small
//! real datasets.
//!
//! A spec is data (it is what an API request holds), [`GeneratorSpec::check`] says everything that
//! is wrong with it, and [`GeneratorSpec::generate`] gives the features and labels. Parameters have
//! scikit-learn's names, defaults and meanings, and the same `random_state` gives scikit-learn's
//! numbers. Regression and multilabel generators are deliberately absent: there is no model here to
//! train on them.

mod check;
mod make_classification;
mod real;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

pub use check::{
    MAX_CELLS, MAX_CLUSTERS, MAX_FEATURES, MAX_MAGNITUDE, MAX_MULTIPLICATIONS, MAX_SAMPLES,
};

use crate::problem::Problem;
use make_classification::{Parameters, make_classification};

/// Which dataset to make, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum GeneratorSpec {
    /// A random classification problem: clusters of points around the vertices of a hypercube, as
    /// scikit-learn's `make_classification` makes it.
    MakeClassification {
        /// How many rows to make. Together with `n_features` it makes at most 100000000 cells.
        #[serde(default = "default::n_samples")]
        #[cfg_attr(
            feature = "openapi",
            schema(minimum = 1, maximum = 10_000_000, default = default::n_samples)
        )]
        n_samples: usize,

        /// How many feature columns to make. Those that are neither informative nor redundant nor
        /// repeated hold random noise.
        #[serde(default = "default::n_features")]
        #[cfg_attr(
            feature = "openapi",
            schema(minimum = 1, maximum = 10_000, default = default::n_features)
        )]
        n_features: usize,

        /// How many features tell the classes apart. A hypercube of this many dimensions must have
        /// a vertex for every cluster: `n_classes * n_clusters_per_class <= 2 ** n_informative`.
        #[serde(default = "default::n_informative")]
        #[cfg_attr(
            feature = "openapi",
            schema(minimum = 1, maximum = 10_000, default = default::n_informative)
        )]
        n_informative: usize,

        /// How many features are random linear combinations of the informative ones.
        #[serde(default = "default::n_redundant")]
        #[cfg_attr(
            feature = "openapi",
            schema(minimum = 0, maximum = 9_999, default = default::n_redundant)
        )]
        n_redundant: usize,

        /// How many features duplicate an informative or redundant one, drawn with replacement.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 9_999, default = 0))]
        n_repeated: usize,

        /// How many classes there are; the labels are the integers from 0.
        #[serde(default = "default::n_classes")]
        #[cfg_attr(
            feature = "openapi",
            schema(minimum = 1, maximum = 100_000, default = default::n_classes)
        )]
        n_classes: usize,

        /// How many clusters of points each class has.
        #[serde(default = "default::n_clusters_per_class")]
        #[cfg_attr(
            feature = "openapi",
            schema(minimum = 1, maximum = 100_000, default = default::n_clusters_per_class)
        )]
        n_clusters_per_class: usize,

        /// The share of the samples that each class gets, before `flip_y` exchanges labels. With
        /// one weight fewer than there are classes, the last class gets the rest; null means equal
        /// shares. A share is rounded down to whole samples in each cluster, and the samples left
        /// over go to the clusters in turn.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(default = json!(null)))]
        weights: Option<Vec<f64>>,

        /// The share of samples whose label is drawn anew at random, which makes the problem
        /// harder. The new label may be the old one.
        #[serde(default = "default::flip_y")]
        #[cfg_attr(feature = "openapi", schema(minimum = 0.0, maximum = 1.0, default = default::flip_y))]
        flip_y: f64,

        /// Half the side of the hypercube. Larger values spread the classes out and make the
        /// problem easier.
        #[serde(default = "default::class_sep")]
        #[cfg_attr(
            feature = "openapi",
            schema(exclusive_minimum = 0.0, maximum = 1e100, default = default::class_sep)
        )]
        class_sep: f64,

        /// Whether clusters sit on the vertices of a hypercube (true) or of a random polytope
        /// (false).
        #[serde(default = "default::hypercube")]
        #[cfg_attr(feature = "openapi", schema(default = default::hypercube))]
        hypercube: bool,

        /// What is added to every feature: a number, an array with a number for each feature, or
        /// null for random shifts between `-class_sep` and `class_sep`.
        #[serde(default = "default::shift")]
        #[cfg_attr(feature = "openapi", schema(inline, default = json!(0.0)))]
        shift: Option<PerFeature>,

        /// What every feature is multiplied by after the shift: a positive number, an array with a
        /// number for each feature, or null for random scales between 1 and 101.
        #[serde(default = "default::scale")]
        #[cfg_attr(feature = "openapi", schema(inline, default = json!(1.0)))]
        scale: Option<PerFeature>,

        /// Whether to shuffle the rows and the columns. Without it, the rows come cluster by
        /// cluster and the columns in the order informative, redundant, repeated, noise.
        #[serde(default = "default::shuffle")]
        #[cfg_attr(feature = "openapi", schema(default = default::shuffle))]
        shuffle: bool,

        /// The seed. The same spec with the same seed always gives the same dataset.
        #[serde(default)]
        #[cfg_attr(
            feature = "openapi",
            schema(value_type = i64, minimum = 0, maximum = 4_294_967_295_i64, default = 0)
        )]
        random_state: u32,
    },

    /// Fisher's iris flowers: 150 rows, 4 features, 3 classes of 50.
    Iris {},

    /// Chemical analyses of Italian wines: 178 rows, 13 features, 3 classes.
    Wine {},

    /// The Wisconsin diagnostic breast cancer data: 569 rows, 30 features, 2 classes.
    BreastCancer {},
}

/// One number for all features, or a number for each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum PerFeature {
    /// The same number for every feature.
    Same(f64),
    /// A number for each feature; where columns are shuffled, in their order before that.
    Each(Vec<f64>),
}

/// A dataset as a generator makes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Generated {
    /// A name for every column of `x`.
    pub feature_names: Vec<String>,
    /// The name of what `y` says.
    pub target_name: String,
    /// The features, with a row for each sample.
    pub x: Array2<f64>,
    /// The label of each row.
    pub y: Vec<u32>,
    /// The names that the labels index, where the classes have names.
    pub class_names: Option<Vec<String>>,
}

impl GeneratorSpec {
    /// Everything that is wrong with the spec; nothing, if it can be generated.
    pub fn check(&self) -> Vec<Problem> {
        match self.recipe() {
            Recipe::Made(parameters) => check::check(&parameters),
            Recipe::Real(_) => Vec::new(),
        }
    }

    /// Makes the dataset.
    ///
    /// # Errors
    ///
    /// The problems that [`check`](Self::check) finds, before anything large is allocated.
    pub fn generate(&self) -> Result<Generated, Vec<Problem>> {
        match self.recipe() {
            Recipe::Made(parameters) => {
                let problems = check::check(&parameters);
                if problems.is_empty() {
                    Ok(make_classification(&parameters))
                } else {
                    Err(problems)
                }
            }
            Recipe::Real(dataset) => Ok(dataset.load()),
        }
    }

    fn recipe(&self) -> Recipe<'_> {
        match self {
            &Self::MakeClassification {
                n_samples,
                n_features,
                n_informative,
                n_redundant,
                n_repeated,
                n_classes,
                n_clusters_per_class,
                ref weights,
                flip_y,
                class_sep,
                hypercube,
                ref shift,
                ref scale,
                shuffle,
                random_state,
            } => Recipe::Made(Parameters {
                n_samples,
                n_features,
                n_informative,
                n_redundant,
                n_repeated,
                n_classes,
                n_clusters_per_class,
                weights: weights.as_deref(),
                flip_y,
                class_sep,
                hypercube,
                shift: shift.as_ref(),
                scale: scale.as_ref(),
                shuffle,
                random_state,
            }),
            Self::Iris {} => Recipe::Real(&real::IRIS),
            Self::Wine {} => Recipe::Real(&real::WINE),
            Self::BreastCancer {} => Recipe::Real(&real::BREAST_CANCER),
        }
    }
}

/// What a spec comes down to.
enum Recipe<'a> {
    Made(Parameters<'a>),
    Real(&'static real::Dataset),
}

/// scikit-learn's defaults.
mod default {
    use super::PerFeature;

    pub(super) const fn n_samples() -> usize {
        100
    }

    pub(super) const fn n_features() -> usize {
        20
    }

    pub(super) const fn n_informative() -> usize {
        2
    }

    pub(super) const fn n_redundant() -> usize {
        2
    }

    pub(super) const fn n_classes() -> usize {
        2
    }

    pub(super) const fn n_clusters_per_class() -> usize {
        2
    }

    pub(super) const fn flip_y() -> f64 {
        0.01
    }

    pub(super) const fn class_sep() -> f64 {
        1.0
    }

    pub(super) const fn hypercube() -> bool {
        true
    }

    pub(super) const fn shift() -> Option<PerFeature> {
        Some(PerFeature::Same(0.0))
    }

    pub(super) const fn scale() -> Option<PerFeature> {
        Some(PerFeature::Same(1.0))
    }

    pub(super) const fn shuffle() -> bool {
        true
    }
}
