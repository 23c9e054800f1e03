//! One task from start to end, on a training thread.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ndarray::Array2;
use tokio::runtime::Handle;
use trainyard_learn::metrics;
use trainyard_learn::perceptron::{self, FitError, Perceptron};
use trainyard_learn::scalar::Scalar;
use trainyard_learn::splits::Folds;

use super::Resources;
use super::queue::{Flight, Signal, Stop};
use super::reduce;
use crate::cache::SharedCache;
use crate::domain::ids::JobId;
use crate::domain::job::{FoldResult, JobError};
use crate::domain::predictions::FoldPredictions;
use crate::domain::spec::ModelSpec;
use crate::store::tasks::{ClaimedTask, Finished, JobContext, Outcome, TaskKind};
use crate::tables::TableError;

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
    prepared: SharedCache<JobId, Prepared, Failure>,
}

/// A job's data, ready to train on; made once for all its tasks.
#[derive(Debug)]
pub(super) struct Prepared {
    /// n_rows × n_features, row-major.
    pub(super) x: Array2<f64>,
    /// The class of each row, as an index.
    pub(super) y: Vec<u32>,
    folds: Option<Folds>,
}

/// Why a task came to no result.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// It was told to stop.
    Stopped,
    /// It would fail again.
    Permanent(JobError),
    /// It may pass.
    Passing(JobError),
}

impl Failure {
    pub(super) fn permanent(code: &str, detail: impl std::fmt::Display) -> Self {
        Self::Permanent(JobError { code: code.to_owned(), detail: detail.to_string() })
    }

    pub(super) fn passing(code: &str, detail: impl std::fmt::Display) -> Self {
        Self::Passing(JobError { code: code.to_owned(), detail: detail.to_string() })
    }
}

/// What a fit gave, beside the model.
pub(super) struct Fit {
    pub(super) model: Perceptron,
    pub(super) fit_s: f64,
}

impl Runner {
    pub(super) fn new(resources: Resources, runtime: Handle, n_threads: usize) -> Self {
        // One job's data for each thread is enough to keep all of them busy.
        Self { resources, runtime, prepared: SharedCache::new(n_threads.max(2)) }
    }

    /// Runs a task, whatever happens in it.
    pub(super) fn run(&self, flight: Flight) -> Ended {
        let clock = &self.resources.clock;
        let Flight { task, signal } = flight;
        let load = Instant::now();
        let mut started_us = clock.now_us();
        let mut load_us = 0;
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            if signal.stop().is_some() {
                return Err(Failure::Stopped);
            }
            let data = self.prepare(&task.job)?;
            load_us = load.elapsed().as_micros() as i64;
            started_us = clock.now_us();
            match &task.kind {
                TaskKind::Fold { idx } => {
                    fold(&task.job, &data, *idx, &signal, self.resources.time_limit)
                }
                TaskKind::Reduce { folds } => {
                    reduce::reduce(self, &task.job, &data, folds, &signal)
                }
            }
        }))
        .unwrap_or_else(|_| Err(Failure::passing("internal", "training stopped unexpectedly")));
        let ended_us = clock.now_us();
        let outcome = match (outcome, signal.stop()) {
            (_, Some(Stop::LeaseLost)) => return Ended::LeaseLost(task),
            (Ok(outcome), _) => outcome,
            (Err(Failure::Stopped), Some(Stop::Cancelled)) => Outcome::Cancelled,
            (Err(Failure::Stopped), _) => return Ended::Interrupted(task),
            (Err(Failure::Permanent(error)), _) => Outcome::Failed(error),
            (Err(Failure::Passing(error)), _) => Outcome::Retry(error),
        };
        Ended::Finished(Box::new(Finished { task, outcome, started_us, ended_us, load_us }))
    }

    fn prepare(&self, job: &JobContext) -> Result<Arc<Prepared>, Failure> {
        self.prepared.get(job.id, 1, || {
            let table =
                self.resources.tables.get(&job.data_sha256, &job.csv, job.data_bytes).map_err(
                    |error| match error {
                        TableError::Unreadable(_) => Failure::passing("dataset_unreadable", error),
                        TableError::Changed => Failure::permanent("dataset_changed", error),
                    },
                )?;
            let changed = || Failure::permanent("dataset_changed", TableError::Changed);
            let x = table.matrix(&job.spec.features).ok_or_else(changed)?;
            let labels: Vec<String> = job.classes.iter().map(Scalar::text).collect();
            let y = table.class_indices(&job.spec.target, &labels).ok_or_else(changed)?;
            let folds = job.spec.cv.as_ref().map(|cv| cv.assign(&y));
            Ok(Prepared { x, y, folds })
        })
    }
}

