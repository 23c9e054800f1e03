//! What is fitted on out-of-fold predictions, of rows that several folds have tested.

use trainyard_learn::calibration::CalibrationSpec;
use trainyard_learn::conformal::{Conformal, ConformalSpec};
use trainyard_learn::model::{Predicted, Truth};
use trainyard_learn::output::{OutOfFold, Output, OutputSpec, Region};
use trainyard_learn::random::RandomState;

const N_CLASSES: usize = 3;
const N_ROWS: usize = 300;
const N_REPEATS: usize = 3;
const N_FOLDS: usize = 5;

/// Logits of rows, and classes half as sure as these say.
fn rows(random: &mut RandomState, n_rows: usize) -> (Vec<[f64; N_CLASSES]>, Vec<u32>) {
    let mut classes = Vec::new();
    let logits = (0..n_rows).map(|_| [0; N_CLASSES].map(|_| random.standard_normal()));
    let logits: Vec<[f64; N_CLASSES]> = logits.collect();
    for row in &logits {
        let p: Vec<f64> = soft(row, 1.0).into_iter().map(f64::from).collect();
        let sum: f64 = p.iter().sum();
        let p: Vec<f64> = p.iter().map(|p| p / sum).collect();
        classes.push(random.choice_weighted(N_CLASSES, 1, &p)[0] as u32);
    }
    (logits, classes)
}

fn soft(logits: &[f64; N_CLASSES], sharp: f64) -> Vec<f32> {
    let exp = logits.map(|logit| (sharp * logit).exp());
    let sum: f64 = exp.iter().sum();
    exp.iter().map(|e| (e / sum) as f32).collect()
}

fn said(logits: &[[f64; N_CLASSES]]) -> Predicted {
    let probabilities = logits.iter().flat_map(|row| soft(row, 2.0)).collect();
    Predicted::Probabilities {
        prediction: vec![0; logits.len()],
        probabilities,
        n_classes: N_CLASSES,
    }
}

