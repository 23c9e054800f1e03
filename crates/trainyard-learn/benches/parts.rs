//! How fast each part of a step is, beside the products: activations, losses, optimizers, layers, what
//! holds gradients and weights back, gathering.
//!
//! `cargo bench -p trainyard-learn --bench parts`, with a part of a name to run less. All of them work on
//! 256 × 1024 values, one thread; items are values, so Gitem/s are values a nanosecond. Read "fastest".
//! What is measured are the crate's own lists of examples, so that nothing can be forgotten.

use std::fmt;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use trainyard_learn::activation::Activation;
use trainyard_learn::init::InitSpec;
use trainyard_learn::kernels::Crew;
use trainyard_learn::losses::{LossSpec, TargetKind, TargetRows, Weights};
use trainyard_learn::network::{LayerSpec, Network, Pass, Training};
use trainyard_learn::optim::{Clip, OptimizerSpec};
use trainyard_learn::random::stream::{Stream, derive};
use trainyard_learn::training::{Rows, weights};

fn main() {
    divan::main();
}

const ROWS: usize = 256;
const WIDTH: usize = 1024;
const N: usize = ROWS * WIDTH;

fn values() -> Vec<f32> {
    (0..N).map(|i| (i * 37 % 101) as f32 / 25.0 - 2.0).collect()
}

fn bench(bencher: Bencher<'_, '_>, f: impl FnMut()) {
    bencher.counter(ItemsCount::new(N)).bench_local(f);
}

/// A spec that is shown by its name and what of it is not at its default.
struct Case<T>(T);

fn cases<T>(examples: Vec<T>) -> Vec<Case<T>> {
    examples.into_iter().map(Case).collect()
}

impl<T: Serialize + DeserializeOwned> fmt::Display for Case<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spec = serde_json::to_value(&self.0).unwrap_or_default();
        let alone = serde_json::from_value::<T>(json!({"type": spec["type"]})).ok();
        let alone = alone.and_then(|spec| serde_json::to_value(spec).ok()).unwrap_or_default();
        f.write_str(&brief(&spec, &alone))
    }
}

/// A spec in words: its name, and each field that differs from that of another.
fn brief(spec: &Value, other: &Value) -> String {
    match spec {
        Value::Object(fields) => {
            let mut words = vec![brief(&spec["type"], &Value::Null)];
            for (name, value) in fields.iter().filter(|(name, value)| other[*name] != **value) {
                match value {
                    _ if name == "type" => {}
                    Value::Number(_) | Value::Bool(_) => words.push(format!("{name} {value}")),
                    _ => words.push(brief(value, &Value::Null)),
                }
            }
            words.join(" ")
        }
        Value::Array(list) => {
            let each: Vec<String> = list.iter().map(|spec| brief(spec, &Value::Null)).collect();
            each.join(", ")
        }
        Value::String(text) => text.clone(),
        _ => spec.to_string(),
    }
}

#[divan::bench(args = cases(Activation::examples()))]
fn activation_forward(bencher: Bencher<'_, '_>, Case(function): &Case<Activation>) {
    let (x, mut y) = (values(), vec![0.0; N]);
    bench(bencher, || function.forward(black_box(&mut y), &x, WIDTH, &[0.25]));
}

#[divan::bench(args = cases(Activation::examples()))]
fn activation_backward(bencher: Bencher<'_, '_>, Case(function): &Case<Activation>) {
    let (x, mut y, mut dx) = (values(), vec![0.0; N], vec![0.0; N]);
    function.forward(&mut y, &x, WIDTH, &[0.25]);
    bench(bencher, || function.backward(black_box(&mut dx), &x, &x, &y, WIDTH, &[0.25]));
}

