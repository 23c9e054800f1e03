//! Calibration against scikit-learn's, and what must hold of any.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};
use trainyard_learn::calibration::{
    CalibrationError, CalibrationSpec, Calibrator, Curves, Quality, ScoreKind, Scores,
};
use trainyard_learn::random::RandomState;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    method: CalibrationSpec,
    kind: ScoreKind,
    n_columns: usize,
    scores: Vec<f64>,
    target: Vec<u32>,
    weights: Option<Vec<f64>>,
    /// What scikit-learn found, one a curve.
    fitted: Option<Vec<Fitted>>,
    more: Vec<f64>,
    calibrated: Vec<f64>,
    before: Option<Errors>,
    after: Option<Errors>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Fitted {
    Platt { a: f64, b: f64 },
    Isotonic { thresholds: Vec<f64>, values: Vec<f64> },
    Temperature { temperature: f64 },
}

#[derive(Deserialize)]
struct Errors {
    expected_calibration_error: f64,
    log_loss: f64,
    brier_score: f64,
}

impl Case {
    fn fit(&self) -> Calibrator {
        let scores = Scores { values: &self.scores, n_columns: self.n_columns, kind: self.kind };
        Calibrator::fit(self.method, scores, &self.target, self.weights.as_deref()).expect("fits")
    }

    fn tolerance(&self) -> f64 {
        if self.method == CalibrationSpec::Isotonic { 1e-12 } else { 1e-6 }
    }
}

fn cases() -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/calibration.json");
    let text = fs::read_to_string(path).expect("the golden file");
    let golden: Golden = serde_json::from_str(&text).expect("the golden file's form");
    assert!(golden.cases.len() >= 36);
    golden.cases
}

fn is_near(found: f64, expected: f64, tolerance: f64) -> bool {
    (found - expected).abs() <= tolerance * expected.abs().max(1.0)
}

#[test]
fn calibrated_probabilities_are_scikit_learns() {
    for (at, case) in cases().iter().enumerate() {
        let found = case.fit().calibrate(&case.more).expect("calibrates");
        assert_eq!(found.len(), case.calibrated.len());
        for (row, (found, expected)) in found.iter().zip(&case.calibrated).enumerate() {
            assert!(
                is_near(*found, *expected, case.tolerance()),
                "case {at}, {:?}, {row}: {found} and not {expected}",
                case.method
            );
        }
    }
}

#[test]
fn what_is_fitted_is_scikit_learns() {
    let mut n_compared = 0;
    for (at, case) in cases().iter().enumerate() {
        let Some(expected) = &case.fitted else { continue };
        let calibrator = case.fit();
        for (place, expected) in expected.iter().enumerate() {
            match (calibrator.curves(), expected) {
                (Curves::Platt(found), Fitted::Platt { a, b }) => {
                    let found = found[place];
                    assert!(is_near(found.a, *a, 2e-6), "case {at}: {found:?} and not {a}");
                    assert!(is_near(found.b, *b, 2e-6), "case {at}: {found:?} and not {b}");
                }
                (Curves::Isotonic(found), Fitted::Isotonic { thresholds, values }) => {
                    assert_eq!(&found[place].thresholds, thresholds, "case {at}");
                    for (found, expected) in found[place].values.iter().zip(values) {
                        assert!(is_near(*found, *expected, 1e-12), "case {at}: {found}");
                    }
                }
                (Curves::Temperature(found), Fitted::Temperature { temperature }) => {
                    let error = (found.temperature / temperature - 1.0).abs();
                    assert!(error < 1e-5, "case {at}: {found:?} and not {temperature}");
                }
                (found, _) => panic!("case {at}: {found:?}"),
            }
            n_compared += 1;
        }
    }
    assert!(n_compared > 40, "{n_compared}");
}

#[test]
fn a_report_is_of_the_metrics() {
    let near = |found: Option<Quality>, expected: &Option<Errors>, tolerance: f64| match expected {
        None => assert_eq!(found, None),
        Some(expected) => {
            let found = found.expect("has a quality");
            let pairs = [
                (found.expected_calibration_error, expected.expected_calibration_error),
                (found.log_loss, expected.log_loss),
                (found.brier_score, expected.brier_score),
            ];
            for (found, expected) in pairs {
                assert!((found - expected).abs() < tolerance, "{found} and not {expected}");
            }
        }
    };
    for case in cases().iter().filter(|case| case.after.is_some()) {
        let report = case.fit().report(&case.scores, &case.target, case.weights.as_deref());
        let report = report.expect("reports");
        near(report.before, &case.before, 1e-5);
        near(report.after, &case.after, 1e-5);
    }
}

