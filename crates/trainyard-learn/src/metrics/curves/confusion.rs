//! The confusion matrix.

use super::{are_weights, weight_of};

/// Rows of each class by the class predicted of them, in weights: `n_classes` × `n_classes`, the
/// target's class first.
///
/// `None` with unequal numbers of rows, without any, with weights that are none, or with a class
/// beyond `n_classes`.
pub fn confusion_matrix(
    target: &[u32],
    prediction: &[u32],
    n_classes: usize,
    weights: Option<&[f64]>,
) -> Option<Vec<f64>> {
    if target.is_empty() || target.len() != prediction.len() || !are_weights(weights, target.len())
    {
        return None;
    }
    let mut matrix = vec![0.0; n_classes.checked_mul(n_classes)?];
    for (row, (target, predicted)) in target.iter().zip(prediction).enumerate() {
        let (target, predicted) = (*target as usize, *predicted as usize);
        if target.max(predicted) >= n_classes {
            return None;
        }
        matrix[target * n_classes + predicted] += weight_of(weights, row);
    }
    Some(matrix)
}
