//! Thresholds against those that are found by force, and what must hold of any.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::json;
use trainyard_learn::random::RandomState;
use trainyard_learn::thresholds::{
    Confusion, CostMatrix, Cut, ThresholdError, ThresholdMetric, ThresholdSpec, TunedThreshold,
    tune,
};

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    target: Vec<bool>,
    scores: Vec<f64>,
    weights: Option<Vec<f64>>,
    default: f64,
    found: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    spec: ThresholdSpec,
    /// Every threshold that is best but for rounding, the lowest first.
    thresholds: Vec<f64>,
    chosen: Option<Cut>,
    default: Cut,
}

fn cases() -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/thresholds.json");
    let text = fs::read_to_string(path).expect("the golden file");
    let golden: Golden = serde_json::from_str(&text).expect("the golden file's form");
    assert!(golden.cases.len() >= 6);
    golden.cases
}

fn assert_same(found: &Cut, expected: &Cut, what: &str) {
    assert!((found.value - expected.value).abs() < 1e-12, "{what}: {found:?}, {expected:?}");
    let numbers = |confusion: &Confusion| {
        let Confusion { true_negative, false_positive, false_negative, true_positive } = *confusion;
        [true_negative, false_positive, false_negative, true_positive]
    };
    for (a, b) in numbers(&found.confusion).iter().zip(numbers(&expected.confusion)) {
        assert!((a - b).abs() < 1e-10, "{what}: {found:?}, {expected:?}");
    }
}

#[test]
fn thresholds_are_the_best_of_all() {
    let (mut n_ties, mut n_unreachable) = (0, 0);
    for (at, case) in cases().iter().enumerate() {
        for found in &case.found {
            let what = format!("case {at}, {:?}", found.spec);
            let weights = case.weights.as_deref();
            let tuned = tune(&found.spec, &case.target, &case.scores, weights, case.default);
            let Some(expected) = &found.chosen else {
                assert!(matches!(tuned, Err(ThresholdError::Unreachable { .. })), "{what}");
                n_unreachable += 1;
                continue;
            };
            let TunedThreshold { chosen, default } = tuned.expect("is one");
            let place = found.thresholds.iter().position(|best| *best == chosen.threshold);
            assert!(place.is_some(), "{what}: {chosen:?} and not {:?}", found.thresholds);
            assert!((chosen.value - expected.value).abs() < 1e-12, "{what}: {chosen:?}");
            if place == Some(0) {
                assert_same(&chosen, expected, &what);
            } else {
                n_ties += 1;
            }
            assert_eq!(default.threshold, case.default);
            assert_same(&default, &found.default, &what);
        }
    }
    assert!(n_unreachable > 0);
    assert!(
        n_ties <= 1,
        "of equally good thresholds the lowest is chosen, but for rounding: {n_ties}"
    );
}

const SCORES: [f64; 6] = [0.1, 0.2, 0.3, 0.4, 0.6, 0.9];
const TARGET: [bool; 6] = [false, false, true, false, true, true];

fn metric(metric: ThresholdMetric) -> ThresholdSpec {
    ThresholdSpec::Metric { metric }
}

fn tuned(spec: ThresholdSpec) -> TunedThreshold {
    tune(&spec, &TARGET, &SCORES, None, 0.5).expect("is one")
}

#[test]
fn a_threshold_by_hand() {
    let TunedThreshold { chosen, default } = tuned(metric(ThresholdMetric::F1));
    // From 0.3 on three of four are positive, and none below: 6/7.
    assert_eq!(chosen.threshold, 0.3);
    assert!((chosen.value - 6.0 / 7.0).abs() < 1e-15);
    assert_eq!(chosen.confusion.false_positive, 1.0);
    assert_eq!(default.confusion.false_negative, 1.0);
    assert!((default.value - 0.8).abs() < 1e-15);
    // Accuracy is 5/6 at 0.3 and at 0.6: the lower one is chosen.
    assert_eq!(tuned(metric(ThresholdMetric::Accuracy)).chosen.threshold, 0.3);
    // Every threshold up to 0.3 has full recall: the lowest is chosen.
    assert_eq!(tuned(metric(ThresholdMetric::Recall)).chosen.threshold, 0.1);
    // Of those with full recall, the one with the highest precision.
    let at_recall = ThresholdSpec::PrecisionAtRecall { recall: 1.0 };
    assert_eq!(tuned(at_recall).chosen.threshold, 0.3);
    let at_precision = ThresholdSpec::RecallAtPrecision { precision: 0.5 };
    assert_eq!(tuned(at_precision).chosen.threshold, 0.3);
}

