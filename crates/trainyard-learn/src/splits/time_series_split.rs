//! Splits of rows in the order of time: a model is tested on rows later than all it trained on.
//!
//! This is about places in that order; [`Folds`](super::Folds) knows which rows are there.

use std::ops::Range;

/// The blocks of rows of such splits, as of scikit-learn's `TimeSeriesSplit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Blocks {
    pub(super) n_rows: usize,
    pub(super) n_splits: usize,
    pub(super) n_test: usize,
    pub(super) gap: usize,
    pub(super) max_train: Option<usize>,
}

impl Blocks {
    /// The test rows of a split: the last one ends with the rows, and those before it come directly
    /// before. Empty beyond the last split or where rows do not suffice.
    pub(super) fn test(&self, fold: usize) -> Range<u32> {
        let later = self.n_splits.saturating_sub(fold).saturating_mul(self.n_test);
        match self.n_rows.checked_sub(later) {
            Some(start) if fold < self.n_splits => start as u32..(start + self.n_test) as u32,
            _ => 0..0,
        }
    }

    /// The training rows: all before the gap, or the last of them.
    pub(super) fn train(&self, fold: usize) -> Range<u32> {
        let end = (self.test(fold).start as usize).saturating_sub(self.gap);
        let start = self.max_train.map_or(0, |most| end.saturating_sub(most));
        start as u32..end as u32
    }
}
