//! McNemar's test of two classifiers on the same rows (McNemar, "Note on the sampling error of the
//! difference between correlated proportions or percentages", Psychometrika 12, 1947).

use serde::Serialize;

use crate::distributions::{fair_binomial_cdf, normal_cdf};

/// Up to so many rows that only one of both has right the test is exact.
const EXACT_BELOW: u64 = 25;

/// What McNemar's test says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct McNemar {
    /// Rows that only the first has right.
    pub only_first: u64,
    /// Rows that only the second has right.
    pub only_second: u64,
    /// Whether the p-value is that of tosses of a fair coin, as it is with fewer than 25 such rows, or
    /// comes from the chi-squared distribution, with Edwards' correction for continuity.
    pub exact: bool,
    /// The test's statistic: the smaller of both numbers where it is exact, else chi-squared.
    pub statistic: f64,
    /// How probable so unequal numbers would be, in either direction, of classifiers that are equally
    /// often right.
    pub p_value: f64,
}

/// Compares two classifiers by the rows that only one of them has right.
pub fn mcnemar(only_first: u64, only_second: u64) -> McNemar {
    let (fewer, n) = (only_first.min(only_second), only_first.saturating_add(only_second));
    let exact = n < EXACT_BELOW;
    let (statistic, p_value) = if exact {
        (fewer as f64, (2.0 * fair_binomial_cdf(fewer, n)).min(1.0))
    } else {
        let apart = only_first.abs_diff(only_second) as f64;
        let statistic = (apart - 1.0) * (apart - 1.0) / n as f64;
        // A chi-squared variable of one degree of freedom is the square of a normal one.
        (statistic, (2.0 * normal_cdf(-statistic.sqrt())).min(1.0))
    };
    McNemar { only_first, only_second, exact, statistic, p_value }
}
