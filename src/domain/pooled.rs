//! Out-of-fold predictions of several folds, put together.

use std::collections::HashSet;

use trainyard_learn::model::{Predicted, Truth};
use trainyard_learn::output::OutOfFold;

use super::predictions::FoldPredictions;

/// What was predicted of rows by models that had not seen them.
#[derive(Clone, Debug, PartialEq)]
pub struct Pooled {
    /// Which rows of the dataset, fold after fold; a row that several folds tested is there as often.
    pub rows: Vec<u32>,
    /// Where the rows of each fold end.
    pub ends: Vec<usize>,
    /// What they really are.
    pub truth: Truth,
    /// What was said of them.
    pub predicted: Predicted,
}

impl Pooled {
    /// Puts folds together; `None` without any, or where they do not belong together.
    pub fn of(folds: impl IntoIterator<Item = FoldPredictions>) -> Option<Self> {
        let mut folds = folds.into_iter();
        let FoldPredictions { rows, truth, predicted } = folds.next()?;
        let mut pooled = Self { ends: vec![rows.len()], rows, truth, predicted };
        for FoldPredictions { rows, truth, predicted } in folds {
            pooled.rows.extend(rows);
            pooled.ends.push(pooled.rows.len());
            match (&mut pooled.truth, truth) {
                (Truth::Classes(all), Truth::Classes(more)) => all.extend(more),
                (Truth::Values(all), Truth::Values(more)) => all.extend(more),
                _ => return None,
            }
            extend(&mut pooled.predicted, predicted)?;
        }
        Some(pooled)
    }

    /// How many rows they are, one that several folds tested counted once.
    pub fn n_distinct(&self) -> usize {
        self.rows.iter().collect::<HashSet<_>>().len()
    }

    /// The same, to fit on.
    pub fn tested(&self) -> OutOfFold<'_> {
        let Self { rows, ends, truth, predicted } = self;
        OutOfFold { rows, ends, truth, predicted }
    }
}

fn extend(all: &mut Predicted, more: Predicted) -> Option<()> {
    match (all, more) {
        (
            Predicted::Decisions { prediction, decision, n_values },
            Predicted::Decisions { prediction: more, decision: decisions, n_values: n },
        ) => {
            prediction.extend(more);
            if *n_values == n {
                decision.extend(decisions);
            } else {
                // A fold that lacked a class has other decision values than the rest.
                (*n_values, *decision) = (0, Vec::new());
            }
        }
        (
            Predicted::Probabilities { prediction, probabilities, n_classes },
            Predicted::Probabilities { prediction: more, probabilities: p, n_classes: n },
        ) if *n_classes == n => {
            prediction.extend(more);
            probabilities.extend(p);
        }
        (
            Predicted::Values { values, n_outputs },
            Predicted::Values { values: more, n_outputs: n },
        ) if *n_outputs == n => values.extend(more),
        (
            Predicted::Labels { probabilities, n_labels },
            Predicted::Labels { probabilities: more, n_labels: n },
        ) if *n_labels == n => probabilities.extend(more),
        _ => return None,
    }
    Some(())
}
