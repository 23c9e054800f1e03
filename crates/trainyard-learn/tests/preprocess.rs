//! Preparation against scikit-learn's and pandas', and what must hold of any.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use trainyard_learn::named::Named;
use trainyard_learn::preprocess::scale::{OutputDistribution, PowerMethod, ScaleSpec};
use trainyard_learn::preprocess::{
    Analyzer, CategoricalImpute, DatetimeImpute, DatetimePart, DropCategory, EncodeSpec, Norm,
    NumericImpute, PreprocessSpec, PreprocessTarget, Preprocessor, TreatAs, UnseenCategory,
};
use trainyard_learn::table::{Column, ColumnType, MISSING_CODE, MISSING_TIME, Values};

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    spec: Value,
    columns: Vec<GoldenColumn>,
    train: Vec<u32>,
    target: Option<GoldenTarget>,
    seed: Option<u32>,
    names: Option<Vec<String>>,
    /// The features of all rows.
    all: Option<Vec<Vec<Option<f64>>>>,
    /// The same without their zeros.
    sparse: Option<Vec<BTreeMap<usize, f64>>>,
    n_features: Option<usize>,
    /// The features of the training rows where they are others.
    training: Option<Vec<Vec<Option<f64>>>>,
    power: Option<BTreeMap<String, f64>>,
}

#[derive(Deserialize)]
struct GoldenColumn {
    name: String,
    #[serde(rename = "type")]
    column_type: ColumnType,
    values: Vec<Value>,
}

#[derive(Deserialize)]
struct GoldenTarget {
    classes: Option<Vec<u32>>,
    n_classes: Option<usize>,
    values: Option<Vec<f64>>,
}

impl GoldenTarget {
    fn get(&self) -> PreprocessTarget<'_> {
        match (&self.classes, &self.values) {
            (Some(classes), _) => {
                PreprocessTarget::Classes { classes, n_classes: self.n_classes.expect("a number") }
            }
            (None, Some(values)) => PreprocessTarget::Values(values),
            (None, None) => panic!("a target has values"),
        }
    }
}

impl GoldenColumn {
    fn get(&self) -> Column {
        let all = &self.values;
        let values = match self.column_type {
            ColumnType::Numeric => {
                Values::Numeric(all.iter().map(|v| v.as_f64().unwrap_or(f64::NAN)).collect())
            }
            ColumnType::Boolean => Values::Boolean(all.iter().map(Value::as_bool).collect()),
            ColumnType::Categorical => {
                categories(&all.iter().map(Value::as_str).collect::<Vec<_>>())
            }
            ColumnType::Datetime => {
                Values::Datetime(all.iter().map(|v| v.as_i64().unwrap_or(MISSING_TIME)).collect())
            }
            ColumnType::Text => {
                Values::Text(all.iter().map(|v| v.as_str().map(Into::into)).collect())
            }
            ColumnType::Tensor => {
                let flat = |row: &Value| -> Vec<f32> {
                    let row = row.as_array().expect("an array");
                    row.iter().map(|v| v.as_f64().expect("a number") as f32).collect()
                };
                Values::Tensor { shape: vec![2, 3], values: all.iter().flat_map(flat).collect() }
            }
        };
        Column { name: self.name.clone(), values }
    }
}

impl Case {
    fn spec(&self) -> PreprocessSpec {
        serde_json::from_value(self.spec.clone()).expect(&self.name)
    }

    fn expected(&self, row: usize) -> Vec<f64> {
        if let Some(all) = &self.all {
            return all[row].iter().map(|value| value.unwrap_or(f64::NAN)).collect();
        }
        let sparse = &self.sparse.as_ref().expect("features")[row];
        let width = self.n_features.expect("a width");
        (0..width).map(|i| sparse.get(&i).copied().unwrap_or(0.0)).collect()
    }
}

fn golden() -> Golden {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/preprocess.json");
    serde_json::from_slice(&std::fs::read(path).expect("is there")).expect("parses")
}

fn categories(texts: &[Option<&str>]) -> Values {
    let distinct: BTreeSet<&str> = texts.iter().flatten().copied().collect();
    let categories: Vec<String> = distinct.into_iter().map(str::to_owned).collect();
    let code = |text: &Option<&str>| match text {
        Some(text) => categories.iter().position(|c| c == text).expect("is one") as u32,
        None => MISSING_CODE,
    };
    Values::Categorical { codes: texts.iter().map(code).collect(), categories }
}

/// What differs from what is expected, if anything does.
fn difference(found: &[f64], expected: &[f64], tolerance: f64) -> Option<String> {
    assert_eq!(found.len(), expected.len());
    let is_far = |(found, expected): (&f64, &f64)| {
        let is_near = (found - expected).abs() <= tolerance * expected.abs().max(1.0);
        !(is_near || (found.is_nan() && expected.is_nan()))
    };
    let at = found.iter().zip(expected).position(is_far)?;
    Some(format!("feature {at}: {} and not {}", found[at], expected[at]))
}

