//! The last task of a job: puts the folds together and trains the model on all rows.

use std::borrow::Cow;
use std::collections::BTreeMap;

use tokio::task::JoinHandle;
use trainyard_formats::csv::CsvOptions;
use trainyard_learn::artifact::TrainedModel;
use trainyard_learn::calibration::CalibrationError;
use trainyard_learn::inference::{corrected_t_factor, corrected_t_interval};
use trainyard_learn::kernels::Crew;
use trainyard_learn::metrics::Scorer;
use trainyard_learn::model::Predicted;
use trainyard_learn::output::{Output, OutputError, OutputSpec};
use trainyard_learn::scalar::Scalar;

use super::READ_WITHIN;
use super::fit::{Fit, Learned, Part, fit, predict};
use super::observe::Context;
use super::prepare::Prepared;
use super::run::{Failure, Runner, of_variant};
use super::search::choose;
use super::warnings;
use crate::blobs::BlobError;
use crate::domain::clock::Timestamp;
use crate::domain::dataset::Warning;
use crate::domain::ids::ModelId;
use crate::domain::job::{
    ConformalResult, CurvePoint, DrawnCurve, EvaluationResult, FoldResult, JobResult, RefitResult,
    ScoreSummary, SearchResult, Trial,
};
use crate::domain::model::{ModelCard, ModelOutput};
use crate::domain::pooled::Pooled;
use crate::domain::spec::curve::CurveSpec;
use crate::domain::spec::search::SearchSpec;
use crate::domain::suggest::shown;
use crate::store::jobs::StoredPredictions;
use crate::store::tasks::{JobContext, NewModel, Outcome};

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
    result.warnings.extend(warnings::of_folds(&job.spec.scoring, folds));
    result.warnings.extend(warnings::constant_scores(&result.cv, folds.len()));
    let search = job.spec.search.as_ref();
    result.search = search.map(tried);
    if !job.spec.refit {
        result.warnings.extend(search.and_then(|search| warnings::unscored(search, folds, &[])));
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
        result.warnings.extend(warnings::unscored(search_spec, folds, &chosen.scores));
    }
    let context = Context { series: chosen.as_ref().map(|chosen| &chosen.series), ..context };
    let fitted = fit(job, data, &rows, Part::Refit, crew, context)?;
    if fitted.summary.converged == Some(false) {
        result.warnings.push(warnings::not_converged("the model"));
    }
    let model_id = ModelId::new(&runner.resources.clock);
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
    // Durable before the transaction that names it; the model is looked at meanwhile.
    let stored = stored(runner, bytes);
    if job.spec.return_train_score {
        let learned = Learned {
            model: &trained.model,
            preprocessor: Some(&trained.preprocessor),
            target_transform: trained.target_transform.as_ref(),
        };
        let (predicted, _) = predict(job, data, learned, &rows, crew)?;
        let (scorers, weights) = (&job.spec.scoring, data.scoring_weights_of(&rows));
        let scores = predicted.scores(scorers, &data.truth, job.classes.len(), weights.as_deref());
        result.warnings.extend(warnings::undefined_in_training(scorers, &scores));
        result.train = by_name(scorers, &scores);
    }
    let (stored_after, sha256) = runner
        .runtime
        .block_on(stored)
        .map_err(|error| Failure::passing("internal", error))?
        .map_err(|error| Failure::of_bytes("model_not_stored", &error))?;
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
    let model = NewModel { id: model_id, sha256, stored_after, size_bytes, card };
    let history = history.map(|history| history.pack());
    Ok(Outcome::Reduced { result: Box::new(result), model: Some(Box::new(model)), history })
}

/// Stores a model's file, on a thread of its own: after which moment, if the database is there to say it, and
/// the blob's name.
fn stored(
    runner: &Runner,
    bytes: Vec<u8>,
) -> JoinHandle<Result<(Option<Timestamp>, String), BlobError>> {
    let runtime = runner.runtime.clone();
    let (store, blobs) = (runner.resources.store.clone(), runner.resources.blobs.clone());
    let span = tracing::info_span!("store_model", size_bytes = bytes.len());
    let stored = async move {
        let stored_after = store.now().await.ok();
        Ok((stored_after, blobs.put(bytes).await?))
    };
    runner.runtime.spawn_blocking(move || span.in_scope(|| runtime.block_on(stored)))
}

/// How the model of an evaluation does, which its only fold has found.
pub(super) fn evaluated(job: &JobContext, model_id: ModelId, folds: &[FoldResult]) -> Outcome {
    let warnings = warnings::of_evaluation(&job.spec.scoring, folds);
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
    let store = &runner.resources.store;
    let stored = store.predictions(job.project, job.id, 0, i64::MAX);
    let stored = runner.runtime.block_on(store.within(READ_WITHIN, stored));
    let stored = stored.map_err(|error| Failure::of_rows("predictions_unreadable", &error))?;
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
    let n_rows = pooled.n_distinct();
    result.warnings.extend(spec.calibration.and_then(|spec| warnings::few_rows(spec, n_rows)));
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
    // Such as those on training rows, where they are not asked for.
    if folds.iter().all(|fold| scores(fold).is_empty()) {
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
