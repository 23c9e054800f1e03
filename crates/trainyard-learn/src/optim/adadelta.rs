//! Adadelta: Zeiler, "ADADELTA: an adaptive learning rate method" (arXiv:1212.5701), as PyTorch's
//! `torch.optim.Adadelta`.

use super::fields::optimizer;
use crate::kernels::simd::simd;

optimizer! {
    /// Adadelta: steps as long as past steps were, relative to past gradients.
    pub struct AdadeltaSpec(learning_rate = 1.0, weight_decay = 0.0) {
        /// The share of the averages of squares that is kept at each step.
        pub rho: f64 = 0.9 [minimum = 0.0, exclusive_maximum = 1.0],
        /// What is added under the square roots, so that they are not zero.
        pub eps: f64 = 1e-6 [minimum = 1e-30],
    }
}

impl AdadeltaSpec {
    pub(super) fn rule(&self) -> Rule {
        Rule { weight_decay: self.weight_decay, rho: self.rho, eps: self.eps }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub(super) weight_decay: f64,
    pub(super) rho: f64,
    pub(super) eps: f64,
}

impl Rule {
    pub(super) fn begin(&self, learning_rate: f64) -> Update {
        Update {
            rate: -learning_rate as f32,
            decay: self.weight_decay as f32,
            rho: self.rho as f32,
            gain: (1.0 - self.rho) as f32,
            eps: self.eps as f32,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Update {
    rate: f32,
    decay: f32,
    rho: f32,
    gain: f32,
    eps: f32,
}

impl Update {
    pub(super) fn apply(&self, w: &mut [f32], g: &[f32], [gradients, steps, _]: [&mut [f32]; 3]) {
        adadelta(self, w, g, gradients, steps);
    }
}

simd! {
    /// `gradients` and `steps` hold the averages of their squares.
    fn adadelta(u: &Update, w: &mut [f32], g: &[f32], gradients: &mut [f32], steps: &mut [f32]) {
        let u = *u;
        for (((w, &g), gradient), step) in w.iter_mut().zip(g).zip(gradients).zip(steps) {
            let g = u.decay.mul_add(*w, g);
            *gradient = (u.gain * g).mul_add(g, u.rho * *gradient);
            let d = (*step + u.eps).sqrt() / (*gradient + u.eps).sqrt() * g;
            *step = (u.gain * d).mul_add(d, u.rho * *step);
            *w = u.rate.mul_add(d, *w);
        }
    }
}
