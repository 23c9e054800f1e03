//! The state of a fit, and one step of it: forward, loss, backward, what holds the gradients back,
//! the optimizer, what holds the weights back.

use std::ops::Range;

use super::batches::Batches;
use super::outputs::{Scratch, validate, weight_of};
use super::record::{LayerNorms, Summary};
use super::scored::{Said, judge, keep_probabilities, n_probabilities};
use super::state::Memory;
use super::tally::Tally;
use super::weights::{BLOCK, add_noise, apply, blend, penalize, shrink_columns};
use super::{Examples, Fit, Target};
use crate::kernels::{Crew, Values};
use crate::losses::{TargetRows, Weights};
use crate::network::{Pass, Training};
use crate::optim::Optimizer;
use crate::random::stream::{Stream, derive};
use crate::schedule::{Progress, Schedule};

/// A loss this many times the first batch's is no learning any more.
const DIVERGED_FACTOR: f64 = 1e6;

const STREAM_NOISE: u64 = 3;

/// The state of a fit.
pub(super) struct Learner<'a> {
    fit: &'a Fit<'a>,
    examples: &'a Examples<'a>,
    memory: Memory,
    gradients: Values,
    optimizer: Optimizer,
    schedule: Schedule,
    scratch: Scratch,
    batch: Batch,
    validation: Option<Validation>,
    /// Where each tensor's parameters lie.
    tensors: Vec<Range<usize>>,
}

/// The rows that are computed at once.
struct Batch {
    /// How many, at the most.
    n_rows: usize,
    classes: Vec<u32>,
    values: Vec<f32>,
    weights: Option<Vec<f32>>,
}

struct Validation {
    outputs: Vec<f32>,
    /// What scorers need of each row besides its class; empty unless one does.
    probabilities: Vec<f32>,
}

impl<'a> Learner<'a> {
    /// Of a fit that goes on from this memory.
    pub(super) fn new(
        fit: &'a Fit<'a>,
        examples: &'a Examples<'a>,
        batches: &Batches,
        memory: Memory,
    ) -> Self {
        let network = fit.network;
        let base = fit.optimizer.learning_rate();
        let (n_steps, epochs) = (batches.n_steps() as u64, u64::from(fit.training.epochs));
        // Over a batch norm a batch cannot be divided.
        let n_rows = batches.capacity(!network.has_batch_norm());
        let (n_classes, n_values) = match examples.target {
            Target::Classes { .. } => (n_rows, 0),
            Target::Values { n_outputs, .. } | Target::Labels { n_outputs, .. } => {
                (0, n_rows * n_outputs)
            }
        };
        let n_validation = examples.validation.len();
        let n_probabilities = n_probabilities(fit, examples.target);
        Self {
            fit,
            examples,
            memory,
            gradients: Values::zeros(network.n_parameters()),
            optimizer: fit.optimizer.build(),
            schedule: fit.optimizer.schedule().start(base, n_steps, epochs),
            scratch: Scratch::new(network, n_rows_at_once(n_rows, n_validation), true),
            batch: Batch {
                n_rows,
                classes: vec![0; n_classes],
                values: vec![0.0; n_values],
                weights: examples.weights.map(|_| vec![0.0; n_rows]),
            },
            validation: (n_validation > 0).then(|| Validation {
                outputs: vec![0.0; n_validation * network.n_outputs()],
                probabilities: vec![0.0; n_validation * n_probabilities],
            }),
            tensors: network.tensors().iter().map(|tensor| tensor.range.clone()).collect(),
        }
    }

    /// What a later learner of the same fit goes on from.
    pub(super) fn memory(&self) -> (&Memory, &Progress) {
        (&self.memory, self.schedule.progress())
    }

    /// Goes on from the schedule's progress.
    pub(super) fn resume(&mut self, schedule: Progress) {
        self.schedule.resume(schedule);
    }

