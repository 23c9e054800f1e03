//! Optimizers against PyTorch's, and what holds for every one of them.

mod common;

use std::ops::Range;

use common::variants;
use serde::Deserialize;
use serde_json::{Value, json};
use trainyard_learn::optim::clip::{self, Clip};
use trainyard_learn::optim::{MAX_SLOTS, OptimizerSpec, State};
use trainyard_learn::schedule::ScheduleSpec;

#[derive(Deserialize)]
struct Golden {
    start: Vec<f32>,
    gradients: Vec<Vec<f32>>,
    optimizers: Vec<Case>,
    clipping: Clipping,
}

#[derive(Deserialize)]
struct Case {
    spec: Value,
    /// After every tenth step.
    weights: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct Clipping {
    lengths: Vec<usize>,
    gradient: Vec<f32>,
    cases: Vec<Clipped>,
}

#[derive(Deserialize)]
struct Clipped {
    clip: Clip,
    clipped: Vec<f32>,
}

#[test]
fn every_optimizer_is_pytorchs() {
    let golden = golden();
    for case in &golden.optimizers {
        let spec = spec(case.spec.clone());
        assert!(spec.check().is_empty(), "{}", case.spec);
        let optimizer = spec.build();
        let mut w = golden.start.clone();
        let mut state = optimizer.new_state(w.len());
        let mut worst = 0.0_f64;
        for (step, g) in golden.gradients.iter().enumerate() {
            // The script halves the learning rate half way.
            let factor = if step < golden.gradients.len() / 2 { 1.0 } else { 0.5 };
            let update = optimizer.begin(&mut state, factor * spec.learning_rate());
            update.apply(&mut w, g, state.slots_mut());
            if (step + 1) % 10 == 0 {
                let expected = &case.weights[step / 10];
                for (i, (&w, &expected)) in w.iter().zip(expected).enumerate() {
                    // What a weight lost in rounding when it was large stays when it is small.
                    let scale = expected.abs().max(golden.start[i].abs());
                    let deviation = f64::from((w - expected).abs() / scale);
                    assert!(deviation < 1e-6, "{} step {step} w[{i}]: {w} {expected}", case.spec);
                    worst = worst.max(deviation);
                }
            }
        }
        println!("{worst:.1e} {}", case.spec);
    }
}

#[test]
fn every_optimizer_is_among_the_examples_and_the_cases() {
    let golden = golden();
    let examples = OptimizerSpec::examples();
    for name in variants::<OptimizerSpec>() {
        assert!(examples.iter().any(|spec| spec.name() == name), "{name} is no example");
        assert!(
            golden.optimizers.iter().any(|case| case.spec["type"] == *name),
            "{name} has no case"
        );
    }
}

#[test]
fn every_clipping_is_pytorchs() {
    let Clipping { lengths, gradient, cases } = golden().clipping;
    let mut tensors: Vec<Range<usize>> = Vec::new();
    for length in lengths {
        let start = tensors.last().map_or(0, |last| last.end);
        tensors.push(start..start + length);
    }
    for case in cases {
        let mut g = gradient.clone();
        case.clip.apply(&mut g, &tensors);
        for (&g, &expected) in g.iter().zip(&case.clipped) {
            assert!(
                (g - expected).abs() <= 5e-7 * expected.abs(),
                "{:?}: {g} {expected}",
                case.clip
            );
        }
    }
}

#[test]
fn a_norm_is_the_same_bits_however_its_blocks_are_shared_out() {
    let g: Vec<f32> = (0..3 * clip::BLOCK + 77).map(|i| (i as f32 * 0.37).sin()).collect();
    let mut sums: Vec<f64> = g.chunks(clip::BLOCK).map(|_| 0.0).collect();
    for first in [1, 0] {
        for i in (first..sums.len()).step_by(2) {
            let end = g.len().min((i + 1) * clip::BLOCK);
            sums[i] = clip::sum_of_squares(&g[i * clip::BLOCK..end]);
        }
    }
    let total: f64 = sums.iter().sum();
    assert_eq!(total.to_bits(), clip::squared_norm(&g).to_bits());
    let naive: f64 = g.iter().map(|&x| f64::from(x).powi(2)).sum();
    assert!((total / naive - 1.0).abs() < 1e-12);
}

#[test]
fn clipping_hides_no_nan() {
    let limits = [Some(1.0), None, None];
    for i in 0..3 {
        let [value, norm, global_norm] = std::array::from_fn(|j| limits[(i + j) % 3]);
        let mut g = [1.0, f32::NAN, 3.0];
        Clip { value, norm, global_norm }.apply(&mut g, &[0..1, 1..3]);
        assert!(g.iter().any(|g| g.is_nan()), "{g:?}");
    }
}

#[test]
fn blocks_do_not_change_a_bit() {
    const N: usize = 150;
    for spec in OptimizerSpec::examples() {
        let optimizer = spec.build();
        let run = |block: usize| {
            let mut w: Vec<f32> = (0..N).map(|i| (i as f32 * 0.7).cos()).collect();
            let mut state = optimizer.new_state(N);
            for step in 0..8 {
                let g: Vec<f32> = (0..N).map(|i| ((i * 8 + step) as f32).sin()).collect();
                let update = optimizer.begin(&mut state, 0.01);
                for start in (0..N).step_by(block) {
                    let range = start..N.min(start + block);
                    let slots: [&mut [f32]; MAX_SLOTS] = state.slots.each_mut().map(|slot| {
                        if slot.is_empty() { &mut **slot } else { &mut slot[range.clone()] }
                    });
                    update.apply(&mut w[range.clone()], &g[range.clone()], slots);
                }
            }
            let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<u32>>();
            (bits(&w), state.slots.each_ref().map(|slot| bits(slot)))
        };
        let whole = run(N);
        for block in [1, 7, 64] {
            assert_eq!(run(block), whole, "{spec:?} in blocks of {block}");
        }
    }
}

#[test]
fn a_state_has_the_slots_it_says() {
    for spec in OptimizerSpec::examples() {
        let optimizer = spec.build();
        let state = optimizer.new_state(5);
        let lengths: Vec<usize> = state.slots.iter().map(|slot| slot.len()).collect();
        let expected: Vec<usize> =
            (0..MAX_SLOTS).map(|i| if i < optimizer.n_slots() { 5 } else { 0 }).collect();
        assert_eq!(lengths, expected, "{spec:?}");
    }
}

#[test]
fn a_state_that_was_saved_goes_on_with_the_same_bits() {
    let golden = golden();
    for spec in OptimizerSpec::examples() {
        let optimizer = spec.build();
        let mut w = golden.start.clone();
        let mut state = optimizer.new_state(w.len());
        let mut steps = golden.gradients.iter();
        for g in steps.by_ref().take(20) {
            optimizer.begin(&mut state, 0.01).apply(&mut w, g, state.slots_mut());
        }
        let text = serde_json::to_string(&state).unwrap();
        let mut restored: State = serde_json::from_str(&text).unwrap();
        assert_eq!(restored, state, "{spec:?}");
        let mut restored_w = w.clone();
        for g in steps {
            optimizer.begin(&mut state, 0.01).apply(&mut w, g, state.slots_mut());
            let update = optimizer.begin(&mut restored, 0.01);
            update.apply(&mut restored_w, g, restored.slots_mut());
        }
        assert_eq!(restored_w, w, "{spec:?}");
    }
}

#[test]
fn nan_gradients_show_in_the_weights_and_zero_gradients_move_none() {
    for spec in OptimizerSpec::examples() {
        let optimizer = spec.build();
        let mut state = optimizer.new_state(3);
        let mut w = [0.0, 1.0, 1.0];
        optimizer.begin(&mut state, 0.01).apply(&mut w, &[0.0, f32::NAN, 1.0], state.slots_mut());
        assert_eq!(w[0], 0.0, "{spec:?}");
        assert!(w[1].is_nan(), "{spec:?}");
        assert!(w[2] < 1.0, "{spec:?}");
    }
}

#[test]
fn a_constant_gradient_never_makes_a_centred_rmsprop_nan() {
    let spec = spec(json!({"type": "rmsprop", "centered": true, "alpha": 0.5}));
    let optimizer = spec.build();
    let g: Vec<f32> = (0..97).map(|i| 0.1 + 0.013 * i as f32).collect();
    let mut w = vec![0.0; g.len()];
    let mut state = optimizer.new_state(g.len());
    for _ in 0..500 {
        optimizer.begin(&mut state, 1e-9).apply(&mut w, &g, state.slots_mut());
    }
    assert!(w.iter().all(|w| w.is_finite()));
}

#[test]
fn every_example_survives_json_and_is_valid() {
    for spec in OptimizerSpec::examples() {
        assert!(spec.check().is_empty(), "{spec:?}");
        let text = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<OptimizerSpec>(&text).unwrap(), spec);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["type"], spec.name());
    }
}

