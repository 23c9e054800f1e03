//! Transforms of targets against scikit-learn's, and what must hold of any.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};
use trainyard_learn::named::Named;
use trainyard_learn::preprocess::{TargetTransform, TargetTransformSpec};

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    spec: Value,
    target: Vec<[f64; 2]>,
    train: Vec<u32>,
    transformed: Vec<[f64; 2]>,
    predictions: Vec<[f64; 2]>,
    /// Null where there is no number.
    inverse: Vec<[Option<f64>; 2]>,
    powers: Option<[Value; 2]>,
}

fn golden() -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/target_transform.json");
    let golden: Golden =
        serde_json::from_slice(&std::fs::read(path).expect("is there")).expect("parses");
    golden.cases
}

fn spec(value: &Value) -> TargetTransformSpec {
    let named: Named<TargetTransformSpec> = serde_json::from_value(value.clone()).expect("reads");
    (*named).clone()
}

fn fit(spec: &TargetTransformSpec, target: &[[f64; 2]], rows: &[u32]) -> TargetTransform {
    let names = ["a".to_owned(), "b".to_owned()];
    spec.fit(target.as_flattened(), &names, rows).expect("fits").expect("is one")
}

impl Case {
    /// With the exponents that scipy found, which agree with ours as far as both searches go.
    fn fitted(&self) -> TargetTransform {
        let fitted = fit(&spec(&self.spec), &self.target, &self.train);
        let Some(powers) = &self.powers else { return fitted };
        let mut value = serde_json::to_value(&fitted).expect("writes");
        for (place, power) in powers.iter().enumerate() {
            for (key, expected) in power.as_object().expect("an object") {
                let found = &mut value["outputs"][place]["scaled"][key];
                let (was, is) = (found.as_f64().expect("a number"), expected.as_f64());
                let is = is.expect("a number");
                assert!((was - is).abs() <= 1e-5 * is.abs().max(1.0), "{key}: {was} and not {is}");
                *found = expected.clone();
            }
        }
        serde_json::from_value(value).expect("reads")
    }
}

fn is_near(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-9 * expected.abs().max(1.0)
        || (found.is_nan() && expected.is_nan())
}

#[test]
fn transforms_and_their_inverses_are_scikit_learns() {
    let cases = golden();
    assert!(cases.len() >= 14);
    let mut n_without = 0;
    for case in &cases {
        let fitted = case.fitted();
        let name = &case.spec;
        for (y, expected) in case.target.iter().zip(&case.transformed) {
            for output in 0..2 {
                let found = fitted.forward(output, y[output]);
                assert!(is_near(found, expected[output]), "{name}: {y:?} {output}: {found}");
            }
        }
        for (z, expected) in case.predictions.iter().zip(&case.inverse) {
            for output in 0..2 {
                let found = fitted.inverse(output, z[output]);
                n_without += usize::from(expected[output].is_none());
                let expected = expected[output].unwrap_or(f64::NAN);
                assert!(is_near(found, expected), "{name}: {z:?} {output}: {found}, {expected}");
            }
        }
    }
    assert!(n_without > 0, "a power must not reach everywhere");
}

#[test]
fn rows_that_are_not_trained_on_change_nothing() {
    for case in golden() {
        let spec = spec(&case.spec);
        let fitted = fit(&spec, &case.target, &case.train);
        let mut other = case.target.clone();
        for (row, y) in other.iter_mut().enumerate() {
            if !case.train.contains(&(row as u32)) {
                *y = [1e6 + row as f64, 0.125];
            }
        }
        assert_eq!(fit(&spec, &other, &case.train), fitted, "{}", case.spec);
        other[case.train[0] as usize] = [1e6, 1e6];
        let is_fitted = case.spec["type"] != "log1p";
        assert_eq!(fit(&spec, &other, &case.train) != fitted, is_fitted, "{}", case.spec);
    }
}

#[test]
fn rows_go_there_and_back_column_by_column() {
    for case in golden() {
        let fitted = case.fitted();
        assert_eq!(fitted.n_outputs(), 2);
        let train: Vec<f64> =
            case.train.iter().flat_map(|row| case.target[*row as usize]).collect();
        let mut found = fitted.transform(train.iter().copied());
        assert!(found.iter().zip(&train).any(|(z, y)| f64::from(*z) != *y), "{}", case.spec);
        fitted.inverse_transform(&mut found);
        // Seven quantiles lose nothing between them; single precision does.
        for (found, y) in found.iter().zip(&train) {
            let error = (f64::from(*found) - y).abs();
            assert!(error <= 1e-4 * y.abs().max(1.0), "{}: {found} and not {y}", case.spec);
        }
    }
}

#[test]
fn amounts_that_have_no_transform_are_named() {
    let of = |value: Value| spec(&value);
    let detail = |spec: &TargetTransformSpec, least| {
        spec.check_column("price", least).map(|problem| problem.detail)
    };
    let log = of(json!("log1p"));
    let expected = "takes amounts above -1, and column \"price\" holds -1";
    assert_eq!(detail(&log, -1.0).as_deref(), Some(expected));
    assert_eq!(detail(&log, -0.999), None);
    let power = of(json!("box_cox"));
    assert!(detail(&power, 0.0).is_some() && detail(&power, 1e-9).is_none());
    assert!(power.fit(&[1.0, -2.0], &["price".into()], &[0, 1]).is_err());
    assert!(power.fit(&[1.0, -2.0], &["price".into()], &[0]).is_ok());
    let huge = of(json!("standard")).fit(&[f64::MAX, f64::MIN], &["price".into()], &[0, 1]);
    assert!(huge.is_err());
    let range = of(json!({"type": "min_max", "feature_range": [1, 0]}));
    assert_eq!(range.check()[0].pointer, "/feature_range");
    assert!(of(json!("none")).fit(&[1.0], &["price".into()], &[0]).expect("fits").is_none());
}

#[test]
fn what_training_rows_come_to_lies_in_the_range() {
    for case in golden() {
        let spec = spec(&case.spec);
        let fitted = fit(&spec, &case.target, &case.train);
        let of_training = |output: usize| case.train.iter().map(move |row| (*row as usize, output));
        for (row, output) in (0..2).flat_map(of_training) {
            let column = || case.train.iter().map(|row| case.target[*row as usize][output]);
            let (least, most) =
                (column().fold(f64::MAX, f64::min), column().fold(f64::MIN, f64::max));
            let (low, high) = spec.range(least, most);
            let found = fitted.forward(output, case.target[row][output]);
            assert!(low - 1e-12 <= found && found <= high + 1e-12, "{}: {found}", case.spec);
        }
    }
}
