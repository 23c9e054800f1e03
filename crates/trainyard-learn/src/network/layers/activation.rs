//! A function of each value; the functions themselves are in [`crate::activation`].

use super::super::Pass;
use super::by_rows;
use crate::activation::Activation;

/// A derivative below this moves nothing.
const DEAD_DERIVATIVE: f32 = 1e-6;

#[expect(
    clippy::too_many_arguments,
    reason = "a backward pass needs everything of the forward one"
)]
pub(super) fn backward(
    gradients: &mut [f32],
    dx: Option<&mut [f32]>,
    x: &[f32],
    y: &[f32],
    slope: &[f32],
    dy: &[f32],
    (function, width): (&Activation, usize),
    pass: &mut Pass<'_>,
) {
    if !gradients.is_empty() {
        if !pass.training.is_some_and(|training| training.accumulate) {
            gradients.fill(0.0);
        }
        function.backward_parameters(gradients, dy, x);
    }
    if let Some(dx) = dx {
        by_rows(pass.crew, dx, width, |at, dx| {
            let block = at..at + dx.len();
            let (dy, x, y) = (&dy[block.clone()], &x[block.clone()], &y[block]);
            function.backward(dx, dy, x, y, width, slope);
        });
    }
}

/// Columns looked at together, in buffers on the stack.
const COLUMNS: usize = 256;

/// Notes the units whose derivative is not zero in some row of x, rows × units.
pub(super) fn mark_alive(
    function: &Activation,
    x: &[f32],
    y: &[f32],
    slope: &[f32],
    alive: &mut [bool],
) {
    // A row-wise function has no unit of its own to be dead.
    if matches!(function, Activation::Softmax) {
        return alive.fill(true);
    }
    let width = alive.len();
    let ones = [1.0; COLUMNS];
    let mut derivative = [0.0_f32; COLUMNS];
    for (block, alive) in alive.chunks_mut(COLUMNS).enumerate() {
        let n = alive.len();
        for at in (block * COLUMNS..x.len()).step_by(width) {
            // Most layers are alive after a few rows, and nothing more is to be seen.
            if alive.iter().all(|alive| *alive) {
                break;
            }
            let (x, y) = (&x[at..at + n], &y[at..at + n]);
            function.backward(&mut derivative[..n], &ones[..n], x, y, n, slope);
            for (alive, derivative) in alive.iter_mut().zip(&derivative[..n]) {
                *alive |= derivative.abs() >= DEAD_DERIVATIVE;
            }
        }
    }
}
