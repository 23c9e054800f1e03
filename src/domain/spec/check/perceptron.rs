//! What a perceptron needs of a request and of the data.

use trainyard_learn::describe::ValueCount;
use trainyard_learn::perceptron::{ClassWeight, PerceptronSpec};
use trainyard_learn::problem::Problem;
use trainyard_learn::table::ColumnType;

use super::super::{Estimate, JobRequest, LossChoice};
use crate::domain::dataset::{Dataset, Warning};

/// Features whose scales differ by this factor slow a perceptron down.
const LARGE_SCALE_RATIO: f64 = 100.0;

/// A perceptron's learning is its own; saying how a network should learn has no meaning for it.
pub(super) fn not_for_the_perceptron(request: &JobRequest, problems: &mut Vec<Problem>) {
    let given = [
        ("optimizer", request.optimizer.is_some()),
        ("loss", request.loss != LossChoice::Auto),
        ("training", request.training.is_some()),
        ("sample_weight", request.sample_weight.is_some()),
    ];
    for (name, _) in given.into_iter().filter(|(_, given)| *given) {
        let detail = format!("a perceptron takes no `{name}`");
        problems.push(Problem::new(format!("/{name}"), detail).suggest(
            "leave it out; scikit-learn's parameters (eta0, max_iter, tol, …) go into `model`",
        ));
    }
}

pub(super) fn class_weights(
    model: &PerceptronSpec,
    classes: &[ValueCount],
    problems: &mut Vec<Problem>,
) {
    if let Some(ClassWeight::Weights(_)) = &model.class_weight {
        let labels: Vec<String> = classes.iter().map(|class| class.value.text()).collect();
        if let Err(found) = model.class_weights(&labels, &[]) {
            problems.extend(found.into_iter().map(|p| p.below("/model")));
        }
    }
}

/// Holding rows out for early stopping needs a row of each class on both sides, in every fold.
/// `kept` says how many of so many rows the smallest training side has.
pub(super) fn early_stopping(
    model: &PerceptronSpec,
    classes: &[ValueCount],
    n_rows: usize,
    kept: impl Fn(usize) -> usize,
    problems: &mut Vec<Problem>,
) {
    if !model.early_stopping {
        return;
    }
    let n_train = kept(n_rows);
    let n_held_out = (model.validation_fraction * n_train as f64).ceil() as usize;
    let n_classes = classes.len();
    let pointer = "/model/validation_fraction";
    if n_held_out < n_classes || n_train.saturating_sub(n_held_out) < n_classes {
        let detail = format!(
            "{n_held_out} of {n_train} training rows held out leave no row for each of the \
             {n_classes} classes on both sides"
        );
        problems.push(
            Problem::new(pointer, detail)
                .suggest("choose another share, or set early_stopping to false"),
        );
    }
    for class in classes.iter().filter(|class| kept(class.count) < 2) {
        let detail = format!(
            "class {:?} has fewer than two training rows, so none can be held out",
            class.value.text()
        );
        problems.push(
            Problem::new("/model/early_stopping", detail).suggest("set early_stopping to false"),
        );
    }
}

/// A perceptron sees raw scales: a feature a hundred times larger than another drowns it.
pub(super) fn scale_warnings(features: &[String], dataset: &Dataset) -> Vec<Warning> {
    let scales: Vec<(&str, f64)> = features
        .iter()
        .filter_map(|name| dataset.column(name))
        .filter(|column| column.description.column_type == ColumnType::Numeric)
        .filter_map(|column| Some((column.description.name.as_str(), column.description.std?)))
        .filter(|(_, std)| *std > 0.0)
        .collect();
    let by_scale = |a: &&(&str, f64), b: &&(&str, f64)| a.1.total_cmp(&b.1);
    let (Some(least), Some(most)) =
        (scales.iter().min_by(by_scale), scales.iter().max_by(by_scale))
    else {
        return Vec::new();
    };
    if most.1 / least.1 < LARGE_SCALE_RATIO {
        return Vec::new();
    }
    let detail = format!(
        "the standard deviation of {:?} is {:.0} times that of {:?}; a perceptron learns better \
         from features of one scale",
        most.0,
        most.1 / least.1,
        least.0
    );
    vec![Warning::new("feature_scales_differ", detail).column(most.0)]
}

/// A perceptron of few features spends about this many nanoseconds a row, class and epoch, and as
/// much again a feature; it seldom needs more epochs than this.
const NANOSECONDS_PER_VALUE: f64 = 2.0;
const NANOSECONDS_PER_ROW: f64 = 10.0;
const TYPICAL_EPOCHS: f64 = 15.0;

pub(super) fn estimate(
    model: &PerceptronSpec,
    dataset: &Dataset,
    (n_features, n_classes, n_folds): (usize, usize, usize),
    max_table_bytes: u64,
) -> Estimate {
    let vectors = if n_classes == 2 { 1 } else { n_classes as u64 };
    let (rows, columns) = (dataset.n_rows() as u64, n_features as u64);
    // The parsed table, the matrix of the features, and each fold's training rows beside it.
    let table = dataset.content.table_memory_bytes(max_table_bytes);
    let predictions = rows * (12 + 8 * vectors);
    let memory_bytes = table + 2 * rows * columns * 8 + 2 * predictions;
    // Without a tolerance nothing ends training early.
    let most = f64::from(model.max_iter);
    let epochs = if model.tol.is_none() { most } else { TYPICAL_EPOCHS.min(most) };
    let per_row = NANOSECONDS_PER_ROW + NANOSECONDS_PER_VALUE * columns as f64;
    let cost_us = rows as f64 * vectors as f64 * epochs * per_row / 1e3;
    Estimate {
        n_parameters: vectors * (columns + u64::from(model.fit_intercept)),
        memory_bytes,
        n_tasks: n_folds as u64 + 1,
        task_cost_us: (cost_us as i64).max(100),
    }
}
