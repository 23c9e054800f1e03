//! The perceptron against scikit-learn's, parameter by parameter.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use ndarray::{Array1, Array2, Axis};
use serde::Deserialize;
use trainyard_learn::perceptron::{
    ClassWeight, Epoch, FitError, Observer, Penalty, Perceptron, PerceptronSpec, fit, fit_present,
};
use trainyard_learn::splits::{SplitRows, SplitSpec};

#[derive(Deserialize)]
struct Golden {
    labels: Vec<String>,
    data: BTreeMap<String, Data>,
    cases: Vec<Case>,
    cross_validation: CrossValidation,
}

#[derive(Deserialize)]
struct Data {
    x: Vec<Vec<f64>>,
    y: String,
}

#[derive(Deserialize)]
struct Case {
    data: String,
    params: PerceptronSpec,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Outcome {
    Failed {
        error: Failure,
    },
    Trained {
        coef: Vec<Vec<f64>>,
        intercept: Vec<f64>,
        n_iter: usize,
        converged: bool,
        /// Of all epochs, one weight vector after the other, with six decimals.
        objectives: Vec<f64>,
        decisions: Vec<Vec<f64>>,
        predictions: String,
    },
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Failure {
    Diverged { epoch: usize },
    TooFewRows,
}

#[derive(Deserialize)]
struct CrossValidation {
    data: String,
    scores: Vec<f64>,
}

#[test]
fn every_case_is_scikit_learns() {
    let golden = golden();
    assert!(golden.cases.len() >= 70);
    for (index, case) in golden.cases.iter().enumerate() {
        let name = format!("case {index}: {} with {:?}", case.data, case.params);
        assert_eq!(case.params.check(), [], "{name}");
        let (x, y) = golden.data[&case.data].arrays();
        let mut observed = Vec::new();
        let mut observer = |epoch: Epoch| {
            observed.push(epoch.objective);
            ControlFlow::Continue(())
        };
        let trained = train_observed(&case.params, &golden.labels, &x, &y, &mut observer);
        match &case.outcome {
            Outcome::Failed { error } => match (error, trained.expect_err(&name)) {
                (Failure::Diverged { epoch }, FitError::Diverged { epoch: ours }) => {
                    assert_eq!(ours, *epoch, "{name}");
                }
                (Failure::TooFewRows, FitError::TooFewRows(_)) => {}
                (_, other) => panic!("{name}: {other:?}"),
            },
            Outcome::Trained {
                coef,
                intercept,
                n_iter,
                converged,
                objectives,
                decisions,
                predictions,
            } => {
                let model = trained.unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!(model.n_iter, *n_iter, "{name}");
                assert_eq!(model.converged, *converged, "{name}");
                assert_eq!(observed.len(), objectives.len(), "{name}");
                for (value, expected) in observed.iter().zip(objectives) {
                    let gap = (value - expected).abs();
                    let allowed = 5.1e-7 + 1e-12 * expected;
                    assert!(gap <= allowed, "{name}: {value} instead of {expected}");
                }
                assert_eq!(model.predict(x.view()), digits(predictions), "{name}");
                let head = x.select(Axis(0), &(0..decisions.len()).collect::<Vec<_>>());
                let ours = model.decision_function(head.view());
                let pairs = flat(coef)
                    .chain(intercept.iter().copied())
                    .zip(model.coef.iter().chain(&model.intercept));
                for (expected, &value) in pairs {
                    assert_eq!(value, expected, "{name}");
                }
                // A score near zero keeps the rounding of the products that it is the sum of.
                let largest = flat(decisions).fold(0.0, |a: f64, b| a.max(b.abs()));
                for (expected, &value) in flat(decisions).zip(&ours) {
                    let gap = (expected - value).abs() / largest;
                    assert!(gap <= 1e-14, "{name}: {value} instead of {expected}");
                }
            }
        }
    }
}

/// Ends a training after some epochs, with its state; or goes on from one.
#[derive(Default)]
struct Interruptions {
    n_epochs: usize,
    ends_after: Option<usize>,
    state: Option<Vec<u8>>,
    /// How often it heard that its state is none of the training.
    n_anew: usize,
}

impl Observer for Interruptions {
    fn epoch(&mut self, _: Epoch) -> ControlFlow<()> {
        self.n_epochs += 1;
        if self.ends_after == Some(self.n_epochs) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn resume(&mut self) -> Option<Vec<u8>> {
        self.state.take()
    }

    fn began_anew(&mut self) {
        self.n_anew += 1;
    }

    fn wants_checkpoint(&mut self) -> bool {
        self.ends_after == Some(self.n_epochs + 1)
    }

    fn checkpoint(&mut self, _: Epoch, state: Vec<u8>) {
        self.state = Some(state);
    }
}

#[test]
fn a_training_that_goes_on_from_its_state_ends_with_the_same_bits() {
    let golden = golden();
    let mut n_resumed = 0;
    for case in &golden.cases {
        let (x, y) = golden.data[&case.data].arrays();
        let train = |observer: &mut Interruptions| {
            train_observed(&case.params, &golden.labels, &x, &y, observer)
        };
        let mut whole = Interruptions::default();
        let Ok(expected) = train(&mut whole) else { continue };
        for cut in [1, 2, whole.n_epochs / 2, whole.n_epochs - 1] {
            let mut broken = Interruptions { ends_after: Some(cut), ..Interruptions::default() };
            if train(&mut broken).is_ok() {
                continue;
            }
            // After the last epoch of a weight vector there is no state: that of the epochs before
            // would do, and here is none, so that it begins anew.
            n_resumed += usize::from(broken.state.is_some());
            let mut rest = Interruptions { state: broken.state, ..Interruptions::default() };
            let resumed = train(&mut rest).expect("trains");
            assert_eq!(rest.n_anew, 0, "the state is the training's, or there is none");
            let bits = |model: &Perceptron| -> Vec<u64> {
                model.coef.iter().chain(&model.intercept).map(|value| value.to_bits()).collect()
            };
            assert_eq!(bits(&resumed), bits(&expected), "{:?} after {cut}", case.params);
            assert_eq!((resumed.n_iter, resumed.converged), (expected.n_iter, expected.converged));
        }
        // Another training's state, or none, is passed over.
        let nonsense = Some(vec![1, 2, 3]);
        let mut rest = Interruptions { state: nonsense, ..Interruptions::default() };
        assert_eq!(train(&mut rest).expect("trains"), expected);
        assert_eq!(rest.n_anew, 1, "it is told that it began anew");
    }
    assert!(n_resumed > 200, "{n_resumed}");
}

#[test]
fn thirty_folds_score_as_scikit_learns() {
    let golden = golden();
    let (x, y) = golden.data[&golden.cross_validation.data].arrays();
    let split =
        SplitSpec::RepeatedStratifiedKfold { n_splits: 10, n_repeats: 3, random_state: Some(1) };
    let scores: Vec<f64> = split
        .assign(&SplitRows::new(y.len(), Some(&y)))
        .iter()
        .map(|split| {
            let (x_train, y_train) = rows(&x, &y, &split.train);
            let (x_test, y_test) = rows(&x, &y, &split.test);
            let spec = PerceptronSpec::default();
            let model = train(&spec, &golden.labels, &x_train, &y_train).expect("trains");
            let prediction = model.predict(x_test.view());
            let hits = y_test.iter().zip(&prediction).filter(|(a, b)| a == b);
            hits.count() as f64 / y_test.len() as f64
        })
        .collect();
    assert_eq!(scores, golden.cross_validation.scores);
}

#[test]
fn training_does_not_depend_on_the_memory_layout() {
    let golden = golden();
    let (x, y) = golden.data["three"].arrays();
    let spec = PerceptronSpec { penalty: Some(Penalty::L2), ..PerceptronSpec::default() };
    let columns_first = x.t().as_standard_layout().into_owned();
    let model = train(&spec, &golden.labels, &x, &y).expect("trains");
    let again = fit(&spec, columns_first.t(), &y, &[1.0; 3], &mut keep_going).expect("trains");
    assert_eq!(again, model);
    assert_eq!(again.predict(columns_first.t()), model.predict(x.view()));
}

#[test]
fn rows_are_served_as_tables_are() {
    let golden = golden();
    for name in ["two", "five"] {
        let (x, y) = golden.data[name].arrays();
        let model = train(&PerceptronSpec::default(), &golden.labels, &x, &y).expect("trains");
        let table = model.decision_function(x.view());
        let classes = model.predict(x.view());
        let mut scores = vec![0.0; model.n_scores()];
        for ((row, expected), class) in x.outer_iter().zip(table.outer_iter()).zip(classes) {
            let row = row.to_vec();
            model.decide_row(&row, &mut scores);
            assert_eq!(scores, expected.to_vec());
            assert_eq!(model.predict_row(&row), class);
            assert_eq!(model.class_of(&scores), class);
        }
        model.decide_row(&[1.0], &mut scores);
        assert!(scores.iter().all(|score| score.is_nan()));
        assert_eq!(model.predict_row(&[]), 0);
    }
}

#[test]
fn of_equal_scores_the_first_class_wins() {
    let tie = |n_scores| Perceptron {
        coef: Array2::zeros((n_scores, 2)),
        intercept: Array1::zeros(n_scores),
        n_iter: 1,
        converged: true,
    };
    assert_eq!(tie(1).predict_row(&[1.0, 2.0]), 0);
    assert_eq!(tie(3).predict_row(&[1.0, 2.0]), 0);
}

#[test]
fn the_observer_sees_every_epoch_and_can_cancel() {
    let golden = golden();
    let (x, y) = golden.data["four_uneven"].arrays();
    let spec = PerceptronSpec { early_stopping: true, ..PerceptronSpec::default() };
    let mut epochs: Vec<Epoch> = Vec::new();
    let mut record = |epoch| {
        epochs.push(epoch);
        ControlFlow::Continue(())
    };
    let model = fit(&spec, x.view(), &y, &[1.0; 4], &mut record).expect("trains");
    for class in 0..4 {
        let numbers = epochs.iter().filter(|epoch| epoch.class == class);
        let numbers: Vec<usize> = numbers.map(|epoch| epoch.epoch).collect();
        assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>());
        assert!(!numbers.is_empty() && numbers.len() <= model.n_iter);
    }
    assert!(epochs.iter().all(|epoch| epoch.validation_score.is_some()));

    let mut stop_at_three = |epoch: Epoch| match epoch.epoch {
        3 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let outcome = fit(&spec, x.view(), &y, &[1.0; 4], &mut stop_at_three);
    assert_eq!(outcome, Err(FitError::Cancelled));
}

#[test]
fn unusable_data_are_refused() {
    let spec = PerceptronSpec::default();
    let x = ndarray::arr2(&[[1.0, 2.0], [3.0, 4.0], [5.0, f64::NAN]]);
    let good = x.select(Axis(0), &[0, 1]);
    let refusal = |x: &Array2<f64>, y: &[u32], weights: &[f64]| {
        fit(&spec, x.view(), y, weights, &mut keep_going).expect_err("refused")
    };
    assert_eq!(refusal(&x, &[0, 1, 0], &[1.0; 2]), FitError::NotFinite { row: 2, column: 1 });
    assert_eq!(refusal(&good, &[0, 1], &[1.0; 3]), FitError::AbsentClass { class: 2 });
    assert_eq!(refusal(&good, &[0, 0], &[1.0]), FitError::TooFewClasses { n_classes: 1 });
    assert!(matches!(refusal(&good, &[0], &[1.0; 2]), FitError::Data(_)));
    assert!(matches!(refusal(&good, &[0, 7], &[1.0; 2]), FitError::Data(_)));
    assert!(matches!(refusal(&Array2::zeros((2, 0)), &[0, 1], &[1.0; 2]), FitError::Data(_)));
    assert_eq!(refusal(&Array2::zeros((0, 3)), &[], &[1.0; 2]), FitError::AbsentClass { class: 0 });
}

#[test]
fn a_spec_reports_every_problem_at_once() {
    let spec: PerceptronSpec = serde_json::from_str(
        r#"{"alpha": -1, "l1_ratio": 1.5, "max_iter": 0, "tol": -0.1, "eta0": 0,
            "validation_fraction": 1, "n_iter_no_change": 0,
            "class_weight": {"a/b": -2, "c~d": 1}}"#,
    )
    .expect("parses");
    let pointers: Vec<String> = spec.check().into_iter().map(|problem| problem.pointer).collect();
    assert_eq!(
        pointers,
        [
            "/alpha",
            "/l1_ratio",
            "/max_iter",
            "/tol",
            "/eta0",
            "/validation_fraction",
            "/n_iter_no_change",
            "/class_weight/a~1b",
        ]
    );
    for number in [f64::NAN, f64::INFINITY] {
        let spec = PerceptronSpec {
            alpha: number,
            l1_ratio: number,
            tol: Some(number),
            eta0: number,
            validation_fraction: number,
            ..PerceptronSpec::default()
        };
        assert_eq!(spec.check().len(), 5);
    }
    assert_eq!(PerceptronSpec::default().check(), []);
}

#[test]
fn a_spec_reads_as_scikit_learn_writes_it() {
    let read = serde_json::from_str::<PerceptronSpec>;
    assert_eq!(read("{}").expect("parses"), PerceptronSpec::default());
    let spec = read(r#"{"penalty": "elasticnet", "tol": null, "class_weight": "balanced"}"#);
    let spec = spec.expect("parses");
    assert_eq!(spec.penalty, Some(Penalty::ElasticNet));
    assert_eq!(spec.tol, None);
    let written = serde_json::to_string(&spec).expect("serializes");
    assert_eq!(read(&written).expect("parses"), spec);

    assert!(read(r#"{"n_jobs": 1}"#).is_err());
    let message = read(r#"{"class_weight": "even"}"#).expect_err("refused").to_string();
    assert!(message.contains("\"balanced\" or an object"), "{message}");
}

#[test]
fn class_weights_name_unknown_and_absent_classes() {
    let labels = ["ant", "bee", "cat"].map(str::to_owned);
    let mut spec = PerceptronSpec::default();
    assert_eq!(spec.class_weights(&labels, &[0, 1, 2]), Ok(vec![1.0; 3]));

    spec.class_weight = Some(ClassWeight::Weights(BTreeMap::from([
        ("bee".to_owned(), 4.0),
        ("dog".to_owned(), 2.0),
        ("elk".to_owned(), 2.0),
    ])));
    let problems = spec.class_weights(&labels, &[0, 1, 2]).expect_err("unknown");
    let pointers: Vec<&str> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
    assert_eq!(pointers, ["/class_weight/dog", "/class_weight/elk"]);

    spec.class_weight = serde_json::from_str(r#""balanced""#).expect("parses");
    assert_eq!(spec.class_weights(&labels, &[0, 0, 1, 1, 1, 2]), Ok(vec![1.0, 2.0 / 3.0, 2.0]));
    // Of the classes that there are.
    assert_eq!(spec.class_weights(&labels, &[0, 0, 1, 0]), Ok(vec![2.0 / 3.0, 2.0, 1.0]));
}

#[test]
fn rows_without_a_class_are_learned_as_if_there_were_none() {
    let spec = PerceptronSpec::default();
    let x = Array2::from_shape_fn((40, 3), |(row, column)| ((row * 7 + column * 3) % 11) as f64);
    let all: Vec<u32> = (0..40).map(|row| row % 4).collect();
    let mut go_on = |_: Epoch| ControlFlow::Continue(());
    for (kept, n_scores) in [(&[0_u32, 1, 3][..], 3), (&[1, 2], 1)] {
        let rows: Vec<usize> = (0..40).filter(|row| kept.contains(&all[*row])).collect();
        let x_kept = x.select(ndarray::Axis(0), &rows);
        let y: Vec<u32> = rows.iter().map(|row| all[*row]).collect();
        let found = fit_present(&spec, x_kept.view(), &y, &[1.0; 4], &mut go_on).expect("fits");
        let place = |class: &u32| kept.iter().position(|k| k == class).expect("kept") as u32;
        let dense: Vec<u32> = y.iter().map(place).collect();
        let weights = vec![1.0; kept.len()];
        let alone = fit(&spec, x_kept.view(), &dense, &weights, &mut go_on).expect("fits");
        assert_eq!((alone.n_scores(), found.n_scores()), (n_scores, 4));
        assert_eq!(alone.n_iter, found.n_iter);
        let expected: Vec<u32> =
            alone.predict(x.view()).iter().map(|class| kept[*class as usize]).collect();
        assert_eq!(found.predict(x.view()), expected);
    }
    let found = fit_present(&spec, x.view(), &[2; 40], &[1.0; 4], &mut go_on);
    assert_eq!(found, Err(FitError::TooFewClasses { n_classes: 1 }));
    let found = fit_present(&spec, x.view(), &[9; 40], &[1.0; 4], &mut go_on);
    assert!(found.is_err());
}

impl Data {
    fn arrays(&self) -> (Array2<f64>, Vec<u32>) {
        let n_features = self.x.first().map_or(0, Vec::len);
        let values = flat(&self.x).collect();
        let x = Array2::from_shape_vec((self.x.len(), n_features), values).expect("a table");
        (x, digits(&self.y))
    }
}

fn train(
    spec: &PerceptronSpec,
    labels: &[String],
    x: &Array2<f64>,
    y: &[u32],
) -> Result<Perceptron, FitError> {
    train_observed(spec, labels, x, y, &mut keep_going)
}

fn train_observed(
    spec: &PerceptronSpec,
    labels: &[String],
    x: &Array2<f64>,
    y: &[u32],
    observer: &mut dyn Observer,
) -> Result<Perceptron, FitError> {
    let n_classes = y.iter().max().map_or(0, |&class| class as usize + 1);
    let weights = spec.class_weights(&labels[..n_classes], y).expect("weights");
    fit(spec, x.view(), y, &weights, observer)
}

fn keep_going(_: Epoch) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn rows(x: &Array2<f64>, y: &[u32], rows: &[u32]) -> (Array2<f64>, Vec<u32>) {
    let indices: Vec<usize> = rows.iter().map(|&row| row as usize).collect();
    let classes = indices.iter().map(|&row| y[row]).collect();
    (x.select(Axis(0), &indices), classes)
}

fn flat(table: &[Vec<f64>]) -> impl Iterator<Item = f64> + '_ {
    table.iter().flatten().copied()
}

fn digits(text: &str) -> Vec<u32> {
    text.chars().filter_map(|digit| digit.to_digit(10)).collect()
}

fn golden() -> Golden {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/perceptron.json");
    let text = fs::read_to_string(path).expect("the golden file");
    serde_json::from_str(&text).expect("the golden file's form")
}
