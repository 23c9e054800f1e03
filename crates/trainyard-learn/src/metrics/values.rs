//! Scores of values. Of several outputs it is the mean over them, as scikit-learn's
//! `uniform_average`.

use super::Scorer;

/// One output over all rows.
pub(super) struct Output {
    target: Vec<f64>,
    /// The target less the prediction.
    error: Vec<f64>,
}

/// The outputs of rows × `n_outputs` values; `None` without rows, with unequal numbers of them, or
/// with a value that is not finite.
pub(super) fn outputs(target: &[f64], prediction: &[f64], n_outputs: usize) -> Option<Vec<Output>> {
    let all_finite = |values: &[f64]| values.iter().all(|value| value.is_finite());
    let are_rows = target.len() == prediction.len()
        && !target.is_empty()
        && target.len().checked_rem(n_outputs) == Some(0);
    if !are_rows || !all_finite(target) || !all_finite(prediction) {
        return None;
    }
    let output = |at: usize| {
        let of_rows = |values: &[f64]| -> Vec<f64> {
            values.iter().skip(at).step_by(n_outputs).copied().collect()
        };
        let (target, mut error) = (of_rows(target), of_rows(prediction));
        error.iter_mut().zip(&target).for_each(|(error, target)| *error = target - *error);
        Output { target, error }
    };
    Some((0..n_outputs).map(output).collect())
}

/// The score, or `None` where it is undefined or not finite.
pub(super) fn score(scorer: Scorer, outputs: &[Output]) -> Option<f64> {
    let scores: Option<Vec<f64>> = outputs.iter().map(|output| of_output(scorer, output)).collect();
    Some(mean(&scores?)).filter(|score| score.is_finite())
}

fn of_output(scorer: Scorer, Output { target, error }: &Output) -> Option<f64> {
    let absolute = || error.iter().map(|error| error.abs());
    let n = target.len() as f64;
    Some(match scorer {
        // The spread of a single row is 0, whatever the model.
        Scorer::R2 if target.len() < 2 => return None,
        Scorer::R2 => explained(mean_square(error, 0.0), variance(target)),
        Scorer::ExplainedVariance => explained(variance(error), variance(target)),
        Scorer::NegMeanSquaredError => -mean_square(error, 0.0),
        Scorer::NegRootMeanSquaredError => -mean_square(error, 0.0).sqrt(),
        Scorer::NegMeanAbsoluteError => -absolute().sum::<f64>() / n,
        Scorer::NegMedianAbsoluteError => -median(absolute().collect()),
        Scorer::NegMaxError => -absolute().fold(0.0, f64::max),
        Scorer::NegMeanAbsolutePercentageError => {
            let share = |(error, target): (f64, &f64)| error / target.abs().max(f64::EPSILON);
            -absolute().zip(target).map(share).sum::<f64>() / n
        }
        _ => return None,
    })
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

fn variance(values: &[f64]) -> f64 {
    mean_square(values, mean(values))
}

fn mean_square(values: &[f64], centre: f64) -> f64 {
    values.iter().map(|v| (v - centre) * (v - centre)).sum::<f64>() / values.len() as f64
}

/// The mean, as an offset from the first value: that of equal values is then the value itself, and
/// their variance 0, which is what tells a constant target from one that rounding made vary.
fn mean(values: &[f64]) -> f64 {
    let first = values.first().copied().unwrap_or(f64::NAN);
    first + values.iter().map(|value| value - first).sum::<f64>() / values.len() as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len() % 2 == 1 { values[half] } else { f64::midpoint(values[half - 1], values[half]) }
}
