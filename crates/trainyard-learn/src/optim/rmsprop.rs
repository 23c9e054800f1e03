//! RMSprop: Tieleman and Hinton, "Neural networks for machine learning", lecture 6e (2012), as
//! PyTorch's `torch.optim.RMSprop`; centred as in Graves, "Generating sequences with recurrent
//! neural networks" (arXiv:1308.0850).

use super::fields::optimizer;
use crate::kernels::simd::simd;

optimizer! {
    /// RMSprop: gradients divided by the root of the average of their squares.
    pub struct RmspropSpec(learning_rate = 0.01, weight_decay = 0.0) {
        /// The share of the average of squares that is kept at each step.
        pub alpha: f64 = 0.99 [minimum = 0.0, exclusive_maximum = 1.0],
        /// What is added to the denominator, so that it is not zero.
        pub eps: f64 = 1e-8 [minimum = 1e-30],
        /// Whether to divide by the gradients' standard deviation instead.
        pub centered: bool = false,
        /// The share of the sum of past steps that is kept at each step; 0 for no such sum.
        pub momentum: f64 = 0.0 [minimum = 0.0, exclusive_maximum = 1.0],
    }
}

impl RmspropSpec {
    pub(super) fn rule(&self) -> Rule {
        Rule {
            weight_decay: self.weight_decay,
            alpha: self.alpha,
            eps: self.eps,
            centered: self.centered,
            momentum: self.momentum,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub(super) weight_decay: f64,
    pub(super) alpha: f64,
    pub(super) eps: f64,
    pub(super) centered: bool,
    pub(super) momentum: f64,
}

impl Rule {
    pub(super) fn n_slots(&self) -> usize {
        1 + usize::from(self.centered) + usize::from(self.has_momentum())
    }

    pub(super) fn begin(&self, learning_rate: f64) -> Update {
        Update {
            centered: self.centered,
            has_momentum: self.has_momentum(),
            rate: -learning_rate as f32,
            decay: self.weight_decay as f32,
            alpha: self.alpha as f32,
            gain: (1.0 - self.alpha) as f32,
            eps: self.eps as f32,
            momentum: self.momentum as f32,
        }
    }

    fn has_momentum(&self) -> bool {
        self.momentum > 0.0
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Update {
    centered: bool,
    has_momentum: bool,
    rate: f32,
    decay: f32,
    alpha: f32,
    gain: f32,
    eps: f32,
    momentum: f32,
}

impl Update {
    /// The first slot holds the average of squares; the average and the sum of steps follow, each
    /// where there is one.
    pub(super) fn apply(&self, w: &mut [f32], g: &[f32], [v, second, third]: [&mut [f32]; 3]) {
        match (self.centered, self.has_momentum) {
            (false, false) => plain(self, w, g, v),
            (false, true) => momentum(self, w, g, v, second),
            (true, false) => centered(self, w, g, v, second),
            (true, true) => centered_momentum(self, w, g, v, second, third),
        }
    }

    #[inline(always)]
    fn square_average(&self, g: f32, v: f32) -> f32 {
        (self.gain * g).mul_add(g, self.alpha * v)
    }

    /// The standard deviation. A variance that rounding made negative counts as 0, where PyTorch's
    /// root is NaN; the comparison lets a NaN of the gradients through.
    #[inline(always)]
    fn deviation(&self, m: f32, v: f32) -> f32 {
        let variance = (-m).mul_add(m, v);
        (if variance < 0.0 { 0.0 } else { variance }).sqrt() + self.eps
    }
}

simd! {
    fn plain(u: &Update, w: &mut [f32], g: &[f32], v: &mut [f32]) {
        let u = *u;
        for ((w, &g), v) in w.iter_mut().zip(g).zip(v) {
            let g = u.decay.mul_add(*w, g);
            *v = u.square_average(g, *v);
            *w += u.rate * g / (v.sqrt() + u.eps);
        }
    }

    fn momentum(u: &Update, w: &mut [f32], g: &[f32], v: &mut [f32], b: &mut [f32]) {
        let u = *u;
        for (((w, &g), v), b) in w.iter_mut().zip(g).zip(v).zip(b) {
            let g = u.decay.mul_add(*w, g);
            *v = u.square_average(g, *v);
            *b = u.momentum.mul_add(*b, g / (v.sqrt() + u.eps));
            *w = u.rate.mul_add(*b, *w);
        }
    }

    fn centered(u: &Update, w: &mut [f32], g: &[f32], v: &mut [f32], m: &mut [f32]) {
        let u = *u;
        for (((w, &g), v), m) in w.iter_mut().zip(g).zip(v).zip(m) {
            let g = u.decay.mul_add(*w, g);
            *v = u.square_average(g, *v);
            *m = super::lerp(*m, g, u.gain);
            *w += u.rate * g / u.deviation(*m, *v);
        }
    }

    fn centered_momentum(
        u: &Update,
        w: &mut [f32],
        g: &[f32],
        v: &mut [f32],
        m: &mut [f32],
        b: &mut [f32],
    ) {
        let u = *u;
        for ((((w, &g), v), m), b) in w.iter_mut().zip(g).zip(v).zip(m).zip(b) {
            let g = u.decay.mul_add(*w, g);
            *v = u.square_average(g, *v);
            *m = super::lerp(*m, g, u.gain);
            *b = u.momentum.mul_add(*b, g / u.deviation(*m, *v));
            *w = u.rate.mul_add(*b, *w);
        }
    }
}
