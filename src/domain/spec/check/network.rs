//! What a network needs of a request and of the data, and what of it follows by default.

use std::collections::BTreeMap;

use trainyard_learn::activation::Activation;
use trainyard_learn::losses::LossSpec;
use trainyard_learn::metrics::Scorer;
use trainyard_learn::named::Named;
use trainyard_learn::network::{LayerSpec, Network, NetworkSpec};
use trainyard_learn::optim::{AdamSpec, OptimizerSpec};
use trainyard_learn::perceptron::ClassWeight;
use trainyard_learn::problem::Problem;
use trainyard_learn::training::{self, TrainingSpec};

use super::super::{Estimate, JobRequest, LossChoice, ModelSpec};
use super::target::Target;
use crate::domain::dataset::{Dataset, Warning};

/// Rows of a batch, where nothing else is said.
const DEFAULT_BATCH_SIZE: usize = 32;

/// What of a request is about networks, every default filled in.
#[derive(Clone, Debug)]
pub(super) struct Resolved {
    pub(super) model: ModelSpec,
    pub(super) optimizer: OptimizerSpec,
    pub(super) loss: Named<LossSpec>,
    pub(super) training: TrainingSpec,
    pub(super) estimate: Estimate,
    pub(super) warnings: Vec<Warning>,
}

/// The data that a network will see.
#[derive(Clone, Copy, Debug)]
pub(super) struct Data<'a> {
    pub(super) dataset: &'a Dataset,
    pub(super) n_features: usize,
    pub(super) target: &'a Target<'a>,
    /// Folds, and the least rows that one of them trains on; without folds, all rows.
    pub(super) n_folds: usize,
    pub(super) n_train: usize,
    /// What is larger is not kept in memory.
    pub(super) max_table_bytes: u64,
}

/// Checks what is about networks; nothing where a problem keeps it from being resolved.
pub(super) fn check(
    request: &JobRequest,
    data: Data<'_>,
    scoring: &[Scorer],
    problems: &mut Vec<Problem>,
) -> Option<Resolved> {
    let layers = request.model.layers()?;
    let optimizer = request.optimizer.clone().unwrap_or_else(default_optimizer);
    let mut training = request.training.clone().unwrap_or_default();
    let mut below = |found: Vec<Problem>, prefix: &str| {
        problems.extend(found.into_iter().map(|problem| problem.below(prefix)));
    };
    below(optimizer.check(), "/optimizer");
    below(training.check(), "/training");
    check_model(&request.model, problems);
    let loss = loss(request, data.target, problems);
    let n_batches = batches(&mut training, &optimizer, &layers, data, problems);
    let n_classes = data.target.classes().len();
    monitor(&training, scoring, (loss.as_deref(), n_classes), problems);
    class_weights(&training, data.target, problems);
    let loss = loss?;
    let n_outputs = match loss.n_outputs(data.target.kind()) {
        Ok(n_outputs) => n_outputs,
        Err(problem) => {
            problems.push(problem.below("/loss"));
            return None;
        }
    };
    // Of a loss that does not fit, nobody needs to hear this too.
    probabilities(&loss, scoring, problems);
    let network = match Network::new(&layers, data.n_features, n_outputs) {
        Ok(network) => network,
        // A model written in short has no layers to point at, and its own fields are checked.
        Err(found) => {
            let explicit = matches!(request.model, ModelSpec::Network(_));
            let known = !explicit && problems.iter().any(|p| p.pointer.starts_with("/model"));
            let prefix = match &request.model {
                ModelSpec::Network(_) => "/model/layers",
                ModelSpec::Mlp(_) => "/model/hidden",
                _ => "/model",
            };
            problems.extend(found.into_iter().filter(|_| !known).map(|problem| {
                if explicit {
                    problem.below(prefix)
                } else {
                    Problem { pointer: prefix.into(), ..problem }
                }
            }));
            return None;
        }
    };
    if !problems.is_empty() {
        return None;
    }
    let mut warnings = Vec::new();
    if let (
        LossSpec::CrossEntropy { .. } | LossSpec::Focal { .. },
        Some(LayerSpec::Activation { activation }),
    ) = (&*loss, layers.last())
        && matches!(**activation, Activation::Softmax)
    {
        let detail = "the loss takes the softmax of the outputs itself; a softmax layer before it \
                      makes learning slow";
        warnings.push(Warning::new("softmax_twice", detail));
    }
    if training.accumulation_steps as usize > n_batches.max(1) {
        let detail = format!(
            "accumulation_steps is {}, and an epoch has {n_batches} batches: each epoch is one step",
            training.accumulation_steps
        );
        warnings.push(Warning::new("accumulation_cut", detail));
    }
    let model = match &request.model {
        ModelSpec::Network(_) => {
            ModelSpec::Network(NetworkSpec { layers: Network::resolve(&layers, n_outputs) })
        }
        other => other.clone(),
    };
    let estimate = estimate(&network, &optimizer, &training, data);
    Some(Resolved { model, optimizer, loss, training, estimate, warnings })
}

