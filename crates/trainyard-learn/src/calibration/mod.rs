//! Probability calibration: what a classifier says of rows becomes probabilities that come true as
//! often as they say.
//!
//! A [`Calibrator`] is fitted on scores of rows that the classifier was not trained on (out of fold,
//! or held out) and their true classes, and is then part of the model. The methods and their numbers
//! are those of scikit-learn's `CalibratedClassifierCV`:
//!
//! - `platt`, which scikit-learn calls `sigmoid`: a logistic curve (Platt, "Probabilistic outputs for
//!   support vector machines", 1999);
//! - `isotonic`: a curve that only rises (Zadrozny and Elkan, "Transforming classifier scores into
//!   accurate multiclass probability estimates", 2002); it wants about a thousand rows;
//! - `temperature`: one number that divides the logits, which changes no prediction (Guo et al., "On
//!   calibration of modern neural networks", 2017).
//!
//! Of two classes the second is the positive one. Of more, the first two methods calibrate each
//! class against the rest and divide by the sum.
//!
//! It is deliberately not about models, and it does not choose the rows: scores of rows that the
//! classifier has learnt would make every method wrong.

mod error;
mod isotonic;
mod platt;
mod report;
mod scores;
mod temperature;

pub use error::CalibrationError;
pub use isotonic::Isotonic;
pub use platt::Sigmoid;
pub use report::{CalibrationReport, Quality};
pub(crate) use scores::first_row_without_probabilities;
pub use scores::{ScoreKind, Scores};
use serde::{Deserialize, Serialize};
pub use temperature::Temperature;

/// How scores are calibrated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CalibrationSpec {
    /// A logistic curve, as scikit-learn's method `sigmoid`, which is read as another name of it.
    #[serde(alias = "sigmoid")]
    Platt,
    /// A curve that only rises, as scikit-learn's method `isotonic`. Below about 1,000 rows it follows
    /// their noise.
    Isotonic,
    /// One temperature that divides the logits, as scikit-learn's method `temperature`.
    Temperature,
}

impl CalibrationSpec {
    /// The rows below which it is likely to follow noise: scikit-learn's user guide advises against
    /// `isotonic` with far fewer than so many.
    pub fn n_rows_advised(self) -> usize {
        if self == Self::Isotonic { 1_000 } else { 0 }
    }
}

/// A fitted calibration: a part of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct Calibrator {
    kind: ScoreKind,
    n_columns: usize,
    curves: Curves,
}

/// What turns scores into probabilities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Curves {
    /// One logistic curve of two classes, else one a class.
    Platt(Vec<Sigmoid>),
    /// One rising curve of two classes, else one a class.
    Isotonic(Vec<Isotonic>),
    /// The temperature of all classes.
    Temperature(Temperature),
}

impl Calibrator {
    /// Fits a calibration on scores of rows, their true classes (indices below the number of
    /// classes) and their weights, one a row, finite and not below 0; without them every row counts
    /// the same.
    ///
    /// # Errors
    /// Without rows; with unequal numbers of scores, classes and weights; with a score that is not
    /// finite or a row of probabilities that are none; with weights that are none; and where a class
    /// is beyond the number of classes, or has no row that counts.
    pub fn fit(
        spec: CalibrationSpec,
        scores: Scores<'_>,
        target: &[u32],
        weights: Option<&[f64]>,
    ) -> Result<Self, CalibrationError> {
        scores.check()?;
        scores.check_rows(target, weights)?;
        let all_equal;
        let weights = match weights {
            Some(weights) => weights,
            None => {
                all_equal = vec![1.0; target.len()];
                &all_equal
            }
        };
        let columns = || {
            (0..scores.n_curves()).map(|place| {
                let class = if scores.n_curves() == 1 { 1 } else { place as u32 };
                let is_class: Vec<bool> = target.iter().map(|of_row| *of_row == class).collect();
                (scores.column(place), is_class)
            })
        };
        let curves = match spec {
            CalibrationSpec::Platt => {
                Curves::Platt(columns().map(|(s, is)| Sigmoid::fit(&s, &is, weights)).collect())
            }
            CalibrationSpec::Isotonic => {
                Curves::Isotonic(columns().map(|(s, is)| Isotonic::fit(&s, &is, weights)).collect())
            }
            CalibrationSpec::Temperature => {
                let (logits, n_classes) = (scores.logits(), scores.n_classes());
                Curves::Temperature(Temperature::fit(&logits, n_classes, target, weights))
            }
        };
        Ok(Self { kind: scores.kind, n_columns: scores.n_columns, curves })
    }

