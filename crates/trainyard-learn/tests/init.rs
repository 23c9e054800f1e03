//! What weights begin with: drawn from what PyTorch draws from, and chosen as documented.

mod common;

use common::{golden, variants};
use serde::Deserialize;
use serde_json::{Value, json};
use trainyard_learn::activation::Activation;
use trainyard_learn::init::InitSpec;
use trainyard_learn::network::{LayerSpec, Network};
use trainyard_learn::random::stream::Stream;

#[derive(Deserialize)]
struct Golden {
    /// Shares of the standard normal distribution, and below what they lie.
    normal_quantiles: Vec<(f64, f64)>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    spec: Value,
    inputs: usize,
    outputs: usize,
    activation: Value,
    drawn_from: Distribution,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Distribution {
    Uniform { low: f64, high: f64 },
    Normal { mean: f64, std: f64 },
    Orthogonal { squared_gain: f64 },
    Constant { value: f32 },
}

impl Case {
    fn spec(&self) -> InitSpec {
        InitSpec::deserialize(&self.spec).unwrap_or_else(|e| panic!("{}: {e}", self.spec))
    }

    fn name(&self) -> String {
        format!("{} before {}, {} × {}", self.spec, self.activation, self.inputs, self.outputs)
    }

    fn weights(&self, seed: u64) -> Vec<f32> {
        let activation = Activation::deserialize(&self.activation).expect("an activation");
        let mut w = vec![f32::NAN; self.inputs * self.outputs];
        let mut stream = Stream::new(seed, [3, 0]);
        self.spec().fill(&mut w, self.inputs, self.outputs, &activation, &mut stream);
        w
    }
}

/// Compares values with a distribution of this mean and deviation, whose fourth central moment is
/// `kurtosis` times the deviation's fourth power and whose quantiles are given. Nothing may be further
/// off than five standard deviations of chance (the seed is fixed: what passes once passes always).
fn compare(name: &str, values: &[f64], (mean, std, kurtosis): (f64, f64, f64), q: &[(f64, f64)]) {
    const DEVIATIONS: f64 = 5.0;
    let n = values.len() as f64;
    let average =
        |f: &dyn Fn(f64) -> f64| values.iter().map(|v| f((v - mean) / std)).sum::<f64>() / n;
    let off = average(&|v| v) * n.sqrt();
    assert!(off.abs() < DEVIATIONS, "{name}: the mean is {off} deviations off");
    let off = (average(&|v| v * v) - 1.0) * (n / (kurtosis - 1.0)).sqrt();
    assert!(off.abs() < DEVIATIONS, "{name}: the variance is {off} deviations off");
    // Neighbours of a row have nothing to do with each other.
    let products = values.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean) / (std * std));
    let off = products.sum::<f64>() / n.sqrt();
    assert!(off.abs() < DEVIATIONS, "{name}: neighbours correlate by {off} deviations");

    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mut furthest = 0.0_f64;
    for (share, quantile) in q {
        let below = sorted.partition_point(|v| v < quantile) as f64 / n;
        // Where the distribution is thin, so is what chance may do.
        let off = (below - share) / (share * (1.0 - share) / n).sqrt();
        assert!(off.abs() < DEVIATIONS, "{name}: {below} lie below {quantile}, not {share}");
        furthest = furthest.max((below - share).abs());
    }
    // Kolmogorov's statistic: 2.2 is passed by chance once in ten thousand times.
    assert!(furthest * n.sqrt() < 2.2, "{name}: the distribution is off by {furthest}");
}

fn check_uniform(case: &Case, low: f64, high: f64) {
    let w = case.weights(1);
    let (least, most) = w.iter().fold((f32::MAX, f32::MIN), |(a, b), w| (a.min(*w), b.max(*w)));
    assert!(least >= low as f32 && most <= high as f32, "{}: {least} to {most}", case.name());
    // Of 200,000 values some lie this near to the ends, but for once in 10^8 times.
    let margin = 1e-4 * (high - low);
    let reached = f64::from(least) < low + margin && f64::from(most) > high - margin;
    assert!(reached, "{}: only {least} to {most}", case.name());
    let quantiles: Vec<(f64, f64)> =
        (1..200).map(|i| f64::from(i) / 200.0).map(|p| (p, low + p * (high - low))).collect();
    let values: Vec<f64> = w.into_iter().map(f64::from).collect();
    let moments = (f64::midpoint(low, high), (high - low) / 12.0_f64.sqrt(), 1.8);
    compare(&case.name(), &values, moments, &quantiles);
}

