//! Values left out at random while training. What a value is multiplied with is kept for the way
//! back; to predict, values pass as they are.

use super::super::{Pass, STREAM_DROPOUT, Training};
use super::rows::multiply;
use crate::kernels::simd::simd;
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
    scale_or(y, x, factors, a * ALPHA_PRIME + b, b);
}

simd! {
    /// y = factor·x + b where there is a factor, else what is left out becomes.
    fn scale_or(y: &mut [f32], x: &[f32], factors: &[f32], left_out: f32, b: f32) {
        for ((y, x), factor) in y.iter_mut().zip(x).zip(factors) {
            *y = if *factor == 0.0 { left_out } else { factor.mul_add(*x, b) };
        }
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

/// The random numbers of a layer for a batch, which nothing else of the fit draws.
fn stream(layer: u32, training: Training) -> Stream {
    let seed = derive(derive(training.seed, STREAM_DROPOUT), u64::from(layer));
    Stream::new(seed, [training.batch as u32, (training.batch >> 32) as u32])
}

/// Zero with probability `rate`, else `kept`.
fn draw(factors: &mut [f32], rate: f32, layer: u32, training: Training, kept: f32) {
    stream(layer, training).fill_uniform(factors);
    for factor in factors {
        *factor = if *factor < rate { 0.0 } else { kept };
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Of small numbers of everything, as [dense, dropout, dense] in its first epochs: initial weights,
    /// orders of rows, noise, rows held out (seeds 1 to 4 of a fit, numbered from 0) and dropout.
    #[test]
    fn no_two_purposes_of_a_fit_share_random_numbers() {
        let mut firsts = BTreeSet::new();
        let mut n_streams = 0;
        let mut note = |mut stream: Stream| {
            firsts.insert([stream.next_u32(), stream.next_u32(), stream.next_u32()]);
            n_streams += 1;
        };
        for seed in 0..3 {
            for at in 0..20 {
                for purpose in 1..=4 {
                    note(Stream::new(derive(seed, purpose), [at, 0]));
                }
                for layer in 0..8 {
                    let batch = u64::from(at);
                    note(stream(layer, Training { seed, batch, accumulate: false }));
                    note(stream(
                        layer,
                        Training { seed, batch: batch << 32 | 1, accumulate: false },
                    ));
                }
            }
        }
        // Batch 1 is there twice.
        assert_eq!(firsts.len(), n_streams - 3 * 8);
    }
}
