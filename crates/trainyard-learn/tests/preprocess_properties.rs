//! What holds of every preparation: it knows its training rows and nothing else, it is written and
//! read back as it was, and no table makes it panic.

use trainyard_learn::preprocess::scale::{PowerMethod, PowerSpec, ScaleSpec};
use trainyard_learn::preprocess::{
    ColumnSpec, EncodeSpec, FitProblem, PreprocessSpec, PreprocessTarget, Preprocessor, TargetSpec,
};
use trainyard_learn::random::stream::Stream;
use trainyard_learn::table::{Column, MISSING_CODE, MISSING_TIME, Values};

/// Random values of every type, of which some are missing; positive numbers, which all scalers take.
struct Draws(Stream);

impl Draws {
    fn is_missing(&mut self) -> bool {
        self.0.below(8) == 0
    }

    fn number(&mut self) -> f64 {
        if self.is_missing() { f64::NAN } else { (self.0.normal() * 1.5).exp() }
    }

    fn word(&mut self) -> String {
        let length = 1 + self.0.below(3);
        (0..length).map(|_| char::from(b'a' + self.0.below(4) as u8)).collect()
    }

    fn row(&mut self) -> Row {
        let words: Vec<String> = (0..self.0.below(6)).map(|_| self.word()).collect();
        let time = i64::from(self.0.next_u32()) * 1_000_000;
        Row {
            numbers: [self.number(), self.number()],
            flag: if self.is_missing() { None } else { Some(self.0.below(2) == 0) },
            category: if self.is_missing() { None } else { Some(self.word()) },
            time: if self.is_missing() { MISSING_TIME } else { time },
            text: if self.is_missing() { None } else { Some(words.join(" ").into()) },
            tensor: [self.0.uniform() + 0.1, self.0.uniform() + 0.1],
            class: self.0.below(3),
            value: self.0.normal(),
        }
    }

    fn rows(&mut self, n: usize) -> Vec<Row> {
        (0..n).map(|_| self.row()).collect()
    }
}

#[derive(Clone)]
struct Row {
    numbers: [f64; 2],
    flag: Option<bool>,
    category: Option<String>,
    time: i64,
    text: Option<Box<str>>,
    tensor: [f32; 2],
    class: u32,
    value: f64,
}

fn columns(rows: &[Row]) -> Vec<Column> {
    let mut categories: Vec<String> = rows.iter().filter_map(|row| row.category.clone()).collect();
    categories.sort_unstable();
    categories.dedup();
    let code = |row: &Row| match &row.category {
        Some(category) => categories.binary_search(category).expect("is one") as u32,
        None => MISSING_CODE,
    };
    let codes = rows.iter().map(code).collect();
    let number = |i: usize| Values::Numeric(rows.iter().map(|row| row.numbers[i]).collect());
    [
        ("a", number(0)),
        ("city", Values::Categorical { codes, categories: categories.clone() }),
        ("b", number(1)),
        ("flag", Values::Boolean(rows.iter().map(|row| row.flag).collect())),
        ("when", Values::Datetime(rows.iter().map(|row| row.time).collect())),
        ("note", Values::Text(rows.iter().map(|row| row.text.clone()).collect())),
        (
            "image",
            Values::Tensor {
                shape: vec![2],
                values: rows.iter().flat_map(|row| row.tensor).collect(),
            },
        ),
    ]
    .into_iter()
    .map(|(name, values)| Column { name: name.into(), values })
    .collect()
}

type Fitted = Result<(Preprocessor, Vec<u64>), FitProblem>;

/// The preparation, and the bits of the training rows as fitted and as transformed.
fn fit(spec: &PreprocessSpec, rows: &[Row], train: &[u32], by_classes: bool) -> Fitted {
    let table = columns(rows);
    let columns: Vec<&Column> = table.iter().collect();
    let classes: Vec<u32> = rows.iter().map(|row| row.class).collect();
    let values: Vec<f64> = rows.iter().map(|row| row.value).collect();
    let target = if by_classes {
        PreprocessTarget::Classes { classes: &classes, n_classes: 3 }
    } else {
        PreprocessTarget::Values(&values)
    };
    let (fitted, _, mut features) =
        Preprocessor::fit_transform(spec, &columns, train, Some(target), 3)?;
    let (alone, _) = Preprocessor::fit(spec, &columns, train, Some(target), 3)?;
    assert_eq!(alone, fitted);
    let mut transformed = vec![7.5; train.len() * fitted.n_features()];
    fitted.transform(&columns, train, &mut transformed);
    features.extend(transformed);
    Ok((fitted, features.into_iter().map(f64::to_bits).collect()))
}

