//! The layers: what each makes of its input going forward, and of its output's gradient coming
//! back.
//!
//! A layer is plain data in a plan. It reads its parameters and writes their gradients in its own
//! ranges of the flat vectors; its values lie on its [`Slot`] of the tape.

mod activation;
mod batch_norm;
mod dense;
mod dropout;
mod layer_norm;
mod residual;
mod rows;

use std::ops::Range;

use super::Pass;
use crate::activation::Activation;
use crate::kernels::{Crew, Values};

/// A planned layer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Layer {
    pub(super) kind: Kind,
    /// Its place, such as `0`, or `3.1` inside a residual layer.
    pub(super) name: String,
    /// Its number among all layers of the network.
    pub(super) index: u32,
    pub(super) n_in: usize,
    pub(super) n_out: usize,
    /// Its range of the flat vector of parameters.
    pub(super) parameters: Range<usize>,
    /// Its range of the flat vector of buffers.
    pub(super) buffers: Range<usize>,
}

/// What a layer does.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Dense { bias: bool },
    Activation(Activation),
    Dropout { rate: f32 },
    AlphaDropout { rate: f32 },
    BatchNorm { momentum: f32, eps: f32 },
    LayerNorm { eps: f32 },
    Residual(Vec<Layer>),
}

/// The values of one batch in every layer, made once for a fit.
#[derive(Clone, Debug)]
pub struct Tape {
    slots: Vec<Slot>,
}

/// The values of one batch in one layer.
#[derive(Clone, Debug)]
struct Slot {
    /// Its output, rows × n_out.
    y: Values,
    /// The gradient of its output.
    dy: Values,
    /// What its backward pass needs besides.
    saved: Values,
    /// Of a residual layer, those inside.
    inner: Option<Tape>,
}

impl Tape {
    pub(super) fn new(layers: &[Layer], n_rows: usize, gradients: bool) -> Self {
        let slot = |layer: &Layer| {
            let n = n_rows * layer.n_out;
            let n_saved = match layer.kind {
                Kind::Dropout { .. } | Kind::AlphaDropout { .. } if gradients => n,
                Kind::BatchNorm { .. } => 4 * layer.n_out,
                Kind::LayerNorm { .. } if gradients => 2 * n_rows,
                _ => 0,
            };
            Slot {
                y: Values::zeros(n),
                dy: Values::zeros(if gradients { n } else { 0 }),
                saved: Values::zeros(n_saved),
                inner: match &layer.kind {
                    Kind::Residual(layers) => Some(Self::new(layers, n_rows, gradients)),
                    _ => None,
                },
            }
        };
        Self { slots: layers.iter().map(slot).collect() }
    }

    pub(super) fn output(&self, n: usize) -> &[f32] {
        self.slots.last().map_or(&[], |slot| &slot.y[..n])
    }

    pub(super) fn output_and_gradient(&mut self, n: usize) -> (&[f32], &mut [f32]) {
        match self.slots.last_mut() {
            Some(slot) => (&slot.y[..n], &mut slot.dy[..n]),
            None => (&[], &mut []),
        }
    }
}

/// Blocks of rows of about so many values go to one thread each.
const BLOCK_VALUES: usize = 8192;

/// Values of a block of whole rows.
fn block_len(width: usize) -> usize {
    (BLOCK_VALUES / width.max(1)).max(1) * width.max(1)
}

/// Calls `f` with each block of rows of `y` and the index of the block's first value.
fn by_rows(crew: &mut Crew, y: &mut [f32], width: usize, f: impl Fn(usize, &mut [f32]) + Sync) {
    let len = block_len(width);
    crew.for_blocks([y], len, |index, [y]| f(index * len, y));
}

pub(super) fn forward_all(
    layers: &[Layer],
    x: &[f32],
    parameters: &[f32],
    buffers: &[f32],
    tape: &mut Tape,
    pass: &mut Pass<'_>,
) {
    for (index, layer) in layers.iter().enumerate() {
        let (before, rest) = tape.slots.split_at_mut(index);
        let x = before.last().map_or(x, |slot| &slot.y[..pass.n_rows * layer.n_in]);
        layer.forward(x, parameters, buffers, &mut rest[0], pass);
    }
}

/// The gradients of the parameters and, into `dx`, of the input; the output's is on the tape.
pub(super) fn backward_all(
    layers: &[Layer],
    gradients: &mut [f32],
    dx: Option<&mut [f32]>,
    x: &[f32],
    parameters: &[f32],
    tape: &mut Tape,
    pass: &mut Pass<'_>,
) {
    let mut dx = dx;
    for (index, layer) in layers.iter().enumerate().rev() {
        let (before, rest) = tape.slots.split_at_mut(index);
        let n = pass.n_rows * layer.n_in;
        let (x, dx) = match before.last_mut() {
            Some(slot) => (&slot.y[..n], Some(&mut slot.dy[..n])),
            None => (x, dx.take()),
        };
        layer.backward(gradients, dx, x, parameters, &mut rest[0], pass);
    }
}

