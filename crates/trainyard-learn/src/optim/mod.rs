//! Optimizers: how parameters follow their gradients.
//!
//! Three things are apart, as in burn: an [`OptimizerSpec`] is what a caller asks for, an
//! [`Optimizer`] the algorithm, which never changes, and a [`State`] what it remembers between
//! steps. Parameters, gradients and each slot of the state are flat vectors of one length. A step
//! is [`Optimizer::begin`], which does the scalar arithmetic in `f64` once, and then
//! [`Update::apply`] on one block of the vectors after the other, on any threads: every number is
//! computed by itself, so the blocking does not change a bit.
//!
//! Not here: which parameters there are, batches, and whose learning rate a step has
//! ([`crate::schedule`]). Start reading at [`OptimizerSpec`], then `sgd.rs`.

mod adadelta;
mod adagrad;
mod adam;
mod adamax;
pub mod clip;
pub(crate) mod fields;
mod lion;
mod nadam;
mod rmsprop;
mod sgd;

use serde::{Deserialize, Serialize};

use crate::kernels::Values;
use crate::problem::Problem;
use crate::schedule::ScheduleSpec;
pub use adadelta::AdadeltaSpec;
pub use adagrad::AdagradSpec;
pub use adam::{AdamSpec, AdamwSpec};
pub use adamax::AdamaxSpec;
pub use clip::Clip;
pub use lion::LionSpec;
pub use nadam::NadamSpec;
pub use rmsprop::RmspropSpec;
pub use sgd::{MomentumSpec, NesterovSpec, SgdSpec};

/// The most slots that an optimizer has.
pub const MAX_SLOTS: usize = 3;

/// An optimizer by its name, with PyTorch's parameters and defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum OptimizerSpec {
    /// Gradient descent on all rows at once.
    GradientDescent(SgdSpec),
    /// Stochastic gradient descent: one row a step, unless `batch_size` says more.
    Sgd(SgdSpec),
    /// Gradient descent on batches of rows.
    MinibatchSgd(SgdSpec),
    /// Gradient descent along a decaying sum of past gradients, as PyTorch's `SGD` with momentum.
    Momentum(MomentumSpec),
    /// Momentum that looks one step ahead, as PyTorch's `SGD` with `nesterov=True`.
    Nesterov(NesterovSpec),
    /// PyTorch's `Adagrad`.
    Adagrad(AdagradSpec),
    /// PyTorch's `Adadelta`.
    Adadelta(AdadeltaSpec),
    /// PyTorch's `RMSprop`.
    Rmsprop(RmspropSpec),
    /// PyTorch's `Adam`.
    Adam(AdamSpec),
    /// Adam with decoupled weight decay, PyTorch's `AdamW`.
    Adamw(AdamwSpec),
    /// Adam with Nesterov's momentum, PyTorch's `NAdam`.
    Nadam(NadamSpec),
    /// Adam whose denominators never shrink, PyTorch's `Adam` with `amsgrad=True`.
    Amsgrad(AdamSpec),
    /// Adam by the largest recent gradient, PyTorch's `Adamax`.
    Adamax(AdamaxSpec),
    /// Lion, which steps by signs; its learning rate should be 3 to 10 times smaller than Adam's.
    Lion(LionSpec),
}

/// The same expression over the struct of any variant.
macro_rules! each {
    ($self:ident, $spec:ident => $value:expr) => {
        match $self {
            Self::GradientDescent($spec) | Self::Sgd($spec) | Self::MinibatchSgd($spec) => $value,
            Self::Momentum($spec) => $value,
            Self::Nesterov($spec) => $value,
            Self::Adagrad($spec) => $value,
            Self::Adadelta($spec) => $value,
            Self::Rmsprop($spec) => $value,
            Self::Adam($spec) | Self::Amsgrad($spec) => $value,
            Self::Adamw($spec) => $value,
            Self::Nadam($spec) => $value,
            Self::Adamax($spec) => $value,
            Self::Lion($spec) => $value,
        }
    };
}

