//! Losses of classes.

use super::{Weights, logistic};
use crate::kernels::math;
use crate::kernels::simd::simd;

/// Outputs and the classes they should stand for.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    /// Rows × `n_outputs`.
    pub(super) z: &'a [f32],
    pub(super) n_outputs: usize,
    pub(super) y: &'a [u32],
    pub(super) weights: Weights<'a>,
    /// What the gradient is multiplied by.
    pub(super) scale: f32,
}

/// Adds up the rows' losses: `row` gets a row's gradient (empty if it is not wanted), outputs, number
/// and class.
#[inline(always)]
fn sum_rows(
    dz: Option<&mut [f32]>,
    rows: Rows<'_>,
    row: impl Fn(&mut [f32], &[f32], usize, usize) -> f32,
) -> f64 {
    let mut sum = 0.0;
    let each = rows.z.chunks_exact(rows.n_outputs).zip(rows.y).enumerate();
    match dz {
        Some(dz) => {
            for ((index, (z, y)), dz) in each.zip(dz.chunks_exact_mut(rows.n_outputs)) {
                sum += f64::from(row(dz, z, index, *y as usize));
            }
        }
        None => {
            for (index, (z, y)) in each {
                sum += f64::from(row(&mut [], z, index, *y as usize));
            }
        }
    }
    sum
}

/// The largest of `z` and Σ e^(z − most); and those terms into `e`, if there is room.
#[inline(always)]
fn exp_sum(e: &mut [f32], z: &[f32]) -> (f32, f32) {
    let mut most = z[0];
    for z in z {
        most = if *z > most { *z } else { most };
    }
    let mut sum = 0.0;
    if e.is_empty() {
        for z in z {
            sum += math::exp(z - most);
        }
    } else {
        for (e, z) in e.iter_mut().zip(z) {
            *e = math::exp(z - most);
        }
        for e in e.iter() {
            sum += e;
        }
    }
    (most, sum)
}

/// −ln p of an output, with Σ e^(z − most) = e^`ln_sum`. To add `most` to `ln_sum` would round that to
/// the digits of the largest output.
#[inline(always)]
fn minus_ln_p(z: f32, most: f32, ln_sum: f32) -> f32 {
    ln_sum + (most - z)
}

