//! A curve that only rises.

use serde::{Deserialize, Serialize};

/// Scores that are less apart than this are one, as in scikit-learn.
const RESOLUTION: f64 = 1e-15;

/// A curve of straight lines between points that only rises; beyond its ends it is flat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Isotonic {
    /// The scores of its points, rising.
    pub thresholds: Vec<f64>,
    /// The probabilities at its points.
    pub values: Vec<f64>,
}

/// Neighbouring rows that have one value.
#[derive(Clone, Copy)]
struct Block {
    sum: f64,
    weight: f64,
    n_points: usize,
}

impl Block {
    fn mean(&self) -> f64 {
        self.sum / self.weight
    }
}

impl Isotonic {
    /// The rising curve with the least squared error, as scikit-learn's
    /// `IsotonicRegression(out_of_bounds="clip")`: rows of one score are averaged first, neighbours
    /// that would fall are pooled (Best and Chakravarti, "Active set algorithms for isotonic
    /// regression", 1990), and of points on one level only the ends are kept.
    pub(super) fn fit(scores: &[f64], is_class: &[bool], weights: &[f64]) -> Self {
        let mut rows: Vec<(f64, bool, f64)> = scores
            .iter()
            .zip(is_class)
            .zip(weights)
            .map(|((score, is), weight)| (*score, *is, *weight))
            .filter(|(.., weight)| *weight > 0.0)
            .collect();
        rows.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));

        let mut points: Vec<(f64, Block)> = Vec::new();
        for (score, is, weight) in rows {
            let sum = if is { weight } else { 0.0 };
            match points.last_mut() {
                Some((last, block)) if score - *last < RESOLUTION => {
                    block.sum += sum;
                    block.weight += weight;
                }
                _ => points.push((score, Block { sum, weight, n_points: 1 })),
            }
        }
        let values: Vec<f64> = pooled(points.iter().map(|(_, block)| *block))
            .iter()
            .flat_map(|block| std::iter::repeat_n(block.mean(), block.n_points))
            .collect();
        let is_kept = |at: usize| {
            let inside = at > 0 && at + 1 < values.len();
            !inside || values[at] != values[at - 1] || values[at] != values[at + 1]
        };
        let kept = || (0..values.len()).filter(|at| is_kept(*at));
        Self {
            thresholds: kept().map(|at| points[at].0).collect(),
            values: kept().map(|at| values[at]).collect(),
        }
    }

    /// The probability of the class.
    pub fn predict(&self, score: f64) -> f64 {
        let at = self.thresholds.partition_point(|threshold| *threshold <= score);
        let below = at.saturating_sub(1);
        let (Some(x), Some(y)) = (self.thresholds.get(below), self.values.get(below)) else {
            return f64::NAN;
        };
        match (self.thresholds.get(at), self.values.get(at)) {
            (Some(next_x), Some(next_y)) if at > 0 => {
                let slope = (next_y - y) / (next_x - x);
                (slope * (score - x) + y).min(*next_y)
            }
            _ => *y,
        }
    }

    pub(super) fn is_sound(&self) -> bool {
        let rises = |points: &[f64]| points.windows(2).all(|two| two[0] <= two[1]);
        !self.thresholds.is_empty()
            && self.thresholds.len() == self.values.len()
            && self.thresholds.iter().all(|threshold| threshold.is_finite())
            && self.thresholds.windows(2).all(|two| two[0] < two[1])
            && self.values.iter().all(|value| (0.0..=1.0).contains(value))
            && rises(&self.values)
    }
}

/// Pools blocks with those before them for as long as their means do not rise.
fn pooled(blocks: impl Iterator<Item = Block>) -> Vec<Block> {
    let mut pooled: Vec<Block> = Vec::new();
    for mut block in blocks {
        while let Some(before) = pooled.pop_if(|before| before.mean() >= block.mean()) {
            block = Block {
                sum: before.sum + block.sum,
                weight: before.weight + block.weight,
                n_points: before.n_points + block.n_points,
            };
        }
        pooled.push(block);
    }
    pooled
}
