//! What an epoch leaves behind: its summary and the layers' norms, as a row of the history.

use std::ops::Range;

use super::weights::squares;
use super::{Examples, Fit, History};
use crate::network::Network;

/// What an epoch came to.
#[derive(Clone, Debug, Default)]
pub(super) struct Summary {
    /// The mean loss over the epoch's batches, each before its step; without the penalties.
    pub(super) train_loss: f64,
    pub(super) val_loss: Option<f64>,
    /// By scorer, of what was predicted on the way.
    pub(super) train_scores: Vec<Option<f64>>,
    pub(super) val_scores: Vec<Option<f64>>,
    pub(super) learning_rate: f64,
    /// By activation, the share of its units that nothing moved in the last steps.
    pub(super) dead_units: Vec<f64>,
}

/// The history of a fit as it grows.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) history: History,
    pub(super) layers: LayerNorms,
    validates: bool,
}

impl Record {
    pub(super) fn new(fit: &Fit<'_>, examples: &Examples<'_>) -> Self {
        let layers = LayerNorms::new(fit.network);
        let validates = !examples.validation.is_empty();
        let mut names = vec!["train_loss".to_owned()];
        names.extend(fit.scorers.iter().map(|scorer| format!("train_{}", scorer.name())));
        if validates {
            names.push("val_loss".to_owned());
            names.extend(fit.scorers.iter().map(|scorer| format!("val_{}", scorer.name())));
        }
        names.push("learning_rate".to_owned());
        names.push("grad_norm".to_owned());
        for series in ["grad_norm", "weight_norm", "update_ratio"] {
            names.extend(layers.layers.iter().map(|(layer, _)| format!("{series}.{layer}")));
        }
        names.extend(layers.activations.iter().map(|layer| format!("dead_units.{layer}")));
        Self { history: History::new(names), layers, validates }
    }

    /// Adds an epoch.
    pub(super) fn add(&mut self, epoch: u32, summary: &Summary) {
        let value = |score: &Option<f64>| score.unwrap_or(f64::NAN);
        let mut row = vec![summary.train_loss];
        row.extend(summary.train_scores.iter().map(value));
        if self.validates {
            row.push(value(&summary.val_loss));
            row.extend(summary.val_scores.iter().map(value));
        }
        row.push(summary.learning_rate);
        let LayerNorms { gradients, weights, changes, .. } = &self.layers;
        row.push(gradients.iter().map(|norm| norm * norm).sum::<f64>().sqrt());
        row.extend(gradients);
        row.extend(weights);
        row.extend(changes.iter().zip(weights).map(|(change, weight)| change / weight));
        row.extend(&summary.dead_units);
        self.history.push(epoch, &row);
        self.layers.forget();
    }

    /// The history with a last epoch of which nothing but its learning rate is known.
    pub(super) fn broken_off(mut self, epoch: u32, learning_rate: f64) -> History {
        let name = |name: &String| if name == "learning_rate" { learning_rate } else { f64::NAN };
        let row: Vec<f64> = self.history.names().iter().map(name).collect();
        self.history.push(epoch, &row);
        self.history
    }
}

/// Norms of the layers at the last step of an epoch, of the gradients before they are clipped; NaN where
/// it was not reached.
#[derive(Clone, Debug)]
pub(super) struct LayerNorms {
    /// The layers that have parameters, with their ranges.
    layers: Vec<(String, Range<usize>)>,
    activations: Vec<String>,
    gradients: Vec<f64>,
    weights: Vec<f64>,
    changes: Vec<f64>,
}

impl LayerNorms {
    fn new(network: &Network) -> Self {
        let mut layers: Vec<(String, Range<usize>)> = Vec::new();
        for tensor in network.tensors() {
            let layer = tensor.name.rsplit_once('.').map_or("", |(layer, _)| layer);
            match layers.last_mut() {
                Some((last, range)) if last == layer => range.end = tensor.range.end,
                _ => layers.push((layer.to_owned(), tensor.range.clone())),
            }
        }
        let activations = network.activations().into_iter().map(|(name, _)| name).collect();
        let unknown = vec![f64::NAN; layers.len()];
        Self {
            gradients: unknown.clone(),
            weights: unknown.clone(),
            changes: unknown,
            layers,
            activations,
        }
    }

    pub(super) fn of_gradients(&mut self, gradients: &[f32]) {
        norms(&mut self.gradients, &self.layers, gradients);
    }

    pub(super) fn of_changes(&mut self, changes: &[f32], parameters: &[f32]) {
        norms(&mut self.changes, &self.layers, changes);
        norms(&mut self.weights, &self.layers, parameters);
    }

    fn forget(&mut self) {
        for norms in [&mut self.gradients, &mut self.weights, &mut self.changes] {
            norms.fill(f64::NAN);
        }
    }
}

fn norms(norms: &mut [f64], layers: &[(String, Range<usize>)], values: &[f32]) {
    for (norm, (_, range)) in norms.iter_mut().zip(layers) {
        *norm = squares(&values[range.clone()]).sqrt();
    }
}