#[test]
fn a_name_alone_has_the_defaults() {
    for spec in OptimizerSpec::examples().into_iter().take(14) {
        assert_eq!(self::spec(json!({"type": spec.name()})), spec);
    }
}

#[test]
fn what_is_out_of_range_is_named() {
    for (fields, pointer) in [
        (json!({"type": "sgd", "learning_rate": 0.0}), "/learning_rate"),
        (json!({"type": "lion", "learning_rate": -1}), "/learning_rate"),
        (json!({"type": "adam", "betas": [1.0, 0.999]}), "/betas/0"),
        (json!({"type": "adamax", "betas": [0.9, -0.1]}), "/betas/1"),
        (json!({"type": "adamw", "weight_decay": -0.01}), "/weight_decay"),
        (json!({"type": "nadam", "eps": 0.0}), "/eps"),
        (json!({"type": "adadelta", "rho": 1.0}), "/rho"),
        (json!({"type": "momentum", "momentum": 1.0}), "/momentum"),
        (json!({"type": "momentum", "dampening": 1.5}), "/dampening"),
        (json!({"type": "nesterov", "momentum": 0.0}), "/momentum"),
        (json!({"type": "rmsprop", "alpha": 1.0}), "/alpha"),
        (json!({"type": "adagrad", "lr_decay": -1.0}), "/lr_decay"),
        (json!({"type": "adam", "clip": {"norm": 0.0}}), "/clip/norm"),
        (json!({"type": "adam", "clip": {}}), "/clip"),
        (
            json!({"type": "adam", "schedule": {"type": "exponential", "gamma": 0.0}}),
            "/schedule/gamma",
        ),
        (
            json!({"type": "adam", "schedule": {"type": "cosine", "eta_min": 0.01}}),
            "/schedule/eta_min",
        ),
    ] {
        let pointers: Vec<String> =
            spec(fields.clone()).check().into_iter().map(|p| p.pointer).collect();
        assert_eq!(pointers, [pointer], "{fields}");
    }
}

