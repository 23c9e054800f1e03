//! What a caller asks of a split, and the folds that come of it.

use serde::{Deserialize, Serialize};

use super::shuffle_split::{SHUFFLE_SPLIT_TEST_SIZE, shuffle_split, sizes};
use super::time_series_split::Blocks;
use super::{Folds, kfold, stratified_kfold, stratified_shuffle_split};

/// How to split the rows into folds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum SplitSpec {
    /// Folds of consecutive or shuffled rows, as scikit-learn's `KFold`.
    Kfold {
        /// The number of folds.
        #[serde(default = "default_n_splits")]
        #[cfg_attr(feature = "openapi", schema(minimum = 2, maximum = 10000, default = 5))]
        n_splits: u32,
        /// Whether to shuffle the rows first.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(default = false))]
        shuffle: bool,
        /// The seed of the shuffling; only allowed with `shuffle`.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<i64>, minimum = 0, maximum = 4294967295u32))]
        random_state: Option<u32>,
    },
    /// Shuffled folds, several times over, as scikit-learn's `RepeatedKFold`.
    RepeatedKfold {
        /// The number of folds of each repeat.
        #[serde(default = "default_n_splits")]
        #[cfg_attr(feature = "openapi", schema(minimum = 2, maximum = 10000, default = 5))]
        n_splits: u32,
        /// The number of repeats.
        #[serde(default = "default_n_repeats")]
        #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 5000, default = 10))]
        n_repeats: u32,
        /// The seed of the shufflings.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<i64>, minimum = 0, maximum = 4294967295u32))]
        random_state: Option<u32>,
    },
    /// Folds with the same share of every class, as scikit-learn's `StratifiedKFold`.
    StratifiedKfold {
        /// The number of folds.
        #[serde(default = "default_n_splits")]
        #[cfg_attr(feature = "openapi", schema(minimum = 2, maximum = 10000, default = 5))]
        n_splits: u32,
        /// Whether to shuffle the rows of each class first; otherwise folds follow the row order.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(default = false))]
        shuffle: bool,
        /// The seed of the shuffling; only allowed with `shuffle`.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<i64>, minimum = 0, maximum = 4294967295u32))]
        random_state: Option<u32>,
    },
    /// Shuffled stratified folds, several times over with different shufflings, as scikit-learn's
    /// `RepeatedStratifiedKFold`.
    RepeatedStratifiedKfold {
        /// The number of folds of each repeat.
        #[serde(default = "default_n_splits")]
        #[cfg_attr(feature = "openapi", schema(minimum = 2, maximum = 10000, default = 5))]
        n_splits: u32,
        /// The number of repeats.
        #[serde(default = "default_n_repeats")]
        #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 5000, default = 10))]
        n_repeats: u32,
        /// The seed of the shufflings.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<i64>, minimum = 0, maximum = 4294967295u32))]
        random_state: Option<u32>,
    },
    /// Random splits, independent of each other, as scikit-learn's `ShuffleSplit`.
    ShuffleSplit {
        /// The number of splits.
        #[serde(default = "default_n_shuffles")]
        #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 10000, default = 10))]
        n_splits: u32,
        /// The test rows: a share below 1, or a number of them. `null` takes those that
        /// `train_size` leaves, or else a tenth.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(exclusive_minimum = 0.0, default = json!(null)))]
        test_size: Option<f64>,
        /// The training rows: a share below 1, or a number of them. `null` takes those that are
        /// not tested.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(exclusive_minimum = 0.0, default = json!(null)))]
        train_size: Option<f64>,
        /// The seed of the shufflings.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<i64>, minimum = 0, maximum = 4294967295u32))]
        random_state: Option<u32>,
    },
    /// Random splits with the same share of every class, as scikit-learn's
    /// `StratifiedShuffleSplit`.
    StratifiedShuffleSplit {
        /// The number of splits.
        #[serde(default = "default_n_shuffles")]
        #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 10000, default = 10))]
        n_splits: u32,
        /// The test rows: a share below 1, or a number of them. `null` takes those that
        /// `train_size` leaves, or else a tenth.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(exclusive_minimum = 0.0, default = json!(null)))]
        test_size: Option<f64>,
        /// The training rows: a share below 1, or a number of them. `null` takes those that are
        /// not tested.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(exclusive_minimum = 0.0, default = json!(null)))]
        train_size: Option<f64>,
        /// The seed of the shufflings.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<i64>, minimum = 0, maximum = 4294967295u32))]
        random_state: Option<u32>,
    },
    /// Splits in the order of the rows, which is expected to be that of time: each trains on rows
    /// before those that it tests, as scikit-learn's `TimeSeriesSplit`.
    TimeSeriesSplit {
        /// The number of splits.
        #[serde(default = "default_n_splits")]
        #[cfg_attr(feature = "openapi", schema(minimum = 2, maximum = 10000, default = 5))]
        n_splits: u32,
        /// The most rows to train on, the latest ones; `null` takes all.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<i64>, minimum = 1, maximum = 4294967295u32, default = json!(null)))]
        max_train_size: Option<u32>,
        /// The test rows of each split; `null` takes the rows divided by `n_splits + 1`.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<i64>, minimum = 1, maximum = 4294967295u32, default = json!(null)))]
        test_size: Option<u32>,
        /// The rows left out between training and test rows.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = i64, minimum = 0, maximum = 4294967295u32, default = 0))]
        gap: u32,
    },
    /// One split, as scikit-learn's `train_test_split`.
    Holdout {
        /// The test rows: a share below 1, or a number of them.
        #[serde(default = "default_test_size")]
        #[cfg_attr(feature = "openapi", schema(exclusive_minimum = 0.0, default = 0.25))]
        test_size: f64,
        /// Whether both sides have the same share of every class. `null` is for where there are
        /// classes and rows are shuffled.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(default = json!(null)))]
        stratify: Option<bool>,
        /// Whether to shuffle the rows first; otherwise the last ones are tested.
        #[serde(default = "default_true")]
        #[cfg_attr(feature = "openapi", schema(default = true))]
        shuffle: bool,
        /// The seed of the shuffling; only allowed with `shuffle`.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<i64>, minimum = 0, maximum = 4294967295u32))]
        random_state: Option<u32>,
    },
}

