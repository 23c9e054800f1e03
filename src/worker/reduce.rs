//! The last task of a job: puts the folds together and trains the model on all rows.

use std::borrow::Cow;
use std::collections::BTreeMap;

use trainyard_formats::csv::CsvOptions;
use trainyard_learn::artifact::TrainedModel;
use trainyard_learn::calibration::CalibrationError;
use trainyard_learn::inference::{corrected_t_factor, corrected_t_interval};
use trainyard_learn::kernels::Crew;
use trainyard_learn::metrics::Scorer;
use trainyard_learn::model::Predicted;
use trainyard_learn::output::{Output, OutputError, OutputSpec};
use trainyard_learn::scalar::Scalar;

use super::fit::{Fit, Part, fit, predict};
use super::observe::Context;
use super::prepare::Prepared;
use super::run::{Failure, Runner, of_variant};
use super::search::choose;
use crate::domain::dataset::Warning;
use crate::domain::ids::ModelId;
use crate::domain::job::{
    ConformalResult, CurvePoint, DrawnCurve, EvaluationResult, FoldResult, JobResult, RefitResult,
    ScoreSummary, SearchResult, Trial, UnseenCategories,
};
use crate::domain::model::{ModelCard, ModelOutput};
use crate::domain::pooled::Pooled;
use crate::domain::spec::curve::CurveSpec;
use crate::domain::spec::search::SearchSpec;
use crate::domain::suggest::shown;
use crate::store::jobs::StoredPredictions;
use crate::store::tasks::{JobContext, NewModel, Outcome};

const NOT_CONVERGED: &str =
    "had not converged after max_iter epochs; allow more, or bring the features to one scale";

/// Scores by scorer; null where undefined.
pub(super) type Scores = BTreeMap<String, Option<f64>>;