#[test]
fn what_is_not_a_number_is_a_problem_and_all_problems_are_told() {
    let OptimizerSpec::Adam(mut adam) = spec(json!({"type": "adam"})) else { unreachable!() };
    adam.learning_rate = f64::NAN;
    adam.betas = [f64::NAN, f64::INFINITY];
    adam.eps = f64::INFINITY;
    let problems = OptimizerSpec::Adam(adam).check();
    let pointers: Vec<&str> = problems.iter().map(|p| p.pointer.as_str()).collect();
    assert_eq!(pointers, ["/learning_rate", "/betas/0", "/betas/1", "/eps"]);
    assert_eq!(problems[0].detail, "learning_rate is NaN; it must be greater than 0");
    assert_eq!(problems[1].detail, "betas is NaN; it must be at least 0 and less than 1");
}

#[test]
fn what_is_unknown_is_refused() {
    for fields in [
        json!({"type": "sdg"}),
        json!({"type": "sgd", "momentum": 0.9}),
        json!({"type": "adam", "lr": 0.1}),
        json!({"type": "adam", "betas": [0.9]}),
        json!({"type": "adam", "clip": {"max_norm": 1.0}}),
        json!({"type": "adam", "schedule": {"type": "cosine", "t_max": 3}}),
        json!({"learning_rate": 0.1}),
    ] {
        assert!(serde_json::from_value::<OptimizerSpec>(fields.clone()).is_err(), "{fields}");
    }
}

