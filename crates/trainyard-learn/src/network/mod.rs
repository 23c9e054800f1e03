//! Feed-forward networks: a list of layers over one flat vector of parameters.
//!
//! A [`Network`] is a plan and never changes: which layer follows which, and which ranges of the
//! flat vectors are whose. The numbers lie beside it: parameters, gradients of the same length,
//! buffers (what layers keep that is not trained), and a [`Tape`] of values that a backward pass
//! needs, made once for a fit. So an optimizer is one pass over contiguous memory, and a checkpoint
//! is a few slices.
//!
//! It knows nothing of losses, optimizers, data or files. Start reading at [`Network::forward`];
//! every kind of layer is a file in `layers/`.

mod build;
mod layers;
mod spec;

use std::ops::Range;

use crate::activation::Activation;
use crate::init::InitSpec;
use crate::kernels::{Crew, Values};
use crate::random::stream::{Stream, derive};

pub use layers::Tape;
use layers::{Layer, backward_all, forward_all};
#[cfg(feature = "openapi")]
pub use spec::HiddenUnits;
pub use spec::{LayerSpec, LinearSpec, MAX_LAYERS, MlpSpec, NetworkSpec};

/// A plan of layers; see the module's documentation.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    n_inputs: usize,
    n_outputs: usize,
    n_parameters: usize,
    n_buffers: usize,
    layers: Vec<Layer>,
    tensors: Vec<Tensor>,
    /// Every layer's values of a row, added up.
    n_activations: usize,
    flops: usize,
}

/// A named range of the parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// The layer's place and what it is to it, such as `0.weight`; inside a residual layer `3.1.bias`.
    pub name: String,
    /// Its shape; a weight's is inputs × outputs.
    pub shape: Vec<usize>,
    /// Where in the flat vector.
    pub range: Range<usize>,
    /// What it begins with.
    pub(crate) start: Start,
}

/// What a parameter begins with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Start {
    /// A matrix of weights, before this activation.
    Weights(InitSpec, Activation),
    /// The same value everywhere.
    Constant(f32),
}

/// How a pass is made.
#[derive(Debug)]
pub struct Pass<'a> {
    /// Rows of the batch.
    pub n_rows: usize,
    /// While training, what is left out at random and over what is normalised; `None` to predict.
    pub training: Option<Training>,
    /// Who computes it.
    pub crew: &'a mut Crew,
}

/// What passes of training need to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Training {
    /// The fit's seed.
    pub seed: u64,
    /// The batch's number in the fit, which names its random numbers.
    pub batch: u64,
    /// Whether gradients are added to those that are there.
    pub accumulate: bool,
}

/// The seeds of a fit's random numbers are named by what they are for; those of training are beside
/// what draws them.
pub(crate) const STREAM_INIT: u64 = 1;
pub(crate) const STREAM_DROPOUT: u64 = 5;

impl Network {
    /// Values of a row that goes in.
    pub fn n_inputs(&self) -> usize {
        self.n_inputs
    }

    /// Values of a row that comes out.
    pub fn n_outputs(&self) -> usize {
        self.n_outputs
    }

    /// Length of the flat vector of parameters.
    pub fn n_parameters(&self) -> usize {
        self.n_parameters
    }

    /// Length of the flat vector of buffers: running means and variances.
    pub fn n_buffers(&self) -> usize {
        self.n_buffers
    }

    /// The parameters' names, shapes and ranges, in order; together they are the whole vector.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// Every layer's values of a row, added up.
    pub fn n_activations(&self) -> usize {
        self.n_activations
    }

    /// Floating-point operations of the matrix products of one row, forward and backward.
    pub fn flops(&self) -> usize {
        self.flops
    }

    /// Whether a layer normalises over the batch, and so cannot learn from a single row.
    pub fn has_batch_norm(&self) -> bool {
        self.n_buffers > 0
    }

    /// The parameters that a fit of this seed begins with.
    pub fn initial(&self, seed: u64) -> Values {
        let mut parameters = Values::zeros(self.n_parameters);
        for (index, tensor) in self.tensors.iter().enumerate() {
            let values = &mut parameters[tensor.range.clone()];
            match &tensor.start {
                Start::Constant(value) => values.fill(*value),
                Start::Weights(init, activation) => {
                    let mut stream = Stream::new(derive(seed, STREAM_INIT), [index as u32, 0]);
                    let (fan_in, fan_out) = (tensor.shape[0], tensor.shape[1]);
                    init.fill(values, fan_in, fan_out, activation, &mut stream);
                }
            }
        }
        parameters
    }

    /// The buffers that a fit begins with: running means of 0 and variances of 1.
    pub fn initial_buffers(&self) -> Vec<f32> {
        let mut buffers = vec![0.0; self.n_buffers];
        self.layers.iter().for_each(|layer| layer.reset(&mut buffers));
        buffers
    }

    /// A tape for batches of up to `n_rows` rows; without `gradients` it serves forward passes only.
    pub fn tape(&self, n_rows: usize, gradients: bool) -> Tape {
        Tape::new(&self.layers, n_rows, gradients)
    }

    /// The outputs of the rows of `x` (rows × inputs), rows × outputs.
    pub fn forward<'t>(
        &self,
        x: &[f32],
        parameters: &[f32],
        buffers: &[f32],
        tape: &'t mut Tape,
        pass: &mut Pass<'_>,
    ) -> &'t [f32] {
        forward_all(&self.layers, x, parameters, buffers, tape, pass);
        tape.output(pass.n_rows * self.n_outputs)
    }

    /// The outputs of the last forward pass, and where their gradient goes for [`Self::backward`].
    pub fn outputs_and_gradient<'t>(
        &self,
        tape: &'t mut Tape,
        n_rows: usize,
    ) -> (&'t [f32], &'t mut [f32]) {
        tape.output_and_gradient(n_rows * self.n_outputs)
    }

    /// The gradients of the parameters, from the gradient of the outputs on the tape.
    pub fn backward(
        &self,
        gradients: &mut [f32],
        x: &[f32],
        parameters: &[f32],
        tape: &mut Tape,
        pass: &mut Pass<'_>,
    ) {
        backward_all(&self.layers, gradients, None, x, parameters, tape, pass);
    }

    /// The gradient of the input too, rows × inputs, for whoever goes on from there.
    pub fn backward_to_input(
        &self,
        gradients: &mut [f32],
        dx: &mut [f32],
        x: &[f32],
        parameters: &[f32],
        tape: &mut Tape,
        pass: &mut Pass<'_>,
    ) {
        backward_all(&self.layers, gradients, Some(dx), x, parameters, tape, pass);
    }

    /// Moves the running means and variances on by what the last forward pass of training saw.
    pub fn update_buffers(&self, buffers: &mut [f32], tape: &Tape, n_rows: usize) {
        layers::update_buffers(&self.layers, buffers, tape, n_rows);
    }

    /// Notes which units of the activations were moved by the last pass: those whose derivative was
    /// not zero in every row. `alive` holds the units of all [`Self::activations`], one after the other.
    pub fn mark_alive(&self, parameters: &[f32], tape: &Tape, n_rows: usize, alive: &mut [bool]) {
        layers::mark_alive(&self.layers, parameters, tape, n_rows, alive);
    }

    /// The activations' layers, each with how many units it has.
    pub fn activations(&self) -> Vec<(String, usize)> {
        layers::activations(&self.layers)
    }

    /// The dense layers' weights, whose columns are the weights into one unit each.
    pub fn weights(&self) -> impl Iterator<Item = &Tensor> {
        self.tensors.iter().filter(|tensor| tensor.shape.len() == 2)
    }
}
