//! Lion: Chen et al., "Symbolic discovery of optimization algorithms" (arXiv:2302.06675), program 1.
//!
//! PyTorch has none; the defaults are those of the paper and of its authors' code.

use super::fields::optimizer;
use crate::kernels::simd::simd;

optimizer! {
    /// Lion: steps of one length, by the sign of an average of the gradients.
    pub struct LionSpec(learning_rate = 0.0001, weight_decay = 0.0) {
        /// The shares of the average of the gradients that are kept for a step, and from one step
        /// to the next.
        pub betas: [f64; 2] = [0.9, 0.99] [minimum = 0.0, exclusive_maximum = 1.0]
            schema(min_items = 2, max_items = 2),
    }
}

impl LionSpec {
    pub(super) fn rule(&self) -> Rule {
        Rule { weight_decay: self.weight_decay, betas: self.betas }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub(super) weight_decay: f64,
    pub(super) betas: [f64; 2],
}

impl Rule {
    pub(super) fn begin(&self, learning_rate: f64) -> Update {
        let [beta1, beta2] = self.betas;
        Update {
            rate: -learning_rate as f32,
            keep: (1.0 - learning_rate * self.weight_decay) as f32,
            beta1: beta1 as f32,
            gain1: (1.0 - beta1) as f32,
            beta2: beta2 as f32,
            gain2: (1.0 - beta2) as f32,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Update {
    rate: f32,
    keep: f32,
    beta1: f32,
    gain1: f32,
    beta2: f32,
    gain2: f32,
}

impl Update {
    pub(super) fn apply(&self, w: &mut [f32], g: &[f32], [m, ..]: [&mut [f32]; 3]) {
        lion(self, w, g, m);
    }
}

simd! {
    fn lion(u: &Update, w: &mut [f32], g: &[f32], m: &mut [f32]) {
        let u = *u;
        for ((w, &g), m) in w.iter_mut().zip(g).zip(m) {
            let c = u.gain1.mul_add(g, u.beta1 * *m);
            *w = u.rate.mul_add(sign(c), *w * u.keep);
            *m = u.gain2.mul_add(g, u.beta2 * *m);
        }
    }
}

/// The sign, which is 0 at zero (unlike `signum`) and NaN at NaN.
#[inline(always)]
fn sign(x: f32) -> f32 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        x
    }
}
