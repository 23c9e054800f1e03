//! Real files over HTTP: what a client is told of each is what pandas and pyarrow find in it.
//!
//! Whose files these are, and what `TRAINYARD_CORPUS` is, the test of the reader says
//! (`crates/trainyard-formats/tests/csv_corpus.rs`); the values are its golden ones.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::support::World;

#[derive(Deserialize)]
struct Golden {
    files: BTreeMap<String, Expected>,
}

#[derive(Deserialize)]
struct Expected {
    #[serde(default)]
    rows: usize,
    #[serde(default)]
    types: String,
    #[serde(default)]
    missing: BTreeMap<usize, usize>,
    error: Option<String>,
}

/// What is no table here; the test of the reader says why each is none.
const REFUSED: [&str; 6] = [
    "statsmodels/datasets/macrodata/src/unemp.csv",
    "statsmodels/datasets/scotland/src/scotland_population.csv",
    "statsmodels/discrete/tests/results/poisson_resid.csv",
    "statsmodels/tsa/statespace/tests/results/results_var_R_output.csv",
    "statsmodels/tsa/tests/results/arima212_forecast.csv",
    "statsmodels/tsa/tests/results/results_arima_forecasts.csv",
];

fn letter(column: &Value) -> char {
    match column["type"].as_str().unwrap() {
        "numeric" => 'n',
        "boolean" => 'b',
        "datetime" => 'd',
        "categorical" | "text" => 'w',
        _ => 't',
    }
}

#[test]
fn uploaded_files_are_described_as_pandas_and_pyarrow_read_them() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/trainyard-formats/tests");
    let golden = std::fs::read_to_string(tests.join("golden/csv.json")).unwrap();
    let golden: Golden = serde_json::from_str(&golden).unwrap();
    let all = std::env::var_os("TRAINYARD_CORPUS").map(PathBuf::from);
    let directory = all.clone().unwrap_or_else(|| tests.join("corpus"));
    let world = World::new();
    let (mut n_read, mut n_refused) = (0, 0);
    for (path, expected) in &golden.files {
        let Ok(bytes) = std::fs::read(directory.join(path)) else {
            assert!(all.is_none(), "{path} is not in the corpus");
            continue;
        };
        let answer = world.api.send("/v1/datasets", &[("content-type", "text/csv")], &bytes);
        if expected.error.is_some() || REFUSED.contains(&path.as_str()) {
            let problem = answer.problem(422, "invalid_data");
            assert!(!problem["errors"].as_array().unwrap().is_empty(), "{path}");
            n_refused += 1;
            continue;
        }
        let dataset = answer.expect(201);
        let columns = dataset["columns"].as_array().unwrap();
        let missing: BTreeMap<usize, usize> = columns
            .iter()
            .map(|column| column["n_missing"].as_u64().unwrap() as usize)
            .enumerate()
            .filter(|(_, n_missing)| *n_missing > 0)
            .collect();
        let types: String = columns.iter().map(letter).collect();
        assert_eq!(dataset["n_rows"], expected.rows, "{path}");
        assert_eq!(dataset["n_columns"], expected.types.len(), "{path}");
        assert_eq!((types, missing), (expected.types.clone(), expected.missing.clone()), "{path}");
        n_read += 1;
    }
    let least = if all.is_some() { golden.files.len() } else { 20 };
    assert!(n_read + n_refused >= least, "only {n_read} files are there");
    assert_eq!(
        world.api.get("/v1/datasets?limit=100").expect(200)["data"].as_array().unwrap().len(),
        n_read.min(100)
    );
}
