//! The perceptron: a linear classifier that learns from its errors, row by row.
//!
//! Equal to scikit-learn's `Perceptron` in every parameter that shapes the model (Rosenblatt, "The
//! Perceptron: A Probabilistic Model for Information Storage and Organization in the Brain", 1958):
//! the same visits, the same stopping, the same weights to the last digits.
//!
//! It is deliberately not all of scikit-learn's class: there are no sample weights, no
//! continuation of an earlier fit by other rows, and no threads of its own.

mod absent;
mod descent;
mod observer;
mod spec;
mod weights;

use std::borrow::Cow;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

use crate::random::RandomState;
use crate::splits::{ShuffleSplitError, stratified_shuffle_split};
pub use absent::fit_present;
use descent::{BinaryProblem, HeldOut, Rows, descend};
pub use observer::Observer;
use observer::Saved;
pub use spec::{ClassWeight, ClassWeightPreset, Penalty, PerceptronSpec};

/// Trains a perceptron on the rows of `x`, whose classes `y` gives as indices.
///
/// `class_weight` holds the weight of each class, and so says how many there are; take it from
/// [`PerceptronSpec::class_weights`]. The spec is expected to have passed
/// [`PerceptronSpec::check`]. After every epoch `observer` hears how it went, may end the training by
/// breaking, and may keep its state.
///
/// Two classes make one weight vector, more make one for each class against the others.
#[expect(clippy::needless_pass_by_value, reason = "a view is passed as ndarray passes it")]
pub fn fit(
    spec: &PerceptronSpec,
    x: ArrayView2<'_, f64>,
    y: &[u32],
    class_weight: &[f64],
    observer: &mut dyn Observer,
) -> Result<Perceptron, FitError> {
    let values =
        x.as_slice().map_or_else(|| Cow::Owned(x.iter().copied().collect()), Cow::Borrowed);
    let rows = Rows { values: &values, n_features: x.ncols() };
    check_data(rows, y, x.nrows(), class_weight.len())?;

    let held_out = hold_out(spec, y)?;
    let n_classes = class_weight.len();
    let problems = one_vs_all(spec.random_state, n_classes);
    let mut coef = Array2::zeros((problems.len(), rows.n_features));
    let mut intercept = Array1::zeros(problems.len());
    let mut n_iter = 0;
    let mut signs = vec![0.0; y.len()];
    let mut weights = vec![0.0; rows.n_features];
    let shape = (problems.len(), y.len(), rows.n_features);
    let saved = observer.resume().and_then(|bytes| {
        let saved = Saved::from_bytes(&bytes, shape);
        if saved.is_none() {
            observer.began_anew();
        }
        saved
    });
    let (n_done, mut state) = match saved {
        None => (0, None),
        Some(saved) => {
            n_iter = saved.n_iter;
            for (index, value) in saved.intercept.iter().enumerate() {
                let from = index * rows.n_features;
                let done = &saved.coef[from..from + rows.n_features];
                coef.row_mut(index).assign(&ArrayView1::from(done));
                intercept[index] = *value;
            }
            (saved.intercept.len(), Some(saved.descent))
        }
    };
    for (index, &(class, seed)) in problems.iter().enumerate().skip(n_done) {
        for (sign, &label) in signs.iter_mut().zip(y) {
            *sign = if label as usize == class { 1.0 } else { -1.0 };
        }
        let problem = BinaryProblem {
            spec,
            rows,
            signs: &signs,
            held_out: &held_out,
            positive_weight: class_weight[class],
            // Of the many classes on the other side, none can lend its weight.
            negative_weight: if n_classes == 2 { class_weight[0] } else { 1.0 },
            seed,
            class,
            n_problems: problems.len(),
        };
        let save = |descent| {
            let coef = coef.rows().into_iter().take(index).flatten().copied().collect();
            let intercept = intercept.iter().take(index).copied().collect();
            Saved { coef, intercept, n_iter, descent }.to_bytes()
        };
        let descent = descend(&problem, &mut weights, state.take(), observer, save)?;
        coef.row_mut(index).assign(&ArrayView1::from(&weights));
        intercept[index] = descent.intercept;
        n_iter = n_iter.max(descent.n_iter);
    }
    Ok(Perceptron {
        coef,
        intercept,
        n_iter,
        converged: spec.tol.is_none() || n_iter < spec.max_iter as usize,
    })
}

