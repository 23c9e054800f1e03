//! One task from start to end, on a training thread.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tokio::runtime::Handle;
use tracing::span::EnteredSpan;
use trainyard_learn::kernels::Crew;
use trainyard_learn::model::{Predicted, Truth};
use trainyard_learn::preprocess::Unseen;
use trainyard_learn::scalar::Scalar;
use trainyard_learn::splits::Folds;
use trainyard_learn::table::Table;

use super::Resources;
use super::checkpoint::Checkpoints;
use super::evaluate::evaluate;
use super::fit::{Fit, Part, fit, predict, unprepared};
use super::learning;
use super::observe::Context;
use super::peak::Peaks;
use super::prepare::Prepared;
use super::queue::{Flight, Signal, Stop};
use super::reduce;
use super::report::Reporter;
use super::search::choose;
use crate::blobs::BlobError;
use crate::cache::{SharedCache, Weighed};
use crate::domain::ids::JobId;
use crate::domain::job::{FoldResult, JobError, UnseenCategories};
use crate::domain::predictions::FoldPredictions;
use crate::domain::spec::curve::CurveSpec;
use crate::domain::spec::{JobSpec, ModelSpec};
use crate::store::StoreError;
use crate::store::tasks::{ClaimedTask, Finished, JobContext, Outcome, TaskKind};
use crate::tables::TableError;
use crate::telemetry;

/// How a task came back from its thread.
#[derive(Debug)]
pub(super) enum Ended {
    /// With an outcome to publish.
    Finished(Box<Finished>),
    /// Without one, because the worker is going away.
    Interrupted(ClaimedTask),
    /// Without one, because somebody else has it.
    LeaseLost(ClaimedTask),
}

/// Runs tasks; shared by the training threads.
#[derive(Debug)]
pub(super) struct Runner {
    pub(super) resources: Resources,
    pub(super) runtime: Handle,
    pub(super) cores: Cores,
    peaks: Peaks,
    reporter: Reporter,
    checkpoints: Checkpoints,
    /// By job and, where they are prepared differently, by variant.
    prepared: SharedCache<(JobId, usize), Prepared, Failure>,
    /// What data count in the cache, however small they are.
    least_weight: usize,
}

/// Data that nobody uses may take this share of the memory that tasks may take. (They are beside it:
/// a server's tasks have four fifths of a machine.)
const PREPARED_SHARE: u64 = 16;

/// How many training threads there are and how many of them train: a fit may use the cores of those
/// that do not.
#[derive(Debug)]
pub(super) struct Cores {
    n_threads: usize,
    n_busy: AtomicUsize,
}

impl Cores {
    /// How many threads each task that runs now may use.
    pub(super) fn share(&self) -> usize {
        (self.n_threads / self.n_busy.load(Ordering::Relaxed).max(1)).max(1)
    }
}

/// Why a task came to no result.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// It was told to stop.
    Stopped,
    /// It would fail again.
    Permanent(JobError),
    /// Training diverged, and would again; with the history of its epochs, packed.
    Diverged(JobError, Option<Vec<u8>>),
    /// It may pass.
    Passing(JobError),
    /// What it needs does not answer now; it was not the task's fault.
    Away(JobError),
}

impl Failure {
    pub(super) fn permanent(code: &str, detail: impl std::fmt::Display) -> Self {
        Self::Permanent(JobError::new(code, detail))
    }

    pub(super) fn passing(code: &str, detail: impl std::fmt::Display) -> Self {
        Self::Passing(JobError::new(code, detail))
    }

    /// Of bytes that could not be read or kept: it may pass, and is waited for if it is the store's fault.
    pub(super) fn of_bytes(code: &str, error: &BlobError) -> Self {
        let told = JobError::new(code, error);
        if error.is_unreachable() { Self::Away(told) } else { Self::Passing(told) }
    }

    /// Of rows that could not be read: it may pass, and is waited for if it is the database's fault.
    pub(super) fn of_rows(code: &str, error: &StoreError) -> Self {
        let told = JobError::new(code, error);
        if error.is_unreachable() { Self::Away(told) } else { Self::Passing(told) }
    }

