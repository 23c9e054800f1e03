//! Real files: every CSV that scikit-learn, statsmodels and vega_datasets ship, against what pandas
//! and pyarrow find in them.
//!
//! `TRAINYARD_CORPUS` names the directory with the packages (`site-packages`); without it the small
//! files that are kept in `tests/corpus` are read, which is said there to be allowed. The golden
//! values are made by `tests/golden/make_csv.py`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};
use trainyard_formats::csv::{self, CsvLimits, CsvOptions, CsvTable};
use trainyard_learn::table::{MISSING_CODE, MISSING_TIME, Values};

#[derive(Deserialize)]
struct Golden {
    files: BTreeMap<String, Expected>,
}

#[derive(Deserialize)]
struct Expected {
    sha256: String,
    #[serde(default)]
    rows: usize,
    #[serde(default)]
    types: String,
    #[serde(default)]
    missing: BTreeMap<usize, usize>,
    error: Option<String>,
}

/// What is found in a file, in a line.
fn shown(rows: usize, types: &str, missing: &BTreeMap<usize, usize>) -> String {
    format!("{rows} rows, {types}, missing {missing:?}")
}

fn found(bytes: &[u8]) -> String {
    let limits = CsvLimits::default();
    match csv::read(bytes, &CsvOptions::default(), &limits, 2) {
        Ok(CsvTable { table, .. }) => {
            let types: String = table.columns().iter().map(|c| letter(&c.values)).collect();
            let missing = table.columns().iter().map(|c| n_missing(&c.values)).enumerate();
            shown(table.n_rows(), &types, &missing.filter(|(_, n)| *n > 0).collect())
        }
        Err(csv::CsvError::Invalid(problems)) => {
            format!("{} problems, first {}", problems.len(), problems[0].detail)
        }
        Err(error) => panic!("{error}"),
    }
}

fn letter(values: &Values) -> char {
    match values {
        Values::Numeric(_) => 'n',
        Values::Boolean(_) => 'b',
        Values::Datetime(_) => 'd',
        Values::Categorical { .. } | Values::Text(_) => 'w',
        Values::Tensor { .. } => 't',
    }
}

fn n_missing(values: &Values) -> usize {
    match values {
        Values::Numeric(rows) => rows.iter().filter(|value| value.is_nan()).count(),
        Values::Boolean(rows) => rows.iter().filter(|value| value.is_none()).count(),
        Values::Datetime(rows) => rows.iter().filter(|time| **time == MISSING_TIME).count(),
        Values::Categorical { codes, .. } => codes.iter().filter(|c| **c == MISSING_CODE).count(),
        Values::Text(rows) => rows.iter().filter(|text| text.is_none()).count(),
        Values::Tensor { .. } => 0,
    }
}

#[test]
fn files_that_packages_ship_are_read_as_pandas_and_pyarrow_read_them() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let golden = std::fs::read_to_string(tests.join("golden/csv.json")).unwrap();
    let golden: Golden = serde_json::from_str(&golden).unwrap();
    let all = std::env::var_os("TRAINYARD_CORPUS").map(PathBuf::from);
    let directory = all.clone().unwrap_or_else(|| tests.join("corpus"));
    let mut n_files = 0;
    let mut wrong = Vec::new();
    for (path, expected) in &golden.files {
        let Ok(bytes) = std::fs::read(directory.join(path)) else {
            assert!(all.is_none(), "{path} is not in the corpus");
            continue;
        };
        n_files += 1;
        let digest: String =
            Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, expected.sha256, "{path} is another version");
        let by_pandas = expected
            .error
            .clone()
            .unwrap_or_else(|| shown(expected.rows, &expected.types, &expected.missing));
        let by_us = found(&bytes);
        let known = DIFFERENT.iter().find(|(name, ..)| name == path);
        let wanted = known.map_or(by_pandas.as_str(), |(_, found, _)| found);
        if by_us != wanted {
            wrong.push(format!("{path}\n   found {by_us}\n  wanted {wanted}"));
        }
        assert!(known.is_none() || by_us != by_pandas, "{path} is no longer different");
    }
    assert!(wrong.is_empty(), "{} of {n_files}:\n{}", wrong.len(), wrong.join("\n"));
    let least = if all.is_some() { golden.files.len() } else { 20 };
    assert!(n_files >= least, "only {n_files} files are there");
}

/// What we find where pandas finds something else, and why we do.
const DIFFERENT: &[(&str, &str, &str)] = &[
    (
        "statsmodels/datasets/macrodata/src/unemp.csv",
        "21 problems, first row 6 (line 10) has 5 fields, where the header has 1",
        "eight lines of description before the table; pandas refuses it as well, at another line",
    ),
    (
        "statsmodels/datasets/scotland/src/scotland_population.csv",
        "21 problems, first row 11 (line 16) has 1 field, where the header has 2",
        "several tables in one file; pandas refuses it as well, at another line",
    ),
    (
        "statsmodels/discrete/tests/results/poisson_resid.csv",
        "1 problems, first 20190 columns, more than the limit of 10000",
        "one row of 20190 columns is more than the limit",
    ),
    (
        "statsmodels/tsa/statespace/tests/results/results_var_R_output.csv",
        "21 problems, first two columns are named \"basic.fevd.dln_inv\"",
        "a name twice is an error, where pandas makes another name",
    ),
    (
        "statsmodels/tsa/tests/results/arima212_forecast.csv",
        "21 problems, first row 2 (line 3) has 5 fields, where the header has 6",
        "a row that is too short is an error, where pandas fills it up",
    ),
    (
        "statsmodels/tsa/tests/results/results_arima_forecasts.csv",
        "1 problems, first two columns are named \"fc211ncdynconf2\"",
        "a name twice is an error, where pandas makes another name",
    ),
];
