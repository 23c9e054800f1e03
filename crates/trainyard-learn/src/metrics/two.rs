//! Both scores of the order of two classes' rows, where all of them count the same.
//!
//! They are asked for after every epoch, so nothing is kept on the way: the rows are sorted with what
//! they are, and both sums read off in one pass. They are the same sums as `ranking` makes of steps.

use super::order::{by_upper_half, key, order};

/// The scores of the second of two classes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct OfTwo {
    /// Under the ROC curve; `None` without rows of both classes.
    pub(super) area: Option<f64>,
    /// 0 without rows of the second class.
    pub(super) average_precision: f64,
}

/// Of values in single precision; `None` unless there is a finite one for each row.
pub(super) fn of_singles(
    values: impl ExactSizeIterator<Item = f32>,
    target: &[u32],
) -> Option<OfTwo> {
    if values.len() != target.len() {
        return None;
    }
    let mut all_finite = true;
    let keys = values.zip(target).map(|(value, class)| {
        all_finite &= value.is_finite();
        // A sum with 0 has no sign where it is 0: both zeros are one value.
        u64::from(key(value + 0.0)) << 32 | u64::from(*class == 1)
    });
    let sorted = by_upper_half(keys.collect());
    all_finite.then(|| read(sorted.into_iter().map(|packed| (packed >> 32, packed & 1 == 1))))
}

/// The same in double precision.
pub(super) fn of_doubles(values: &[f64], target: &[u32]) -> Option<OfTwo> {
    if values.len() != target.len() || !values.iter().all(|value| value.is_finite()) {
        return None;
    }
    let sorted = order(values, 1, 0).into_iter();
    Some(read(sorted.map(|(value, row)| (value, target[row as usize] == 1))))
}

/// Reads the sums off rows in their order, each with what equal ones have in common and whether it is
/// of the second class.
fn read<T: PartialEq>(rows: impl Iterator<Item = (T, bool)>) -> OfTwo {
    let (mut hits, mut alarms) = (0.0, 0.0);
    let (mut hits_before, mut alarms_before) = (0.0, 0.0);
    let (mut area, mut precision) = (0.0, 0.0);
    let mut rows = rows.peekable();
    while let Some((value, is_hit)) = rows.next() {
        *(if is_hit { &mut hits } else { &mut alarms }) += 1.0;
        if rows.peek().is_some_and(|next| next.0 == value) {
            continue;
        }
        if alarms > alarms_before {
            area += (alarms - alarms_before) * f64::midpoint(hits, hits_before);
        }
        if hits > hits_before {
            precision += (hits - hits_before) * hits / (hits + alarms);
        }
        (hits_before, alarms_before) = (hits, alarms);
    }
    let has_both = hits > 0.0 && alarms > 0.0;
    OfTwo {
        area: has_both.then(|| area / (hits * alarms)),
        average_precision: if hits > 0.0 { precision / hits } else { 0.0 },
    }
}

#[cfg(test)]
mod tests {
    use super::super::ranking::{area, average_precision, steps};
    use super::*;
    use crate::random::RandomState;

    #[test]
    fn the_sums_are_those_of_steps() {
        let mut random = RandomState::new(2);
        for n in [1, 2, 5, 63, 64, 200, 3000] {
            let singles: Vec<f32> = (0..n)
                .map(|_| match random.random_sample() {
                    p if p < 0.1 => 0.0,
                    p if p < 0.2 => -0.0,
                    p if p < 0.5 => ((p * 10.0) as f32).round() - 3.0,
                    p => p as f32,
                })
                .collect();
            let doubles: Vec<f64> = singles.iter().map(|value| f64::from(*value)).collect();
            let thirds: Vec<f64> = doubles.iter().map(|value| value / 3.0).collect();
            let target: Vec<u32> =
                (0..n).map(|_| u32::from(random.random_sample() < 0.3)).collect();
            let expected = |values: &[f64]| {
                let steps = steps(&order(values, 1, 0), |row| target[row] == 1, |_| 1.0);
                OfTwo { area: area(&steps), average_precision: average_precision(&steps) }
            };
            let found = of_singles(singles.iter().copied(), &target);
            assert_eq!(found, Some(expected(&doubles)), "{n}");
            assert_eq!(of_doubles(&thirds, &target), Some(expected(&thirds)), "{n}");
        }
        assert_eq!(of_singles([f32::NAN, 1.0].into_iter(), &[0, 1]), None);
        assert_eq!(of_doubles(&[f64::INFINITY], &[1]), None);
        assert_eq!(of_doubles(&[1.0], &[1, 0]), None);
    }
}