impl Layer {
    fn forward(
        &self,
        x: &[f32],
        parameters: &[f32],
        buffers: &[f32],
        slot: &mut Slot,
        pass: &mut Pass<'_>,
    ) {
        let own = &parameters[self.parameters.clone()];
        let y = &mut slot.y[..pass.n_rows * self.n_out];
        match &self.kind {
            Kind::Dense { bias } => dense::forward(y, x, own, self.n_in, *bias, pass),
            Kind::Activation(function) => {
                by_rows(pass.crew, y, self.n_out, |at, y| {
                    function.forward(y, &x[at..at + y.len()], self.n_out, own);
                });
            }
            Kind::Dropout { rate } => {
                dropout::forward(y, x, &mut slot.saved, *rate, self.index, pass);
            }
            Kind::AlphaDropout { rate } => {
                dropout::alpha_forward(y, x, &mut slot.saved, *rate, self.index, pass);
            }
            Kind::BatchNorm { eps, .. } => {
                let running = &buffers[self.buffers.clone()];
                batch_norm::forward(y, x, own, running, &mut slot.saved, *eps, pass);
            }
            Kind::LayerNorm { eps } => {
                layer_norm::forward(y, x, own, &mut slot.saved, *eps, pass);
            }
            Kind::Residual(layers) => {
                if let Some(inner) = &mut slot.inner {
                    residual::forward(y, layers, x, parameters, buffers, inner, pass);
                }
            }
        }
    }

    fn backward(
        &self,
        gradients: &mut [f32],
        dx: Option<&mut [f32]>,
        x: &[f32],
        parameters: &[f32],
        slot: &mut Slot,
        pass: &mut Pass<'_>,
    ) {
        let own = &parameters[self.parameters.clone()];
        let n = pass.n_rows * self.n_out;
        let Slot { y, dy, saved, inner } = slot;
        let (y, dy) = (&y[..n], &mut dy[..n]);
        if let Kind::Residual(layers) = &self.kind {
            if let Some(inner) = inner {
                residual::backward(gradients, dx, layers, x, parameters, dy, inner, pass);
            }
            return;
        }
        let own_gradients = &mut gradients[self.parameters.clone()];
        match &self.kind {
            Kind::Dense { bias } => {
                dense::backward(own_gradients, dx, x, own, dy, (self.n_in, *bias), pass);
            }
            Kind::Activation(function) => {
                activation::backward(
                    own_gradients,
                    dx,
                    x,
                    y,
                    own,
                    dy,
                    (function, self.n_out),
                    pass,
                );
            }
            Kind::Dropout { .. } | Kind::AlphaDropout { .. } => {
                dropout::backward(dx, dy, saved, pass);
            }
            Kind::BatchNorm { .. } => {
                batch_norm::backward(own_gradients, dx, x, own, dy, saved, pass);
            }
            Kind::LayerNorm { .. } => {
                layer_norm::backward(own_gradients, dx, x, own, dy, saved, pass);
            }
            Kind::Residual(_) => {}
        }
    }

    /// Writes what the layer's buffers begin with.
    pub(super) fn reset(&self, buffers: &mut [f32]) {
        match &self.kind {
            Kind::BatchNorm { .. } => {
                let (mean, variance) =
                    buffers[self.buffers.clone()].split_at_mut(self.buffers.len() / 2);
                mean.fill(0.0);
                variance.fill(1.0);
            }
            Kind::Residual(layers) => layers.iter().for_each(|layer| layer.reset(buffers)),
            _ => {}
        }
    }
}

pub(super) fn update_buffers(layers: &[Layer], buffers: &mut [f32], tape: &Tape, n_rows: usize) {
    for (layer, slot) in layers.iter().zip(&tape.slots) {
        match (&layer.kind, &slot.inner) {
            (Kind::BatchNorm { momentum, .. }, _) => {
                let running = &mut buffers[layer.buffers.clone()];
                batch_norm::update(running, &slot.saved, *momentum, n_rows);
            }
            (Kind::Residual(layers), Some(inner)) => update_buffers(layers, buffers, inner, n_rows),
            _ => {}
        }
    }
}

/// See [`super::Network::mark_alive`]; returns what is left of `alive` for the layers that follow.
pub(super) fn mark_alive<'a>(
    layers: &[Layer],
    parameters: &[f32],
    tape: &Tape,
    n_rows: usize,
    alive: &'a mut [bool],
) -> &'a mut [bool] {
    let mut rest = alive;
    for (index, (layer, slot)) in layers.iter().zip(&tape.slots).enumerate() {
        if let (Kind::Residual(layers), Some(inner)) = (&layer.kind, &slot.inner) {
            rest = mark_alive(layers, parameters, inner, n_rows, rest);
        }
        let Kind::Activation(function) = &layer.kind else { continue };
        let own;
        (own, rest) = rest.split_at_mut(layer.n_out);
        // Without a layer before it, it works on the features, and no unit is its own.
        match index.checked_sub(1).map(|before| &tape.slots[before]) {
            Some(before) => {
                let slope = &parameters[layer.parameters.clone()];
                let n = n_rows * layer.n_out;
                activation::mark_alive(function, &before.y[..n], &slot.y[..n], slope, own);
            }
            None => own.fill(true),
        }
    }
    rest
}

pub(super) fn activations(layers: &[Layer]) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for layer in layers {
        match &layer.kind {
            Kind::Activation(_) => found.push((layer.name.clone(), layer.n_out)),
            Kind::Residual(inner) => found.extend(activations(inner)),
            _ => {}
        }
    }
    found
}
