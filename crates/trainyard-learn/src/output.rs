//! What is done to a model's predictions after it: calibration, a decision threshold, and sets or
//! intervals of a stated coverage. All of it is fitted on rows that the model had not seen.
//!
//! In that order: a threshold is one of calibrated probabilities, and sets are made of them. The model's
//! calibration is fitted on all predictions; sets are made of probabilities by calibrations that have not
//! seen the row (`out_of_fold`), since what a row has been fitted to is nearer to it than to a new one.

mod out_of_fold;

pub use out_of_fold::OutOfFold;
use out_of_fold::pick;
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
    /// What calibration changes in rows that it was not fitted on, each as it was tested first.
    pub calibration: Option<CalibrationReport>,
    /// The threshold beside the default one.
    pub threshold: Option<TunedThreshold>,
    /// Why there is no threshold, where none does what the spec demands.
    pub no_threshold: Option<ThresholdError>,
}

/// Why nothing can be fitted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// Of the calibration.
    #[error("calibration: {0}")]
    Calibration(#[from] CalibrationError),
    /// Of a calibration on part of the rows, for the others.
    #[error("conformal: calibrated probabilities that others have given: {0}")]
    CrossCalibration(CalibrationError),
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
        tested: OutOfFold<'_>,
    ) -> Result<(Self, OutputReport), OutputError> {
        let mut output = Self::default();
        let mut report = OutputReport::default();
        // Of the first tests, where there is a calibration.
        let mut probabilities = None;
        if let Some(calibration) = spec.calibration {
            let Truth::Classes(target) = tested.truth else {
                return Err(OutputError::DoesNotFit("calibration"));
            };
            let (values, n_columns, kind) =
                scores(tested.predicted).ok_or(OutputError::DoesNotFit("calibration"))?;
            let scores = Scores { values: &values, n_columns, kind };
            output.calibrator = Some(Calibrator::fit(calibration, scores, target, None)?);
            let crossed = tested.cross_calibrated(calibration, scores, target);
            let firsts = tested.firsts();
            let values = pick(&values, &firsts, n_columns);
            let scores = Scores { values: &values, ..scores };
            let calibrated = crossed.as_ref().map_or(&[][..], Vec::as_slice);
            report.calibration =
                Some(CalibrationReport::of(scores, calibrated, &pick(target, &firsts, 1)));
            probabilities = Some(crossed.map(|p| singles(&p, n_columns)));
        }
        let predicted = output.apply(tested.predicted.clone());
        if let Some(spec) = spec.threshold {
            let (Truth::Classes(target), Some((scores, default))) =
                (tested.truth, of_second(&predicted))
            else {
                return Err(OutputError::DoesNotFit("a threshold"));
            };
            let is_second: Vec<bool> = target.iter().map(|class| *class == 1).collect();
            // A row that is just there is taken for the first class, as the model has it.
            match tune(&spec, &is_second, &scores, None, default.next_up()) {
                Ok(mut tuned) => {
                    tuned.default.threshold = default;
                    output.threshold = Some(tuned.chosen.threshold);
                    report.threshold = Some(tuned);
                }
                Err(error @ ThresholdError::Unreachable { .. }) => {
                    report.no_threshold = Some(error);
                }
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(spec) = spec.conformal {
            let firsts = tested.firsts();
            output.conformal = Some(match (&predicted, tested.truth) {
                (
                    Predicted::Probabilities { probabilities: all, n_classes, .. },
                    Truth::Classes(target),
                ) => {
                    let p = match probabilities {
                        Some(crossed) => crossed.map_err(OutputError::CrossCalibration)?,
                        None => pick(all, &firsts, *n_classes),
                    };
                    let target = pick(target, &firsts, 1);
                    Conformal::of_classes(spec, &doubles(&p), *n_classes, &target)?
                }
                (Predicted::Values { values, n_outputs: 1 }, Truth::Values(target)) => {
                    let values = doubles(&pick(values, &firsts, 1));
                    Conformal::of_values(spec, &values, &pick(target, &firsts, 1), None)?
                }
                _ => return Err(OutputError::DoesNotFit("conformal prediction")),
            });
        }
        Ok((output, report))
    }

    /// Predictions with calibrated probabilities, and classes by these and the threshold. A row that
    /// cannot be calibrated, because what was said of it is not finite, has NaN for probabilities.
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
    let nothing = || vec![f64::NAN; n_columns];
    let p = calibrator.calibrate(&values).unwrap_or_else(|_| {
        // Some row is no score; the others are calibrated as if it were not there.
        let rows = values.chunks_exact(n_columns);
        rows.flat_map(|row| calibrator.calibrate(row).unwrap_or_else(|_| nothing())).collect()
    });
    let (n_classes, probabilities) = (n_columns.max(2), singles(&p, n_columns));
    let prediction = probabilities.chunks_exact(n_classes).map(most_likely).collect();
    Predicted::Probabilities { prediction, probabilities, n_classes }
}

/// Calibrated scores as probabilities of all classes.
fn singles(p: &[f64], n_columns: usize) -> Vec<f32> {
    match n_columns {
        1 => p.iter().flat_map(|p| [(1.0 - p) as f32, *p as f32]).collect(),
        _ => p.iter().map(|p| *p as f32).collect(),
    }
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
