//! Scores of probabilities.
//!
//! Rows are taken as they are, whatever their sums, except by the areas of several classes, which
//! like scikit-learn's want rows that sum to 1.

use super::{Scorer, ratio, weight_of, weighted_mean};

/// Bins of the expected calibration error.
const N_BINS: usize = 10;

/// The rows that probabilities are of.
#[derive(Clone, Copy)]
pub(super) struct Given<'a> {
    pub(super) target: &'a [u32],
    pub(super) prediction: &'a [u32],
    pub(super) n_classes: usize,
    pub(super) weights: Option<&'a [f64]>,
}

/// The score, which may be undefined; `None` for one that is of the rows' order.
#[expect(clippy::option_option, reason = "no such score and an undefined one are two things")]
pub(super) fn score(
    scorer: Scorer,
    given: Given<'_>,
    probabilities: Option<&[f32]>,
) -> Option<Option<f64>> {
    let score: fn(Given<'_>, &[f32]) -> Option<f64> = match scorer {
        Scorer::NegLogLoss => neg_log_loss,
        Scorer::NegBrierScore => neg_brier_score,
        Scorer::D2LogLossScore => d2_log_loss_score,
        Scorer::D2BrierScore => d2_brier_score,
        Scorer::NegExpectedCalibrationError => neg_expected_calibration_error,
        Scorer::RocAucOvr
        | Scorer::RocAucOvrWeighted
        | Scorer::RocAucOvo
        | Scorer::RocAucOvoWeighted => {
            let n_classes = given.n_classes;
            let off = |row: &[f32]| {
                let sum: f64 = row.iter().map(|p| f64::from(*p)).sum();
                (sum - 1.0).abs() > 1.1e-5
            };
            let any_off =
                probabilities.is_none_or(|p| n_classes > 2 && p.chunks_exact(n_classes).any(off));
            return if any_off { Some(None) } else { None };
        }
        _ => return None,
    };
    let is_probability = |p: &f32| (0.0..=1.0).contains(p);
    let given_all = |probabilities: &&[f32]| {
        given.n_classes >= 2
            && given.target.len().checked_mul(given.n_classes) == Some(probabilities.len())
            && probabilities.iter().all(is_probability)
    };
    Some(probabilities.filter(given_all).and_then(|probabilities| score(given, probabilities)))
}

/// The mean logarithm of the probability of the true class.
///
/// As scikit-learn's `log_loss` of single precision, it keeps probabilities off 0 and 1 by that
/// precision. It sums in double precision, where scikit-learn is right to about seven digits.
fn neg_log_loss(given: Given<'_>, probabilities: &[f32]) -> Option<f64> {
    given.mean(probabilities, |row, class| {
        f64::from(row[class].clamp(f32::EPSILON, 1.0 - f32::EPSILON)).ln()
    })
}

fn neg_brier_score(given: Given<'_>, probabilities: &[f32]) -> Option<f64> {
    let scale = if given.n_classes == 2 { -0.5 } else { -1.0 };
    Some(scale * given.mean(probabilities, squared_error)?)
}

fn d2_brier_score(given: Given<'_>, probabilities: &[f32]) -> Option<f64> {
    let error = given.mean(probabilities, squared_error)?;
    // Of the classes' shares it is 1 less the sum of their squares.
    let of_shares = given.shares()?.iter().map(|share| share * (1.0 - share)).sum::<f64>();
    (of_shares > 0.0).then(|| 1.0 - error / of_shares)
}

fn d2_log_loss_score(given: Given<'_>, probabilities: &[f32]) -> Option<f64> {
    let loss = -neg_log_loss(given, probabilities)?;
    let shares = given.shares()?;
    let of_shares: f64 =
        shares.iter().filter(|share| **share > 0.0).map(|share| -share * share.ln()).sum();
    (of_shares > 0.0).then(|| 1.0 - loss / of_shares)
}

/// How far the probability of the predicted class is from the share of right rows, over ten bins
/// of equal width, each with its upper end, weighted by their rows (Naeini et al., 2015).
fn neg_expected_calibration_error(given: Given<'_>, probabilities: &[f32]) -> Option<f64> {
    let (mut gaps, mut total) = ([0.0; N_BINS], 0.0);
    for (row, p) in probabilities.chunks_exact(given.n_classes).enumerate() {
        let predicted = given.prediction[row];
        let confidence = f64::from(*p.get(predicted as usize)?);
        let weight = weight_of(given.weights, row);
        let bin = (confidence * N_BINS as f64).ceil() as usize;
        let hit = if given.target[row] == predicted { 1.0 } else { 0.0 };
        gaps[bin.clamp(1, N_BINS) - 1] += weight * (hit - confidence);
        total += weight;
    }
    Some(-ratio(gaps.iter().map(|gap| gap.abs()).sum(), total))
}

/// Of two classes the second's probability stands for both.
fn squared_error(row: &[f32], class: usize) -> f64 {
    if row.len() == 2 {
        let error = f64::from(row[1]) - class as f64;
        return 2.0 * error * error;
    }
    let error = |(at, p): (usize, &f32)| f64::from(*p) - if at == class { 1.0 } else { 0.0 };
    row.iter().enumerate().map(error).map(|error| error * error).sum()
}

impl Given<'_> {
    fn mean(&self, probabilities: &[f32], score: impl Fn(&[f32], usize) -> f64) -> Option<f64> {
        let rows = probabilities.chunks_exact(self.n_classes).zip(self.target).enumerate();
        Some(weighted_mean(
            rows.map(|(at, (row, class))| {
                (score(row, *class as usize), weight_of(self.weights, at))
            }),
        ))
    }

    /// Each class's share of the rows; `None` with fewer than two of them.
    fn shares(&self) -> Option<Vec<f64>> {
        if self.target.len() < 2 {
            return None;
        }
        let mut shares = vec![0.0; self.n_classes];
        let mut total = 0.0;
        for (row, class) in self.target.iter().enumerate() {
            let weight = weight_of(self.weights, row);
            *shares.get_mut(*class as usize)? += weight;
            total += weight;
        }
        shares.iter_mut().for_each(|share| *share /= total);
        Some(shares)
    }
}
