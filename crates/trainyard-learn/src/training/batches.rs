//! Which rows make a batch, and which batches make a step.

use std::ops::Range;

use super::Fit;

/// The division of an epoch's rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Batches {
    n_rows: usize,
    size: usize,
    n_batches: usize,
    per_step: usize,
}

/// A full batch of more rows than this is computed in portions whose gradients are added.
pub(super) const MAX_PORTION: usize = 4096;

/// Units are looked at over the last steps of an epoch that have so many rows together: in fewer a
/// unit that lives may happen to be still.
const ROWS_LOOKED_AT: usize = 1024;

impl Batches {
    pub(super) fn new(n_rows: usize, fit: &Fit<'_>) -> Self {
        let size = fit.batch_size.min(n_rows).max(1);
        let rest = n_rows % size;
        // A batch norm cannot learn from one row, which then joins the batch before it.
        let lonely = rest == 1 && n_rows > 1 && fit.network.has_batch_norm();
        let n_full = n_rows / size;
        let (n_batches, n_rows) = if rest == 0 {
            (n_full, n_rows)
        } else if fit.training.drop_last {
            (n_full, n_full * size)
        } else if lonely {
            (n_full, n_rows)
        } else {
            (n_full + 1, n_rows)
        };
        let per_step = (fit.training.accumulation_steps as usize).min(n_batches.max(1));
        Self { n_rows, size, n_batches, per_step }
    }

    /// Steps of an epoch.
    pub(super) fn n_steps(&self) -> usize {
        self.n_batches.div_ceil(self.per_step)
    }

    /// Whether a step is one of those over which units are looked at.
    pub(super) fn looks(&self, step: usize) -> bool {
        let n_last = ROWS_LOOKED_AT.div_ceil(self.size.saturating_mul(self.per_step));
        step + n_last >= self.n_steps()
    }

    /// The batches of a step, each a range of the epoch's order.
    pub(super) fn of_step(&self, step: usize) -> impl ExactSizeIterator<Item = Range<usize>> {
        let this = *self;
        let first = step * self.per_step;
        (first..(first + self.per_step).min(self.n_batches)).map(move |batch| this.range(batch))
    }

    /// Rows of the epoch before a step; none known before the first, which begins anew.
    pub(super) fn n_before(&self, step: usize) -> Option<usize> {
        (step > 0).then(|| (step * self.per_step).min(self.n_batches) * self.size)
    }

    /// Rows that are computed at once, at the most.
    pub(super) fn capacity(&self, portions: bool) -> usize {
        let longest = (0..self.n_batches).rev().take(2).map(|batch| self.range(batch).len()).max();
        let longest = longest.unwrap_or(1);
        if portions { longest.min(MAX_PORTION) } else { longest }
    }

    fn range(&self, batch: usize) -> Range<usize> {
        let start = batch * self.size;
        let end = if batch + 1 == self.n_batches { self.n_rows } else { start + self.size };
        start..end
    }
}
