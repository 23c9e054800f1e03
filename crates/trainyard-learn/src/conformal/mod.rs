//! Split-conformal prediction: sets of classes and intervals of values that hold the truth as often
//! as is asked for, whatever the model and the data.
//!
//! A [`Conformal`] is fitted on predictions of rows that the model was not trained on and is then
//! part of the model. It keeps each row's nonconformity score, which is high where the truth was far
//! from the prediction. A set or interval holds what would score no higher than the
//! ⌈(n + 1)(1 − α)⌉-th lowest of the n scores, and so holds the truth of a new row with a probability
//! of at least 1 − α, if rows come in no particular order (Vovk, Gammerman and Shafer, "Algorithmic
//! learning in a random world", 2005; Lei et al., "Distribution-free predictive inference for
//! regression", 2018). Without ties it is at most 1 / (n + 1) more.
//!
//! That is over all rows: for those of one class or place it may be less. Where n is so small that
//! there is no such score, [`Conformal::smallest_alpha`] being above α, a set has every class and an
//! interval every number.
//!
//! Where the rows' scores come of the folds of a cross-validation and the answer of a model that was
//! trained on all rows, this is cross-conformal prediction (Vovk, "Cross-conformal predictors", 2015):
//! the model has seen more rows than those of the folds and is a little better, so sets and intervals
//! are as a rule a little wider than they need be; the bound itself holds for a fold's own model.
//!
//! It is deliberately not about models, and takes no weights: rows of different weight do come in a
//! particular order.

mod error;
mod sets;

pub use error::ConformalError;
use serde::{Deserialize, Serialize};

/// How far the truth is from a prediction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ConformalSpec {
    /// Of classes: 1 less the probability of the true one, which gives the smallest sets on average
    /// (Sadinle, Lei and Wasserman, "Least ambiguous set-valued classifiers with bounded error
    /// levels", 2019). A set may be empty.
    Lac,
    /// Of classes: the probability of all that are more likely than the true one, which gives larger
    /// sets to harder rows (Romano, Sesia and Candès, "Classification with valid and adaptive
    /// coverage", 2020). A set has the most likely class at least, so where that is right more often
    /// than was asked for, so are the sets.
    Aps {
        /// Whether a random share of the true class's own probability is added. Sets are then
        /// smaller, may be empty, and hold the truth just as often as was asked for.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(default = false))]
        randomized: bool,
        /// The seed of the shares. A row's share depends on its probabilities and on nothing else,
        /// so the same row always has the same set.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = i64, minimum = 0, maximum = 4294967295u32, default = 0))]
        random_state: u32,
    },
    /// Of values: the absolute error. All intervals are of one width.
    AbsoluteResidual,
    /// Of values: the absolute error as a multiple of a scale that is given for each row, such as a
    /// predicted deviation. Intervals are as wide as their scale.
    NormalizedResidual,
}

/// A range of values, both ends included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Its lower end, −∞ where there is none.
    pub lower: f64,
    /// Its upper end, ∞ where there is none.
    pub upper: f64,
}

/// A fitted conformal predictor: a part of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct Conformal {
    spec: ConformalSpec,
    /// 0 of values.
    n_classes: usize,
    /// Rising.
    scores: Vec<f64>,
}