pub(super) fn reduce(
    runner: &Runner,
    job: &JobContext,
    data: &Prepared,
    folds: &[FoldResult],
    crew: &mut Crew,
    context: Context<'_>,
) -> Result<Outcome, Failure> {
    let curve = job.spec.curve.as_ref().map(|curve| drawn(curve, &job.spec.scoring, folds));
    let (cv, cv_train) = match curve {
        // Its points have scores of their own.
        Some(_) => (BTreeMap::new(), BTreeMap::new()),
        None => scores_of(&job.spec.scoring, folds),
    };
    // The folds have rows of their own.
    let mut result = JobResult {
        cv,
        cv_train,
        folds: None,
        evaluation: None,
        search: None,
        curve,
        train: Scores::new(),
        refit: None,
        calibration: None,
        threshold: None,
        conformal: None,
        model_id: None,
        warnings: data.warnings.clone(),
    };
    let n_stopped = folds.iter().filter(|fold| fold.fit.converged == Some(false)).count();
    if n_stopped > 0 {
        let detail = format!("{n_stopped} of {} folds {NOT_CONVERGED}", folds.len());
        result.warnings.push(Warning::new("not_converged", detail));
    }
    result.warnings.extend(unseen_categories(folds));
    result.warnings.extend(untrained_classes(folds));
    result.warnings.extend(untested_classes(folds));
    result.warnings.extend(undefined(&job.spec.scoring, folds));
    result.warnings.extend(ill_defined(folds));
    let search = job.spec.search.as_ref();
    result.search = search.map(tried);
    if !job.spec.refit {
        result.warnings.extend(search.and_then(|search| unscored(search, folds, &[])));
        return Ok(Outcome::Reduced { result: Box::new(result), model: None, history: None });
    }
    let rows: Vec<u32> = (0..data.n_rows() as u32).collect();
    let chosen = search
        .map(|search| choose(runner, (job, search), (&rows, Part::Refit), crew, context))
        .transpose()?;
    let (of_chosen, data) = match &chosen {
        None => (Cow::Borrowed(job), data),
        Some(chosen) => (of_variant(job, chosen.candidate), &*chosen.data),
    };
    let job = &*of_chosen;
    if let (Some(chosen), Some(search_spec), Some(search)) = (&chosen, search, &mut result.search) {
        search.best_trial = Some(chosen.candidate as u32);
        search.best_score = chosen.scores[chosen.candidate];
        search.best_spec = Some(job.spec.clone());
        for (trial, score) in search.trials.iter_mut().zip(&chosen.scores) {
            trial.score = *score;
        }
        result.warnings.extend(unscored(search_spec, folds, &chosen.scores));
    }
    let fitted = fit(job, data, &rows, Part::Refit, crew, context)?;
    if fitted.summary.converged == Some(false) {
        result.warnings.push(Warning::new("not_converged", format!("the model {NOT_CONVERGED}")));
    }
    let (predicted, _) = predict(job, data, &fitted, &rows, crew)?;
    let (scorers, weights) = (&job.spec.scoring, data.scoring_weights_of(&rows));
    let scores = predicted.scores(scorers, &data.truth, job.classes.len(), weights.as_deref());
    for (scorer, _) in scorers.iter().zip(&scores).filter(|(_, score)| score.is_none()) {
        let (name, needs) = (scorer.name(), scorer.needs());
        let detail = format!(
            "`{name}` is undefined on the rows that the model was trained on; it needs {needs}"
        );
        result.warnings.push(Warning::new("undefined_score", detail));
    }
    let model_id = ModelId::new(&runner.resources.clock);
    result.train = by_name(&job.spec.scoring, &scores);
    result.model_id = Some(model_id);
    let Fit { model, preprocessor, target_transform, summary, history } = fitted;
    let preprocessor = preprocessor
        .ok_or_else(|| Failure::permanent("internal", "a model without its preparation"))?;
    result.refit = Some(RefitResult { n_train: rows.len() as u32, fit: summary });
    let output = output(runner, job, &mut result)?;
    let inputs = preprocessor.inputs().map(str::to_owned).collect();
    let trained = TrainedModel {
        output,
        preprocessor,
        targets: job.spec.target.names().to_vec(),
        classes: job.classes.clone(),
        target_transform,
        model,
    };
    let bytes = trained.to_bytes().map_err(|error| Failure::permanent("internal", error))?;
    let size_bytes = bytes.len() as u64;
    // Durable before the transaction that names it.
    let _span = tracing::info_span!("store_model", size_bytes).entered();
    let sha256 = runner
        .runtime
        .block_on(runner.resources.blobs.put(bytes))
        .map_err(|error| Failure::passing("model_not_stored", error))?;
    let card = ModelCard {
        spec: job.spec.clone(),
        data_sha256: job.data_sha256.clone(),
        n_rows: data.n_rows(),
        csv: job.reading.csv.as_ref().map(CsvOptions::of_values),
        inputs,
        outputs: ModelOutput { target: job.spec.target.clone(), classes: job.classes.clone() },
        cv: result.cv.clone(),
        train: result.train.clone(),
        warnings: job.warnings.iter().chain(&result.warnings).cloned().collect(),
    };
    let model = NewModel { id: model_id, sha256, size_bytes, card };
    let history = history.map(|history| history.pack());
    Ok(Outcome::Reduced { result: Box::new(result), model: Some(Box::new(model)), history })
}

/// How the model of an evaluation does, which its only fold has found.
pub(super) fn evaluated(job: &JobContext, model_id: ModelId, folds: &[FoldResult]) -> Outcome {
    let mut warnings = undefined(&job.spec.scoring, folds);
    warnings.extend(ill_defined(folds));
    warnings.extend(unseen_categories(folds));
    let evaluation = folds.first().map(|fold| EvaluationResult {
        model_id,
        n_rows: fold.n_test,
        scores: fold.scores.clone(),
    });
    let result = JobResult {
        cv: BTreeMap::new(),
        cv_train: BTreeMap::new(),
        folds: None,
        evaluation,
        search: None,
        curve: None,
        train: Scores::new(),
        refit: None,
        calibration: None,
        threshold: None,
        conformal: None,
        model_id: None,
        warnings,
    };
    Outcome::Reduced { result: Box::new(result), model: None, history: None }
}