/// Scores that are three times too sure, and classes as sure as they should be.
fn too_sure(seed: u32, n_rows: usize) -> (Vec<f64>, Vec<u32>) {
    let mut random = RandomState::new(seed);
    (0..n_rows)
        .map(|_| {
            let logit = random.standard_normal();
            let is = random.random_sample() < 1.0 / (1.0 + (-logit).exp());
            (1.0 / (1.0 + (-3.0 * logit).exp()), u32::from(is))
        })
        .unzip()
}

const METHODS: [CalibrationSpec; 3] =
    [CalibrationSpec::Platt, CalibrationSpec::Isotonic, CalibrationSpec::Temperature];

fn of_two(values: &[f64], kind: ScoreKind) -> Scores<'_> {
    Scores { values, n_columns: 1, kind }
}

#[test]
fn calibration_helps_rows_that_it_has_not_seen() {
    let (scores, target) = too_sure(1, 4000);
    let (others, others_target) = too_sure(2, 4000);
    for method in METHODS {
        let given = of_two(&scores, ScoreKind::Probability);
        let calibrator = Calibrator::fit(method, given, &target, None).expect("fits");
        let report = calibrator.report(&others, &others_target, None).expect("reports");
        let (before, after) = (report.before.expect("has"), report.after.expect("has"));
        assert!(before.expected_calibration_error > 0.1, "{method:?}: {before:?}");
        assert!(after.expected_calibration_error < 0.06, "{method:?}: {after:?}");
        assert!(after.log_loss < before.log_loss - 0.1, "{method:?}: {before:?} {after:?}");
    }
}

#[test]
fn a_temperature_is_what_the_logits_were_multiplied_by() {
    let (scores, target) = too_sure(3, 20000);
    let given = of_two(&scores, ScoreKind::Probability);
    let fitted = Calibrator::fit(CalibrationSpec::Temperature, given, &target, None);
    let Ok(Curves::Temperature(found)) = fitted.as_ref().map(Calibrator::curves) else {
        panic!("{fitted:?}");
    };
    assert!((found.temperature - 3.0).abs() < 0.15, "{found:?}");
}

#[test]
fn more_score_is_never_less_probability() {
    let (scores, target) = too_sure(4, 500);
    let given = of_two(&scores, ScoreKind::Decision);
    let grid: Vec<f64> = (-20..=120).map(|step| f64::from(step) / 100.0).collect();
    for method in METHODS {
        let calibrator = Calibrator::fit(method, given, &target, None).expect("fits");
        let found = calibrator.calibrate(&grid).expect("calibrates");
        assert!(found.windows(2).all(|two| two[0] <= two[1]), "{method:?}: {found:?}");
        assert!(found.iter().all(|p| (0.0..=1.0).contains(p)), "{method:?}: {found:?}");
        assert!(found[0] < found[140], "{method:?}");
    }
}

#[test]
fn one_column_and_two_say_the_same() {
    let (scores, target) = too_sure(5, 300);
    let both: Vec<f64> = scores.iter().flat_map(|p| [1.0 - p, *p]).collect();
    let logits: Vec<f64> = scores.iter().map(|p| (p / (1.0 - p)).ln()).collect();
    let pairs: Vec<f64> = logits.iter().flat_map(|x| [-x / 2.0, x / 2.0]).collect();
    let given = [
        (&scores, &both, ScoreKind::Probability),
        // Of a temperature x stands for −x and x, so half of it is another temperature only.
        (&logits, &pairs, ScoreKind::Decision),
    ];
    for (one, two, kind) in given {
        for method in METHODS {
            let fit = |values: &[f64], n_columns| {
                let scores = Scores { values, n_columns, kind };
                let fitted = Calibrator::fit(method, scores, &target, None).expect("fits");
                fitted.calibrate(values).expect("calibrates")
            };
            let (one, two) = (fit(one, 1), fit(two, 2));
            for (p, row) in one.iter().zip(two.chunks_exact(2)) {
                assert!((p - row[1]).abs() < 1e-9, "{method:?} {kind:?}: {p} {row:?}");
                assert!((row[0] + row[1] - 1.0).abs() < 1e-12);
            }
        }
    }
}

