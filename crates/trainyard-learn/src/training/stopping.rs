//! Early stopping: whether an epoch was the best so far, and when it has been too long since.

use serde::{Deserialize, Serialize};

use super::EarlyStopping;
use super::record::Summary;
use crate::kernels::Values;
use crate::metrics::Scorer;

/// Parameters and buffers.
type Learned = (Values, Vec<f32>);

/// The memory of early stopping; without a spec it never stops.
#[derive(Clone, Debug)]
pub(super) struct Stopping<'a> {
    spec: Option<&'a EarlyStopping>,
    memory: Memory,
}

/// What one epoch leaves to the next.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Memory {
    best: Option<(u32, f64)>,
    kept: Learned,
    n_without: u32,
}

impl Memory {
    pub(super) fn kept(&self) -> &Learned {
        &self.kept
    }
}

impl<'a> Stopping<'a> {
    pub(super) fn new(spec: Option<&'a EarlyStopping>) -> Self {
        Self { spec, memory: Memory::default() }
    }

    /// What a later [`resume`](Self::resume) goes on from.
    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }

    pub(super) fn resume(&mut self, memory: Memory) {
        self.memory = memory;
    }

    /// Judges an epoch; `keep` copies what was learned if it is the best so far.
    pub(super) fn judge(
        &mut self,
        epoch: u32,
        summary: &Summary,
        scorers: &[Scorer],
        keep: impl FnOnce(&mut Learned),
    ) {
        let Some(spec) = self.spec else { return };
        let value = value(&spec.monitor, summary, scorers);
        let better = match (value, self.memory.best) {
            (None, _) => false,
            (Some(value), None) => !value.is_nan(),
            (Some(value), Some((_, best))) => value < best - spec.min_delta,
        };
        if let (Some(value), true) = (value, better) {
            self.memory.best = Some((epoch, value));
            self.memory.n_without = 0;
            if spec.restore_best {
                keep(&mut self.memory.kept);
            }
        } else {
            self.memory.n_without = self.memory.n_without.saturating_add(1);
        }
    }

    /// Whether it has been too long since the best epoch.
    pub(super) fn is_over(&self) -> bool {
        self.spec.is_some_and(|spec| self.memory.n_without >= spec.patience)
    }

    /// The epoch whose weights are restored.
    pub(super) fn best_epoch(&self) -> Option<u32> {
        let restores = self.spec.is_some_and(|spec| spec.restore_best);
        self.memory.best.filter(|_| restores).map(|(epoch, _)| epoch)
    }

    /// What was learned in the best epoch, if it is to be restored.
    pub(super) fn into_best(self) -> Option<Learned> {
        self.best_epoch().map(|_| self.memory.kept)
    }
}

/// The value monitored, the less the better.
fn value(monitor: &str, summary: &Summary, scorers: &[Scorer]) -> Option<f64> {
    let (scores, name) = match (monitor, monitor.split_once('_')) {
        ("train_loss", _) => return Some(summary.train_loss),
        ("val_loss", _) => return summary.val_loss,
        (_, Some(("train", name))) => (&summary.train_scores, name),
        (_, Some(("val", name))) => (&summary.val_scores, name),
        _ => return None,
    };
    let index = scorers.iter().position(|scorer| scorer.name() == name)?;
    // Of every scorer more is better.
    Some(-(*scores.get(index)?)?)
}