/// How a network learns if nothing is said of it.
pub(crate) fn default_optimizer() -> OptimizerSpec {
    OptimizerSpec::Adam(AdamSpec::default())
}

/// The parts of a model written in short.
fn check_model(model: &ModelSpec, problems: &mut Vec<Problem>) {
    let mut below = |found: Vec<Problem>, prefix: &str| {
        problems.extend(found.into_iter().map(|problem| problem.below(prefix)));
    };
    match model {
        ModelSpec::Linear(linear) => below(linear.init.check(), "/model/init"),
        ModelSpec::Mlp(mlp) => {
            below(mlp.activation.check(), "/model/activation");
            if let Some(init) = &mlp.init {
                below(init.check(), "/model/init");
            }
            for (index, _) in mlp.hidden.iter().enumerate().filter(|(_, units)| **units == 0) {
                let pointer = format!("/model/hidden/{index}");
                problems.push(Problem::new(pointer, "must be >= 1"));
            }
            if !(0.0..1.0).contains(&mlp.dropout) {
                problems.push(Problem::new("/model/dropout", "must be >= 0 and < 1"));
            }
        }
        ModelSpec::Perceptron(_) | ModelSpec::Network(_) => {}
    }
}

fn loss(
    request: &JobRequest,
    target: &Target<'_>,
    problems: &mut Vec<Problem>,
) -> Option<Named<LossSpec>> {
    let loss = match &request.loss {
        LossChoice::Loss(loss) => loss.clone(),
        LossChoice::Auto => match target {
            Target::Classes(_) => LossSpec::cross_entropy().into(),
            Target::Values { .. } => LossSpec::Mse.into(),
            Target::Labels { .. } => LossSpec::BinaryCrossEntropy { label_smoothing: 0.0 }.into(),
        },
    };
    let found = loss.check();
    let fits = found.is_empty();
    problems.extend(found.into_iter().map(|problem| problem.below("/loss")));
    let Target::Values { least, most, .. } = *target else { return fits.then_some(loss) };
    let transform = request.target_transform.clone().unwrap_or_default();
    let (least, most) = transform.range(least, most);
    let holds = |amounts: String| match transform.is_none() {
        true => format!("the target holds {amounts}"),
        false => "target_transform gives others".to_owned(),
    };
    if matches!(*loss, LossSpec::Poisson) && least < 0.0 {
        let detail = format!("counts are never below 0, and {}", holds(least.to_string()));
        problems.push(Problem::new("/loss", detail).suggest("mse, huber or mae"));
    }
    if matches!(*loss, LossSpec::BinaryCrossEntropy { .. }) && (least < 0.0 || most > 1.0) {
        let detail =
            format!("takes values from 0 to 1, and {}", holds(format!("{least} to {most}")));
        problems.push(Problem::new("/loss", detail).suggest("mse, huber or mae"));
    }
    fits.then_some(loss)
}