#[test]
fn a_weight_is_as_many_rows() {
    let (scores, target) = too_sure(6, 120);
    let weights: Vec<f64> = (0..120).map(|row| f64::from(row % 4)).collect();
    let (mut more, mut more_target) = (Vec::new(), Vec::new());
    for row in 0..120 {
        for _ in 0..row % 4 {
            more.push(scores[row]);
            more_target.push(target[row]);
        }
    }
    for method in METHODS {
        let given = of_two(&scores, ScoreKind::Probability);
        let weighted = Calibrator::fit(method, given, &target, Some(&weights)).expect("fits");
        let given = of_two(&more, ScoreKind::Probability);
        let repeated = Calibrator::fit(method, given, &more_target, None).expect("fits");
        let [weighted, repeated] = [weighted, repeated].map(|c| c.calibrate(&scores).expect("is"));
        for (weighted, repeated) in weighted.iter().zip(&repeated) {
            assert!((weighted - repeated).abs() < 1e-9, "{method:?}: {weighted} {repeated}");
        }
    }
}

#[test]
fn scores_without_a_word_give_the_shares() {
    let target = [0, 1, 1, 1, 0, 1];
    for method in METHODS {
        let given = of_two(&[0.5; 6], ScoreKind::Decision);
        let calibrator = Calibrator::fit(method, given, &target, None).expect("fits");
        let found = calibrator.calibrate(&[0.5, 0.5]).expect("calibrates");
        // Platt's targets keep off 0 and 1: 5/6 for four rows and 1/4 for two.
        let expected = match method {
            CalibrationSpec::Platt => (4.0 * 5.0 / 6.0 + 2.0 / 4.0) / 6.0,
            _ => 4.0 / 6.0,
        };
        assert!(found.iter().all(|p| (p - expected).abs() < 1e-9), "{method:?}: {found:?}");
    }
    // Logits that are all the same have no temperature.
    let given = of_two(&[0.0; 6], ScoreKind::Decision);
    let fitted = Calibrator::fit(CalibrationSpec::Temperature, given, &target, None).expect("fits");
    assert_eq!(fitted.calibrate(&[0.0, 1e-300]).expect("calibrates"), [0.5, 0.5]);
}

#[test]
fn extreme_scores_stay_finite() {
    let target = [0, 0, 1, 1, 0, 1];
    for scores in [
        [-1e150, -1e149, 1e150, 1e149, 0.0, 1.0],
        [-1e-300, -2e-300, 1e-300, 2e-300, 0.0, 1e-308],
        [1e12, 1e12, 1e12 + 1.0, 1e12 + 1.0, 1e12, 1e12 + 1.0],
        [-1.0, -2.0, 1e6, 2.0, -1e-9, 1e-9],
    ] {
        for method in METHODS {
            let given = of_two(&scores, ScoreKind::Decision);
            let calibrator = Calibrator::fit(method, given, &target, None).expect("fits");
            let asked = [-1e150, -1.0, 0.0, 1e-9, 1e12, 1e150];
            let found = calibrator.calibrate(&asked).expect("calibrates");
            let is_probability = |p: &f64| (0.0..=1.0).contains(p);
            assert!(found.iter().all(is_probability), "{method:?} {scores:?}: {found:?}");
            assert_eq!(read_again(&calibrator), calibrator);
        }
    }
}

fn read_again(calibrator: &Calibrator) -> Calibrator {
    serde_json::from_value(serde_json::to_value(calibrator).expect("writes")).expect("reads")
}

#[test]
fn a_calibrator_is_read_as_it_was_written() {
    for case in cases() {
        let fitted = case.fit();
        assert_eq!(read_again(&fitted), fitted);
        assert_eq!(fitted.spec(), case.method);
        let written = serde_json::to_string(&fitted).expect("writes");
        assert_eq!(serde_json::from_str::<Calibrator>(&written).expect("reads"), fitted);
    }
}

#[test]
fn what_could_not_have_been_fitted_is_not_read() {
    let sigmoid = json!({"a": -1.0, "b": 0.0});
    let platt = |n_columns, curves: Value| json!({"kind": "decision", "n_columns": n_columns, "curves": {"platt": curves}});
    let isotonic = |thresholds: Value, values: Value| {
        let curve = json!([{"thresholds": thresholds, "values": values}]);
        json!({"kind": "decision", "n_columns": 1, "curves": {"isotonic": curve}})
    };
    let temperature = |of: f64| {
        let curves = json!({"temperature": {"temperature": of}});
        json!({"kind": "decision", "n_columns": 3, "curves": curves})
    };
    let read = serde_json::from_value::<Calibrator>;
    for sound in [
        platt(1, json!([sigmoid])),
        platt(3, json!([sigmoid, sigmoid, sigmoid])),
        isotonic(json!([0.0, 1.0]), json!([0.0, 0.5])),
        temperature(2.0),
    ] {
        let found = read(sound.clone());
        assert!(found.is_ok(), "{sound}: {found:?}");
    }
    for damaged in [
        platt(0, json!([sigmoid])),
        platt(3, json!([sigmoid])),
        platt(2, json!([sigmoid, sigmoid])),
        isotonic(json!([]), json!([])),
        isotonic(json!([0.0, 1.0]), json!([0.0])),
        isotonic(json!([0.0, 0.0]), json!([0.0, 0.5])),
        isotonic(json!([0.0, 1.0]), json!([0.5, 0.0])),
        isotonic(json!([0.0, 1.0]), json!([0.5, 1.5])),
        temperature(0.0),
        temperature(-1.0),
    ] {
        let found = read(damaged.clone());
        assert!(found.is_err(), "{damaged}: {found:?}");
    }
}

