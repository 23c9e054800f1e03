//! Scores of an order: how well the rows of a class stand before the others.
//!
//! The rows are sorted once for each class (`order`), and every score is read off that; of two classes
//! whose rows all count the same both scores in one pass (`two`).

use std::cell::OnceCell;

use super::order::{Order, order};
use super::probabilities::Given;
use super::two::{self, OfTwo};
use super::{Scorer, weight_of, weighted_mean};

/// How many rows of each side stand at a threshold or above it, in weights.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) threshold: f64,
    pub(crate) hits: f64,
    pub(crate) alarms: f64,
}

/// The rows in the order of each class.
pub(super) struct Ranked<'a> {
    given: Given<'a>,
    /// Rows × columns: one of two classes, else one a class.
    values: Vec<f64>,
    orders: Vec<Order>,
    /// What several scores of one column are read off.
    steps: Vec<OnceCell<Vec<Step>>>,
    /// All there is of two classes whose rows count the same; nothing is sorted besides.
    of_two: Option<OfTwo>,
    has_probabilities: bool,
}

impl<'a> Ranked<'a> {
    /// `None` with neither probabilities nor decision values, with too few of them or with one that
    /// is not finite.
    pub(super) fn new(
        given: Given<'a>,
        probabilities: Option<&[f32]>,
        decision: Option<&[f64]>,
    ) -> Option<Self> {
        let Given { target, n_classes, weights, .. } = given;
        let n_rows = target.len();
        let has_probabilities = probabilities.is_some();
        let one_each = |n: usize| n_classes > 2 || n == n_rows;
        if n_classes == 2 && weights.is_none() {
            let of_two = match (probabilities, decision) {
                (Some(p), _) if one_each(p.len()) => two::of_singles(p.iter().copied(), target),
                (Some(p), _) => two::of_singles(p.chunks_exact(2).map(|row| row[1]), target),
                (None, Some(d)) if one_each(d.len()) => two::of_doubles(d, target),
                (None, Some(d)) => {
                    let apart: Vec<f64> = d.chunks_exact(2).map(|row| row[1] - row[0]).collect();
                    two::of_doubles(&apart, target)
                }
                (None, None) => None,
            };
            let (values, orders, steps) = (Vec::new(), Vec::new(), Vec::new());
            return Some(Self {
                given,
                values,
                orders,
                steps,
                of_two: Some(of_two?),
                has_probabilities,
            });
        }
        let values: Vec<f64> = match (probabilities, decision) {
            (Some(p), _) if one_each(p.len()) => p.iter().map(|p| f64::from(*p)).collect(),
            (Some(p), _) => p.chunks_exact(2).map(|row| f64::from(row[1])).collect(),
            (None, Some(d)) if one_each(d.len()) => d.to_vec(),
            (None, Some(d)) => d.chunks_exact(2).map(|row| row[1] - row[0]).collect(),
            (None, None) => return None,
        };
        let n_columns = if n_classes > 2 { n_classes } else { 1 };
        if n_classes < 2
            || values.len() != n_rows * n_columns
            || !values.iter().all(|value| value.is_finite())
        {
            return None;
        }
        let orders = (0..n_columns).map(|column| order(&values, n_columns, column)).collect();
        let steps = (0..n_columns).map(|_| OnceCell::new()).collect();
        Some(Self { given, values, orders, steps, of_two: None, has_probabilities })
    }

    pub(super) fn score(&self, scorer: Scorer) -> Option<f64> {
        match scorer {
            Scorer::TopKAccuracy | Scorer::TopK(_) => Some(self.among(scorer.k()? as usize)),
            Scorer::RocAuc => self.area_of_second(),
            Scorer::AveragePrecision if self.given.n_classes == 2 => Some(match &self.of_two {
                Some(of_two) => of_two.average_precision,
                None => average_precision(self.steps(0)),
            }),
            Scorer::AveragePrecision => {
                self.over_classes(false, |steps| Some(average_precision(steps)))
            }
            Scorer::RocAucOvr
            | Scorer::RocAucOvrWeighted
            | Scorer::RocAucOvo
            | Scorer::RocAucOvoWeighted
                if !self.has_probabilities =>
            {
                None
            }
            Scorer::RocAucOvr
            | Scorer::RocAucOvrWeighted
            | Scorer::RocAucOvo
            | Scorer::RocAucOvoWeighted
                if self.given.n_classes == 2 =>
            {
                self.area_of_second()
            }
            Scorer::RocAucOvr => self.over_classes(false, area),
            Scorer::RocAucOvrWeighted => self.over_classes(true, area),
            Scorer::RocAucOvo => self.over_pairs(false),
            Scorer::RocAucOvoWeighted => self.over_pairs(true),
            _ => None,
        }
    }

