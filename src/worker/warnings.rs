//! What a user should know of a job's folds and model, as their results tell.

use std::collections::BTreeMap;

use trainyard_learn::calibration::CalibrationSpec;
use trainyard_learn::metrics::Scorer;
use trainyard_learn::scalar::Scalar;

use super::reduce::Scores;
use crate::domain::dataset::Warning;
use crate::domain::job::{FoldResult, ScoreSummary, UnseenCategories};
use crate::domain::spec::search::SearchSpec;
use crate::domain::suggest::shown;

/// What the folds of a cross-validation tell.
pub(super) fn of_folds(scorers: &[Scorer], folds: &[FoldResult]) -> Vec<Warning> {
    let n_stopped = folds.iter().filter(|fold| fold.fit.converged == Some(false)).count();
    let stopped = || not_converged(&format!("{n_stopped} of {} folds", folds.len()));
    let mut found: Vec<Warning> = (n_stopped > 0).then(stopped).into_iter().collect();
    found.extend(unseen_categories(folds));
    found.extend(untrained_classes(folds));
    found.extend(untested_classes(folds));
    found.extend(undefined(scorers, folds));
    found.extend(ill_defined(folds));
    found
}

/// What the only fold of an evaluation tells.
pub(super) fn of_evaluation(scorers: &[Scorer], folds: &[FoldResult]) -> Vec<Warning> {
    let mut found = undefined(scorers, folds);
    found.extend(ill_defined(folds));
    found.extend(unseen_categories(folds));
    found
}

/// A warning of a calibration that is fitted on so few rows that it follows their noise.
pub(super) fn few_rows(calibration: CalibrationSpec, n_rows: usize) -> Option<Warning> {
    let advised = calibration.n_rows_advised();
    let detail = format!(
        "calibration: an isotonic curve was fitted on {n_rows} rows, and below about {advised} it follows \
         their noise; take \"platt\", or more rows"
    );
    (n_rows < advised).then(|| Warning::new("few_calibration_rows", detail))
}

/// A warning of whoever did not converge.
pub(super) fn not_converged(who: &str) -> Warning {
    let detail = format!(
        "{who} had not converged after max_iter epochs; allow more, or bring the features to one scale"
    );
    Warning::new("not_converged", detail)
}

/// A warning for each scorer that the model has no score of on the rows that it was trained on.
pub(super) fn undefined_in_training(scorers: &[Scorer], scores: &[Option<f64>]) -> Vec<Warning> {
    let without = scorers.iter().zip(scores).filter(|(_, score)| score.is_none());
    let warning = |(scorer, _): (&Scorer, _)| {
        let (name, needs) = (scorer.name(), scorer.needs());
        let detail = format!(
            "`{name}` is undefined on the rows that the model was trained on; it needs {needs}"
        );
        Warning::new("undefined_score", detail)
    };
    without.map(warning).collect()
}

/// A warning for each scorer by which all folds are alike: its interval has no width.
pub(super) fn constant_scores(cv: &BTreeMap<String, ScoreSummary>, n_folds: usize) -> Vec<Warning> {
    let warning = |(name, summary): (&String, &ScoreSummary)| {
        let score = summary.min.filter(|_| summary.min == summary.max && summary.ci95.is_some())?;
        let detail = format!(
            "`{name}` is {score} in all {n_folds} folds, so its interval `ci95` is a point and says \
             nothing of how sure the mean is; test rows that are more, or harder, would"
        );
        Some(Warning::new("constant_scores", detail))
    };
    cv.iter().filter_map(warning).collect()
}

/// A warning a column that has categories in test rows and in no training row of their fold.
fn unseen_categories(folds: &[FoldResult]) -> Vec<Warning> {
    let mut columns: BTreeMap<&str, (usize, u64, &str)> = BTreeMap::new();
    for UnseenCategories { column, n_rows, first } in
        folds.iter().flat_map(|fold| &fold.unseen_categories)
    {
        let (n_folds, n_all, _) = columns.entry(column).or_insert((0, 0, first));
        (*n_folds, *n_all) = (*n_folds + 1, *n_all + n_rows);
    }
    let warning = |(column, (n_folds, n_rows, first)): (&str, (usize, u64, &str))| {
        let detail = format!(
            "column {}: in {n_folds} of {} folds {n_rows} test rows have categories that no training \
             row had, the first of them {}; group rare ones with `min_frequency`, or leave the \
             column out",
            shown(column),
            folds.len(),
            shown(first)
        );
        Warning::new("unseen_category", detail).column(column)
    };
    columns.into_iter().map(warning).collect()
}

