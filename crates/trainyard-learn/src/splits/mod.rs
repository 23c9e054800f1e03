//! Cross-validation: which rows train a model and which test it.
//!
//! The folds are scikit-learn's, row for row. A splitter is a variant of [`SplitSpec`] with a file
//! of its own; it assigns every row to the fold that tests it, once, and [`Folds`] lists the rows
//! of a fold when asked.
//!
//! It is deliberately not about data: all it sees is how many rows there are, and the class of
//! each where there are classes.

mod kfold;
mod stratified_kfold;
mod stratified_shuffle_split;

use serde::{Deserialize, Serialize};

use crate::problem::Problem;
pub use stratified_shuffle_split::{ShuffleSplitError, stratified_shuffle_split};

/// The most folds, over all repeats, that a split may have.
pub const MAX_FOLDS: u32 = 10_000;

/// How to split the rows into folds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}

impl SplitSpec {
    /// This spec with `seed` where it shuffles and names no seed itself.
    #[must_use]
    pub fn with_default_seed(mut self, seed: u32) -> Self {
        match &mut self {
            Self::Kfold { shuffle: false, .. } | Self::StratifiedKfold { shuffle: false, .. } => {}
            Self::Kfold { random_state, .. }
            | Self::RepeatedKfold { random_state, .. }
            | Self::StratifiedKfold { random_state, .. }
            | Self::RepeatedStratifiedKfold { random_state, .. } => {
                random_state.get_or_insert(seed);
            }
        }
        self
    }

    /// Everything that is wrong with this spec by itself, with pointers relative to it.
    ///
    /// A missing seed is not: [`with_default_seed`](Self::with_default_seed) supplies it.
    pub fn check(&self) -> Vec<Problem> {
        let (n_splits, n_repeats) = (self.n_splits(), self.n_repeats());
        let mut problems = Vec::new();
        if n_splits < 2 {
            let detail = format!("n_splits is {n_splits}; it must be at least 2");
            problems.push(Problem::new("/n_splits", detail));
        }
        if n_repeats < 1 {
            let detail = "n_repeats is 0; it must be at least 1";
            problems.push(Problem::new("/n_repeats", detail));
        }
        if self.n_folds() > MAX_FOLDS as usize {
            let detail = format!(
                "{n_splits} folds times {n_repeats} is {}; at most {MAX_FOLDS} are allowed",
                self.n_folds()
            );
            problems.push(Problem::new("/n_splits", detail));
        }
        if let Self::Kfold { shuffle: false, random_state: Some(_), .. }
        | Self::StratifiedKfold { shuffle: false, random_state: Some(_), .. } = self
        {
            let detail = "random_state has no effect without shuffle";
            let way_out = "set shuffle to true or leave random_state out";
            problems.push(Problem::new("/random_state", detail).suggest(way_out));
        }
        problems
    }

    /// Whether the folds have the same share of every class.
    pub fn is_stratified(&self) -> bool {
        matches!(self, Self::StratifiedKfold { .. } | Self::RepeatedStratifiedKfold { .. })
    }

    /// Whether there is a row for every fold.
    pub fn check_rows(&self, n_rows: usize) -> Vec<Problem> {
        let n_splits = self.n_splits() as usize;
        if n_splits <= n_rows {
            return Vec::new();
        }
        let detail = format!("there are {n_rows} rows, fewer than the {n_splits} folds");
        vec![Problem::new("/n_splits", detail).suggest(format!("at most {n_rows}"))]
    }

    /// A lower bound of the rows that a fold trains on: stratified folds differ by a row a class,
    /// of which the largest test fold has one more at the most.
    pub fn smallest_train(&self, n_rows: usize, n_classes: usize) -> usize {
        let largest_test = n_rows.div_ceil(self.n_splits().max(1) as usize);
        let uneven = if self.is_stratified() { n_classes.saturating_sub(1) } else { 0 };
        n_rows.saturating_sub(largest_test + uneven)
    }

    /// Whether every class has a row for every fold; `class_counts` holds labels and rows.
    ///
    /// scikit-learn only warns as long as one class has enough. A fold without a class cannot be
    /// scored on it, so here that is a problem.
    pub fn check_target(&self, class_counts: &[(String, usize)]) -> Vec<Problem> {
        if !self.is_stratified() {
            return Vec::new();
        }
        let n_splits = self.n_splits() as usize;
        let is_short = |&&(_, count): &&(String, usize)| count < n_splits;
        class_counts
            .iter()
            .filter(is_short)
            .map(|(label, count)| {
                let rows = if *count == 1 { "row" } else { "rows" };
                let detail = format!(
                    "class \"{label}\" has {count} {rows}, fewer than the {n_splits} folds"
                );
                let way_out = if *count >= 2 {
                    format!("set n_splits to at most {count}, or add rows of class \"{label}\"")
                } else {
                    format!("add rows of class \"{label}\" or leave the class out")
                };
                Problem::new("/n_splits", detail).suggest(way_out)
            })
            .collect()
    }

