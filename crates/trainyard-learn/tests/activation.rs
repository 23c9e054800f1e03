//! Activations and their derivatives against PyTorch's on a grid.

mod common;

use std::collections::HashMap;

use common::{golden, variants};
use serde::Deserialize;
use serde_json::Value;
use trainyard_learn::activation::Activation;

/// By how much a value may differ, relative to it: about 30 roundings of single precision, 6e-8 each.
const RELATIVE: f64 = 2e-6;
/// By how much it may differ where it is small, relative to the largest term that it is a sum of: two
/// roundings.
const ABSOLUTE: f64 = 1e-7;

#[derive(Deserialize)]
struct Golden {
    grids: HashMap<String, Grid>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Grid {
    width: usize,
    x: Vec<f32>,
    /// What the gradient by the outputs is.
    dy: Vec<f32>,
}

#[derive(Deserialize)]
struct Case {
    spec: Value,
    grid: String,
    y: Vec<f64>,
    dx: Vec<f64>,
    /// The parameter of `prelu`, and its gradient over the inputs up to ±100.
    slope: Option<f32>,
    slope_gradient: Option<f64>,
}

impl Case {
    fn activation(&self) -> Activation {
        Activation::deserialize(&self.spec).unwrap_or_else(|e| panic!("{}: {e}", self.spec))
    }
}

/// The largest term of small values: what `1 − y²` begins with, or what is added to `elu` to give its
/// derivative.
fn largest_term(activation: &Activation) -> f64 {
    match activation {
        Activation::Elu { alpha } => alpha.max(1.0),
        Activation::Selu => 1.0507 * 1.6733,
        _ => 1.0,
    }
}

/// Where values differ by more than they may, as text.
fn differences<'a>(
    largest_term: f64,
    x: &'a [f32],
    found: &'a [f32],
    expected: &'a [f64],
) -> impl Iterator<Item = String> + 'a {
    assert!(x.len() == expected.len() && x.len() == found.len());
    x.iter().zip(found).zip(expected).filter_map(move |((x, &found), &expected)| {
        let difference = (f64::from(found) - expected).abs();
        // NaN is no less than anything.
        let near = difference <= RELATIVE * expected.abs() + ABSOLUTE * largest_term;
        (!near).then(|| format!("at {x:e}: {found:e}, not {expected:e}"))
    })
}

#[test]
fn every_activation_and_its_derivative_is_pytorchs() {
    let Golden { grids, cases } = golden("activation.json");
    let mut wrong = Vec::new();
    for case in &cases {
        let activation = case.activation();
        let Grid { width, x, dy } = &grids[&case.grid];
        let slope: Vec<f32> = case.slope.into_iter().collect();
        let mut y = vec![f32::NAN; x.len()];
        activation.forward(&mut y, x, *width, &slope);
        let mut dx = vec![f32::NAN; x.len()];
        activation.backward(&mut dx, dy, x, &y, *width, &slope);
        for (what, found, expected) in [("value", &y, &case.y), ("gradient", &dx, &case.dx)] {
            for difference in differences(largest_term(&activation), x, found, expected) {
                wrong.push(format!("{} {what} {difference}", case.spec));
            }
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_gradient_of_a_learned_slope_is_pytorchs() {
    let Golden { grids, cases } = golden("activation.json");
    let mut n_slopes = 0;
    for case in &cases {
        let activation = case.activation();
        let Some(expected) = case.slope_gradient else {
            assert_eq!(activation.n_parameters(), 0, "{}", case.spec);
            continue;
        };
        assert_eq!(activation.n_parameters(), 1);
        let Grid { x, dy, .. } = &grids[&case.grid];
        let (x, dy): (Vec<f32>, Vec<f32>) =
            x.iter().zip(dy).filter(|(x, _)| x.abs() <= 100.0).unzip();
        // It is added to what is there already.
        let mut dslope = [8.0];
        activation.backward_parameters(&mut dslope, &dy, &x);
        let found = f64::from(dslope[0]) - 8.0;
        let terms: f64 = x.iter().zip(&dy).map(|(x, dy)| f64::from(x * dy).abs()).sum();
        assert!((found - expected).abs() < 1e-6 * terms, "{}: {found} {expected}", case.spec);
        n_slopes += 1;
    }
    assert!(n_slopes > 1);
}

#[test]
fn every_activation_has_a_golden_case() {
    let Golden { cases, .. } = golden("activation.json");
    for name in variants::<Activation>() {
        let of_name: Vec<&Case> = cases.iter().filter(|case| case.spec["type"] == *name).collect();
        let n_parameters =
            of_name.first().and_then(|case| case.spec.as_object()).map_or(0, |spec| spec.len() - 1);
        assert!(of_name.len() > n_parameters, "{name}: {} cases", of_name.len());
        let among = Activation::examples()
            .iter()
            .any(|example| serde_json::to_value(example).unwrap()["type"] == *name);
        assert!(among, "{name} is not among the examples");
    }
    for example in Activation::examples() {
        assert!(cases.iter().any(|case| case.activation() == example), "{example:?}");
    }
}