/// How many folds lack each class on one of their sides.
fn absent(
    folds: &[FoldResult],
    side: fn(&FoldResult) -> &Vec<Scalar>,
) -> impl Iterator<Item = (String, usize)> {
    let mut n_folds: BTreeMap<String, usize> = BTreeMap::new();
    for class in folds.iter().flat_map(side) {
        *n_folds.entry(class.text()).or_default() += 1;
    }
    n_folds.into_iter()
}

/// A warning for each class that some folds did not train on.
fn untrained_classes(folds: &[FoldResult]) -> Vec<Warning> {
    let warning = |(class, n): (String, usize)| {
        let detail = format!(
            "in {n} of {} folds no training row is of class {}, which those folds never predict; \
             stratified folds share classes out",
            folds.len(),
            shown(&class)
        );
        Warning::new("untrained_class", detail)
    };
    absent(folds, |fold| &fold.untrained_classes).map(warning).collect()
}

/// A warning for each class that some folds have no test row of.
fn untested_classes(folds: &[FoldResult]) -> Vec<Warning> {
    let warning = |(class, n): (String, usize)| {
        let detail = format!(
            "in {n} of {} folds no test row is of class {}, of which their scores say nothing; \
             stratified folds share classes out",
            folds.len(),
            shown(&class)
        );
        Warning::new("untested_class", detail)
    };
    absent(folds, |fold| &fold.untested_classes).map(warning).collect()
}

/// A warning for each scorer that divides by nothing in some folds.
fn ill_defined(folds: &[FoldResult]) -> Vec<Warning> {
    let mut n_folds: BTreeMap<&str, usize> = BTreeMap::new();
    for scorer in folds.iter().flat_map(|fold| &fold.ill_defined) {
        *n_folds.entry(scorer).or_default() += 1;
    }
    let warning = |(scorer, n): (&str, usize)| {
        let detail = format!(
            "`{scorer}` divides by nothing in {n} of {} folds and counts 0 there, as scikit-learn has \
             it",
            folds.len()
        );
        Warning::new("ill_defined_score", detail)
    };
    n_folds.into_iter().map(warning).collect()
}

/// A warning for a search that some candidates have no score in, in a fold or for the model.
pub(super) fn unscored(
    search: &SearchSpec,
    folds: &[FoldResult],
    refit: &[Option<f64>],
) -> Option<Warning> {
    let of_folds = folds.iter().filter_map(|fold| Some(&fold.chosen.as_ref()?.scores[..]));
    let choices: Vec<&[Option<f64>]> =
        of_folds.chain((!refit.is_empty()).then_some(refit)).collect();
    let n_without = choices.iter().filter(|scores| scores.contains(&None)).count();
    let metric = search.metric.map_or("the metric".into(), Scorer::name);
    (n_without > 0).then(|| {
        let detail = format!(
            "in {n_without} of {} choices of the search some candidates have no score, and cannot be \
             chosen: `{metric}` is undefined in an inner fold, or training diverged",
            choices.len()
        );
        Warning::new("undefined_score", detail)
    })
}

/// A warning for each scorer that some folds have no score of, on the test rows or on those trained on.
fn undefined(scorers: &[Scorer], folds: &[FoldResult]) -> Vec<Warning> {
    let of_scorer = |scorer: &Scorer| {
        let of = |scores: fn(&FoldResult) -> &Scores, rows: &str| {
            let has_none = |fold: &&FoldResult| scores(fold).get(&*scorer.name()) == Some(&None);
            let without: Vec<&FoldResult> = folds.iter().filter(has_none).collect();
            (!without.is_empty()).then(|| {
                let detail = format!(
                    "`{}` is undefined {rows}in {} of {} folds ({}), and so is its mean; it needs {}",
                    scorer.name(),
                    without.len(),
                    folds.len(),
                    named(&without),
                    scorer.needs()
                );
                Warning::new("undefined_score", detail)
            })
        };
        let test = of(|fold| &fold.scores, "");
        test.into_iter().chain(of(|fold| &fold.train_scores, "on the training rows "))
    };
    scorers.iter().flat_map(of_scorer).collect()
}

/// Folds by their numbers, the first of many.
fn named(folds: &[&FoldResult]) -> String {
    const N_NAMED: usize = 10;
    let name = |fold: &&FoldResult| {
        let at = fold.point.map_or_else(String::new, |point| format!(" at point {point}"));
        format!("{} of repeat {}{at}", fold.fold, fold.repeat)
    };
    let named: Vec<String> = folds.iter().take(N_NAMED).map(name).collect();
    let more = if folds.len() > N_NAMED { ", …" } else { "" };
    format!("{}{more}", named.join(", "))
}