    /// The number of folds over all repeats.
    pub fn n_folds(&self) -> usize {
        self.n_splits() as usize * self.n_repeats() as usize
    }

    /// Assigns every row to the folds that test it. `classes` holds the class index of each row;
    /// without, a stratified split takes all rows for one class.
    ///
    /// The spec is expected to have passed [`check`](Self::check); one that shuffles and has no
    /// seed is taken to have the seed 0.
    pub fn assign(&self, n_rows: usize, classes: Option<&[u32]>) -> Folds {
        let seed = match *self {
            Self::Kfold { shuffle: false, .. } | Self::StratifiedKfold { shuffle: false, .. } => {
                None
            }
            Self::Kfold { random_state, .. }
            | Self::RepeatedKfold { random_state, .. }
            | Self::StratifiedKfold { random_state, .. }
            | Self::RepeatedStratifiedKfold { random_state, .. } => Some(random_state.unwrap_or(0)),
        };
        let (n_splits, n_repeats) = (self.n_splits(), self.n_repeats() as usize);
        let test_folds = match classes.filter(|_| self.is_stratified()) {
            Some(classes) => stratified_kfold::test_folds(classes, n_splits, n_repeats, seed),
            None if self.is_stratified() => {
                stratified_kfold::test_folds(&vec![0; n_rows], n_splits, n_repeats, seed)
            }
            None => kfold::test_folds(n_rows, n_splits, n_repeats, seed),
        };
        Folds { n_splits: n_splits as usize, n_rows, test_folds }
    }

    /// The number of folds of each repeat.
    pub fn n_splits(&self) -> u32 {
        match *self {
            Self::Kfold { n_splits, .. }
            | Self::RepeatedKfold { n_splits, .. }
            | Self::StratifiedKfold { n_splits, .. }
            | Self::RepeatedStratifiedKfold { n_splits, .. } => n_splits,
        }
    }

    fn n_repeats(&self) -> u32 {
        match *self {
            Self::Kfold { .. } | Self::StratifiedKfold { .. } => 1,
            Self::RepeatedKfold { n_repeats, .. }
            | Self::RepeatedStratifiedKfold { n_repeats, .. } => n_repeats,
        }
    }
}

/// Every row's test fold, for every repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folds {
    n_splits: usize,
    n_rows: usize,
    /// The test fold of each row, repeat after repeat. Folds are few enough for 16 bits.
    test_folds: Vec<u16>,
}

impl Folds {
    /// The number of folds over all repeats.
    pub fn len(&self) -> usize {
        self.n_splits * self.n_repeats()
    }

    /// Whether there is no fold at all, as over no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows of a fold, where `index` is `repeat * n_splits + fold`.
    ///
    /// Beyond the last fold there are only empty ones.
    pub fn get(&self, index: usize) -> Split {
        let n_splits = self.n_splits.max(1);
        let (repeat, fold) = (index / n_splits, index % n_splits);
        let mut split = Split { repeat, fold, train: Vec::new(), test: Vec::new() };
        let test_folds = self.test_folds.chunks_exact(self.n_rows.max(1)).nth(repeat);
        for (row, &test_fold) in (0..).zip(test_folds.unwrap_or_default()) {
            if usize::from(test_fold) == fold {
                split.test.push(row);
            } else {
                split.train.push(row);
            }
        }
        split
    }

    /// Every fold in turn.
    pub fn iter(&self) -> impl Iterator<Item = Split> {
        (0..self.len()).map(|index| self.get(index))
    }

    fn n_repeats(&self) -> usize {
        self.test_folds.len() / self.n_rows.max(1)
    }
}

/// The rows of one fold, in ascending order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The repeat, counted from 0.
    pub repeat: usize,
    /// The fold in its repeat, counted from 0.
    pub fold: usize,
    /// The rows to train on.
    pub train: Vec<u32>,
    /// The rows to test on.
    pub test: Vec<u32>,
}

fn default_n_splits() -> u32 {
    5
}

fn default_n_repeats() -> u32 {
    10
}