#[test]
fn a_spec_is_a_name() {
    for (name, expected) in [
        ("platt", CalibrationSpec::Platt),
        ("sigmoid", CalibrationSpec::Platt),
        ("isotonic", CalibrationSpec::Isotonic),
        ("temperature", CalibrationSpec::Temperature),
    ] {
        let found: CalibrationSpec = serde_json::from_value(json!(name)).expect("reads");
        assert_eq!(found, expected);
    }
    assert_eq!(serde_json::to_value(CalibrationSpec::Platt).expect("writes"), json!("platt"));
}

#[test]
fn what_cannot_be_calibrated() {
    use CalibrationError::*;
    let fit = |values: &[f64], n_columns, kind, target: &[u32], weights: Option<&[f64]>| {
        let found = METHODS.map(|method| {
            let scores = Scores { values, n_columns, kind };
            Calibrator::fit(method, scores, target, weights).expect_err("has no calibration")
        });
        // The same whatever the method; compared as text, for a NaN equals nothing.
        assert!(found.iter().all(|error| error.to_string() == found[0].to_string()));
        found[0].clone()
    };
    let decision =
        |values: &[f64], target: &[u32]| fit(values, 1, ScoreKind::Decision, target, None);
    let sure =
        |values: &[f64], n_columns| fit(values, n_columns, ScoreKind::Probability, &[0, 1], None);
    let weighted =
        |weights: &[f64]| fit(&[0.0, 1.0], 1, ScoreKind::Decision, &[0, 1], Some(weights));

    assert_eq!(decision(&[], &[]), NoRows);
    assert_eq!(decision(&[0.5], &[0, 1]), Rows { n_rows: 1, n_targets: 2 });
    assert!(
        matches!(decision(&[0.5, f64::NAN], &[0, 1]), Score { row: 1, score } if score.is_nan())
    );
    assert_eq!(decision(&[f64::INFINITY, 0.0], &[0, 1]), Score { row: 0, score: f64::INFINITY });
    assert_eq!(decision(&[0.0, -1e200], &[0, 1]), Score { row: 1, score: -1e200 });
    assert_eq!(decision(&[0.1, 0.2], &[1, 1]), MissingClass { class: 0 });
    assert_eq!(decision(&[0.1, 0.2], &[0, 2]), Class { row: 1, class: 2, n_classes: 2 });
    let three = fit(&[0.0; 9], 3, ScoreKind::Decision, &[0, 1, 1], None);
    assert_eq!(three, MissingClass { class: 2 });

    assert_eq!(sure(&[0.2, 0.3, 0.5], 2), Shape { n_values: 3, n_columns: 2 });
    assert_eq!(sure(&[0.2], 0), Shape { n_values: 1, n_columns: 0 });
    assert_eq!(sure(&[0.2, 1.2], 1), Probabilities { row: 1 });
    assert_eq!(sure(&[-0.1, 0.2], 1), Probabilities { row: 0 });
    assert_eq!(sure(&[0.2, 0.8, 0.3, 0.3], 2), Probabilities { row: 1 });

    for weights in [&[1.0][..], &[1.0, -1.0], &[0.0, 0.0], &[1.0, f64::NAN], &[1e308, 1e308]] {
        assert_eq!(weighted(weights), Weights);
    }
    assert_eq!(weighted(&[0.0, 1.0]), MissingClass { class: 0 });

    let (scores, target) = too_sure(7, 50);
    let given = of_two(&scores, ScoreKind::Probability);
    let fitted = Calibrator::fit(CalibrationSpec::Platt, given, &target, None).expect("fits");
    assert_eq!(fitted.calibrate(&[]), Ok(Vec::new()));
    assert_eq!(fitted.calibrate(&[0.3, 1.3]), Err(Probabilities { row: 1 }));
    assert!(matches!(fitted.calibrate(&[f64::NAN]), Err(Score { row: 0, .. })));
}
