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
    /// Finds means and deviations over the given rows of `x`, row-major, `n_features` a row. Of no
    /// rows they are 0 and 1.
    ///
    /// # Panics
    /// When `x` does not have such a row.
    pub fn fit(x: &[f64], n_features: usize, rows: &[u32]) -> Self {
        let n = rows.len().max(1) as f64;
        let each = || rows.iter().map(|&row| row_of(x, n_features, row));
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
                if variance > noise { variance.sqrt() } else { 1.0 }
            })
            .collect();
        Self { mean, scale }
    }

    /// Scales one row in double precision.
    pub fn transform_exact(&self, out: &mut [f64], row: &[f64]) {
        self.scaled(row).zip(out).for_each(|(value, out)| *out = value);
    }

    /// Scales one row in double precision and rounds it to single.
    pub fn transform_row(&self, out: &mut [f32], row: &[f64]) {
        self.scaled(row).zip(out).for_each(|(value, out)| *out = value as f32);
    }

    /// Scales the given rows of `x`, row-major, into `out`, rows × features, as
    /// [`transform_row`](Self::transform_row) does.
    ///
    /// # Panics
    /// When `x` does not have such a row.
    pub fn transform_rows(&self, out: &mut [f32], x: &[f64], rows: &[u32]) {
        let n_features = self.mean.len();
        for (out, &row) in out.chunks_exact_mut(n_features.max(1)).zip(rows) {
            self.transform_row(out, row_of(x, n_features, row));
        }
    }

    /// (x − mean) / scale
    fn scaled(&self, row: &[f64]) -> impl Iterator<Item = f64> {
        row.iter().zip(&self.mean).zip(&self.scale).map(|((x, mean), scale)| (x - mean) / scale)
    }
}

fn row_of(x: &[f64], n_features: usize, row: u32) -> &[f64] {
    &x[row as usize * n_features..][..n_features]
}
