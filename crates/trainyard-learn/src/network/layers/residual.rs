//! y = x + f(x), where f is a chain of layers.

use super::super::Pass;
use super::rows::add;
use super::{Layer, Tape, backward_all, forward_all};

pub(super) fn forward(
    y: &mut [f32],
    layers: &[Layer],
    x: &[f32],
    parameters: &[f32],
    buffers: &[f32],
    inner: &mut Tape,
    pass: &mut Pass<'_>,
) {
    forward_all(layers, x, parameters, buffers, inner, pass);
    add(y, x, inner.output(y.len()));
}

/// dx = dy + the gradient that comes back through f
#[expect(
    clippy::too_many_arguments,
    reason = "a backward pass needs everything of the forward one"
)]
pub(super) fn backward(
    gradients: &mut [f32],
    dx: Option<&mut [f32]>,
    layers: &[Layer],
    x: &[f32],
    parameters: &[f32],
    dy: &[f32],
    inner: &mut Tape,
    pass: &mut Pass<'_>,
) {
    inner.output_and_gradient(dy.len()).1.copy_from_slice(dy);
    match dx {
        None => backward_all(layers, gradients, None, x, parameters, inner, pass),
        Some(dx) => {
            backward_all(layers, gradients, Some(&mut *dx), x, parameters, inner, pass);
            dx.iter_mut().zip(dy).for_each(|(dx, dy)| *dx += dy);
        }
    }
}
