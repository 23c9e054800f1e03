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

/// The share of units whose derivative is zero in every row of x, rows × width.
pub(super) fn share_dead(
    function: &Activation,
    x: &[f32],
    y: &[f32],
    width: usize,
    slope: &[f32],
) -> f32 {
    // A row-wise function has no unit of its own to be dead.
    if matches!(function, Activation::Softmax) || x.is_empty() {
        return 0.0;
    }
    let ones = [1.0; COLUMNS];
    let mut derivative = [0.0_f32; COLUMNS];
    let mut n_alive = 0;
    for start in (0..width).step_by(COLUMNS) {
        let n = COLUMNS.min(width - start);
        let mut largest = [0.0_f32; COLUMNS];
        for at in (start..x.len()).step_by(width) {
            let (x, y) = (&x[at..at + n], &y[at..at + n]);
            function.backward(&mut derivative[..n], &ones[..n], x, y, n, slope);
            for (largest, derivative) in largest.iter_mut().zip(&derivative[..n]) {
                *largest = largest.max(derivative.abs());
            }
        }
        n_alive += largest[..n].iter().filter(|largest| **largest >= DEAD_DERIVATIVE).count();
    }
    (width - n_alive) as f32 / width as f32
}
