//! What every trained model has in common: rows of numbers in, predictions out.
//!
//! A new family of models is a variant of [`Model`], its arm in [`Model::predict`] and its tensors in
//! [`crate::artifact`].

use crate::kernels::{Crew, Values};
use crate::losses::{LossSpec, TargetKind};
use crate::metrics::{Judged, Scorer, falls_back, scores};
use crate::network::{LayerSpec, Network};
use crate::perceptron::Perceptron;
use crate::preprocess::TargetTransform;
use crate::problem::Problem;
use crate::training::scored::judge_labels;
use crate::training::{Rows, outputs};

/// A trained model of any family.
#[derive(Clone, Debug, PartialEq)]
pub enum Model {
    /// Weights that a row is told apart by.
    Perceptron(Perceptron),
    /// Layers.
    Network(NetworkModel),
}

/// A trained network.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkModel {
    /// Its layers, every default filled in.
    pub layers: Vec<LayerSpec>,
    /// The loss it was trained with, which says what its outputs mean.
    pub loss: LossSpec,
    /// The layers' plan.
    pub network: Network,
    /// In the plan's layout.
    pub parameters: Values,
    /// Running means and variances.
    pub buffers: Vec<f32>,
}

/// What a model says of rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Predicted {
    /// Classes, and how far each row is on their sides.
    Decisions {
        /// The class of each row, as an index.
        prediction: Vec<u32>,
        /// Rows × `n_values`: one for two classes (positive for the second), else one a class.
        decision: Vec<f64>,
        /// Decision values of a row.
        n_values: usize,
    },
    /// Classes, and how probable each of them is.
    Probabilities {
        /// The class of each row, as an index.
        prediction: Vec<u32>,
        /// Rows × classes.
        probabilities: Vec<f32>,
        /// How many classes there are.
        n_classes: usize,
    },
    /// Values.
    Values {
        /// Rows × `n_outputs`.
        values: Vec<f32>,
        /// Values of a row.
        n_outputs: usize,
    },
    /// How probable each label is; a row is said to have those that are more probable than not.
    Labels {
        /// Rows × `n_labels`.
        probabilities: Vec<f32>,
        /// How many labels there are.
        n_labels: usize,
    },
}

/// What rows really are.
#[derive(Clone, Debug, PartialEq)]
pub enum Truth {
    /// The class of each row, as an index.
    Classes(Vec<u32>),
    /// The values of each row, rows × outputs; of labels 1 for those that it has and 0 for the others.
    Values(Vec<f64>),
}

impl NetworkModel {
    /// A network with these layers and parameters.
    ///
    /// # Errors
    /// When the layers make no network.
    pub fn new(
        layers: Vec<LayerSpec>,
        loss: LossSpec,
        (n_inputs, n_outputs): (usize, usize),
        parameters: Values,
        buffers: Vec<f32>,
    ) -> Result<Self, Vec<Problem>> {
        let network = Network::new(&layers, n_inputs, n_outputs)?;
        Ok(Self { layers, loss, network, parameters, buffers })
    }

    /// What it says of the given rows of `x`, about such a target.
    pub fn predict(
        &self,
        x: Rows<'_>,
        rows: &[u32],
        target: TargetKind,
        crew: &mut Crew,
    ) -> Predicted {
        let n_outputs = self.network.n_outputs();
        let mut z = outputs(&self.network, &self.parameters, &self.buffers, x, rows, crew);
        let n_classes = match target {
            TargetKind::Classes { n_classes } => n_classes,
            TargetKind::Values { .. } => {
                self.loss.values(&mut z);
                return Predicted::Values { values: z, n_outputs };
            }
            TargetKind::Labels { .. } => {
                self.loss.values(&mut z);
                return Predicted::Labels { probabilities: z, n_labels: n_outputs };
            }
        };
        let prediction = z.chunks_exact(n_outputs).map(|z| self.loss.class_of(z)).collect();
        if self.loss.has_probabilities() {
            let mut probabilities = vec![0.0; rows.len() * n_classes];
            self.loss.probabilities(&mut probabilities, &z, n_outputs, n_classes);
            Predicted::Probabilities { prediction, probabilities, n_classes }
        } else {
            let decision = z.iter().map(|z| f64::from(*z)).collect();
            Predicted::Decisions { prediction, decision, n_values: n_outputs }
        }
    }
}