/// All preparations; where only positive numbers can be scaled, without columns that have zeros.
fn specs() -> Vec<PreprocessSpec> {
    let mut specs = PreprocessSpec::examples();
    for spec in &mut specs {
        if let Some(ScaleSpec::Power(PowerSpec { method: PowerMethod::BoxCox, .. })) =
            spec.numeric.scale.as_deref()
        {
            spec.columns.insert("flag".into(), ColumnSpec::Drop);
            spec.columns.insert("when".into(), ColumnSpec::Drop);
        }
    }
    specs
}

#[test]
fn other_rows_than_the_training_rows_change_nothing() {
    let specs = specs();
    assert!(specs.len() > 60);
    for (number, spec) in specs.iter().enumerate() {
        for repeat in 0..3 {
            let mut draws = Draws(Stream::new(number as u64, [repeat, 0]));
            let rows = draws.rows(40);
            let mut train: Vec<u32> = (0..40).collect();
            draws.0.shuffle(&mut train);
            train.truncate(25);
            let fitted = fit(spec, &rows, &train, repeat == 0).expect("is fitted");
            let mut other = draws.rows(40);
            for &row in &train {
                other[row as usize] = rows[row as usize].clone();
            }
            let again = fit(spec, &other, &train, repeat == 0).expect("is fitted");
            assert!(fitted == again, "{spec:?}: other rows than the training rows show");
            let alone: Vec<Row> = train.iter().map(|&row| rows[row as usize].clone()).collect();
            let places: Vec<u32> = (0..25).collect();
            let again = fit(spec, &alone, &places, repeat == 0).expect("is fitted");
            assert!(fitted == again, "{spec:?}: a table of the training rows alone differs");
        }
    }
}

/// The property above would not be worth much if training rows made no difference either.
#[test]
fn training_rows_change_what_is_fitted() {
    for (number, spec) in specs().iter().enumerate() {
        let rows = Draws(Stream::new(number as u64, [0, 0])).rows(40);
        let train: Vec<u32> = (0..25).collect();
        let before = fit(spec, &rows, &train, true).expect("is fitted");
        let others = Draws(Stream::new(number as u64, [1, 0])).rows(40);
        let after = fit(spec, &others, &train, true).expect("is fitted");
        assert!(before.0 != after.0 && before.1 != after.1, "{spec:?}");
    }
}

#[test]
fn a_preparation_reads_back_as_it_was_written() {
    let rows = Draws(Stream::new(1, [0, 0])).rows(40);
    let train: Vec<u32> = (0..30).collect();
    for spec in specs() {
        let written = serde_json::to_string(&spec).expect("is written");
        assert_eq!(serde_json::from_str::<PreprocessSpec>(&written).expect("is read"), spec);
        let (fitted, _) = fit(&spec, &rows, &train, true).expect("is fitted");
        let written = serde_json::to_string(&fitted).expect("is written");
        let read: Preprocessor = serde_json::from_str(&written).expect("is read");
        assert_eq!(read, fitted, "{written}");
        assert_eq!(read.feature_names().len(), fitted.n_features());
    }
}

/// One row by itself, whose categories are its own, comes to what it comes to among others.
#[test]
fn a_row_alone_has_the_same_features() {
    let rows = Draws(Stream::new(2, [0, 0])).rows(40);
    let train: Vec<u32> = (0..25).collect();
    let table = columns(&rows);
    let table: Vec<&Column> = table.iter().collect();
    let all: Vec<u32> = (0..40).collect();
    for spec in specs() {
        let (fitted, _) = fit(&spec, &rows, &train, true).expect("is fitted");
        let width = fitted.n_features();
        let mut together = vec![0.0; 40 * width];
        fitted.transform(&table, &all, &mut together);
        let mut alone = vec![0.0; width];
        for (row, together) in rows.iter().zip(together.chunks_exact(width)) {
            let own = columns(std::slice::from_ref(row));
            fitted.transform(&own.iter().collect::<Vec<_>>(), &[0], &mut alone);
            let same = together.iter().zip(&alone).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same, "{spec:?}");
        }
    }
}

