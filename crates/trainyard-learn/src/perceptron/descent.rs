//! Stochastic gradient descent for one class against the others.
//!
//! This is what scikit-learn's `SGDClassifier` does for the perceptron loss at a constant learning
//! rate: the same visits in the same order, and the same roundings.

use serde::{Deserialize, Serialize};

use super::weights::{ScaledWeights, dot};
use super::{Epoch, FitError, Observer, Penalty, PerceptronSpec};

/// Training rows as one contiguous slice, row after row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows<'a> {
    pub(super) values: &'a [f64],
    pub(super) n_features: usize,
}

impl<'a> Rows<'a> {
    fn row(self, index: u32) -> &'a [f64] {
        let start = index as usize * self.n_features;
        &self.values[start..start + self.n_features]
    }
}

/// The rows that early stopping holds out, in ascending order.
#[derive(Debug, Default)]
pub(super) struct HeldOut {
    pub(super) rows: Vec<u32>,
    /// For each row whether it is held out; empty where none is.
    pub(super) mask: Vec<bool>,
}

/// One class against the others.
#[derive(Debug)]
pub(super) struct BinaryProblem<'a> {
    pub(super) spec: &'a PerceptronSpec,
    pub(super) rows: Rows<'a>,
    /// +1 for the rows of the positive class, -1 for the others.
    pub(super) signs: &'a [f64],
    pub(super) held_out: &'a HeldOut,
    pub(super) positive_weight: f64,
    pub(super) negative_weight: f64,
    /// The seed of the shuffling.
    pub(super) seed: u32,
    /// Which of how many problems this is, for the observer.
    pub(super) class: usize,
    pub(super) n_problems: usize,
}

/// What a descent ends with, beside the weights.
#[derive(Debug)]
pub(super) struct Descent {
    pub(super) intercept: f64,
    pub(super) n_iter: usize,
}

/// A descent between two epochs.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct State {
    n_iter: usize,
    order: Vec<u32>,
    values: Vec<f64>,
    scale: f64,
    squared_l2_norm: f64,
    l1_norm: f64,
    intercept: f64,
    /// What an L1 penalty has done so far.
    l1: Option<(f64, Vec<f64>)>,
    best: f64,
    n_without_improvement: usize,
}

impl State {
    /// Whether it is one of so many rows and features.
    pub(super) fn fits(&self, n_rows: usize, n_features: usize) -> bool {
        let l1_fits = self.l1.as_ref().is_none_or(|(_, received)| received.len() == n_features);
        self.order.len() == n_rows
            && self.order.iter().all(|row| (*row as usize) < n_rows)
            && self.values.len() == n_features
            && l1_fits
    }
}

/// Trains `weights`, from zero or where a state has left off, until the stopping rule holds or the
/// epochs are over. `save` makes of a state what the observer is given.
pub(super) fn descend(
    problem: &BinaryProblem<'_>,
    weights: &mut [f64],
    state: Option<State>,
    observer: &mut dyn Observer,
    save: impl Fn(State) -> Vec<u8>,
) -> Result<Descent, FitError> {
    let spec = problem.spec;
    let max_iter = spec.max_iter as usize;
    let n_train = problem.signs.len() - problem.held_out.rows.len();
    let mut order = VisitingOrder::new(problem.signs.len(), spec.shuffle.then_some(problem.seed));
    let mut learner = Learner::new(problem, weights);
    let mut stopping = StoppingRule::new(spec);
    let mut n_iter = 0;
    if let Some(state) = state {
        n_iter = state.n_iter;
        stopping.best = state.best;
        stopping.n_without_improvement = state.n_without_improvement;
        order.order.copy_from_slice(&state.order);
        learner.resume(&state);
    }
    while n_iter < max_iter {
        n_iter += 1;
        let objective = learner.train_epoch(order.next_epoch()) / n_train as f64;
        if !learner.is_finite() {
            return Err(FitError::Diverged { epoch: n_iter });
        }
        let validation_score = spec.early_stopping.then(|| learner.validation_score());
        let epoch = Epoch {
            class: problem.class,
            n_problems: problem.n_problems,
            epoch: n_iter,
            max_iter,
            objective,
            validation_score,
        };
        let stops = stopping.stops_after(validation_score.unwrap_or(-objective));
        if !stops && n_iter < max_iter && observer.wants_checkpoint() {
            observer.checkpoint(epoch, save(learner.state(n_iter, &order, &stopping)));
        }
        if observer.epoch(epoch).is_break() {
            return Err(FitError::Cancelled);
        }
        if stops {
            break;
        }
    }
    learner.weights.multiply_out();
    Ok(Descent { intercept: learner.intercept, n_iter })
}