impl SplitSpec {
    /// This spec with `seed` where it shuffles and names no seed itself.
    #[must_use]
    pub fn with_default_seed(mut self, seed: u32) -> Self {
        if self.shuffles()
            && let Some(random_state) = self.random_state_mut()
        {
            random_state.get_or_insert(seed);
        }
        self
    }

    /// Divides `n_rows` rows into folds. `classes` holds the class index of each row, and the
    /// indices follow the sorted labels; without, a stratified split takes all rows for one class.
    ///
    /// The spec is expected to have passed [`check`](Self::check) and the checks of the rows and
    /// the target; a split that those refuse may come out empty. One that shuffles and has no seed
    /// is taken to have the seed 0.
    pub fn assign(&self, n_rows: usize, classes: Option<&[u32]>) -> Folds {
        let (n_splits, n_repeats) = (self.n_splits(), self.n_repeats() as usize);
        let seed = self.random_state().unwrap_or(0);
        let shuffle = self.shuffles().then_some(seed);
        let test_folds = match *self {
            Self::Kfold { .. } | Self::RepeatedKfold { .. } => {
                kfold::test_folds(n_rows, n_splits, n_repeats, shuffle)
            }
            Self::StratifiedKfold { .. } | Self::RepeatedStratifiedKfold { .. } => {
                let one_class = vec![0; if classes.is_some() { 0 } else { n_rows }];
                let classes = classes.unwrap_or(&one_class);
                stratified_kfold::test_folds(classes, n_splits, n_repeats, shuffle)
            }
            Self::ShuffleSplit { .. } => {
                let splits = shuffle_split(n_rows, self.sizes(n_rows), n_splits, seed);
                return Folds::listed(n_rows, splits);
            }
            Self::StratifiedShuffleSplit { .. } => {
                let one_class = vec![0; if classes.is_some() { 0 } else { n_rows }];
                let y = classes.unwrap_or(&one_class);
                let sizes = self.sizes(n_rows);
                let splits = stratified_shuffle_split::splits(y, sizes, n_splits, seed);
                return Folds::listed(n_rows, splits.unwrap_or_default());
            }
            Self::TimeSeriesSplit { .. } => return Folds::in_time(self.blocks(n_rows)),
            Self::Holdout { .. } => {
                let (n_train, n_test) = self.sizes(n_rows);
                let split = match (classes.filter(|_| self.holdout_stratifies()), shuffle) {
                    (Some(y), _) => {
                        stratified_shuffle_split::divide(y, n_test, seed).unwrap_or_default()
                    }
                    (None, None) => {
                        let n_train = n_train as u32;
                        ((0..n_train).collect(), (n_train..n_rows as u32).collect())
                    }
                    (None, Some(_)) => {
                        return Folds::listed(
                            n_rows,
                            shuffle_split(n_rows, (n_train, n_test), 1, seed),
                        );
                    }
                };
                return Folds::listed(n_rows, vec![split]);
            }
        };
        Folds::of_test_folds(n_splits as usize, n_rows, test_folds)
    }

    /// Whether it cannot do without classes, because the folds have the same share of each.
    pub fn is_stratified(&self) -> bool {
        matches!(
            self,
            Self::StratifiedKfold { .. }
                | Self::RepeatedStratifiedKfold { .. }
                | Self::StratifiedShuffleSplit { .. }
                | Self::Holdout { stratify: Some(true), .. }
        )
    }

