//! By the largest absolute value, as scikit-learn's `MaxAbsScaler`.

/// What a column's values are divided by.
pub(super) fn fit(values: &[f64]) -> f64 {
    super::divisor(values.iter().fold(0.0, |largest, x| x.abs().max(largest)))
}
