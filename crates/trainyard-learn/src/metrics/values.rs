//! Scores of values. Of several outputs it is the mean over them, as scikit-learn's
//! `uniform_average`.

use super::{Scorer, are_weights, weight_of};

/// One output over all rows.
pub(super) struct Output<'a> {
    target: Vec<f64>,
    prediction: Vec<f64>,
    /// The target less the prediction.
    error: Vec<f64>,
    weights: Option<&'a [f64]>,
}

/// The outputs of rows × `n_outputs` values; `None` without rows, with unequal numbers of them, with
/// weights that are none, or with a value that is not finite.
pub(super) fn outputs<'a>(
    target: &[f64],
    prediction: &[f64],
    n_outputs: usize,
    weights: Option<&'a [f64]>,
) -> Option<Vec<Output<'a>>> {
    let all_finite = |values: &[f64]| values.iter().all(|value| value.is_finite());
    let are_rows = target.len() == prediction.len()
        && !target.is_empty()
        && target.len().checked_rem(n_outputs) == Some(0)
        && are_weights(weights, target.len() / n_outputs);
    if !are_rows || !all_finite(target) || !all_finite(prediction) {
        return None;
    }
    let output = |at: usize| {
        let of_rows = |values: &[f64]| -> Vec<f64> {
            values.iter().skip(at).step_by(n_outputs).copied().collect()
        };
        let (target, prediction) = (of_rows(target), of_rows(prediction));
        let error = target.iter().zip(&prediction).map(|(target, said)| target - said).collect();
        Output { target, prediction, error, weights }
    };
    Some((0..n_outputs).map(output).collect())
}

