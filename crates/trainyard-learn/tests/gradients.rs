//! Every layer, activation and loss against finite differences: the lists are the crate's own, so
//! that a new one cannot be forgotten.

mod common;

use std::collections::BTreeSet;

use common::{golden, variants};
use serde_json::Value;
use trainyard_learn::activation::Activation;
use trainyard_learn::kernels::Crew;
use trainyard_learn::losses::{LossSpec, TargetKind, TargetRows, Weights};
use trainyard_learn::network::{LayerSpec, Network, Pass, Training};
use trainyard_learn::random::stream::Stream;

const N_ROWS: usize = 7;
const N_INPUTS: usize = 5;
const SEED: u64 = 21;

/// A network, a loss and a batch, whose loss is a function of parameters and input.
struct World {
    network: Network,
    loss: LossSpec,
    x: Vec<f32>,
    target: Target,
    weights: Vec<f32>,
    class_weights: Option<Vec<f32>>,
}

enum Target {
    Classes(Vec<u32>),
    Values(Vec<f32>),
}

impl Target {
    fn rows(&self) -> TargetRows<'_> {
        match self {
            Self::Classes(classes) => TargetRows::Classes(classes),
            Self::Values(values) => TargetRows::Values(values),
        }
    }
}

impl World {
    fn new(layers: &[LayerSpec], loss: LossSpec, kind: TargetKind) -> Self {
        let n_outputs = loss.n_outputs(kind).expect("a loss that fits");
        let network = Network::new(layers, N_INPUTS, n_outputs).expect("a network");
        let mut stream = Stream::new(SEED, [9, 9]);
        let target = match kind {
            TargetKind::Classes { n_classes } => {
                Target::Classes((0..N_ROWS as u32).map(|row| row % n_classes as u32).collect())
            }
            // Between 0 and 1, which every loss of values takes.
            TargetKind::Labels { n_labels } => {
                let label = |_| f32::from(u8::from(stream.uniform() > 0.5));
                Target::Values((0..N_ROWS * n_labels).map(label).collect())
            }
            TargetKind::Values { n_outputs } => {
                Target::Values((0..N_ROWS * n_outputs).map(|_| stream.uniform()).collect())
            }
        };
        let class_weights = match kind {
            TargetKind::Classes { n_classes } => {
                Some((0..n_classes).map(|class| 0.5 + 0.75 * class as f32).collect())
            }
            TargetKind::Values { .. } | TargetKind::Labels { .. } => None,
        };
        Self {
            network,
            loss,
            x: (0..N_ROWS * N_INPUTS).map(|_| stream.normal() as f32).collect(),
            target,
            weights: (0..N_ROWS).map(|_| 0.5 + stream.uniform()).collect(),
            class_weights,
        }
    }

    /// The mean loss, and the gradients of the parameters and of the input.
    fn gradients(&self, parameters: &[f32], x: &[f32]) -> (f64, Vec<f32>, Vec<f32>) {
        let mut crew = Crew::new(1);
        let mut tape = self.network.tape(N_ROWS, true);
        let training = Training { seed: SEED, batch: 3, accumulate: false };
        let mut pass = Pass { n_rows: N_ROWS, training: Some(training), crew: &mut crew };
        let buffers = self.network.initial_buffers();
        self.network.forward(x, parameters, &buffers, &mut tape, &mut pass);
        let (z, dz) = self.network.outputs_and_gradient(&mut tape, N_ROWS);
        let weights = Weights { rows: Some(&self.weights), classes: self.class_weights.as_deref() };
        let n_outputs = self.network.n_outputs();
        let share = 1.0 / N_ROWS as f32;
        let sum = self.loss.rows(Some(dz), z, n_outputs, self.target.rows(), weights, share);
        let alone = self.loss.rows(None, z, n_outputs, self.target.rows(), weights, 1.0);
        assert_eq!(sum, alone, "{:?}: with and without the gradient", self.loss);
        let mut gradients = vec![f32::NAN; parameters.len()];
        let mut dx = vec![f32::NAN; x.len()];
        let network = &self.network;
        network.backward_to_input(&mut gradients, &mut dx, x, parameters, &mut tape, &mut pass);
        (sum / N_ROWS as f64, gradients, dx)
    }

    /// Compares all gradients with central differences of the loss.
    fn check(&self, name: &str) {
        let parameters: Vec<f32> = {
            // Biases and norms begin at round numbers, which could hide a mistake.
            let mut stream = Stream::new(SEED, [8, 8]);
            let initial = self.network.initial(SEED);
            initial.iter().map(|w| w + 0.1 * stream.normal() as f32).collect()
        };
        let (_, gradients, dx) = self.gradients(&parameters, &self.x);
        let loss = |parameters: &[f32], x: &[f32]| self.gradients(parameters, x).0;
        // Relative to the largest of its kind: among gradients of nearly zero, any would pass.
        let compare = |values: &[f32], found: &[f32], f: &dyn Fn(&[f32]) -> f64, what: &str| {
            let largest = found.iter().fold(0.0_f32, |most, g| most.max(g.abs()));
            assert!(largest > 0.01, "{name}: no gradient of {what} is above {largest:e}");
            let largest = f64::from(largest);
            for at in 0..values.len() {
                let moved = |step: f32| {
                    let mut values = values.to_vec();
                    values[at] += step;
                    (f(&values), f64::from(values[at]))
                };
                // Of several steps the one that fits best: a long one may cross a kink, a short one
                // drowns in rounding.
                let error = [4e-3, 1e-3, 2.5e-4]
                    .map(|step| {
                        let ((above, high), (below, low)) = (moved(step), moved(-step));
                        let expected = (above - below) / (high - low);
                        (expected - f64::from(found[at])).abs() / largest
                    })
                    .into_iter()
                    .fold(f64::INFINITY, f64::min);
                assert!(error < 1e-3, "{name}: gradient of {what} {at} is off by {error:e}");
            }
        };
        for tensor in self.network.tensors() {
            let at = tensor.range.clone();
            let moved = |values: &[f32]| {
                let mut parameters = parameters.clone();
                parameters[at.clone()].copy_from_slice(values);
                loss(&parameters, &self.x)
            };
            compare(&parameters[at.clone()], &gradients[at.clone()], &moved, &tensor.name);
        }
        compare(&self.x, &dx, &|x| loss(&parameters, x), "input");
    }
}