impl OptimizerSpec {
    /// The name in `type`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::GradientDescent(_) => "gradient_descent",
            Self::Sgd(_) => "sgd",
            Self::MinibatchSgd(_) => "minibatch_sgd",
            Self::Momentum(_) => "momentum",
            Self::Nesterov(_) => "nesterov",
            Self::Adagrad(_) => "adagrad",
            Self::Adadelta(_) => "adadelta",
            Self::Rmsprop(_) => "rmsprop",
            Self::Adam(_) => "adam",
            Self::Adamw(_) => "adamw",
            Self::Nadam(_) => "nadam",
            Self::Amsgrad(_) => "amsgrad",
            Self::Adamax(_) => "adamax",
            Self::Lion(_) => "lion",
        }
    }

    /// The learning rate that the schedule starts from.
    pub fn learning_rate(&self) -> f64 {
        each!(self, spec => spec.learning_rate)
    }

    /// How the learning rate changes.
    pub fn schedule(&self) -> &ScheduleSpec {
        each!(self, spec => &spec.schedule)
    }

    /// The limits of the gradients, where there are any.
    pub fn clip(&self) -> Option<&Clip> {
        each!(self, spec => spec.clip.as_ref())
    }

    /// Everything that is wrong with this spec by itself, with pointers relative to it.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = each!(self, spec => spec.check());
        if let Some((field, least)) = self.schedule().least()
            && least > self.learning_rate()
        {
            let detail = format!(
                "{field} is {least}; it must be at most the learning rate, {}",
                self.learning_rate()
            );
            problems.push(Problem::new(format!("/schedule/{field}"), detail));
        }
        problems
    }

    /// The algorithm. The spec is expected to have passed [`check`](Self::check).
    pub fn build(&self) -> Optimizer {
        let rule = match self {
            Self::GradientDescent(s) | Self::Sgd(s) | Self::MinibatchSgd(s) => Rule::Sgd(s.rule()),
            Self::Momentum(s) => Rule::Sgd(s.rule()),
            Self::Nesterov(s) => Rule::Sgd(s.rule()),
            Self::Adagrad(s) => Rule::Adagrad(s.rule()),
            Self::Adadelta(s) => Rule::Adadelta(s.rule()),
            Self::Rmsprop(s) => Rule::Rmsprop(s.rule()),
            Self::Adam(s) => Rule::Adam(s.rule(false)),
            Self::Amsgrad(s) => Rule::Adam(s.rule(true)),
            Self::Adamw(s) => Rule::Adam(s.rule()),
            Self::Nadam(s) => Rule::Nadam(s.rule()),
            Self::Adamax(s) => Rule::Adamax(s.rule()),
            Self::Lion(s) => Rule::Lion(s.rule()),
        };
        Optimizer(rule)
    }

    /// Every optimizer with its defaults, and then the options that change what it computes: what
    /// a test of all optimizers runs over.
    pub fn examples() -> Vec<Self> {
        vec![
            Self::GradientDescent(SgdSpec::default()),
            Self::Sgd(SgdSpec::default()),
            Self::MinibatchSgd(SgdSpec::default()),
            Self::Momentum(MomentumSpec::default()),
            Self::Nesterov(NesterovSpec::default()),
            Self::Adagrad(AdagradSpec::default()),
            Self::Adadelta(AdadeltaSpec::default()),
            Self::Rmsprop(RmspropSpec::default()),
            Self::Adam(AdamSpec::default()),
            Self::Adamw(AdamwSpec::default()),
            Self::Nadam(NadamSpec::default()),
            Self::Amsgrad(AdamSpec::default()),
            Self::Adamax(AdamaxSpec::default()),
            Self::Lion(LionSpec::default()),
            Self::Sgd(SgdSpec { weight_decay: 0.01, ..SgdSpec::default() }),
            Self::Momentum(MomentumSpec {
                dampening: 0.5,
                weight_decay: 0.01,
                ..MomentumSpec::default()
            }),
            Self::Nesterov(NesterovSpec {
                momentum: 0.5,
                weight_decay: 0.01,
                ..NesterovSpec::default()
            }),
            Self::Adagrad(AdagradSpec {
                lr_decay: 0.001,
                initial_accumulator_value: 0.1,
                ..AdagradSpec::default()
            }),
            Self::Rmsprop(RmspropSpec { centered: true, ..RmspropSpec::default() }),
            Self::Rmsprop(RmspropSpec { momentum: 0.9, ..RmspropSpec::default() }),
            Self::Rmsprop(RmspropSpec { centered: true, momentum: 0.5, ..RmspropSpec::default() }),
            Self::Adam(AdamSpec { weight_decay: 0.01, ..AdamSpec::default() }),
            Self::Nadam(NadamSpec {
                weight_decay: 0.01,
                decoupled_weight_decay: true,
                ..NadamSpec::default()
            }),
            Self::Lion(LionSpec { weight_decay: 0.01, ..LionSpec::default() }),
        ]
    }
}

/// An algorithm with its hyperparameters, made by [`OptimizerSpec::build`].
#[derive(Clone, Copy, Debug)]
pub struct Optimizer(Rule);

#[derive(Clone, Copy, Debug)]
enum Rule {
    Sgd(sgd::Rule),
    Adagrad(adagrad::Rule),
    Adadelta(adadelta::Rule),
    Rmsprop(rmsprop::Rule),
    Adam(adam::Rule),
    Nadam(nadam::Rule),
    Adamax(adamax::Rule),
    Lion(lion::Rule),
}

