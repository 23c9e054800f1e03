//! Scores against scikit-learn's.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use trainyard_learn::losses::TargetKind;
use trainyard_learn::metrics::{Judged, Scorer, scores};

/// The scores of the confusion matrix.
fn class_scorers() -> Vec<Scorer> {
    let classes = TargetKind::Classes { n_classes: 2 };
    let of_classes = |s: &Scorer| s.fits(classes) && !s.needs_probabilities() && !s.ranks();
    Scorer::ALL.into_iter().filter(of_classes).collect()
}

/// The scores of values.
fn value_scorers() -> Vec<Scorer> {
    let values = TargetKind::Values { n_outputs: 1 };
    Scorer::ALL.into_iter().filter(|scorer| scorer.fits(values)).collect()
}

fn of_classes(
    scorers: &[Scorer],
    target: &[u32],
    prediction: &[u32],
    n_classes: usize,
) -> Vec<Option<f64>> {
    let judged = Judged::Classes {
        target,
        prediction,
        n_classes,
        probabilities: None,
        decision: None,
        weights: None,
    };
    scores(scorers, &judged)
}

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    n_classes: usize,
    target: String,
    prediction: String,
    scores: BTreeMap<Scorer, f64>,
}

#[test]
fn every_score_is_scikit_learns() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/metrics.json");
    let text = fs::read_to_string(path).expect("the golden file");
    let golden: Golden = serde_json::from_str(&text).expect("the golden file's form");
    assert!(golden.cases.len() >= 30);
    for (index, case) in golden.cases.iter().enumerate() {
        let target = digits(&case.target);
        let prediction = digits(&case.prediction);
        let scorers: Vec<Scorer> = case.scores.keys().copied().collect();
        assert_eq!(scorers.len(), 9);
        let together = of_classes(&scorers, &target, &prediction, case.n_classes);
        for (scorer, score) in scorers.into_iter().zip(together) {
            let score = score.expect("defined");
            let expected = case.scores[&scorer];
            assert!(
                (score - expected).abs() <= 1e-12,
                "case {index}: {scorer:?} is {score} instead of {expected}"
            );
        }
        let accuracy = of_classes(&[Scorer::Accuracy], &target, &prediction, case.n_classes);
        assert_eq!(accuracy, [Some(case.scores[&Scorer::Accuracy])], "to the last digit");
    }
}

#[derive(Deserialize)]
struct ValueCase {
    n_outputs: usize,
    target: Vec<f64>,
    prediction: Vec<f64>,
    scores: BTreeMap<Scorer, Option<f64>>,
}

#[derive(Deserialize)]
struct ProbabilityCase {
    n_classes: usize,
    target: Vec<u32>,
    probabilities: Vec<f32>,
    neg_log_loss: f64,
    single_precision: f64,
}

#[derive(Deserialize)]
struct ValueGolden {
    values: Vec<ValueCase>,
    probabilities: Vec<ProbabilityCase>,
}

fn value_golden() -> ValueGolden {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/value_metrics.json");
    let text = fs::read_to_string(path).expect("the golden file");
    serde_json::from_str(&text).expect("the golden file's form")
}

#[test]
fn scores_of_values_are_scikit_learns() {
    let cases = value_golden().values;
    assert!(cases.len() >= 35);
    for (index, case) in cases.iter().enumerate() {
        assert_eq!(case.scores.len(), 8);
        let ValueCase { n_outputs, target, prediction, .. } = case;
        for (scorer, expected) in &case.scores {
            let judged =
                Judged::Values { target, prediction, n_outputs: *n_outputs, weights: None };
            let found = scores(&[*scorer], &judged)[0];
            let near = match (found, expected) {
                (Some(found), Some(expected)) => {
                    (found - expected).abs() <= 1e-12 * expected.abs().max(1.0)
                }
                (found, expected) => found == *expected,
            };
            assert!(near, "case {index}: {scorer:?} is {found:?} instead of {expected:?}");
        }
    }
}

#[test]
fn log_loss_is_scikit_learns() {
    let cases = value_golden().probabilities;
    assert!(cases.len() >= 15);
    for (index, case) in cases.iter().enumerate() {
        let judged = Judged::Classes {
            target: &case.target,
            prediction: &case.target,
            n_classes: case.n_classes,
            probabilities: Some(&case.probabilities),
            decision: None,
            weights: None,
        };
        let found = scores(&[Scorer::NegLogLoss], &judged)[0].expect("defined");
        let difference = (found - case.neg_log_loss).abs();
        assert!(difference <= 1e-12 * case.neg_log_loss.abs().max(1.0), "{index}: {found}");
        let difference = (found - case.single_precision).abs();
        assert!(difference <= 1e-6 * case.single_precision.abs().max(0.1), "{index}: {found}");
    }
}

