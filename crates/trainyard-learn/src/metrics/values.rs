//! Scores of values. Of several outputs it is the mean over them, as scikit-learn's
//! `uniform_average`.

use super::Scorer;

/// The score of rows × `n_outputs` values, or `None` without rows or with unequal numbers of them.
pub(super) fn score(
    scorer: Scorer,
    target: &[f64],
    prediction: &[f64],
    n_outputs: usize,
) -> Option<f64> {
    if target.is_empty() || target.len() != prediction.len() || n_outputs == 0 {
        return None;
    }
    let n_rows = target.len() / n_outputs;
    // Scores of shares of a variance need one.
    if n_rows < 2 && matches!(scorer, Scorer::R2) {
        return None;
    }
    let mut sum = 0.0;
    for output in 0..n_outputs {
        let column = |values: &[f64]| -> Vec<f64> {
            values.iter().skip(output).step_by(n_outputs).copied().collect()
        };
        sum += of_column(scorer, &column(target), &column(prediction));
    }
    let mean = sum / n_outputs as f64;
    mean.is_finite().then_some(mean)
}

fn of_column(scorer: Scorer, target: &[f64], prediction: &[f64]) -> f64 {
    let n = target.len() as f64;
    let errors = || target.iter().zip(prediction).map(|(target, prediction)| target - prediction);
    let mean_square = || errors().map(|error| error * error).sum::<f64>() / n;
    match scorer {
        Scorer::R2 => {
            let mean = target.iter().sum::<f64>() / n;
            let total = target.iter().map(|y| (y - mean) * (y - mean)).sum::<f64>() / n;
            share_explained(mean_square(), total)
        }
        Scorer::ExplainedVariance => {
            let mean = target.iter().sum::<f64>() / n;
            let mean_error = errors().sum::<f64>() / n;
            let left = errors().map(|e| (e - mean_error) * (e - mean_error)).sum::<f64>() / n;
            let total = target.iter().map(|y| (y - mean) * (y - mean)).sum::<f64>() / n;
            share_explained(left, total)
        }
        Scorer::NegMeanSquaredError => -mean_square(),
        Scorer::NegRootMeanSquaredError => -mean_square().sqrt(),
        Scorer::NegMeanAbsoluteError => -errors().map(f64::abs).sum::<f64>() / n,
        Scorer::NegMedianAbsoluteError => -median(errors().map(f64::abs).collect()),
        Scorer::NegMaxError => -errors().map(f64::abs).fold(0.0, f64::max),
        _ => f64::NAN,
    }
}

/// 1 − left/total; of a constant target 1 where nothing is left, else 0, as scikit-learn has it.
fn share_explained(left: f64, total: f64) -> f64 {
    if total != 0.0 {
        1.0 - left / total
    } else if left == 0.0 {
        1.0
    } else {
        0.0
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len() % 2 == 1 { values[half] } else { (values[half - 1] + values[half]) / 2.0 }
}
