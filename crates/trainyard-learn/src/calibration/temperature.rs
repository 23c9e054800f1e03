//! One temperature for all logits.

use serde::{Deserialize, Serialize};

/// The logarithm of the inverse temperature is looked for between this and its negative, as in
/// scikit-learn.
const LARGEST_LOG: f64 = 10.0;
/// More steps than there are if every other one is a bisection.
const MOST_STEPS: usize = 200;

/// What divides the logits before they become probabilities: above 1 it makes them less sure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Temperature {
    /// The temperature, above 0.
    pub temperature: f64,
}

impl Temperature {
    /// The temperature between exp(−10) and exp(10) with the least log loss; 1 where no temperature
    /// changes anything, as the logits of every row are all the same.
    ///
    /// The loss is convex in the inverse temperature β. Its derivative, the weighted mean over rows of
    /// the expected logit less the true class's, only rises, and Newton's method finds where it is 0,
    /// with bisection where its step would leave the bounds that are known, or is not much smaller
    /// than the step before.
    pub(super) fn fit(logits: &[f64], n_classes: usize, target: &[u32], weights: &[f64]) -> Self {
        let derivatives = |log_beta: f64| {
            let beta = log_beta.exp();
            let rows = logits.chunks_exact(n_classes).zip(target).zip(weights);
            rows.fold((0.0, 0.0), |(slope, curvature), ((row, class), weight)| {
                let (mean, variance) = moments(row, beta);
                let of_class = row[*class as usize] - largest(row);
                (slope + weight * (mean - of_class), curvature + weight * variance)
            })
        };
        let varies = |row: &[f64]| row.iter().any(|logit| *logit != row[0]);
        if !logits.chunks_exact(n_classes).zip(weights).any(|(row, w)| *w > 0.0 && varies(row)) {
            return Self { temperature: 1.0 };
        }
        let (mut low, mut high) = (-LARGEST_LOG, LARGEST_LOG);
        let (mut at, mut before) = (0.0_f64, f64::INFINITY);
        for _ in 0..MOST_STEPS {
            let (slope, curvature) = derivatives(at);
            if slope == 0.0 {
                break;
            }
            *(if slope > 0.0 { &mut high } else { &mut low }) = at;
            // A step of the logarithm: d/d ln β is β times d/dβ.
            let newton = at - slope / (at.exp() * curvature);
            let is_good = newton > low && newton < high && (newton - at).abs() <= 0.5 * before;
            let next = if is_good { newton } else { f64::midpoint(low, high) };
            before = (next - at).abs();
            at = next;
            if before <= 4.0 * f64::EPSILON {
                break;
            }
        }
        Self { temperature: (-at).exp() }
    }

    /// Turns the logits of a row into probabilities.
    pub fn soften(&self, row: &mut [f64]) {
        let largest = largest(row);
        row.iter_mut().for_each(|logit| *logit = ((*logit - largest) / self.temperature).exp());
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|p| *p /= sum);
    }

    pub(super) fn is_sound(&self) -> bool {
        self.temperature > 0.0 && self.temperature.is_finite()
    }
}

fn largest(row: &[f64]) -> f64 {
    row.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// The mean and the variance of a row's logits less the largest, each with its probability at β.
fn moments(row: &[f64], beta: f64) -> (f64, f64) {
    let largest = largest(row);
    let (mut sum, mut first, mut second) = (0.0, 0.0, 0.0);
    for logit in row {
        let less = logit - largest;
        let p = (beta * less).exp();
        sum += p;
        first += p * less;
        second += p * less * less;
    }
    let mean = first / sum;
    (mean, (second / sum - mean * mean).max(0.0))
}
