//! Student's t for scores of folds (Nadeau and Bengio, "Inference for the Generalization Error",
//! Machine Learning 52, 2003): the variance of a mean of `k` folds is `(1/k + n_test/n_train)·s²`
//! with the sample variance `s²`, where independent scores would have `s²/k`.

use serde::Serialize;

use super::moments;
use crate::distributions::{student_t_quantile, student_t_two_sided};

/// What the scores' sample standard deviation is multiplied by for half the width of an interval:
/// `√(1/n_folds + n_test/n_train)` times Student's quantile with one degree of freedom fewer than
/// folds. It is the same for all scores of the same folds, so it is found once.
///
/// `n_train` and `n_test` are the rows of a fold, as means where folds differ. `None` with fewer than
/// two folds, without training rows, or for a confidence that is no share.
pub fn corrected_t_factor(
    n_folds: usize,
    n_train: f64,
    n_test: f64,
    confidence: f64,
) -> Option<f64> {
    let shared = ratio(n_train, n_test)?;
    if n_folds < 2 || !(0.0..1.0).contains(&confidence) || !shared.is_finite() {
        return None;
    }
    let k = n_folds as f64;
    Some(student_t_quantile(0.5 + confidence / 2.0, k - 1.0) * (1.0 / k + shared).sqrt())
}

/// The interval that holds the expected score, by the corrected resampled t: of `scores`, one a fold,
/// with the [`corrected_t_factor`] of these folds. `None` for fewer than two scores or such as are
/// not finite.
pub fn corrected_t_interval(scores: &[f64], factor: f64) -> Option<(f64, f64)> {
    let (mean, variance) = moments(scores)?;
    let half_width = factor * variance.sqrt();
    Some((mean - half_width, mean + half_width))
}

/// What a paired t-test says of the differences between two models' scores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PairedT {
    /// Of the folds.
    pub mean_difference: f64,
    /// Of the mean.
    pub standard_error: f64,
    /// The mean over its standard error; null where all differences are equal.
    pub t: Option<f64>,
    /// One fewer than there are folds.
    pub degrees_of_freedom: f64,
    /// How probable so large a mean difference, in either direction, would be between models that
    /// are equally good; 1 where all differences are 0, and 0 where they all are some other number.
    pub p_value: f64,
    /// Where the expected difference is, with the confidence asked for.
    pub interval: [f64; 2],
}

/// The corrected resampled t-test of differences of scores, one a fold.
///
/// `n_train` and `n_test` are the rows of a fold. `None` with fewer than two folds, without training
/// rows, for numbers that are not finite or a confidence that is no share.
pub fn corrected_paired_t(
    differences: &[f64],
    n_train: f64,
    n_test: f64,
    confidence: f64,
) -> Option<PairedT> {
    paired_t(differences, ratio(n_train, n_test)?, confidence)
}

/// The paired t-test that takes folds for independent, which they are not: it finds differences
/// where there are none. It is here to be compared with.
pub fn naive_paired_t(differences: &[f64], confidence: f64) -> Option<PairedT> {
    paired_t(differences, 0.0, confidence)
}

fn ratio(n_train: f64, n_test: f64) -> Option<f64> {
    (n_train > 0.0 && n_test >= 0.0).then(|| n_test / n_train)
}

fn paired_t(differences: &[f64], shared: f64, confidence: f64) -> Option<PairedT> {
    if !(0.0..1.0).contains(&confidence) || !shared.is_finite() {
        return None;
    }
    let (mean_difference, variance) = moments(differences)?;
    let k = differences.len() as f64;
    let degrees_of_freedom = k - 1.0;
    let standard_error = ((1.0 / k + shared) * variance).sqrt();
    let t = (standard_error > 0.0).then(|| mean_difference / standard_error);
    let half_width =
        student_t_quantile(0.5 + confidence / 2.0, degrees_of_freedom) * standard_error;
    Some(PairedT {
        mean_difference,
        standard_error,
        t,
        degrees_of_freedom,
        p_value: match t {
            Some(t) => student_t_two_sided(t, degrees_of_freedom),
            None => f64::from(u8::from(mean_difference == 0.0)),
        },
        interval: [mean_difference - half_width, mean_difference + half_width],
    })
}
