//! Folds of equally many rows, whatever is in them.

use crate::random::RandomState;

/// The test fold of each row, repeat after repeat; without a seed, nothing is shuffled.
///
/// All repeats draw from one generator. The first folds have a row more where rows are left over.
pub(super) fn test_folds(
    n_rows: usize,
    n_splits: u32,
    n_repeats: usize,
    seed: Option<u32>,
) -> Vec<u16> {
    let n_splits = n_splits.max(1) as usize;
    let mut random = seed.map(RandomState::new);
    let mut test_folds = vec![0; n_rows * n_repeats];
    for repeat in test_folds.chunks_exact_mut(n_rows.max(1)) {
        let mut order: Vec<u32> = (0..n_rows as u32).collect();
        if let Some(random) = &mut random {
            random.shuffle(&mut order);
        }
        let mut rest = order.as_slice();
        for fold in 0..n_splits {
            let n = n_rows / n_splits + usize::from(fold < n_rows % n_splits);
            let (rows, others) = rest.split_at(n);
            rows.iter().for_each(|row| repeat[*row as usize] = fold as u16);
            rest = others;
        }
    }
    test_folds
}