    pub(super) fn begin_epoch(&mut self) {
        self.memory.tally.loss = 0.0;
        self.memory.tally.weight = 0.0;
        self.memory.tally.n_seen = 0;
        self.memory.alive.fill(false);
        self.memory.has_looked = false;
    }

    /// One step of an epoch whose rows come in this order. Tells `norms` of the layers, if given.
    pub(super) fn step(
        &mut self,
        order: &[u32],
        (batches, step): (&Batches, usize),
        norms: Option<&mut LayerNorms>,
        crew: &mut Crew,
    ) {
        let (batches, looks) = (batches.of_step(step), batches.looks(step));
        let share = 1.0 / batches.len() as f64;
        let mut accumulate = false;
        for batch in batches {
            let rows = &order[batch];
            let weight = self.weight(rows);
            // A batch whose rows all weigh nothing teaches nothing.
            let scale = if weight > 0.0 { (share / weight) as f32 } else { 0.0 };
            for portion in rows.chunks(self.batch.n_rows) {
                self.portion(portion, scale, accumulate, crew);
                accumulate = true;
                if looks {
                    self.look(portion.len());
                }
            }
            self.memory.tally.weight += weight;
        }
        let Tally { loss, weight, .. } = self.memory.tally;
        if weight > 0.0 {
            self.memory.first_loss.get_or_insert(loss / weight);
        }
        self.update(norms, crew);
        self.memory.n_steps = self.memory.n_steps.saturating_add(1);
    }

    /// Notes which units the portion on the tape has moved.
    fn look(&mut self, n_rows: usize) {
        let Memory { parameters, alive, has_looked, .. } = &mut self.memory;
        self.fit.network.mark_alive(parameters, &self.scratch.tape, n_rows, alive);
        *has_looked = true;
    }

    /// What the rows' weights add up to.
    fn weight(&self, rows: &[u32]) -> f64 {
        if self.examples.weights.is_none() && self.examples.class_weights.is_none() {
            return rows.len() as f64;
        }
        rows.iter().map(|row| f64::from(weight_of(self.examples, *row as usize))).sum()
    }

    /// Forward and backward over some rows; their gradients, times `scale`, are added up.
    fn portion(&mut self, rows: &[u32], scale: f32, accumulate: bool, crew: &mut Crew) {
        let Fit { network, loss, .. } = *self.fit;
        let n_rows = rows.len();
        let Scratch { x, tape, .. } = &mut self.scratch;
        let x = &mut x[..n_rows * network.n_inputs()];
        self.examples.x.gather(x, rows, network.n_inputs(), crew);
        let target = match self.examples.target {
            Target::Classes { classes, .. } => {
                let batch = &mut self.batch.classes[..n_rows];
                batch.iter_mut().zip(rows).for_each(|(to, row)| *to = classes[*row as usize]);
                TargetRows::Classes(batch)
            }
            Target::Values { values, n_outputs } | Target::Labels { values, n_outputs } => {
                let batch = &mut self.batch.values[..n_rows * n_outputs];
                for (to, row) in batch.chunks_exact_mut(n_outputs).zip(rows) {
                    to.copy_from_slice(&values[*row as usize * n_outputs..][..n_outputs]);
                }
                TargetRows::Values(batch)
            }
        };
        if let (Some(batch), Some(weights)) = (&mut self.batch.weights, self.examples.weights) {
            batch.iter_mut().zip(rows).for_each(|(to, row)| *to = weights[*row as usize]);
        }
        let weights = Weights {
            rows: self.batch.weights.as_ref().map(|weights| &weights[..n_rows]),
            classes: self.examples.class_weights,
        };
        let training = Training { seed: self.fit.seed, batch: self.memory.n_portions, accumulate };
        let mut pass = Pass { n_rows, training: Some(training), crew };
        network.forward(x, &self.memory.parameters, &self.memory.buffers, tape, &mut pass);
        let (z, dz) = network.outputs_and_gradient(tape, n_rows);
        self.memory.tally.loss +=
            loss.rows(Some(dz), z, network.n_outputs(), target, weights, scale);
        self.memory.tally.take(z, network.n_outputs(), self.fit);
        network.backward(&mut self.gradients, x, &self.memory.parameters, tape, &mut pass);
        network.update_buffers(&mut self.memory.buffers, tape, n_rows);
        self.memory.n_portions = self.memory.n_portions.saturating_add(1);
    }

