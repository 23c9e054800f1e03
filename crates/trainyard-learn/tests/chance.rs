//! What is left to chance while training has the moments that it should: with a million numbers nothing
//! may be further off than five standard deviations of chance. (The seeds are fixed: what passes once
//! passes always.)

use trainyard_learn::init::InitSpec;
use trainyard_learn::kernels::Crew;
use trainyard_learn::losses::LossSpec;
use trainyard_learn::network::{LayerSpec, Network, Pass, Training};
use trainyard_learn::optim::{OptimizerSpec, SgdSpec};
use trainyard_learn::random::stream::Stream;
use trainyard_learn::training::{
    Examples, Fit, GradientNoise, Target, TrainingSpec, Unobserved, fit,
};

const SIDE: usize = 1000;
const N: f64 = (SIDE * SIDE) as f64;
const DEVIATIONS: f64 = 5.0;

fn near(what: &str, found: f64, expected: f64, deviation: f64) {
    let off = (found - expected).abs() / deviation;
    assert!(off < DEVIATIONS, "{what}: {found}, not {expected}: {off:.1} standard deviations off");
}

/// What a layer makes of a million values, and of as many ones that come back; without a batch, to
/// predict.
fn through(layer: &LayerSpec, x: &[f32], batch: Option<u64>) -> (Vec<f32>, Vec<f32>) {
    let network = Network::new(std::slice::from_ref(layer), SIDE, SIDE).expect("a network");
    let mut crew = Crew::new(1);
    let mut tape = network.tape(SIDE, true);
    let training = batch.map(|batch| Training { seed: 5, batch, accumulate: false });
    let mut pass = Pass { n_rows: SIDE, training, crew: &mut crew };
    network.forward(x, &[], &[], &mut tape, &mut pass);
    let (y, dy) = network.outputs_and_gradient(&mut tape, SIDE);
    let y = y.to_vec();
    dy.fill(1.0);
    let mut dx = vec![f32::NAN; x.len()];
    network.backward_to_input(&mut [], &mut dx, x, &[], &mut tape, &mut pass);
    (y, dx)
}

fn share(values: &[f32], is: impl Fn(f32) -> bool) -> f64 {
    values.iter().filter(|value| is(**value)).count() as f64 / values.len() as f64
}

#[test]
fn dropout_leaves_out_its_share_and_makes_up_for_it() {
    let x = vec![3.0; SIDE * SIDE];
    for rate in [0.1, 0.5, 0.8] {
        let layer = LayerSpec::Dropout { rate };
        let deviation = (rate * (1.0 - rate) / N).sqrt();
        let (y, dx) = through(&layer, &x, Some(0));
        near("the share left out", share(&y, |y| y == 0.0), rate, deviation);
        let kept = (1.0 / (1.0 - rate)) as f32;
        let is_kept = |y: f32| (y / (3.0 * kept) - 1.0).abs() < 1e-6;
        assert!(y.iter().all(|y| *y == 0.0 || is_kept(*y)));
        assert!(y.iter().zip(&dx).all(|(y, dx)| (*y - 3.0 * dx).abs() < 1e-5));
        // Another batch leaves out others: as often the same as chance has it.
        let (other, _) = through(&layer, &x, Some(1 << 32));
        let both =
            y.iter().zip(&other).filter(|(y, o)| **y == 0.0 && **o == 0.0).count() as f64 / N;
        near("the share left out twice", both, rate * rate, rate / N.sqrt());
        let (same, _) = through(&layer, &x, None);
        assert!(same == x, "to predict, nothing is left out");
    }
}

#[test]
fn alpha_dropout_keeps_mean_and_variance() {
    let mut stream = Stream::new(8, [1, 1]);
    let x: Vec<f32> = (0..SIDE * SIDE).map(|_| stream.normal() as f32).collect();
    for rate in [0.05, 0.2, 0.5] {
        let (y, dx) = through(&LayerSpec::AlphaDropout { rate }, &x, Some(0));
        let deviation = (rate * (1.0 - rate) / N).sqrt();
        near("the share left out", share(&dx, |dx| dx == 0.0), rate, deviation);
        let moment = |power: i32| y.iter().map(|y| f64::from(*y).powi(power)).sum::<f64>() / N;
        near("the mean", moment(1), 0.0, 1.0 / N.sqrt());
        near("the variance", moment(2), 1.0, ((moment(4) - 1.0) / N).sqrt());
        // All that is left out becomes one value, as if selu's input had been far below zero.
        let out: Vec<f32> = y.iter().zip(&dx).filter(|(_, dx)| **dx == 0.0).map(|p| *p.0).collect();
        assert!(out.iter().all(|y| *y == out[0] && *y < -0.5), "{}", out[0]);
    }
}

/// Weights that nothing else moves, after so many steps.
fn weights(noise: GradientNoise, n_steps: u32) -> Vec<f32> {
    let init = Some(InitSpec::Zeros.into());
    let layers = [LayerSpec::Dense { units: None, bias: false, init }];
    let network = Network::new(&layers, SIDE, SIDE).expect("a network");
    let (x, y) = (vec![0.0; SIDE], vec![0.0; SIDE]);
    let training =
        TrainingSpec { epochs: n_steps, gradient_noise: Some(noise), ..TrainingSpec::default() };
    let spec = Fit {
        network: &network,
        loss: &LossSpec::Mse,
        optimizer: &OptimizerSpec::Sgd(SgdSpec { learning_rate: 1.0, ..SgdSpec::default() }),
        training: &training,
        batch_size: 1,
        scorers: &[],
        seed: 2,
        initial: None,
    };
    let examples = Examples {
        x: (&x).into(),
        target: Target::Values { values: &y, n_outputs: SIDE },
        weights: None,
        class_weights: None,
        train: &[0],
        validation: &[],
    };
    let fitted = fit(&spec, &examples, &mut Crew::new(1), &mut Unobserved).expect("a fit");
    fitted.parameters.to_vec()
}

#[test]
fn gradient_noise_has_its_variance_which_falls() {
    let noise = GradientNoise { eta: 0.3, gamma: 0.55 };
    let mut before = vec![0.0; SIDE * SIDE];
    let mut first = Vec::new();
    for step in 0..4_u32 {
        let after = weights(noise, step + 1);
        let drawn: Vec<f64> =
            after.iter().zip(&before).map(|(a, b)| f64::from(*b) - f64::from(*a)).collect();
        let variance = noise.eta / (1.0 + f64::from(step)).powf(noise.gamma);
        let mean = drawn.iter().sum::<f64>() / N;
        let found = drawn.iter().map(|d| d * d).sum::<f64>() / N;
        near("the mean", mean, 0.0, (variance / N).sqrt());
        near("the variance", found, variance, variance * (2.0 / N).sqrt());
        if step == 0 {
            first = drawn;
        } else {
            let product = drawn.iter().zip(&first).map(|(a, b)| a * b).sum::<f64>() / N;
            near("the covariance with the first", product, 0.0, (variance * noise.eta / N).sqrt());
        }
        before = after;
    }
}
