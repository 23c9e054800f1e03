//! To a uniform or a normal distribution by ranks, as scikit-learn's `QuantileTransformer`.

use serde::{Deserialize, Serialize};

use crate::distributions::{normal_cdf, normal_quantile};
use crate::optim::fields::{fields, unlimited};
use crate::preprocess::quantiles::{quantile, sorted_present};

fields! {
    /// A value to its share of the training values below it.
    pub struct QuantileSpec {
        /// The quantiles that are kept; at most as many as there are training rows.
        pub n_quantiles: u32 = 1000 [minimum = 1, maximum = 100000],
        /// The distribution that the training values come to.
        pub output_distribution: OutputDistribution = (OutputDistribution::Uniform),
    }
}

/// What ranks are brought to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OutputDistribution {
    /// Between 0 and 1.
    Uniform,
    /// With mean 0 and standard deviation 1; the ends at about ±5.2.
    Normal,
}

unlimited!(OutputDistribution);

/// So near to an end, a value counts as that end.
const NEAR: f64 = 1e-7;

impl QuantileSpec {
    pub(super) fn fit(&self, values: &[f64]) -> Quantiles {
        let sorted = sorted_present(values);
        let n = (self.n_quantiles as usize).min(values.len()).max(1);
        let mut quantiles: Vec<f64> = (0..n).map(|i| quantile(&sorted, share(i, n))).collect();
        // Rounding must not make a later one smaller.
        let mut largest = f64::NEG_INFINITY;
        for quantile in &mut quantiles {
            largest = quantile.max(largest);
            *quantile = largest;
        }
        let is_normal = self.output_distribution == OutputDistribution::Normal;
        Quantiles { quantiles, is_normal }
    }
}

/// The share that belongs to one of `n` quantiles.
fn share(index: usize, n: usize) -> f64 {
    index as f64 / (n - 1).max(1) as f64
}

/// The quantiles of a column, ascending, at least one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::preprocess) struct Quantiles {
    quantiles: Vec<f64>,
    is_normal: bool,
}

impl Quantiles {
    pub(super) fn is_finite(&self) -> bool {
        self.quantiles.iter().all(|x| x.is_finite())
    }

    /// Whether there are any, in order.
    pub(super) fn is_sound(&self) -> bool {
        !self.quantiles.is_empty() && self.quantiles.is_sorted()
    }

    pub(super) fn apply(&self, x: f64) -> f64 {
        if x.is_nan() {
            return x;
        }
        let (low, high) = (self.quantiles[0], self.quantiles[self.quantiles.len() - 1]);
        if !self.is_normal {
            return if x == low {
                0.0
            } else if x == high {
                1.0
            } else {
                self.share_below(x)
            };
        }
        let share = if x - NEAR < low {
            0.0
        } else if x + NEAR > high {
            1.0
        } else {
            self.share_below(x)
        };
        let end = NEAR - f64::EPSILON;
        normal_quantile(share).clamp(normal_quantile(end), normal_quantile(1.0 - end))
    }

    /// The value at a rank; beyond the ends, the end.
    pub(super) fn inverse(&self, y: f64) -> f64 {
        if y.is_nan() {
            return y;
        }
        let (q, n) = (&self.quantiles, self.quantiles.len());
        let (at, near) = if self.is_normal { (normal_cdf(y), NEAR) } else { (y, 0.0) };
        // As scikit-learn has it, the lower end wins where both are near.
        if at - near < 0.0 || at <= 0.0 {
            return q[0];
        }
        if at + near > 1.0 || at >= 1.0 {
            return q[n - 1];
        }
        let place = at * (n - 1) as f64;
        let below = (place.floor() as usize).min(n.saturating_sub(2));
        let above = (below + 1).min(n - 1);
        let weight = place - below as f64;
        q[below] * (1.0 - weight) + q[above] * weight
    }

    /// By interpolation; of a value that several quantiles equal, the middle of their shares.
    fn share_below(&self, x: f64) -> f64 {
        let (q, n) = (&self.quantiles, self.quantiles.len());
        let after = q.partition_point(|quantile| *quantile <= x);
        let from = q.partition_point(|quantile| *quantile < x);
        if after == 0 || from == n {
            return share(if after == 0 { 0 } else { n - 1 }, n);
        }
        if after > from {
            return 0.5 * (share(from, n) + share(after - 1, n));
        }
        let (below, above) = (q[after - 1], q[after]);
        let mut weight = (x - below) / (above - below);
        if !(above - below).is_finite() {
            weight = (0.5 * x - 0.5 * below) / (0.5 * above - 0.5 * below);
        }
        share(after - 1, n) + weight * (share(after, n) - share(after - 1, n))
    }
}