    /// Changes the parameters by their gradients.
    fn update(&mut self, mut norms: Option<&mut LayerNorms>, crew: &mut Crew) {
        let Fit { network, training, .. } = *self.fit;
        if training.l1 > 0.0 || training.l2 > 0.0 {
            for tensor in network.weights() {
                let range = tensor.range.clone();
                let (g, w) = (&mut self.gradients[range.clone()], &self.memory.parameters[range]);
                penalize(g, w, training.l1 as f32, training.l2 as f32);
            }
        }
        if let Some(norms) = &mut norms {
            norms.of_gradients(&self.gradients);
        }
        self.hold_back(crew);
        self.memory.learning_rate = self.schedule.learning_rate(self.memory.n_steps);
        let update = self.optimizer.begin(&mut self.memory.state, self.memory.learning_rate);
        let (w, g) = (&mut self.memory.parameters, &mut self.gradients);
        apply(update, w, g, &mut self.memory.state.slots, norms.is_some(), crew);
        if let Some(norms) = &mut norms {
            // The gradients' place now holds what the parameters were changed by.
            norms.of_changes(&self.gradients, &self.memory.parameters);
        }
        if let Some(most) = training.max_norm {
            for tensor in network.weights() {
                shrink_columns(
                    &mut self.memory.parameters[tensor.range.clone()],
                    tensor.shape[1],
                    most,
                );
            }
        }
        if let (Some(average), Some(averaging)) = (&mut self.memory.average, training.averaging) {
            let parameters = &self.memory.parameters;
            crew.for_blocks([average], BLOCK, |index, [average]| {
                let start = index * BLOCK;
                blend(average, &parameters[start..start + average.len()], averaging.decay as f32);
            });
        }
    }

    /// Clips the gradients and adds noise to them, as far as it is wanted.
    fn hold_back(&mut self, crew: &mut Crew) {
        let g = &mut self.gradients;
        if let Some(clip) = self.fit.optimizer.clip() {
            clip.apply(g, &self.tensors);
        }
        if let Some(noise) = self.fit.training.gradient_noise {
            let deviation =
                (noise.eta / (1.0 + self.memory.n_steps as f64).powf(noise.gamma)).sqrt();
            let path = [self.memory.n_steps as u32, (self.memory.n_steps >> 32) as u32];
            let seed = derive(self.fit.seed, STREAM_NOISE);
            let stream = |block| Stream::new(derive(seed, block), path);
            add_noise(g, deviation as f32, stream, crew);
        }
    }

