//! Gradient descent, plain and with momentum.
//!
//! The formulas are PyTorch's `torch.optim.SGD`. Its momentum is that of Sutskever, Martens, Dahl
//! and Hinton, "On the importance of initialization and momentum in deep learning" (ICML 2013),
//! with the learning rate outside the buffer: `b = momentum * b + (1 - dampening) * g`, and then
//! `w -= lr * b`, or Nesterov's `w -= lr * (g + momentum * b)`.

use super::State;
use super::fields::optimizer;
use crate::kernels::simd::simd;

optimizer! {
    /// Gradient descent: a step against the gradient.
    pub struct SgdSpec(learning_rate = 0.001, weight_decay = 0.0) {}
}

optimizer! {
    /// Gradient descent along a decaying sum of past gradients.
    pub struct MomentumSpec(learning_rate = 0.001, weight_decay = 0.0) {
        /// The share of the sum that is kept at each step.
        pub momentum: f64 = 0.9 [minimum = 0.0, exclusive_maximum = 1.0],
        /// The share of each gradient but the first that is kept out of the sum.
        pub dampening: f64 = 0.0 [minimum = 0.0, maximum = 1.0],
    }
}

optimizer! {
    /// Gradient descent with momentum that looks one step ahead.
    pub struct NesterovSpec(learning_rate = 0.001, weight_decay = 0.0) {
        /// The share of the sum of past gradients that is kept at each step.
        pub momentum: f64 = 0.9 [exclusive_minimum = 0.0, exclusive_maximum = 1.0],
    }
}

impl SgdSpec {
    pub(super) fn rule(&self) -> Rule {
        Rule { kind: Kind::Plain, weight_decay: self.weight_decay, momentum: 0.0, dampening: 0.0 }
    }
}

impl MomentumSpec {
    pub(super) fn rule(&self) -> Rule {
        Rule {
            kind: Kind::Momentum,
            weight_decay: self.weight_decay,
            momentum: self.momentum,
            dampening: self.dampening,
        }
    }
}

impl NesterovSpec {
    pub(super) fn rule(&self) -> Rule {
        Rule {
            kind: Kind::Nesterov,
            weight_decay: self.weight_decay,
            momentum: self.momentum,
            dampening: 0.0,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Plain,
    Momentum,
    Nesterov,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub(super) kind: Kind,
    pub(super) weight_decay: f64,
    pub(super) momentum: f64,
    pub(super) dampening: f64,
}

impl Rule {
    pub(super) fn n_slots(&self) -> usize {
        match self.kind {
            Kind::Plain => 0,
            Kind::Momentum | Kind::Nesterov => 1,
        }
    }

    pub(super) fn begin(&self, state: &State, learning_rate: f64) -> Update {
        // PyTorch starts the sum with the first gradient, undamped, and keeps none at momentum 0.
        let undamped = state.step == 1 || self.momentum == 0.0;
        Update {
            kind: self.kind,
            rate: -learning_rate as f32,
            decay: self.weight_decay as f32,
            momentum: self.momentum as f32,
            gain: if undamped { 1.0 } else { (1.0 - self.dampening) as f32 },
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Update {
    kind: Kind,
    rate: f32,
    decay: f32,
    momentum: f32,
    gain: f32,
}

impl Update {
    pub(super) fn apply(&self, w: &mut [f32], g: &[f32], [b, ..]: [&mut [f32]; 3]) {
        match self.kind {
            Kind::Plain => plain(self, w, g),
            Kind::Momentum => momentum(self, w, g, b),
            Kind::Nesterov => nesterov(self, w, g, b),
        }
    }
}

simd! {
    fn plain(u: &Update, w: &mut [f32], g: &[f32]) {
        let u = *u;
        for (w, &g) in w.iter_mut().zip(g) {
            *w = u.rate.mul_add(u.decay.mul_add(*w, g), *w);
        }
    }

    fn momentum(u: &Update, w: &mut [f32], g: &[f32], b: &mut [f32]) {
        let u = *u;
        for ((w, &g), b) in w.iter_mut().zip(g).zip(b) {
            let g = u.decay.mul_add(*w, g);
            *b = u.gain.mul_add(g, u.momentum * *b);
            *w = u.rate.mul_add(*b, *w);
        }
    }

    fn nesterov(u: &Update, w: &mut [f32], g: &[f32], b: &mut [f32]) {
        let u = *u;
        for ((w, &g), b) in w.iter_mut().zip(g).zip(b) {
            let g = u.decay.mul_add(*w, g);
            *b = u.gain.mul_add(g, u.momentum * *b);
            *w = u.rate.mul_add(u.momentum.mul_add(*b, g), *w);
        }
    }
}
