//! From a spec and what is known of the rows to the folds.

use super::leave_out::Choices;
use super::shuffle_split::shuffle_split;
use super::{
    Folds, RowCounts, SplitSpec, groups, kfold, stratified_kfold, stratified_shuffle_split,
};

/// What is known of the rows to split.
#[derive(Clone, Copy, Debug, Default)]
pub struct SplitRows<'a> {
    /// How many there are.
    pub n_rows: usize,
    /// The class index of each row, where there are classes; the indices follow the sorted labels.
    pub classes: Option<&'a [u32]>,
    /// The index of each row's group, or of the fold that tests it, counted from 0 and in the order
    /// of the groups' values; [`NEVER_TESTED`] for a row that no predefined fold tests.
    pub groups: Option<&'a [u32]>,
    /// The rows in the order of time, if not as they come.
    pub order: Option<&'a [u32]>,
}

/// In place of the fold that tests a row.
pub const NEVER_TESTED: u32 = u32::MAX;

impl<'a> SplitRows<'a> {
    /// So many rows, with their classes if there are any.
    pub fn new(n_rows: usize, classes: Option<&'a [u32]>) -> Self {
        Self { n_rows, classes, ..Self::default() }
    }
}

impl SplitSpec {
    /// Divides rows into folds.
    ///
    /// The spec is expected to have passed [`check`](Self::check) and the checks of the rows, the
    /// groups and the target; a split that those refuse may come out empty. One that shuffles and
    /// has no seed is taken to have the seed 0. Without classes a stratified split takes all rows
    /// for one class, and without groups one by groups takes each row for a group.
    pub fn assign(&self, rows: &SplitRows<'_>) -> Folds {
        let n_rows = rows.n_rows;
        let one_class = vec![0; if rows.classes.is_some() { 0 } else { n_rows }];
        let classes = rows.classes.unwrap_or(&one_class);
        let each_row: Vec<u32>;
        let of_rows = match rows.groups {
            Some(groups) => groups,
            None if self.group_column().is_some() => {
                each_row = (0..n_rows as u32).collect();
                &each_row
            }
            None => &[],
        };
        let sizes_of_groups = groups::sizes(of_rows);
        let counts = RowCounts {
            n_rows,
            n_groups: sizes_of_groups.len(),
            of_groups: Some(&sizes_of_groups),
        };
        let (n_splits, n_repeats) = (self.n_splits(&counts), self.n_repeats() as usize);
        let seed = self.random_state().unwrap_or(0);
        let shuffle = self.shuffles().then_some(seed);
        let into_folds = |test_folds| Folds::of_test_folds(n_splits, n_rows, test_folds);
        let few = n_splits as u32;
        match self {
            Self::Kfold { .. } | Self::RepeatedKfold { .. } => {
                into_folds(kfold::test_folds(n_rows, few, n_repeats, shuffle))
            }
            Self::StratifiedKfold { .. } | Self::RepeatedStratifiedKfold { .. } => {
                into_folds(stratified_kfold::test_folds(classes, few, n_repeats, shuffle))
            }
            Self::GroupKfold { .. } => {
                let folds = groups::folds_of_groups(&sizes_of_groups, n_splits, shuffle);
                into_folds(groups::of_rows(of_rows, &folds))
            }
            Self::StratifiedGroupKfold { .. } => {
                let folds = groups::stratified(of_rows, classes, n_splits, shuffle);
                into_folds(groups::of_rows(of_rows, &folds))
            }
            Self::Predefined { .. } => {
                let folds: Vec<u16> = (0..n_splits as u16).collect();
                into_folds(groups::of_rows(of_rows, &folds))
            }
            Self::GroupShuffleSplit { .. } => {
                let n_groups = sizes_of_groups.len();
                let splits = shuffle_split(n_groups, self.sizes(n_groups), few, seed);
                Folds::listed(n_rows, groups::rows_of(of_rows, n_groups, &splits))
            }
            Self::LeaveOneGroupOut { .. } | Self::LeavePGroupsOut { .. } => {
                let choices = Choices { n: sizes_of_groups.len(), p: self.n_left_out() };
                Folds::left_out(n_rows, choices, Some(of_rows.to_vec()))
            }
            Self::LeaveOneOut {} | Self::LeavePOut { .. } => {
                let choices = Choices { n: n_rows, p: self.n_left_out() };
                Folds::left_out(n_rows, choices, None)
            }
            Self::ShuffleSplit { .. } => {
                Folds::listed(n_rows, shuffle_split(n_rows, self.sizes(n_rows), few, seed))
            }
            Self::StratifiedShuffleSplit { .. } => {
                let sizes = self.sizes(n_rows);
                let splits = stratified_shuffle_split::splits(classes, sizes, few, seed);
                Folds::listed(n_rows, splits.unwrap_or_default())
            }
            Self::TimeSeriesSplit { .. } => {
                Folds::in_time(self.blocks(n_rows), rows.order.map(<[u32]>::to_vec))
            }
            Self::Holdout { .. } => self.hold_out(rows, seed),
        }
    }

    fn hold_out(&self, rows: &SplitRows<'_>, seed: u32) -> Folds {
        let n_rows = rows.n_rows;
        let (n_train, n_test) = self.sizes(n_rows);
        let sizes = (n_train, n_test);
        let splits = match rows.classes.filter(|_| self.is_stratified()) {
            Some(y) => stratified_shuffle_split::splits(y, sizes, 1, seed).unwrap_or_default(),
            None if self.shuffles() => shuffle_split(n_rows, sizes, 1, seed),
            None => {
                let (n_train, n_both) = (n_train as u32, (n_train + n_test).min(n_rows) as u32);
                vec![((0..n_train).collect(), (n_train..n_both).collect())]
            }
        };
        Folds::listed(n_rows, splits)
    }
}
