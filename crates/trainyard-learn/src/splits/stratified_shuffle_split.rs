//! Random splits into training and test rows with the same share of every class.

use std::collections::BTreeMap;

use super::folds::TrainTest;
use crate::random::RandomState;

/// Splits the rows as the first split of scikit-learn's `StratifiedShuffleSplit`.
///
/// `y` holds the class index of each row, and the indices follow the sorted labels. Returns the
/// training rows and the test rows, which are `test_size` of all rounded up, both in the random
/// order that scikit-learn gives them.
///
/// # Errors
/// When `test_size` is no share, or a class or a side has too few rows.
pub fn stratified_shuffle_split(
    y: &[u32],
    test_size: f64,
    random_state: u32,
) -> Result<(Vec<u32>, Vec<u32>), ShuffleSplitError> {
    if !(test_size > 0.0 && test_size < 1.0) {
        return Err(ShuffleSplitError::TestSize(test_size));
    }
    let n_test = ((test_size * y.len() as f64).ceil() as usize).min(y.len());
    let n_train = y.len().saturating_sub(n_test);
    let splits = splits(y, (n_train, n_test), 1, random_state)?;
    Ok(splits.into_iter().next().unwrap_or_default())
}

/// The training and the test rows of each of `n_splits` splits, drawn from one generator.
pub(super) fn splits(
    y: &[u32],
    (n_train, n_test): (usize, usize),
    n_splits: u32,
    seed: u32,
) -> Result<Vec<TrainTest>, ShuffleSplitError> {
    let classes = rows_by_class(y);
    for (&class, rows) in &classes {
        if rows.len() < 2 {
            return Err(ShuffleSplitError::ClassTooSmall { class });
        }
    }
    // Without rows there is no class either, and still nothing to split.
    let n_classes = classes.len().max(1);
    if n_train < n_classes || n_test < n_classes {
        return Err(ShuffleSplitError::TooFewRows { n_train, n_test, n_classes });
    }

    let mut random = RandomState::new(seed);
    Ok((0..n_splits).map(|_| draw(&classes, (n_train, n_test), &mut random)).collect())
}

/// One split.
fn draw(
    classes: &BTreeMap<u32, Vec<u32>>,
    (n_train, n_test): (usize, usize),
    random: &mut RandomState,
) -> TrainTest {
    let counts: Vec<usize> = classes.values().map(Vec::len).collect();
    let train_counts = approximate_mode(&counts, n_train, random);
    let remaining: Vec<usize> = counts
        .iter()
        .zip(&train_counts)
        .map(|(&count, &taken)| count.saturating_sub(taken))
        .collect();
    let test_counts = approximate_mode(&remaining, n_test, random);
    let mut train = Vec::with_capacity(n_train);
    let mut test = Vec::with_capacity(n_test);
    for ((rows, n_train), n_test) in classes.values().zip(train_counts).zip(test_counts) {
        let mut shuffled =
            random.permutation(rows.len()).into_iter().map(|position| rows[position]);
        train.extend(shuffled.by_ref().take(n_train));
        test.extend(shuffled.take(n_test));
    }
    random.shuffle(&mut train);
    random.shuffle(&mut test);
    (train, test)
}

/// Why rows cannot be split.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ShuffleSplitError {
    /// The share is no share.
    #[error("the test size is {0}; it must be greater than 0 and less than 1")]
    TestSize(f64),
    /// A class cannot be on both sides.
    #[error("class {class} has only 1 row, and both sides need one")]
    ClassTooSmall {
        /// The index of the class.
        class: u32,
    },
    /// A side is too small to hold a row of every class.
    #[error(
        "{n_train} training rows and {n_test} held-out rows cannot each hold a row of all \
         {n_classes} classes"
    )]
    TooFewRows {
        /// The number of training rows.
        n_train: usize,
        /// The number of test rows.
        n_test: usize,
        /// The number of classes.
        n_classes: usize,
    },
}

fn rows_by_class(y: &[u32]) -> BTreeMap<u32, Vec<u32>> {
    let mut classes = BTreeMap::<u32, Vec<u32>>::new();
    for (row, &class) in (0..).zip(y) {
        classes.entry(class).or_default().push(row);
    }
    classes
}

/// How many of `n_draws` rows each class gets: its share rounded down, and the rows left over go
/// to the largest remainders. Equal remainders draw lots.
fn approximate_mode(counts: &[usize], n_draws: usize, random: &mut RandomState) -> Vec<usize> {
    let total = counts.iter().sum::<usize>() as f64;
    let shares: Vec<f64> =
        counts.iter().map(|&count| count as f64 / total * n_draws as f64).collect();
    let mut drawn: Vec<usize> = shares.iter().map(|share| share.floor() as usize).collect();
    let mut left_over = n_draws.saturating_sub(drawn.iter().sum());
    let remainders: Vec<f64> = shares.iter().map(|share| share - share.floor()).collect();
    let mut distinct = remainders.clone();
    distinct.sort_unstable_by(|a, b| b.total_cmp(a));
    distinct.dedup();
    for remainder in distinct {
        if left_over == 0 {
            break;
        }
        let tied: Vec<usize> =
            (0..counts.len()).filter(|&class| remainders[class] == remainder).collect();
        let n_lucky = tied.len().min(left_over);
        for &winner in random.permutation(tied.len()).iter().take(n_lucky) {
            drawn[tied[winner]] += 1;
        }
        left_over -= n_lucky;
    }
    drawn
}