    /// The same, with more said of an error that would come again.
    fn of(self, more: impl FnOnce(JobError) -> JobError) -> Self {
        match self {
            Self::Permanent(error) => Self::Permanent(more(error)),
            Self::Diverged(error, history) => Self::Diverged(more(error), history),
            other => other,
        }
    }

    pub(super) fn diverged(error: JobError, history: Option<Vec<u8>>) -> Self {
        Self::Diverged(error, history)
    }
}

impl Runner {
    pub(super) fn new(
        resources: Resources,
        runtime: Handle,
        n_threads: usize,
        reporter: Reporter,
    ) -> Self {
        let most = usize::try_from(resources.memory_bytes / PREPARED_SHARE).unwrap_or(usize::MAX);
        let prepared = SharedCache::new(most.max(1));
        // One job's data for each thread is enough to keep all of them busy.
        let least_weight = most.div_ceil(n_threads.max(2)).max(1);
        let cores = Cores { n_threads, n_busy: AtomicUsize::new(0) };
        let checkpoints = Checkpoints::new(resources.clone(), runtime.clone());
        let peaks = Peaks::default();
        Self { resources, runtime, cores, peaks, reporter, checkpoints, prepared, least_weight }
    }

    /// Runs a task, whatever happens in it.
    pub(super) fn run(&self, flight: Flight, crew: &mut Crew) -> Ended {
        self.cores.n_busy.fetch_add(1, Ordering::Relaxed);
        let ended = self.run_task(flight, crew);
        self.cores.n_busy.fetch_sub(1, Ordering::Relaxed);
        ended
    }

    fn run_task(&self, flight: Flight, crew: &mut Crew) -> Ended {
        let clock = &self.resources.clock;
        let Flight { task, signal } = flight;
        let _span = entered(&task);
        self.peaks.begin(task.id, task.memory_bytes);
        let load = Instant::now();
        let mut started_us = clock.now_us();
        let mut load_us = 0;
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            if signal.stop().is_some() {
                return Err(Failure::Stopped);
            }
            let variant = match task.kind {
                TaskKind::Fold { idx } => variant(&task.job, idx),
                TaskKind::Reduce { .. } => 0,
            };
            if let (TaskKind::Fold { .. }, Some(spec)) = (&task.kind, task.job.spec.evaluate) {
                return evaluate(self, &task.job, spec.model_id, &signal);
            }
            if let (TaskKind::Reduce { folds }, Some(spec)) = (&task.kind, task.job.spec.evaluate) {
                return Ok(reduce::evaluated(&task.job, spec.model_id, folds));
            }
            let data = {
                let _span = tracing::info_span!("load").entered();
                self.prepared(&task.job, variant)?
            };
            load_us = load.elapsed().as_micros() as i64;
            started_us = clock.now_us();
            let context = self.context(&task, &signal);
            match &task.kind {
                TaskKind::Fold { idx } => {
                    let job = match task.job.spec.search {
                        None => of_variant(&task.job, variant),
                        Some(_) => Cow::Borrowed(&*task.job),
                    };
                    fold(self, &job, &data, *idx, crew, context)
                }
                TaskKind::Reduce { folds } => {
                    reduce::reduce(self, &task.job, &data, folds, crew, context)
                }
            }
        }))
        .unwrap_or_else(|_| Err(Failure::passing("internal", "training stopped unexpectedly")));
        let ended_us = clock.now_us();
        let peak_bytes = self.peaks.end(task.id);
        let outcome = match (outcome, signal.stop()) {
            (_, Some(Stop::LeaseLost)) => return Ended::LeaseLost(task),
            (Ok(outcome), _) => outcome,
            (Err(Failure::Stopped), Some(Stop::Cancelled)) => Outcome::Cancelled,
            (Err(Failure::Stopped), _) => return Ended::Interrupted(task),
            (Err(Failure::Permanent(error)), _) => Outcome::Failed { error, history: None },
            (Err(Failure::Diverged(error, history)), _) => Outcome::Failed { error, history },
            (Err(Failure::Passing(error)), _) => Outcome::Retry(error),
            (Err(Failure::Away(error)), _) => Outcome::Away(error),
        };
        let finished = Finished { task, outcome, started_us, ended_us, load_us, peak_bytes };
        Ended::Finished(Box::new(finished))
    }

    /// The data as they are prepared for one of the job's variants.
    pub(super) fn prepared(
        &self,
        job: &JobContext,
        variant: usize,
    ) -> Result<Arc<Prepared>, Failure> {
        self.prepare(&of_variant(job, variant), prepared_like(&job.variants, variant))
    }

    /// The job's table.
    pub(super) fn table(&self, job: &JobContext) -> Result<Arc<Table>, Failure> {
        let table = self.resources.tables.get(&job.data_sha256, &job.reading);
        table.map_err(|error| match error {
            TableError::Unreadable(_) => Failure::passing("dataset_unreadable", error),
            TableError::Away(_) => Failure::Away(JobError::new("dataset_unreadable", error)),
            TableError::Changed => Failure::permanent("dataset_changed", error),
        })
    }

    fn prepare(&self, job: &JobContext, like: usize) -> Result<Arc<Prepared>, Failure> {
        self.prepared.get((job.id, like), || {
            let table = self.table(job)?;
            Prepared::new(job, table, self.resources.scratch.clone())
                .map(|value| Weighed { weight: value.n_bytes().max(self.least_weight), value })
                .map_err(unprepared)
        })
    }

    fn context<'a>(&'a self, task: &'a ClaimedTask, signal: &'a Signal) -> Context<'a> {
        Context {
            task,
            signal,
            begun: Instant::now(),
            time_limit: self.resources.time_limit,
            cores: &self.cores,
            reporter: &self.reporter,
            checkpoints: &self.checkpoints,
            series: None,
        }
    }
}

