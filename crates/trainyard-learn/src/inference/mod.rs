//! What scores of folds say about the score to expect, and about which of two models is better.
//!
//! Folds share training rows, so their scores are not independent: a naive interval is too narrow,
//! and a naive test finds differences where there are none. What is here allows for that
//! (`corrected_t`, `correlated_t`), or is about rows, each of them tested once (`mcnemar`).
//!
//! It is deliberately not about jobs: numbers in, numbers out.

mod corrected_t;
mod correlated_t;
mod holm;
mod mcnemar;

pub use corrected_t::{
    PairedT, corrected_paired_t, corrected_t_factor, corrected_t_interval, naive_paired_t,
};
pub use correlated_t::{Posterior, correlated_t};
pub use holm::holm;
pub use mcnemar::{McNemar, mcnemar};

/// The size of the difference between paired scores in their own deviations: the mean of the
/// differences divided by their sample standard deviation, Cohen's d for paired samples (d_z).
///
/// `None` with fewer than two differences, where they are all equal, or for numbers that are not
/// finite.
pub fn cohens_d(differences: &[f64]) -> Option<f64> {
    let (mean, variance) = moments(differences)?;
    (variance > 0.0).then(|| mean / variance.sqrt())
}

/// The mean and the sample variance; `None` with fewer than two values, or for what is not finite.
fn moments(values: &[f64]) -> Option<(f64, f64)> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1.0);
    // Equal values may leave a rounding error, which is no spread.
    let variance = if values.iter().all(|v| *v == values[0]) { 0.0 } else { variance };
    (values.len() >= 2 && mean.is_finite() && variance.is_finite()).then_some((mean, variance))
}
