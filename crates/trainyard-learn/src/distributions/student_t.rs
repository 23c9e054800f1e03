//! Student's t distribution, and the incomplete beta function that its shares come of.

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

/// The probability that a Student's t variable is at most `t`.
pub fn student_t_cdf(t: f64, degrees_of_freedom: f64) -> f64 {
    let tail = 0.5 * student_t_two_sided(t, degrees_of_freedom);
    if t < 0.0 { tail } else { 1.0 - tail }
}

/// The probability that a Student's t variable is at least as far from 0 as `t`.
pub fn student_t_two_sided(t: f64, degrees_of_freedom: f64) -> f64 {
    let x = degrees_of_freedom / (degrees_of_freedom + t * t);
    incomplete_beta(0.5 * degrees_of_freedom, 0.5, x)
}

/// The probability of at most `k` of `n` tosses of a fair coin.
pub fn fair_binomial_cdf(k: u64, n: u64) -> f64 {
    if k >= n { 1.0 } else { incomplete_beta((n - k) as f64, k as f64 + 1.0, 0.5) }
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
}