impl Optimizer {
    /// The number of vectors that it remembers, each as long as the parameters.
    pub fn n_slots(&self) -> usize {
        match &self.0 {
            Rule::Sgd(rule) => rule.n_slots(),
            Rule::Rmsprop(rule) => rule.n_slots(),
            Rule::Adam(rule) => rule.n_slots(),
            Rule::Adagrad(_) | Rule::Lion(_) => 1,
            Rule::Adadelta(_) | Rule::Nadam(_) | Rule::Adamax(_) => 2,
        }
    }

    /// What it remembers before the first step.
    pub fn new_state(&self, n_parameters: usize) -> State {
        let n_slots = self.n_slots();
        let initial = match &self.0 {
            Rule::Adagrad(rule) => rule.initial as f32,
            _ => 0.0,
        };
        let mut slots: [Values; MAX_SLOTS] = Default::default();
        for slot in &mut slots[..n_slots] {
            *slot = Values::zeros(n_parameters);
            if initial != 0.0 {
                slot.fill(initial);
            }
        }
        State { step: 0, slots, mu_product: 1.0 }
    }

    /// Advances the step counter and says what this step does at this learning rate.
    pub fn begin(&self, state: &mut State, learning_rate: f64) -> Update {
        state.step = state.step.saturating_add(1);
        let kind = match &self.0 {
            Rule::Sgd(rule) => Kind::Sgd(rule.begin(state, learning_rate)),
            Rule::Adagrad(rule) => Kind::Adagrad(rule.begin(state, learning_rate)),
            Rule::Adadelta(rule) => Kind::Adadelta(rule.begin(learning_rate)),
            Rule::Rmsprop(rule) => Kind::Rmsprop(rule.begin(learning_rate)),
            Rule::Adam(rule) => Kind::Adam(rule.begin(state, learning_rate)),
            Rule::Nadam(rule) => Kind::Nadam(rule.begin(state, learning_rate)),
            Rule::Adamax(rule) => Kind::Adamax(rule.begin(state, learning_rate)),
            Rule::Lion(rule) => Kind::Lion(rule.begin(learning_rate)),
        };
        Update { kind, n_slots: self.n_slots() }
    }
}

/// What an optimizer remembers between steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The number of steps begun.
    pub step: u64,
    /// Vectors as long as the parameters; those that the optimizer does not use are empty.
    pub slots: [Values; MAX_SLOTS],
    /// NAdam's product of the momentums so far; 1 for all others.
    pub mu_product: f64,
}

impl State {
    /// The slots, for [`Update::apply`] on the whole vectors.
    pub fn slots_mut(&mut self) -> [&mut [f32]; MAX_SLOTS] {
        self.slots.each_mut().map(|slot| &mut **slot)
    }
}

/// What one step does, the same for every parameter.
#[derive(Clone, Copy, Debug)]
pub struct Update {
    kind: Kind,
    n_slots: usize,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Sgd(sgd::Update),
    Adagrad(adagrad::Update),
    Adadelta(adadelta::Update),
    Rmsprop(rmsprop::Update),
    Adam(adam::Update),
    Nadam(nadam::Update),
    Adamax(adamax::Update),
    Lion(lion::Update),
}

impl Update {
    /// Updates a block of the parameters from the same block of the gradients and of each slot.
    ///
    /// Allocates nothing. Slots that the optimizer does not use may be empty.
    ///
    /// # Panics
    /// When the blocks differ in length.
    pub fn apply(&self, w: &mut [f32], g: &[f32], slots: [&mut [f32]; MAX_SLOTS]) {
        assert_eq!(w.len(), g.len(), "a gradient for every parameter");
        for slot in &slots[..self.n_slots] {
            assert_eq!(w.len(), slot.len(), "a number in every slot for every parameter");
        }
        match &self.kind {
            Kind::Sgd(update) => update.apply(w, g, slots),
            Kind::Adagrad(update) => update.apply(w, g, slots),
            Kind::Adadelta(update) => update.apply(w, g, slots),
            Kind::Rmsprop(update) => update.apply(w, g, slots),
            Kind::Adam(update) => update.apply(w, g, slots),
            Kind::Nadam(update) => update.apply(w, g, slots),
            Kind::Adamax(update) => update.apply(w, g, slots),
            Kind::Lion(update) => update.apply(w, g, slots),
        }
    }
}

/// The weight decay as what is added to the gradients, and as what the weights are multiplied by.
fn decays(weight_decay: f64, is_decoupled: bool, learning_rate: f64) -> (f32, f32) {
    if is_decoupled {
        (0.0, (1.0 - learning_rate * weight_decay) as f32)
    } else {
        (weight_decay as f32, 1.0)
    }
}

/// `a + weight * (b - a)`, from the nearer end so that it is exact at both.
#[inline(always)]
fn lerp(a: f32, b: f32, weight: f32) -> f32 {
    let distance = b - a;
    if weight < 0.5 { weight.mul_add(distance, a) } else { (weight - 1.0).mul_add(distance, b) }
}