/// The span of a task, in the trace of its job.
fn entered(task: &ClaimedTask) -> EnteredSpan {
    let (kind, idx) = match task.kind {
        TaskKind::Fold { idx } => ("fold", Some(idx)),
        TaskKind::Reduce { .. } => ("reduce", None),
    };
    let ClaimedTask { id, attempt, job, .. } = task;
    let span = tracing::info_span!("task", job = %job.id, task = id, kind, idx, attempt);
    telemetry::follow(&span, job.traceparent.as_deref());
    telemetry::rename(&span, kind.to_owned());
    span.entered()
}

/// Which of the variants a fold's task is of.
fn variant(job: &JobContext, idx: usize) -> usize {
    // A search chooses among its candidates in every task.
    if job.variants.is_empty() || job.spec.search.is_some() { 0 } else { idx % job.variants.len() }
}

/// The job with the variant's spec.
pub(super) fn of_variant(job: &JobContext, variant: usize) -> Cow<'_, JobContext> {
    match job.variants.get(variant) {
        None => Cow::Borrowed(job),
        Some(spec) => {
            let curve = job.spec.curve.clone();
            let spec = JobSpec { curve, ..spec.clone() };
            Cow::Owned(JobContext { spec, variants: Vec::new(), ..job.clone() })
        }
    }
}

/// The first variant whose data are prepared as this one's: most parameters change nothing there.
pub(super) fn prepared_like(variants: &[JobSpec], variant: usize) -> usize {
    let Some(spec) = variants.get(variant) else { return 0 };
    let is_perceptron = |spec: &JobSpec| matches!(spec.model, ModelSpec::Perceptron(_));
    let alike = |other: &JobSpec| {
        other.preprocess == spec.preprocess && is_perceptron(other) == is_perceptron(spec)
    };
    variants.iter().position(alike).unwrap_or(variant)
}

pub(super) fn unseen_categories(unseen: Unseen) -> UnseenCategories {
    let Unseen { column, count, first_value, .. } = unseen;
    UnseenCategories { column, n_rows: count as u64, first: first_value }
}

/// The classes that none of the rows is of.
fn absent_classes(job: &JobContext, truth: &Truth, rows: &[u32]) -> Vec<Scalar> {
    let Truth::Classes(classes) = truth else { return Vec::new() };
    let mut is_there = vec![false; job.classes.len()];
    for row in rows {
        is_there[classes[*row as usize] as usize] = true;
    }
    let absent = job.classes.iter().zip(is_there).filter(|(_, is_there)| !is_there);
    absent.map(|(class, _)| class.clone()).collect()
}