/// Scores over the folds: on test rows, and on those trained on.
fn scores_of(
    scorers: &[Scorer],
    folds: &[FoldResult],
) -> (BTreeMap<String, ScoreSummary>, BTreeMap<String, ScoreSummary>) {
    let (n_train, n_test) = mean_rows(folds);
    let factor = corrected_t_factor(folds.len(), n_train, n_test, 0.95);
    let test = summaries(scorers, folds, factor, |fold| &fold.scores);
    (test, summaries(scorers, folds, factor, |fold| &fold.train_scores))
}

/// The candidates of a search, none of them chosen.
fn tried(search: &SearchSpec) -> SearchResult {
    let n_trials = search.n_candidates();
    let trial = |index| Trial { params: search.candidate(index), score: None };
    SearchResult {
        best_trial: None,
        best_spec: None,
        best_score: None,
        n_trials: n_trials as u32,
        n_pruned: 0,
        trials: (0..n_trials).map(trial).collect(),
    }
}

/// The curve's points, each put together of its folds.
fn drawn(curve: &CurveSpec, scorers: &[Scorer], folds: &[FoldResult]) -> DrawnCurve {
    let (param, values) = match curve {
        CurveSpec::Learning { .. } => (None, None),
        CurveSpec::Validation { param, values } => (Some(param.clone()), Some(values)),
    };
    let point = |number: usize| {
        let is_of = |fold: &&FoldResult| fold.point == Some(number as u32);
        let of_point: Vec<FoldResult> = folds.iter().filter(is_of).cloned().collect();
        let (test, train) = scores_of(scorers, &of_point);
        let fit_s = of_point.iter().map(|fold| fold.fit.fit_s).sum::<f64>();
        CurvePoint {
            n_train: mean_rows(&of_point).0,
            value: values.map(|values| values[number].clone()),
            train,
            test,
            fit_s: fit_s / of_point.len().max(1) as f64,
        }
    };
    DrawnCurve { param, points: (0..curve.n_points()).map(point).collect() }
}

/// What is done to the model's predictions, fitted on those of the folds.
fn output(runner: &Runner, job: &JobContext, result: &mut JobResult) -> Result<Output, Failure> {
    let spec = OutputSpec {
        calibration: job.spec.calibration,
        threshold: job.spec.threshold,
        conformal: job.spec.conformal.as_deref().copied(),
    };
    if spec.calibration.is_none() && spec.threshold.is_none() && spec.conformal.is_none() {
        return Ok(Output::default());
    }
    let stored = runner.resources.store.predictions(job.project, job.id, 0, i64::MAX);
    let stored = runner.runtime.block_on(stored);
    let stored = stored.map_err(|error| Failure::passing("predictions_unreadable", error))?;
    let n_folds = stored.len();
    // What a model that never saw a class decides of it is no number that others could be beside.
    let is_whole = |part: &StoredPredictions| {
        part.fold.untrained_classes.is_empty()
            || !matches!(part.predictions.predicted, Predicted::Decisions { .. })
    };
    let whole: Vec<_> = stored.into_iter().filter(is_whole).map(|p| p.predictions).collect();
    if whole.len() < n_folds {
        let detail = format!(
            "what is done to predictions was fitted without {} of {n_folds} folds, which did not train \
             on every class",
            n_folds - whole.len()
        );
        result.warnings.push(Warning::new("untrained_class", detail));
    }
    let pooled = Pooled::of(whole).ok_or_else(|| {
        let detail = "no fold trained on every class, so nothing can be fitted on what they predict; \
                      take a `cv` that is stratified, or leave `calibration` and `threshold` out";
        Failure::permanent("output", detail)
    })?;
    let (output, report) =
        Output::fit(spec, pooled.tested()).map_err(|error| unfitted(job, &error))?;
    if let Some(error) = report.no_threshold {
        let detail = format!("{error}; the model decides as it would without a `threshold`");
        result.warnings.push(Warning::new("no_threshold", detail));
    }
    result.calibration = report.calibration;
    result.threshold = report.threshold;
    result.conformal = output.conformal.as_ref().map(|conformal| ConformalResult {
        n_rows: conformal.n_rows(),
        highest_coverage: 1.0 - conformal.smallest_alpha(),
    });
    Ok(output)
}