/// A trained perceptron.
#[derive(Clone, Debug, PartialEq)]
pub struct Perceptron {
    /// The weights: one row for two classes, one row per class for more.
    pub coef: Array2<f64>,
    /// The intercept of each row of `coef`.
    pub intercept: Array1<f64>,
    /// The epochs run; of several weight vectors, the most that one needed.
    pub n_iter: usize,
    /// Whether training stopped before `max_iter`, or `tol` was null and all epochs were wanted.
    ///
    /// False exactly where scikit-learn warns.
    pub converged: bool,
}

impl Perceptron {
    /// The number of features that a row must have.
    pub fn n_features(&self) -> usize {
        self.coef.ncols()
    }

    /// The number of scores for a row: 1 for two classes, else the number of classes.
    pub fn n_scores(&self) -> usize {
        self.coef.nrows()
    }

    /// The signed scores of each row of `x`, one column per weight vector.
    ///
    /// Rows with another number of features than the model's score NaN.
    #[expect(clippy::needless_pass_by_value, reason = "a view is passed as ndarray passes it")]
    pub fn decision_function(&self, x: ArrayView2<'_, f64>) -> Array2<f64> {
        let mut scores = Array2::zeros((x.nrows(), self.n_scores()));
        let mut buffer = Vec::new();
        for (row, mut target) in x.outer_iter().zip(scores.outer_iter_mut()) {
            for (index, score) in target.iter_mut().enumerate() {
                *score = self.score(index, contiguous(&row, &mut buffer));
            }
        }
        scores
    }

    /// The class index of each row of `x`.
    #[expect(clippy::needless_pass_by_value, reason = "a view is passed as ndarray passes it")]
    pub fn predict(&self, x: ArrayView2<'_, f64>) -> Vec<u32> {
        let mut buffer = Vec::new();
        x.outer_iter().map(|row| self.predict_row(contiguous(&row, &mut buffer))).collect()
    }

    /// Writes the scores of one row into `scores`, which holds [`n_scores`](Self::n_scores).
    pub fn decide_row(&self, row: &[f64], scores: &mut [f64]) {
        for (index, score) in scores.iter_mut().take(self.n_scores()).enumerate() {
            *score = self.score(index, row);
        }
    }

    /// The class index of one row, without any allocation.
    pub fn predict_row(&self, row: &[f64]) -> u32 {
        choose((0..self.n_scores()).map(|index| self.score(index, row)))
    }

    /// The class index of a row from its scores, for those who want both and compute them once.
    pub fn class_of(&self, scores: &[f64]) -> u32 {
        choose(scores.iter().copied())
    }

    fn score(&self, index: usize, row: &[f64]) -> f64 {
        let weights = self.coef.row(index);
        match weights.as_slice() {
            Some(weights) if weights.len() == row.len() => {
                weights::dot(weights, row) + self.intercept[index]
            }
            _ => f64::NAN,
        }
    }
}

/// One score tells two classes apart by its sign; of several the largest wins, of equal ones the
/// first.
fn choose(scores: impl ExactSizeIterator<Item = f64>) -> u32 {
    let one = scores.len() == 1;
    let mut best = (0, f64::NEG_INFINITY);
    for (class, score) in (0..).zip(scores) {
        if one {
            return u32::from(score > 0.0);
        }
        if score > best.1 {
            best = (class, score);
        }
    }
    best.0
}

/// How an epoch went.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    /// The class that is told from the others; 1 where there are two classes.
    pub class: usize,
    /// The number of weight vectors to train, one after the other.
    pub n_problems: usize,
    /// The epochs this weight vector has seen.
    pub epoch: usize,
    /// The most it may see.
    pub max_iter: usize,
    /// The mean over the training rows of loss and penalty.
    pub objective: f64,
    /// The accuracy on the held-out rows, with early stopping.
    pub validation_score: Option<f64>,
}

