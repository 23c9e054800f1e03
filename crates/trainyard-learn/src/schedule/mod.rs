//! Learning-rate schedules: how the learning rate changes during training.
//!
//! Names and formulas are those of PyTorch's `torch.optim.lr_scheduler`, as if stepped once per
//! epoch. One-cycle, inverse square root and every warm-up change at each step instead. A warm-up
//! comes before the schedule proper and rises to its first learning rate, as by `SequentialLR` of
//! `LinearLR` and the schedule: epochs are then counted from the first that begins after it.
//!
//! Start reading at [`ScheduleSpec`], then [`Schedule::learning_rate`].

mod cosine;
mod decay;
mod one_cycle;
mod plateau;
mod smooth;

use serde::{Deserialize, Serialize};

use crate::problem::Problem;
pub use cosine::{CosineSchedule, Restarts};
pub use decay::{ExponentialSchedule, MultiStepSchedule, StepSchedule};
pub use one_cycle::OneCycleSchedule;
use plateau::Plateau;
pub use plateau::{ReduceOnPlateauSchedule, ThresholdMode};
pub use smooth::{InverseSqrtSchedule, PolynomialSchedule};

/// How the learning rate changes during training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ScheduleSpec {
    /// The learning rate stays as it is, after the warm-up.
    Constant(ConstantSchedule),
    /// The learning rate drops every so many epochs, as PyTorch's `StepLR`.
    Step(StepSchedule),
    /// The learning rate drops at given epochs, as PyTorch's `MultiStepLR`.
    MultiStep(MultiStepSchedule),
    /// The learning rate drops every epoch, as PyTorch's `ExponentialLR`.
    Exponential(ExponentialSchedule),
    /// The learning rate falls along a power of the remaining epochs, as PyTorch's `PolynomialLR`.
    Polynomial(PolynomialSchedule),
    /// The learning rate falls along half a cosine, as PyTorch's `CosineAnnealingLR`, and with
    /// `restarts` again and again, as `CosineAnnealingWarmRestarts`.
    Cosine(CosineSchedule),
    /// The learning rate rises and falls again over the whole training, step by step, as PyTorch's
    /// `OneCycleLR`; the momentum stays as it is.
    OneCycle(OneCycleSchedule),
    /// The learning rate drops when the loss stops improving, as PyTorch's `ReduceLROnPlateau`. It
    /// watches the validation loss, or the training loss where nothing validates.
    ReduceOnPlateau(ReduceOnPlateauSchedule),
    /// The learning rate falls with the root of the number of steps, as in "Attention is all you
    /// need" (arXiv:1706.03762).
    InverseSqrt(InverseSqrtSchedule),
}

