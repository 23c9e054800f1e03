//! Schedules that fall smoothly, by a power.

use super::schedule;

schedule! {
    /// A learning rate that falls along a power of the remaining epochs.
    ///
    /// With an `end_factor` it is PyTorch's `PolynomialLR` between 1 and that factor, and with a
    /// `power` of 1 its `LinearLR`.
    pub struct PolynomialSchedule {
        /// The number of epochs after which the learning rate no longer falls; `null` for all of
        /// the training after the warm-up.
        pub total_epochs: Option<u32> = None [minimum = 1],
        /// The exponent; 1 falls along a line.
        pub power: f64 = 1.0 [minimum = 0.0],
        /// What the learning rate is multiplied by in the end.
        pub end_factor: f64 = 0.0 [minimum = 0.0, maximum = 1.0],
    }
}

impl PolynomialSchedule {
    pub(super) fn factor(&self, epoch: u64, n_epochs: u64) -> f64 {
        let total = self.total_epochs.map_or(n_epochs, u64::from).max(1);
        let remaining = 1.0 - epoch.min(total) as f64 / total as f64;
        self.end_factor + (1.0 - self.end_factor) * remaining.powf(self.power)
    }
}

schedule! {
    /// A learning rate that falls with the root of the number of steps.
    ///
    /// After a warm-up of `n` steps, step `t` has the learning rate times `sqrt(n / t)`; without
    /// one, `1 / sqrt(t + 1)`.
    pub struct InverseSqrtSchedule {}
}

impl InverseSqrtSchedule {
    pub(super) fn factor(steps_since: u64, n_warmup_steps: u64) -> f64 {
        let n = n_warmup_steps.max(1) as f64;
        (n / (n + steps_since as f64)).sqrt()
    }
}