/// The score, or `None` where it is undefined.
pub(super) fn score(scorer: Scorer, outputs: &[Output<'_>]) -> Option<f64> {
    let scores: Option<Vec<f64>> = outputs.iter().map(|output| output.score(scorer)).collect();
    let scores = scores?;
    Some(scores.iter().sum::<f64>() / scores.len() as f64)
}

/// Whether the score is the share explained of a target that does not vary, for one output at least, and
/// counts 0 there.
pub(super) fn falls_back(scorer: Scorer, outputs: &[Output<'_>]) -> bool {
    use Scorer::*;
    matches!(scorer, R2 | ExplainedVariance | D2AbsoluteErrorScore | D2PinballScore)
        && outputs.iter().any(|output| {
            output.target.iter().all(|target| *target == output.target[0])
                && output.score(scorer) == Some(0.0)
        })
}

impl Output<'_> {
    fn score(&self, scorer: Scorer) -> Option<f64> {
        let Self { target, error, .. } = self;
        let absolute = || error.iter().map(|error| error.abs());
        // The spread of a single row is 0, whatever the model.
        let is_single = target.len() < 2;
        Some(match scorer {
            Scorer::R2 | Scorer::D2Tweedie if is_single => return None,
            Scorer::D2AbsoluteErrorScore | Scorer::D2PinballScore if is_single => return None,
            Scorer::R2 => explained(self.mean_square(error, 0.0), self.variance(target)),
            Scorer::D2Tweedie => Some(self.variance(target))
                .filter(|total| *total > 0.0)
                .map(|total| 1.0 - self.mean_square(error, 0.0) / total)?,
            Scorer::ExplainedVariance => explained(self.variance(error), self.variance(target)),
            Scorer::NegMeanSquaredError => -self.mean_square(error, 0.0),
            Scorer::NegRootMeanSquaredError => -self.mean_square(error, 0.0).sqrt(),
            Scorer::NegMeanAbsoluteError => -self.average(absolute()),
            Scorer::NegMeanPinballLoss => -0.5 * self.average(absolute()),
            Scorer::Pinball(alpha) => {
                let (above, below) = (alpha.get(), alpha.get() - 1.0);
                -self.average(error.iter().map(|e| if *e >= 0.0 { above * e } else { below * e }))
            }
            Scorer::NegMedianAbsoluteError => -self.median(absolute().collect()),
            Scorer::NegMaxError if self.weights.is_some() => return None,
            Scorer::NegMaxError => -absolute().fold(0.0, f64::max),
            Scorer::NegMeanAbsolutePercentageError => {
                let share = |(error, target): (f64, &f64)| error / target.abs().max(f64::EPSILON);
                -self.average(absolute().zip(target).map(share))
            }
            Scorer::NegMeanSquaredLogError => -self.log_error()?,
            Scorer::NegRootMeanSquaredLogError => -self.log_error()?.sqrt(),
            Scorer::NegMeanPoissonDeviance => -self.deviance(0.0, |target, said| {
                let log = if target == 0.0 { 0.0 } else { target * (target / said).ln() };
                log - target + said
            })?,
            Scorer::NegMeanGammaDeviance => -self.deviance(f64::MIN_POSITIVE, |target, said| {
                (said / target).ln() + target / said - 1.0
            })?,
            Scorer::D2AbsoluteErrorScore | Scorer::D2PinballScore => {
                let median = self.median(target.clone());
                let total = self.average(target.iter().map(|target| (target - median).abs()));
                explained(self.average(absolute()), total)
            }
            _ => return None,
        })
    }

    /// The mean squared difference of the logarithms; `None` of values that have none.
    fn log_error(&self) -> Option<f64> {
        let Self { target, prediction, .. } = self;
        if target.iter().chain(prediction).any(|value| *value <= -1.0) {
            return None;
        }
        Some(self.average(target.iter().zip(prediction).map(|(target, said)| {
            let error = target.ln_1p() - said.ln_1p();
            error * error
        })))
    }

    /// Twice the mean of `unit`; `None` of a target below `least` or a prediction not above 0.
    fn deviance(&self, least: f64, unit: impl Fn(f64, f64) -> f64) -> Option<f64> {
        let Self { target, prediction, .. } = self;
        if target.iter().any(|v| *v < least) || prediction.iter().any(|v| *v <= 0.0) {
            return None;
        }
        let rows = target.iter().zip(prediction);
        Some(2.0 * self.average(rows.map(|(target, said)| unit(*target, *said))))
    }

    fn average(&self, values: impl Iterator<Item = f64>) -> f64 {
        match self.weights {
            None => values.sum::<f64>() / self.target.len() as f64,
            Some(weights) => {
                let sum: f64 = values.zip(weights).map(|(value, weight)| value * weight).sum();
                sum / weights.iter().sum::<f64>()
            }
        }
    }

    fn variance(&self, values: &[f64]) -> f64 {
        // An offset from the first value: the mean of equal values is then the value itself, and
        // their variance 0, which is what tells a constant target from one that rounding made vary.
        let first = values.first().copied().unwrap_or(f64::NAN);
        let mean = first + self.average(values.iter().map(|value| value - first));
        self.mean_square(values, mean)
    }

    fn mean_square(&self, values: &[f64], centre: f64) -> f64 {
        self.average(values.iter().map(|v| (v - centre) * (v - centre)))
    }

    /// The value that half of the weight is below; between two of them their mean (Hyndman and Fan,
    /// 1996, the second definition).
    fn median(&self, values: Vec<f64>) -> f64 {
        let mut sorted: Vec<(f64, f64)> = values
            .into_iter()
            .enumerate()
            .map(|(row, value)| (value, weight_of(self.weights, row)))
            .filter(|(_, weight)| *weight > 0.0)
            .collect();
        sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let half = sorted.iter().map(|(_, weight)| weight).sum::<f64>() / 2.0;
        let mut below = 0.0;
        for (at, (value, weight)) in sorted.iter().enumerate() {
            below += weight;
            if below - half > f64::EPSILON {
                return *value;
            }
            if below >= half {
                let next = sorted.get(at + 1).map_or(*value, |next| next.0);
                return f64::midpoint(*value, next);
            }
        }
        sorted.last().map_or(f64::NAN, |last| last.0)
    }
}

/// 1 − left/total; of a constant target 1 where nothing is left, else 0, as scikit-learn has it.
fn explained(left: f64, total: f64) -> f64 {
    if left == 0.0 {
        1.0
    } else if total == 0.0 {
        0.0
    } else {
        1.0 - left / total
    }
}
