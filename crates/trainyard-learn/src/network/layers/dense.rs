//! y = x·W + b, with W of inputs × outputs before b in the parameters.

use super::super::Pass;
use super::rows::add_columns;
use crate::kernels::{Mat, Start, matmul};

pub(super) fn forward(
    y: &mut [f32],
    x: &[f32],
    parameters: &[f32],
    n_in: usize,
    bias: bool,
    pass: &mut Pass<'_>,
) {
    let n_out = y.len() / pass.n_rows.max(1);
    let (weight, b) = parameters.split_at(n_in * n_out);
    let start = if bias { Start::Row(b) } else { Start::Zero };
    let (x, weight) = (Mat::new(x, pass.n_rows, n_in), Mat::new(weight, n_in, n_out));
    matmul(y, x, weight, start, pass.crew);
}

/// dW = xᵀ·dy, db = Σ over the rows of dy, dx = dy·Wᵀ
pub(super) fn backward(
    gradients: &mut [f32],
    dx: Option<&mut [f32]>,
    x: &[f32],
    parameters: &[f32],
    dy: &[f32],
    (n_in, bias): (usize, bool),
    pass: &mut Pass<'_>,
) {
    let accumulate = pass.training.is_some_and(|training| training.accumulate);
    let n_out = dy.len() / pass.n_rows.max(1);
    let (d_weight, d_bias) = gradients.split_at_mut(n_in * n_out);
    let start = if accumulate { Start::Output } else { Start::Zero };
    let dy_matrix = Mat::new(dy, pass.n_rows, n_out);
    matmul(d_weight, Mat::new(x, pass.n_rows, n_in).t(), dy_matrix, start, pass.crew);
    if bias {
        if !accumulate {
            d_bias.fill(0.0);
        }
        add_columns(d_bias, dy);
    }
    if let Some(dx) = dx {
        let weight = Mat::new(&parameters[..n_in * n_out], n_in, n_out);
        matmul(dx, dy_matrix, weight.t(), Start::Zero, pass.crew);
    }
}
