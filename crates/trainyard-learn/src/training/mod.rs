//! Training a network by descent along gradients: epochs of shuffled batches, each a step.
//!
//! [`fit`] is the loop. What one step does is in `learner`, what an epoch leaves behind in `record`,
//! when to end early in `stopping`. Everything is allocated before the first step; a step allocates
//! nothing.
//!
//! The bits of the result follow from the specs, the examples and the seed: every epoch's order and
//! every batch's random numbers have streams of their own, and no sum depends on how many threads
//! an [`Observer`] grants. It knows nothing of clocks; who has one can end a fit through the
//! observer.

mod batches;
mod checkpoint;
mod history;
mod hold_out;
mod learner;
mod memory;
mod outputs;
mod record;
mod rows;
pub(crate) mod scored;
mod spec;
mod state;
mod stopping;
mod tally;
pub mod weights;

use crate::kernels::{Crew, Values};
use crate::losses::{LossSpec, TargetKind};
use crate::metrics::Scorer;
use crate::network::Network;
use crate::optim::OptimizerSpec;
use crate::random::stream::{Stream, derive};

use batches::Batches;
pub use checkpoint::{FitState, SavedFit};
use checkpoint::{Place, Saved};
pub use history::History;
pub use hold_out::hold_out;
use learner::Learner;
pub use memory::{memory_bytes, state_bytes};
pub use outputs::outputs;
use outputs::weight_of;
use record::Record;
pub use rows::{Rows, StoredRows};
pub use spec::{Averaging, EarlyStopping, GradientNoise, TrainingSpec};
use state::Memory;
use stopping::Stopping;

/// What to train and how; all of it checked.
#[derive(Clone, Copy, Debug)]
pub struct Fit<'a> {
    /// The layers.
    pub network: &'a Network,
    /// What to minimise.
    pub loss: &'a LossSpec,
    /// How to step.
    pub optimizer: &'a OptimizerSpec,
    /// How long, and what holds it back.
    pub training: &'a TrainingSpec,
    /// Rows of a batch, at least 1.
    pub batch_size: usize,
    /// What to measure after every epoch.
    pub scorers: &'a [Scorer],
    /// Names every random number.
    pub seed: u64,
    /// The parameters to begin with; without, those that the seed gives.
    pub initial: Option<&'a [f32]>,
}

/// What to learn from.
#[derive(Clone, Copy, Debug)]
pub struct Examples<'a> {
    /// The features of any rows.
    pub x: Rows<'a>,
    /// What each row should give.
    pub target: Target<'a>,
    /// How much each row counts; without, all alike.
    pub weights: Option<&'a [f32]>,
    /// How much each class counts; without, all alike.
    pub class_weights: Option<&'a [f32]>,
    /// The rows to train on.
    pub train: &'a [u32],
    /// The rows to validate on after every epoch; may be none.
    pub validation: &'a [u32],
}

/// What each row should give.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// A class, as an index below `n_classes`.
    Classes {
        /// One a row.
        classes: &'a [u32],
        /// How many classes there are.
        n_classes: usize,
    },
    /// Values, rows × `n_outputs`.
    Values {
        /// Row by row.
        values: &'a [f32],
        /// Values of a row.
        n_outputs: usize,
    },
    /// Which labels it has, rows × `n_outputs`: 1 for those that it has, 0 for the others.
    Labels {
        /// Row by row.
        values: &'a [f32],
        /// How many labels there are.
        n_outputs: usize,
    },
}

impl Target<'_> {
    /// What kind of target it is.
    pub fn kind(self) -> TargetKind {
        match self {
            Self::Classes { n_classes, .. } => TargetKind::Classes { n_classes },
            Self::Values { n_outputs, .. } => TargetKind::Values { n_outputs },
            Self::Labels { n_outputs, .. } => TargetKind::Labels { n_labels: n_outputs },
        }
    }
}

/// Who watches a fit, and may end it.
pub trait Observer {
    /// How many threads the next step may use; changes no result.
    fn threads(&self) -> usize {
        1
    }

    /// Called before every step with how many epochs are done, of this one the share of its steps, and all
    /// that is known of the whole ones.
    fn step(&mut self, _done: f64, _history: &History) -> Control {
        Control::Continue
    }

    /// What an earlier call of the same fit has saved; asked for once, at the beginning. The fit goes on
    /// from there, and ends with the same bits as one that was never broken off. What is no such state,
    /// as another version may have saved it, is passed over: the fit begins at its beginning, and says so to
    /// [`began_anew`](Self::began_anew).
    fn resume(&mut self) -> Option<SavedFit> {
        None
    }

    /// What [`resume`](Self::resume) has given is no state of this fit, and so nothing that was done before
    /// is part of it.
    fn began_anew(&mut self) {}

    /// Whether the state should be saved; asked before every step, and before [`step`](Self::step).
    fn wants_checkpoint(&mut self) -> bool {
        false
    }

    /// Called with the state where it was wanted, and the last whole epoch before it, or 0.
    fn checkpoint(&mut self, _after: u32, _state: &FitState<'_>) {}

    /// Called after every epoch with all that is known of the fit so far.
    fn epoch(&mut self, _epoch: u32, _history: &History) -> Control {
        Control::Continue
    }
}

/// An observer that lets a fit run, on one thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {}

/// What an observer wants of a fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// That it goes on.
    Continue,
    /// That it ends here and keeps what it has learned.
    Finish,
    /// That it ends without a result.
    Cancel,
}

