//! Adagrad: Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and
//! stochastic optimization" (JMLR 2011), as PyTorch's `torch.optim.Adagrad`.

use super::State;
use super::fields::optimizer;
use crate::kernels::simd::simd;

optimizer! {
    /// Adagrad: each parameter's steps shrink with the sum of its squared gradients.
    pub struct AdagradSpec(learning_rate = 0.01, weight_decay = 0.0) {
        /// By how much the learning rate decays: at step t, from 0, it is divided by
        /// `1 + t * lr_decay`.
        pub lr_decay: f64 = 0.0 [minimum = 0.0],
        /// Where the sums of squares start.
        pub initial_accumulator_value: f64 = 0.0 [minimum = 0.0],
        /// What is added to the denominator, so that it is not zero.
        pub eps: f64 = 1e-10 [minimum = 1e-30],
    }
}

impl AdagradSpec {
    pub(super) fn rule(&self) -> Rule {
        Rule {
            weight_decay: self.weight_decay,
            lr_decay: self.lr_decay,
            initial: self.initial_accumulator_value,
            eps: self.eps,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub(super) weight_decay: f64,
    pub(super) lr_decay: f64,
    pub(super) initial: f64,
    pub(super) eps: f64,
}

impl Rule {
    pub(super) fn begin(&self, state: &State, learning_rate: f64) -> Update {
        let rate = learning_rate / (1.0 + (state.step - 1) as f64 * self.lr_decay);
        Update { rate: -rate as f32, decay: self.weight_decay as f32, eps: self.eps as f32 }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Update {
    rate: f32,
    decay: f32,
    eps: f32,
}

impl Update {
    pub(super) fn apply(&self, w: &mut [f32], g: &[f32], [sum, ..]: [&mut [f32]; 3]) {
        adagrad(self, w, g, sum);
    }
}

simd! {
    fn adagrad(u: &Update, w: &mut [f32], g: &[f32], sum: &mut [f32]) {
        let u = *u;
        for ((w, &g), sum) in w.iter_mut().zip(g).zip(sum) {
            let g = u.decay.mul_add(*w, g);
            *sum = g.mul_add(g, *sum);
            *w += u.rate * g / (sum.sqrt() + u.eps);
        }
    }
}
