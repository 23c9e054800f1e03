//! Bringing columns to one scale.

use serde::{Deserialize, Serialize};

/// Brings each column to mean 0 and standard deviation 1 over the rows it was fitted on, as
/// scikit-learn's `StandardScaler`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StandardScaler {
    /// The mean of each column.
    pub mean: Vec<f64>,
    /// The population standard deviation of each column; 1 where it is constant.
    pub scale: Vec<f64>,
}

impl StandardScaler {
    /// Finds means and deviations over the given rows of `x`, row-major, `n_features` a row.
    pub fn fit(x: &[f64], n_features: usize, rows: &[u32]) -> Self {
        let n = rows.len().max(1) as f64;
        let each = || rows.iter().map(|row| &x[*row as usize * n_features..][..n_features]);
        let mut mean = vec![0.0; n_features];
        for row in each() {
            mean.iter_mut().zip(row).for_each(|(mean, x)| *mean += x);
        }
        mean.iter_mut().for_each(|mean| *mean /= n);
        // The variance less the square of what rounding left of the mean (Chan, Golub and LeVeque,
        // "Algorithms for Computing the Sample Variance", 1983).
        let (mut rest, mut squares) = (vec![0.0; n_features], vec![0.0; n_features]);
        for row in each() {
            for (((rest, square), x), mean) in rest.iter_mut().zip(&mut squares).zip(row).zip(&mean)
            {
                let deviation = x - mean;
                *rest += deviation;
                *square += deviation * deviation;
            }
        }
        let scale = (0..n_features)
            .map(|column| {
                let variance = (squares[column] - rest[column] * rest[column] / n) / n;
                // Below this it is what rounding makes of a constant column: scikit-learn's bound.
                let noise = n * f64::EPSILON * variance
                    + (n * mean[column] * f64::EPSILON) * (n * mean[column] * f64::EPSILON);
                if variance <= noise { 1.0 } else { variance.sqrt() }
            })
            .collect();
        Self { mean, scale }
    }

    /// Scales one row.
    pub fn transform_exact(&self, out: &mut [f64], row: &[f64]) {
        for (((out, x), mean), scale) in out.iter_mut().zip(row).zip(&self.mean).zip(&self.scale) {
            *out = (x - mean) / scale;
        }
    }

    /// Scales the given rows of `x`, row-major, in double precision and rounds them to single.
    pub fn transform_rows(&self, out: &mut [f32], x: &[f64], rows: &[u32]) {
        let n = self.mean.len();
        for (out, row) in out.chunks_exact_mut(n.max(1)).zip(rows) {
            let row = &x[*row as usize * n..][..n];
            for (((out, x), mean), scale) in
                out.iter_mut().zip(row).zip(&self.mean).zip(&self.scale)
            {
                *out = ((x - mean) / scale) as f32;
            }
        }
    }
}
