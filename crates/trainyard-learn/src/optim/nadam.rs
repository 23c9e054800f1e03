//! NAdam: Dozat, "Incorporating Nesterov momentum into Adam" (ICLR workshop 2016), with its
//! schedule of the momentum, as PyTorch's `torch.optim.NAdam`.

use super::State;
use super::fields::optimizer;
use crate::kernels::simd::simd;

optimizer! {
    /// Adam with Nesterov's momentum.
    pub struct NadamSpec(learning_rate = 0.002, weight_decay = 0.0) {
        /// The shares of the averages of the gradients and of their squares that are kept at each
        /// step.
        pub betas: [f64; 2] = [0.9, 0.999] [minimum = 0.0, exclusive_maximum = 1.0]
            schema(min_items = 2, max_items = 2),
        /// What is added to the denominator, so that it is not zero.
        pub eps: f64 = 1e-8 [minimum = 1e-30],
        /// How fast the momentum grows from half of the first of `betas` to the whole.
        pub momentum_decay: f64 = 0.004 [minimum = 0.0],
        /// Whether the weight decay is no part of the gradients, as in AdamW.
        pub decoupled_weight_decay: bool = false,
    }
}

impl NadamSpec {
    pub(super) fn rule(&self) -> Rule {
        Rule {
            weight_decay: self.weight_decay,
            is_decoupled: self.decoupled_weight_decay,
            betas: self.betas,
            eps: self.eps,
            momentum_decay: self.momentum_decay,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub(super) weight_decay: f64,
    pub(super) is_decoupled: bool,
    pub(super) betas: [f64; 2],
    pub(super) eps: f64,
    pub(super) momentum_decay: f64,
}

impl Rule {
    pub(super) fn begin(&self, state: &mut State, learning_rate: f64) -> Update {
        let [beta1, beta2] = self.betas;
        let t = state.step as f64;
        let momentum_at = |t: f64| beta1 * (1.0 - 0.5 * 0.96_f64.powf(t * self.momentum_decay));
        let (mu, mu_next) = (momentum_at(t), momentum_at(t + 1.0));
        state.mu_product *= mu;
        let (decay, keep) = super::decays(self.weight_decay, self.is_decoupled, learning_rate);
        Update {
            gradient_rate: (-learning_rate * (1.0 - mu) / (1.0 - state.mu_product)) as f32,
            average_rate: (-learning_rate * mu_next / (1.0 - state.mu_product * mu_next)) as f32,
            decay,
            keep,
            gain1: (1.0 - beta1) as f32,
            beta2: beta2 as f32,
            gain2: (1.0 - beta2) as f32,
            correction: (1.0 - beta2.powf(t)).recip() as f32,
            eps: self.eps as f32,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Update {
    gradient_rate: f32,
    average_rate: f32,
    decay: f32,
    keep: f32,
    gain1: f32,
    beta2: f32,
    gain2: f32,
    correction: f32,
    eps: f32,
}

impl Update {
    pub(super) fn apply(&self, w: &mut [f32], g: &[f32], [m, v, _]: [&mut [f32]; 3]) {
        nadam(self, w, g, m, v);
    }
}

simd! {
    fn nadam(u: &Update, w: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
        let u = *u;
        for (((w, &g), m), v) in w.iter_mut().zip(g).zip(m).zip(v) {
            let g = u.decay.mul_add(*w, g);
            *m = super::lerp(*m, g, u.gain1);
            *v = (u.gain2 * g).mul_add(g, u.beta2 * *v);
            let scale = ((*v * u.correction).sqrt() + u.eps).recip();
            // PyTorch rounds after the decay and after each of the two steps.
            *w *= u.keep;
            *w += u.gradient_rate * g * scale;
            *w += u.average_rate * *m * scale;
        }
    }
}