/// Of ten classes, of two, or of ten values, with the gradient.
#[divan::bench(args = cases(LossSpec::examples()))]
fn loss(bencher: Bencher<'_, '_>, Case(loss): &Case<LossSpec>) {
    let kinds = [
        TargetKind::Classes { n_classes: 10 },
        TargetKind::Classes { n_classes: 2 },
        TargetKind::Values { n_outputs: 10 },
    ];
    let fitting = kinds.into_iter().find_map(|kind| Some((kind, loss.n_outputs(kind).ok()?)));
    let Some((kind, n_outputs)) = fitting else { return };
    let (z, mut dz) = (values(), vec![0.0; N]);
    let n_rows = N / n_outputs;
    let (z, dz) = (&z[..n_rows * n_outputs], &mut dz[..n_rows * n_outputs]);
    let classes: Vec<u32> = (0..n_rows as u32).map(|row| row % n_outputs.max(2) as u32).collect();
    let amounts: Vec<f32> = z.iter().map(|z| (z * 0.1).abs()).collect();
    let target = match kind {
        TargetKind::Classes { .. } => TargetRows::Classes(&classes),
        _ => TargetRows::Values(&amounts),
    };
    bench(bencher, || {
        black_box(loss.rows(Some(&mut *dz), z, n_outputs, target, Weights::default(), 0.1));
    });
}

#[divan::bench(args = cases(OptimizerSpec::examples()))]
fn optimizer(bencher: Bencher<'_, '_>, Case(spec): &Case<OptimizerSpec>) {
    let optimizer = spec.build();
    let (mut w, g, mut state) = (values(), values(), optimizer.new_state(N));
    bench(bencher, || {
        let update = optimizer.begin(&mut state, 1e-6);
        update.apply(black_box(&mut w), &g, state.slots_mut());
    });
}

