//! From a list of layer specs to a plan, or every reason why not.

use super::layers::{Kind, Layer};
use super::{LayerSpec, MAX_LAYERS, Network, Start, Tensor};
use crate::activation::Activation;
use crate::init::InitSpec;
use crate::problem::Problem;

/// Residual layers may lie inside each other this deep.
const MAX_DEPTH: usize = 8;

impl Network {
    /// Plans a network from `n_inputs` to `n_outputs` values.
    ///
    /// # Errors
    /// Every problem found, with pointers relative to the list of layers.
    pub fn new(
        specs: &[LayerSpec],
        n_inputs: usize,
        n_outputs: usize,
    ) -> Result<Self, Vec<Problem>> {
        let mut builder = Builder { n_outputs, ..Builder::default() };
        let place = Place { pointer: "", name: "", depth: 0 };
        let (layers, width) = builder.chain(specs, n_inputs, &place);
        if width != n_outputs && builder.problems.is_empty() {
            let detail = format!(
                "the last layer ends in {width} values; this target and loss need {n_outputs}"
            );
            builder.problems.push(
                Problem::new(format!("/{}", specs.len().saturating_sub(1)), detail).suggest(
                    "end with {\"type\": \"dense\"}, which without `units` has as many as needed",
                ),
            );
        }
        if builder.n_layers > MAX_LAYERS {
            let detail = format!("{} layers; at most {MAX_LAYERS} are allowed", builder.n_layers);
            builder.problems.push(
                Problem::new("", detail).suggest("fewer layers, and rather wider ones if need be"),
            );
        }
        if !builder.problems.is_empty() {
            return Err(builder.problems);
        }
        Ok(Self {
            n_inputs,
            n_outputs,
            n_parameters: builder.n_parameters,
            n_buffers: builder.n_buffers,
            layers,
            tensors: builder.tensors,
            n_activations: builder.n_activations,
            flops: builder.flops,
        })
    }

    /// The same layers with every default that depends on the others filled in.
    pub fn resolve(specs: &[LayerSpec], n_outputs: usize) -> Vec<LayerSpec> {
        resolve(specs, Some(n_outputs as u32))
    }
}

fn resolve(specs: &[LayerSpec], units_of_last: Option<u32>) -> Vec<LayerSpec> {
    let resolve_one = |(index, spec): (usize, &LayerSpec)| match spec {
        LayerSpec::Dense { units, bias, init } => {
            let rest = &specs[index + 1..];
            let last = units_of_last.filter(|_| rest.is_empty());
            let by_activation = || InitSpec::for_activation(&following(rest)).into();
            let init = init.clone().unwrap_or_else(by_activation);
            LayerSpec::Dense { units: units.or(last), bias: *bias, init: Some(init) }
        }
        LayerSpec::Residual { layers } => LayerSpec::Residual { layers: resolve(layers, None) },
        other => other.clone(),
    };
    specs.iter().enumerate().map(resolve_one).collect()
}

/// The activation that a layer's values meet next; norms and dropout lie between.
fn following(rest: &[LayerSpec]) -> Activation {
    rest.iter()
        .take_while(|spec| !matches!(spec, LayerSpec::Dense { .. } | LayerSpec::Residual { .. }))
        .find_map(|spec| match spec {
            LayerSpec::Activation { activation } => Some((**activation).clone()),
            _ => None,
        })
        .unwrap_or(Activation::Identity)
}

#[derive(Default)]
struct Builder {
    n_outputs: usize,
    n_parameters: usize,
    n_buffers: usize,
    n_layers: usize,
    n_activations: usize,
    flops: usize,
    tensors: Vec<Tensor>,
    problems: Vec<Problem>,
}

/// Where a chain of layers lies.
struct Place<'a> {
    pointer: &'a str,
    name: &'a str,
    depth: usize,
}

impl Builder {
    /// Plans layers one after the other; returns them and the width they end in.
    fn chain(
        &mut self,
        specs: &[LayerSpec],
        n_inputs: usize,
        place: &Place<'_>,
    ) -> (Vec<Layer>, usize) {
        let mut width = n_inputs;
        let mut layers = Vec::with_capacity(specs.len());
        for (index, spec) in specs.iter().enumerate() {
            let pointer = format!("{}/{index}", place.pointer);
            let name = if place.name.is_empty() {
                index.to_string()
            } else {
                format!("{}.{index}", place.name)
            };
            let is_last = place.depth == 0 && index + 1 == specs.len();
            let here = Place { pointer: &pointer, name: &name, depth: place.depth };
            let layer = self.layer(spec, &specs[index + 1..], width, is_last, &here);
            width = layer.n_out;
            layers.push(layer);
        }
        (layers, width)
    }

