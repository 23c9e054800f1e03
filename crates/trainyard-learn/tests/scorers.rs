//! Scores with ties, weights and labels, and curves, against scikit-learn's.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Deserialize;
use trainyard_learn::losses::TargetKind;
use trainyard_learn::metrics::curves::{
    Strategy, calibration_curve, confusion_matrix, precision_recall_curve, roc_curve,
};
use trainyard_learn::metrics::{Judged, Scorer, Share, falls_back, scores};

type Scores = BTreeMap<Scorer, Option<f64>>;

#[derive(Deserialize)]
struct Golden {
    classes: Vec<ClassCase>,
    labels: Vec<LabelCase>,
    values: Vec<ValueCase>,
    curves: Vec<CurveCase>,
}

#[derive(Deserialize)]
struct ClassCase {
    /// Among three, where there are more classes.
    top_three: Option<f64>,
    n_classes: usize,
    target: Vec<u32>,
    prediction: Vec<u32>,
    probabilities: Option<Vec<f32>>,
    decision: Option<Vec<f64>>,
    weights: Option<Vec<f64>>,
    scores: Scores,
    /// Those that scikit-learn warns of, for they divide by nothing.
    warned: BTreeSet<Scorer>,
}

#[derive(Deserialize)]
struct LabelCase {
    n_labels: usize,
    target: Vec<bool>,
    prediction: Vec<bool>,
    decision: Vec<f64>,
    weights: Option<Vec<f64>>,
    scores: Scores,
    warned: BTreeSet<Scorer>,
}

#[derive(Deserialize)]
struct ValueCase {
    /// At 0.9 and at 0.25.
    pinball: [f64; 2],
    n_outputs: usize,
    target: Vec<f64>,
    prediction: Vec<f64>,
    weights: Option<Vec<f64>>,
    scores: Scores,
}

#[derive(Deserialize)]
struct CurveCase {
    target: Vec<bool>,
    score: Vec<f64>,
    weights: Option<Vec<f64>>,
    roc: BTreeMap<bool, [Vec<f64>; 3]>,
    precision_recall: [Vec<f64>; 3],
    confusion: Vec<f64>,
    uniform: [Vec<f64>; 2],
    quantile: [Vec<f64>; 2],
}

fn golden() -> Golden {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/scorers.json");
    let text = fs::read_to_string(path).expect("the golden file");
    serde_json::from_str(&text).expect("the golden file's form")
}

/// What differs from scikit-learn, all scores asked for together.
fn compare(case: &str, judged: &Judged<'_>, expected: &Scores) -> Vec<String> {
    let scorers: Vec<Scorer> = expected.keys().copied().collect();
    let found = scores(&scorers, judged);
    let pairs = scorers.iter().zip(found).zip(expected.values());
    pairs
        .filter(|((_, found), expected)| match (found, expected) {
            (Some(found), Some(expected)) => {
                let near = (found - expected).abs() <= 1e-12 * expected.abs().max(1.0);
                !near
            }
            (found, expected) => found.is_some() || expected.is_some(),
        })
        .map(|((scorer, found), expected)| format!("{case}: {scorer:?} {found:?} {expected:?}\n"))
        .collect()
}

#[test]
fn scores_of_classes_are_scikit_learns() {
    let cases = golden().classes;
    assert!(cases.len() >= 180);
    let mut wrong = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let judged = Judged::Classes {
            target: &case.target,
            prediction: &case.prediction,
            n_classes: case.n_classes,
            probabilities: case.probabilities.as_deref(),
            decision: case.decision.as_deref(),
            weights: case.weights.as_deref(),
        };
        wrong.extend(compare(&format!("case {index}"), &judged, &case.scores));
        same_warned(&format!("case {index}"), &judged, &case.warned);
        if let Some(expected) = case.top_three {
            near(&[scores(&[Scorer::top_k(3)], &judged)[0].expect("a score")], &[expected]);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.concat());
    assert!(cases.iter().filter(|case| case.top_three.is_some()).count() >= 60);
    assert!(cases.iter().filter(|case| !case.warned.is_empty()).count() >= 20);
}