/// A network of this layer alone, with what a pass over it needs.
fn through(layer: &LayerSpec, mut pass: impl FnMut(&Network, &[f32], &mut Pass<'_>)) -> Option<()> {
    let n_outputs = match layer {
        LayerSpec::Dense { units, .. } => (*units)? as usize,
        _ => WIDTH,
    };
    let network = Network::new(std::slice::from_ref(layer), WIDTH, n_outputs).ok()?;
    let training = Some(Training { seed: 1, batch: 0, accumulate: false });
    pass(&network, &values(), &mut Pass { n_rows: ROWS, training, crew: &mut Crew::new(1) });
    Some(())
}

#[divan::bench(args = cases(LayerSpec::examples()))]
fn layer_forward(bencher: Bencher<'_, '_>, Case(layer): &Case<LayerSpec>) {
    let mut bencher = Some(bencher);
    through(layer, |network, x, pass| {
        let (parameters, buffers) = (network.initial(1), network.initial_buffers());
        let mut tape = network.tape(ROWS, true);
        if let Some(bencher) = bencher.take() {
            bench(bencher, || {
                network.forward(black_box(x), &parameters, &buffers, &mut tape, pass);
            });
        }
    });
}

#[divan::bench(args = cases(LayerSpec::examples()))]
fn layer_backward(bencher: Bencher<'_, '_>, Case(layer): &Case<LayerSpec>) {
    let mut bencher = Some(bencher);
    through(layer, |network, x, pass| {
        let (parameters, buffers) = (network.initial(1), network.initial_buffers());
        let mut tape = network.tape(ROWS, true);
        let mut gradients = vec![0.0; network.n_parameters()];
        let mut dx = vec![0.0; N];
        network.forward(x, &parameters, &buffers, &mut tape, pass);
        network.outputs_and_gradient(&mut tape, ROWS).1.fill(0.5);
        if let Some(bencher) = bencher.take() {
            bench(bencher, || {
                let dx = black_box(&mut dx);
                network.backward_to_input(&mut gradients, dx, x, &parameters, &mut tape, pass);
            });
        }
    });
}

/// Of a relu layer, one of whose units is dead, so that all rows are looked at.
#[divan::bench]
fn dead_units(bencher: Bencher<'_, '_>) {
    let relu = LayerSpec::Activation { activation: Activation::Relu.into() };
    let dense = LayerSpec::Dense { units: Some(WIDTH as u32), bias: true, init: None };
    let Ok(network) = Network::new(&[dense, relu], 1, WIDTH) else { return };
    let mut parameters = network.initial(1);
    parameters[WIDTH] = -1e6;
    let mut tape = network.tape(ROWS, true);
    let mut pass = Pass { n_rows: ROWS, training: None, crew: &mut Crew::new(1) };
    network.forward(&values()[..ROWS], &parameters, &[], &mut tape, &mut pass);
    let mut alive = vec![false; WIDTH];
    bench(bencher, || network.mark_alive(&parameters, &tape, ROWS, black_box(&mut alive)));
    assert!(!alive[0] && alive[1]);
}

#[divan::bench(args = ["value", "norm", "global_norm"])]
fn clip(bencher: Bencher<'_, '_>, limit: &str) {
    let limit_if = |name: &str| (limit == name).then_some(1e-3);
    let (value, norm, global_norm) = (limit_if("value"), limit_if("norm"), limit_if("global_norm"));
    let clip = Clip { value, norm, global_norm };
    let (g, tensors) = (values(), [0..N / 2, N / 2..N]);
    // Clipped gradients are within the limits, so that each time begins with others.
    let mut clipped = g.clone();
    bench(bencher, || {
        clipped.copy_from_slice(&g);
        clip.apply(black_box(&mut clipped), &tensors);
    });
}

#[divan::bench]
fn penalties(bencher: Bencher<'_, '_>) {
    let (w, mut g) = (values(), values());
    bench(bencher, || weights::penalize(black_box(&mut g), &w, 1e-9, 1e-9));
}

#[divan::bench]
fn max_norm(bencher: Bencher<'_, '_>) {
    let mut w = values();
    bench(bencher, || weights::shrink_columns(black_box(&mut w), WIDTH, 1.0));
}

#[divan::bench]
fn averaging(bencher: Bencher<'_, '_>) {
    let (w, mut average) = (values(), vec![0.0; N]);
    bench(bencher, || weights::blend(black_box(&mut average), &w, 0.99));
}

#[divan::bench]
fn gradient_noise(bencher: Bencher<'_, '_>) {
    let (mut g, mut crew) = (values(), Crew::new(1));
    let stream = |block| Stream::new(derive(1, block), [0, 0]);
    bench(bencher, || weights::add_noise(black_box(&mut g), 1e-9, stream, &mut crew));
}

/// Of a vector; the history takes those of gradients, weights and changes once an epoch.
#[divan::bench]
fn norm(bencher: Bencher<'_, '_>) {
    let g = values();
    bench(bencher, || {
        black_box(weights::squares(black_box(&g)));
    });
}

#[divan::bench(args = cases(InitSpec::examples()))]
fn initialisation(bencher: Bencher<'_, '_>, Case(init): &Case<InitSpec>) {
    let (mut w, relu) = (values(), Activation::Relu);
    bench(bencher, || {
        let mut stream = Stream::new(1, [0, 0]);
        init.fill(black_box(&mut w), ROWS, WIDTH, &relu, &mut stream);
    });
}

#[divan::bench]
fn gather(bencher: Bencher<'_, '_>) {
    const N_ROWS: usize = 20_000;
    let x: Vec<f32> = (0..N_ROWS * WIDTH).map(|i| (i % 251) as f32).collect();
    let (mut batch, mut crew, mut first) = (vec![0.0; N], Crew::new(1), 0);
    bench(bencher, || {
        first = (first + 7919) % N_ROWS;
        let rows: [u32; ROWS] = std::array::from_fn(|i| ((first + i * 6997) % N_ROWS) as u32);
        Rows::from(&x).gather(black_box(&mut batch), &rows, WIDTH, &mut crew);
    });
}