    /// What the epoch came to; validates where there are rows to validate on.
    pub(super) fn summarize(&mut self, order: &[u32], crew: &mut Crew) -> Summary {
        let Fit { network, loss, scorers, .. } = *self.fit;
        let n = self.memory.tally.n_seen;
        let Tally { classes, values, probabilities, .. } = &self.memory.tally;
        let said = Said { classes, values, probabilities };
        let mut summary = Summary {
            train_loss: self.memory.tally.loss / self.memory.tally.weight,
            train_scores: judge(scorers, self.examples, &order[..n], said),
            learning_rate: self.memory.learning_rate,
            dead_units: self.dead_units(),
            ..Summary::default()
        };
        if let Some(validation) = &mut self.validation {
            let Validation { outputs, probabilities } = validation;
            let learned = (
                &**self.memory.average.as_ref().unwrap_or(&self.memory.parameters),
                &*self.memory.buffers,
            );
            let scratch = &mut self.scratch;
            let found = validate(network, loss, learned, self.examples, outputs, scratch, crew);
            summary.val_loss = Some(found);
            let n_outputs = network.n_outputs();
            let rows = self.examples.validation;
            let classes: Vec<u32> = match self.examples.target {
                Target::Classes { .. } => {
                    outputs.chunks_exact(n_outputs).map(|z| loss.class_of(z)).collect()
                }
                Target::Values { .. } | Target::Labels { .. } => Vec::new(),
            };
            let mut values = Vec::new();
            if classes.is_empty() {
                values.clone_from(outputs);
                loss.values(&mut values);
            }
            if !probabilities.is_empty() {
                let width = probabilities.len() / rows.len();
                keep_probabilities(probabilities, outputs, width, self.fit);
            }
            let said = Said { classes: &classes, values: &values, probabilities };
            summary.val_scores = judge(scorers, self.examples, rows, said);
        }
        summary
    }

    /// For each activation the share of its units that nothing has moved; NaN where nobody looked.
    fn dead_units(&self) -> Vec<f64> {
        let mut rest = self.memory.alive.as_slice();
        let mut share = |(_, n_units): (String, usize)| {
            let units;
            (units, rest) = rest.split_at(n_units);
            let n_dead = units.iter().filter(|alive| !**alive).count();
            if self.memory.has_looked { n_dead as f64 / n_units as f64 } else { f64::NAN }
        };
        self.fit.network.activations().into_iter().map(&mut share).collect()
    }

    pub(super) fn end_epoch(&mut self, summary: &Summary) {
        self.schedule.end_epoch(summary.val_loss.unwrap_or(summary.train_loss));
    }

    pub(super) fn n_steps(&self) -> u64 {
        self.memory.n_steps
    }

    /// Rows seen in this epoch.
    pub(super) fn n_seen(&self) -> usize {
        self.memory.tally.n_seen
    }

    pub(super) fn learning_rate(&self) -> f64 {
        self.memory.learning_rate
    }

    /// Why the fit cannot go on, if it cannot.
    pub(super) fn diverged(&self) -> Option<String> {
        let loss = self.memory.tally.loss;
        (!loss.is_finite()).then(|| "the loss is no finite number any more".to_owned())
    }

    /// The same, over a whole epoch.
    pub(super) fn diverged_over(&self, summary: &Summary) -> Option<String> {
        let first = self.memory.first_loss.unwrap_or(0.0);
        if self.memory.parameters.iter().any(|parameter| !parameter.is_finite()) {
            return Some("a weight is no finite number any more".to_owned());
        }
        if self.memory.buffers.iter().any(|value| !value.is_finite()) {
            return Some("a running mean or variance is no finite number any more".to_owned());
        }
        if summary.val_loss.is_some_and(|loss| !loss.is_finite()) {
            return Some("the loss on the rows held out is no finite number any more".to_owned());
        }
        (summary.train_loss.abs() > DIVERGED_FACTOR * (first.abs() + 1.0))
            .then(|| format!("the loss grew from {first:.3} to {:.3}", summary.train_loss))
    }

    /// Copies what has been learned so far to `place`.
    pub(super) fn keep(&self, place: &mut (Values, Vec<f32>)) {
        place.0.clone_from(self.memory.average.as_ref().unwrap_or(&self.memory.parameters));
        place.1.clone_from(&self.memory.buffers);
    }

    /// The parameters and buffers learned.
    pub(super) fn into_learned(self) -> (Values, Vec<f32>) {
        (self.memory.average.unwrap_or(self.memory.parameters), self.memory.buffers)
    }
}

/// Rows that a fit's scratch holds: a batch's portion, and to validate not all too few.
pub(super) fn n_rows_at_once(n_of_batch: usize, n_validation: usize) -> usize {
    const LEAST: usize = 32;
    n_of_batch.max(n_validation.min(LEAST))
}
