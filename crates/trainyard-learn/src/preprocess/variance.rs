//! How features vary over training rows, as scikit-learn's `VarianceThreshold` asks.

/// How a feature spreads over rows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spread {
    n: f64,
    mean: f64,
    squares: f64,
    least: f64,
    largest: f64,
}

impl Spread {
    pub(super) fn add(&mut self, value: f64) {
        if value.is_nan() {
            return;
        }
        if self.n == 0.0 {
            (self.least, self.largest) = (value, value);
        }
        self.n += 1.0;
        let deviation = value - self.mean;
        self.mean += deviation / self.n;
        self.squares += deviation * (value - self.mean);
        (self.least, self.largest) = (self.least.min(value), self.largest.max(value));
    }

    pub(super) fn is_above(self, threshold: f64) -> bool {
        let variance = self.squares / self.n.max(1.0);
        self.largest > self.least && (variance > threshold || !variance.is_finite())
    }
}
