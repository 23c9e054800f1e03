//! Order statistics of sorted numbers, and the mean.

use crate::kernels::simd::simd;

/// So many sums are added to while one addition takes place.
const SIDE_BY_SIDE: usize = 8;

/// The numbers that are there, ascending.
pub(super) fn sorted_present(values: &[f64]) -> Vec<f64> {
    let mut present: Vec<f64> = values.iter().copied().filter(|x| !x.is_nan()).collect();
    present.sort_unstable_by(f64::total_cmp);
    present
}

/// The quantile at a share of 0 to 1 by linear interpolation (Hyndman and Fan's type 7); 0 of
/// nothing.
pub(super) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let position = share * last as f64;
    let below = (position.floor() as usize).min(last);
    let (low, high) = (sorted[below], sorted[(below + 1).min(last)]);
    let (step, weight) = (high - low, position - below as f64);
    // The weighted sum never overflows, but only the step keeps equal neighbours what they are.
    if !step.is_finite() {
        low * (1.0 - weight) + high * weight
    } else if weight < 0.5 {
        low + step * weight
    } else {
        high - step * (1.0 - weight)
    }
}

/// The value that is there most often, the smallest of several; `None` of nothing.
pub(super) fn mode(sorted: &[f64]) -> Option<f64> {
    let mut most: Option<&[f64]> = None;
    for run in sorted.chunk_by(|a, b| a == b) {
        if most.is_none_or(|most| run.len() > most.len()) {
            most = Some(run);
        }
    }
    // Zero has one sign.
    most.map(|run| run[0] + 0.0)
}

simd! {
    /// The sums and numbers of what is there, by the place's remainder: one addition would wait for
    /// the one before.
    fn sums_and_counts(values: &[f64]) -> ([f64; SIDE_BY_SIDE], [f64; SIDE_BY_SIDE]) {
        let (mut sums, mut counts) = ([0.0; SIDE_BY_SIDE], [0.0; SIDE_BY_SIDE]);
        let (whole, rest) = values.as_chunks::<SIDE_BY_SIDE>();
        let mut last = [f64::NAN; SIDE_BY_SIDE];
        last[..rest.len()].copy_from_slice(rest);
        for chunk in whole.iter().chain([&last]) {
            for (x, (sum, count)) in chunk.iter().zip(sums.iter_mut().zip(&mut counts)) {
                *sum += if x.is_nan() { 0.0 } else { *x };
                *count += if x.is_nan() { 0.0 } else { 1.0 };
            }
        }
        (sums, counts)
    }
}

/// The mean of the numbers that are there; 0 of none.
pub(super) fn mean(values: &[f64]) -> f64 {
    let (sums, counts) = sums_and_counts(values);
    let n = counts.iter().sum::<f64>().max(1.0);
    let mean = sums.iter().sum::<f64>() / n;
    // Shares of the largest numbers never add up to more than those.
    let shares = || values.iter().filter(|x| !x.is_nan()).map(|x| x / n).sum();
    if mean.is_finite() { mean } else { shares() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_leave_out_what_is_missing_and_end_where_the_values_end() {
        let odd = [f64::NAN, -0.0, 0.0, f64::MAX, f64::MIN, 1.5, f64::INFINITY, f64::NEG_INFINITY];
        for n in 0..=3 * SIDE_BY_SIDE + 1 {
            for shift in 0..odd.len() {
                let values: Vec<f64> = (0..n).map(|i| odd[(i * 3 + shift) % odd.len()]).collect();
                let (sums, counts) = sums_and_counts(&values);
                for place in 0..SIDE_BY_SIDE {
                    let there = values.iter().skip(place).step_by(SIDE_BY_SIDE);
                    let there: Vec<f64> = there.copied().filter(|x| !x.is_nan()).collect();
                    let sum = there.iter().fold(0.0, |sum, x| sum + x);
                    assert_eq!(sums[place].is_nan(), sum.is_nan(), "{values:?}");
                    assert!(sum.is_nan() || sums[place].to_bits() == sum.to_bits(), "{values:?}");
                    assert_eq!(counts[place], there.len() as f64, "{values:?}");
                }
            }
        }
    }
}
