//! Conformal sets and intervals against MAPIE's and the formulas', and how often they hold the truth.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::json;
use trainyard_learn::conformal::{Conformal, ConformalError, ConformalSpec, Interval};
use trainyard_learn::random::RandomState;

#[derive(Deserialize)]
struct Golden {
    classes: Vec<OfClasses>,
    values: Vec<OfValues>,
}

#[derive(Deserialize)]
struct OfClasses {
    n_classes: usize,
    probabilities: Vec<f64>,
    target: Vec<u32>,
    more: Vec<f64>,
    sets: Vec<Sets>,
}

#[derive(Deserialize)]
struct Sets {
    spec: ConformalSpec,
    alpha: f64,
    sets: Vec<Vec<u32>>,
}

#[derive(Deserialize)]
struct OfValues {
    predictions: Vec<f64>,
    scales: Vec<f64>,
    target: Vec<f64>,
    more: Vec<f64>,
    more_scales: Vec<f64>,
    intervals: Vec<Intervals>,
}

#[derive(Deserialize)]
struct Intervals {
    alpha: f64,
    absolute: Vec<[f64; 2]>,
    scaled: Vec<[f64; 2]>,
}

fn golden() -> Golden {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/conformal.json");
    let text = fs::read_to_string(path).expect("the golden file");
    serde_json::from_str(&text).expect("the golden file's form")
}

const APS: ConformalSpec = ConformalSpec::Aps { randomized: false, random_state: 0 };
const RANDOMIZED: ConformalSpec = ConformalSpec::Aps { randomized: true, random_state: 3 };

#[test]
fn sets_are_mapies_and_the_formulas() {
    let mut n_sets = 0;
    for (at, case) in golden().classes.iter().enumerate() {
        for Sets { spec, alpha, sets } in &case.sets {
            let (p, n_classes) = (&case.probabilities, case.n_classes);
            let fitted = Conformal::of_classes(*spec, p, n_classes, &case.target).expect("fits");
            let found = fitted.predict_sets(&case.more, *alpha).expect("predicts");
            assert_eq!(&found, sets, "case {at}, {spec:?}, {alpha}");
            n_sets += found.len();
        }
    }
    assert!(n_sets >= 2000, "{n_sets}");
}

#[test]
fn intervals_are_mapies_and_the_formulas() {
    let same = |found: &[Interval], expected: &[[f64; 2]]| {
        assert_eq!(found.len(), expected.len());
        for (found, [lower, upper]) in found.iter().zip(expected) {
            assert!((found.lower - lower).abs() < 1e-10, "{found:?}, {lower}");
            assert!((found.upper - upper).abs() < 1e-10, "{found:?}, {upper}");
        }
    };
    let golden = golden();
    assert_eq!(golden.values.len(), 3);
    for case in &golden.values {
        let fit = |spec, scales| {
            Conformal::of_values(spec, &case.predictions, &case.target, scales).expect("fits")
        };
        let absolute = fit(ConformalSpec::AbsoluteResidual, None);
        let scaled = fit(ConformalSpec::NormalizedResidual, Some(&case.scales));
        for expected in &case.intervals {
            let found = absolute.intervals(&case.more, expected.alpha).expect("predicts");
            same(&found, &expected.absolute);
            let found = scaled.scaled_intervals(&case.more, &case.more_scales, expected.alpha);
            same(&found.expect("predicts"), &expected.scaled);
        }
    }
}

/// Probabilities that are twice too sure, and classes as sure as they should be.
fn of_classes(random: &mut RandomState, n_rows: usize) -> (Vec<f64>, Vec<u32>) {
    let (mut all, mut target) = (Vec::new(), Vec::new());
    for _ in 0..n_rows {
        let logits: Vec<f64> = (0..5).map(|_| random.standard_normal()).collect();
        let soft = |sharp: f64| {
            let exp: Vec<f64> = logits.iter().map(|logit| (sharp * logit).exp()).collect();
            let sum: f64 = exp.iter().sum();
            exp.iter().map(|e| e / sum).collect::<Vec<f64>>()
        };
        all.extend(soft(2.0));
        target.push(random.choice_weighted(5, 1, &soft(1.0))[0] as u32);
    }
    (all, target)
}

/// Predictions that are off by more where the scale is larger; scales that are not quite right.
fn of_values(random: &mut RandomState, n_rows: usize) -> [Vec<f64>; 3] {
    let mut columns = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..n_rows {
        let scale = random.standard_normal().exp();
        let prediction = 10.0 * random.standard_normal();
        columns[0].push(prediction);
        columns[1].push(prediction + 0.2 + scale * random.standard_normal().powi(3));
        columns[2].push(scale * random.uniform(0.5, 2.0));
    }
    columns
}

