//! A preparation needs memory for a block of rows, however many features a category has.

use std::convert::Infallible;
use std::fs;

use trainyard_learn::preprocess::{
    ColumnOptions, ColumnSpec, EncodeSpec, PreprocessSpec, PreprocessTarget, Preprocessor,
    TargetSpec,
};
use trainyard_learn::table::{Column, Values};

const N_ROWS: usize = 40_000;
const N_CATEGORIES: usize = 1_000;

/// What the process has had in memory at most, in megabytes; 0 where the system does not tell.
fn peak_megabytes() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|rest| rest.split_whitespace().next()?.parse::<usize>().ok());
    peak.unwrap_or_default() >> 10
}

/// A category of a thousand words, and one of two that is encoded by the target.
fn columns() -> Vec<Column> {
    let category = |name: &str, n: usize| Column {
        name: name.to_owned(),
        values: Values::Categorical {
            codes: (0..N_ROWS).map(|row| (row * 7919 % n) as u32).collect(),
            categories: (0..n).map(|word| format!("w{word}")).collect(),
        },
    };
    vec![category("many", N_CATEGORIES), category("two", 2)]
}

#[test]
fn a_variance_filter_and_a_target_encoding_take_rows_by_blocks() {
    let columns = columns();
    let columns: Vec<&Column> = columns.iter().collect();
    let rows: Vec<u32> = (0..N_ROWS as u32).collect();
    let amounts: Vec<f64> = rows.iter().map(|row| f64::from(row % 97)).collect();
    let by_target = ColumnSpec::Options(Box::new(ColumnOptions {
        encode: Some(EncodeSpec::Target(TargetSpec::default()).into()),
        ..ColumnOptions::default()
    }));
    let spec = PreprocessSpec {
        variance_threshold: Some(0.0),
        columns: [("two".to_owned(), by_target)].into(),
        ..PreprocessSpec::default()
    };
    let before = peak_megabytes();
    let target = Some(PreprocessTarget::Values(&amounts));
    let (preprocessor, _, training) =
        Preprocessor::fit_training(&spec, &columns, &rows, target, 3).expect("is fitted");
    assert_eq!(preprocessor.n_features(), N_CATEGORIES + 1);
    let (mut n_values, mut sum) = (0, 0.0);
    let Ok(_) = preprocessor.transform_training(&columns, &rows, &training, |features| {
        n_values += features.len();
        sum += features.iter().sum::<f64>();
        Ok::<_, Infallible>(())
    });
    let grown = peak_megabytes() - before;
    assert_eq!(n_values, N_ROWS * (N_CATEGORIES + 1));
    // One 1 a row, and about the mean of the target.
    let mean = amounts.iter().sum::<f64>() / N_ROWS as f64;
    assert!((sum / N_ROWS as f64 - 1.0 - mean).abs() < 0.1, "{sum}");
    // All of it would take 320 MB.
    assert!(grown < 64, "{grown} MB");
}
