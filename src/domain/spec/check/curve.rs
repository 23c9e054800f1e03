//! Whether a curve can be drawn.

use trainyard_learn::problem::Problem;

use super::super::JobRequest;
use super::super::curve::{CurveSpec, rows_of};
use crate::domain::dataset::Warning;

/// Trainings of one job, at most.
pub(super) const MAX_FITS: usize = 100_000;

/// Parts of a spec that do not change which rows are trained and tested on.
pub(crate) const VARIED: [&str; 6] =
    ["model", "optimizer", "loss", "training", "preprocess", "target_transform"];

/// Checks all but the values of a parameter, which are whole specs each; returns the least rows that
/// are trained on, of the `n_train` that the smallest fold has.
pub(super) fn check(
    request: &JobRequest,
    (n_folds, n_train): (usize, usize),
    problems: &mut Vec<Problem>,
) -> usize {
    let Some(curve) = &request.curve else { return n_train };
    if request.cv.is_none() {
        let problem = Problem::new("/curve", "a curve is of scores on test rows, and needs a `cv`");
        problems.push(problem.suggest(r#"{"type": "kfold", "n_splits": 5}"#));
    }
    if request.refit == Some(true) {
        let problem = Problem::new("/refit", "a curve has many models and keeps none of them");
        problems
            .push(problem.suggest("leave it out, and train the model you choose in another job"));
    }
    if !request.return_train_score {
        let detail = "a curve is of scores on the rows trained on, beside those on others";
        problems.push(Problem::new("/return_train_score", detail).suggest("leave it out"));
    }
    let of_one_model = [
        ("/calibration", request.calibration.is_some()),
        ("/threshold", request.threshold.is_some()),
        ("/conformal", request.conformal.is_some()),
    ];
    for (pointer, _) in of_one_model.iter().filter(|(_, is_there)| *is_there) {
        let problem = Problem::new(*pointer, "is of one model, and a curve keeps none");
        problems.push(problem.suggest("leave it out"));
    }
    let n_fits = n_folds * curve.n_points();
    if n_fits > MAX_FITS {
        let detail = format!("would train {n_fits} times; at most {MAX_FITS} times are done");
        problems.push(Problem::new("/curve", detail).suggest("fewer folds or fewer points"));
    }
    match curve {
        CurveSpec::Learning { sizes, .. } => check_sizes(sizes, n_train, problems),
        CurveSpec::Validation { param, values } => {
            let part = param.split('.').next().unwrap_or_default();
            if !VARIED.contains(&part) {
                let detail = format!("a curve is over a parameter of {}", VARIED.join(", "));
                problems.push(
                    Problem::new("/curve/param", detail)
                        .suggest("such as `optimizer.learning_rate`"),
                );
            }
            for (index, value) in values.iter().enumerate() {
                if values[..index].contains(value) {
                    let pointer = format!("/curve/values/{index}");
                    problems.push(Problem::new(pointer, "is there twice"));
                }
            }
            n_train
        }
    }
}

/// The curve with every default filled in. A number of rows is trained on once, as in scikit-learn's
/// `learning_curve`, whichever of its sizes come to it; a warning says which do.
pub(super) fn resolved(
    request: &JobRequest,
    n_train: usize,
) -> (Option<CurveSpec>, Option<Warning>) {
    let curve = request.curve.clone().map(|curve| curve.resolved(request.random_state));
    let Some(CurveSpec::Learning { mut sizes, shuffle, random_state }) = curve else {
        return (curve, None);
    };
    // Folds by groups differ in their rows, and shares are of the first fold's.
    let by_groups = request.cv.as_ref().is_some_and(|cv| cv.group_column().is_some());
    let is_same = |one: f64, other: f64| match by_groups {
        true => one == other,
        false => rows_of(one, n_train) == rows_of(other, n_train),
    };
    let mut equal = Vec::new();
    sizes.dedup_by(|size, kept| {
        let same = is_same(*size, *kept);
        if same {
            equal.push(format!("{size} and {kept}"));
        }
        same
    });
    let warning = (!equal.is_empty()).then(|| {
        let detail = format!(
            "sizes come to the same number of rows, and each number is a point of the curve once: {}",
            equal.join(", ")
        );
        Warning::new("equal_sizes", detail)
    });
    (Some(CurveSpec::Learning { sizes, shuffle, random_state }), warning)
}

fn check_sizes(sizes: &[f64], n_train: usize, problems: &mut Vec<Problem>) -> usize {
    let is_share = |size: f64| size > 0.0 && size <= 1.0;
    let mut smallest = n_train;
    for (index, size) in sizes.iter().copied().enumerate() {
        let detail = if !is_share(size) && (size < 2.0 || size.fract() != 0.0) {
            "is neither a share, above 0 and up to 1, nor a whole number of rows from 2 on"
                .to_owned()
        } else if is_share(size) != is_share(sizes[0]) {
            "mixes shares and numbers of rows".to_owned()
        } else if !is_share(size) && size > n_train as f64 {
            format!("the smallest fold trains on {n_train} rows")
        } else {
            smallest = smallest.min(rows_of(size, n_train));
            continue;
        };
        let way_out = match is_share(sizes[0]) {
            true => "shares only, such as 0.5 and 1.0".to_owned(),
            false => format!("numbers of rows only, from 2 to {n_train}"),
        };
        let problem = Problem::new(format!("/curve/sizes/{index}"), detail);
        problems.push(problem.suggest(way_out));
    }
    smallest
}
