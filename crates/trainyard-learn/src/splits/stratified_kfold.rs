//! Folds with the same share of every class.

use crate::random::RandomState;

/// The test fold of each row, repeat after repeat; without a seed, nothing is shuffled.
///
/// All repeats draw from one generator, one class after the other in order of appearance.
pub(super) fn test_folds(
    y: &[u32],
    n_splits: u32,
    n_repeats: usize,
    seed: Option<u32>,
) -> Vec<u16> {
    let classes = rows_by_appearance(y);
    let blocks = fold_blocks(&classes, n_splits);
    let mut random = seed.map(RandomState::new);
    let mut test_folds = vec![0; y.len() * n_repeats];
    for repeat in test_folds.chunks_exact_mut(y.len().max(1)) {
        for (rows, block) in classes.iter().zip(&blocks) {
            let mut folds = block.clone();
            if let Some(random) = &mut random {
                random.shuffle(&mut folds);
            }
            for (&row, &fold) in rows.iter().zip(&folds) {
                repeat[row as usize] = fold;
            }
        }
    }
    test_folds
}

/// The rows of each class, the classes in order of their first rows.
fn rows_by_appearance(y: &[u32]) -> Vec<Vec<u32>> {
    let mut position_of_class = std::collections::HashMap::new();
    let mut classes: Vec<Vec<u32>> = Vec::new();
    for (row, &class) in (0..).zip(y) {
        let position = *position_of_class.entry(class).or_insert(classes.len());
        if position == classes.len() {
            classes.push(Vec::new());
        }
        classes[position].push(row);
    }
    classes
}

/// The folds that test the rows of each class, in ascending blocks.
///
/// Dealing the rows out round robin, sorted by class, says how many rows of a class each fold gets.
fn fold_blocks(classes: &[Vec<u32>], n_splits: u32) -> Vec<Vec<u16>> {
    let mut dealt = 0;
    classes
        .iter()
        .map(|rows| {
            let first = dealt;
            dealt += rows.len();
            let mut folds: Vec<u16> = (first..dealt)
                .map(|position| (position % n_splits.max(1) as usize) as u16)
                .collect();
            folds.sort_unstable();
            folds
        })
        .collect()
}
