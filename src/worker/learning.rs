//! The rows of a learning curve's points.

use trainyard_learn::random::RandomState;
use trainyard_learn::splits::Folds;

use crate::domain::spec::curve::rows_of;

/// The rows that a fold trains on at a size: the first of its training rows, or, with a seed, the
/// first of them as they come when shuffled. scikit-learn shuffles one fold after the other with one
/// generator; so do we, to draw the same.
pub(super) fn rows(folds: &Folds, number: usize, size: f64, seed: Option<u32>) -> Vec<u32> {
    let mut train = folds.get(number).train;
    if let Some(seed) = seed {
        let mut random = RandomState::new(seed);
        for before in 0..number {
            random.shuffle(&mut folds.get(before).train);
        }
        random.shuffle(&mut train);
    }
    let n_train = if number == 0 { train.len() } else { folds.get(0).train.len() };
    train.truncate(rows_of(size, n_train));
    train
}
