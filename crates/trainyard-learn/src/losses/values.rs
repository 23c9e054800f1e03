//! Losses of values: a function of each output and its target, averaged over a row's outputs.

use super::{Weights, logistic};
use crate::kernels::math;
use crate::kernels::simd::simd;

/// Outputs and the values they should be.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    /// Rows × `n_outputs`.
    pub(super) z: &'a [f32],
    pub(super) n_outputs: usize,
    /// Rows × `n_outputs`.
    pub(super) y: &'a [f32],
    pub(super) weights: Weights<'a>,
    /// What the gradient is multiplied by.
    pub(super) scale: f32,
}

/// Adds up the losses; `f` gives the loss of an output and its derivative by the output.
#[inline(always)]
fn sum_values(dz: Option<&mut [f32]>, rows: Rows<'_>, f: impl Fn(f32, f32) -> (f32, f32)) -> f64 {
    let n = rows.n_outputs;
    let share = 1.0 / n as f32;
    let mut sum = 0.0;
    let each = rows.z.chunks_exact(n).zip(rows.y.chunks_exact(n)).enumerate();
    match dz {
        Some(dz) => {
            for ((index, (z, y)), dz) in each.zip(dz.chunks_exact_mut(n)) {
                let weight = rows.weights.row(index) * share;
                let mut row = 0.0;
                for ((dz, z), y) in dz.iter_mut().zip(z).zip(y) {
                    let (loss, slope) = f(*z, *y);
                    row += loss;
                    *dz = weight * rows.scale * slope;
                }
                sum += f64::from(weight * row);
            }
        }
        None => {
            for (index, (z, y)) in each {
                let row: f32 = z.iter().zip(y).map(|(z, y)| f(*z, *y).0).sum();
                sum += f64::from(rows.weights.row(index) * share * row);
            }
        }
    }
    sum
}

simd! {
    pub(super) fn mse(dz: Option<&mut [f32]>, rows: Rows<'_>) -> f64 {
        sum_values(dz, rows, |z, y| ((z - y) * (z - y), 2.0 * (z - y)))
    }

    pub(super) fn mae(dz: Option<&mut [f32]>, rows: Rows<'_>) -> f64 {
        let sign = |r: f32| if r > 0.0 { 1.0 } else if r < 0.0 { -1.0 } else { 0.0 };
        sum_values(dz, rows, |z, y| ((z - y).abs(), sign(z - y)))
    }

    pub(super) fn huber(dz: Option<&mut [f32]>, rows: Rows<'_>, delta: f32) -> f64 {
        sum_values(dz, rows, |z, y| {
            let r = z - y;
            if r.abs() <= delta {
                (0.5 * r * r, r)
            } else {
                (delta * (r.abs() - 0.5 * delta), delta.copysign(r))
            }
        })
    }

    /// ln cosh r = |r| + ln(1 + e^(−2|r|)) − ln 2, whose terms cancel where r is small: there, with
    /// m = e^|r| − 1, cosh r = 1 + m²/(2·(m + 1)).
    pub(super) fn log_cosh(dz: Option<&mut [f32]>, rows: Rows<'_>) -> f64 {
        sum_values(dz, rows, |z, y| {
            let r = (z - y).abs();
            let loss = if r < 1.0 {
                let m = math::exp_m1(r);
                math::ln_1p(0.5 * m * m / (m + 1.0))
            } else {
                r + math::ln_1p(math::exp(-2.0 * r)) - std::f32::consts::LN_2
            };
            (loss, math::tanh(z - y))
        })
    }

    pub(super) fn quantile(dz: Option<&mut [f32]>, rows: Rows<'_>, q: f32) -> f64 {
        sum_values(dz, rows, |z, y| {
            let r = y - z;
            if r > 0.0 {
                (q * r, -q)
            } else if r < 0.0 {
                ((q - 1.0) * r, 1.0 - q)
            } else {
                (r, 0.0)
            }
        })
    }

    pub(super) fn poisson(dz: Option<&mut [f32]>, rows: Rows<'_>) -> f64 {
        sum_values(dz, rows, |z, y| {
            let rate = math::exp(z);
            (rate - y * z, rate - y)
        })
    }

    pub(super) fn binary_cross_entropy(
        dz: Option<&mut [f32]>,
        rows: Rows<'_>,
        smoothing: f32,
    ) -> f64 {
        sum_values(dz, rows, |z, y| logistic(z, y, smoothing))
    }
}