/// The state that the visits change.
#[derive(Debug)]
struct Learner<'a> {
    problem: &'a BinaryProblem<'a>,
    weights: ScaledWeights<'a>,
    intercept: f64,
    regularizer: Option<Regularizer>,
}

impl<'a> Learner<'a> {
    fn new(problem: &'a BinaryProblem<'a>, weights: &'a mut [f64]) -> Self {
        let weights = ScaledWeights::zeros(weights);
        Self {
            problem,
            weights,
            intercept: 0.0,
            regularizer: Regularizer::new(problem.spec, problem.rows.n_features),
        }
    }

    fn state(&self, n_iter: usize, order: &VisitingOrder, stopping: &StoppingRule) -> State {
        let regularizer = self.regularizer.as_ref();
        State {
            n_iter,
            order: order.order.clone(),
            values: self.weights.values.to_vec(),
            scale: self.weights.scale,
            squared_l2_norm: self.weights.squared_l2_norm,
            l1_norm: self.weights.l1_norm,
            intercept: self.intercept,
            l1: regularizer.map(|l1| (l1.l1_due, l1.l1_received.clone())),
            best: stopping.best,
            n_without_improvement: stopping.n_without_improvement,
        }
    }

    fn resume(&mut self, state: &State) {
        self.weights.values.copy_from_slice(&state.values);
        self.weights.scale = state.scale;
        self.weights.squared_l2_norm = state.squared_l2_norm;
        self.weights.l1_norm = state.l1_norm;
        self.intercept = state.intercept;
        if let (Some(regularizer), Some((due, received))) = (&mut self.regularizer, &state.l1) {
            regularizer.l1_due = *due;
            regularizer.l1_received.copy_from_slice(received);
        }
    }

    /// Visits the rows that are not held out, in order, and sums the objective up.
    fn train_epoch(&mut self, order: &[u32]) -> f64 {
        let mask = &self.problem.held_out.mask;
        let mut objective = 0.0;
        for &index in order {
            if mask.get(index as usize).copied().unwrap_or(false) {
                continue;
            }
            let row = self.problem.rows.row(index);
            let sign = self.problem.signs[index as usize];
            let margin = (self.weights.dot(row) + self.intercept) * sign;
            // A row on the boundary counts as an error: from zero weights, nothing would start.
            let is_error = margin <= 0.0;
            if is_error {
                objective -= margin;
            }
            if let Some(regularizer) = &self.regularizer {
                objective += regularizer.penalty(&self.weights);
                regularizer.shrink(&mut self.weights);
            }
            if is_error {
                self.correct(row, sign);
            }
            if let Some(regularizer) = &mut self.regularizer {
                regularizer.truncate(&mut self.weights);
            }
        }
        objective
    }

    /// Moves the boundary towards putting a row of this sign on its right side.
    fn correct(&mut self, row: &[f64], sign: f64) {
        let class_weight =
            if sign > 0.0 { self.problem.positive_weight } else { self.problem.negative_weight };
        let step = self.problem.spec.eta0 * sign * class_weight;
        if step == 0.0 {
            return;
        }
        self.weights.add(row, step);
        if self.problem.spec.fit_intercept {
            self.intercept += step;
        }
    }

    /// The accuracy on the held-out rows.
    ///
    /// scikit-learn scores the values before scaling; so does this, since it decides when to stop.
    fn validation_score(&self) -> f64 {
        let is_hit = |&&index: &&u32| {
            let score = dot(self.weights.values, self.problem.rows.row(index)) + self.intercept;
            (score > 0.0) == (self.problem.signs[index as usize] > 0.0)
        };
        let rows = &self.problem.held_out.rows;
        rows.iter().filter(is_hit).count() as f64 / rows.len() as f64
    }

    fn is_finite(&self) -> bool {
        self.intercept.is_finite() && self.weights.values.iter().all(|value| value.is_finite())
    }
}

/// What a penalty does at every visit.
#[derive(Debug)]
struct Regularizer {
    penalty: Penalty,
    alpha: f64,
    eta0: f64,
    l1_ratio: f64,
    /// The L1 penalty that every weight could have received so far.
    l1_due: f64,
    /// The L1 penalty that each weight has received, with its sign.
    l1_received: Vec<f64>,
}