/// Whether those scores are said to divide by nothing that scikit-learn warns of.
#[track_caller]
fn same_warned(case: &str, judged: &Judged<'_>, expected: &BTreeSet<Scorer>) {
    // Of the others it does not warn, or not of what we mean.
    let is_share = |scorer: &Scorer| {
        ["f1", "precision", "recall", "jaccard"].iter().any(|name| scorer.name().starts_with(name))
    };
    let scorers: Vec<Scorer> = Scorer::ALL.into_iter().filter(is_share).collect();
    let falls = scorers.iter().zip(falls_back(&scorers, judged));
    let found: BTreeSet<Scorer> = falls
        .filter(|(scorer, falls)| {
            let fits = match judged {
                Judged::Classes { n_classes, .. } => {
                    scorer.fits(TargetKind::Classes { n_classes: *n_classes })
                }
                _ => scorer.fits_labels(),
            };
            *falls && fits
        })
        .map(|(scorer, _)| *scorer)
        .collect();
    assert_eq!(&found, expected, "{case}");
}

#[test]
fn scores_of_labels_are_scikit_learns() {
    let cases = golden().labels;
    assert!(cases.len() >= 60);
    let mut wrong = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        assert!(Scorer::ALL.into_iter().all(|s| s.fits_labels() == case.scores.contains_key(&s)));
        let judged = Judged::Labels {
            target: &case.target,
            prediction: &case.prediction,
            n_labels: case.n_labels,
            decision: Some(&case.decision),
            weights: case.weights.as_deref(),
        };
        same_warned(&format!("case {index}"), &judged, &case.warned);
        wrong.extend(compare(&format!("case {index}"), &judged, &case.scores));
    }
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

#[test]
fn scores_of_values_are_scikit_learns() {
    let cases = golden().values;
    assert!(cases.len() >= 120);
    let mut wrong = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let judged = Judged::Values {
            target: &case.target,
            prediction: &case.prediction,
            n_outputs: case.n_outputs,
            weights: case.weights.as_deref(),
        };
        wrong.extend(compare(&format!("case {index}"), &judged, &case.scores));
        let at = [0.9, 0.25].map(|alpha| Scorer::pinball(Share::new(alpha).expect("a share")));
        let found: Vec<f64> = scores(&at, &judged).into_iter().flatten().collect();
        near(&found, &case.pinball);
    }
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

#[test]
fn weights_that_are_none_have_no_score() {
    for weights in [&[1.0][..], &[0.0, 0.0], &[1.0, -1.0], &[1.0, f64::NAN]] {
        let judged = Judged::Values {
            target: &[1.0, 2.0],
            prediction: &[1.0, 3.0],
            n_outputs: 1,
            weights: Some(weights),
        };
        assert_eq!(scores(&[Scorer::R2], &judged), [None], "{weights:?}");
        let judged = Judged::Classes {
            target: &[0, 1],
            prediction: &[0, 1],
            n_classes: 2,
            probabilities: None,
            decision: Some(&[0.0, 1.0]),
            weights: Some(weights),
        };
        assert_eq!(scores(&[Scorer::Accuracy, Scorer::RocAuc], &judged), [None; 2]);
        assert_eq!(roc_curve(&[true, false], &[0.0, 1.0], Some(weights), true), None);
    }
}

#[track_caller]
fn near(found: &[f64], expected: &[f64]) {
    let all = found.len() == expected.len()
        && found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 1e-12);
    assert!(all, "{found:?} instead of {expected:?}");
}

#[test]
fn curves_are_scikit_learns() {
    let cases = golden().curves;
    assert!(cases.len() >= 24);
    for case in &cases {
        let CurveCase { target, score, .. } = case;
        let weights = case.weights.as_deref();
        assert_eq!(case.roc.len(), 2);
        for (drop, [fpr, tpr, thresholds]) in &case.roc {
            let curve = roc_curve(target, score, weights, *drop).expect("a curve");
            near(&curve.false_positive_rate, fpr);
            near(&curve.true_positive_rate, tpr);
            assert_eq!(curve.thresholds[0], f64::INFINITY);
            near(&curve.thresholds[1..], thresholds);
        }
        let curve = precision_recall_curve(target, score, weights).expect("a curve");
        near(&curve.precision, &case.precision_recall[0]);
        near(&curve.recall, &case.precision_recall[1]);
        near(&curve.thresholds, &case.precision_recall[2]);
        let classes: Vec<u32> = target.iter().map(|target| u32::from(*target)).collect();
        let said: Vec<u32> = score.iter().map(|score| u32::from(*score > 0.5)).collect();
        near(&confusion_matrix(&classes, &said, 2, weights).expect("rows"), &case.confusion);
        for (n_bins, strategy, expected) in
            [(5, Strategy::Uniform, &case.uniform), (4, Strategy::Quantile, &case.quantile)]
        {
            let curve = calibration_curve(target, score, n_bins, strategy).expect("a curve");
            near(&curve.prob_true, &expected[0]);
            near(&curve.prob_pred, &expected[1]);
        }
    }
}