/// The error with where it came up.
fn of_fold(job: &JobContext, error: JobError, (number, point): (usize, usize)) -> JobError {
    let detail = match job.spec.curve {
        None => error.detail,
        Some(_) => format!("at point {point} of the curve: {}", error.detail),
    };
    JobError { fold: Some(number as u32), detail, ..error }
}

/// Trains on a fold's training rows, of a curve on those of its point, and scores on its test rows.
fn fold(
    runner: &Runner,
    job: &JobContext,
    data: &Prepared,
    idx: usize,
    crew: &mut Crew,
    context: Context<'_>,
) -> Result<Outcome, Failure> {
    let n_points = job.spec.n_points();
    let (number, point) = (idx / n_points, idx % n_points);
    let has_fold = |folds: &&Folds| number < folds.len();
    let folds = data
        .folds
        .as_ref()
        .filter(has_fold)
        .ok_or_else(|| Failure::permanent("internal", "a fold that the spec does not have"))?;
    let mut split = folds.get(number);
    if let Some(CurveSpec::Learning { sizes, random_state, .. }) = &job.spec.curve {
        split.train = learning::rows(folds, number, sizes[point], *random_state);
    }
    // The same random numbers at every point, so that points differ by what the curve is over.
    let part = Part::Fold(number);
    let search = job.spec.search.as_ref();
    let chosen = search
        .map(|search| choose(runner, (job, search), (&split.train, part), crew, context))
        .transpose()
        .map_err(|failure| failure.of(|error| of_fold(job, error, (number, point))))?;
    let told = search.zip(chosen.as_ref()).map(|(search, chosen)| chosen.told(search));
    let (of_chosen, data) = match &chosen {
        None => (Cow::Borrowed(job), data),
        Some(chosen) => (of_variant(job, chosen.candidate), &*chosen.data),
    };
    let job = &*of_chosen;
    let context = Context { series: chosen.as_ref().map(|chosen| &chosen.series), ..context };
    let fitted = fit(job, data, &split.train, part, crew, context)
        .map_err(|failure| failure.of(|error| of_fold(job, error, (number, point))))?;
    let _span = tracing::info_span!("score").entered();
    let score = Instant::now();
    let (predicted, met) = predict(job, data, fitted.learned(), &split.test, crew)?;
    let truth = data.truth_of(&split.test);
    let (scorers, n_classes) = (&job.spec.scoring, job.classes.len());
    let scored = |predicted: &Predicted, truth: &Truth, weights: Option<&[f64]>| {
        reduce::by_name(scorers, &predicted.scores(scorers, truth, n_classes, weights))
    };
    let weights = data.scoring_weights_of(&split.test);
    let scores = scored(&predicted, &truth, weights.as_deref());
    let ill_defined = predicted.ill_defined(scorers, &truth, n_classes, weights.as_deref());
    let train_scores = if job.spec.return_train_score {
        let (predicted, _) = predict(job, data, fitted.learned(), &split.train, crew)?;
        let weights = data.scoring_weights_of(&split.train);
        scored(&predicted, &data.truth_of(&split.train), weights.as_deref())
    } else {
        reduce::Scores::new()
    };
    let score_s = score.elapsed().as_secs_f64();
    let Fit { summary, history, .. } = fitted;
    let result = FoldResult {
        repeat: split.repeat as u32,
        fold: split.fold as u32,
        chosen: told,
        point: job.spec.curve.is_some().then_some(point as u32),
        n_train: split.train.len() as u32,
        n_test: split.test.len() as u32,
        scores,
        train_scores,
        score_s,
        untrained_classes: absent_classes(job, &data.truth, &split.train),
        untested_classes: absent_classes(job, &data.truth, &split.test),
        ill_defined: ill_defined.into_iter().map(|scorer| scorer.name().into_owned()).collect(),
        unseen_categories: met.unseen.into_iter().map(unseen_categories).collect(),
        fit: summary,
    };
    let predictions = FoldPredictions { rows: split.test, truth, predicted };
    // Of a curve, its points are what is asked for.
    let predictions = job.spec.curve.is_none().then_some(predictions);
    let result = Box::new(result);
    Ok(Outcome::Fold { result, predictions, history: history.map(|history| history.pack()) })
}