/// What a repeated cross-validation says of the rows: each fold's model is off in its own way.
fn repeated(
    random: &mut RandomState,
    logits: &[[f64; N_CLASSES]],
    classes: &[u32],
) -> (Vec<u32>, Vec<usize>, Truth, Predicted) {
    let (mut rows, mut ends, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..N_REPEATS {
        let order = random.permutation(logits.len());
        for fold in order.chunks(logits.len() / N_FOLDS) {
            let off = [0; N_CLASSES].map(|_| 0.1 * random.standard_normal());
            for row in fold {
                rows.push(*row as u32);
                all.push([0, 1, 2].map(|class| logits[*row][class] + off[class]));
            }
            ends.push(rows.len());
        }
    }
    let truth = rows.iter().map(|row| classes[*row as usize]).collect();
    (rows, ends, Truth::Classes(truth), said(&all))
}

#[test]
fn sets_of_calibrated_probabilities_hold_the_truth_as_often_as_asked() {
    const N_SIMULATIONS: u32 = 200;
    const COVERAGE: f64 = 0.9;
    let conformal = Some(ConformalSpec::Aps { randomized: true, random_state: 3 });
    let calibration = Some(CalibrationSpec::Isotonic);
    let spec = OutputSpec { calibration, conformal, threshold: None };
    let mut held = 0.0;
    for seed in 0..N_SIMULATIONS {
        let mut random = RandomState::new(seed);
        let (logits, classes) = rows(&mut random, N_ROWS);
        let (rows_tested, ends, truth, predicted) = repeated(&mut random, &logits, &classes);
        let tested =
            OutOfFold { rows: &rows_tested, ends: &ends, truth: &truth, predicted: &predicted };
        let (output, _) = Output::fit(spec, tested).expect("fits");
        let n_rows = output.conformal.as_ref().map(Conformal::n_rows);
        assert_eq!(n_rows, Some(N_ROWS), "each row once");
        let (more, truth) = rows(&mut random, 500);
        let region = output.region(&output.apply(said(&more)), COVERAGE).expect("predicts");
        let Some(Region::Sets(sets)) = region else { panic!("{region:?} are no sets") };
        let n = sets.iter().zip(&truth).filter(|(set, class)| set.contains(class)).count();
        held += n as f64 / truth.len() as f64 / f64::from(N_SIMULATIONS);
    }
    assert!((held - COVERAGE).abs() < 0.01, "{held}");
}

#[test]
fn a_report_is_of_rows_that_the_calibration_has_not_seen() {
    let mut random = RandomState::new(1);
    let (logits, _) = rows(&mut random, N_ROWS);
    // Classes that no score says anything of: what a curve finds in them it has learnt by heart.
    let classes: Vec<u32> = (0..N_ROWS).map(|_| random.randint(0, 3) as u32).collect();
    let (rows, ends, truth, predicted) = repeated(&mut random, &logits, &classes);
    let tested = OutOfFold { rows: &rows, ends: &ends, truth: &truth, predicted: &predicted };
    let calibration = Some(CalibrationSpec::Isotonic);
    let spec = OutputSpec { calibration, ..OutputSpec::default() };
    let (_, report) = Output::fit(spec, tested).expect("fits");
    let after = report.calibration.and_then(|report| report.after).expect("a quality");
    // No better than saying a third of each, whose Brier score is two thirds.
    assert!(after.brier_score > 0.66, "{after:?}");
}

#[test]
fn rows_of_a_single_fold_are_dealt_out() {
    let mut random = RandomState::new(4);
    let (logits, classes) = rows(&mut random, N_ROWS);
    let numbers: Vec<u32> = (0..N_ROWS as u32).collect();
    let (truth, predicted) = (Truth::Classes(classes), said(&logits));
    let tested =
        OutOfFold { rows: &numbers, ends: &[N_ROWS], truth: &truth, predicted: &predicted };
    let calibration = Some(CalibrationSpec::Platt);
    let spec =
        OutputSpec { calibration, conformal: Some(ConformalSpec::Lac), ..OutputSpec::default() };
    let (output, report) = Output::fit(spec, tested).expect("fits");
    assert_eq!(output.conformal.map(|conformal| conformal.n_rows()), Some(N_ROWS));
    let report = report.calibration.expect("a report");
    let error = |quality: Option<trainyard_learn::calibration::Quality>| {
        quality.expect("a quality").log_loss
    };
    assert!(error(report.after) < error(report.before), "{report:?}");
}

#[test]
fn a_row_that_is_not_finite_leaves_the_others_calibrated() {
    let mut random = RandomState::new(5);
    let decision: Vec<f64> = (0..200).map(|_| 3.0 * random.standard_normal()).collect();
    let classes = decision.iter().map(|d| u32::from(d + random.standard_normal() > 0.0)).collect();
    let of = |decision: Vec<f64>| {
        let prediction = decision.iter().map(|d| u32::from(*d > 0.0)).collect();
        Predicted::Decisions { prediction, decision, n_values: 1 }
    };
    let (numbers, truth): (Vec<u32>, _) = ((0..200).collect(), Truth::Classes(classes));
    let predicted = of(decision);
    let tested = OutOfFold { rows: &numbers, ends: &[200], truth: &truth, predicted: &predicted };
    let calibration = Some(CalibrationSpec::Platt);
    let spec = OutputSpec { calibration, ..OutputSpec::default() };
    let (output, _) = Output::fit(spec, tested).expect("fits");
    let p = |decision: Vec<f64>| match output.apply(of(decision)) {
        Predicted::Probabilities { probabilities, n_classes: 2, .. } => probabilities,
        other => panic!("{other:?} are no probabilities"),
    };
    let found = p(vec![f64::INFINITY, 1.0, f64::NAN]);
    assert!(found[..2].iter().chain(&found[4..]).all(|p| p.is_nan()), "{found:?}");
    assert_eq!(found[2..4], p(vec![1.0]));
}