    /// The calibrated probabilities of rows with scores like those that it was fitted on, in the same
    /// shape: rows × columns, each row with the sum 1, or the positive class's where there is one
    /// column. No rows give none.
    ///
    /// # Errors
    /// With a number of values that is no whole number of rows, with a score that is not finite, and
    /// with a row of probabilities that are none.
    pub fn calibrate(&self, values: &[f64]) -> Result<Vec<f64>, CalibrationError> {
        let scores = Scores { values, n_columns: self.n_columns, kind: self.kind };
        scores.check()?;
        match &self.curves {
            Curves::Platt(curves) => Ok(one_vs_rest(scores, |at, s| curves[at].predict(s))),
            Curves::Isotonic(curves) => Ok(one_vs_rest(scores, |at, s| curves[at].predict(s))),
            Curves::Temperature(temperature) => {
                let n_classes = scores.n_classes();
                let mut p = scores.logits();
                p.chunks_exact_mut(n_classes).for_each(|row| temperature.soften(row));
                Ok(if self.n_columns == 1 { second_of_two(&p) } else { p })
            }
        }
    }

    /// What it was fitted by.
    pub fn spec(&self) -> CalibrationSpec {
        match &self.curves {
            Curves::Platt(_) => CalibrationSpec::Platt,
            Curves::Isotonic(_) => CalibrationSpec::Isotonic,
            Curves::Temperature(_) => CalibrationSpec::Temperature,
        }
    }

    /// What it does with scores.
    pub fn curves(&self) -> &Curves {
        &self.curves
    }

    /// Of what kind its scores are.
    pub fn kind(&self) -> ScoreKind {
        self.kind
    }

    /// Scores a row.
    pub fn n_columns(&self) -> usize {
        self.n_columns
    }
}

fn second_of_two(rows: &[f64]) -> Vec<f64> {
    rows.chunks_exact(2).map(|row| row[1]).collect()
}

/// The probabilities of each class against the rest, brought to the sum 1; all the same where they
/// are all 0.
fn one_vs_rest(scores: Scores<'_>, curve: impl Fn(usize, f64) -> f64) -> Vec<f64> {
    if scores.n_curves() == 1 {
        let positive = scores.column(0).into_iter().map(|score| curve(0, score));
        return match scores.n_columns {
            1 => positive.collect(),
            _ => positive.flat_map(|p| [1.0 - p, p]).collect(),
        };
    }
    let n_columns = scores.n_columns;
    let mut p: Vec<f64> =
        scores.values.iter().enumerate().map(|(at, score)| curve(at % n_columns, *score)).collect();
    for row in p.chunks_exact_mut(n_columns) {
        let sum: f64 = row.iter().sum();
        let share = |p: f64| if sum > 0.0 { (p / sum).min(1.0) } else { 1.0 / n_columns as f64 };
        row.iter_mut().for_each(|p| *p = share(*p));
    }
    p
}

/// A calibrator as a file has it, before it is known to be one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    kind: ScoreKind,
    n_columns: usize,
    curves: Curves,
}

impl TryFrom<Written> for Calibrator {
    type Error = CalibrationError;

    fn try_from(Written { kind, n_columns, curves }: Written) -> Result<Self, Self::Error> {
        let n_curves = Scores { values: &[], n_columns, kind }.n_curves();
        let is_sound = match &curves {
            Curves::Platt(of_each) => {
                of_each.len() == n_curves && of_each.iter().all(Sigmoid::is_sound)
            }
            Curves::Isotonic(of_each) => {
                of_each.len() == n_curves && of_each.iter().all(Isotonic::is_sound)
            }
            Curves::Temperature(temperature) => temperature.is_sound(),
        };
        if n_columns == 0 || !is_sound {
            return Err(CalibrationError::Damaged);
        }
        Ok(Self { kind, n_columns, curves })
    }
}
