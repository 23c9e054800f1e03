//! By median and quantiles, as scikit-learn's `RobustScaler`.

use super::{Scaler, divisor};
use crate::distributions::normal_quantile;
use crate::optim::fields::fields;
use crate::preprocess::quantiles::{quantile, sorted_present};
use crate::problem::Problem;

fields! {
    /// (x − median) / (a high quantile − a low one).
    pub struct RobustSpec {
        /// Whether to take the median away.
        pub with_centering: bool = true,
        /// Whether to divide by the distance of the quantiles.
        pub with_scaling: bool = true,
        /// The quantiles, in per cent.
        pub quantile_range: [f64; 2] = [25.0, 75.0] [minimum = 0.0, maximum = 100.0]
            schema(min_items = 2, max_items = 2),
        /// Whether normally distributed values come to variance 1.
        pub unit_variance: bool = false,
    }
}

impl RobustSpec {
    pub(super) fn check_all(&self) -> Vec<Problem> {
        let mut problems = self.check();
        let [low, high] = self.quantile_range;
        if low >= high {
            let detail = format!("the range begins with {low} and ends with {high}");
            let way_out = "put the smaller quantile first";
            problems.push(Problem::new("/quantile_range", detail).suggest(way_out));
        } else if self.unit_variance && (low == 0.0 || high == 100.0) {
            let detail = "a normal distribution has no 0 % and no 100 % quantile";
            let way_out = "take quantiles between, or leave unit_variance out";
            problems.push(Problem::new("/quantile_range", detail).suggest(way_out));
        }
        problems
    }

    pub(super) fn fit(&self, values: &[f64]) -> Scaler {
        let sorted = sorted_present(values);
        let center = if self.with_centering { quantile(&sorted, 0.5) } else { 0.0 };
        let [low, high] = self.quantile_range.map(|per_cent| per_cent / 100.0);
        let mut scale = 1.0;
        if self.with_scaling {
            scale = divisor(quantile(&sorted, high) - quantile(&sorted, low));
            if self.unit_variance {
                scale /= normal_quantile(high) - normal_quantile(low);
            }
        }
        Scaler::Linear { center, scale }
    }
}
