//! Values left out at random while training. What a value is multiplied with is kept for the way
//! back; to predict, values pass as they are.

use super::super::{Pass, STREAM_DROPOUT, Training};
use super::rows::multiply;
use crate::random::stream::{Stream, derive};

/// What selu's values tend to where its input is very negative: −λα (Klambauer, Unterthiner, Mayr and
/// Hochreiter, "Self-Normalizing Neural Networks", 2017).
const ALPHA_PRIME: f32 = -1.758_099_3;

/// y = x · mask / (1 − rate)
pub(super) fn forward(
    y: &mut [f32],
    x: &[f32],
    saved: &mut [f32],
    rate: f32,
    layer: u32,
    pass: &Pass<'_>,
) {
    let Some(training) = pass.training else { return y.copy_from_slice(x) };
    let factors = &mut saved[..y.len()];
    draw(factors, rate, layer, training, 1.0 / (1.0 - rate));
    multiply(y, x, factors);
}

/// y = a·(x·mask + α'·(1 − mask)) + b, where a and b keep the mean and the variance.
pub(super) fn alpha_forward(
    y: &mut [f32],
    x: &[f32],
    saved: &mut [f32],
    rate: f32,
    layer: u32,
    pass: &Pass<'_>,
) {
    let Some(training) = pass.training else { return y.copy_from_slice(x) };
    let kept = 1.0 - rate;
    let a = 1.0 / (kept * (1.0 + rate * ALPHA_PRIME * ALPHA_PRIME)).sqrt();
    let b = -a * rate * ALPHA_PRIME;
    let factors = &mut saved[..y.len()];
    draw(factors, rate, layer, training, a);
    for ((y, x), factor) in y.iter_mut().zip(x).zip(factors) {
        let left_out = a * ALPHA_PRIME + b;
        *y = if *factor == 0.0 { left_out } else { factor.mul_add(*x, b) };
    }
}

/// dx = dy · factors
pub(super) fn backward(dx: Option<&mut [f32]>, dy: &[f32], saved: &[f32], pass: &Pass<'_>) {
    if let Some(dx) = dx {
        match pass.training {
            Some(_) => multiply(dx, dy, saved),
            None => dx.copy_from_slice(dy),
        }
    }
}

/// Zero with probability `rate`, else `kept`. The stream is the layer's and the batch's own.
fn draw(factors: &mut [f32], rate: f32, layer: u32, training: Training, kept: f32) {
    let seed = derive(training.seed, u64::from(layer));
    let mut stream = Stream::new(seed, [STREAM_DROPOUT, training.batch]);
    for factor in factors {
        *factor = if stream.uniform() < rate { 0.0 } else { kept };
    }
}
