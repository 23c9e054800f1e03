//! Less when nothing improves any more.

use serde::{Deserialize, Serialize};

use super::schedule;
use crate::optim::fields::{Field, Range};
use crate::problem::Problem;

schedule! {
    /// A learning rate that drops when the loss stops improving.
    pub struct ReduceOnPlateauSchedule {
        /// What the learning rate is multiplied by at each drop.
        pub factor: f64 = 0.1 [exclusive_minimum = 0.0, exclusive_maximum = 1.0],
        /// The number of epochs in a row without improvement that are let pass.
        pub patience: u32 = 10,
        /// The least improvement that counts as one.
        pub threshold: f64 = 0.0001 [minimum = 0.0],
        /// Whether `threshold` is a share of the best loss or an amount.
        pub threshold_mode: ThresholdMode = (ThresholdMode::Rel),
        /// The number of epochs after a drop in which none counts as one without improvement.
        pub cooldown: u32 = 0,
        /// The lowest learning rate.
        pub min_lr: f64 = 0.0 [minimum = 0.0],
        /// The least drop; a smaller one is left out.
        pub eps: f64 = 1e-8 [minimum = 0.0],
    }
}

/// What an improvement is measured against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ThresholdMode {
    /// The best loss: an improvement is one below `best * (1 - threshold)`.
    Rel,
    /// Nothing: an improvement is one below `best - threshold`.
    Abs,
}

impl Field for ThresholdMode {
    fn check(&self, _: &str, _: Range, _: &mut Vec<Problem>) {}
}

/// What the epochs so far led to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Plateau {
    pub(super) learning_rate: f64,
    /// None before the first epoch that has a loss.
    best: Option<f64>,
    n_bad: u32,
    n_cooldown: u32,
}

impl Plateau {
    pub(super) fn new(learning_rate: f64) -> Self {
        Self { learning_rate, best: None, n_bad: 0, n_cooldown: 0 }
    }

    /// A loss that is not a number is no improvement.
    pub(super) fn end_epoch(&mut self, spec: &ReduceOnPlateauSchedule, loss: f64) {
        let is_better = match (self.best, spec.threshold_mode) {
            (None, _) => loss < f64::INFINITY,
            (Some(best), ThresholdMode::Rel) => loss < best * (1.0 - spec.threshold),
            (Some(best), ThresholdMode::Abs) => loss < best - spec.threshold,
        };
        if is_better {
            self.best = Some(loss);
            self.n_bad = 0;
        } else {
            self.n_bad = self.n_bad.saturating_add(1);
        }
        if self.n_cooldown > 0 {
            self.n_cooldown -= 1;
            self.n_bad = 0;
        }
        if self.n_bad > spec.patience {
            let lower = (self.learning_rate * spec.factor).max(spec.min_lr);
            if self.learning_rate - lower > spec.eps {
                self.learning_rate = lower;
            }
            self.n_cooldown = spec.cooldown;
            self.n_bad = 0;
        }
    }
}
