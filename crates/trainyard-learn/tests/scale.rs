//! Scaling against scikit-learn's.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use trainyard_learn::scale::StandardScaler;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    n_features: usize,
    x: Vec<f64>,
    rows: Vec<u32>,
    mean: Vec<f64>,
    scale: Vec<f64>,
    scaled: Vec<f64>,
}

#[test]
fn means_and_deviations_are_scikit_learns() {
    for (index, case) in golden().cases.iter().enumerate() {
        let found = StandardScaler::fit(&case.x, case.n_features, &case.rows);
        for column in 0..case.n_features {
            let (mean, scale) = (case.mean[column], case.scale[column]);
            // A mean near 0 is only as exact as the values that it is of.
            let mean_error = (found.mean[column] - mean).abs() / mean.abs().max(scale);
            let scale_error = (found.scale[column] / scale - 1.0).abs();
            assert!(mean_error <= 1e-12, "case {index}, mean {column}: {mean_error:e}");
            assert!(scale_error <= 1e-12, "case {index}, scale {column}: {scale_error:e}");
            assert_eq!(found.scale[column] == 1.0, scale == 1.0, "case {index}, column {column}");
        }
    }
}

#[test]
fn scaled_rows_are_scikit_learns() {
    for (index, Case { n_features, x, mean, scale, scaled, .. }) in
        golden().cases.into_iter().enumerate()
    {
        let scaler = StandardScaler { mean, scale };
        let mut exact = vec![0.0; n_features];
        let mut single = vec![0.0; n_features];
        let n_rows = x.len() / n_features;
        for (row, expected) in x.chunks_exact(n_features).zip(scaled.chunks_exact(n_features)) {
            scaler.transform_exact(&mut exact, row);
            assert_eq!(exact, expected, "case {index}");
            scaler.transform_row(&mut single, row);
            let rounded: Vec<f32> = expected.iter().map(|value| *value as f32).collect();
            assert_eq!(single, rounded, "case {index}");
        }
        let backwards: Vec<u32> = (0..n_rows as u32).rev().collect();
        let mut all = vec![0.0; x.len()];
        scaler.transform_rows(&mut all, &x, &backwards);
        let rounded: Vec<f32> =
            scaled.chunks_exact(n_features).rev().flatten().map(|value| *value as f32).collect();
        assert_eq!(all, rounded, "case {index}");
    }
}

#[test]
fn of_nothing_nothing_is_scaled() {
    let scaler = StandardScaler::fit(&[1.0, 2.0], 2, &[]);
    assert_eq!(scaler, StandardScaler { mean: vec![0.0; 2], scale: vec![1.0; 2] });
    let without_columns = StandardScaler::fit(&[], 0, &[0, 1]);
    without_columns.transform_rows(&mut [], &[], &[0, 1]);
    assert!(without_columns.mean.is_empty());
}

#[test]
fn a_scaler_is_read_as_it_was_written() {
    let scaler = StandardScaler::fit(&[0.1, 5.0, 0.7, 1e-9], 2, &[0, 1]);
    let written = serde_json::to_string(&scaler).expect("serializes");
    assert_eq!(serde_json::from_str::<StandardScaler>(&written).expect("parses"), scaler);
}

fn golden() -> Golden {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/scale.json");
    let text = fs::read_to_string(path).expect("the golden file");
    serde_json::from_str(&text).expect("the golden file's form")
}
