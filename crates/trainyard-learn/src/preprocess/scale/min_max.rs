//! Onto a range, as scikit-learn's `MinMaxScaler`.

use super::{Scaler, divisor};
use crate::optim::fields::fields;
use crate::problem::Problem;

fields! {
    /// The smallest training value onto the lower end of a range, the largest onto the upper.
    pub struct MinMaxSpec {
        /// The ends of the range.
        pub feature_range: [f64; 2] = [0.0, 1.0] schema(min_items = 2, max_items = 2),
        /// Whether values beyond those of the training rows are brought to the ends.
        pub clip: bool = false,
    }
}

impl MinMaxSpec {
    pub(super) fn check_all(&self) -> Vec<Problem> {
        let mut problems = self.check();
        let [low, high] = self.feature_range;
        if low >= high {
            let detail = format!("the range begins with {low} and ends with {high}");
            let way_out = "put the smaller end first";
            problems.push(Problem::new("/feature_range", detail).suggest(way_out));
        }
        problems
    }

    pub(super) fn fit(&self, values: &[f64]) -> Scaler {
        let [low, high] = self.feature_range;
        // Without a value it is as if there were only zeros; `min` and `max` pass by missing ones.
        let (mut least, mut largest) = (f64::INFINITY, f64::NEG_INFINITY);
        for x in values {
            (least, largest) = (least.min(*x), largest.max(*x));
        }
        if least > largest {
            (least, largest) = (0.0, 0.0);
        }
        let scale = (high - low) / divisor(largest - least);
        // The whole range of the numbers is wider than the largest of them.
        let scale = if (largest - least).is_finite() { scale } else { f64::NAN };
        Scaler::Range { scale, offset: low - least * scale, clip: self.clip.then_some([low, high]) }
    }
}