/// Why there is no trained perceptron.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    /// A weight left the range of floating-point numbers.
    #[error(
        "the weights overflowed in epoch {epoch}; bring the features to a common scale or lower \
         eta0"
    )]
    Diverged {
        /// The epoch, counted from 1.
        epoch: usize,
    },
    /// The observer ended the training.
    #[error("training was cancelled")]
    Cancelled,
    /// Early stopping could not hold rows out.
    #[error("early stopping cannot hold out validation rows: {0}")]
    TooFewRows(#[from] ShuffleSplitError),
    /// There is nothing to tell apart.
    #[error("a perceptron needs at least 2 classes, and there are {n_classes}")]
    TooFewClasses {
        /// The number of classes.
        n_classes: usize,
    },
    /// A class has no row to learn from.
    #[error("no training row is of class {class}")]
    AbsentClass {
        /// The index of the class.
        class: usize,
    },
    /// The data do not fit together.
    #[error("{0}")]
    Data(String),
    /// A feature is NaN or infinite.
    #[error("feature {column} of row {row} is not a finite number")]
    NotFinite {
        /// The row, counted from 0.
        row: usize,
        /// The column, counted from 0.
        column: usize,
    },
}

fn check_data(rows: Rows<'_>, y: &[u32], n_rows: usize, n_classes: usize) -> Result<(), FitError> {
    if n_rows != y.len() {
        let detail = format!("there are {n_rows} rows but {} targets", y.len());
        return Err(FitError::Data(detail));
    }
    if rows.n_features == 0 {
        return Err(FitError::Data("there are no features".to_owned()));
    }
    if u32::try_from(n_rows).is_err() {
        return Err(FitError::Data(format!("{n_rows} rows are too many")));
    }
    if n_classes < 2 {
        return Err(FitError::TooFewClasses { n_classes });
    }
    let mut present = vec![false; n_classes];
    for &class in y {
        let Some(seen) = present.get_mut(class as usize) else {
            let detail = format!("a row is of class {class}, but there are {n_classes} classes");
            return Err(FitError::Data(detail));
        };
        *seen = true;
    }
    if let Some(class) = present.iter().position(|&seen| !seen) {
        return Err(FitError::AbsentClass { class });
    }
    match rows.values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(index) => Err(FitError::NotFinite {
            row: index / rows.n_features,
            column: index % rows.n_features,
        }),
    }
}

/// The rows that early stopping holds out; all weight vectors share them.
fn hold_out(spec: &PerceptronSpec, y: &[u32]) -> Result<HeldOut, FitError> {
    if !spec.early_stopping {
        return Ok(HeldOut::default());
    }
    let (_, mut rows) = stratified_shuffle_split(y, spec.validation_fraction, spec.random_state)?;
    rows.sort_unstable();
    let mut mask = vec![false; y.len()];
    for &row in &rows {
        mask[row as usize] = true;
    }
    Ok(HeldOut { rows, mask })
}

/// The positive class and the shuffling seed of each weight vector.
fn one_vs_all(random_state: u32, n_classes: usize) -> Vec<(usize, u32)> {
    if n_classes == 2 {
        return vec![(1, shuffling_seed(random_state))];
    }
    // With several weight vectors, each has a generator of its own, seeded from the first.
    let mut random = RandomState::new(random_state);
    (0..n_classes).map(|class| (class, shuffling_seed(draw_seed(&mut random, 0)))).collect()
}

/// The seed that scikit-learn shuffles with when its generator starts from `random_state`.
fn shuffling_seed(random_state: u32) -> u32 {
    let mut random = RandomState::new(random_state);
    // scikit-learn draws a first number for a random access to the rows that it never makes.
    draw_seed(&mut random, 1);
    draw_seed(&mut random, 0)
}

fn draw_seed(random: &mut RandomState, low: i64) -> u32 {
    // Between 0 and 2^31 - 1, so nothing is cut off.
    random.randint(low, i64::from(i32::MAX)) as u32
}

/// The values of a row as a slice, by way of `buffer` if they do not lie side by side.
fn contiguous<'a>(row: &'a ArrayView1<'_, f64>, buffer: &'a mut Vec<f64>) -> &'a [f64] {
    match row.as_slice() {
        Some(values) => values,
        None => {
            buffer.clear();
            buffer.extend(row);
            buffer
        }
    }
}