fn check_normal(case: &Case, mean: f64, std: f64, quantiles: &[(f64, f64)]) {
    let quantiles: Vec<(f64, f64)> =
        quantiles.iter().map(|(share, quantile)| (*share, mean + std * quantile)).collect();
    let values: Vec<f64> = case.weights(1).into_iter().map(f64::from).collect();
    // Of 200,000 values one lies beyond four deviations, but for once in 10^5 times, and none beyond
    // six: the tails are not cut off.
    let furthest = values.iter().fold(0.0_f64, |most, v| most.max((v - mean).abs() / std));
    assert!((4.0..6.0).contains(&furthest), "{}: up to {furthest} deviations", case.name());
    compare(&case.name(), &values, (mean, std, 3.0), &quantiles);
}

/// The products of all rows with each other, or of all columns where they are fewer.
fn check_orthogonal(case: &Case, squared_gain: f64) {
    let (rows, cols) = (case.inputs, case.outputs);
    let w = case.weights(1);
    let at = |vector: usize, place: usize| {
        f64::from(if rows <= cols { w[vector * cols + place] } else { w[place * cols + vector] })
    };
    for a in 0..rows.min(cols) {
        for b in 0..rows.min(cols) {
            let product: f64 = (0..rows.max(cols)).map(|place| at(a, place) * at(b, place)).sum();
            let expected = if a == b { squared_gain } else { 0.0 };
            // Each weight is rounded to single precision, by at most 6e-8 of it.
            let error = (product - expected).abs() / squared_gain;
            assert!(error < 2e-7, "{}: {a}·{b} is {product}, not {expected}", case.name());
        }
    }
}

/// What would take minutes is refused, with the way out; a wide layer is not.
#[test]
fn an_orthogonal_matrix_has_a_largest_size() {
    let orthogonal = InitSpec::Orthogonal { gain: 1.0 };
    assert_eq!(orthogonal.check_shape(2048, 4096), None);
    assert_eq!(InitSpec::LecunNormal.check_shape(20_000, 20_000), None);
    let problem = orthogonal.check_shape(20_000, 20_000).expect("a problem");
    assert!(problem.suggestion.is_some_and(|way_out| way_out.contains("lecun_normal")));
}

#[test]
fn weights_are_drawn_from_what_pytorch_draws_from() {
    let Golden { normal_quantiles, cases } = golden("init.json");
    for case in &cases {
        assert!(case.spec().check().is_empty(), "{}", case.name());
        match &case.drawn_from {
            Distribution::Uniform { low, high } => check_uniform(case, *low, *high),
            Distribution::Normal { mean, std } => {
                check_normal(case, *mean, *std, &normal_quantiles);
            }
            Distribution::Orthogonal { squared_gain } => check_orthogonal(case, *squared_gain),
            Distribution::Constant { value } => {
                assert!(case.weights(1).iter().all(|w| w == value), "{}", case.name());
            }
        }
    }
}

/// Over many draws: no entry of an orthogonal matrix leans to a sign, all are as large, and it mirrors
/// as often as it turns. (Householder's method without a choice of signs would lean.)
#[test]
fn orthogonal_matrices_are_drawn_from_all_alike() {
    const N: u64 = 4000;
    let case = Case {
        spec: json!({"type": "orthogonal"}),
        inputs: 2,
        outputs: 2,
        activation: json!({"type": "relu"}),
        drawn_from: Distribution::Orthogonal { squared_gain: 1.0 },
    };
    let (mut sums, mut squares, mut turns) = ([0.0; 4], [0.0; 4], 0.0);
    for seed in 0..N {
        let w: Vec<f64> = case.weights(seed).into_iter().map(f64::from).collect();
        for at in 0..4 {
            sums[at] += w[at];
            squares[at] += w[at] * w[at];
        }
        turns += w[0] * w[3] - w[1] * w[2];
    }
    let n = N as f64;
    // An entry is the cosine of a uniform angle: of variance 1/2, and its square of 1/8.
    for at in 0..4 {
        assert!(sums[at].abs() < 5.0 * (n / 2.0).sqrt(), "{at}: {}", sums[at]);
        assert!((squares[at] - n / 2.0).abs() < 5.0 * (n / 8.0).sqrt(), "{at}: {}", squares[at]);
    }
    assert!(turns.abs() < 5.0 * n.sqrt(), "{turns}");
}