/// [`fields!`] of a schedule: those given and those of the warm-up, which every schedule has.
macro_rules! schedule {
    ($(#[$meta:meta])* pub struct $name:ident { $($field:tt)* }) => {
        $crate::optim::fields::fields! {
            $(#[$meta])*
            pub struct $name {
                $($field)*
                /// The number of epochs, or parts of one, of warm-up: the learning rate rises along
                /// a line before the schedule begins.
                pub warmup_epochs: f64 = 0.0 [minimum = 0.0, maximum = 1000000.0],
                /// What the learning rate is multiplied by at the first step of the warm-up.
                pub warmup_start_factor: f64 =
                    0.3333333333333333 [exclusive_minimum = 0.0, maximum = 1.0],
            }
        }
    };
}

use schedule;

schedule! {
    /// A learning rate that stays as it is, after the warm-up.
    pub struct ConstantSchedule {}
}

/// The same expression over the struct of any variant.
macro_rules! each {
    ($self:ident, $spec:ident => $value:expr) => {
        match $self {
            Self::Constant($spec) => $value,
            Self::Step($spec) => $value,
            Self::MultiStep($spec) => $value,
            Self::Exponential($spec) => $value,
            Self::Polynomial($spec) => $value,
            Self::Cosine($spec) => $value,
            Self::OneCycle($spec) => $value,
            Self::ReduceOnPlateau($spec) => $value,
            Self::InverseSqrt($spec) => $value,
        }
    };
}

impl Default for ScheduleSpec {
    fn default() -> Self {
        Self::Constant(ConstantSchedule::default())
    }
}

impl ScheduleSpec {
    /// Everything that is wrong with this spec by itself, with pointers relative to it.
    pub fn check(&self) -> Vec<Problem> {
        each!(self, spec => spec.check())
    }

    /// The schedule of one training of so many epochs. The spec is expected to have passed
    /// [`check`](Self::check).
    pub fn start(&self, base_learning_rate: f64, steps_per_epoch: u64, epochs: u64) -> Schedule {
        let steps_per_epoch = steps_per_epoch.max(1);
        let (warmup_epochs, start_factor) =
            each!(self, spec => (spec.warmup_epochs, spec.warmup_start_factor));
        let n_warmup_epochs = warmup_epochs.ceil() as u64;
        let n_warmup_steps = (warmup_epochs * steps_per_epoch as f64).round() as u64;
        Schedule {
            spec: self.clone(),
            base_learning_rate,
            steps_per_epoch,
            n_warmup_steps,
            n_warmup_epochs,
            start_factor,
            n_epochs: epochs.saturating_sub(n_warmup_epochs).max(1),
            n_steps: epochs.saturating_mul(steps_per_epoch).saturating_sub(n_warmup_steps).max(1),
            progress: Progress { n_ended: 0, plateau: Plateau::new(base_learning_rate) },
        }
    }

    /// Every schedule, and then the options that change what it computes: what a test of all
    /// schedules runs over.
    pub fn examples() -> Vec<Self> {
        vec![
            Self::default(),
            Self::Step(StepSchedule::new(30)),
            Self::MultiStep(MultiStepSchedule::new(vec![30, 80])),
            Self::Exponential(ExponentialSchedule::new(0.95)),
            Self::Polynomial(PolynomialSchedule::default()),
            Self::Cosine(CosineSchedule::default()),
            Self::OneCycle(OneCycleSchedule::default()),
            Self::ReduceOnPlateau(ReduceOnPlateauSchedule::default()),
            Self::InverseSqrt(InverseSqrtSchedule::default()),
            Self::Constant(ConstantSchedule { warmup_epochs: 2.5, ..ConstantSchedule::default() }),
            Self::Polynomial(PolynomialSchedule {
                total_epochs: Some(10),
                power: 2.0,
                end_factor: 0.1,
                ..PolynomialSchedule::default()
            }),
            Self::Cosine(CosineSchedule {
                restarts: Some(Restarts { period: 4, multiplier: 2 }),
                ..CosineSchedule::default()
            }),
            Self::InverseSqrt(InverseSqrtSchedule {
                warmup_epochs: 1.0,
                ..InverseSqrtSchedule::default()
            }),
        ]
    }

    /// The field that no learning rate goes below, where there is one.
    pub(crate) fn least(&self) -> Option<(&'static str, f64)> {
        match self {
            Self::Cosine(spec) => Some(("eta_min", spec.eta_min)),
            Self::ReduceOnPlateau(spec) => Some(("min_lr", spec.min_lr)),
            _ => None,
        }
    }
}

/// The learning rates of one training, made by [`ScheduleSpec::start`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    spec: ScheduleSpec,
    base_learning_rate: f64,
    steps_per_epoch: u64,
    n_warmup_steps: u64,
    n_warmup_epochs: u64,
    start_factor: f64,
    /// After the warm-up.
    n_epochs: u64,
    /// After the warm-up.
    n_steps: u64,
    progress: Progress,
}

/// What the epochs so far have made of a schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The number of epochs that ended, with the warm-up's.
    n_ended: u64,
    plateau: Plateau,
}

impl Schedule {
    /// The learning rate of a step, counted from 0 over all epochs.
    pub fn learning_rate(&self, step: u64) -> f64 {
        if step >= self.n_warmup_steps {
            return self.after_warmup(step);
        }
        let progress = step as f64 / self.n_warmup_steps as f64;
        let factor = self.start_factor + (1.0 - self.start_factor) * progress;
        factor * self.after_warmup(self.n_warmup_steps)
    }

    /// What a later [`resume`](Self::resume) goes on from.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Goes on from the progress of another schedule of the same form.
    pub fn resume(&mut self, progress: Progress) {
        self.progress = progress;
    }

    /// Tells the schedule that an epoch ended with this loss, the lower the better.
    pub fn end_epoch(&mut self, monitored_loss: f64) {
        self.progress.n_ended = self.progress.n_ended.saturating_add(1);
        if let ScheduleSpec::ReduceOnPlateau(spec) = &self.spec
            && self.progress.n_ended > self.n_warmup_epochs
        {
            self.progress.plateau.end_epoch(spec, monitored_loss);
        }
    }

    fn after_warmup(&self, step: u64) -> f64 {
        let base = self.base_learning_rate;
        let epoch = (step / self.steps_per_epoch).saturating_sub(self.n_warmup_epochs);
        let steps_since = step - self.n_warmup_steps;
        match &self.spec {
            ScheduleSpec::Constant(_) => base,
            ScheduleSpec::Step(spec) => base * spec.factor(epoch),
            ScheduleSpec::MultiStep(spec) => base * spec.factor(epoch),
            ScheduleSpec::Exponential(spec) => base * spec.factor(epoch),
            ScheduleSpec::Polynomial(spec) => base * spec.factor(epoch, self.n_epochs),
            ScheduleSpec::Cosine(spec) => spec.learning_rate(base, epoch, self.n_epochs),
            ScheduleSpec::OneCycle(spec) => base * spec.factor(steps_since, self.n_steps),
            ScheduleSpec::ReduceOnPlateau(_) => self.progress.plateau.learning_rate,
            ScheduleSpec::InverseSqrt(_) => {
                base * InverseSqrtSchedule::factor(steps_since, self.n_warmup_steps)
            }
        }
    }
}
