//! The rows of every fold.

use std::ops::Range;

use super::leave_out::Choices;
use super::time_series_split::Blocks;

/// Which rows train and which test, for every fold of every repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folds {
    n_splits: usize,
    n_rows: usize,
    dealt: Dealt,
}

/// The rows of one split to train on, and those to test on.
pub(super) type TrainTest = (Vec<u32>, Vec<u32>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Dealt {
    /// The test fold of each row, repeat after repeat; a row trains all other folds. Folds are few
    /// enough for 16 bits.
    TestFolds(Vec<u16>),
    /// The training and test rows of each split.
    Listed(Vec<TrainTest>),
    /// Blocks of rows in the order of time, with that order where rows do not come in it.
    InTime(Blocks, Option<Vec<u32>>),
    /// Choices of rows, or of the groups that rows are in, which are left out to test.
    LeftOut(Choices, Option<Vec<u32>>),
}

impl Folds {
    /// Folds of which every row is tested by one a repeat.
    pub(super) fn of_test_folds(n_splits: usize, n_rows: usize, test_folds: Vec<u16>) -> Self {
        Self { n_splits, n_rows, dealt: Dealt::TestFolds(test_folds) }
    }

    /// Splits of one repeat, each with its training and test rows.
    pub(super) fn listed(n_rows: usize, mut splits: Vec<TrainTest>) -> Self {
        splits.iter_mut().for_each(|(_, test)| test.sort_unstable());
        Self { n_splits: splits.len(), n_rows, dealt: Dealt::Listed(splits) }
    }

    /// Splits of one repeat, in the order of time, which is that of the rows if it is not given.
    pub(super) fn in_time(blocks: Blocks, order: Option<Vec<u32>>) -> Self {
        let (n_splits, n_rows) = (blocks.n_splits, blocks.n_rows);
        Self { n_splits, n_rows, dealt: Dealt::InTime(blocks, order) }
    }

    /// Splits of one repeat that leave out choices of rows, or of the groups of rows if given.
    pub(super) fn left_out(n_rows: usize, choices: Choices, groups: Option<Vec<u32>>) -> Self {
        Self { n_splits: choices.len(), n_rows, dealt: Dealt::LeftOut(choices, groups) }
    }

    /// The number of folds over all repeats.
    pub fn len(&self) -> usize {
        match &self.dealt {
            Dealt::TestFolds(folds) => self.n_splits * (folds.len() / self.n_rows.max(1)),
            Dealt::Listed(splits) => splits.len(),
            Dealt::InTime(..) | Dealt::LeftOut(..) => self.n_splits,
        }
    }

    /// Bytes of memory that they take.
    pub fn n_bytes(&self) -> usize {
        let rows = |rows: &Option<Vec<u32>>| rows.as_ref().map_or(0, |rows| size_of_val(&**rows));
        match &self.dealt {
            Dealt::TestFolds(folds) => size_of_val(&**folds),
            Dealt::Listed(splits) => splits
                .iter()
                .map(|(train, test)| size_of_val(&**train) + size_of_val(&**test))
                .sum(),
            Dealt::InTime(_, order) => rows(order),
            Dealt::LeftOut(_, groups) => rows(groups),
        }
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
        match &self.dealt {
            Dealt::TestFolds(test_folds) => {
                let test_folds = test_folds.chunks_exact(self.n_rows.max(1)).nth(repeat);
                for (row, &test_fold) in (0..).zip(test_folds.unwrap_or_default()) {
                    let tests = usize::from(test_fold) == fold;
                    if tests { &mut split.test } else { &mut split.train }.push(row);
                }
            }
            Dealt::InTime(blocks, order) => {
                let rows = |places: Range<u32>| match order {
                    None => places.collect(),
                    Some(order) => order[places.start as usize..places.end as usize].to_vec(),
                };
                split.train = rows(blocks.train(index));
                split.test = rows(blocks.test(index));
                split.test.sort_unstable();
            }
            Dealt::LeftOut(choices, groups) => {
                let mut is_left_out = vec![false; choices.n];
                choices.get(index).into_iter().for_each(|chosen| is_left_out[chosen] = true);
                for row in 0..self.n_rows as u32 {
                    let of_row = groups.as_ref().map_or(row, |groups| groups[row as usize]);
                    let tests = is_left_out[of_row as usize];
                    if tests { &mut split.test } else { &mut split.train }.push(row);
                }
                if split.test.is_empty() {
                    split.train.clear();
                }
            }
            Dealt::Listed(splits) => {
                if let Some((train, test)) = splits.get(index) {
                    (split.train, split.test) = (train.clone(), test.clone());
                }
            }
        }
        split
    }

    /// Every fold in turn.
    pub fn iter(&self) -> impl Iterator<Item = Split> {
        (0..self.len()).map(|index| self.get(index))
    }
}

/// The rows of one fold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The repeat, counted from 0.
    pub repeat: usize,
    /// The fold in its repeat, counted from 0.
    pub fold: usize,
    /// The rows to train on, in the order in which scikit-learn has them, because training depends
    /// on it: ascending in folds, as they were drawn in splits that shuffle.
    pub train: Vec<u32>,
    /// The rows to test on, ascending.
    pub test: Vec<u32>,
}
