//! Platt's logistic curve.

use serde::{Deserialize, Serialize};

/// Newton's method has found the least loss long before as many steps.
const MOST_STEPS: usize = 200;
/// Halvings of a step that would not lead down.
const MOST_HALVINGS: usize = 60;
/// Newton's decrement below which full steps are taken: the loss itself no longer tells them apart.
const NEAR: f64 = 1e-12;
/// Newton's decrement below which there is nothing left to gain.
const DONE: f64 = 1e-30;
/// Scores that are less apart than this are all the same.
const LEAST_RANGE: f64 = 1e-150;

/// The curve 1 / (1 + exp(a · score + b)) with Platt's names: `a` is below 0 where higher scores
/// speak for the class.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sigmoid {
    /// The slope.
    pub a: f64,
    /// The intercept.
    pub b: f64,
}

impl Sigmoid {
    /// The curve with the least log loss towards Platt's targets, which keep off 0 and 1:
    /// (n₊ + 1) / (n₊ + 2) for the class and 1 / (n₋ + 2) for the rest, with the sides' weights as
    /// n₊ and n₋.
    ///
    /// Scores that are all the same give a flat curve. The loss is convex, so Newton's method with
    /// halved steps ends at its minimum (Lin, Lin and Weng, "A note on Platt's probabilistic outputs
    /// for support vector machines", 2007).
    pub(super) fn fit(scores: &[f64], is_class: &[bool], weights: &[f64]) -> Self {
        let of_side = |side: bool| is_class.iter().zip(weights).filter(move |(is, _)| **is == side);
        let sum = |side: bool| of_side(side).map(|(_, weight)| weight).sum::<f64>();
        let (positive, negative) = (sum(true), sum(false));
        let (high, low) = ((positive + 1.0) / (positive + 2.0), 1.0 / (negative + 2.0));
        let total = positive + negative;

        let least = scores.iter().copied().fold(f64::INFINITY, f64::min);
        let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (middle, range) = (f64::midpoint(least, most), most - least);
        let varies = range > LEAST_RANGE;
        let rows: Vec<Row> = scores
            .iter()
            .zip(is_class)
            .zip(weights)
            .map(|((score, is), weight)| Row {
                x: if varies { (score - middle) / range } else { 0.0 },
                target: if *is { high } else { low },
                weight: weight / total,
            })
            .collect();
        let [slope, intercept] = minimum(&rows, [0.0, ((positive + 1.0) / (negative + 1.0)).ln()]);
        let slope = if varies { slope / range } else { 0.0 };
        Self { a: -slope, b: slope * middle - intercept }
    }

    /// The probability of the class.
    pub fn predict(&self, score: f64) -> f64 {
        sigmoid(-(self.a * score + self.b))
    }

    pub(super) fn is_sound(&self) -> bool {
        self.a.is_finite() && self.b.is_finite()
    }
}

/// A score brought near to 0, what the curve should say there, and how much that counts.
struct Row {
    x: f64,
    target: f64,
    weight: f64,
}

fn sigmoid(logit: f64) -> f64 {
    if logit >= 0.0 {
        1.0 / (1.0 + (-logit).exp())
    } else {
        let e = logit.exp();
        e / (1.0 + e)
    }
}

/// The slope and intercept of the logits with the least mean log loss.
fn minimum(rows: &[Row], start: [f64; 2]) -> [f64; 2] {
    let mut at = start;
    let mut loss = mean_loss(rows, at);
    for _ in 0..MOST_STEPS {
        let (step, decrement) = newton(rows, at);
        if decrement.is_nan() || decrement <= DONE {
            break;
        }
        let stepped = |share: f64| [at[0] + share * step[0], at[1] + share * step[1]];
        let next = if decrement < NEAR {
            Some(stepped(1.0))
        } else {
            let shares = (0..MOST_HALVINGS).map(|halvings| 0.5_f64.powi(halvings as i32));
            let leads_down =
                |share: &f64| mean_loss(rows, stepped(*share)) < loss - 1e-4 * share * decrement;
            shares.into_iter().find(leads_down).map(stepped)
        };
        let Some(next) = next else { break };
        at = next;
        loss = mean_loss(rows, at);
    }
    at
}

fn mean_loss(rows: &[Row], [slope, intercept]: [f64; 2]) -> f64 {
    rows.iter()
        .map(|row| {
            let logit = slope * row.x + intercept;
            // ln(1 + exp(logit)) without leaving the finite numbers.
            let softplus = logit.max(0.0) + (-logit.abs()).exp().ln_1p();
            row.weight * (softplus - row.target * logit)
        })
        .sum()
}

/// Newton's step, and how much twice it would lower a loss that was quadratic.
fn newton(rows: &[Row], [slope, intercept]: [f64; 2]) -> ([f64; 2], f64) {
    let (mut gradient, mut hessian) = ([0.0; 2], [0.0; 3]);
    for Row { x, target, weight } in rows {
        let p = sigmoid(slope * x + intercept);
        let (error, curvature) = (weight * (p - target), weight * p * (1.0 - p));
        gradient[0] += error * x;
        gradient[1] += error;
        hessian[0] += curvature * x * x;
        hessian[1] += curvature * x;
        hessian[2] += curvature;
    }
    // A little more on the diagonal keeps the step finite where the scores do not vary.
    let more = 1e-12 * (hessian[0] + hessian[2]) + f64::MIN_POSITIVE;
    let [xx, x1, one] = [hessian[0] + more, hessian[1], hessian[2] + more];
    let determinant = xx * one - x1 * x1;
    let step = [
        (x1 * gradient[1] - one * gradient[0]) / determinant,
        (x1 * gradient[0] - xx * gradient[1]) / determinant,
    ];
    (step, -(step[0] * gradient[0] + step[1] * gradient[1]))
}
