//! How many rows a column alone would still put into the wrong class.

use std::collections::HashMap;

/// The errors of giving each class one interval of a number: half the rows that an interval misses
/// or takes in wrongly, of the best interval of each class. Missing values are one value beyond all
/// others.
pub(super) fn interval_errors(numbers: &[f64], labels: &[u32], n_classes: usize) -> f64 {
    let mut order: Vec<(f64, u32)> = numbers.iter().copied().zip(labels.iter().copied()).collect();
    // In total order a NaN comes last.
    order.iter_mut().for_each(|(value, _)| {
        *value = if value.is_nan() { f64::NAN } else { *value + 0.0 };
    });
    order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let mut n_of = vec![0_i64; n_classes];
    // Of each class: what the best interval that ends here gains, and the best one so far.
    let (mut ending, mut best) = (vec![0_i64; n_classes], vec![0_i64; n_classes]);
    let mut gain = vec![0_i64; n_classes];
    for run in order.chunk_by(|a, b| a.0.to_bits() == b.0.to_bits()) {
        gain.fill(-(run.len() as i64));
        for (_, label) in run {
            gain[*label as usize] += 2;
            n_of[*label as usize] += 1;
        }
        for ((ending, best), gain) in ending.iter_mut().zip(&mut best).zip(&gain) {
            *ending = (*ending).max(0) + gain;
            *best = (*best).max(*ending);
        }
    }
    let wrong: i64 = n_of.iter().zip(&best).map(|(n, best)| n - best).sum();
    wrong as f64 / 2.0
}

/// The errors of giving each group the commonest class of its other rows; a draw is an error.
pub(super) fn group_errors(groups: &[u32], labels: &[u32], n_classes: usize) -> f64 {
    let mut counts: HashMap<u64, usize> = HashMap::new();
    for (group, label) in groups.iter().zip(labels) {
        *counts.entry(u64::from(*group) * n_classes as u64 + u64::from(*label)).or_default() += 1;
    }
    let n_groups = groups.iter().max().map_or(0, |most| *most as usize + 1);
    // Of each group: its rows, and those of its commonest and its second class.
    let mut found = vec![(0_usize, 0_usize, 0_usize); n_groups];
    for (key, count) in counts {
        let (size, first, second) = &mut found[(key / n_classes as u64) as usize];
        *size += count;
        *second = (*second).max(count.min(*first));
        *first = (*first).max(count);
    }
    let errors = found.iter().map(|(size, first, second)| {
        let commonest = if first.saturating_sub(1) <= *second { *first } else { 0 };
        size - first + commonest
    });
    errors.sum::<usize>() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_one_interval() {
        let errors = |numbers: &[f64], labels: &[u32]| interval_errors(numbers, labels, 3);
        assert_eq!(errors(&[3.0, 1.0, 2.0, 5.0, 9.0, 7.0], &[0, 1, 1, 0, 2, 2]), 0.0);
        // One row in the other's interval: missed there and wrong here.
        assert_eq!(errors(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[0, 0, 1, 0, 1, 1]), 1.0);
        // Equal numbers cannot be told apart.
        assert_eq!(errors(&[1.0; 6], &[0, 0, 0, 0, 1, 1]), 2.0);
        assert_eq!(errors(&[0.0, -0.0, f64::NAN, -f64::NAN, 1.0], &[0, 0, 1, 1, 2]), 0.0);
    }

    #[test]
    fn a_group_is_judged_by_its_other_rows() {
        let errors = |groups: &[u32], labels: &[u32]| group_errors(groups, labels, 2);
        assert_eq!(errors(&[0, 1, 2, 3], &[0, 1, 0, 1]), 4.0);
        assert_eq!(errors(&[0, 0, 1, 1], &[0, 0, 1, 1]), 0.0);
        assert_eq!(errors(&[0, 0, 0, 0], &[0, 0, 0, 1]), 1.0);
        assert_eq!(errors(&[0, 0, 0], &[0, 0, 1]), 3.0);
    }
}
