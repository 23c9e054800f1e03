//! One training of the job's model on some rows, whatever the model.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::time::Instant;

use trainyard_learn::kernels::Crew;
use trainyard_learn::losses::LossSpec;
use trainyard_learn::metrics::Scorer;
use trainyard_learn::model::{Model, NetworkModel, Predicted};
use trainyard_learn::network::Network;
use trainyard_learn::optim::OptimizerSpec;
use trainyard_learn::perceptron::{self, Epoch, PerceptronSpec};
use trainyard_learn::preprocess::{Preprocessor, Report, TargetTransform};
use trainyard_learn::problem::Problem;
use trainyard_learn::random::stream::derive;
use trainyard_learn::scalar::Scalar;
use trainyard_learn::training::{
    self, End, FitError, Fitted, History, Observer as _, TrainingSpec, hold_out,
};

use super::checkpoint::State;
use super::observe::{Context, Watch};
use super::prepare::{Prepared, Unprepared};
use super::run::Failure;
use crate::domain::job::{FitSummary, JobError};
use crate::domain::spec::ModelSpec;
use crate::domain::suggest::shown;
use crate::store::tasks::JobContext;
use crate::tables::TableError;

/// Which training of a job this is; names its random numbers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Fold(usize),
    Refit,
    /// An inner fold of a search: in a fold, by its number from 1, or for the refit, which is 0.
    Inner {
        outer: usize,
        inner: usize,
    },
}

impl Part {
    /// A search's inner fold for this training.
    pub(super) fn inner(self, inner: usize) -> Self {
        let outer = match self {
            Self::Fold(number) => number + 1,
            Self::Refit | Self::Inner { .. } => 0,
        };
        Self::Inner { outer, inner }
    }
}

/// A trained model and how it came about.
pub(super) struct Fit {
    pub(super) model: Model,
    /// How rows are prepared; none where a fold takes them as they are.
    pub(super) preprocessor: Option<Preprocessor>,
    /// How amounts were transformed, found in the same rows.
    pub(super) target_transform: Option<TargetTransform>,
    pub(super) summary: FitSummary,
    pub(super) history: Option<History>,
}

/// What says something of rows.
#[derive(Clone, Copy)]
pub(super) struct Learned<'a> {
    pub(super) model: &'a Model,
    pub(super) preprocessor: Option<&'a Preprocessor>,
    pub(super) target_transform: Option<&'a TargetTransform>,
}

impl Fit {
    pub(super) fn learned(&self) -> Learned<'_> {
        Learned {
            model: &self.model,
            preprocessor: self.preprocessor.as_ref(),
            target_transform: self.target_transform.as_ref(),
        }
    }
}

/// Trains the job's model on these rows.
pub(super) fn fit(
    job: &JobContext,
    data: &Prepared,
    rows: &[u32],
    part: Part,
    crew: &mut Crew,
    context: Context<'_>,
) -> Result<Fit, Failure> {
    let _span = tracing::info_span!("fit").entered();
    let started = Instant::now();
    let mut fitted = match &job.spec.model {
        ModelSpec::Perceptron(spec) => fit_perceptron(spec, job, data, rows, started, context)?,
        _ => fit_network(job, data, (rows, part), crew, started, context)?,
    };
    fitted.summary.fit_s = started.elapsed().as_secs_f64();
    Ok(fitted)
}

/// What the model says of these rows, and what in them had no proper number.
pub(super) fn predict(
    job: &JobContext,
    data: &Prepared,
    learned: Learned<'_>,
    rows: &[u32],
    crew: &mut Crew,
) -> Result<(Predicted, Report), Failure> {
    let target = job.target_kind();
    let Learned { model, preprocessor, target_transform } = learned;
    match model {
        Model::Network(model) => {
            let (batch, met) = data.single(preprocessor, rows).map_err(no_scratch)?;
            refuse(&met)?;
            let predicted = model
                .predict(batch.x.rows(), &batch.rows, target, crew)
                .brought_back(target_transform);
            batch.x.failure().map_or(Ok((predicted, met)), |error| Err(no_scratch(error)))
        }
        model @ Model::Perceptron(_) => {
            let (x, met) = data.double(preprocessor, rows);
            refuse(&met)?;
            let n_features = x.ncols();
            let x = x.into_raw_vec_and_offset().0;
            Ok((model.predict(&x, n_features, target, crew), met))
        }
    }
}

/// Rows that the preparation cannot do, or has no room for.
pub(super) fn unprepared(problem: Unprepared) -> Failure {
    match problem {
        Unprepared::Changed => Failure::permanent("dataset_changed", TableError::Changed),
        Unprepared::Scratch(error) => no_scratch(error),
        Unprepared::Fit(problem) => {
            let Problem { pointer, detail, suggestion } = problem.problem();
            let way_out = suggestion.map_or_else(String::new, |way_out| format!("; {way_out}"));
            Failure::permanent("preprocess", format!("/preprocess{pointer}: {detail}{way_out}"))
        }
    }
}

