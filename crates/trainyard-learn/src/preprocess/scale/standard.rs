//! To mean 0 and standard deviation 1, as scikit-learn's `StandardScaler`.

use serde::{Deserialize, Serialize};

use crate::optim::fields::fields;

fields! {
    /// (x − mean) / standard deviation, as scikit-learn's `StandardScaler`.
    pub struct StandardSpec {
        /// Whether to take the mean away.
        pub with_mean: bool = true,
        /// Whether to divide by the standard deviation.
        pub with_std: bool = true,
    }
}

impl StandardSpec {
    /// What is taken away from a column's values, and what they are then divided by.
    pub(super) fn fit(&self, values: &[f64]) -> (f64, f64) {
        let (mean, deviation) = moments(values);
        self.of(mean, deviation)
    }

    /// The same of moments that are known.
    pub(in crate::preprocess) fn of(&self, mean: f64, deviation: Option<f64>) -> (f64, f64) {
        let scale = if self.with_std { deviation.unwrap_or(1.0) } else { 1.0 };
        (if self.with_mean { mean } else { 0.0 }, scale)
    }
}

/// What [`StandardScaler::fit`] finds in a column, of the numbers that are there.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::preprocess) struct Moments {
    pub(in crate::preprocess) n: usize,
    pub(in crate::preprocess) mean: f64,
    /// The standard deviation; none of a constant column.
    pub(in crate::preprocess) deviation: Option<f64>,
}

/// The moments of one column.
pub(super) fn moments(values: &[f64]) -> (f64, Option<f64>) {
    let [found] = moments_of([values], values.len(), |place| place);
    (found.mean, found.deviation)
}

/// The moments of several columns, over the rows that `row` names.
///
/// Each sum goes on from row to row, and the next addition waits for the one before: columns side
/// by side fill that time.
pub(in crate::preprocess) fn moments_of<const N: usize>(
    columns: [&[f64]; N],
    n_rows: usize,
    row: impl Fn(usize) -> usize,
) -> [Moments; N] {
    let mut counts = [0.0_f64; N];
    let mut means = [0.0_f64; N];
    for place in 0..n_rows {
        let row = row(place);
        for (column, (count, mean)) in columns.iter().zip(counts.iter_mut().zip(&mut means)) {
            let x = column[row];
            *count += if x.is_nan() { 0.0 } else { 1.0 };
            *mean += if x.is_nan() { 0.0 } else { x };
        }
    }
    for (mean, count) in means.iter_mut().zip(counts) {
        *mean /= count.max(1.0);
    }
    let (mut rests, mut squares) = ([0.0; N], [0.0; N]);
    for place in 0..n_rows {
        let row = row(place);
        for lane in 0..N {
            let x = columns[lane][row];
            let deviation = if x.is_nan() { 0.0 } else { x - means[lane] };
            rests[lane] += deviation;
            squares[lane] += deviation * deviation;
        }
    }
    std::array::from_fn(|lane| {
        let (n, mean) = (counts[lane], means[lane]);
        let deviation = deviation(n.max(1.0), mean, rests[lane], squares[lane]);
        Moments { n: n as usize, mean, deviation }
    })
}

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
            .map(|column| deviation(n, mean[column], rest[column], squares[column]))
            .map(|deviation| deviation.filter(|x| x.is_finite()).unwrap_or(1.0))
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

/// The standard deviation of `n` values, from the sums of their deviations from the mean and of the
/// squares of those; `None` for a constant column.
fn deviation(n: f64, mean: f64, rest: f64, squares: f64) -> Option<f64> {
    // The variance less the square of what rounding left of the mean (Chan, Golub and LeVeque,
    // "Algorithms for Computing the Sample Variance", 1983).
    let variance = (squares - rest * rest / n) / n;
    // Below this it is what rounding makes of a constant column: scikit-learn's bound.
    let noise = n * f64::EPSILON * variance + (n * mean * f64::EPSILON) * (n * mean * f64::EPSILON);
    // A variance beyond the finite numbers is none of a constant.
    if variance <= noise && noise.is_finite() { None } else { Some(variance.sqrt()) }
}

fn row_of(x: &[f64], n_features: usize, row: u32) -> &[f64] {
    &x[row as usize * n_features..][..n_features]
}
