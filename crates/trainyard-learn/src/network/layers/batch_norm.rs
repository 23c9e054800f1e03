//! y = weight·(x − mean)/√(variance + eps) + bias, with the mean and the variance of each column
//! over the batch; to predict, with the running ones.
//!
//! Ioffe and Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal
//! Covariate Shift", 2015. As PyTorch's `BatchNorm1d`: the batch is normalised by the variance over
//! n rows, the running variance takes that over n − 1.

use super::super::Pass;
use super::rows::{add_columns, add_deviations, add_squared_deviations};
use crate::kernels::simd::simd;

/// `saved` holds, a column each: mean, variance, 1/√(variance + eps), and room for a sum.
pub(super) fn forward(
    y: &mut [f32],
    x: &[f32],
    parameters: &[f32],
    running: &[f32],
    saved: &mut [f32],
    eps: f32,
    pass: &Pass<'_>,
) {
    let width = parameters.len() / 2;
    let (weight, bias) = parameters.split_at(width);
    let (mean, rest) = saved.split_at_mut(width);
    let (variance, rest) = rest.split_at_mut(width);
    let (inverse, scratch) = rest.split_at_mut(width);
    if pass.training.is_some() {
        moments(mean, variance, scratch, x, pass.n_rows as f32);
    } else {
        mean.copy_from_slice(&running[..width]);
        variance.copy_from_slice(&running[width..]);
    }
    for (inverse, variance) in inverse.iter_mut().zip(variance) {
        *inverse = 1.0 / (*variance + eps).sqrt();
    }
    normalise(y, x, mean, inverse, weight, bias);
}

/// With x̂ the normalised input: dweight = Σ dy·x̂, dbias = Σ dy,
/// dx = weight/√(variance + eps)·(dy − mean(dy) − x̂·mean(dy·x̂))
pub(super) fn backward(
    gradients: &mut [f32],
    dx: Option<&mut [f32]>,
    x: &[f32],
    parameters: &[f32],
    dy: &[f32],
    saved: &mut [f32],
    pass: &Pass<'_>,
) {
    let width = parameters.len() / 2;
    let (mean, rest) = saved.split_at_mut(width);
    let (_, rest) = rest.split_at_mut(width);
    let (inverse, sum_dy_x) = rest.split_at_mut(width);
    let (d_weight, d_bias) = gradients.split_at_mut(width);
    let accumulate = pass.training.is_some_and(|training| training.accumulate);
    // This batch's sums are needed by themselves: the gradient of the input is made of them.
    sum_dy_x.fill(0.0);
    add_products(sum_dy_x, dy, x, mean, inverse);
    let before = |value: f32| if accumulate { value } else { 0.0 };
    for (d_weight, sum) in d_weight.iter_mut().zip(&*sum_dy_x) {
        *d_weight = before(*d_weight) + sum;
    }
    let Some(dx) = dx else {
        d_bias.iter_mut().for_each(|d_bias| *d_bias = before(*d_bias));
        add_columns(d_bias, dy);
        return;
    };
    // The mean of dy goes through the first row of dx, which is written last.
    let share = 1.0 / pass.n_rows as f32;
    let (first, _) = dx.split_at_mut(width);
    first.fill(0.0);
    add_columns(first, dy);
    for (d_bias, sum) in d_bias.iter_mut().zip(&*first) {
        *d_bias = before(*d_bias) + sum;
    }
    let moments = (&*mean, &*inverse);
    input_gradient(dx, dy, x, moments, &parameters[..width], sum_dy_x, share);
}

/// running ← (1 − momentum)·running + momentum·batch
pub(super) fn update(running: &mut [f32], saved: &[f32], momentum: f32, n_rows: usize) {
    let width = running.len() / 2;
    let unbiased = n_rows as f32 / (n_rows as f32 - 1.0).max(1.0);
    let (mean, variance) = running.split_at_mut(width);
    for (running, batch) in mean.iter_mut().zip(&saved[..width]) {
        *running += momentum * (batch - *running);
    }
    for (running, batch) in variance.iter_mut().zip(&saved[width..2 * width]) {
        *running += momentum * (batch * unbiased - *running);
    }
}

/// Means and variances in two passes, the mean corrected by what rounding left of it.
fn moments(mean: &mut [f32], variance: &mut [f32], scratch: &mut [f32], x: &[f32], n_rows: f32) {
    mean.fill(0.0);
    add_columns(mean, x);
    mean.iter_mut().for_each(|mean| *mean /= n_rows);
    scratch.fill(0.0);
    add_deviations(scratch, x, mean);
    mean.iter_mut().zip(scratch).for_each(|(mean, rest)| *mean += *rest / n_rows);
    variance.fill(0.0);
    add_squared_deviations(variance, x, mean);
    variance.iter_mut().for_each(|variance| *variance /= n_rows);
}

simd! {
    fn normalise(
        y: &mut [f32],
        x: &[f32],
        mean: &[f32],
        inverse: &[f32],
        weight: &[f32],
        bias: &[f32],
    ) {
        let width = mean.len();
        let (inverse, weight, bias) = (&inverse[..width], &weight[..width], &bias[..width]);
        for (y, x) in y.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
            for j in 0..width {
                y[j] = ((x[j] - mean[j]) * inverse[j]).mul_add(weight[j], bias[j]);
            }
        }
    }

    /// sum\[j\] += Σ_i dy\[i\]\[j\]·x̂\[i\]\[j\]
    fn add_products(sum: &mut [f32], dy: &[f32], x: &[f32], mean: &[f32], inverse: &[f32]) {
        let width = sum.len();
        let (mean, inverse) = (&mean[..width], &inverse[..width]);
        for (dy, x) in dy.chunks_exact(width).zip(x.chunks_exact(width)) {
            for j in 0..width {
                sum[j] = dy[j].mul_add((x[j] - mean[j]) * inverse[j], sum[j]);
            }
        }
    }

    /// The first row of dx holds Σ dy when this begins; `share` is 1/rows.
    fn input_gradient(
        dx: &mut [f32],
        dy: &[f32],
        x: &[f32],
        (mean, inverse): (&[f32], &[f32]),
        weight: &[f32],
        sum_dy_x: &[f32],
        share: f32,
    ) {
        let width = mean.len();
        let (inverse, weight) = (&inverse[..width], &weight[..width]);
        let sum_dy_x = &sum_dy_x[..width];
        let (sum_dy, rest) = dx.split_at_mut(width);
        let gradient = |dy: f32, x: f32, j: usize, sum_dy: f32| {
            let normalised = (x - mean[j]) * inverse[j];
            weight[j] * inverse[j] * (dy - share * (sum_dy + normalised * sum_dy_x[j]))
        };
        let rows = dy[width..].chunks_exact(width).zip(x[width..].chunks_exact(width));
        for (dx, (dy, x)) in rest.chunks_exact_mut(width).zip(rows) {
            for j in 0..width {
                dx[j] = gradient(dy[j], x[j], j, sum_dy[j]);
            }
        }
        for j in 0..width {
            sum_dy[j] = gradient(dy[j], x[j], j, sum_dy[j]);
        }
    }
}
