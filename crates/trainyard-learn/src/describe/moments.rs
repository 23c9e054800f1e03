//! Mean, deviation and quantiles.

use super::ordered::Ordered;
use super::{Bound, ColumnDescription, Quantiles};

/// Sums that overflow are taken of values that are this much smaller: a power of two costs no
/// digit, and the squares of the largest numbers are then far from the largest number.
const SHRINK: f64 = f64::from_bits((1023 - 600) << 52);

/// Moments of values, some of which may turn out beyond the finite numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Moments {
    mean: f64,
    std: f64,
    min: f64,
    max: f64,
}

impl Moments {
    /// `None` without a value.
    pub(super) fn of(values: &Ordered<'_, f64>) -> Option<Self> {
        let (min, max) = values.ends()?;
        let n = values.len() as f64;
        let mut mean = values.sum(|v| v) / n;
        if !mean.is_finite() {
            mean = values.sum(|v| v * SHRINK) / n / SHRINK;
        }
        // Rounding alone may carry the mean of equal or of the largest numbers beyond them.
        mean = mean.max(min).min(max);
        let deviation = |scale: f64| {
            let square = |v: f64| (v * scale - mean * scale) * (v * scale - mean * scale);
            (values.sum(square) / n).sqrt() / scale
        };
        let mut std = deviation(1.0);
        if !std.is_finite() {
            std = deviation(SHRINK);
        }
        Some(Self { mean, std, min, max })
    }

    /// Of all numbers of all tensors of a column; single precision leaves no sum to overflow.
    pub(super) fn of_tensor(values: &[f32]) -> Option<Self> {
        let (mut min, mut max) = (f64::from(*values.first()?), f64::NEG_INFINITY);
        for value in values {
            (min, max) = (min.min(f64::from(*value)), max.max(f64::from(*value)));
        }
        let n = values.len() as f64;
        let sum = |of: &dyn Fn(f64) -> f64| -> f64 {
            let block = |block: &[f32]| block.iter().map(|v| of(f64::from(*v))).sum::<f64>();
            values.chunks(BLOCK).map(block).sum()
        };
        // No clamping here: it would hide a NaN among them.
        let mean = sum(&|v| v) / n;
        let std = (sum(&|v| (v - mean) * (v - mean)) / n).sqrt();
        Some(Self { mean, std, min, max })
    }

    /// Writes them into a description. A moment that is not finite is absent, because JSON has no
    /// word for it and a stored description has to read back as it was.
    pub(super) fn into(self, description: &mut ColumnDescription) {
        description.mean = finite(self.mean);
        description.std = finite(self.std);
        description.min = Bound::number(self.min);
        description.max = Bound::number(self.max);
    }
}

/// Sums of sums lose fewer digits than one long sum.
const BLOCK: usize = 1 << 10;

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// The quantiles that a description shows.
pub(super) fn quantiles(values: &Ordered<'_, f64>) -> Quantiles {
    let q = |p| quantile(values, p).and_then(finite);
    Quantiles { q05: q(0.05), q25: q(0.25), q50: q(0.5), q75: q(0.75), q95: q(0.95) }
}

/// The p-quantile by linear interpolation (Hyndman and Fan's type 7).
fn quantile(values: &Ordered<'_, f64>, p: f64) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    let position = p * last as f64;
    let below = position.floor() as usize;
    let (a, b) = (values.at(below)?, values.at((below + 1).min(last))?);
    let (step, t) = (b - a, position - below as f64);
    // The weighted sum never overflows, but only the step keeps equal neighbours what they are.
    Some(if step.is_finite() { a + step * t } else { a * (1.0 - t) + b * t })
}
