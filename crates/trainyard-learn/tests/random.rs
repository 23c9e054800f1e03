//! `RandomState` against draws recorded from numpy, bit for bit.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use serde_json::{Value, json};
use trainyard_learn::random::RandomState;

#[test]
fn draws_what_numpy_draws() {
    let golden: Value = serde_json::from_str(include_str!("golden/random.json")).unwrap();
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 6);
    for case in cases {
        let seed = u32::try_from(case["seed"].as_u64().unwrap()).unwrap();
        let mut random = RandomState::new(seed);
        let calls = case["calls"].as_array().unwrap();
        assert!(calls.len() > 70);
        for (index, call) in calls.iter().enumerate() {
            let drawn = make_call(&mut random, call);
            let expected = match &call["value"] {
                Value::String(float) => exactly(float.parse().unwrap()),
                other => other.clone(),
            };
            assert_eq!(drawn, expected, "seed {seed}, call {index}: {call}");
        }
    }
}

#[test]
fn a_clone_continues_with_the_same_numbers() {
    let mut original = RandomState::new(3);
    original.standard_normal();
    let mut clone = original.clone();
    for _ in 0..700 {
        assert_eq!(original.standard_normal().to_bits(), clone.standard_normal().to_bits());
    }
}

#[test]
fn impossible_requests_draw_nothing() {
    let mut random = RandomState::new(5);
    assert_eq!(random.randint(4, 4), 4);
    assert_eq!(random.randint(4, -4), 4);
    assert_eq!(random.choice(0, 3), Vec::<usize>::new());
    assert_eq!(random.choice_weighted(0, 3, &[]), Vec::<usize>::new());
    assert_eq!(random.next_u32(), RandomState::new(5).next_u32());

    assert_eq!(random.choice_without_replacement(4, 9).len(), 4);
    // Weights that are no probabilities still give valid indices.
    for p in [[0.0, 0.0], [f64::NAN, 1.0], [-1.0, 0.5]] {
        assert!(random.choice_weighted(2, 50, &p).iter().all(|&drawn| drawn < 2));
    }
}

fn make_call(random: &mut RandomState, call: &Value) -> Value {
    let arguments = &call["arguments"];
    let float = |i: usize| arguments[i].as_f64().unwrap();
    let integer = |i: usize| arguments[i].as_i64().unwrap();
    let size = |i: usize| usize::try_from(integer(i)).unwrap();
    match call["method"].as_str().unwrap() {
        "next_u32" => json!(random.next_u32()),
        "random_sample" => exactly(random.random_sample()),
        "standard_normal" => exactly(random.standard_normal()),
        "uniform" => exactly(random.uniform(float(0), float(1))),
        "randint" => json!(random.randint(integer(0), integer(1))),
        "shuffle" => {
            let mut items: Vec<usize> = (0..size(0)).collect();
            random.shuffle(&mut items);
            json!(items)
        }
        "permutation" => json!(random.permutation(size(0))),
        "choice" => json!(random.choice(size(0), size(1))),
        "choice_without_replacement" => {
            json!(random.choice_without_replacement(size(0), size(1)))
        }
        "choice_weighted" => {
            let p: Vec<f64> = serde_json::from_value(arguments[2].clone()).unwrap();
            json!(random.choice_weighted(size(0), size(1), &p))
        }
        "skip_samples" => {
            (0..size(0)).for_each(|_| {
                random.random_sample();
            });
            Value::Null
        }
        "skip_normals" => {
            (0..size(0)).for_each(|_| {
                random.standard_normal();
            });
            Value::Null
        }
        other => panic!("the golden file names a method {other}"),
    }
}

/// A float in a form that only the same bits equal.
fn exactly(value: f64) -> Value {
    json!(value.to_bits())
}
