//! Half a cosine: Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts"
//! (arXiv:1608.03983).

use std::f64::consts::PI;

use super::schedule;
use crate::optim::fields::{fields, nested};

schedule! {
    /// A learning rate that falls along half a cosine.
    pub struct CosineSchedule {
        /// The learning rate that it falls to.
        pub eta_min: f64 = 0.0 [minimum = 0.0],
        /// How it starts again; `null` for a single fall over all of the training after the
        /// warm-up.
        pub restarts: Option<Restarts> = None,
    }
}

fields! {
    /// Falls one after the other, each from the whole learning rate.
    pub struct Restarts {
        /// The number of epochs of the first fall, PyTorch's `T_0`.
        pub period: u32 = 10 [minimum = 1],
        /// How many times as long each next fall is, PyTorch's `T_mult`.
        pub multiplier: u32 = 1 [minimum = 1],
    }
}

nested!(Restarts);

impl CosineSchedule {
    pub(super) fn learning_rate(&self, base: f64, epoch: u64, n_epochs: u64) -> f64 {
        let (epoch, period) = match &self.restarts {
            Some(restarts) => restarts.position(epoch),
            None => (epoch.min(n_epochs), n_epochs),
        };
        let progress = epoch as f64 / period as f64;
        self.eta_min + (base - self.eta_min) * (1.0 + (PI * progress).cos()) / 2.0
    }
}

impl Restarts {
    /// The epoch within its fall, and that fall's length.
    fn position(&self, mut epoch: u64) -> (u64, u64) {
        let multiplier = u64::from(self.multiplier.max(1));
        let mut period = u64::from(self.period.max(1));
        if multiplier == 1 {
            return (epoch % period, period);
        }
        while epoch >= period {
            epoch -= period;
            period = period.saturating_mul(multiplier);
        }
        (epoch, period)
    }
}
