//! What one step of a fit leaves to the next, and whether it is that of another one.

use serde::{Deserialize, Serialize};

use super::scored::n_probabilities;
use super::tally::Tally;
use super::{Examples, Fit, Target};
use crate::kernels::Values;
use crate::optim::{self, MAX_SLOTS};

/// All that one step leaves to the next. Random numbers are not part of it: the seed and a count name
/// each of them.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Memory {
    pub(super) parameters: Values,
    pub(super) buffers: Vec<f32>,
    /// The averaged parameters, if they are wanted.
    pub(super) average: Option<Values>,
    pub(super) state: optim::State,
    /// Steps and portions of batches since the fit began.
    pub(super) n_steps: u64,
    pub(super) n_portions: u64,
    pub(super) learning_rate: f64,
    pub(super) tally: Tally,
    pub(super) first_loss: Option<f64>,
    /// The units of all activations: what of them moved in the epoch's last steps, if these have begun.
    pub(super) alive: Vec<bool>,
    pub(super) has_looked: bool,
}

/// How many numbers of each kind a fit remembers.
#[derive(Debug, PartialEq)]
struct Lengths {
    parameters: usize,
    buffers: usize,
    average: Option<usize>,
    slots: [usize; MAX_SLOTS],
    classes: usize,
    values: usize,
    probabilities: usize,
    alive: usize,
}

impl Lengths {
    fn of(fit: &Fit<'_>, examples: &Examples<'_>) -> Self {
        let (network, n_train) = (fit.network, examples.train.len());
        let n = network.n_parameters();
        let n_slots = fit.optimizer.build().n_slots();
        let (classes, values) = match examples.target {
            Target::Classes { .. } => (n_train, 0),
            Target::Values { n_outputs, .. } | Target::Labels { n_outputs, .. } => {
                (0, n_train * n_outputs)
            }
        };
        Self {
            parameters: n,
            buffers: network.n_buffers(),
            average: fit.training.averaging.map(|_| n),
            slots: std::array::from_fn(|slot| if slot < n_slots { n } else { 0 }),
            classes,
            values,
            probabilities: n_train * n_probabilities(fit, examples.target),
            alive: network.activations().iter().map(|(_, units)| units).sum(),
        }
    }
}

impl Memory {
    /// Of a fit that begins.
    pub(super) fn new(fit: &Fit<'_>, examples: &Examples<'_>) -> Self {
        let network = fit.network;
        let lengths = Lengths::of(fit, examples);
        let parameters = fit.initial.map_or_else(|| network.initial(fit.seed), Values::from);
        Self {
            average: lengths.average.map(|_| parameters.clone()),
            parameters,
            buffers: network.initial_buffers(),
            state: fit.optimizer.build().new_state(lengths.parameters),
            n_steps: 0,
            n_portions: 0,
            learning_rate: fit.optimizer.learning_rate(),
            tally: Tally {
                classes: vec![0; lengths.classes],
                values: vec![0.0; lengths.values],
                probabilities: vec![0.0; lengths.probabilities],
                ..Tally::default()
            },
            first_loss: None,
            alive: vec![false; lengths.alive],
            has_looked: false,
        }
    }

    /// Whether it can be that of this fit.
    pub(super) fn is_of(&self, fit: &Fit<'_>, examples: &Examples<'_>) -> bool {
        let Tally { classes, values, probabilities, .. } = &self.tally;
        let own = Lengths {
            parameters: self.parameters.len(),
            buffers: self.buffers.len(),
            average: self.average.as_ref().map(|average| average.len()),
            slots: self.state.slots.each_ref().map(|slot| slot.len()),
            classes: classes.len(),
            values: values.len(),
            probabilities: probabilities.len(),
            alive: self.alive.len(),
        };
        own == Lengths::of(fit, examples)
    }

    /// Whether so many rows of the epoch were seen.
    pub(super) fn has_seen(&self, n_seen: usize) -> bool {
        self.tally.n_seen == n_seen
    }

    /// Whether these can be parameters and buffers of the same fit, or are none yet.
    pub(super) fn has_kept(&self, (parameters, buffers): &(Values, Vec<f32>)) -> bool {
        let none = parameters.is_empty() && buffers.is_empty();
        none || parameters.len() == self.parameters.len() && buffers.len() == self.buffers.len()
    }
}