/// Fills in the batch size, and compares it with the data; returns how many batches an epoch has, in the
/// smallest fold.
fn batches(
    training: &mut TrainingSpec,
    optimizer: &OptimizerSpec,
    layers: &[LayerSpec],
    data: Data<'_>,
    problems: &mut Vec<Problem>,
) -> usize {
    let share = training.validation_share();
    if !(0.0..1.0).contains(&share) {
        return 0;
    }
    let n_train = data.n_train;
    let n_held_out = if share > 0.0 { (share * n_train as f64).ceil() as usize } else { 0 };
    let n_left = n_train.saturating_sub(n_held_out);
    if share > 0.0 {
        held_out(n_train, n_held_out, data, problems);
    }
    training.validation_fraction = Some(share);
    let pointer = "/training/batch_size";
    let full = matches!(optimizer, OptimizerSpec::GradientDescent(_));
    match training.batch_size.map(|size| size as usize) {
        Some(size) if full => {
            let detail = format!("gradient_descent steps over all rows, not over {size}");
            problems.push(
                Problem::new(pointer, detail)
                    .suggest("leave it out, or use the optimizer minibatch_sgd"),
            );
        }
        Some(size) if size > n_left => {
            let of = match (data.n_folds, n_held_out) {
                (0, 0) => String::new(),
                (0, _) => " (the held-out ones not counted)".to_owned(),
                (_, 0) => " (of the smallest fold)".to_owned(),
                _ => " (of the smallest fold, the held-out ones not counted)".to_owned(),
            };
            let detail = format!("is {size}, and there are {n_left} rows to train on{of}");
            problems.push(
                Problem::new(pointer, detail).suggest(format!("at most {n_left}, or leave it out")),
            );
        }
        Some(_) => {}
        None if full => {}
        None if matches!(optimizer, OptimizerSpec::Sgd(_)) => training.batch_size = Some(1),
        None => training.batch_size = Some(DEFAULT_BATCH_SIZE.min(n_left.max(1)) as u32),
    }
    let size = training.batch_size.map_or(n_left, |size| size as usize);
    if size == 1 && has_batch_norm(layers) {
        let detail = "a batch of one row has no variance, which a batch norm needs";
        problems.push(
            Problem::new(pointer, detail).suggest("a larger batch_size, or layer_norm instead"),
        );
    }
    if training.drop_last { n_left / size.max(1) } else { n_left.div_ceil(size.max(1)) }
}

/// Holding rows out needs a row of each class on both sides.
fn held_out(n_train: usize, n_held_out: usize, data: Data<'_>, problems: &mut Vec<Problem>) {
    let pointer = "/training/validation_fraction";
    let classes = data.target.classes();
    let n_sides = classes.len().max(1);
    if n_held_out < n_sides || n_train.saturating_sub(n_held_out) < n_sides {
        let what = if classes.is_empty() {
            "no row".to_owned()
        } else {
            format!("no row for each of the {n_sides} classes")
        };
        let detail =
            format!("{n_held_out} of {n_train} training rows held out leave {what} on both sides");
        problems.push(Problem::new(pointer, detail).suggest("choose another share"));
    }
    let n_rows = data.dataset.n_rows();
    let lost = n_rows - n_train.min(n_rows);
    for class in classes {
        // In the worst case a fold's test rows take their share of a class, rounded up.
        let kept = class.count - (class.count * lost).div_ceil(n_rows.max(1)).min(class.count);
        if kept < 2 {
            let detail = format!(
                "class {:?} has fewer than two training rows, so none can be held out",
                class.value.text()
            );
            problems.push(Problem::new(pointer, detail).suggest("set it to 0"));
        }
    }
}

fn has_batch_norm(layers: &[LayerSpec]) -> bool {
    layers.iter().any(|layer| match layer {
        LayerSpec::BatchNorm { .. } => true,
        LayerSpec::Residual { layers } => has_batch_norm(layers),
        _ => false,
    })
}

/// Early stopping can watch the losses and the job's scorers.
fn monitor(
    training: &TrainingSpec,
    scoring: &[Scorer],
    (loss, n_classes): (Option<&LossSpec>, usize),
    problems: &mut Vec<Problem>,
) {
    let Some(stopping) = &training.early_stopping else { return };
    let mut known = vec!["val_loss".to_owned(), "train_loss".to_owned()];
    for scorer in scoring {
        known.extend(["val_", "train_"].map(|prefix| format!("{prefix}{}", scorer.name())));
    }
    if !known.contains(&stopping.monitor) {
        let detail = "is neither a loss nor a scorer of this job";
        problems.push(
            Problem::new("/training/early_stopping/monitor", detail)
                .suggest(format!("one of: {}", known.join(", "))),
        );
    }
    // After an epoch, an order of more than two classes is known of probabilities only.
    let name = stopping.monitor.trim_start_matches("val_").trim_start_matches("train_");
    let ranks = scoring.iter().any(|scorer| scorer.ranks() && scorer.name() == name);
    if ranks && n_classes > 2 && loss.is_some_and(|loss| !loss.has_probabilities()) {
        let detail = "needs probabilities after every epoch, which this loss does not give";
        problems.push(
            Problem::new("/training/early_stopping/monitor", detail)
                .suggest("val_loss, or the loss cross_entropy"),
        );
    }
}