impl Conformal {
    /// Fits sets of classes on probabilities, rows × `n_classes`, and true classes.
    ///
    /// # Errors
    /// With a spec of values; without rows, with fewer than two classes, with rows of one class only;
    /// with unequal numbers of rows; with a row of probabilities that are none; and with a class
    /// beyond `n_classes`.
    pub fn of_classes(
        spec: ConformalSpec,
        probabilities: &[f64],
        n_classes: usize,
        target: &[u32],
    ) -> Result<Self, ConformalError> {
        let measure = sets::Measure::new(spec).ok_or(ConformalError::Method)?;
        sets::check(probabilities, n_classes)?;
        let n_rows = probabilities.len() / n_classes;
        if n_rows != target.len() {
            return Err(ConformalError::Rows { n_rows, n_others: target.len() });
        }
        let Some(first) = target.first() else { return Err(ConformalError::NoRows) };
        if let Some(row) = target.iter().position(|class| *class as usize >= n_classes) {
            return Err(ConformalError::Class { row, class: target[row], n_classes });
        }
        if target.iter().all(|class| class == first) {
            return Err(ConformalError::OneClass);
        }
        let rows = probabilities.chunks_exact(n_classes).zip(target);
        let scores = rows.map(|(row, class)| measure.of(row, *class)).collect();
        Ok(Self::new(spec, n_classes, scores))
    }

    /// Fits intervals of values on predictions and targets, one a row, and their scales if the spec
    /// asks for them.
    ///
    /// # Errors
    /// With a spec of classes; with scales that are not asked for, or without those that are; without
    /// rows; with unequal numbers of them; with a prediction, target or residual that is not finite;
    /// and with a scale that is not above 0.
    pub fn of_values(
        spec: ConformalSpec,
        predictions: &[f64],
        target: &[f64],
        scales: Option<&[f64]>,
    ) -> Result<Self, ConformalError> {
        check_scales(spec, predictions.len(), scales)?;
        if predictions.len() != target.len() {
            let n_rows = predictions.len();
            return Err(ConformalError::Rows { n_rows, n_others: target.len() });
        }
        if predictions.is_empty() {
            return Err(ConformalError::NoRows);
        }
        let residual = |(row, (prediction, target)): (usize, (&f64, &f64))| {
            let scale = scales.and_then(|scales| scales.get(row)).copied().unwrap_or(1.0);
            let score = (target - prediction).abs() / scale;
            if score.is_finite() { Ok(score) } else { Err(ConformalError::Value { row }) }
        };
        let scores = predictions.iter().zip(target).enumerate().map(residual);
        Ok(Self::new(spec, 0, scores.collect::<Result<_, _>>()?))
    }

    fn new(spec: ConformalSpec, n_classes: usize, mut scores: Vec<f64>) -> Self {
        scores.sort_unstable_by(f64::total_cmp);
        Self { spec, n_classes, scores }
    }

    /// What it was fitted by.
    pub fn spec(&self) -> ConformalSpec {
        self.spec
    }

    /// The number of rows that it was fitted on.
    pub fn n_rows(&self) -> usize {
        self.scores.len()
    }

    /// The smallest α of which sets and intervals say anything: 1 / (n + 1).
    pub fn smallest_alpha(&self) -> f64 {
        1.0 / (self.scores.len() + 1) as f64
    }

    /// The score that at most a share of `alpha` of new rows is above: the ⌈(n + 1)(1 − α)⌉-th lowest
    /// of n, and ∞ where that is beyond n.
    ///
    /// # Errors
    /// With an `alpha` that is not between 0 and 1.
    pub fn quantile(&self, alpha: f64) -> Result<f64, ConformalError> {
        if !(alpha > 0.0 && alpha < 1.0) {
            return Err(ConformalError::Alpha(alpha));
        }
        let rank = (self.scores.len() + 1) as f64 * (1.0 - alpha);
        // What rounding adds to a whole number must not make it the next.
        let rank = (rank * (1.0 - 1e-12)).ceil() as usize;
        Ok(self.scores.get(rank.saturating_sub(1)).copied().unwrap_or(f64::INFINITY))
    }