#[test]
fn features_are_scikit_learns() {
    let golden = golden();
    assert!(golden.cases.len() >= 220);
    let mut differences = Vec::new();
    for case in &golden.cases {
        let name = &case.name;
        let spec = case.spec();
        let columns: Vec<Column> = case.columns.iter().map(GoldenColumn::get).collect();
        let columns: Vec<&Column> = columns.iter().collect();
        let types: Vec<(String, ColumnType)> =
            columns.iter().map(|c| (c.name.clone(), c.values.column_type())).collect();
        assert_eq!(spec.check(&types), [], "{name}");
        let target = case.target.as_ref().map(GoldenTarget::get);
        let seed = case.seed.unwrap_or(0);
        let (mut fitted, _, training) =
            Preprocessor::fit_transform(&spec, &columns, &case.train, target, seed).expect(name);
        let n_rows = columns[0].values.len();
        assert_eq!(fitted.n_features(), case.expected(0).len(), "{name}");
        let names = fitted.feature_names();
        assert_eq!(names.len(), fitted.n_features(), "{name}");
        if let Some(expected) = &case.names {
            let ours = |name: &String| {
                name.replace("x0", "normal").replace("x1", "skewed").replace("x2", "ties")
            };
            let expected: Vec<String> = expected.iter().map(ours).collect();
            assert_eq!(names, expected, "{name}");
        }
        if let Some(power) = &case.power {
            fitted = with_exponent_of(&fitted, power, name);
        }
        let rows: Vec<u32> = (0..n_rows as u32).collect();
        let mut out = vec![0.5; n_rows * fitted.n_features()];
        fitted.transform(&columns, &rows, &mut out);
        for (row, found) in out.chunks_exact(fitted.n_features()).enumerate() {
            let difference = difference(found, &case.expected(row), 1e-9);
            differences.extend(difference.map(|found| format!("{name}, row {row}, {found}")));
        }
        for (i, found) in training.chunks_exact(fitted.n_features()).enumerate() {
            let (expected, tolerance) = match &case.training {
                Some(training) => {
                    (training[i].iter().map(|v| v.unwrap_or(f64::NAN)).collect(), 1e-9)
                }
                None => {
                    let tolerance = if case.power.is_some() { 1e-5 } else { 1e-9 };
                    (case.expected(case.train[i] as usize), tolerance)
                }
            };
            let difference = difference(found, &expected, tolerance);
            differences
                .extend(difference.map(|found| format!("{name}, training row {i}, {found}")));
        }
    }
    assert_eq!(differences, Vec::<String>::new());
}

/// The same preparation with the exponent that scipy found, which agrees with ours as far as both
/// searches go: so the transformation is compared to all its digits.
fn with_exponent_of(
    fitted: &Preprocessor,
    power: &BTreeMap<String, f64>,
    name: &str,
) -> Preprocessor {
    let mut written = serde_json::to_value(fitted).expect("is written");
    let scaler = written.pointer_mut("/columns/0/kind/number/scaler").expect("a scaler");
    let (found, expected) = (scaler["lambda"].as_f64().expect("a number"), power["lambda"]);
    assert!(
        (found - expected).abs() <= 1e-6 * expected.abs().max(1.0),
        "{name}: {found} {expected}"
    );
    for (key, value) in power {
        scaler[key] = json!(value);
    }
    serde_json::from_value(written).expect("is read")
}

/// The names that a type is read from, by what it answers to another.
fn variants<T: DeserializeOwned>() -> Vec<String> {
    let Err(error) = serde_json::from_value::<T>(json!("no such name")) else {
        panic!("is no name")
    };
    let names: Vec<String> =
        error.to_string().split('`').skip(3).step_by(2).map(str::to_owned).collect();
    assert!(names.len() > 1, "{error}");
    names
}

/// Every string of a document, and every `"key": value` of its objects, by the key.
fn words(value: &Value, key: &str, found: &mut BTreeSet<(String, String)>) {
    match value {
        Value::String(word) => {
            found.insert((key.to_owned(), word.clone()));
        }
        Value::Array(items) => items.iter().for_each(|item| words(item, key, found)),
        Value::Object(fields) => {
            for (name, value) in fields {
                let key = if name == "type" { key } else { name };
                words(value, key, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn every_variant_has_a_golden() {
    let golden = golden();
    let mut found = BTreeSet::new();
    golden.cases.iter().for_each(|case| words(&case.spec, "", &mut found));
    let expect = |key: &str, names: Vec<String>| {
        for name in names {
            assert!(found.contains(&(key.to_owned(), name.clone())), "{key}: {name} has no golden");
        }
    };
    expect("scale", variants::<Named<ScaleSpec>>());
    expect("method", vec!["box-cox".into()]);
    assert_eq!(variants::<PowerMethod>().len(), 2);
    expect("output_distribution", vec!["normal".into()]);
    assert_eq!(variants::<OutputDistribution>().len(), 2);
    expect("encode", variants::<Named<EncodeSpec>>());
    expect("drop", variants::<DropCategory>());
    let mut imputers = variants::<Named<NumericImpute>>();
    imputers.extend(variants::<Named<CategoricalImpute>>());
    imputers.extend(variants::<DatetimeImpute>());
    expect("impute", imputers);
    expect("parts", variants::<DatetimePart>());
    let parts: Vec<String> = DatetimePart::ALL.iter().map(|part| part.name().into()).collect();
    assert_eq!(parts, variants::<DatetimePart>());
    expect("norm", variants::<Norm>().into_iter().filter(|name| name != "l2").collect());
    expect("analyzer", variants::<Analyzer>().into_iter().filter(|name| name != "word").collect());
    // What refuses rows changes no number.
    expect("unseen", variants::<UnseenCategory>().into_iter().filter(|n| n != "error").collect());
    assert_eq!(variants::<TreatAs>(), ["categorical", "text"]);
    let specs: Vec<PreprocessSpec> = golden.cases.iter().map(Case::spec).collect();
    for example in ScaleSpec::examples() {
        let is_there = |s: &PreprocessSpec| s.numeric.scale.as_deref() == Some(&example);
        assert!(specs.iter().any(is_there), "{example:?} has no golden");
    }
    for example in EncodeSpec::examples() {
        let is_there = |s: &PreprocessSpec| *s.categorical.encode == example;
        assert!(specs.iter().any(is_there), "{example:?} has no golden");
    }
}