/// Why nothing can be fitted on predictions, with classes by their words.
fn unfitted(job: &JobContext, error: &OutputError) -> Failure {
    let (OutputError::Calibration(CalibrationError::MissingClass { class })
    | OutputError::CrossCalibration(CalibrationError::MissingClass { class })) = error
    else {
        return Failure::permanent("output", error);
    };
    let class = job.classes.get(*class as usize).map_or_else(String::new, Scalar::text);
    let detail = format!(
        "calibration: no prediction to fit on is of class {}; take a `cv` whose folds all train on it, \
         such as a stratified one, add rows of it, or leave `calibration` out",
        shown(&class)
    );
    Failure::permanent("output", detail)
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
fn unscored(search: &SearchSpec, folds: &[FoldResult], refit: &[Option<f64>]) -> Option<Warning> {
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

/// Scores under their scorers' names.
pub(super) fn by_name(scorers: &[Scorer], scores: &[Option<f64>]) -> Scores {
    scorers.iter().zip(scores).map(|(scorer, score)| (scorer.name().into_owned(), *score)).collect()
}

fn summaries(
    scorers: &[Scorer],
    folds: &[FoldResult],
    factor: Option<f64>,
    scores: impl Fn(&FoldResult) -> &Scores,
) -> BTreeMap<String, ScoreSummary> {
    if folds.is_empty() {
        return BTreeMap::new();
    }
    scorers
        .iter()
        .map(|scorer| {
            let values: Option<Vec<f64>> = folds
                .iter()
                .map(|fold| scores(fold).get(&*scorer.name()).copied().flatten())
                .collect();
            (scorer.name().into_owned(), summary(values.as_deref(), factor))
        })
        .collect()
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

/// Null where a fold has no score: a mean over the others would be another quantity. `factor` is that of
/// the interval.
fn summary(values: Option<&[f64]>, factor: Option<f64>) -> ScoreSummary {
    let Some(values) = values else {
        return ScoreSummary::NONE;
    };
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n;
    ScoreSummary {
        mean: Some(mean),
        std: Some(variance.sqrt()),
        min: values.iter().copied().min_by(f64::total_cmp),
        max: values.iter().copied().max_by(f64::total_cmp),
        ci95: factor.and_then(|f| corrected_t_interval(values, f)).map(<[f64; 2]>::from),
    }
}

/// Rows trained on and tested on, on average over the folds.
fn mean_rows(folds: &[FoldResult]) -> (f64, f64) {
    let mean = |rows: fn(&FoldResult) -> u32| {
        folds.iter().map(|fold| f64::from(rows(fold))).sum::<f64>() / folds.len() as f64
    };
    (mean(|fold| fold.n_train), mean(|fold| fold.n_test))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_numpys() {
        let found = summary(Some(&[0.5, 0.75, 1.0, 0.25]), None);
        assert_eq!(found.mean, Some(0.625));
        assert_eq!(found.std, Some(0.279_508_497_187_473_7));
        assert_eq!((found.min, found.max), (Some(0.25), Some(1.0)));
    }

    #[test]
    fn an_undefined_score_makes_an_undefined_mean() {
        assert_eq!(summary(None, None).mean, None);
    }
}