/// Trains on a fold's training rows and scores on its test rows.
fn fold(
    job: &JobContext,
    data: &Prepared,
    idx: usize,
    signal: &Signal,
    time_limit: Duration,
) -> Result<Outcome, Failure> {
    let split = data
        .folds
        .as_ref()
        .filter(|folds| idx < folds.len())
        .ok_or_else(|| Failure::permanent("internal", "a fold that the spec does not have"))?
        .get(idx);
    let (x, y) = rows(data, &split.train);
    let Fit { model, fit_s } = fit(job, &x, &y, signal, time_limit)?;

    let (x, target) = rows(data, &split.test);
    let decision = model.decision_function(x.view()).into_raw_vec_and_offset().0;
    let prediction: Vec<u32> =
        decision.chunks_exact(model.n_scores()).map(|scores| model.class_of(scores)).collect();
    let scores = metrics::scores(&job.spec.scoring, &target, &prediction, job.classes.len());
    let result = FoldResult {
        repeat: split.repeat as u32,
        fold: split.fold as u32,
        n_train: split.train.len() as u32,
        n_test: split.test.len() as u32,
        scores: reduce::by_name(&job.spec.scoring, &scores),
        epochs: model.n_iter as u32,
        converged: model.converged,
        fit_s,
    };
    let predictions = FoldPredictions { rows: split.test, target, prediction, decision };
    Ok(Outcome::Fold { result, predictions })
}

/// Trains the job's model on these rows.
pub(super) fn fit(
    job: &JobContext,
    x: &Array2<f64>,
    y: &[u32],
    signal: &Signal,
    time_limit: Duration,
) -> Result<Fit, Failure> {
    let ModelSpec::Perceptron(spec) = &job.spec.model;
    let labels: Vec<String> = job.classes.iter().map(Scalar::text).collect();
    let class_weight = spec
        .class_weights(&labels, y)
        .map_err(|found| Failure::permanent("class_weight", found[0].detail.clone()))?;
    let started = Instant::now();
    let mut observer = |_| {
        let stop = signal.stop().is_some() || started.elapsed() > time_limit;
        if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let model =
        perceptron::fit(spec, x.view(), y, &class_weight, &mut observer).map_err(|error| {
            match error {
                FitError::Cancelled if signal.stop().is_none() => Failure::permanent(
                    "time_limit",
                    format!("training took longer than {} s", time_limit.as_secs()),
                ),
                FitError::Cancelled => Failure::Stopped,
                FitError::Diverged { .. } => Failure::permanent("diverged", error),
                _ => Failure::permanent("fit_failed", error),
            }
        })?;
    Ok(Fit { model, fit_s: started.elapsed().as_secs_f64() })
}

/// The named rows, copied together so that training walks through memory in order.
fn rows(data: &Prepared, rows: &[u32]) -> (Array2<f64>, Vec<u32>) {
    let n_features = data.x.ncols();
    let mut values = Vec::with_capacity(rows.len() * n_features);
    for &row in rows {
        values.extend(data.x.row(row as usize));
    }
    let x = Array2::from_shape_vec((rows.len(), n_features), values)
        .unwrap_or_else(|_| Array2::zeros((0, n_features)));
    (x, rows.iter().map(|&row| data.y[row as usize]).collect())
}
