//! A weight vector that shrinks in constant time.

/// The scale below which the factors are multiplied out, lest they lose their digits.
const SMALLEST_SCALE: f64 = 1e-9;

/// The vector `scale * values`, with the norms that the training objective needs.
///
/// Shrinking all weights at every row, as an L2 penalty does, then costs one multiplication
/// (Bottou, "Stochastic Gradient Descent Tricks", 2012, section 5.1). The norms are scikit-learn's
/// running values: they follow additions and scaling but not the L1 penalty.
#[derive(Debug)]
pub(super) struct ScaledWeights<'a> {
    /// The weights before scaling. Early stopping and the overflow check look at these.
    pub(super) values: &'a mut [f64],
    /// The factor of every value.
    pub(super) scale: f64,
    pub(super) squared_l2_norm: f64,
    pub(super) l1_norm: f64,
}

impl<'a> ScaledWeights<'a> {
    /// The zero vector, in `values`.
    pub(super) fn zeros(values: &'a mut [f64]) -> Self {
        values.fill(0.0);
        Self { values, scale: 1.0, squared_l2_norm: 0.0, l1_norm: 0.0 }
    }

    /// The inner product with a row.
    pub(super) fn dot(&self, row: &[f64]) -> f64 {
        dot(self.values, row) * self.scale
    }

    /// Adds `step * row` and takes the norms anew.
    pub(super) fn add(&mut self, row: &[f64], step: f64) {
        let factor = step / self.scale;
        let mut squares = 0.0;
        let mut magnitudes = 0.0;
        for (value, &x) in self.values.iter_mut().zip(row) {
            *value += x * factor;
            squares += *value * *value;
            magnitudes += value.abs();
        }
        self.squared_l2_norm = squares * (self.scale * self.scale);
        self.l1_norm = magnitudes * self.scale;
    }

    /// Multiplies the vector by a factor of at least zero.
    pub(super) fn shrink(&mut self, factor: f64) {
        self.scale *= factor;
        self.squared_l2_norm *= factor * factor;
        self.l1_norm *= factor;
        if self.scale < SMALLEST_SCALE {
            self.multiply_out();
        }
    }

    /// Makes the scale 1 and the values the weights themselves.
    pub(super) fn multiply_out(&mut self) {
        for value in self.values.iter_mut() {
            *value *= self.scale;
        }
        self.scale = 1.0;
    }

    pub(super) fn l2_norm(&self) -> f64 {
        self.squared_l2_norm.sqrt()
    }

    pub(super) fn l1_norm(&self) -> f64 {
        self.l1_norm
    }
}

/// The inner product, summed from the first feature to the last.
///
/// The order of summation is part of the result to the digit, so this is deliberately not split
/// into partial sums.
pub(super) fn dot(weights: &[f64], row: &[f64]) -> f64 {
    weights.iter().zip(row).fold(0.0, |sum, (&weight, &x)| sum + weight * x)
}