#[test]
fn costs_that_forbid_a_prediction_are_obeyed() {
    let costs = |false_positive, false_negative| {
        ThresholdSpec::Cost(CostMatrix {
            false_positive,
            false_negative,
            true_positive: 0.0,
            true_negative: 0.0,
        })
    };
    // The best score is negative, so saying nothing is the way to make no alarm.
    let target = [true, false];
    let none = tune(&costs(1000.0, 1.0), &target, &[0.2, 0.9], None, 0.5).expect("is one");
    assert_eq!(none.chosen.threshold, 0.9_f64.next_up());
    assert_eq!((none.chosen.value, none.default.value), (0.5, 500.5));
    let all = tune(&costs(1.0, 1000.0), &target, &[0.2, 0.9], None, 0.5).expect("is one");
    assert_eq!((all.chosen.threshold, all.chosen.value), (0.2, 0.5));
    // There is no number above the largest one.
    let largest = [0.0, f64::MAX];
    let top = tune(&costs(1000.0, 1.0), &target, &largest, None, 0.0).expect("is one");
    assert!(top.chosen.threshold.is_finite());
}

#[test]
fn the_least_cost_of_probabilities_that_come_true_is_where_the_costs_say() {
    let mut random = RandomState::new(5);
    let scores: Vec<f64> = (0..200_000).map(|_| random.random_sample()).collect();
    let target: Vec<bool> = scores.iter().map(|p| random.random_sample() < *p).collect();
    let costs = CostMatrix {
        false_positive: 1.0,
        false_negative: 4.0,
        true_positive: 0.0,
        true_negative: 0.0,
    };
    let found = tune(&ThresholdSpec::Cost(costs), &target, &scores, None, 0.5).expect("is one");
    // Elkan, "The foundations of cost-sensitive learning", 2001: from 1 / (1 + 4) on.
    assert!((found.chosen.threshold - 0.2).abs() < 0.02, "{found:?}");
    assert!(found.chosen.value < found.default.value - 0.05, "{found:?}");
}

#[test]
fn no_default_is_better_and_a_weight_is_as_many_rows() {
    let mut random = RandomState::new(9);
    for round in 0..40 {
        let n_rows = 30;
        let round_to = if round % 2 == 0 { 10.0 } else { 1e6 };
        let scores: Vec<f64> =
            (0..n_rows).map(|_| (random.standard_normal() * round_to).round() / round_to).collect();
        let mut target: Vec<bool> = scores.iter().map(|_| random.random_sample() < 0.4).collect();
        (target[0], target[1]) = (true, false);
        let weights: Vec<f64> = (0..n_rows).map(|row| f64::from(row as u32 % 3 + 1)).collect();
        let repeat = |row: usize| std::iter::repeat_n(row, weights[row] as usize);
        let rows: Vec<usize> = (0..n_rows).flat_map(repeat).collect();
        let more: Vec<f64> = rows.iter().map(|row| scores[*row]).collect();
        let more_target: Vec<bool> = rows.iter().map(|row| target[*row]).collect();
        for spec in [ThresholdMetric::F1, ThresholdMetric::Youden, ThresholdMetric::CohenKappa] {
            let spec = metric(spec);
            let weighted = tune(&spec, &target, &scores, Some(&weights), 0.0).expect("is one");
            let repeated = tune(&spec, &more_target, &more, None, 0.0).expect("is one");
            assert_eq!(weighted, repeated);
            assert!(weighted.chosen.value >= weighted.default.value);
        }
    }
}

