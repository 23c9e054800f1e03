//! What the history of a fit says of its layers: units that nothing moves, and norms.

use trainyard_learn::activation::Activation;
use trainyard_learn::kernels::Crew;
use trainyard_learn::losses::LossSpec;
use trainyard_learn::network::{LayerSpec, Network};
use trainyard_learn::optim::{Clip, OptimizerSpec, SgdSpec};
use trainyard_learn::random::stream::Stream;
use trainyard_learn::training::{Examples, Fit, Fitted, Target, TrainingSpec, Unobserved, fit};

const N_INPUTS: usize = 6;
const N_OUTPUTS: usize = 2;

fn dense(units: Option<u32>) -> LayerSpec {
    LayerSpec::Dense { units, bias: true, init: None }
}

/// Normal features, and values to learn.
fn rows(n_rows: usize) -> (Vec<f32>, Vec<f32>) {
    let mut stream = Stream::new(3, [7, 7]);
    let mut normal = |n: usize| (0..n).map(|_| stream.normal() as f32).collect();
    (normal(n_rows * N_INPUTS), normal(n_rows * N_OUTPUTS))
}

/// Steps that even batches of one row survive.
fn careful() -> SgdSpec {
    SgdSpec { learning_rate: 1e-4, ..SgdSpec::default() }
}

/// One epoch of gradient descent on the mean squared error, in batches of this size.
fn one_epoch(
    layers: &[LayerSpec],
    initial: Option<&[f32]>,
    (x, y): (&[f32], &[f32]),
    batch_size: usize,
    sgd: SgdSpec,
) -> Fitted {
    let network = Network::new(layers, N_INPUTS, N_OUTPUTS).expect("a network");
    let rows: Vec<u32> = (0..(x.len() / N_INPUTS) as u32).collect();
    let spec = Fit {
        network: &network,
        loss: &LossSpec::Mse,
        optimizer: &OptimizerSpec::Sgd(sgd),
        training: &TrainingSpec { epochs: 1, ..TrainingSpec::default() },
        batch_size,
        scorers: &[],
        seed: 1,
        initial,
    };
    let examples = Examples {
        x: x.into(),
        target: Target::Values { values: y, n_outputs: N_OUTPUTS },
        weights: None,
        class_weights: None,
        train: &rows,
        validation: &[],
    };
    fit(&spec, &examples, &mut Crew::new(1), &mut Unobserved).expect("a fit")
}

/// In a batch of one row half of all units are still. That is no death.
#[test]
fn the_units_of_a_healthy_layer_live_whatever_the_batch() {
    let (x, y) = rows(500);
    let relu = LayerSpec::Activation { activation: Activation::Relu.into() };
    let inside = LayerSpec::Residual { layers: vec![dense(Some(300)), relu.clone()] };
    let layers = [dense(Some(300)), relu, inside, dense(None)];
    for batch_size in [1, 7, 500] {
        let fitted = one_epoch(&layers, None, (&x, &y), batch_size, careful());
        for name in ["dead_units.1", "dead_units.2.1"] {
            let share = fitted.history.series(name).expect("a share")[0];
            assert!(share < 0.1, "{name}: {share} in batches of {batch_size}");
        }
    }
}

/// Whoever is dead stays dead, in every batch and in layers inside of others.
#[test]
fn units_that_nothing_moves_are_counted_whatever_the_batch() {
    let (x, y) = rows(300);
    let relu = LayerSpec::Activation { activation: Activation::Relu.into() };
    let inside = LayerSpec::Residual { layers: vec![dense(Some(8)), relu.clone()] };
    let layers = [dense(Some(8)), relu, inside, dense(None)];
    let network = Network::new(&layers, N_INPUTS, N_OUTPUTS).expect("a network");
    let mut initial = network.initial(1);
    for (tensor, n_dead) in [("0.bias", 2), ("2.0.bias", 6)] {
        let tensor = network.tensors().iter().find(|t| t.name == tensor).expect("a bias");
        initial[tensor.range.clone()][..n_dead].fill(-1e6);
    }
    for batch_size in [1, 300] {
        let fitted = one_epoch(&layers, Some(&initial), (&x, &y), batch_size, careful());
        let share = |name: &str| fitted.history.series(name).expect("a share")[0];
        assert_eq!((share("dead_units.1"), share("dead_units.2.1")), (0.25, 0.75));
    }
}

/// The mean squared error of one dense layer, in double precision.
fn mean_squared_error(w: &[f64], x: &[f32], y: &[f32]) -> f64 {
    let (weight, bias) = w.split_at(N_INPUTS * N_OUTPUTS);
    let mut sum = 0.0;
    for (x, y) in x.chunks(N_INPUTS).zip(y.chunks(N_OUTPUTS)) {
        for output in 0..N_OUTPUTS {
            let terms = x.iter().enumerate();
            let z: f64 = terms.map(|(i, x)| f64::from(*x) * weight[i * N_OUTPUTS + output]).sum();
            sum += (z + bias[output] - f64::from(y[output])).powi(2);
        }
    }
    sum / y.len() as f64
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

/// The gradient's norm is that before clipping, the others are those after the step.
#[test]
fn the_norms_are_those_of_the_step() {
    let (x, y) = rows(64);
    let layers = [dense(None)];
    let initial = Network::new(&layers, N_INPUTS, N_OUTPUTS).expect("a network").initial(4);
    let start: Vec<f64> = initial.iter().map(|w| f64::from(*w)).collect();
    let slope = |at: usize| {
        let moved = |step: f64| {
            let mut w = start.clone();
            w[at] += step;
            mean_squared_error(&w, &x, &y)
        };
        (moved(1e-5) - moved(-1e-5)) / 2e-5
    };
    let gradient = norm((0..start.len()).map(slope));
    assert!(gradient > 0.5, "{gradient}");
    let clips = [None, Some(Clip { global_norm: Some(0.1), ..Clip::default() })];
    for (clip, step) in clips.into_iter().zip([0.01 * gradient, 0.01 * 0.1]) {
        let sgd = SgdSpec { learning_rate: 0.01, clip, ..SgdSpec::default() };
        let fitted = one_epoch(&layers, Some(&initial), (&x, &y), 64, sgd);
        let found = |name: &str| fitted.history.series(name).expect("a series")[0];
        let weights = norm(fitted.parameters.iter().map(|w| f64::from(*w)));
        for (name, expected) in [
            ("train_loss", mean_squared_error(&start, &x, &y)),
            ("grad_norm", gradient),
            ("grad_norm.0", gradient),
            ("weight_norm.0", weights),
            ("update_ratio.0", step / weights),
        ] {
            let found = found(name);
            assert!((found / expected - 1.0).abs() < 1e-4, "{name}: {found}, not {expected}");
        }
    }
}