impl Regularizer {
    fn new(spec: &PerceptronSpec, n_features: usize) -> Option<Self> {
        let penalty = spec.penalty?;
        Some(Self {
            penalty,
            alpha: spec.alpha,
            eta0: spec.eta0,
            l1_ratio: match penalty {
                Penalty::L2 => 0.0,
                Penalty::L1 => 1.0,
                Penalty::ElasticNet => spec.l1_ratio,
            },
            l1_due: 0.0,
            l1_received: vec![0.0; n_features],
        })
    }

    /// The regularization term of the objective.
    fn penalty(&self, weights: &ScaledWeights<'_>) -> f64 {
        let l2_norm = weights.l2_norm();
        self.alpha
            * ((1.0 - self.l1_ratio) * 0.5 * (l2_norm * l2_norm)
                + self.l1_ratio * weights.l1_norm())
    }

    /// The L2 part: shrinks the weights, and at the most to zero.
    fn shrink(&self, weights: &mut ScaledWeights<'_>) {
        if self.penalty != Penalty::L1 {
            let factor = 1.0 - (1.0 - self.l1_ratio) * self.eta0 * self.alpha;
            weights.shrink(factor.max(0.0));
        }
    }

    /// The L1 part: moves each weight towards zero by what it has not received yet, and not beyond
    /// (Tsuruoka, Tsujii and Ananiadou, "Stochastic Gradient Descent Training for L1-regularized
    /// Log-linear Models with Cumulative Penalty", 2009).
    fn truncate(&mut self, weights: &mut ScaledWeights<'_>) {
        if self.penalty == Penalty::L2 {
            return;
        }
        self.l1_due += self.l1_ratio * self.eta0 * self.alpha;
        let scale = weights.scale;
        for (value, received) in weights.values.iter_mut().zip(&mut self.l1_received) {
            let before = *value;
            if scale * before > 0.0 {
                *value = (before - (self.l1_due + *received) / scale).max(0.0);
            } else if scale * before < 0.0 {
                *value = (before + (self.l1_due - *received) / scale).min(0.0);
            }
            *received += scale * (*value - before);
        }
    }
}

/// Counts the epochs that did not improve on the best one.
#[derive(Debug)]
struct StoppingRule {
    tol: Option<f64>,
    patience: usize,
    best: f64,
    n_without_improvement: usize,
}

impl StoppingRule {
    fn new(spec: &PerceptronSpec) -> Self {
        Self {
            tol: spec.tol,
            patience: spec.n_iter_no_change as usize,
            best: f64::NEG_INFINITY,
            n_without_improvement: 0,
        }
    }

    /// Takes an epoch's score, of which more is better.
    fn stops_after(&mut self, score: f64) -> bool {
        if self.tol.is_some_and(|tol| score < self.best + tol) {
            self.n_without_improvement += 1;
        } else {
            self.n_without_improvement = 0;
        }
        if score > self.best {
            self.best = score;
        }
        self.n_without_improvement >= self.patience
    }
}

/// The order in which an epoch visits the rows.
///
/// scikit-learn shuffles the order of the previous epoch, with the same seed each time. That is one
/// and the same permutation, so it is found once and then applied.
#[derive(Debug)]
struct VisitingOrder {
    order: Vec<u32>,
    previous: Vec<u32>,
    /// Empty without shuffling.
    permutation: Vec<u32>,
}

impl VisitingOrder {
    fn new(n_rows: usize, seed: Option<u32>) -> Self {
        let order: Vec<u32> = (0..n_rows as u32).collect();
        let permutation = seed.map_or_else(Vec::new, |seed| shuffled(order.clone(), seed));
        Self { previous: order.clone(), order, permutation }
    }

    fn next_epoch(&mut self) -> &[u32] {
        if !self.permutation.is_empty() {
            std::mem::swap(&mut self.order, &mut self.previous);
            for (index, &source) in self.order.iter_mut().zip(&self.permutation) {
                *index = self.previous[source as usize];
            }
        }
        &self.order
    }
}

/// Fisher and Yates's shuffle from the front, with Marsaglia's 32-bit xorshift ("Xorshift RNGs",
/// 2003).
fn shuffled(mut items: Vec<u32>, seed: u32) -> Vec<u32> {
    // Zero would stay zero for ever.
    let mut state = seed.max(1);
    let n_items = items.len();
    for index in 0..n_items.saturating_sub(1) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        // scikit-learn keeps 31 bits of each number.
        let number = (state & 0x7fff_ffff) as usize;
        items.swap(index, index + number % (n_items - index));
    }
    items
}