fn class_weights(training: &TrainingSpec, target: &Target<'_>, problems: &mut Vec<Problem>) {
    let Some(weights) = &training.class_weight else { return };
    match target {
        Target::Values { .. } | Target::Labels { .. } => {
            let detail = "only a target of one column of classes has classes to weigh";
            problems.push(Problem::new("/training/class_weight", detail).suggest("leave it out"));
        }
        Target::Classes(classes) => {
            let labels: Vec<String> = classes.iter().map(|class| class.value.text()).collect();
            let mut found = weights.check(&labels);
            if found.is_empty()
                && let ClassWeight::Weights(by_label) = weights
            {
                found = extreme_weights(by_label, &labels);
            }
            problems.extend(found.into_iter().map(|p| p.below("/training")));
        }
    }
}

/// What is wrong with weights of classes as a network sees them, in single precision.
fn extreme_weights(weights: &BTreeMap<String, f64>, labels: &[String]) -> Vec<Problem> {
    let too_large = weights.iter().filter(|(_, weight)| **weight > f64::from(f32::MAX));
    let mut problems: Vec<Problem> = too_large
        .map(|(label, _)| {
            let label = label.replace('~', "~0").replace('/', "~1");
            let detail = format!("must be <= {:.2e}", f32::MAX);
            Problem::new(format!("/class_weight/{label}"), detail)
        })
        .collect();
    if labels.iter().all(|label| weights.get(label).is_some_and(|weight| *weight as f32 == 0.0)) {
        problems.push(
            Problem::new("/class_weight", "all classes weigh 0, so no row teaches anything")
                .suggest("give one of them a weight above 0"),
        );
    }
    problems
}

/// Some scorers need probabilities, which not every loss gives.
fn probabilities(loss: &LossSpec, scoring: &[Scorer], problems: &mut Vec<Problem>) {
    if loss.has_probabilities() {
        return;
    }
    for (index, scorer) in scoring.iter().enumerate().filter(|(_, s)| s.needs_probabilities()) {
        let detail =
            format!("{} needs probabilities, which this loss does not give", scorer.name());
        problems.push(
            Problem::new(format!("/scoring/{index}"), detail).suggest("the loss cross_entropy"),
        );
    }
}

/// Small steps cost about this much besides their arithmetic, and a core does so much of it.
const SECONDS_PER_STEP: f64 = 8e-6;
const FLOPS_PER_SECOND: f64 = 4e10;

/// While a fit's state is saved, at most so much of it is on its way: eight parts, as stores elsewhere take them.
const IN_FLIGHT: u64 = 8 * (8 << 20);

fn estimate(
    network: &Network,
    optimizer: &OptimizerSpec,
    training: &TrainingSpec,
    data: Data<'_>,
) -> Estimate {
    let (rows, columns) = (data.dataset.n_rows() as u64, data.n_features as u64);
    let n_parameters = network.n_parameters() as u64;
    let batch = training.batch_size.map_or(data.n_train, |size| size as usize).max(1);
    // The parsed table, the matrix of the features, and each fold's prepared rows beside it, unless
    // they are so large that they lie in files.
    let in_memory = |n_bytes: u64| n_bytes <= data.max_table_bytes;
    let table = data.dataset.content.table_memory_bytes(data.max_table_bytes);
    let prepared = if in_memory(rows * columns * 4) { rows * columns * 12 } else { 0 };
    // The final model is trained on all rows.
    let n_rows = data.dataset.n_rows();
    let batch_size = training.batch_size.map_or(n_rows, |size| size as usize);
    let fit = training::memory_bytes(network, optimizer, training, (batch_size, n_rows));
    let state = training::state_bytes(network, optimizer, training, n_rows);
    let memory_bytes = (table + prepared).saturating_add(fit).saturating_add(state.min(IN_FLIGHT));
    let steps = (data.n_train as f64 / batch as f64).ceil() * f64::from(training.epochs);
    let flops = network.flops() as f64 * data.n_train as f64 * f64::from(training.epochs);
    let seconds = steps * SECONDS_PER_STEP + flops / FLOPS_PER_SECOND;
    Estimate {
        n_parameters,
        memory_bytes,
        n_tasks: data.n_folds as u64 + 1,
        task_cost_us: ((seconds * 1e6).min(1e15) as i64).max(100),
    }
}