const N_SIMULATIONS: u32 = 200;

/// The mean share of held truths over simulations of fitted and of new rows.
fn coverage(of_one: impl Fn(&mut RandomState) -> f64) -> f64 {
    let of_each = |seed| of_one(&mut RandomState::new(seed));
    (0..N_SIMULATIONS).map(of_each).sum::<f64>() / f64::from(N_SIMULATIONS)
}

#[test]
fn sets_hold_the_truth_as_often_as_asked() {
    for spec in [ConformalSpec::Lac, APS, RANDOMIZED] {
        for alpha in [0.1, 0.05] {
            let found = coverage(|random| {
                let (p, target) = of_classes(random, 300);
                let fitted = Conformal::of_classes(spec, &p, 5, &target).expect("fits");
                let (p, target) = of_classes(random, 300);
                let sets = fitted.predict_sets(&p, alpha).expect("predicts");
                let held = sets.iter().zip(&target).filter(|(set, class)| set.contains(class));
                held.count() as f64 / 300.0
            });
            assert!((found - (1.0 - alpha)).abs() < 0.01, "{spec:?} {alpha}: {found}");
        }
    }
}

#[test]
fn intervals_hold_the_truth_as_often_as_asked() {
    for scaled in [false, true] {
        for alpha in [0.1, 0.05] {
            let found = coverage(|random| {
                let [prediction, target, scales] = of_values(random, 300);
                let [more, more_target, more_scales] = of_values(random, 300);
                let intervals = if scaled {
                    let spec = ConformalSpec::NormalizedResidual;
                    let fitted = Conformal::of_values(spec, &prediction, &target, Some(&scales));
                    fitted.expect("fits").scaled_intervals(&more, &more_scales, alpha)
                } else {
                    let spec = ConformalSpec::AbsoluteResidual;
                    let fitted = Conformal::of_values(spec, &prediction, &target, None);
                    fitted.expect("fits").intervals(&more, alpha)
                };
                let intervals = intervals.expect("predicts");
                let holds = |(interval, target): &(&Interval, &f64)| {
                    interval.lower <= **target && **target <= interval.upper
                };
                intervals.iter().zip(&more_target).filter(holds).count() as f64 / 300.0
            });
            assert!((found - (1.0 - alpha)).abs() < 0.01, "{scaled} {alpha}: {found}");
        }
    }
}

#[test]
fn less_alpha_is_never_a_smaller_set() {
    let mut random = RandomState::new(1);
    let (p, target) = of_classes(&mut random, 200);
    let (more, _) = of_classes(&mut random, 100);
    for spec in [ConformalSpec::Lac, APS, RANDOMIZED] {
        let fitted = Conformal::of_classes(spec, &p, 5, &target).expect("fits");
        let mut before = fitted.predict_sets(&more, 0.001).expect("predicts");
        assert!(before.iter().all(|set| set.len() == 5), "beyond the rows every class is held");
        for alpha in [0.01, 0.1, 0.2, 0.4, 0.8, 0.99] {
            let sets = fitted.predict_sets(&more, alpha).expect("predicts");
            for ((set, larger), row) in sets.iter().zip(&before).zip(more.chunks_exact(5)) {
                assert!(larger.starts_with(set), "{spec:?} {alpha}: {set:?} {larger:?}");
                assert!(set.windows(2).all(|two| row[two[0] as usize] >= row[two[1] as usize]));
                assert!(!set.is_empty() || spec != APS, "the most likely class is always held");
            }
            before = sets;
        }
        let is_empty = before.iter().any(Vec::is_empty);
        assert_eq!(is_empty, spec != APS);
    }
}

#[test]
fn a_random_share_is_of_the_row_and_the_seed() {
    let mut random = RandomState::new(2);
    let (p, target) = of_classes(&mut random, 300);
    let (more, _) = of_classes(&mut random, 300);
    let sets = |random_state, rows: &[f64]| {
        let spec = ConformalSpec::Aps { randomized: true, random_state };
        let fitted = Conformal::of_classes(spec, &p, 5, &target).expect("fits");
        fitted.predict_sets(rows, 0.2).expect("predicts")
    };
    assert_eq!(sets(1, &more)[40..], sets(1, &more[200..]));
    assert_ne!(sets(1, &more), sets(2, &more));
    // Without the shares sets are no smaller on average.
    let fitted = Conformal::of_classes(APS, &p, 5, &target).expect("fits");
    let size = |sets: Vec<Vec<u32>>| sets.iter().map(Vec::len).sum::<usize>();
    let plain = fitted.predict_sets(&more, 0.2).expect("predicts");
    assert!(size(sets(1, &more)) < size(plain));
}

