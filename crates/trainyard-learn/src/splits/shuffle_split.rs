//! Random splits into training and test rows, and how many rows each side gets.

use super::folds::TrainTest;
use crate::random::RandomState;

/// The share of the test rows where a split names no size.
pub(super) const SHUFFLE_SPLIT_TEST_SIZE: f64 = 0.1;

/// The same of splits of groups.
pub(super) const GROUP_SHUFFLE_SPLIT_TEST_SIZE: f64 = 0.2;

/// The same of a single split.
pub(super) const HOLDOUT_TEST_SIZE: f64 = 0.25;

/// The training and the test rows of each of `n_splits` splits, drawn from one generator, in the
/// order of the draw: the test rows come first.
pub(super) fn shuffle_split(
    n_rows: usize,
    (n_train, n_test): (usize, usize),
    n_splits: u32,
    seed: u32,
) -> Vec<TrainTest> {
    let mut random = RandomState::new(seed);
    let mut rows: Vec<u32> = Vec::new();
    (0..n_splits)
        .map(|_| {
            rows.clear();
            rows.extend(0..n_rows as u32);
            random.shuffle(&mut rows);
            let (test, rest) = rows.split_at(n_test.min(n_rows));
            (rest[..n_train.min(rest.len())].to_vec(), test.to_vec())
        })
        .collect()
}

/// The numbers of training and test rows. A size below 1 is a share, of which a test set is rounded
/// up and a training set down; from 1 on it is a number of rows. A side without a size gets the
/// rows that the other leaves, and without any the test set gets the share `default`.
pub(super) fn sizes(
    n_rows: usize,
    train_size: Option<f64>,
    test_size: Option<f64>,
    default: f64,
) -> (usize, usize) {
    let n_train = |size| of(size, n_rows, f64::floor);
    let n_test = |size| of(size, n_rows, f64::ceil);
    match (train_size, test_size) {
        (Some(train), Some(test)) => (n_train(train), n_test(test)),
        (Some(train), None) => (n_train(train), n_rows.saturating_sub(n_train(train))),
        (None, test) => {
            let n_test = n_test(test.unwrap_or(default));
            (n_rows.saturating_sub(n_test), n_test)
        }
    }
}

fn of(size: f64, n_rows: usize, round: fn(f64) -> f64) -> usize {
    if size < 1.0 { round(size * n_rows as f64) as usize } else { size as usize }
}