fn no_scratch(error: impl std::fmt::Display) -> Failure {
    Failure::passing("scratch", format!("rows on disk could not be written or read: {error}"))
}

/// Categories that the spec refuses where no training row has them.
fn refuse(met: &Report) -> Result<(), Failure> {
    let Some(unseen) = met.refused().next() else { return Ok(()) };
    let detail = format!(
        "column {} has the category {} in row {}, and no training row has it; set `unseen` to \
         \"ignore\" or \"rare\"",
        shown(&unseen.column),
        shown(&unseen.first_value),
        unseen.first_row
    );
    Err(Failure::permanent("unseen_category", detail))
}

fn fit_perceptron(
    spec: &PerceptronSpec,
    job: &JobContext,
    data: &Prepared,
    rows: &[u32],
    started: Instant,
    context: Context<'_>,
) -> Result<Fit, Failure> {
    let (preprocessor, x) =
        data.fit_double(job, rows).map_err(|problem| unprepared(problem.into()))?;
    let trainyard_learn::model::Truth::Classes(y) = data.truth_of(rows) else {
        return Err(Failure::permanent("internal", "a perceptron tells classes apart"));
    };
    let labels: Vec<String> = job.classes.iter().map(Scalar::text).collect();
    let class_weight = spec
        .class_weights(&labels, &y)
        .map_err(|found| Failure::permanent("class_weight", found[0].detail.clone()))?;
    let mut observer = PerceptronWatch(Watch::new(context, started, None));
    let model = perceptron::fit_present(spec, x.view(), &y, &class_weight, &mut observer).map_err(
        |error| match error {
            perceptron::FitError::Cancelled => stopped(context),
            perceptron::FitError::Diverged { epoch } => Failure::diverged(
                JobError { epoch: Some(epoch as u32), ..JobError::new("diverged", error) },
                None,
            ),
            perceptron::FitError::TooFewClasses { .. } => one_class(),
            _ => Failure::permanent("fit_failed", error),
        },
    )?;
    let summary = FitSummary {
        epochs: model.n_iter as u32,
        converged: Some(model.converged),
        best_epoch: None,
        stop_reason: "completed".to_owned(),
        train_loss: None,
        val_loss: None,
        fit_s: 0.0,
    };
    let (model, preprocessor) = (Model::Perceptron(model), Some(preprocessor));
    Ok(Fit { model, preprocessor, target_transform: None, summary, history: None })
}

/// Listens on behalf of a perceptron.
struct PerceptronWatch<'a>(Watch<'a>);

impl perceptron::Observer for PerceptronWatch<'_> {
    fn epoch(&mut self, epoch: Epoch) -> ControlFlow<()> {
        let Epoch { class, n_problems, epoch, max_iter, .. } = epoch;
        // One weight vector after the other; of two classes the only one has the number 1.
        let n_before = if n_problems == 1 { 0 } else { class };
        let share = (n_before as f64 + epoch as f64 / max_iter as f64) / n_problems as f64;
        self.0.report(share, None);
        if self.0.must_stop() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn resume(&mut self) -> Option<Vec<u8>> {
        self.0.saved_state().and_then(State::into_bytes)
    }

    fn began_anew(&mut self) {
        self.0.began_anew();
    }

    fn wants_checkpoint(&mut self) -> bool {
        self.0.wants_checkpoint()
    }

    fn checkpoint(&mut self, after: Epoch, state: Vec<u8>) {
        // Of several weight vectors each has epochs of its own.
        let epoch = (after.n_problems == 1).then_some(after.epoch as u32);
        self.0.save(epoch, |to| to.write_all(&state));
    }
}

