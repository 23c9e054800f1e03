//! What scores of folds say about the score to expect: confidence intervals.
//!
//! Folds share training rows, so their scores are not independent and the naive interval is too
//! narrow. The corrected resampled t widens it by the share of rows tested (Nadeau and Bengio,
//! "Inference for the Generalization Error", 2003).

/// The interval that holds the expected score with this `confidence`, by the corrected resampled t.
///
/// `scores` are one a fold; `n_train` and `n_test` are the rows of a fold, as means where folds
/// differ. The variance of the mean is `(1/k + n_test/n_train) · s²` with the sample variance `s²`
/// of `k` scores, and the quantile is Student's with `k − 1` degrees of freedom. `None` with fewer
/// than two folds, without training rows, or for a confidence that is no share.
pub fn corrected_t_interval(
    scores: &[f64],
    n_train: f64,
    n_test: f64,
    confidence: f64,
) -> Option<(f64, f64)> {
    let k = scores.len() as f64;
    if scores.len() < 2 || n_train <= 0.0 || !(0.0..1.0).contains(&confidence) {
        return None;
    }
    let mean = scores.iter().sum::<f64>() / k;
    let variance = scores.iter().map(|s| (s - mean) * (s - mean)).sum::<f64>() / (k - 1.0);
    let half_width = student_t_quantile(0.5 + confidence / 2.0, k - 1.0)
        * ((1.0 / k + n_test / n_train) * variance).sqrt();
    Some((mean - half_width, mean + half_width))
}

/// The `p`-quantile of Student's t distribution, for `p` of a half and more.
///
/// Found by bisection on [`student_t_cdf`], which is monotone: some sixty halvings leave no digit to
/// find, and nobody asks for a million quantiles.
pub fn student_t_quantile(p: f64, degrees_of_freedom: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while student_t_cdf(high, degrees_of_freedom) < p && high < 1e300 {
        high *= 2.0;
    }
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if student_t_cdf(middle, degrees_of_freedom) < p { low = middle } else { high = middle }
    }
    high
}

/// The probability that a Student's t variable is at most `t`, for `t` of zero and more.
pub fn student_t_cdf(t: f64, degrees_of_freedom: f64) -> f64 {
    let x = degrees_of_freedom / (degrees_of_freedom + t * t);
    1.0 - 0.5 * incomplete_beta(0.5 * degrees_of_freedom, 0.5, x)
}

/// The regularised incomplete beta function I_x(a, b), by its continued fraction (Abramowitz and
/// Stegun, 26.5.8) on the side where that converges quickly.
fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(b, a, 1.0 - x);
    }
    let log_front = a * x.ln() + b * (1.0 - x).ln() - log_beta(a, b);
    log_front.exp() / a * beta_fraction(a, b, x)
}

/// The continued fraction by Lentz's method: the ratio of successive numerators and denominators.
fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let guarded = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / guarded(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for m in 1..500 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        for term in [even, odd] {
            d = 1.0 / guarded(1.0 + term * d);
            c = guarded(1.0 + term / c);
            fraction *= c * d;
        }
        if (c * d - 1.0).abs() < 1e-16 {
            break;
        }
    }
    fraction
}

fn log_beta(a: f64, b: f64) -> f64 {
    log_gamma(a) + log_gamma(b) - log_gamma(a + b)
}

/// ln Γ(x) for positive x, by Stirling's series (Abramowitz and Stegun, 6.1.41) after the recurrence
/// has carried x to where the series is exact to the last digits.
fn log_gamma(x: f64) -> f64 {
    let (mut x, mut shift) = (x, 0.0);
    while x < 20.0 {
        shift += x.ln();
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    let series = (1.0 / 12.0
        - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square * (1.0 / 1680.0))))
        / x;
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + series - shift
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy 1.17.1: `scipy.stats.t.ppf(p, df)`.
    const QUANTILES: [(f64, f64, f64); 8] = [
        (0.975, 1.0, 12.706204736174694),
        (0.975, 2.0, 4.302652729749462),
        (0.975, 4.0, 2.7764451051977934),
        (0.975, 29.0, 2.045229642132703),
        (0.995, 29.0, 2.756385903670605),
        (0.95, 9.0, 1.833112932656237),
        (0.975, 999.0, 1.9623414611334493),
        (0.6, 5.0, 0.2671808657041451),
    ];

    #[test]
    fn quantiles_are_scipys() {
        for (p, degrees_of_freedom, expected) in QUANTILES {
            let found = student_t_quantile(p, degrees_of_freedom);
            assert!((found / expected - 1.0).abs() < 1e-11, "{p} {degrees_of_freedom}: {found}");
        }
    }

    /// numpy and scipy, by the formula in [`corrected_t_interval`]'s doc.
    #[test]
    fn an_interval_is_the_formulas() {
        let (low, high) =
            corrected_t_interval(&[0.8, 0.9, 0.85, 0.7, 0.95], 80.0, 20.0, 0.95).unwrap();
        assert!(
            (low - 0.6608708708925015).abs() < 1e-12 && (high - 1.0191291291074986).abs() < 1e-12
        );
    }

    #[test]
    fn what_has_no_interval() {
        assert_eq!(corrected_t_interval(&[0.8], 80.0, 20.0, 0.95), None);
        assert_eq!(corrected_t_interval(&[0.8, 0.9], 0.0, 20.0, 0.95), None);
        assert_eq!(corrected_t_interval(&[0.5, 0.5], 80.0, 20.0, 0.95), Some((0.5, 0.5)));
    }
}