#[test]
fn a_spec_is_read_and_written() {
    for (spec, written) in [
        (metric(ThresholdMetric::CohenKappa), json!({"type": "metric", "metric": "cohen_kappa"})),
        (
            ThresholdSpec::RecallAtPrecision { precision: 0.9 },
            json!({"type": "recall_at_precision", "precision": 0.9}),
        ),
    ] {
        assert_eq!(serde_json::to_value(spec).expect("writes"), written);
        assert_eq!(serde_json::from_value::<ThresholdSpec>(written).expect("reads"), spec);
    }
    let short = json!({"type": "cost", "false_positive": 1.0, "false_negative": 2.0});
    let costs = CostMatrix {
        false_positive: 1.0,
        false_negative: 2.0,
        true_positive: 0.0,
        true_negative: 0.0,
    };
    let read: ThresholdSpec = serde_json::from_value(short).expect("reads");
    assert_eq!(read, ThresholdSpec::Cost(costs));
    let odd = json!({"type": "cost", "false_positive": 1, "false_negative": 2, "fee": 3});
    assert!(serde_json::from_value::<ThresholdSpec>(odd).is_err());
    let found = tuned(ThresholdSpec::Cost(costs));
    let written = serde_json::to_string(&found).expect("writes");
    assert_eq!(serde_json::from_str::<TunedThreshold>(&written).expect("reads"), found);
}

#[test]
fn what_has_no_threshold() {
    use ThresholdError::*;
    let f1 = metric(ThresholdMetric::F1);
    let fails = |spec: &ThresholdSpec, target: &[bool], scores: &[f64], weights, default| {
        tune(spec, target, scores, weights, default).expect_err("has none")
    };
    assert_eq!(fails(&f1, &[], &[], None, 0.5), NoRows);
    let odd = Rows { n_scores: 1, n_targets: 2 };
    assert_eq!(fails(&f1, &[true, false], &[0.5], None, 0.5), odd);
    for score in [f64::INFINITY, f64::NEG_INFINITY] {
        let found = fails(&f1, &[true, false], &[0.5, score], None, 0.5);
        assert_eq!(found, Score { row: 1, score });
    }
    let found = fails(&f1, &[true, false], &[f64::NAN, 0.5], None, 0.5);
    assert!(matches!(found, Score { row: 0, score } if score.is_nan()));
    assert!(matches!(fails(&f1, &TARGET, &SCORES, None, f64::NAN), Default(_)));
    assert_eq!(fails(&f1, &[true; 6], &SCORES, None, 0.5), OneClass);
    assert_eq!(fails(&f1, &[false; 6], &SCORES, None, 0.5), OneClass);
    let of_one = [0.0, 0.0, 1.0, 0.0, 1.0, 1.0];
    assert_eq!(fails(&f1, &TARGET, &SCORES, Some(&of_one), 0.5), OneClass);
    for weights in [&[1.0][..], &[-1.0, 1.0, 1.0, 1.0, 1.0, 1.0], &[0.0; 6], &[f64::NAN; 6]] {
        assert_eq!(fails(&f1, &TARGET, &SCORES, Some(weights), 0.5), Weights);
    }
    for share in [-0.1, 1.1] {
        let spec = ThresholdSpec::PrecisionAtRecall { recall: share };
        assert_eq!(fails(&spec, &TARGET, &SCORES, None, 0.5), Share(share));
    }
    let spec = ThresholdSpec::RecallAtPrecision { precision: f64::NAN };
    assert!(matches!(fails(&spec, &TARGET, &SCORES, None, 0.5), Share(_)));
    let spec = ThresholdSpec::Cost(CostMatrix {
        false_positive: f64::INFINITY,
        false_negative: 1.0,
        true_positive: 0.0,
        true_negative: 0.0,
    });
    assert_eq!(fails(&spec, &TARGET, &SCORES, None, 0.5), Cost);
    let spec = ThresholdSpec::RecallAtPrecision { precision: 0.9 };
    let found = fails(&spec, &[true, false, true], &[0.1, 0.9, 0.5], None, 0.5);
    assert_eq!(found, Unreachable { highest: 2.0 / 3.0 });
}