fn of_residuals(residuals: &[f64]) -> Conformal {
    let zeros = vec![0.0; residuals.len()];
    Conformal::of_values(ConformalSpec::AbsoluteResidual, &zeros, residuals, None).expect("fits")
}

#[test]
fn the_quantile_is_the_finite_samples() {
    let fitted = of_residuals(&[-3.0, 1.0, 9.0, -5.0, 2.0, 8.0, -7.0, 4.0, 6.0]);
    assert_eq!((fitted.n_rows(), fitted.smallest_alpha()), (9, 0.1));
    // Of nine residuals 1 to 9 and ten places for the next.
    for (alpha, expected) in [
        (0.99, 1.0),
        (0.9, 1.0),
        (0.7, 3.0),
        (0.5, 5.0),
        (0.41, 6.0),
        (0.3, 7.0),
        (0.2, 8.0),
        (0.1, 9.0),
        (0.099, f64::INFINITY),
        (1e-300, f64::INFINITY),
    ] {
        assert_eq!(fitted.quantile(alpha), Ok(expected), "{alpha}");
    }
    // Whole ranks stay whole: no rounding may ask for the next row.
    for n in 1..3000_u32 {
        let fitted = of_residuals(&(1..=n).map(f64::from).collect::<Vec<_>>());
        if (n + 1) % 20 == 0 {
            for (alpha, twentieths) in [(0.05, 1), (0.1, 2), (0.15, 3), (0.2, 4), (0.35, 7)] {
                let rank = f64::from((n + 1) / 20 * (20 - twentieths));
                assert_eq!(fitted.quantile(alpha), Ok(rank), "{n} {alpha}");
            }
        }
    }
}

#[test]
fn too_few_rows_say_nothing_for_certain() {
    let line = Interval { lower: f64::NEG_INFINITY, upper: f64::INFINITY };
    assert_eq!(of_residuals(&[1.0]).intervals(&[5.0], 0.1), Ok(vec![line]));
    let known = Interval { lower: 4.0, upper: 6.0 };
    assert_eq!(of_residuals(&[1.0]).intervals(&[5.0], 0.5), Ok(vec![known]));
    let flat = Interval { lower: 5.0, upper: 5.0 };
    assert_eq!(of_residuals(&[0.0; 20]).intervals(&[5.0], 0.1), Ok(vec![flat]));
    assert_eq!(of_residuals(&[0.0; 20]).intervals(&[], 0.1), Ok(Vec::new()));

    let two = Conformal::of_classes(ConformalSpec::Lac, &[0.9, 0.1, 0.2, 0.8], 2, &[0, 1]);
    let sets = two.expect("fits").predict_sets(&[1.0, 0.0], 0.1);
    assert_eq!(sets, Ok(vec![vec![0, 1]]));
}

#[test]
fn a_predictor_is_read_as_it_was_written() {
    let mut random = RandomState::new(4);
    let (p, target) = of_classes(&mut random, 50);
    let [prediction, values, scales] = of_values(&mut random, 50);
    let spec = ConformalSpec::NormalizedResidual;
    for fitted in [
        Conformal::of_classes(RANDOMIZED, &p, 5, &target).expect("fits"),
        Conformal::of_values(spec, &prediction, &values, Some(&scales)).expect("fits"),
        of_residuals(&[0.1, 1.0 / 3.0, 1e-300]),
    ] {
        let written = serde_json::to_string(&fitted).expect("writes");
        assert_eq!(serde_json::from_str::<Conformal>(&written).expect("reads"), fitted);
    }
    let read = |spec: &str, n_classes, scores: &[f64]| {
        let spec = json!({"type": spec});
        let written = json!({"spec": spec, "n_classes": n_classes, "scores": scores});
        serde_json::from_value::<Conformal>(written)
    };
    assert!(read("lac", 2, &[0.0, 0.5]).is_ok() && read("absolute_residual", 0, &[0.5]).is_ok());
    for (spec, n_classes, scores) in [
        ("lac", 2, &[0.5, 0.0][..]),
        ("lac", 2, &[]),
        ("lac", 2, &[-1.0]),
        ("lac", 1, &[0.5]),
        ("aps", 0, &[0.5]),
        ("absolute_residual", 2, &[0.5]),
    ] {
        assert!(read(spec, n_classes, scores).is_err(), "{spec} {n_classes} {scores:?}");
    }
}

