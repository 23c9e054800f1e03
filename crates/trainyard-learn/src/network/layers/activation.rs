//! A function of each value; the functions themselves are in [`crate::activation`].

use super::super::Pass;
use super::by_rows;
use crate::activation::Activation;
use crate::kernels::simd::simd;

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

/// Values looked at together, in buffers on the stack.
const AT_ONCE: usize = 1024;

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
    let ones = [1.0; AT_ONCE];
    let mut derivative = [0.0_f32; AT_ONCE];
    for (block, alive) in alive.chunks_mut(AT_ONCE).enumerate() {
        // Of a narrow layer whole rows at once, of a wide one a part of a row.
        let n_rows = if alive.len() == width { AT_ONCE / width } else { 1 };
        for at in (block * AT_ONCE..x.len()).step_by(n_rows * width) {
            // Most layers are alive after a few rows, and nothing more is to be seen.
            if alive.iter().all(|alive| *alive) {
                break;
            }
            let n = (n_rows * alive.len()).min(x.len() - at);
            let (x, y) = (&x[at..at + n], &y[at..at + n]);
            function.backward(&mut derivative[..n], &ones[..n], x, y, alive.len(), slope);
            note(alive, &derivative[..n]);
        }
    }
}

simd! {
    /// Of rows of derivatives those that are not zero.
    fn note(alive: &mut [bool], derivative: &[f32]) {
        for row in derivative.chunks_exact(alive.len()) {
            for (alive, derivative) in alive.iter_mut().zip(row) {
                *alive |= derivative.abs() >= DEAD_DERIVATIVE;
            }
        }
    }
}