    /// The area of the second of two classes.
    fn area_of_second(&self) -> Option<f64> {
        match &self.of_two {
            Some(of_two) => of_two.area,
            None => area(self.steps(0)),
        }
    }

    /// The steps of one column: of two classes the second's.
    fn steps(&self, column: usize) -> &[Step] {
        let class = if self.given.n_classes == 2 { 1 } else { column as u32 };
        let Given { target, weights, .. } = self.given;
        let is_hit = |row: usize| target[row] == class;
        self.steps[column]
            .get_or_init(|| steps(&self.orders[column], is_hit, |row| weight_of(weights, row)))
    }

    /// The mean over the classes, all of which must have rows; one without weight counts 0.
    fn over_classes(&self, weighted: bool, score: impl Fn(&[Step]) -> Option<f64>) -> Option<f64> {
        let of_class = |column: usize| {
            self.given.target.contains(&(column as u32)).then_some(())?;
            let steps = self.steps(column);
            let weight = if weighted { steps.last()?.hits } else { 1.0 };
            if weight == 0.0 {
                return Some((0.0, 0.0));
            }
            Some((score(steps)?, weight))
        };
        let scores: Option<Vec<(f64, f64)>> = (0..self.orders.len()).map(of_class).collect();
        Some(weighted_mean(scores?.into_iter()))
    }

    /// The mean over pairs of classes of the two areas that their rows have by themselves.
    fn over_pairs(&self, weighted: bool) -> Option<f64> {
        let Given { target, weights, n_classes, .. } = self.given;
        if weights.is_some() {
            return None;
        }
        let mut found = Vec::new();
        for first in 0..n_classes {
            for second in first + 1..n_classes {
                let mut n_rows = 0;
                let mut of = |class: usize| {
                    let of_pair = |at: &&(f64, u32)| {
                        let class = target[at.1 as usize] as usize;
                        class == first || class == second
                    };
                    let order: Order = self.orders[class].iter().filter(of_pair).copied().collect();
                    n_rows = order.len();
                    area(&steps(&order, |row| target[row] as usize == class, |_| 1.0))
                };
                let mean = f64::midpoint(of(first)?, of(second)?);
                found.push((mean, if weighted { n_rows as f64 } else { 1.0 }));
            }
        }
        Some(weighted_mean(found.into_iter()))
    }

    /// Of equal values the later class stands first, as in scikit-learn.
    fn among(&self, k: usize) -> f64 {
        let Given { target, weights, n_classes, .. } = self.given;
        if n_classes <= k {
            return 1.0;
        }
        let rows = self.values.chunks_exact(n_classes).zip(target).enumerate();
        weighted_mean(rows.map(|(row, (values, class))| {
            let class = *class as usize;
            let n_before = values
                .iter()
                .enumerate()
                .filter(|(at, v)| **v > values[class] || (**v == values[class] && *at > class))
                .count();
            (if n_before < k { 1.0 } else { 0.0 }, weight_of(weights, row))
        }))
    }
}

/// A step for every value that occurs in rows of a weight.
pub(super) fn steps(
    order: &[(f64, u32)],
    is_hit: impl Fn(usize) -> bool,
    weight: impl Fn(usize) -> f64,
) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::with_capacity(order.len());
    let (mut hits, mut alarms) = (0.0, 0.0);
    for &(threshold, row) in order {
        let weight = weight(row as usize);
        if weight == 0.0 {
            continue;
        }
        *(if is_hit(row as usize) { &mut hits } else { &mut alarms }) += weight;
        let step = Step { threshold, hits, alarms };
        match steps.last_mut() {
            Some(last) if last.threshold == threshold => *last = step,
            _ => steps.push(step),
        }
    }
    steps
}

/// The area under the ROC curve, by trapezoids; `None` without rows of both sides.
pub(super) fn area(steps: &[Step]) -> Option<f64> {
    let last = steps.last().filter(|last| last.hits > 0.0 && last.alarms > 0.0)?;
    let (mut sum, mut hits, mut alarms) = (0.0, 0.0, 0.0);
    for step in steps {
        sum += (step.alarms - alarms) * f64::midpoint(step.hits, hits);
        (hits, alarms) = (step.hits, step.alarms);
    }
    Some(sum / (last.hits * last.alarms))
}

/// The precision at each step, weighted by its gain of recall; 0 without rows of the class.
pub(super) fn average_precision(steps: &[Step]) -> f64 {
    let Some(last) = steps.last().filter(|last| last.hits > 0.0) else { return 0.0 };
    let (mut sum, mut hits) = (0.0, 0.0);
    for step in steps {
        sum += (step.hits - hits) * step.hits / (step.hits + step.alarms);
        hits = step.hits;
    }
    sum / last.hits
}
