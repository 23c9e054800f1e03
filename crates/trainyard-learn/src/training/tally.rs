//! What the batches of an epoch add up to, and what was predicted of their rows.

use serde::{Deserialize, Serialize};

use super::Fit;
use super::scored::keep_probabilities;

/// What an epoch's batches add up to.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Tally {
    pub(super) loss: f64,
    pub(super) weight: f64,
    pub(super) n_seen: usize,
    /// What was predicted of the rows seen, in the epoch's order.
    pub(super) classes: Vec<u32>,
    pub(super) values: Vec<f32>,
    /// What scorers need of each row besides its class; empty unless one does.
    pub(super) probabilities: Vec<f32>,
}

impl Tally {
    /// Notes what was predicted of the next rows.
    pub(super) fn take(&mut self, z: &[f32], n_outputs: usize, fit: &Fit<'_>) {
        let n_rows = z.len() / n_outputs;
        if self.values.is_empty() {
            let seen = &mut self.classes[self.n_seen..][..n_rows];
            for (class, z) in seen.iter_mut().zip(z.chunks_exact(n_outputs)) {
                *class = fit.loss.class_of(z);
            }
            if !self.probabilities.is_empty() {
                let width = self.probabilities.len() / self.classes.len();
                let seen = &mut self.probabilities[self.n_seen * width..][..n_rows * width];
                keep_probabilities(seen, z, width, fit);
            }
        } else {
            let seen = &mut self.values[self.n_seen * n_outputs..][..z.len()];
            seen.copy_from_slice(z);
            fit.loss.values(seen);
        }
        self.n_seen += n_rows;
    }
}