fn dense(units: Option<u32>) -> LayerSpec {
    LayerSpec::Dense { units, bias: true, init: None }
}

/// The names of layers as JSON, and of those inside.
fn names(layers: &Value, found: &mut BTreeSet<String>) {
    for layer in layers.as_array().expect("a list of layers") {
        found.insert(layer["type"].as_str().expect("a name").to_owned());
        if layer["layers"].is_array() {
            names(&layer["layers"], found);
        }
    }
}

#[test]
fn every_layer_is_among_the_examples_and_in_a_whole_fit() {
    let mut examples = BTreeSet::new();
    names(&serde_json::to_value(LayerSpec::examples()).expect("JSON"), &mut examples);
    let mut fits = BTreeSet::new();
    let cases = golden::<Value>("training.json")["cases"].clone();
    cases.as_array().expect("cases").iter().for_each(|case| names(&case["layers"], &mut fits));
    for name in variants::<LayerSpec>() {
        assert!(examples.contains(&name), "{name} is no example");
        assert!(fits.contains(&name), "{name} is in no golden fit");
    }
}

#[test]
fn every_layer_has_the_gradient_of_what_it_computes() {
    let examples = LayerSpec::examples();
    for layer in examples {
        // A bias before a batch norm has no gradient: the mean takes it out again.
        let bias = !matches!(layer, LayerSpec::BatchNorm { .. });
        let first = LayerSpec::Dense { units: Some(4), bias, init: None };
        let layers = [first, layer.clone(), dense(None)];
        let kind = TargetKind::Values { n_outputs: 2 };
        World::new(&layers, LossSpec::Mse, kind).check(&format!("{layer:?}"));
    }
}

#[test]
fn every_layer_has_it_where_it_comes_first_and_inside_a_residual_one() {
    for layer in LayerSpec::examples() {
        let kind = TargetKind::Classes { n_classes: 3 };
        let loss = LossSpec::cross_entropy();
        World::new(&[layer.clone(), dense(None)], loss.clone(), kind)
            .check(&format!("{layer:?} first"));
        let inner = vec![layer.clone(), dense(Some(4))];
        let layers = [dense(Some(4)), LayerSpec::Residual { layers: inner }, dense(None)];
        World::new(&layers, loss, kind).check(&format!("{layer:?} inside"));
    }
}

#[test]
fn every_loss_has_the_gradient_of_what_it_computes() {
    for loss in LossSpec::examples() {
        let kinds = [
            TargetKind::Classes { n_classes: 2 },
            TargetKind::Classes { n_classes: 3 },
            TargetKind::Classes { n_classes: 11 },
            TargetKind::Values { n_outputs: 1 },
            TargetKind::Values { n_outputs: 3 },
            TargetKind::Labels { n_labels: 3 },
        ];
        let fitting: Vec<TargetKind> =
            kinds.into_iter().filter(|kind| loss.n_outputs(*kind).is_ok()).collect();
        assert!(!fitting.is_empty(), "{loss:?}");
        for kind in fitting {
            let tanh = LayerSpec::Activation { activation: Activation::Tanh.into() };
            let layers = [dense(Some(6)), tanh, dense(None)];
            World::new(&layers, loss.clone(), kind).check(&format!("{loss:?} {kind:?}"));
        }
    }
}

#[test]
fn gradients_of_two_halves_add_up_to_those_of_the_whole() {
    let tanh = LayerSpec::Activation { activation: Activation::Prelu { init: 0.2 }.into() };
    let layers = [dense(Some(6)), LayerSpec::layer_norm(), tanh, dense(None)];
    let kind = TargetKind::Values { n_outputs: 2 };
    let world = World::new(&layers, LossSpec::Mse, kind);
    let Target::Values(values) = &world.target else { panic!("values") };
    let parameters = world.network.initial(SEED);
    let (_, whole, _) = world.gradients(&parameters, &world.x);
    let mut gradients = vec![f32::NAN; parameters.len()];
    let mut crew = Crew::new(1);
    let mut tape = world.network.tape(N_ROWS, true);
    for (rows, accumulate) in [(0..3, false), (3..N_ROWS, true)] {
        let training = Training { seed: SEED, batch: 0, accumulate };
        let mut pass = Pass { n_rows: rows.len(), training: Some(training), crew: &mut crew };
        let x = &world.x[rows.start * N_INPUTS..rows.end * N_INPUTS];
        world.network.forward(x, &parameters, &[], &mut tape, &mut pass);
        let (z, dz) = world.network.outputs_and_gradient(&mut tape, rows.len());
        let y = TargetRows::Values(&values[rows.start * 2..rows.end * 2]);
        let weights = Weights { rows: Some(&world.weights[rows]), classes: None };
        world.loss.rows(Some(dz), z, 2, y, weights, 1.0 / N_ROWS as f32);
        world.network.backward(&mut gradients, x, &parameters, &mut tape, &mut pass);
    }
    for (whole, halves) in whole.iter().zip(&gradients) {
        assert!((whole - halves).abs() < 1e-6, "{whole} {halves}");
    }
}