/// A fitted network.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// In the layout of [`Network::tensors`].
    pub parameters: Values,
    /// Running means and variances.
    pub buffers: Vec<f32>,
    /// Epochs trained.
    pub epochs: u32,
    /// The epoch whose weights these are, where early stopping chose it.
    pub best_epoch: Option<u32>,
    /// Why it ended.
    pub end: End,
    /// What every epoch was like.
    pub history: History,
}

/// Why a fit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All epochs were trained.
    Completed,
    /// Early stopping saw no more improvement.
    EarlyStopping,
    /// The observer wanted it.
    Finished,
}

/// Why there is no fitted network.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FitError {
    /// The loss or the weights left the finite numbers, or the loss grew beyond all bounds.
    #[error("training diverged in epoch {epoch}: {reason}")]
    Diverged {
        /// The epoch, from 1.
        epoch: u32,
        /// What was seen.
        reason: String,
        /// What the epochs were like, the last one included.
        history: Box<History>,
    },
    /// The rows to train on, or those to validate on, weigh nothing.
    #[error("the rows to {0} all weigh 0")]
    NoWeight(&'static str),
    /// The observer cancelled it.
    #[error("training was cancelled")]
    Cancelled,
}

const STREAM_SHUFFLE: u64 = 2;

/// Trains a network.
///
/// # Errors
/// When the rows weigh nothing, and when training diverges or is cancelled.
pub fn fit(
    fit: &Fit<'_>,
    examples: &Examples<'_>,
    crew: &mut Crew,
    observer: &mut dyn Observer,
) -> Result<Fitted, FitError> {
    for (rows, to) in [(examples.train, "train on"), (examples.validation, "validate on")] {
        if !rows.is_empty() && !rows.iter().any(|row| weight_of(examples, *row as usize) > 0.0) {
            return Err(FitError::NoWeight(to));
        }
    }
    let training = fit.training;
    let batches = Batches::new(examples.train.len(), fit);
    let mut order = examples.train.to_vec();
    let mut record = Record::new(fit, examples);
    let mut stopping = Stopping::new(training.early_stopping.as_ref());
    // Before anything else is there, which a state takes the place of.
    let given = observer.resume();
    let is_given = given.is_some();
    let saved = given.and_then(Saved::read);
    let saved = saved.filter(|saved| saved.is_of((fit, examples), &batches, &record));
    if is_given && saved.is_none() {
        observer.began_anew();
    }
    let mut place = Place { epoch: 1, step: 0 };
    let mut learner;
    if let Some(saved) = saved {
        learner = Learner::new(fit, examples, &batches, saved.memory);
        learner.resume(saved.schedule);
        stopping.resume(saved.judged);
        record.history = saved.history;
        place = saved.place;
    } else {
        learner = Learner::new(fit, examples, &batches, Memory::new(fit, examples));
    }
    let mut epochs = place.epoch - 1;
    let mut end = End::Completed;
    for epoch in place.epoch..=training.epochs {
        if training.shuffle {
            order.copy_from_slice(examples.train);
            Stream::new(derive(fit.seed, STREAM_SHUFFLE), [epoch, 0]).shuffle(&mut order);
        }
        let first = std::mem::take(&mut place.step);
        if first == 0 {
            learner.begin_epoch();
        }
        let n_steps = batches.n_steps();
        for step in first..n_steps {
            if observer.wants_checkpoint() {
                let place = Place { epoch, step };
                let state = FitState::new(place, &learner, &stopping, &record.history);
                observer.checkpoint(epoch - 1, &state);
            }
            let done = f64::from(epoch - 1) + step as f64 / n_steps as f64;
            match observer.step(done, &record.history) {
                Control::Cancel => return Err(FitError::Cancelled),
                Control::Finish if learner.n_steps() > 0 => end = End::Finished,
                Control::Finish | Control::Continue => {}
            }
            if end == End::Finished {
                break;
            }
            crew.set_active(observer.threads());
            let norms = (step + 1 == n_steps).then_some(&mut record.layers);
            learner.step(&order, (&batches, step), norms, crew);
            if let Some(reason) = learner.diverged() {
                let history = Box::new(record.broken_off(epoch, learner.learning_rate()));
                return Err(FitError::Diverged { epoch, reason, history });
            }
        }
        if learner.n_seen() == 0 {
            break;
        }
        epochs = epoch;
        let summary = learner.summarize(&order, crew);
        record.add(epoch, &summary);
        if let Some(reason) = learner.diverged_over(&summary) {
            let history = Box::new(record.history);
            return Err(FitError::Diverged { epoch, reason, history });
        }
        learner.end_epoch(&summary);
        stopping.judge(epoch, &summary, fit.scorers, |best| learner.keep(best));
        match observer.epoch(epoch, &record.history) {
            Control::Continue => {}
            Control::Finish => end = End::Finished,
            Control::Cancel => return Err(FitError::Cancelled),
        }
        if end == End::Completed && stopping.is_over() {
            end = End::EarlyStopping;
        }
        if end != End::Completed {
            break;
        }
    }
    let best_epoch = stopping.best_epoch();
    let (parameters, buffers) = match stopping.into_best() {
        Some(best) => best,
        None => learner.into_learned(),
    };
    Ok(Fitted { parameters, buffers, epochs, best_epoch, end, history: record.history })
}
