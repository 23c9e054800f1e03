//! Splits that keep the rows of a group together.

use super::deal::NEVER_TESTED;
use super::folds::TrainTest;
use crate::random::RandomState;

/// The rows of each group; rows that are never tested are in none.
pub(super) fn sizes(of_rows: &[u32]) -> Vec<usize> {
    let groups = || of_rows.iter().filter(|group| **group != NEVER_TESTED);
    let mut sizes = vec![0; groups().max().map_or(0, |last| *last as usize + 1)];
    groups().for_each(|group| sizes[*group as usize] += 1);
    sizes
}

/// The test fold of each row, given that of each group. A row in no group has one that is beyond all
/// folds.
pub(super) fn of_rows(of_rows: &[u32], folds: &[u16]) -> Vec<u16> {
    of_rows.iter().map(|group| folds.get(*group as usize).copied().unwrap_or(u16::MAX)).collect()
}

/// The rows of each split of groups, ascending.
pub(super) fn rows_of(of_rows: &[u32], n_groups: usize, splits: &[TrainTest]) -> Vec<TrainTest> {
    let rows = |chosen: &[u32]| {
        let mut is_chosen = vec![false; n_groups];
        chosen.iter().for_each(|group| is_chosen[*group as usize] = true);
        (0..)
            .zip(of_rows)
            .filter(|(_, group)| is_chosen[**group as usize])
            .map(|(row, _)| row)
            .collect()
    };
    splits.iter().map(|(train, test)| (rows(train), rows(test))).collect()
}

/// The test fold of each group, as of scikit-learn's `GroupKFold`. With a seed, groups are shuffled
/// and dealt out in blocks of equally many; without, each goes to the fold with the fewest rows so
/// far, the largest first and of equally large ones the last.
pub(super) fn folds_of_groups(sizes: &[usize], n_splits: usize, seed: Option<u32>) -> Vec<u16> {
    let n_groups = sizes.len();
    let n_splits = n_splits.max(1);
    let mut folds = vec![0; n_groups];
    if let Some(seed) = seed {
        let mut order: Vec<u32> = (0..n_groups as u32).collect();
        RandomState::new(seed).shuffle(&mut order);
        let mut rest = order.as_slice();
        for fold in 0..n_splits {
            let n = n_groups / n_splits + usize::from(fold < n_groups % n_splits);
            let (block, others) = rest.split_at(n);
            block.iter().for_each(|group| folds[*group as usize] = fold as u16);
            rest = others;
        }
        return folds;
    }
    let mut order: Vec<usize> = (0..n_groups).collect();
    order.sort_by_key(|group| sizes[*group]);
    // The lightest fold first, and of equally light ones the first.
    let light = |fold: usize, rows: usize| std::cmp::Reverse((rows, fold));
    let mut heap: std::collections::BinaryHeap<_> =
        (0..n_splits).map(|fold| light(fold, 0)).collect();
    for group in order.into_iter().rev() {
        if let Some(std::cmp::Reverse((rows, fold))) = heap.pop() {
            folds[group] = fold as u16;
            heap.push(light(fold, rows + sizes[group]));
        }
    }
    folds
}