#[test]
fn what_cannot_be_fitted_or_predicted() {
    use ConformalError::*;
    let p = [0.2, 0.8, 0.7, 0.3];
    let sets = |spec, p: &[f64], n_classes, target: &[u32]| {
        Conformal::of_classes(spec, p, n_classes, target).expect_err("has none")
    };
    let lac = ConformalSpec::Lac;
    let absolute = ConformalSpec::AbsoluteResidual;
    let normalized = ConformalSpec::NormalizedResidual;
    assert_eq!(sets(absolute, &p, 2, &[1, 0]), Method);
    assert_eq!(sets(lac, &[], 2, &[]), NoRows);
    assert_eq!(sets(lac, &p, 3, &[1, 0]), Shape { n_values: 4, n_classes: 3 });
    assert_eq!(sets(lac, &p, 1, &[0; 4]), Shape { n_values: 4, n_classes: 1 });
    assert_eq!(sets(lac, &p, 0, &[]), Shape { n_values: 4, n_classes: 0 });
    assert_eq!(sets(lac, &p, 2, &[1]), Rows { n_rows: 2, n_others: 1 });
    assert_eq!(sets(lac, &p, 2, &[1, 2]), Class { row: 1, class: 2, n_classes: 2 });
    assert_eq!(sets(lac, &p, 2, &[1, 1]), OneClass);
    for row in [[f64::NAN, 0.5], [f64::INFINITY, 0.0], [-0.1, 1.1], [0.5, 0.6]] {
        let odd = [0.2, 0.8, row[0], row[1]];
        assert_eq!(sets(lac, &odd, 2, &[1, 0]), Probabilities { row: 1 });
        let fitted = Conformal::of_classes(APS, &p, 2, &[1, 0]).expect("fits");
        assert_eq!(fitted.predict_sets(&odd, 0.5), Err(Probabilities { row: 1 }));
    }

    let values = |spec, prediction: &[f64], target: &[f64], scales: Option<&[f64]>| {
        Conformal::of_values(spec, prediction, target, scales).expect_err("has none")
    };
    assert_eq!(values(lac, &[1.0], &[1.0], None), Method);
    assert_eq!(values(absolute, &[1.0], &[1.0], Some(&[1.0])), Method);
    assert_eq!(values(normalized, &[1.0], &[1.0], None), Method);
    assert_eq!(values(absolute, &[], &[], None), NoRows);
    assert_eq!(values(absolute, &[1.0], &[], None), Rows { n_rows: 1, n_others: 0 });
    let odd = values(normalized, &[1.0], &[1.0], Some(&[1.0, 2.0]));
    assert_eq!(odd, Rows { n_rows: 1, n_others: 2 });
    for (prediction, target) in
        [(f64::NAN, 1.0), (1.0, f64::NAN), (f64::INFINITY, f64::INFINITY), (-1e308, 1e308)]
    {
        assert_eq!(values(absolute, &[0.0, prediction], &[0.0, target], None), Value { row: 1 });
    }
    for scale in [0.0, -1.0, f64::INFINITY] {
        let found = values(normalized, &[1.0], &[1.0], Some(&[scale]));
        assert_eq!(found, Scale { row: 0, scale });
    }
    let found = values(normalized, &[1.0], &[1.0], Some(&[f64::NAN]));
    assert!(matches!(found, Scale { row: 0, .. }));

    let fitted = of_residuals(&[1.0, 2.0, 3.0]);
    for alpha in [0.0, 1.0, -0.5, 1.5] {
        assert_eq!(fitted.quantile(alpha), Err(Alpha(alpha)));
        assert_eq!(fitted.intervals(&[0.0], alpha), Err(Alpha(alpha)));
    }
    assert!(matches!(fitted.quantile(f64::NAN), Err(Alpha(_))));
    assert_eq!(fitted.intervals(&[0.0, f64::NAN], 0.5), Err(Value { row: 1 }));
    assert_eq!(fitted.scaled_intervals(&[0.0], &[1.0], 0.5), Err(Method));
    assert_eq!(fitted.predict_sets(&p, 0.5), Err(Method));
    let fitted = Conformal::of_classes(lac, &p, 2, &[1, 0]).expect("fits");
    assert_eq!(fitted.intervals(&[0.0], 0.5), Err(Method));
    assert_eq!(fitted.predict_sets(&p[..3], 0.5), Err(Shape { n_values: 3, n_classes: 2 }));
}
