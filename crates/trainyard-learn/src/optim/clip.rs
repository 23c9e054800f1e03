//! Limits of the gradients, against steps that are too long.
//!
//! The functions here are for one block of a gradient vector. A norm over several is the square
//! root of the sum of their [`sum_of_squares`]; for the same bits at any number of threads, the
//! blocks are [`BLOCK`] long and summed in their order, as [`squared_norm`] does it alone.

use std::ops::Range;

use crate::kernels::simd::simd;
use crate::problem::Problem;

use super::fields::{Field, Range as Limits, fields};

/// The length of the blocks that a norm is summed over.
pub const BLOCK: usize = 4096;

fields! {
    /// The limits of the gradients. Several apply in this order: `value`, `norm`, `global_norm`.
    pub struct Clip {
        /// The largest magnitude of each number, as PyTorch's `clip_grad_value_`.
        pub value: Option<f64> = None [exclusive_minimum = 0.0],
        /// The largest Euclidean norm of the gradient of each parameter tensor by itself.
        pub norm: Option<f64> = None [exclusive_minimum = 0.0],
        /// The largest Euclidean norm of all gradients as one vector, as PyTorch's
        /// `clip_grad_norm_`.
        pub global_norm: Option<f64> = None [exclusive_minimum = 0.0],
    }
}

impl Clip {
    /// Clips the whole gradient vector, whose parameter tensors lie at `tensors`.
    pub fn apply(&self, g: &mut [f32], tensors: &[Range<usize>]) {
        if let Some(limit) = self.value {
            clip_value(g, limit as f32);
        }
        if let Some(limit) = self.norm {
            for tensor in tensors {
                clip_norm(&mut g[tensor.clone()], limit);
            }
        }
        if let Some(limit) = self.global_norm {
            clip_norm(g, limit);
        }
    }
}

impl Field for Clip {
    fn check(&self, name: &str, _: Limits, problems: &mut Vec<Problem>) {
        let pointer = format!("/{name}");
        problems.extend(self.check().into_iter().map(|problem| problem.below(&pointer)));
        if (self.value, self.norm, self.global_norm) == (None, None, None) {
            let way_out = "set value, norm or global_norm, or make clip null";
            problems.push(Problem::new(pointer, "clip has no limit").suggest(way_out));
        }
    }
}

/// What to multiply gradients by, so that their norm is at most `limit`; 1 when it is already.
///
/// As in PyTorch it is `limit / (norm + 1e-6)`, a little less than would do.
pub fn norm_factor(squared_norm: f64, limit: f64) -> f32 {
    let factor = limit / (squared_norm.sqrt() + 1e-6);
    // Not `min`, which would turn a NaN into 1.
    if factor > 1.0 { 1.0 } else { factor as f32 }
}

/// The squared Euclidean norm of gradients of any length, in the order of sums of this module.
pub fn squared_norm(g: &[f32]) -> f64 {
    g.chunks(BLOCK).map(sum_of_squares).sum()
}

simd! {
    /// Limits every number to between `-limit` and `limit`.
    pub fn clip_value(g: &mut [f32], limit: f32) {
        for g in g {
            *g = g.clamp(-limit, limit);
        }
    }

    /// Multiplies every number by `factor`.
    pub fn scale(g: &mut [f32], factor: f32) {
        for g in g {
            *g *= factor;
        }
    }

    /// The sum of the squares of one block, in an order that depends on its length alone.
    pub fn sum_of_squares(block: &[f32]) -> f64 {
        let mut lanes = [0.0_f64; 32];
        let (chunks, rest) = block.as_chunks::<32>();
        for chunk in chunks {
            for (lane, &x) in lanes.iter_mut().zip(chunk) {
                *lane += f64::from(x) * f64::from(x);
            }
        }
        for (lane, &x) in lanes.iter_mut().zip(rest) {
            *lane += f64::from(x) * f64::from(x);
        }
        lanes.iter().sum()
    }
}

fn clip_norm(g: &mut [f32], limit: f64) {
    let factor = norm_factor(squared_norm(g), limit);
    // Not `<`, which would let a NaN through unseen.
    if factor != 1.0 {
        scale(g, factor);
    }
}