fn fit_network(
    job: &JobContext,
    data: &Prepared,
    (rows, part): (&[u32], Part),
    crew: &mut Crew,
    started: Instant,
    context: Context<'_>,
) -> Result<Fit, Failure> {
    let (layers, loss, optimizer, training) = network_spec(job)?;
    let internal = |detail: &str| Failure::permanent("internal", detail);
    let kept = matches!(part, Part::Refit);
    let (preprocessor, batch) = data.fit_single(job, rows, kept).map_err(unprepared)?;
    let target_transform = data
        .target_transform(job, rows)
        .map_err(|problem| Failure::permanent("target_transform", problem))?;
    let examples = data.examples(rows, target_transform.as_ref());
    let target = examples.target(job.target_kind());
    let n_outputs = loss.n_outputs(target.kind()).map_err(|found| internal(&found.detail))?;
    let n_features =
        preprocessor.as_ref().map_or(job.spec.features.len(), Preprocessor::n_features);
    let network =
        Network::new(&layers, n_features, n_outputs).map_err(|found| internal(&found[0].detail))?;
    let seed = u64::from(job.spec.random_state);
    let seed = match part {
        Part::Refit => derive(seed, 0),
        Part::Fold(idx) => derive(derive(seed, 1), idx as u64),
        Part::Inner { outer, inner } => derive(derive(derive(seed, 2), outer as u64), inner as u64),
    };
    let share = training.validation_share();
    let (train, validation) = hold_out(target, &batch.rows, share, seed)
        .map_err(|error| Failure::permanent("validation_split", error))?;
    let class_weights = class_weights(job, training, target, &train)?;
    // Nobody sees the epochs of a search's inner fits; what ends them early is all they need.
    let is_watched = |scorer: &Scorer| {
        let monitor = training.early_stopping.as_ref().map(|stopping| stopping.monitor.as_str());
        let after = |prefix| monitor.and_then(|monitor| monitor.strip_prefix(prefix));
        [after("val_"), after("train_")].contains(&Some(&*scorer.name()))
    };
    let scorers: Cow<'_, [Scorer]> = match part {
        Part::Inner { .. } => {
            job.spec.scoring.iter().copied().filter(|scorer| is_watched(scorer)).collect()
        }
        _ => Cow::Borrowed(&job.spec.scoring),
    };
    let fit = training::Fit {
        network: &network,
        loss: &loss,
        optimizer,
        training,
        batch_size: training.batch_size.map_or(train.len(), |size| size as usize),
        scorers: &scorers,
        seed,
        initial: None,
    };
    let examples = training::Examples {
        x: batch.x.rows(),
        target,
        weights: examples.weights.as_deref(),
        class_weights: class_weights.as_deref(),
        train: &train,
        validation: &validation,
    };
    let mut watch = Watch::new(context, started, Some(training));
    let fitted = training::fit(&fit, &examples, crew, &mut watch);
    if let Some(error) = batch.x.failure() {
        return Err(no_scratch(error));
    }
    let fitted = fitted.map_err(|error| {
        let detail = error.to_string();
        match error {
            FitError::Cancelled => stopped(context),
            FitError::NoWeight(_) => {
                let advice = "; see class_weight and sample_weight";
                Failure::permanent("no_weight", format!("{detail}{advice}"))
            }
            FitError::Diverged { epoch, history, .. } => {
                let advice = "; lower the learning rate, clip the gradients or scale the features";
                let error = JobError::new("diverged", format!("{detail}{advice}"));
                Failure::diverged(JobError { epoch: Some(epoch), ..error }, Some(history.pack()))
            }
        }
    })?;
    let summary = summary(&fitted);
    let Fitted { parameters, buffers, history, .. } = fitted;
    let model = Model::Network(NetworkModel { layers, loss, network, parameters, buffers });
    Ok(Fit { model, preprocessor, target_transform, summary, history: Some(history) })
}

type NetworkParts<'a> =
    (Vec<trainyard_learn::network::LayerSpec>, LossSpec, &'a OptimizerSpec, &'a TrainingSpec);

fn network_spec(job: &JobContext) -> Result<NetworkParts<'_>, Failure> {
    let spec = &job.spec;
    let parts = (spec.model.layers(), &spec.loss, &spec.optimizer, &spec.training);
    match parts {
        (Some(layers), Some(loss), Some(optimizer), Some(training)) => {
            Ok((layers, (**loss).clone(), optimizer, training))
        }
        _ => Err(Failure::permanent("internal", "a network's spec lacks a part")),
    }
}

fn one_class() -> Failure {
    let detail = "all rows to train on are of one class, and a perceptron tells classes apart; \
                  split the rows so that each fold trains on several";
    Failure::permanent("one_class", detail)
}

/// Of the rows trained on, as scikit-learn balances them.
fn class_weights(
    job: &JobContext,
    training: &TrainingSpec,
    target: training::Target<'_>,
    train: &[u32],
) -> Result<Option<Vec<f32>>, Failure> {
    let (Some(weight), training::Target::Classes { classes, .. }) =
        (&training.class_weight, target)
    else {
        return Ok(None);
    };
    let labels: Vec<String> = job.classes.iter().map(Scalar::text).collect();
    let y: Vec<u32> = train.iter().map(|row| classes[*row as usize]).collect();
    let weights = weight
        .weights(&labels, &y)
        .map_err(|found| Failure::permanent("class_weight", found[0].detail.clone()))?;
    Ok(Some(weights.into_iter().map(|weight| weight as f32).collect()))
}

fn summary(fitted: &Fitted) -> FitSummary {
    let last = |name: &str| {
        fitted.history.series(name).and_then(|all| all.last().copied()).filter(|v| v.is_finite())
    };
    FitSummary {
        epochs: fitted.epochs,
        converged: None,
        best_epoch: fitted.best_epoch,
        stop_reason: match fitted.end {
            End::Completed => "completed",
            End::EarlyStopping => "early_stopping",
            End::Finished => "max_seconds",
        }
        .to_owned(),
        train_loss: last("train_loss"),
        val_loss: last("val_loss"),
        fit_s: 0.0,
    }
}

fn stopped(context: Context<'_>) -> Failure {
    if context.signal.stop().is_some() {
        return Failure::Stopped;
    }
    let seconds = context.time_limit.as_secs();
    Failure::permanent("time_limit", format!("training took longer than {seconds} s"))
}
