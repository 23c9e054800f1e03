//! Adamax: Adam with the infinity norm, section 7.1 of Kingma and Ba (arXiv:1412.6980), as
//! PyTorch's `torch.optim.Adamax`.

use super::State;
use super::fields::optimizer;
use crate::kernels::simd::simd;

optimizer! {
    /// Adam with the largest recent gradient in place of the average of squares.
    pub struct AdamaxSpec(learning_rate = 0.002, weight_decay = 0.0) {
        /// The shares of the average of the gradients and of their largest magnitude that are kept
        /// at each step.
        pub betas: [f64; 2] = [0.9, 0.999] [minimum = 0.0, exclusive_maximum = 1.0]
            schema(min_items = 2, max_items = 2),
        /// What is added to each magnitude, so that it is not zero.
        pub eps: f64 = 1e-8 [minimum = 1e-30],
    }
}

impl AdamaxSpec {
    pub(super) fn rule(&self) -> Rule {
        Rule { weight_decay: self.weight_decay, betas: self.betas, eps: self.eps }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub(super) weight_decay: f64,
    pub(super) betas: [f64; 2],
    pub(super) eps: f64,
}

impl Rule {
    pub(super) fn begin(&self, state: &State, learning_rate: f64) -> Update {
        let [beta1, beta2] = self.betas;
        let step_size = learning_rate / (1.0 - beta1.powf(state.step as f64));
        Update {
            rate: -step_size as f32,
            decay: self.weight_decay as f32,
            gain1: (1.0 - beta1) as f32,
            beta2: beta2 as f32,
            eps: self.eps as f32,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Update {
    rate: f32,
    decay: f32,
    gain1: f32,
    beta2: f32,
    eps: f32,
}

impl Update {
    pub(super) fn apply(&self, w: &mut [f32], g: &[f32], [m, largest, _]: [&mut [f32]; 3]) {
        adamax(self, w, g, m, largest);
    }
}

simd! {
    fn adamax(u: &Update, w: &mut [f32], g: &[f32], m: &mut [f32], largest: &mut [f32]) {
        let u = *u;
        for (((w, &g), m), largest) in w.iter_mut().zip(g).zip(m).zip(largest) {
            let g = u.decay.mul_add(*w, g);
            *m = super::lerp(*m, g, u.gain1);
            *largest = (u.beta2 * *largest).max(g.abs() + u.eps);
            *w += u.rate * *m / *largest;
        }
    }
}
