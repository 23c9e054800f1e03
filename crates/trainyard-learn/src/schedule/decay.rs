//! Schedules that multiply the learning rate by `gamma` now and then.
//!
//! PyTorch has no defaults for what is required here.

use serde::{Deserialize, Serialize};

use crate::optim::fields::{Field, range};
use crate::problem::Problem;

/// The most milestones.
const MAX_MILESTONES: usize = 1000;

/// A learning rate that drops every `step_size` epochs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct StepSchedule {
    /// The number of epochs between two drops.
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub step_size: u32,
    /// What the learning rate is multiplied by at each drop.
    #[serde(default = "default_gamma")]
    #[cfg_attr(feature = "openapi", schema(exclusive_minimum = 0.0, maximum = 1.0, default = 0.1))]
    pub gamma: f64,
    /// The number of epochs, or parts of one, of warm-up: the learning rate rises along a line
    /// before the schedule begins.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(minimum = 0.0, maximum = 1000000.0, default = 0.0))]
    pub warmup_epochs: f64,
    /// What the learning rate is multiplied by at the first step of the warm-up.
    #[serde(default = "default_start_factor")]
    #[cfg_attr(
        feature = "openapi",
        schema(exclusive_minimum = 0.0, maximum = 1.0, default = 0.3333333333333333)
    )]
    pub warmup_start_factor: f64,
}

impl StepSchedule {
    /// A drop every `step_size` epochs, all else by default.
    pub fn new(step_size: u32) -> Self {
        Self {
            step_size,
            gamma: default_gamma(),
            warmup_epochs: 0.0,
            warmup_start_factor: default_start_factor(),
        }
    }

    /// Everything that is wrong with these fields, with pointers relative to them.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = check(self.gamma, self.warmup_epochs, self.warmup_start_factor);
        self.step_size.check("step_size", range!(minimum = 1), &mut problems);
        problems
    }

    pub(super) fn factor(&self, epoch: u64) -> f64 {
        power(self.gamma, epoch / u64::from(self.step_size.max(1)))
    }
}

/// A learning rate that drops at given epochs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MultiStepSchedule {
    /// The epochs, counted from 0 after the warm-up, that begin with a drop; in any order, and with
    /// two drops where one is named twice.
    #[cfg_attr(feature = "openapi", schema(max_items = 1000))]
    pub milestones: Vec<u32>,
    /// What the learning rate is multiplied by at each drop.
    #[serde(default = "default_gamma")]
    #[cfg_attr(feature = "openapi", schema(exclusive_minimum = 0.0, maximum = 1.0, default = 0.1))]
    pub gamma: f64,
    /// The number of epochs, or parts of one, of warm-up: the learning rate rises along a line
    /// before the schedule begins.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(minimum = 0.0, maximum = 1000000.0, default = 0.0))]
    pub warmup_epochs: f64,
    /// What the learning rate is multiplied by at the first step of the warm-up.
    #[serde(default = "default_start_factor")]
    #[cfg_attr(
        feature = "openapi",
        schema(exclusive_minimum = 0.0, maximum = 1.0, default = 0.3333333333333333)
    )]
    pub warmup_start_factor: f64,
}

impl MultiStepSchedule {
    /// A drop at each of `milestones`, all else by default.
    pub fn new(milestones: Vec<u32>) -> Self {
        Self {
            milestones,
            gamma: default_gamma(),
            warmup_epochs: 0.0,
            warmup_start_factor: default_start_factor(),
        }
    }

    /// Everything that is wrong with these fields, with pointers relative to them.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = check(self.gamma, self.warmup_epochs, self.warmup_start_factor);
        let n_milestones = self.milestones.len();
        if n_milestones > MAX_MILESTONES {
            let detail = format!("there are {n_milestones}; at most {MAX_MILESTONES} are allowed");
            problems.push(Problem::new("/milestones", detail));
        }
        problems
    }

    pub(super) fn factor(&self, epoch: u64) -> f64 {
        let passed = self.milestones.iter().filter(|&&milestone| u64::from(milestone) <= epoch);
        power(self.gamma, passed.count() as u64)
    }
}

/// A learning rate that drops every epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ExponentialSchedule {
    /// What the learning rate is multiplied by after each epoch.
    #[cfg_attr(feature = "openapi", schema(exclusive_minimum = 0.0, maximum = 1.0))]
    pub gamma: f64,
    /// The number of epochs, or parts of one, of warm-up: the learning rate rises along a line
    /// before the schedule begins.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(minimum = 0.0, maximum = 1000000.0, default = 0.0))]
    pub warmup_epochs: f64,
    /// What the learning rate is multiplied by at the first step of the warm-up.
    #[serde(default = "default_start_factor")]
    #[cfg_attr(
        feature = "openapi",
        schema(exclusive_minimum = 0.0, maximum = 1.0, default = 0.3333333333333333)
    )]
    pub warmup_start_factor: f64,
}

impl ExponentialSchedule {
    /// A drop by `gamma` every epoch, all else by default.
    pub fn new(gamma: f64) -> Self {
        Self { gamma, warmup_epochs: 0.0, warmup_start_factor: default_start_factor() }
    }

    /// Everything that is wrong with these fields, with pointers relative to them.
    pub fn check(&self) -> Vec<Problem> {
        check(self.gamma, self.warmup_epochs, self.warmup_start_factor)
    }

    pub(super) fn factor(&self, epoch: u64) -> f64 {
        power(self.gamma, epoch)
    }
}

fn power(gamma: f64, exponent: u64) -> f64 {
    gamma.powf(exponent as f64)
}

fn check(gamma: f64, warmup_epochs: f64, warmup_start_factor: f64) -> Vec<Problem> {
    let mut problems = Vec::new();
    let factors = range!(exclusive_minimum = 0.0, maximum = 1.0);
    gamma.check("gamma", factors, &mut problems);
    let epochs = range!(minimum = 0.0, maximum = 1000000.0);
    warmup_epochs.check("warmup_epochs", epochs, &mut problems);
    warmup_start_factor.check("warmup_start_factor", factors, &mut problems);
    problems
}

fn default_gamma() -> f64 {
    0.1
}

fn default_start_factor() -> f64 {
    1.0 / 3.0
}
