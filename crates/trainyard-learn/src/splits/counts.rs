//! How many folds a split has, and how many rows they train on and test.

use super::leave_out::Choices;
use super::shuffle_split::{
    GROUP_SHUFFLE_SPLIT_TEST_SIZE, HOLDOUT_TEST_SIZE, SHUFFLE_SPLIT_TEST_SIZE, sizes,
};
use super::time_series_split::Blocks;
use super::{SplitSpec, groups};

/// How many rows there are, in all and of each group.
#[derive(Clone, Copy, Debug, Default)]
pub struct RowCounts<'a> {
    /// Rows in all.
    pub n_rows: usize,
    /// Groups, or predefined folds, a row of which there is.
    pub n_groups: usize,
    /// The rows of each group, or predefined fold, in the order of their values, where known.
    pub of_groups: Option<&'a [usize]>,
}

impl RowCounts<'_> {
    /// So many rows and no groups.
    pub fn of_rows(n_rows: usize) -> Self {
        Self { n_rows, ..Self::default() }
    }
}

impl SplitSpec {
    /// The number of folds over all repeats.
    pub fn n_folds(&self, counts: &RowCounts<'_>) -> usize {
        self.n_splits(counts).saturating_mul(self.n_repeats() as usize)
    }

    /// The number of folds of each repeat.
    pub fn n_splits(&self, counts: &RowCounts<'_>) -> usize {
        match *self {
            Self::Kfold { n_splits, .. }
            | Self::RepeatedKfold { n_splits, .. }
            | Self::StratifiedKfold { n_splits, .. }
            | Self::RepeatedStratifiedKfold { n_splits, .. }
            | Self::ShuffleSplit { n_splits, .. }
            | Self::StratifiedShuffleSplit { n_splits, .. }
            | Self::GroupKfold { n_splits, .. }
            | Self::StratifiedGroupKfold { n_splits, .. }
            | Self::GroupShuffleSplit { n_splits, .. }
            | Self::TimeSeriesSplit { n_splits, .. } => n_splits as usize,
            Self::LeaveOneGroupOut { .. } | Self::LeavePGroupsOut { .. } => {
                Choices { n: counts.n_groups, p: self.n_left_out() }.len()
            }
            Self::LeaveOneOut {} | Self::LeavePOut { .. } => {
                Choices { n: counts.n_rows, p: self.n_left_out() }.len()
            }
            Self::Predefined { .. } => counts.n_groups,
            Self::Holdout { .. } => 1,
        }
    }

    /// The least number of rows that a fold trains on. It does not depend on the classes: folds
    /// differ by one row at most, and the first split in the order of time trains on the fewest.
    ///
    /// It is an estimate for a split by groups, as if folds were of equal size, where the rows of the
    /// groups are not known or classes decide where groups go.
    pub fn smallest_train(&self, counts: &RowCounts<'_>) -> usize {
        let n_rows = counts.n_rows;
        let n_splits = self.n_splits(counts).max(1);
        let largest = |n: usize| {
            let mut sizes = counts.of_groups?.to_vec();
            sizes.sort_unstable();
            Some(sizes.iter().rev().take(n).sum())
        };
        let even = |n: usize, of: usize| (n_rows.saturating_mul(n)).div_ceil(of.max(1));
        let n_tested = match self {
            Self::ShuffleSplit { .. }
            | Self::StratifiedShuffleSplit { .. }
            | Self::Holdout { .. } => return self.sizes(n_rows).0.min(n_rows),
            Self::TimeSeriesSplit { .. } => return self.blocks(n_rows).train(0).len(),
            Self::GroupShuffleSplit { .. } => {
                let (n_train, _) = self.sizes(counts.n_groups);
                let Some(of_groups) = counts.of_groups else {
                    return even(n_train, counts.n_groups);
                };
                let mut sizes = of_groups.to_vec();
                sizes.sort_unstable();
                return sizes.iter().take(n_train).sum();
            }
            Self::GroupKfold { .. } if let Some(of_groups) = counts.of_groups => {
                let shuffle = self.shuffles().then_some(self.random_state().unwrap_or(0));
                let folds = groups::folds_of_groups(of_groups, n_splits, shuffle);
                let mut tested = vec![0; n_splits];
                folds.iter().zip(of_groups).for_each(|(fold, n)| tested[usize::from(*fold)] += n);
                tested.into_iter().max().unwrap_or_default()
            }
            Self::LeaveOneGroupOut { .. } | Self::LeavePGroupsOut { .. } => {
                let p = self.n_left_out();
                largest(p).unwrap_or(even(p, counts.n_groups))
            }
            Self::Predefined { .. } => largest(1).unwrap_or(even(1, n_splits)),
            Self::LeaveOneOut {} | Self::LeavePOut { .. } => self.n_left_out(),
            _ => n_rows.div_ceil(n_splits),
        };
        n_rows.saturating_sub(n_tested)
    }

    /// How many groups, or rows, each split leaves out to test.
    pub(super) fn n_left_out(&self) -> usize {
        match *self {
            Self::LeavePGroupsOut { n_groups, .. } => n_groups as usize,
            Self::LeavePOut { p } => p as usize,
            _ => 1,
        }
    }

    /// The blocks of rows of splits in the order of time; other splits have none.
    pub(super) fn blocks(&self, n_rows: usize) -> Blocks {
        let Self::TimeSeriesSplit { n_splits, max_train_size, test_size, gap, .. } = *self else {
            return Blocks { n_rows, n_splits: 0, n_test: 0, gap: 0, max_train: None };
        };
        let n_splits = n_splits as usize;
        let n_test = test_size.map_or(n_rows / (n_splits + 1), |size| size as usize);
        let max_train = max_train_size.map(|size| size as usize);
        Blocks { n_rows, n_splits, n_test, gap: gap as usize, max_train }
    }

    /// The numbers of training and test rows (of training and test groups, where those are drawn)
    /// of a split that is not into folds; those have none.
    pub(super) fn sizes(&self, n: usize) -> (usize, usize) {
        match *self {
            Self::ShuffleSplit { test_size, train_size, .. }
            | Self::StratifiedShuffleSplit { test_size, train_size, .. } => {
                sizes(n, train_size, test_size, SHUFFLE_SPLIT_TEST_SIZE)
            }
            Self::GroupShuffleSplit { test_size, train_size, .. } => {
                sizes(n, train_size, test_size, GROUP_SHUFFLE_SPLIT_TEST_SIZE)
            }
            Self::Holdout { test_size, train_size, .. } => {
                sizes(n, train_size, test_size, HOLDOUT_TEST_SIZE)
            }
            _ => (0, 0),
        }
    }
}
