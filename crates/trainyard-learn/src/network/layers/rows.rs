//! Sums over the rows of a batch, column by column, in the rows' order.

use crate::kernels::simd::simd;

simd! {
    /// sum\[j\] += Σ_i x\[i\]\[j\], for x of rows × the length of `sum`.
    pub(super) fn add_columns(sum: &mut [f32], x: &[f32]) {
        for row in x.chunks_exact(sum.len()) {
            for (sum, x) in sum.iter_mut().zip(row) {
                *sum += x;
            }
        }
    }

    /// sum\[j\] += Σ_i (x\[i\]\[j\] − mean\[j\])
    pub(super) fn add_deviations(sum: &mut [f32], x: &[f32], mean: &[f32]) {
        for row in x.chunks_exact(sum.len()) {
            for ((sum, x), mean) in sum.iter_mut().zip(row).zip(mean) {
                *sum += x - mean;
            }
        }
    }

    /// sum\[j\] += Σ_i (x\[i\]\[j\] − mean\[j\])²
    pub(super) fn add_squared_deviations(sum: &mut [f32], x: &[f32], mean: &[f32]) {
        for row in x.chunks_exact(sum.len()) {
            for ((sum, x), mean) in sum.iter_mut().zip(row).zip(mean) {
                let deviation = x - mean;
                *sum = deviation.mul_add(deviation, *sum);
            }
        }
    }

    /// z = x + y
    pub(super) fn add(z: &mut [f32], x: &[f32], y: &[f32]) {
        for ((z, x), y) in z.iter_mut().zip(x).zip(y) {
            *z = x + y;
        }
    }

    /// z = x · y
    pub(super) fn multiply(z: &mut [f32], x: &[f32], y: &[f32]) {
        for ((z, x), y) in z.iter_mut().zip(x).zip(y) {
            *z = x * y;
        }
    }
}
