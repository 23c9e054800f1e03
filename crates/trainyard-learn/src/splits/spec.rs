//! What a caller asks of a split.

use serde::{Deserialize, Deserializer, Serialize};

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
    /// Splits in the order of time: each trains on rows before those that it tests, as
    /// scikit-learn's `TimeSeriesSplit`.
    TimeSeriesSplit {
        /// The column of moments or numbers that says the order; rows of the same moment stay in
        /// theirs. `null` takes the rows as they come.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(max_length = 1000, default = json!(null)))]
        time: Option<String>,
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
    /// Folds of whole groups with about as many rows each, as scikit-learn's `GroupKFold`.
    GroupKfold {
        /// The column of groups: rows of one group are on one side of every split. It is no feature
        /// unless `features` names it.
        #[cfg_attr(feature = "openapi", schema(max_length = 1000))]
        groups: String,
        /// The number of folds.
        #[serde(default = "default_n_splits")]
        #[cfg_attr(feature = "openapi", schema(minimum = 2, maximum = 10000, default = 5))]
        n_splits: u32,
        /// Whether to deal groups out at random; otherwise the largest ones go first, each to the
        /// smallest fold.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(default = false))]
        shuffle: bool,
        /// The seed of the shuffling; only allowed with `shuffle`.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<i64>, minimum = 0, maximum = 4294967295u32))]
        random_state: Option<u32>,
    },
    /// Folds of whole groups with about the same share of every class, as scikit-learn's
    /// `StratifiedGroupKFold`.
    StratifiedGroupKfold {
        /// The column of groups: rows of one group are on one side of every split. It is no feature
        /// unless `features` names it.
        #[cfg_attr(feature = "openapi", schema(max_length = 1000))]
        groups: String,
        /// The number of folds.
        #[serde(default = "default_n_splits")]
        #[cfg_attr(feature = "openapi", schema(minimum = 2, maximum = 10000, default = 5))]
        n_splits: u32,
        /// Whether to take groups that are spread alike over the classes in random order.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(default = false))]
        shuffle: bool,
        /// The seed of the shuffling; only allowed with `shuffle`.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<i64>, minimum = 0, maximum = 4294967295u32))]
        random_state: Option<u32>,
    },
    /// Random splits of whole groups, independent of each other, as scikit-learn's
    /// `GroupShuffleSplit`.
    GroupShuffleSplit {
        /// The column of groups: rows of one group are on one side of every split. It is no feature
        /// unless `features` names it.
        #[cfg_attr(feature = "openapi", schema(max_length = 1000))]
        groups: String,
        /// The number of splits.
        #[serde(default = "default_n_splits")]
        #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 10000, default = 5))]
        n_splits: u32,
        /// The test groups: a share below 1, or a number of them. `null` takes those that
        /// `train_size` leaves, or else a fifth.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(exclusive_minimum = 0.0, default = json!(null)))]
        test_size: Option<f64>,
        /// The training groups: a share below 1, or a number of them. `null` takes those that are
        /// not tested.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(exclusive_minimum = 0.0, default = json!(null)))]
        train_size: Option<f64>,
        /// The seed of the shufflings.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<i64>, minimum = 0, maximum = 4294967295u32))]
        random_state: Option<u32>,
    },
    /// A split for each group, which tests that group and trains on all others, as scikit-learn's
    /// `LeaveOneGroupOut`.
    LeaveOneGroupOut {
        /// The column of groups: rows of one group are on one side of every split. It is no feature
        /// unless `features` names it.
        #[cfg_attr(feature = "openapi", schema(max_length = 1000))]
        groups: String,
    },
    /// A split for every choice of `n_groups` groups to test, as scikit-learn's `LeavePGroupsOut`.
    LeavePGroupsOut {
        /// The column of groups: rows of one group are on one side of every split. It is no feature
        /// unless `features` names it.
        #[cfg_attr(feature = "openapi", schema(max_length = 1000))]
        groups: String,
        /// How many groups each split tests.
        #[cfg_attr(feature = "openapi", schema(value_type = i64, minimum = 1, maximum = 10000))]
        n_groups: u32,
    },
    /// A split for each row, which tests that row and trains on all others, as scikit-learn's
    /// `LeaveOneOut`.
    LeaveOneOut {},
    /// A split for every choice of `p` rows to test, as scikit-learn's `LeavePOut`.
    LeavePOut {
        /// How many rows each split tests.
        #[cfg_attr(feature = "openapi", schema(value_type = i64, minimum = 1, maximum = 10000))]
        p: u32,
    },
    /// Folds that a column names, as scikit-learn's `PredefinedSplit`.
    Predefined {
        /// The column of whole numbers which say the fold that tests each row; a row of -1 is never
        /// tested. It is no feature unless `features` names it.
        #[cfg_attr(feature = "openapi", schema(max_length = 1000))]
        test_fold: String,
    },
    /// One split, as scikit-learn's `train_test_split`.
    Holdout {
        /// The test rows: a share below 1, or a number of them. `null` takes those that
        /// `train_size` leaves, or else a quarter.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(exclusive_minimum = 0.0, default = json!(null)))]
        test_size: Option<f64>,
        /// The training rows: a share below 1, or a number of them. `null` takes those that are
        /// not tested.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(exclusive_minimum = 0.0, default = json!(null)))]
        train_size: Option<f64>,
        /// Whether both sides have the same share of every class, as with scikit-learn's `stratify=y`;
        /// `null` is `false`.
        #[serde(default, deserialize_with = "or_false")]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<bool>, default = false))]
        stratify: bool,
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

    /// The column of groups, or of test folds, that it cannot do without.
    pub fn group_column(&self) -> Option<&str> {
        match self {
            Self::GroupKfold { groups, .. }
            | Self::StratifiedGroupKfold { groups, .. }
            | Self::GroupShuffleSplit { groups, .. }
            | Self::LeaveOneGroupOut { groups }
            | Self::LeavePGroupsOut { groups, .. } => Some(groups),
            Self::Predefined { test_fold } => Some(test_fold),
            _ => None,
        }
    }

    /// The column whose order the rows are to be taken in, if not as they come.
    pub fn time_column(&self) -> Option<&str> {
        match self {
            Self::TimeSeriesSplit { time, .. } => time.as_deref(),
            _ => None,
        }
    }

    /// Whether it cannot do without classes, because the folds have the same share of each.
    pub fn is_stratified(&self) -> bool {
        matches!(
            self,
            Self::StratifiedKfold { .. }
                | Self::RepeatedStratifiedKfold { .. }
                | Self::StratifiedGroupKfold { .. }
                | Self::StratifiedShuffleSplit { .. }
                | Self::Holdout { stratify: true, .. }
        )
    }

    /// How often all rows are split.
    pub fn n_repeats(&self) -> u32 {
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
            | Self::GroupKfold { shuffle, .. }
            | Self::StratifiedGroupKfold { shuffle, .. }
            | Self::Holdout { shuffle, .. } => shuffle,
            Self::TimeSeriesSplit { .. }
            | Self::LeaveOneGroupOut { .. }
            | Self::LeavePGroupsOut { .. }
            | Self::LeaveOneOut {}
            | Self::LeavePOut { .. }
            | Self::Predefined { .. } => false,
            _ => true,
        }
    }

    pub(super) fn random_state(&self) -> Option<u32> {
        self.clone().random_state_mut().copied().flatten()
    }

    fn random_state_mut(&mut self) -> Option<&mut Option<u32>> {
        match self {
            Self::Kfold { random_state, .. }
            | Self::RepeatedKfold { random_state, .. }
            | Self::StratifiedKfold { random_state, .. }
            | Self::RepeatedStratifiedKfold { random_state, .. }
            | Self::ShuffleSplit { random_state, .. }
            | Self::StratifiedShuffleSplit { random_state, .. }
            | Self::GroupKfold { random_state, .. }
            | Self::StratifiedGroupKfold { random_state, .. }
            | Self::GroupShuffleSplit { random_state, .. }
            | Self::Holdout { random_state, .. } => Some(random_state),
            Self::TimeSeriesSplit { .. }
            | Self::LeaveOneGroupOut { .. }
            | Self::LeavePGroupsOut { .. }
            | Self::LeaveOneOut {}
            | Self::LeavePOut { .. }
            | Self::Predefined { .. } => None,
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

/// As versions that chose by the target have written it.
fn or_false<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(false))
}

fn default_true() -> bool {
    true
}