#[test]
fn a_constant_target_is_constant_whatever_its_digits() {
    // Ten times 0.1 is not quite 1, and a mean that is off makes a constant vary.
    let near = |prediction: f64| {
        let (target, prediction) = ([0.1; 10], [prediction; 10]);
        let judged = Judged::Values {
            target: &target,
            prediction: &prediction,
            n_outputs: 1,
            weights: None,
        };
        scores(&[Scorer::R2, Scorer::ExplainedVariance], &judged)
    };
    assert_eq!(near(0.1), [Some(1.0), Some(1.0)]);
    assert_eq!(near(0.3), [Some(0.0), Some(1.0)]);
}

#[test]
fn a_scorer_is_of_classes_of_labels_or_of_values() {
    let [classes, many] = [2, 3].map(|n_classes| TargetKind::Classes { n_classes });
    let [one, two] = [1, 2].map(|n_outputs| TargetKind::Values { n_outputs });
    for scorer in Scorer::ALL {
        let of_classes = scorer.fits(classes) || scorer.fits_labels();
        assert!(of_classes != scorer.fits(one), "{scorer:?}");
        assert!(!scorer.needs_probabilities() || scorer.fits(many), "{scorer:?}");
        assert!(!scorer.fits(two) || scorer.fits(one), "{scorer:?}");
        assert!(!scorer.fits(many) || scorer.fits(classes), "{scorer:?}");
        for kind in [classes, many, one, two] {
            assert!(scorer.instead(kind).is_none_or(|near| near.fits(kind)), "{scorer:?}");
        }
    }
    assert_eq!(Scorer::F1.instead(many), Some(Scorer::F1Macro));
    assert_eq!(Scorer::RocAuc.instead(many), Some(Scorer::RocAucOvr));
    assert_eq!(Scorer::F1Samples.instead(classes), Some(Scorer::F1));
}

#[test]
fn a_scorer_of_something_else_has_no_score() {
    let classes = of_classes(&Scorer::ALL, &[0, 1], &[0, 1], 2);
    for (scorer, score) in Scorer::ALL.into_iter().zip(classes) {
        assert_eq!(score.is_some(), class_scorers().contains(&scorer), "{scorer:?}");
    }
    let values = Judged::Values {
        target: &[1.0, 2.0],
        prediction: &[1.0, 3.0],
        n_outputs: 1,
        weights: None,
    };
    for (scorer, score) in Scorer::ALL.into_iter().zip(scores(&Scorer::ALL, &values)) {
        assert_eq!(score.is_some(), value_scorers().contains(&scorer), "{scorer:?}");
    }
}

#[test]
fn probabilities_that_are_none_have_no_log_loss() {
    let loss = |target: &[u32], probabilities: &[f32], n_classes| {
        let probabilities = Some(probabilities);
        let judged = Judged::Classes {
            target,
            prediction: target,
            n_classes,
            probabilities,
            decision: None,
            weights: None,
        };
        scores(&[Scorer::NegLogLoss], &judged)[0]
    };
    assert!(loss(&[0, 1], &[0.5; 4], 2).is_some());
    for odd in [f32::NAN, f32::INFINITY, -0.1, 1.1] {
        assert_eq!(loss(&[0, 1], &[0.5, 0.5, odd, 0.5], 2), None);
    }
    assert_eq!(loss(&[0, 1], &[0.5; 3], 2), None);
    assert_eq!(loss(&[0, 2], &[0.5; 4], 2), None);
    assert_eq!(loss(&[0, 0], &[1.0; 2], 1), None);
    assert_eq!(loss(&[], &[], 2), None);
}

#[test]
fn values_that_are_none_have_no_score() {
    let none = |target: &[f64], prediction: &[f64], n_outputs| {
        let judged = Judged::Values { target, prediction, n_outputs, weights: None };
        assert_eq!(scores(&Scorer::ALL, &judged), vec![None; Scorer::ALL.len()]);
    };
    none(&[1.0, 2.0], &[1.0], 1);
    none(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0], 2);
    none(&[1.0, 2.0], &[1.0, 2.0], 0);
    none(&[1.0, f64::NAN], &[1.0, 2.0], 1);
    none(&[1.0, 2.0], &[1.0, f64::INFINITY], 1);
}

#[test]
fn without_comparable_rows_there_is_no_score() {
    let none = |target: &[u32], prediction: &[u32], n_classes| {
        let found = of_classes(&Scorer::ALL, target, prediction, n_classes);
        assert_eq!(found, vec![None; Scorer::ALL.len()]);
    };
    none(&[], &[], 2);
    none(&[0, 1], &[0], 2);
    none(&[0, 2], &[0, 1], 2);
    none(&[0, 1], &[0, 2], 2);
    none(&[0], &[0], 0);
    let values = Judged::Values { target: &[], prediction: &[], n_outputs: 1, weights: None };
    assert_eq!(scores(&Scorer::ALL, &values), vec![None; Scorer::ALL.len()]);
}

#[test]
fn names_are_the_ones_on_the_wire() {
    for scorer in Scorer::ALL {
        let written = serde_json::to_string(&scorer).expect("serializes");
        assert_eq!(written, format!("\"{}\"", scorer.name()));
    }
}

fn digits(text: &str) -> Vec<u32> {
    text.chars().filter_map(|digit| digit.to_digit(10)).collect()
}