    /// The classes of rows with these probabilities, rows × classes, that hold the true one with a
    /// probability of at least 1 − `alpha`; of each row the most likely one first.
    ///
    /// # Errors
    /// Where it was fitted on values; with an `alpha` that is not between 0 and 1; with a number of
    /// probabilities that is no whole number of rows; and with a row of them that are none.
    pub fn predict_sets(
        &self,
        probabilities: &[f64],
        alpha: f64,
    ) -> Result<Vec<Vec<u32>>, ConformalError> {
        let measure = sets::Measure::new(self.spec).ok_or(ConformalError::Method)?;
        let highest = self.quantile(alpha)?;
        sets::check(probabilities, self.n_classes)?;
        let rows = probabilities.chunks_exact(self.n_classes);
        Ok(rows.map(|row| measure.up_to(row, highest)).collect())
    }

    /// The intervals around predictions that hold the truth with a probability of at least
    /// 1 − `alpha`, all of one width. An end beyond the finite numbers is infinite.
    ///
    /// # Errors
    /// Where it was not fitted by `absolute_residual`; with an `alpha` that is not between 0 and 1;
    /// and with a prediction that is not finite.
    pub fn intervals(
        &self,
        predictions: &[f64],
        alpha: f64,
    ) -> Result<Vec<Interval>, ConformalError> {
        self.intervals_of(predictions, None, alpha)
    }

    /// The intervals around predictions that hold the truth with a probability of at least
    /// 1 − `alpha`, each as wide as its scale. An end beyond the finite numbers is infinite.
    ///
    /// # Errors
    /// Where it was not fitted by `normalized_residual`; with an `alpha` that is not between 0 and 1;
    /// with a prediction that is not finite; and with scales that are not one a row, each above 0.
    pub fn scaled_intervals(
        &self,
        predictions: &[f64],
        scales: &[f64],
        alpha: f64,
    ) -> Result<Vec<Interval>, ConformalError> {
        self.intervals_of(predictions, Some(scales), alpha)
    }

    fn intervals_of(
        &self,
        predictions: &[f64],
        scales: Option<&[f64]>,
        alpha: f64,
    ) -> Result<Vec<Interval>, ConformalError> {
        check_scales(self.spec, predictions.len(), scales)?;
        let highest = self.quantile(alpha)?;
        if let Some(row) = predictions.iter().position(|prediction| !prediction.is_finite()) {
            return Err(ConformalError::Value { row });
        }
        let around = |(row, prediction): (usize, &f64)| {
            let scale = scales.and_then(|scales| scales.get(row)).copied().unwrap_or(1.0);
            let half = highest * scale;
            Interval { lower: prediction - half, upper: prediction + half }
        };
        Ok(predictions.iter().enumerate().map(around).collect())
    }
}

/// Whether there are scales where they are asked for, and nowhere else.
fn check_scales(
    spec: ConformalSpec,
    n_rows: usize,
    scales: Option<&[f64]>,
) -> Result<(), ConformalError> {
    let scales = match (spec, scales) {
        (ConformalSpec::AbsoluteResidual, None) => return Ok(()),
        (ConformalSpec::NormalizedResidual, Some(scales)) => scales,
        _ => return Err(ConformalError::Method),
    };
    if scales.len() != n_rows {
        return Err(ConformalError::Rows { n_rows, n_others: scales.len() });
    }
    match scales.iter().position(|scale| !(*scale > 0.0 && scale.is_finite())) {
        Some(row) => Err(ConformalError::Scale { row, scale: scales[row] }),
        None => Ok(()),
    }
}

/// A predictor as a file has it, before it is known to be one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    spec: ConformalSpec,
    n_classes: usize,
    scores: Vec<f64>,
}

impl TryFrom<Written> for Conformal {
    type Error = ConformalError;

    fn try_from(Written { spec, n_classes, scores }: Written) -> Result<Self, Self::Error> {
        let is_of_classes = sets::Measure::new(spec).is_some();
        let is_sound = !scores.is_empty()
            && scores.iter().all(|score| score.is_finite() && *score >= 0.0)
            && scores.is_sorted()
            && (if is_of_classes { n_classes >= 2 } else { n_classes == 0 });
        if is_sound { Ok(Self { spec, n_classes, scores }) } else { Err(ConformalError::Damaged) }
    }
}
