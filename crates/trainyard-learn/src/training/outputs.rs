//! What a network answers for many rows: forward passes over portions of them.

use super::{Examples, Rows, Target};
use crate::kernels::{Crew, Values};
use crate::losses::{LossSpec, TargetRows, Weights};
use crate::network::{Network, Pass, Tape};

/// Rows of a portion, where there is nothing else to go by.
pub(super) const PORTION: usize = 256;

/// The outputs of the given rows of `x` (any rows × inputs), rows × outputs.
pub fn outputs(
    network: &Network,
    parameters: &[f32],
    buffers: &[f32],
    x: Rows<'_>,
    rows: &[u32],
    crew: &mut Crew,
) -> Vec<f32> {
    let mut all = vec![0.0; rows.len() * network.n_outputs()];
    let n_rows = rows.len().min(PORTION);
    let mut scratch = Scratch::new(network, n_rows, false);
    each(network, parameters, buffers, x, rows, &mut scratch, crew, |at, y| {
        all[at * network.n_outputs()..][..y.len()].copy_from_slice(y);
    });
    all
}

/// What passes over portions of rows need: the features of one, and its values in every layer.
#[derive(Clone, Debug)]
pub(super) struct Scratch {
    pub(super) x: Values,
    pub(super) tape: Tape,
    n_rows: usize,
}

impl Scratch {
    /// For so many rows at once; without `gradients` it serves forward passes only.
    pub(super) fn new(network: &Network, n_rows: usize, gradients: bool) -> Self {
        let n_rows = n_rows.max(1);
        Self {
            x: Values::zeros(n_rows * network.n_inputs()),
            tape: network.tape(n_rows, gradients),
            n_rows,
        }
    }
}

/// The weighted sum of the loss over the validation rows and the sum of the weights, the outputs
/// written to `all`.
pub(super) fn validate(
    network: &Network,
    loss: &LossSpec,
    learned: (&[f32], &[f32]),
    examples: &Examples<'_>,
    all: &mut [f32],
    scratch: &mut Scratch,
    crew: &mut Crew,
) -> f64 {
    let rows = examples.validation;
    let n_outputs = network.n_outputs();
    let (parameters, buffers) = learned;
    each(network, parameters, buffers, examples.x, rows, scratch, crew, |at, y| {
        all[at * n_outputs..][..y.len()].copy_from_slice(y);
    });
    let mut sum = 0.0;
    let mut total = 0.0;
    for (row, z) in rows.iter().zip(all.chunks_exact(n_outputs)) {
        let at = *row as usize;
        let own = examples.weights.map(|weights| &weights[at..=at]);
        let weights = Weights { rows: own, classes: examples.class_weights };
        let target = match examples.target {
            Target::Classes { classes, .. } => TargetRows::Classes(&classes[at..=at]),
            Target::Values { values, n_outputs } | Target::Labels { values, n_outputs } => {
                TargetRows::Values(&values[at * n_outputs..][..n_outputs])
            }
        };
        sum += loss.rows(None, z, n_outputs, target, weights, 1.0);
        total += f64::from(weight_of(examples, at));
    }
    sum / total
}

/// How much a row counts.
pub(super) fn weight_of(examples: &Examples<'_>, row: usize) -> f32 {
    let own = examples.weights.map_or(1.0, |weights| weights[row]);
    match (examples.target, examples.class_weights) {
        (Target::Classes { classes, .. }, Some(weights)) => own * weights[classes[row] as usize],
        _ => own,
    }
}

#[expect(clippy::too_many_arguments, reason = "a forward pass, and who wants its outputs")]
fn each(
    network: &Network,
    parameters: &[f32],
    buffers: &[f32],
    x: Rows<'_>,
    rows: &[u32],
    scratch: &mut Scratch,
    crew: &mut Crew,
    mut take: impl FnMut(usize, &[f32]),
) {
    let width = network.n_inputs();
    for (index, portion) in rows.chunks(scratch.n_rows).enumerate() {
        let batch = &mut scratch.x[..portion.len() * width];
        x.gather(batch, portion, width, crew);
        let mut pass = Pass { n_rows: portion.len(), training: None, crew: &mut *crew };
        let y = network.forward(batch, parameters, buffers, &mut scratch.tape, &mut pass);
        take(index * scratch.n_rows, y);
    }
}