/// A function of some parameters, and how low an optimizer must bring it.
struct Landscape {
    name: &'static str,
    start: Vec<f32>,
    value: fn(&[f64]) -> f64,
    gradient: fn(&[f64]) -> Vec<f64>,
    n_steps: u64,
    threshold: f64,
}

fn landscapes() -> [Landscape; 3] {
    [
        Landscape {
            name: "a quadratic, 1000 times as steep one way as another",
            start: vec![0.0; 10],
            value: |w| (0..10).map(|i| 0.5 * steepness(i) * (w[i] - 1.0).powi(2)).sum(),
            gradient: |w| (0..10).map(|i| steepness(i) * (w[i] - 1.0)).collect(),
            n_steps: 5000,
            // 9.3 at the start, and 0.0039 at best with weight decay.
            threshold: 0.01,
        },
        Landscape {
            name: "a logistic loss",
            start: vec![0.0; 3],
            value: |w| {
                rows().map(|(x, y)| (1.0 + (-y * dot(w, &x)).exp()).ln()).sum::<f64>() / 40.0
            },
            gradient: |w| {
                let mut g = vec![0.0; 3];
                for (x, y) in rows() {
                    let slope = -y / (1.0 + (y * dot(w, &x)).exp()) / 40.0;
                    g.iter_mut().zip(x).for_each(|(g, x)| *g += slope * x);
                }
                g
            },
            n_steps: 2000,
            // 0.6931 at the start, 0.4344 at the lowest, 0.4483 where weight decay has its share.
            threshold: 0.45,
        },
        Landscape {
            name: "Rosenbrock's valley",
            start: vec![-1.2, 1.0],
            value: |w| (1.0 - w[0]).powi(2) + 100.0 * (w[1] - w[0] * w[0]).powi(2),
            gradient: |w| {
                let bend = 200.0 * (w[1] - w[0] * w[0]);
                vec![-2.0 * (1.0 - w[0]) - 2.0 * w[0] * bend, bend]
            },
            n_steps: 20_000,
            // 24.2 at the start.
            threshold: 0.01,
        },
    ]
}

fn steepness(i: usize) -> f64 {
    0.01 * 1000.0_f64.powf(i as f64 / 9.0)
}

/// Points of two classes, one in ten of them labelled wrong.
fn rows() -> impl Iterator<Item = ([f64; 3], f64)> {
    (0..40).map(|i| {
        let t = f64::from(i);
        let y = if i % 2 == 0 { 1.0 } else { -1.0 };
        let x = [1.0, (3.1 * t).sin() + y, 4.0 * (1.7 * t).cos() - 2.0 * y];
        (x, if i % 10 == 3 { -y } else { y })
    })
}

fn dot(w: &[f64], x: &[f64]) -> f64 {
    w.iter().zip(x).map(|(w, x)| w * x).sum()
}