#[test]
fn every_initialisation_has_a_golden_case_and_every_activation_a_gain() {
    let Golden { cases, .. } = golden("init.json");
    for name in variants::<InitSpec>() {
        assert!(cases.iter().any(|case| case.spec["type"] == *name), "{name}");
        let among = |spec: &InitSpec| serde_json::to_value(spec).unwrap()["type"] == *name;
        assert!(InitSpec::examples().iter().any(among), "{name} is not among the examples");
    }
    for name in variants::<Activation>() {
        for he in ["he_uniform", "he_normal", "kaiming_uniform", "kaiming_normal"] {
            let before = |case: &&Case| case.spec["type"] == he && case.activation["type"] == *name;
            assert!(cases.iter().any(|case| before(&case)), "{he} before {name}");
        }
    }
}

/// What the documentation of `MlpSpec::init` says, with the kin of relu named.
fn documented(activation: &str) -> InitSpec {
    match activation {
        "relu" | "leaky_relu" | "prelu" | "elu" | "gelu" | "silu" | "mish" | "softplus"
        | "hard_swish" => InitSpec::HeUniform,
        "selu" => InitSpec::LecunNormal,
        "softsign" | "tanh" | "sigmoid" | "hard_sigmoid" | "identity" | "softmax" => {
            InitSpec::XavierUniform
        }
        other => panic!("what suits {other} is not documented"),
    }
}

#[test]
fn the_default_is_chosen_from_the_activation_that_follows() {
    for name in variants::<Activation>() {
        let activation = Activation::deserialize(json!({"type": name})).unwrap();
        let expected = documented(&name);
        assert_eq!(InitSpec::for_activation(&activation), expected, "{name}");

        let layers = |first: Option<InitSpec>, last: Option<InitSpec>| {
            let dense = |units: Option<u32>, init: Option<InitSpec>| LayerSpec::Dense {
                units,
                bias: true,
                init: init.map(Into::into),
            };
            let activation = LayerSpec::Activation { activation: activation.clone().into() };
            // What lies between a dense layer and its activation does not matter.
            let between = [LayerSpec::batch_norm(), LayerSpec::Dropout { rate: 0.5 }];
            let mut layers = vec![dense(Some(30), first)];
            layers.extend(between);
            layers.extend([activation, dense(None, last)]);
            layers
        };
        let chosen = layers(None, None);
        let named = layers(Some(expected.clone()), Some(InitSpec::XavierUniform));
        assert_eq!(Network::resolve(&chosen, 3)[0], named[0], "{name}");
        let network = |layers: &[LayerSpec]| Network::new(layers, 20, 3).expect("a network");
        let (chosen, named) = (network(&chosen), network(&named));
        assert_eq!(chosen.initial(5), named.initial(5), "{name}");

        // The gain is that of the activation that follows, too.
        let first = chosen.weights().next().expect("weights").range.clone();
        let found = &chosen.initial(5)[first];
        let most = found.iter().fold(0.0_f64, |most, w| most.max(f64::from(w.abs())));
        let golden: Golden = golden("init.json");
        let Some(gain) = golden.cases.iter().find_map(|case| match case.drawn_from {
            Distribution::Uniform { high, .. }
                if case.spec["type"] == "he_uniform"
                    && Activation::deserialize(&case.activation).ok()? == activation =>
            {
                Some(high * (case.inputs as f64 / 3.0).sqrt())
            }
            _ => None,
        }) else {
            panic!("no gain of {name}")
        };
        let bound = match expected {
            InitSpec::HeUniform => gain * (3.0_f64 / 20.0).sqrt(),
            InitSpec::XavierUniform => (6.0_f64 / 50.0).sqrt(),
            _ => continue,
        };
        assert!(most <= bound && most > 0.97 * bound, "{name}: {most} of {bound}");
    }
}