#[test]
fn extreme_columns_make_nothing_panic() {
    let numbers: [&[f64]; 8] = [
        &[f64::NAN; 4],
        &[1.0; 4],
        &[0.0, -0.0, 0.0, -0.0],
        &[f64::MAX, -f64::MAX, f64::MAX, -f64::MAX],
        &[f64::MAX, f64::MAX, 1.0, 2.0],
        &[f64::MIN_POSITIVE, 5e-324, 0.0, 1.0],
        &[1e200, -1e200, 3.0, f64::NAN],
        &[7.0, f64::NAN, f64::NAN, f64::NAN],
    ];
    for spec in PreprocessSpec::examples() {
        for values in numbers {
            for train in [&[0_u32][..], &[0, 1], &[0, 1, 2, 3], &[3, 3, 3]] {
                let column =
                    Column { name: "x".into(), values: Values::Numeric(values.to_vec().into()) };
                let Ok((fitted, _)) = Preprocessor::fit(&spec, &[&column], train, None, 0) else {
                    continue;
                };
                let mut out = vec![0.0; 4 * fitted.n_features()];
                let report = fitted.transform(&[&column], &[0, 1, 2, 3], &mut out);
                let plain = spec.polynomial.is_none();
                let is_finite = out.iter().all(|x| x.is_finite());
                assert!(!plain || is_finite == report.is_empty(), "{spec:?} {values:?} {out:?}");
                assert_eq!(
                    serde_json::from_str::<Preprocessor>(
                        &serde_json::to_string(&fitted).expect("is written")
                    )
                    .expect("is read"),
                    fitted,
                );
            }
        }
    }
}

#[test]
fn a_hundred_thousand_categories() {
    let n = 100_000_u32;
    let categories: Vec<String> = (0..n).map(|i| format!("{i:06}")).collect();
    let values = Values::Categorical { codes: (0..n).collect(), categories };
    let column = Column { name: "id".into(), values };
    let rows: Vec<u32> = (0..n).collect();
    let classes: Vec<u32> = (0..n).map(|row| row % 2).collect();
    let target = Some(PreprocessTarget::Classes { classes: &classes, n_classes: 2 });
    for encode in EncodeSpec::examples() {
        let mut spec = PreprocessSpec::default();
        spec.categorical.encode = encode.clone().into();
        let (fitted, _) =
            Preprocessor::fit(&spec, &[&column], &rows, target, 0).expect("is fitted");
        let mut out = vec![0.0; 2 * fitted.n_features()];
        fitted.transform(&[&column], &[5, 99_999], &mut out);
        assert!(out.iter().any(|x| *x != 0.0), "{encode:?}");
    }
}

#[test]
fn what_cannot_be_fitted_says_why() {
    let column = |values: &[f64]| Column {
        name: "x".into(),
        values: Values::Numeric(values.to_vec().into()),
    };
    let fit = |spec: &PreprocessSpec, column: &Column, rows: &[u32]| {
        Preprocessor::fit(spec, &[column], rows, None, 0).expect_err("is refused")
    };
    let mut spec = PreprocessSpec::default();
    assert_eq!(fit(&spec, &column(&[1.0]), &[]), FitProblem::NoRows);
    spec.variance_threshold = Some(0.0);
    assert_eq!(fit(&spec, &column(&[1.0, 1.0]), &[0, 1]), FitProblem::NoFeatures);
    let power: ScaleSpec =
        serde_json::from_str(r#"{"type": "power", "method": "box-cox"}"#).expect("parses");
    let spec = PreprocessSpec::default().with_default_scale(&power);
    let problem = fit(&spec, &column(&[1.0, 0.0]), &[0, 1]);
    assert_eq!(problem, FitProblem::NotPositive { column: "x".into(), value: 0.0 });
    assert_eq!(problem.problem().pointer, "/columns/x");
    let standard: ScaleSpec = serde_json::from_str(r#"{"type": "standard"}"#).expect("parses");
    let spec = PreprocessSpec::default().with_default_scale(&standard);
    let problem = fit(&spec, &column(&[f64::MAX, -f64::MAX]), &[0, 1]);
    assert_eq!(problem, FitProblem::TooLarge { column: "x".into() });
    let mut spec = PreprocessSpec::default();
    spec.categorical.encode = EncodeSpec::Target(TargetSpec::default()).into();
    let texts = Values::Categorical { codes: vec![0, 1], categories: vec!["a".into(), "b".into()] };
    let problem = fit(&spec, &Column { name: "x".into(), values: texts }, &[0, 1]);
    assert_eq!(problem, FitProblem::NeedsTarget { column: "x".into() });
}