    /// The number of folds over all repeats.
    pub fn n_folds(&self) -> usize {
        self.n_splits() as usize * self.n_repeats() as usize
    }

    /// The number of folds of each repeat.
    pub fn n_splits(&self) -> u32 {
        match *self {
            Self::Kfold { n_splits, .. }
            | Self::RepeatedKfold { n_splits, .. }
            | Self::StratifiedKfold { n_splits, .. }
            | Self::RepeatedStratifiedKfold { n_splits, .. }
            | Self::ShuffleSplit { n_splits, .. }
            | Self::StratifiedShuffleSplit { n_splits, .. }
            | Self::TimeSeriesSplit { n_splits, .. } => n_splits,
            Self::Holdout { .. } => 1,
        }
    }

    /// The least number of rows that a fold trains on, of `n_rows` rows. It depends neither on the
    /// seed nor on the classes: folds differ by one row at most, and the first split in the order of
    /// time trains on the fewest.
    pub fn smallest_train(&self, n_rows: usize) -> usize {
        match self {
            Self::ShuffleSplit { .. }
            | Self::StratifiedShuffleSplit { .. }
            | Self::Holdout { .. } => self.sizes(n_rows).0.min(n_rows),
            Self::TimeSeriesSplit { .. } => self.blocks(n_rows).train(0).len(),
            _ => n_rows - n_rows.div_ceil(self.n_splits().max(1) as usize),
        }
    }

    pub(super) fn n_repeats(&self) -> u32 {
        match *self {
            Self::RepeatedKfold { n_repeats, .. }
            | Self::RepeatedStratifiedKfold { n_repeats, .. } => n_repeats,
            _ => 1,
        }
    }

    pub(super) fn shuffles(&self) -> bool {
        match *self {
            Self::Kfold { shuffle, .. }
            | Self::StratifiedKfold { shuffle, .. }
            | Self::Holdout { shuffle, .. } => shuffle,
            Self::TimeSeriesSplit { .. } => false,
            _ => true,
        }
    }

    /// The blocks of rows of splits in the order of time; other splits have none.
    pub(super) fn blocks(&self, n_rows: usize) -> Blocks {
        let Self::TimeSeriesSplit { n_splits, max_train_size, test_size, gap } = *self else {
            return Blocks { n_rows, n_splits: 0, n_test: 0, gap: 0, max_train: None };
        };
        let n_splits = n_splits as usize;
        let n_test = test_size.map_or(n_rows / (n_splits + 1), |size| size as usize);
        let max_train = max_train_size.map(|size| size as usize);
        Blocks { n_rows, n_splits, n_test, gap: gap as usize, max_train }
    }

    /// The numbers of training and test rows of a split that is not into folds; those have none.
    pub(super) fn sizes(&self, n_rows: usize) -> (usize, usize) {
        match *self {
            Self::ShuffleSplit { test_size, train_size, .. }
            | Self::StratifiedShuffleSplit { test_size, train_size, .. } => {
                sizes(n_rows, train_size, test_size, SHUFFLE_SPLIT_TEST_SIZE)
            }
            Self::Holdout { test_size, .. } => sizes(n_rows, None, Some(test_size), test_size),
            _ => (0, 0),
        }
    }

    /// Whether a hold-out divides classes evenly once there are any.
    pub(super) fn holdout_stratifies(&self) -> bool {
        match *self {
            Self::Holdout { stratify, shuffle, .. } => shuffle && stratify != Some(false),
            _ => false,
        }
    }

    pub(super) fn random_state(&self) -> Option<u32> {
        match *self {
            Self::Kfold { random_state, .. }
            | Self::RepeatedKfold { random_state, .. }
            | Self::StratifiedKfold { random_state, .. }
            | Self::RepeatedStratifiedKfold { random_state, .. }
            | Self::ShuffleSplit { random_state, .. }
            | Self::StratifiedShuffleSplit { random_state, .. }
            | Self::Holdout { random_state, .. } => random_state,
            Self::TimeSeriesSplit { .. } => None,
        }
    }

    fn random_state_mut(&mut self) -> Option<&mut Option<u32>> {
        match self {
            Self::Kfold { random_state, .. }
            | Self::RepeatedKfold { random_state, .. }
            | Self::StratifiedKfold { random_state, .. }
            | Self::RepeatedStratifiedKfold { random_state, .. }
            | Self::ShuffleSplit { random_state, .. }
            | Self::StratifiedShuffleSplit { random_state, .. }
            | Self::Holdout { random_state, .. } => Some(random_state),
            Self::TimeSeriesSplit { .. } => None,
        }
    }
}

fn default_n_splits() -> u32 {
    5
}

fn default_n_repeats() -> u32 {
    10
}

fn default_n_shuffles() -> u32 {
    10
}

fn default_test_size() -> f64 {
    0.25
}

fn default_true() -> bool {
    true
}