/// The test fold of each group, as of scikit-learn's `StratifiedGroupKFold`: groups that are spread
/// most unevenly over the classes go first, each to the fold where the classes' shares then differ
/// least between folds.
pub(super) fn stratified(
    of_rows: &[u32],
    classes: &[u32],
    n_splits: usize,
    seed: Option<u32>,
) -> Vec<u16> {
    let n_groups = sizes(of_rows).len();
    let class_sizes = sizes(classes);
    // Classes without a row are none.
    let present: Vec<usize> = (0..class_sizes.len()).filter(|c| class_sizes[*c] > 0).collect();
    let n_classes = present.len();
    let totals: Vec<f64> = present.iter().map(|class| class_sizes[*class] as f64).collect();
    let mut index_of = vec![0; class_sizes.len()];
    present.iter().enumerate().for_each(|(index, class)| index_of[*class] = index);
    let mut counts = vec![0.0; n_groups * n_classes];
    for (group, class) in of_rows.iter().zip(classes) {
        counts[*group as usize * n_classes + index_of[*class as usize]] += 1.0;
    }
    let of_group = |group: usize| &counts[group * n_classes..][..n_classes];

    let mut order: Vec<u32> = (0..n_groups as u32).collect();
    if let Some(seed) = seed {
        RandomState::new(seed).shuffle(&mut order);
    }
    let spread: Vec<f64> = (0..n_groups).map(|group| std(of_group(group))).collect();
    order.sort_by(|a, b| spread[*b as usize].total_cmp(&spread[*a as usize]));

    let mut filled = Filled { counts: vec![0.0; n_splits * n_classes], totals, n_splits };
    let mut folds = vec![0; n_groups];
    for group in order {
        let group = group as usize;
        let fold = filled.best_fold(of_group(group));
        filled.add(fold, of_group(group));
        folds[group] = fold as u16;
    }
    folds
}

/// The rows of each class that each fold has so far.
struct Filled {
    /// Folds × classes.
    counts: Vec<f64>,
    /// The rows of each class in all.
    totals: Vec<f64>,
    n_splits: usize,
}

impl Filled {
    fn add(&mut self, fold: usize, group: &[f64]) {
        let n_classes = self.totals.len();
        let counts = &mut self.counts[fold * n_classes..][..n_classes];
        counts.iter_mut().zip(group).for_each(|(count, more)| *count += more);
    }

    /// The fold where the shares differ least once it has the group too; of folds that are about as
    /// good, the one with the fewest rows.
    fn best_fold(&self, group: &[f64]) -> usize {
        let n_classes = self.totals.len();
        let (mut best, mut least, mut fewest) = (0, f64::INFINITY, f64::INFINITY);
        let mut spread = vec![0.0; n_classes];
        for fold in 0..self.n_splits {
            for (class, spread) in spread.iter_mut().enumerate() {
                let share = |other: usize| {
                    let more = if other == fold { group[class] } else { 0.0 };
                    (self.counts[other * n_classes + class] + more) / self.totals[class]
                };
                *spread = std_of((0..self.n_splits).map(share));
            }
            let found = sum(&spread) / n_classes as f64;
            let n_rows: f64 = self.counts[fold * n_classes..][..n_classes].iter().sum();
            let about_equal = (found - least).abs() <= 1e-8 + 1e-5 * least.abs();
            if found < least || (about_equal && n_rows < fewest) {
                (best, least, fewest) = (fold, found, n_rows);
            }
        }
        best
    }
}

/// The population standard deviation, in the order of numpy's additions along a row.
fn std(values: &[f64]) -> f64 {
    let mean = sum(values) / values.len() as f64;
    let squares: Vec<f64> = values.iter().map(|v| (v - mean) * (v - mean)).collect();
    (sum(&squares) / values.len() as f64).sqrt()
}

/// The same in the order of numpy's additions down a column: one after the other.
fn std_of(values: impl ExactSizeIterator<Item = f64> + Clone) -> f64 {
    let n = values.len() as f64;
    let mean = values.clone().sum::<f64>() / n;
    (values.map(|v| (v - mean) * (v - mean)).sum::<f64>() / n).sqrt()
}

/// A sum in the order of numpy's: eight at a time, and halves of longer rows by themselves. Which
/// group goes first hangs on the last digit where groups are spread alike.
fn sum(values: &[f64]) -> f64 {
    match values.len() {
        0..8 => values.iter().sum(),
        8..=128 => {
            let mut eight = [0.0; 8];
            let (chunks, rest) = values.as_chunks::<8>();
            chunks.iter().for_each(|chunk| eight.iter_mut().zip(chunk).for_each(|(s, v)| *s += v));
            let [a, b, c, d, e, f, g, h] = eight;
            rest.iter().fold(((a + b) + (c + d)) + ((e + f) + (g + h)), |total, v| total + v)
        }
        n => {
            let half = n / 2 - n / 2 % 8;
            sum(&values[..half]) + sum(&values[half..])
        }
    }
}