simd! {
    /// Of rows of so many outputs.
    pub(super) fn softmax(p: &mut [f32], z: &[f32], n_outputs: usize) {
        for (p, z) in p.chunks_exact_mut(n_outputs).zip(z.chunks_exact(n_outputs)) {
            let (_, sum) = exp_sum(p, z);
            p.iter_mut().for_each(|p| *p /= sum);
        }
    }

    /// With a = (1 − ε)·w of the true class and b_c = ε/C·w_c: −a·ln p_y − Σ b_c·ln p_c, whose
    /// gradient is (a + Σ b)·p − a at y − b. (Where classes have weights, as PyTorch's.)
    pub(super) fn cross_entropy(dz: Option<&mut [f32]>, rows: Rows<'_>, smoothing: f32) -> f64 {
        let Rows { n_outputs, weights, scale, .. } = rows;
        if smoothing == 0.0 {
            return sum_rows(dz, rows, |dz, z, index, y| {
                let weight = weights.of(index, y);
                let (most, sum) = exp_sum(dz, z);
                if !dz.is_empty() {
                    let factor = weight * scale / sum;
                    dz.iter_mut().for_each(|dz| *dz *= factor);
                    dz[y] -= weight * scale;
                }
                weight * minus_ln_p(z[y], most, math::ln(sum))
            });
        }
        let share = smoothing / n_outputs as f32;
        let class_weight = |class: usize| weights.classes.map_or(1.0, |weights| weights[class]);
        sum_rows(dz, rows, |dz, z, index, y| {
            let row = weights.row(index);
            let a = (1.0 - smoothing) * row * class_weight(y);
            let (most, sum) = exp_sum(dz, z);
            let ln_sum = math::ln(sum);
            let mut loss = a * minus_ln_p(z[y], most, ln_sum);
            let mut all = a;
            for (class, z) in z.iter().enumerate() {
                let b = share * row * class_weight(class);
                loss += b * minus_ln_p(*z, most, ln_sum);
                all += b;
            }
            if !dz.is_empty() {
                for (class, dz) in dz.iter_mut().enumerate() {
                    *dz = scale * (all * (*dz / sum) - share * row * class_weight(class));
                }
                dz[y] -= scale * a;
            }
            loss
        })
    }

    /// −(1 − p)^γ·ln p, with p the softmax at y.
    pub(super) fn focal(dz: Option<&mut [f32]>, rows: Rows<'_>, gamma: f32) -> f64 {
        let Rows { weights, scale, .. } = rows;
        sum_rows(dz, rows, |dz, z, index, y| {
            let weight = weights.of(index, y);
            let (most, sum) = exp_sum(dz, z);
            let log_p = -minus_ln_p(z[y], most, math::ln(sum));
            let p = math::exp(log_p);
            // 1 − p, exact where p is near 1.
            let rest = -math::exp_m1(log_p);
            let power = |exponent: f32| {
                if rest > 0.0 { math::exp(exponent * math::ln(rest.max(f32::MIN_POSITIVE))) }
                else if exponent == 0.0 { 1.0 }
                else { 0.0 }
            };
            let full = power(gamma);
            if !dz.is_empty() {
                // By ln p; (1 − p)^(γ−1)·ln p stays finite, since ln p ≈ −(1 − p) where p is near 1.
                let slope = if rest > 0.0 { gamma * p * log_p * (full / rest) - full } else { 0.0 };
                let factor = weight * scale * slope;
                dz.iter_mut().for_each(|dz| *dz *= -factor / sum);
                dz[y] += factor;
            }
            -weight * full * log_p
        })
    }

    pub(super) fn binary_cross_entropy(
        dz: Option<&mut [f32]>,
        rows: Rows<'_>,
        smoothing: f32,
    ) -> f64 {
        let Rows { weights, scale, .. } = rows;
        sum_rows(dz, rows, |dz, z, index, y| {
            let weight = weights.of(index, y);
            let (loss, slope) = logistic(z[0], y as f32, smoothing);
            if let [dz] = dz {
                *dz = weight * scale * slope;
            }
            weight * loss
        })
    }

    /// Margins below 1, plain or squared.
    pub(super) fn hinge(dz: Option<&mut [f32]>, rows: Rows<'_>, squared: bool) -> f64 {
        let Rows { weights, scale, n_outputs, .. } = rows;
        let lack = |margin: f32| if margin < 1.0 { 1.0 - margin } else { 0.0 * margin };
        let loss = |lack: f32| if squared { lack * lack } else { lack };
        let slope = |lack: f32| {
            if squared { 2.0 * lack } else if lack > 0.0 { 1.0 } else { 0.0 }
        };
        if n_outputs == 1 {
            return sum_rows(dz, rows, |dz, z, index, y| {
                let weight = weights.of(index, y);
                let sign = if y == 1 { 1.0 } else { -1.0 };
                let lack = lack(sign * z[0]);
                if let [dz] = dz {
                    *dz = -sign * weight * scale * slope(lack);
                }
                weight * loss(lack)
            });
        }
        let share = 1.0 / n_outputs as f32;
        sum_rows(dz, rows, |dz, z, index, y| {
            let weight = weights.of(index, y) * share;
            let mut sum = 0.0;
            let mut slopes = 0.0;
            for (class, other) in z.iter().enumerate() {
                if class == y {
                    continue;
                }
                let lack = lack(z[y] - other);
                sum += loss(lack);
                if !dz.is_empty() {
                    dz[class] = weight * scale * slope(lack);
                    slopes += slope(lack);
                }
            }
            if !dz.is_empty() {
                dz[y] = -weight * scale * slopes;
            }
            weight * sum
        })
    }
}