fn descend(spec: &OptimizerSpec, learning_rate: f64, landscape: &Landscape) -> f64 {
    let optimizer = spec.build();
    let mut w = landscape.start.clone();
    let mut state = optimizer.new_state(w.len());
    let cosine: ScheduleSpec =
        serde_json::from_value(json!({"type": "cosine"})).expect("a schedule");
    let schedule = cosine.start(learning_rate, 1, landscape.n_steps);
    let wide = |w: &[f32]| w.iter().map(|&w| f64::from(w)).collect::<Vec<f64>>();
    for step in 0..landscape.n_steps {
        let g: Vec<f32> = (landscape.gradient)(&wide(&w)).iter().map(|&g| g as f32).collect();
        let update = optimizer.begin(&mut state, schedule.learning_rate(step));
        update.apply(&mut w, &g, state.slots_mut());
    }
    (landscape.value)(&wide(&w))
}

/// Good learning rates on the three landscapes.
fn tuned(spec: &OptimizerSpec) -> [f64; 3] {
    match spec.name() {
        "gradient_descent" | "sgd" | "minibatch_sgd" => [0.1, 2.0, 0.002],
        "momentum" | "nesterov" => [0.1, 0.5, 0.001],
        "adagrad" => [5.0, 5.0, 0.5],
        "adadelta" => [20.0, 5.0, 0.1],
        "rmsprop" => [0.001, 0.005, 0.0005],
        "adam" | "nadam" => [0.05, 0.05, 0.01],
        "adamw" => [0.2, 0.2, 0.005],
        "amsgrad" => [0.05, 0.1, 0.2],
        "adamax" => [0.1, 0.3, 0.005],
        "lion" => [0.001, 0.01, 0.001],
        name => panic!("no learning rates for {name}"),
    }
}

#[test]
fn every_optimizer_gets_down() {
    for spec in OptimizerSpec::examples() {
        for (landscape, learning_rate) in landscapes().iter().zip(tuned(&spec)) {
            let reached = descend(&spec, learning_rate, landscape);
            assert!(
                reached < landscape.threshold,
                "{spec:?} at {learning_rate}: {reached} on {}",
                landscape.name
            );
        }
    }
}

/// The schema of each variant is one struct's, with a default for every field as the code has it.
#[cfg(feature = "openapi")]
#[test]
fn the_schema_has_the_defaults_of_the_code() {
    use utoipa::{PartialSchema, ToSchema};

    let mut schemas = Vec::new();
    OptimizerSpec::schemas(&mut schemas);
    // Large, in every optimizer, and so collected apart.
    trainyard_learn::schedule::ScheduleSpec::schemas(&mut schemas);
    let schemas: std::collections::HashMap<_, _> = schemas.into_iter().collect();
    let check = |schema: Value, examples: Vec<Value>| {
        for variant in schema["oneOf"].as_array().unwrap() {
            let reference = variant["allOf"][0]["$ref"].as_str().unwrap();
            let fields = serde_json::to_value(&schemas[reference.rsplit('/').next().unwrap()]);
            let fields = fields.unwrap();
            assert_eq!(fields["additionalProperties"], false, "{reference}");
            let name = &variant["allOf"][1]["properties"]["type"]["enum"][0];
            let example = examples.iter().find(|example| &example["type"] == name).unwrap();
            for (field, default) in example.as_object().unwrap() {
                let property = &fields["properties"][field];
                let is_required = fields["required"].as_array().is_some_and(|required| {
                    required.iter().any(|name| name.as_str() == Some(field))
                });
                if field != "type" && !is_required {
                    assert_eq!(property.get("default"), Some(default), "{name} {field}");
                    assert!(property.to_string().contains("description"), "{name} {field}");
                }
            }
        }
    };
    let values = |examples| serde_json::from_value::<Vec<Value>>(examples).unwrap();
    check(
        serde_json::to_value(OptimizerSpec::schema()).unwrap(),
        values(json!(OptimizerSpec::examples())),
    );
    check(
        serde_json::to_value(ScheduleSpec::schema()).unwrap(),
        values(json!(ScheduleSpec::examples())),
    );
}

fn spec(fields: Value) -> OptimizerSpec {
    serde_json::from_value(fields).expect("an optimizer")
}

fn golden() -> Golden {
    common::golden("optim.json")
}
