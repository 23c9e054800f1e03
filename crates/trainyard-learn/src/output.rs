//! What is done to a model's predictions after it: calibration, a decision threshold, and sets or
//! intervals of a stated coverage. All of it is fitted on rows that the model had not seen.
//!
//! In that order: a threshold is one of calibrated probabilities, and sets are made of them.

use serde::{Deserialize, Serialize};

use crate::calibration::{
    CalibrationError, CalibrationReport, CalibrationSpec, Calibrator, ScoreKind, Scores,
};
use crate::conformal::{Conformal, ConformalError, ConformalSpec, Interval};
use crate::model::{Predicted, Truth};
use crate::thresholds::{ThresholdError, ThresholdSpec, TunedThreshold, tune};

/// What is done to predictions; nothing by default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Makes probabilities of what a classifier says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibrator: Option<Calibrator>,
    /// From which probability, or decision value, on a row is of the second of two classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Makes sets of classes or intervals of values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conformal: Option<Conformal>,
}

/// What is to be fitted; nothing by default.
#[derive(Clone, Copy, Debug, Default)]
pub struct OutputSpec {
    /// How to calibrate.
    pub calibration: Option<CalibrationSpec>,
    /// What the threshold should be best for.
    pub threshold: Option<ThresholdSpec>,
    /// How far the truth is from a prediction.
    pub conformal: Option<ConformalSpec>,
}

/// What was found on the way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OutputReport {
    /// What calibration changed, of the rows that it was fitted on.
    pub calibration: Option<CalibrationReport>,
    /// The threshold beside the default one.
    pub threshold: Option<TunedThreshold>,
}

