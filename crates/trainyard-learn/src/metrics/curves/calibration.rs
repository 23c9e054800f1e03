//! Probabilities against what came of them.

/// How the bins of a calibration curve are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Of equal width.
    Uniform,
    /// With about as many rows each.
    Quantile,
}

/// The points of a calibration curve, one a bin that has rows.
#[derive(Clone, Debug, PartialEq)]
pub struct CalibrationCurve {
    /// The share of positive rows.
    pub prob_true: Vec<f64>,
    /// The mean probability.
    pub prob_pred: Vec<f64>,
}

/// The calibration curve of probabilities of rows, of which `target` says which are positive.
///
/// `None` without rows or bins, with unequal numbers of rows, or with a probability that is none.
pub fn calibration_curve(
    target: &[bool],
    probability: &[f64],
    n_bins: usize,
    strategy: Strategy,
) -> Option<CalibrationCurve> {
    let is_probability = |p: &f64| (0.0..=1.0).contains(p);
    if target.is_empty()
        || n_bins == 0
        || target.len() != probability.len()
        || !probability.iter().all(is_probability)
    {
        return None;
    }
    let edge = |bin: usize| bin as f64 / n_bins as f64;
    let edges: Vec<f64> = match strategy {
        Strategy::Uniform => (1..n_bins).map(|bin| bin as f64 * (1.0 / n_bins as f64)).collect(),
        Strategy::Quantile => {
            let mut sorted = probability.to_vec();
            sorted.sort_unstable_by(f64::total_cmp);
            (1..n_bins).map(|bin| percentile(&sorted, edge(bin))).collect()
        }
    };
    let mut bins = vec![(0.0, 0.0, 0.0); n_bins];
    for (target, p) in target.iter().zip(probability) {
        // A probability on an edge is of the bin below.
        let (n, positive, sum) = &mut bins[edges.partition_point(|edge| edge < p)];
        *n += 1.0;
        *positive += f64::from(*target);
        *sum += p;
    }
    let filled = || bins.iter().filter(|(n, ..)| *n > 0.0);
    Some(CalibrationCurve {
        prob_true: filled().map(|(n, positive, _)| positive / n).collect(),
        prob_pred: filled().map(|(n, _, sum)| sum / n).collect(),
    })
}

/// Between two values in a straight line, with numpy's rounding.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let below = (at as usize).min(sorted.len() - 1);
    let (low, high) = (sorted[below], sorted[(below + 1).min(sorted.len() - 1)]);
    let part = at - below as f64;
    if part >= 0.5 { high - (high - low) * (1.0 - part) } else { low + (high - low) * part }
}
