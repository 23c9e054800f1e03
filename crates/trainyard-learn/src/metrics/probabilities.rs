//! Scores of probabilities.

/// The mean logarithm of the probability of the true class, of rows × `n_classes` probabilities.
///
/// As scikit-learn's `log_loss` of single precision, it keeps probabilities off 0 and 1 by that
/// precision and takes rows as they are, whatever their sums. It sums in double precision, where
/// scikit-learn is right to about seven digits. `None` for fewer than two classes, and with a
/// probability that is none.
pub(super) fn neg_log_loss(target: &[u32], probabilities: &[f32], n_classes: usize) -> Option<f64> {
    let is_probability = |p: &f32| (0.0..=1.0).contains(p);
    if target.is_empty()
        || n_classes < 2
        || target.len().checked_mul(n_classes) != Some(probabilities.len())
        || !probabilities.iter().all(is_probability)
    {
        return None;
    }
    let mut sum = 0.0;
    for (row, class) in probabilities.chunks_exact(n_classes).zip(target) {
        let p = row.get(*class as usize)?.clamp(f32::EPSILON, 1.0 - f32::EPSILON);
        sum += f64::from(p).ln();
    }
    Some(sum / target.len() as f64)
}
