//! One cycle: Smith and Topin, "Super-convergence: very fast training of neural networks using
//! large learning rates" (arXiv:1708.07120), in PyTorch's two phases along cosines.

use std::f64::consts::PI;

use super::schedule;

schedule! {
    /// A learning rate that rises and falls again, once.
    ///
    /// PyTorch's `max_lr` is the learning rate times `max_factor`.
    pub struct OneCycleSchedule {
        /// What the learning rate is multiplied by at its highest.
        pub max_factor: f64 = 1.0 [exclusive_minimum = 0.0],
        /// The share of the steps in which it rises.
        pub pct_start: f64 = 0.3 [minimum = 0.0, maximum = 1.0],
        /// What the highest learning rate is divided by at the first step.
        pub div_factor: f64 = 25.0 [exclusive_minimum = 0.0],
        /// What the learning rate of the first step is divided by at the last.
        pub final_div_factor: f64 = 10000.0 [exclusive_minimum = 0.0],
    }
}

impl OneCycleSchedule {
    pub(super) fn factor(&self, step: u64, n_steps: u64) -> f64 {
        let highest = self.max_factor;
        let first = highest / self.div_factor;
        let last = first / self.final_div_factor;
        let (step, n_steps) = (step as f64, n_steps as f64);
        let (turn, end) = (self.pct_start * n_steps - 1.0, n_steps - 1.0);
        if step <= turn {
            along_cosine(first, highest, step, turn)
        } else {
            along_cosine(highest, last, step - turn, end - turn)
        }
    }
}

/// From `start` to `end` along half a cosine, `done` of `length` on the way.
fn along_cosine(start: f64, end: f64, done: f64, length: f64) -> f64 {
    let progress = if length > 0.0 { (done / length).min(1.0) } else { 1.0 };
    end + (start - end) / 2.0 * (1.0 + (PI * progress).cos())
}