    fn layer(
        &mut self,
        spec: &LayerSpec,
        rest: &[LayerSpec],
        width: usize,
        is_last: bool,
        place: &Place<'_>,
    ) -> Layer {
        let first_parameter = self.n_parameters;
        let first_buffer = self.n_buffers;
        let mut n_out = width;
        let index = self.n_layers as u32;
        self.n_layers += 1;
        let kind = match spec {
            LayerSpec::Dense { units, bias, init } => {
                n_out = self.units(*units, width, is_last, place);
                let activation = following(rest);
                let init = init
                    .as_ref()
                    .map_or_else(|| InitSpec::for_activation(&activation), |init| (**init).clone());
                let mut found = init.check();
                found.extend(init.check_shape(width, n_out));
                self.check_all(found, &format!("{}/init", place.pointer));
                let start = Start::Weights(init, activation);
                self.tensor(place.name, "weight", vec![width, n_out], start);
                if *bias {
                    self.tensor(place.name, "bias", vec![n_out], Start::Constant(0.0));
                }
                // Forward and the weights' gradient; the first layer's input needs none.
                let products = if index == 0 { 2 } else { 3 };
                self.flops = self
                    .flops
                    .saturating_add(width.saturating_mul(n_out).saturating_mul(2 * products));
                Kind::Dense { bias: *bias }
            }
            LayerSpec::Activation { activation } => {
                let activation: &Activation = activation;
                self.check_all(activation.check(), &format!("{}/activation", place.pointer));
                if let Activation::Prelu { init } = activation {
                    self.tensor(place.name, "slope", vec![1], Start::Constant(*init as f32));
                }
                Kind::Activation(activation.clone())
            }
            LayerSpec::Dropout { rate } => {
                self.check_rate(*rate, place);
                Kind::Dropout { rate: *rate as f32 }
            }
            LayerSpec::AlphaDropout { rate } => {
                self.check_rate(*rate, place);
                Kind::AlphaDropout { rate: *rate as f32 }
            }
            LayerSpec::BatchNorm { momentum, eps } => {
                self.check_positive("eps", *eps, place);
                if !(*momentum > 0.0 && *momentum <= 1.0) {
                    let pointer = format!("{}/momentum", place.pointer);
                    self.problems.push(Problem::new(pointer, "must be > 0 and <= 1"));
                }
                self.scale_and_shift(place.name, width);
                self.n_buffers += 2 * width;
                Kind::BatchNorm { momentum: *momentum as f32, eps: *eps as f32 }
            }
            LayerSpec::LayerNorm { eps } => {
                self.check_positive("eps", *eps, place);
                self.scale_and_shift(place.name, width);
                Kind::LayerNorm { eps: *eps as f32 }
            }
            LayerSpec::Residual { layers } => self.residual(layers, width, place),
        };
        self.n_activations = self.n_activations.saturating_add(n_out);
        Layer {
            kind,
            name: place.name.to_owned(),
            index,
            n_in: width,
            n_out,
            parameters: first_parameter..self.n_parameters,
            buffers: first_buffer..self.n_buffers,
        }
    }

    fn residual(&mut self, layers: &[LayerSpec], width: usize, place: &Place<'_>) -> Kind {
        if place.depth >= MAX_DEPTH {
            let detail = format!("residual layers lie inside each other at most {MAX_DEPTH} deep");
            self.problems.push(
                Problem::new(place.pointer, detail)
                    .suggest("put its layers in its place, or after the layer around it"),
            );
            return Kind::Residual(Vec::new());
        }
        let pointer = format!("{}/layers", place.pointer);
        if layers.is_empty() {
            self.problems.push(
                Problem::new(&pointer, "must not be empty").suggest("leave the residual layer out"),
            );
        }
        let inside = Place { pointer: &pointer, name: place.name, depth: place.depth + 1 };
        let (inner, ends_in) = self.chain(layers, width, &inside);
        if ends_in != width {
            let detail = format!(
                "begins with {width} values and ends in {ends_in}, so the two cannot be added"
            );
            self.problems.push(
                Problem::new(place.pointer, detail)
                    .suggest(format!("end it with {{\"type\": \"dense\", \"units\": {width}}}")),
            );
        }
        Kind::Residual(inner)
    }

    fn units(
        &mut self,
        units: Option<u32>,
        width: usize,
        is_last: bool,
        place: &Place<'_>,
    ) -> usize {
        match units {
            Some(0) => {
                self.problems
                    .push(Problem::new(format!("{}/units", place.pointer), "must be >= 1"));
                width
            }
            Some(units) => units as usize,
            None if is_last => self.n_outputs,
            None => {
                let detail = "is required: only the network's last layer follows from the target";
                self.problems.push(
                    Problem::new(format!("{}/units", place.pointer), detail)
                        .suggest("name them, such as 64"),
                );
                width
            }
        }
    }

    fn scale_and_shift(&mut self, name: &str, width: usize) {
        self.tensor(name, "weight", vec![width], Start::Constant(1.0));
        self.tensor(name, "bias", vec![width], Start::Constant(0.0));
    }

    fn tensor(&mut self, layer: &str, name: &str, shape: Vec<usize>, start: Start) {
        let n = shape.iter().fold(1_usize, |n, &side| n.saturating_mul(side));
        let range = self.n_parameters..self.n_parameters.saturating_add(n);
        self.n_parameters = range.end;
        self.tensors.push(Tensor { name: format!("{layer}.{name}"), shape, range, start });
    }

    fn check_all(&mut self, problems: Vec<Problem>, below: &str) {
        self.problems.extend(problems.into_iter().map(|problem| problem.below(below)));
    }

    fn check_rate(&mut self, rate: f64, place: &Place<'_>) {
        if !(0.0..1.0).contains(&rate) {
            let pointer = format!("{}/rate", place.pointer);
            self.problems.push(Problem::new(pointer, "must be >= 0 and < 1"));
        }
    }

    fn check_positive(&mut self, field: &str, value: f64, place: &Place<'_>) {
        if !(value > 0.0 && value.is_finite()) {
            let pointer = format!("{}/{field}", place.pointer);
            self.problems.push(Problem::new(pointer, "must be > 0"));
        }
    }
}
