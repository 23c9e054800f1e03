//! Scores against scikit-learn's.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use trainyard_learn::metrics::{Scorer, scores};

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
        let together = scores(&Scorer::ALL, &target, &prediction, case.n_classes);
        assert_eq!(case.scores.len(), Scorer::ALL.len());
        for (scorer, score) in Scorer::ALL.into_iter().zip(together) {
            let score = score.expect("defined");
            let expected = case.scores[&scorer];
            assert!(
                (score - expected).abs() <= 1e-12,
                "case {index}: {scorer:?} is {score} instead of {expected}"
            );
            let alone = scorer.score(&target, &prediction, case.n_classes);
            assert_eq!(alone, Some(score));
        }
        let accuracy = Scorer::Accuracy.score(&target, &prediction, case.n_classes);
        assert_eq!(accuracy, Some(case.scores[&Scorer::Accuracy]), "to the last digit");
    }
}

#[test]
fn without_comparable_rows_there_is_no_score() {
    for scorer in Scorer::ALL {
        assert_eq!(scorer.score(&[], &[], 2), None);
        assert_eq!(scorer.score(&[0, 1], &[0], 2), None);
        assert_eq!(scorer.score(&[0, 2], &[0, 1], 2), None);
        assert_eq!(scorer.score(&[0, 1], &[0, 2], 2), None);
        assert_eq!(scorer.score(&[0], &[0], 0), None);
    }
    assert_eq!(scores(&Scorer::ALL, &[], &[], 2), vec![None; Scorer::ALL.len()]);
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
