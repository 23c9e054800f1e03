//! Scores of an order: how well the rows of a class stand before the others.
//!
//! The rows are sorted once for each class, and every score is read off that.

use std::cell::OnceCell;

use super::probabilities::Given;
use super::{Scorer, weight_of, weighted_mean};

/// How many rows of each side stand at a threshold or above it, in weights.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) threshold: f64,
    pub(crate) hits: f64,
    pub(crate) alarms: f64,
}

/// Rows with their scores, the highest first.
pub(super) type Order = Vec<(f64, u32)>;

/// The rows in the order of each class.
pub(super) struct Ranked<'a> {
    given: Given<'a>,
    /// Rows × columns: one of two classes, else one a class.
    values: Vec<f64>,
    orders: Vec<Order>,
    /// What several scores of one column are read off.
    steps: Vec<OnceCell<Vec<Step>>>,
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
        let (n_rows, n_classes) = (given.target.len(), given.n_classes);
        let all = |n: usize| n_classes > 2 || n == n_rows;
        let values: Vec<f64> = match (probabilities, decision) {
            (Some(p), _) if all(p.len()) => p.iter().map(|p| f64::from(*p)).collect(),
            (Some(p), _) => p.chunks_exact(2).map(|row| f64::from(row[1])).collect(),
            (None, Some(d)) if all(d.len()) => d.to_vec(),
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
        Some(Self { given, values, orders, steps, has_probabilities: probabilities.is_some() })
    }

    pub(super) fn score(&self, scorer: Scorer) -> Option<f64> {
        match scorer {
            Scorer::TopKAccuracy => Some(self.top_two()),
            Scorer::RocAuc => area(self.steps(0)),
            Scorer::AveragePrecision if self.orders.len() == 1 => {
                Some(average_precision(self.steps(0)))
            }
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
                if self.orders.len() == 1 =>
            {
                area(self.steps(0))
            }
            Scorer::RocAucOvr => self.over_classes(false, area),
            Scorer::RocAucOvrWeighted => self.over_classes(true, area),
            Scorer::RocAucOvo => self.over_pairs(false),
            Scorer::RocAucOvoWeighted => self.over_pairs(true),
            _ => None,
        }
    }

    /// The steps of one column: of two classes the second's.
    fn steps(&self, column: usize) -> &[Step] {
        let class = if self.orders.len() == 1 { 1 } else { column as u32 };
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
    fn top_two(&self) -> f64 {
        let Given { target, weights, n_classes, .. } = self.given;
        if n_classes <= 2 {
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
            (if n_before < 2 { 1.0 } else { 0.0 }, weight_of(weights, row))
        }))
    }
}

/// The rows of one column, the highest value first.
pub(super) fn order(values: &[f64], n_columns: usize, column: usize) -> Order {
    let of_column = values.iter().skip(column).step_by(n_columns);
    // What comes of single precision, as probabilities do, has keys of half the length.
    if of_column.clone().all(|value| f64::from(*value as f32).total_cmp(value).is_eq()) {
        let keys = of_column.zip(0_u64..).map(|(v, row)| u64::from(key(*v as f32)) << 32 | row);
        let sorted = by_upper_half(keys.collect());
        let value = |packed: u64| f64::from(of_key((packed >> 32) as u32));
        return sorted.into_iter().map(|packed| (value(packed), packed as u32)).collect();
    }
    let mut order: Order = of_column.zip(0..).map(|(value, row)| (*value, row)).collect();
    order.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    order
}

/// A number that is the smaller the larger the value is, in the order of [`f32::total_cmp`].
fn key(value: f32) -> u32 {
    let bits = value.to_bits();
    if value.is_sign_negative() { bits } else { !bits & 0x7fff_ffff }
}

/// The value of a key.
fn of_key(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key } else { !key & 0x7fff_ffff })
}

/// Sorts numbers by their upper halves, equal ones in the order they come in: byte by byte, the
/// least first (Knuth, "The Art of Computer Programming", volume 3, 5.2.5). Scores are asked for
/// after every epoch, and comparing numbers takes three times as long.
fn by_upper_half(mut numbers: Vec<u64>) -> Vec<u64> {
    const FEW: usize = 64;
    if numbers.len() < FEW {
        numbers.sort_unstable();
        return numbers;
    }
    let byte = |number: u64, at: usize| (number >> (32 + 8 * at)) as usize & 0xff;
    let mut counts = [[0_u32; 256]; 4];
    for number in &numbers {
        (0..4).for_each(|at| counts[at][byte(*number, at)] += 1);
    }
    let mut sorted = vec![0; numbers.len()];
    for (at, counts) in counts.iter_mut().enumerate() {
        if counts.iter().any(|count| *count as usize == numbers.len()) {
            continue;
        }
        let mut next = 0;
        for count in counts.iter_mut() {
            (*count, next) = (next, next + *count);
        }
        for number in &numbers {
            let place = &mut counts[byte(*number, at)];
            sorted[*place as usize] = *number;
            *place += 1;
        }
        std::mem::swap(&mut numbers, &mut sorted);
    }
    numbers
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_that_of_comparing() {
        let mut random = crate::random::RandomState::new(1);
        for n in [0, 1, 5, 63, 64, 65, 1000, 5000] {
            let single = |_| match random.random_sample() {
                p if p < 0.05 => 0.0,
                p if p < 0.1 => -0.0,
                p if p < 0.2 => f64::from(-p as f32),
                p if p < 0.5 => 0.5,
                p => f64::from((p * 1e3) as f32),
            };
            let singles: Vec<f64> = (0..n).map(single).collect();
            let mut doubles = singles.clone();
            doubles.extend([0.1]);
            for values in [singles, doubles] {
                let found = order(&values, 1, 0);
                let mut expected: Vec<f64> = values.clone();
                expected.sort_by(|a, b| b.total_cmp(a));
                assert!(
                    found.iter().map(|at| at.0.to_bits()).eq(expected.iter().map(|v| v.to_bits()))
                );
                assert!(found.iter().all(|(v, row)| v.total_cmp(&values[*row as usize]).is_eq()));
                let mut rows: Vec<u32> = found.iter().map(|at| at.1).collect();
                rows.sort_unstable();
                assert!(rows.into_iter().eq(0..values.len() as u32));
            }
        }
    }
}
