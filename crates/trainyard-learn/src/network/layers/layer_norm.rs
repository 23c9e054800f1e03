//! y = weight·(x − mean)/√(variance + eps) + bias, with the mean and the variance of each row.
//!
//! Ba, Kiros and Hinton, "Layer Normalization", 2016; as PyTorch's `LayerNorm`.

use super::super::Pass;
use super::rows::add_columns;
use crate::kernels::simd::simd;

/// While training, `saved` keeps the mean and 1/√(variance + eps) of each row.
pub(super) fn forward(
    y: &mut [f32],
    x: &[f32],
    parameters: &[f32],
    saved: &mut [f32],
    eps: f32,
    _pass: &Pass<'_>,
) {
    let (weight, bias) = parameters.split_at(parameters.len() / 2);
    normalise(y, x, saved, weight, bias, eps);
}

/// With x̂ the normalised row and g = dy·weight:
/// dx = 1/√(variance + eps)·(g − mean(g) − x̂·mean(g·x̂))
pub(super) fn backward(
    gradients: &mut [f32],
    dx: Option<&mut [f32]>,
    x: &[f32],
    parameters: &[f32],
    dy: &[f32],
    saved: &[f32],
    pass: &Pass<'_>,
) {
    let width = parameters.len() / 2;
    let (d_weight, d_bias) = gradients.split_at_mut(width);
    if !pass.training.is_some_and(|training| training.accumulate) {
        d_weight.fill(0.0);
        d_bias.fill(0.0);
    }
    add_products(d_weight, dy, x, saved);
    add_columns(d_bias, dy);
    if let Some(dx) = dx {
        input_gradient(dx, dy, x, saved, &parameters[..width]);
    }
}

simd! {
    fn normalise(y: &mut [f32], x: &[f32], saved: &mut [f32], weight: &[f32], bias: &[f32], eps: f32) {
        let width = weight.len();
        let share = 1.0 / width as f32;
        let bias = &bias[..width];
        for (row, (y, x)) in y.chunks_exact_mut(width).zip(x.chunks_exact(width)).enumerate() {
            let mean = sum(x, |x| x) * share;
            let variance = sum(x, |x| (x - mean) * (x - mean)) * share;
            let inverse = 1.0 / (variance + eps).sqrt();
            // To predict there is no way back, and nothing is kept.
            if let Some(kept) = saved.get_mut(2 * row..2 * row + 2) {
                kept.copy_from_slice(&[mean, inverse]);
            }
            for j in 0..width {
                y[j] = ((x[j] - mean) * inverse).mul_add(weight[j], bias[j]);
            }
        }
    }

    fn add_products(d_weight: &mut [f32], dy: &[f32], x: &[f32], saved: &[f32]) {
        let width = d_weight.len();
        let rows = dy.chunks_exact(width).zip(x.chunks_exact(width));
        for ((dy, x), kept) in rows.zip(saved.chunks_exact(2)) {
            for j in 0..width {
                d_weight[j] = dy[j].mul_add((x[j] - kept[0]) * kept[1], d_weight[j]);
            }
        }
    }

    fn input_gradient(dx: &mut [f32], dy: &[f32], x: &[f32], saved: &[f32], weight: &[f32]) {
        let width = weight.len();
        let share = 1.0 / width as f32;
        let rows = dy.chunks_exact(width).zip(x.chunks_exact(width)).zip(saved.chunks_exact(2));
        for (dx, ((dy, x), kept)) in dx.chunks_exact_mut(width).zip(rows) {
            let (mean, inverse) = (kept[0], kept[1]);
            for j in 0..width {
                dx[j] = dy[j] * weight[j];
            }
            let mean_g = sum(dx, |g| g) * share;
            // x̂ has mean zero, so taking the mean out first leaves the products' sum as it is.
            dx.iter_mut().for_each(|dx| *dx -= mean_g);
            let mut products = [0.0_f32; LANES];
            let (chunks, rest) = x.as_chunks::<LANES>();
            let (g_chunks, g_rest) = dx.as_chunks::<LANES>();
            for (x, g) in chunks.iter().zip(g_chunks) {
                for lane in 0..LANES {
                    products[lane] = g[lane].mul_add((x[lane] - mean) * inverse, products[lane]);
                }
            }
            let mut mean_gx: f32 = products.iter().sum();
            for (x, g) in rest.iter().zip(g_rest) {
                mean_gx = g.mul_add((x - mean) * inverse, mean_gx);
            }
            mean_gx *= share;
            for (dx, x) in dx.iter_mut().zip(x) {
                *dx = inverse * (*dx - (x - mean) * inverse * mean_gx);
            }
        }
    }
}

/// Sums have this many lanes, so that their order does not depend on the processor.
const LANES: usize = 16;

#[inline(always)]
fn sum(x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] += f(chunk[lane]);
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().map(|x| f(*x)).sum::<f32>()
}
