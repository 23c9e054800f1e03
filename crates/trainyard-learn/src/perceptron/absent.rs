//! Training rows that lack some of the classes.

use ndarray::{Array1, Array2, ArrayView2};

use super::{FitError, Observer, Perceptron, PerceptronSpec, fit};

/// Trains as [`fit`] does on rows that may lack classes, which are then told apart without them, as
/// scikit-learn would that never heard of them.
///
/// The model has a row of weights for every class nevertheless; the score of a class that no row
/// is of is minus infinity, and so it is never chosen.
///
/// # Errors
/// As [`fit`]; rows of one class alone cannot be learned from.
#[expect(clippy::needless_pass_by_value, reason = "as `fit` takes it")]
pub fn fit_present(
    spec: &PerceptronSpec,
    x: ArrayView2<'_, f64>,
    y: &[u32],
    class_weight: &[f64],
    observer: &mut dyn Observer,
) -> Result<Perceptron, FitError> {
    let n_classes = class_weight.len();
    let mut is_present = vec![false; n_classes];
    for &class in y {
        if let Some(present) = is_present.get_mut(class as usize) {
            *present = true;
        }
    }
    let present: Vec<usize> = (0..n_classes).filter(|class| is_present[*class]).collect();
    if present.len() == n_classes {
        return fit(spec, x, y, class_weight, observer);
    }
    let mut place = vec![u32::MAX; n_classes];
    (0..).zip(&present).for_each(|(index, class)| place[*class] = index);
    let dense: Vec<u32> =
        y.iter().map(|class| place.get(*class as usize).copied().unwrap_or(u32::MAX)).collect();
    let weights: Vec<f64> = present.iter().map(|class| class_weight[*class]).collect();
    let found = fit(spec, x, &dense, &weights, observer)?;

    let mut coef = Array2::zeros((n_classes, found.n_features()));
    let mut intercept = Array1::from_elem(n_classes, f64::NEG_INFINITY);
    for (index, &class) in present.iter().enumerate() {
        // Two classes have one row of weights, which is positive for the second of them.
        let (row, sign) = match (found.n_scores(), index) {
            (1, 0) => (0, -1.0),
            (1, _) => (0, 1.0),
            _ => (index, 1.0),
        };
        coef.row_mut(class).assign(&(&found.coef.row(row) * sign));
        intercept[class] = sign * found.intercept[row];
    }
    Ok(Perceptron { coef, intercept, ..found })
}
