//! Scores of labels, of which a row may have any number.
//!
//! A label that no row has, or that none is said to have, counts 0 where scikit-learn counts 0.

use super::classes::{ClassCounts, averaged, divides_by_nothing};
use super::order::{Order, order};
use super::ranking::{area, average_precision, steps};
use super::{Scorer, are_weights, weight_of, weighted_mean};

/// The counts of the labels over rows, and those of the rows over labels.
pub(super) struct Counts {
    labels: Vec<ClassCounts>,
    /// With each row's weight.
    rows: Vec<(ClassCounts, f64)>,
}

/// `None` without rows, with unequal numbers of them, or with weights that are none.
pub(super) fn count(
    target: &[bool],
    prediction: &[bool],
    n_labels: usize,
    weights: Option<&[f64]>,
) -> Option<Counts> {
    let is_table = target.len().checked_rem(n_labels) == Some(0);
    if target.is_empty() || target.len() != prediction.len() || !is_table {
        return None;
    }
    if !are_weights(weights, target.len() / n_labels) {
        return None;
    }
    let mut labels = vec![ClassCounts::default(); n_labels];
    let mut rows = Vec::with_capacity(target.len() / n_labels);
    for (at, (has, said)) in
        target.chunks_exact(n_labels).zip(prediction.chunks_exact(n_labels)).enumerate()
    {
        let weight = weight_of(weights, at);
        let mut row = ClassCounts::default();
        for ((label, has), said) in labels.iter_mut().zip(has).zip(said) {
            let [has, said, hit] = [*has, *said, *has && *said].map(f64::from);
            for (counts, weight) in [(label, weight), (&mut row, 1.0)] {
                counts.target += weight * has;
                counts.predicted += weight * said;
                counts.hits += weight * hit;
            }
        }
        rows.push((row, weight));
    }
    Some(Counts { labels, rows })
}

pub(super) fn score(scorer: Scorer, counts: &Counts) -> Option<f64> {
    let over_rows = |score: fn(&ClassCounts) -> f64| {
        Some(weighted_mean(counts.rows.iter().map(|(row, weight)| (score(row), *weight))))
    };
    match scorer {
        Scorer::Accuracy => {
            over_rows(|row| f64::from(row.hits == row.target && row.hits == row.predicted))
        }
        Scorer::F1Samples => over_rows(ClassCounts::f1),
        Scorer::PrecisionSamples => over_rows(ClassCounts::precision),
        Scorer::RecallSamples => over_rows(ClassCounts::recall),
        Scorer::JaccardSamples => over_rows(ClassCounts::jaccard),
        _ => averaged(scorer, &mut counts.labels.iter()),
    }
}

/// Whether the score divides by nothing, for one label at least, or one row.
pub(super) fn falls_back(scorer: Scorer, counts: &Counts) -> bool {
    use Scorer::*;
    let falls = |part: &ClassCounts| divides_by_nothing(scorer, part);
    match scorer {
        F1Samples | PrecisionSamples | RecallSamples | JaccardSamples => {
            counts.rows.iter().any(|(row, _)| falls(row))
        }
        F1Micro | PrecisionMicro | RecallMicro | JaccardMicro => counts.labels.iter().all(falls),
        AveragePrecision => counts.labels.iter().any(|label| label.target == 0.0),
        _ => counts.labels.iter().any(falls),
    }
}

/// The rows in the order of each label; `None` where there is not a finite value for each.
pub(super) fn rank(target: &[bool], decision: &[f64], n_labels: usize) -> Option<Vec<Order>> {
    let are_values =
        decision.len() == target.len() && decision.iter().all(|value| value.is_finite());
    are_values.then(|| (0..n_labels).map(|label| order(decision, n_labels, label)).collect())
}

pub(super) fn ranked_score(
    scorer: Scorer,
    orders: &[Order],
    target: &[bool],
    weights: Option<&[f64]>,
) -> Option<f64> {
    let of_label = |(label, order): (usize, &Order)| {
        let is_hit = |row: usize| target[row * orders.len() + label];
        let steps = steps(order, is_hit, |row| weight_of(weights, row));
        match scorer {
            Scorer::RocAuc => area(&steps),
            Scorer::AveragePrecision => Some(average_precision(&steps)),
            _ => None,
        }
    };
    let scores: Option<Vec<f64>> = orders.iter().enumerate().map(of_label).collect();
    Some(weighted_mean(scores?.into_iter().map(|score| (score, 1.0))))
}