/// Why nothing can be fitted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// Of the calibration.
    #[error("calibration: {0}")]
    Calibration(#[from] CalibrationError),
    /// Of the threshold.
    #[error("threshold: {0}")]
    Threshold(#[from] ThresholdError),
    /// Of the sets or intervals.
    #[error("conformal: {0}")]
    Conformal(#[from] ConformalError),
    /// They are not of such a target.
    #[error("{0} is not for such predictions")]
    DoesNotFit(&'static str),
}

/// Sets or intervals.
#[derive(Clone, Debug, PartialEq)]
pub enum Region {
    /// Of each row the classes that it may have, as indices, the most likely one first.
    Sets(Vec<Vec<u32>>),
    /// Of each row the values that it may have.
    Intervals(Vec<Interval>),
}

impl Output {
    /// Fits what the spec asks for on what a model said of rows that it had not seen.
    ///
    /// # Errors
    /// Where predictions are not finite, a class has no row, or the spec is not for such a target.
    pub fn fit(
        spec: OutputSpec,
        predicted: Predicted,
        truth: &Truth,
    ) -> Result<(Self, OutputReport), OutputError> {
        let mut output = Self::default();
        let mut report = OutputReport::default();
        if let Some(spec) = spec.calibration {
            let Truth::Classes(target) = truth else {
                return Err(OutputError::DoesNotFit("calibration"));
            };
            let (values, n_columns, kind) =
                scores(&predicted).ok_or(OutputError::DoesNotFit("calibration"))?;
            let scores = Scores { values: &values, n_columns, kind };
            let calibrator = Calibrator::fit(spec, scores, target, None)?;
            report.calibration = Some(calibrator.report(&values, target, None)?);
            output.calibrator = Some(calibrator);
        }
        let predicted = output.apply(predicted);
        if let Some(spec) = spec.threshold {
            let (Truth::Classes(target), Some((scores, default))) = (truth, of_second(&predicted))
            else {
                return Err(OutputError::DoesNotFit("a threshold"));
            };
            let is_second: Vec<bool> = target.iter().map(|class| *class == 1).collect();
            let tuned = tune(&spec, &is_second, &scores, None, default)?;
            output.threshold = Some(tuned.chosen.threshold);
            report.threshold = Some(tuned);
        }
        if let Some(spec) = spec.conformal {
            output.conformal = Some(match (&predicted, truth) {
                (
                    Predicted::Probabilities { probabilities, n_classes, .. },
                    Truth::Classes(target),
                ) => Conformal::of_classes(spec, &doubles(probabilities), *n_classes, target)?,
                (Predicted::Values { values, n_outputs: 1 }, Truth::Values(target)) => {
                    Conformal::of_values(spec, &doubles(values), target, None)?
                }
                _ => return Err(OutputError::DoesNotFit("conformal prediction")),
            });
        }
        Ok((output, report))
    }

    /// Predictions with calibrated probabilities, and classes by these and the threshold. What cannot
    /// be calibrated, because it is not finite, stays as it is.
    pub fn apply(&self, predicted: Predicted) -> Predicted {
        let predicted = match &self.calibrator {
            Some(calibrator) => calibrated(calibrator, predicted),
            None => predicted,
        };
        match self.threshold {
            Some(threshold) => cut(threshold, predicted),
            None => predicted,
        }
    }

    /// Sets or intervals that hold the truth with this probability, of predictions that
    /// [`apply`](Self::apply) gave; `None` where nothing was fitted that makes them.
    ///
    /// # Errors
    /// When `coverage` is not between 0 and 1, or a prediction is not finite.
    pub fn region(
        &self,
        predicted: &Predicted,
        coverage: f64,
    ) -> Result<Option<Region>, ConformalError> {
        let Some(conformal) = &self.conformal else { return Ok(None) };
        let alpha = 1.0 - coverage;
        match predicted {
            Predicted::Probabilities { probabilities, .. } => {
                let sets = conformal.predict_sets(&doubles(probabilities), alpha)?;
                Ok(Some(Region::Sets(sets)))
            }
            Predicted::Values { values, .. } => {
                let intervals = conformal.intervals(&doubles(values), alpha)?;
                Ok(Some(Region::Intervals(intervals)))
            }
            Predicted::Decisions { .. } | Predicted::Labels { .. } => Ok(None),
        }
    }
}

fn doubles(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| f64::from(*value)).collect()
}

/// What a classifier says of each row, how many numbers that are, and of what kind.
fn scores(predicted: &Predicted) -> Option<(Vec<f64>, usize, ScoreKind)> {
    match predicted {
        Predicted::Decisions { decision, n_values, .. } if *n_values > 0 => {
            Some((decision.clone(), *n_values, ScoreKind::Decision))
        }
        Predicted::Probabilities { probabilities, n_classes, .. } => {
            Some((doubles(probabilities), *n_classes, ScoreKind::Probability))
        }
        _ => None,
    }
}

fn calibrated(calibrator: &Calibrator, predicted: Predicted) -> Predicted {
    let Some((values, n_columns, kind)) = scores(&predicted) else { return predicted };
    if n_columns != calibrator.n_columns() || kind != calibrator.kind() {
        return predicted;
    }
    let Ok(p) = calibrator.calibrate(&values) else { return predicted };
    let n_classes = n_columns.max(2);
    let probabilities: Vec<f32> = match n_columns {
        1 => p.iter().flat_map(|p| [(1.0 - p) as f32, *p as f32]).collect(),
        _ => p.iter().map(|p| *p as f32).collect(),
    };
    let prediction = probabilities.chunks_exact(n_classes).map(most_likely).collect();
    Predicted::Probabilities { prediction, probabilities, n_classes }
}

/// The first of the largest.
fn most_likely(row: &[f32]) -> u32 {
    let mut best = 0;
    for (class, p) in row.iter().enumerate() {
        if *p > row[best] {
            best = class;
        }
    }
    best as u32
}

/// The scores of the second of two classes, and from which on a row is taken for it.
fn of_second(predicted: &Predicted) -> Option<(Vec<f64>, f64)> {
    match predicted {
        Predicted::Decisions { decision, n_values: 1, .. } => Some((decision.clone(), 0.0)),
        Predicted::Probabilities { probabilities, n_classes: 2, .. } => {
            Some((probabilities.iter().skip(1).step_by(2).map(|p| f64::from(*p)).collect(), 0.5))
        }
        _ => None,
    }
}

fn cut(threshold: f64, mut predicted: Predicted) -> Predicted {
    if let Some((scores, _)) = of_second(&predicted)
        && let Predicted::Decisions { prediction, .. } | Predicted::Probabilities { prediction, .. } =
            &mut predicted
    {
        let classes = scores.iter().map(|score| u32::from(*score >= threshold));
        prediction.iter_mut().zip(classes).for_each(|(class, new)| *class = new);
    }
    predicted
}