impl Model {
    /// What it says of rows of features, rows × `n_features`.
    pub fn predict(
        &self,
        x: &[f64],
        n_features: usize,
        target: TargetKind,
        crew: &mut Crew,
    ) -> Predicted {
        let n_rows = x.len() / n_features.max(1);
        match self {
            Self::Perceptron(perceptron) => {
                let n_values = perceptron.n_scores();
                let mut decision = vec![0.0; n_rows * n_values];
                let rows = x.chunks_exact(n_features.max(1));
                for (row, scores) in rows.zip(decision.chunks_exact_mut(n_values)) {
                    perceptron.decide_row(row, scores);
                }
                let prediction =
                    decision.chunks_exact(n_values).map(|row| perceptron.class_of(row)).collect();
                Predicted::Decisions { prediction, decision, n_values }
            }
            Self::Network(model) => {
                let rows: Vec<u32> = (0..n_rows as u32).collect();
                let singles: Vec<f32> = x.iter().map(|value| *value as f32).collect();
                model.predict((&singles).into(), &rows, target, crew)
            }
        }
    }
}

impl Predicted {
    /// How many rows it is about.
    pub fn n_rows(&self) -> usize {
        match self {
            Self::Decisions { prediction, .. } | Self::Probabilities { prediction, .. } => {
                prediction.len()
            }
            Self::Values { values, n_outputs: n }
            | Self::Labels { probabilities: values, n_labels: n } => values.len() / n.max(&1),
        }
    }

    /// The same with values brought back to what they were before this transform, if there is one.
    pub fn brought_back(mut self, transform: Option<&TargetTransform>) -> Self {
        if let (Self::Values { values, .. }, Some(transform)) = (&mut self, transform) {
            transform.inverse_transform(values);
        }
        self
    }

    /// The scores against what the rows really are, and how much each counts, if not all alike; `None`
    /// where one is undefined.
    pub fn scores(
        &self,
        scorers: &[Scorer],
        truth: &Truth,
        n_classes: usize,
        weights: Option<&[f64]>,
    ) -> Vec<Option<f64>> {
        let found = self.judged(truth, n_classes, weights, |judged| scores(scorers, judged));
        found.unwrap_or_else(|| vec![None; scorers.len()])
    }

    /// The scorers among these that divide by nothing and count 0 there ([`falls_back`]).
    pub fn ill_defined(
        &self,
        scorers: &[Scorer],
        truth: &Truth,
        n_classes: usize,
        weights: Option<&[f64]>,
    ) -> Vec<Scorer> {
        let found = self.judged(truth, n_classes, weights, |judged| falls_back(scorers, judged));
        let fallen = scorers.iter().zip(found.unwrap_or_default());
        fallen.filter(|(_, falls)| *falls).map(|(scorer, _)| *scorer).collect()
    }

    /// Judges it by what the rows really are; nothing where that is of another kind.
    fn judged<R>(
        &self,
        truth: &Truth,
        n_classes: usize,
        weights: Option<&[f64]>,
        judge: impl FnOnce(&Judged<'_>) -> R,
    ) -> Option<R> {
        let of_classes = |target, prediction, probabilities, decision| Judged::Classes {
            target,
            prediction,
            n_classes,
            probabilities,
            decision,
            weights,
        };
        match (self, truth) {
            (Self::Decisions { prediction, decision, .. }, Truth::Classes(target)) => {
                Some(judge(&of_classes(target, prediction, None, Some(decision))))
            }
            (Self::Probabilities { prediction, probabilities, .. }, Truth::Classes(target)) => {
                Some(judge(&of_classes(target, prediction, Some(probabilities), None)))
            }
            (Self::Values { values, n_outputs }, Truth::Values(target)) => {
                let prediction: Vec<f64> = values.iter().map(|value| f64::from(*value)).collect();
                let (prediction, n_outputs) = (&prediction, *n_outputs);
                Some(judge(&Judged::Values { target, prediction, n_outputs, weights }))
            }
            (Self::Labels { probabilities, n_labels }, Truth::Values(target)) => {
                let target: Vec<bool> = target.iter().map(|value| *value > 0.5).collect();
                Some(judge_labels(&target, probabilities, (*n_labels, weights), judge))
            }
            _ => None,
        }
    }
}
