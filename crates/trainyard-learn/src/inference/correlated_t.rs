//! The Bayesian correlated t-test (Corani and Benavoli, "A Bayesian approach for comparing
//! cross-validated algorithms on multiple data sets", Machine Learning 100, 2015).

use serde::Serialize;

use super::moments;
use crate::distributions::student_t_cdf;

/// How probable it is that the expected difference is below, within or above a region in which two
/// models are as good as equal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Posterior {
    /// That it is below minus the region's half width.
    pub below: f64,
    /// That it is within the region.
    pub within: f64,
    /// That it is above the region's half width.
    pub above: f64,
}

/// The posterior of the expected difference between two models' scores, one difference a fold.
///
/// It is Student's t around the mean difference with the scale `√((1/k + ρ/(1 − ρ))·s²)` and k − 1
/// degrees of freedom, where ρ is the share of rows that a fold tests. `rope` is half the width of
/// the region of practical equivalence, in the scores' units. Where all differences are equal the
/// posterior is that number. `None` with fewer than two folds, without training rows, for a `rope`
/// below 0, or numbers that are not finite.
pub fn correlated_t(
    differences: &[f64],
    n_train: f64,
    n_test: f64,
    rope: f64,
) -> Option<Posterior> {
    let (mean, variance) = moments(differences)?;
    let rho = n_test / (n_train + n_test);
    if !(rope >= 0.0 && rope.is_finite() && (0.0..1.0).contains(&rho)) {
        return None;
    }
    let k = differences.len() as f64;
    let scale = ((1.0 / k + rho / (1.0 - rho)) * variance).sqrt();
    if scale == 0.0 {
        let is = |holds: bool| f64::from(u8::from(holds));
        let (below, above) = (is(mean < -rope), is(mean > rope));
        return Some(Posterior { below, within: 1.0 - below - above, above });
    }
    let below = student_t_cdf((-rope - mean) / scale, k - 1.0);
    let above = student_t_cdf((mean - rope) / scale, k - 1.0);
    Some(Posterior { below, within: (1.0 - below - above).max(0.0), above })
}
