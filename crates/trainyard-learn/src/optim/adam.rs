//! Adam and its variants that differ in the weight decay and the second moment.
//!
//! Adam: Kingma and Ba, "Adam: a method for stochastic optimization" (arXiv:1412.6980). AMSGrad:
//! Reddi, Kale and Kumar, "On the convergence of Adam and beyond" (ICLR 2018). AdamW: Loshchilov
//! and Hutter, "Decoupled weight decay regularization" (arXiv:1711.05101). All as PyTorch's
//! `torch.optim.Adam` and `AdamW`.

use super::State;
use super::fields::optimizer;
use crate::kernels::simd::simd;

optimizer! {
    /// Adam: the average of the gradients divided by the root of the average of their squares.
    pub struct AdamSpec(learning_rate = 0.001, weight_decay = 0.0) {
        /// The shares of the averages of the gradients and of their squares that are kept at each
        /// step.
        pub betas: [f64; 2] = [0.9, 0.999] [minimum = 0.0, exclusive_maximum = 1.0]
            schema(min_items = 2, max_items = 2),
        /// What is added to the denominator, so that it is not zero.
        pub eps: f64 = 1e-8 [minimum = 1e-30],
    }
}

optimizer! {
    /// Adam with a weight decay that is not part of the gradients.
    pub struct AdamwSpec(learning_rate = 0.001, weight_decay = 0.01) {
        /// The shares of the averages of the gradients and of their squares that are kept at each
        /// step.
        pub betas: [f64; 2] = [0.9, 0.999] [minimum = 0.0, exclusive_maximum = 1.0]
            schema(min_items = 2, max_items = 2),
        /// What is added to the denominator, so that it is not zero.
        pub eps: f64 = 1e-8 [minimum = 1e-30],
    }
}

impl AdamSpec {
    pub(super) fn rule(&self, is_amsgrad: bool) -> Rule {
        Rule {
            weight_decay: self.weight_decay,
            is_decoupled: false,
            betas: self.betas,
            eps: self.eps,
            is_amsgrad,
        }
    }
}

impl AdamwSpec {
    pub(super) fn rule(&self) -> Rule {
        Rule {
            weight_decay: self.weight_decay,
            is_decoupled: true,
            betas: self.betas,
            eps: self.eps,
            is_amsgrad: false,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub(super) weight_decay: f64,
    pub(super) is_decoupled: bool,
    pub(super) betas: [f64; 2],
    pub(super) eps: f64,
    pub(super) is_amsgrad: bool,
}

impl Rule {
    pub(super) fn n_slots(&self) -> usize {
        if self.is_amsgrad { 3 } else { 2 }
    }

    pub(super) fn begin(&self, state: &State, learning_rate: f64) -> Update {
        let [beta1, beta2] = self.betas;
        let t = state.step as f64;
        let step_size = learning_rate / (1.0 - beta1.powf(t));
        let (decay, keep) = super::decays(self.weight_decay, self.is_decoupled, learning_rate);
        Update {
            is_amsgrad: self.is_amsgrad,
            rate: -step_size as f32,
            decay,
            keep,
            gain1: (1.0 - beta1) as f32,
            beta2: beta2 as f32,
            gain2: (1.0 - beta2) as f32,
            root_correction: (1.0 - beta2.powf(t)).sqrt().recip() as f32,
            eps: self.eps as f32,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Update {
    is_amsgrad: bool,
    rate: f32,
    decay: f32,
    keep: f32,
    gain1: f32,
    beta2: f32,
    gain2: f32,
    root_correction: f32,
    eps: f32,
}

impl Update {
    /// The slots hold the averages of the gradients and of their squares, and AMSGrad's largest
    /// average of squares.
    pub(super) fn apply(&self, w: &mut [f32], g: &[f32], [m, v, largest]: [&mut [f32]; 3]) {
        if self.is_amsgrad {
            amsgrad(self, w, g, m, v, largest);
        } else {
            adam(self, w, g, m, v);
        }
    }

    #[inline(always)]
    fn average(&self, w: f32, g: f32, m: &mut f32, v: &mut f32) {
        let g = self.decay.mul_add(w, g);
        *m = super::lerp(*m, g, self.gain1);
        *v = (self.gain2 * g).mul_add(g, self.beta2 * *v);
    }

    #[inline(always)]
    fn moved(&self, w: f32, m: f32, v: f32) -> f32 {
        let step = self.rate * m / v.sqrt().mul_add(self.root_correction, self.eps);
        // Rounded after the decay, as PyTorch does: the decay of one step is of the size of an ulp.
        w * self.keep + step
    }
}

simd! {
    fn adam(u: &Update, w: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
        let u = *u;
        for (((w, &g), m), v) in w.iter_mut().zip(g).zip(m).zip(v) {
            u.average(*w, g, m, v);
            *w = u.moved(*w, *m, *v);
        }
    }

    fn amsgrad(
        u: &Update,
        w: &mut [f32],
        g: &[f32],
        m: &mut [f32],
        v: &mut [f32],
        largest: &mut [f32],
    ) {
        let u = *u;
        for ((((w, &g), m), v), largest) in w.iter_mut().zip(g).zip(m).zip(v).zip(largest) {
            u.average(*w, g, m, v);
            *largest = largest.max(*v);
            *w = u.moved(*w, *m, *largest);
        }
    }
}
