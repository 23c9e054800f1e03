//! Scores of probabilities.

/// The mean logarithm of the probability of the true class. As scikit-learn's `log_loss`,
/// given them in double precision, it keeps probabilities off 0 and 1 by that precision.
pub(super) fn neg_log_loss(target: &[u32], probabilities: &[f32], n_classes: usize) -> Option<f64> {
    if target.is_empty() || probabilities.len() != target.len() * n_classes {
        return None;
    }
    let mut sum = 0.0;
    for (row, class) in probabilities.chunks_exact(n_classes).zip(target) {
        let p = f64::from(*row.get(*class as usize)?);
        let eps = f64::EPSILON;
        sum += p.clamp(eps, 1.0 - eps).ln();
    }
    Some(sum / target.len() as f64)
}
