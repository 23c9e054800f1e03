//! From a request to a spec that runs, or to every reason why not.

use std::collections::HashSet;

use trainyard_learn::describe::{DescribedColumn, ValueCount, is_whole};
use trainyard_learn::perceptron::{ClassWeight, PerceptronSpec};
use trainyard_learn::problem::Problem;
use trainyard_learn::scalar::Scalar;
use trainyard_learn::table::ColumnType;

use super::{CheckedJob, Estimate, JobRequest, JobSpec, ModelSpec, TaskRequest};
use crate::domain::dataset::{Dataset, Warning};
use crate::domain::limits::Limits;
use crate::domain::suggest::{nearest, shown};

/// Whole numbers are classes up to this many distinct values, unless the spec says otherwise.
const MAX_INFERRED_CLASSES: usize = 32;

/// Features whose scales differ by this factor slow a perceptron down.
const LARGE_SCALE_RATIO: f64 = 100.0;

/// Columns that cannot be used are told of up to this many.
const MAX_PROBLEMS: usize = 100;

const MAX_METADATA_BYTES: usize = 16 << 10;

/// Checks a request against its dataset.
///
/// # Errors
/// Every problem found, with pointers relative to the request.
pub fn check(
    request: JobRequest,
    dataset: &Dataset,
    limits: &Limits,
) -> Result<CheckedJob, Vec<Problem>> {
    let mut problems = Vec::new();
    let features = features(&request, dataset, &mut problems);
    let target = target(&request, dataset, limits, &mut problems);
    let mut warnings = scale_warnings(&features, dataset);
    not_there_yet(&request, &mut problems);
    not_for_the_perceptron(&request, &mut problems);

    let ModelSpec::Perceptron(model) = &request.model;
    problems.extend(model.check().into_iter().map(|p| p.below("/model")));
    if let Some(classes) = target {
        class_weights(model, classes, &mut problems);
        early_stopping(model, classes, &request, dataset, &mut problems);
    }
    let n_folds = match &request.cv {
        None => 0,
        Some(cv) => {
            let own = cv.check();
            if own.is_empty() {
                let counts: Vec<(String, usize)> =
                    target.into_iter().flatten().map(|v| (v.value.text(), v.count)).collect();
                problems.extend(cv.check_target(&counts).into_iter().map(|p| p.below("/cv")));
            }
            problems.extend(own.into_iter().map(|p| p.below("/cv")));
            cv.n_folds()
        }
    };
    if request.cv.is_none() && !request.refit {
        problems.push(
            Problem::new("/refit", "without `cv` and without `refit` there is nothing to do")
                .suggest("name a `cv`, or leave `refit` out"),
        );
    }
    for (index, scorer) in request.scoring.iter().enumerate() {
        if request.scoring[..index].contains(scorer) {
            let detail = format!("`{}` is there already", scorer.name());
            problems.push(Problem::new(format!("/scoring/{index}"), detail));
        }
    }
    let metadata_bytes = serde_json::to_string(&request.metadata).map_or(0, |text| text.len());
    if metadata_bytes > MAX_METADATA_BYTES {
        let detail = format!("is {metadata_bytes} bytes; at most {MAX_METADATA_BYTES} are kept");
        problems.push(Problem::new("/metadata", detail));
    }

    let Some(classes) = target.filter(|_| problems.is_empty()) else {
        return Err(problems);
    };
    let estimate = estimate(model, dataset, features.len(), classes.len(), n_folds);
    if estimate.memory_bytes > limits.max_task_megabytes << 20 {
        let detail = format!(
            "a task would need about {} MB; the limit is {} MB",
            estimate.memory_bytes >> 20,
            limits.max_task_megabytes
        );
        return Err(vec![Problem::new("/features", detail).suggest("name fewer features")]);
    }
    if request.cv.is_none() {
        warnings.push(Warning::new(
            "no_cross_validation",
            "without `cv` the only scores are those on the training rows, which flatter the model",
        ));
    }
    let classes: Vec<Scalar> = classes.iter().map(|class| class.value.clone()).collect();
    let spec = JobSpec {
        name: request.name,
        dataset_id: dataset.id,
        target: request.target,
        features,
        task: TaskRequest::Classification,
        model: request.model,
        cv: request.cv.map(|cv| cv.with_default_seed(request.random_state)),
        scoring: request.scoring,
        refit: request.refit,
        random_state: request.random_state,
        metadata: request.metadata,
    };
    Ok(CheckedJob { spec, classes, warnings, estimate })
}

/// The feature columns that can be used; a problem for each that cannot.
fn features(request: &JobRequest, dataset: &Dataset, problems: &mut Vec<Problem>) -> Vec<String> {
    let named = request.features.is_some();
    let names: Vec<String> = request.features.clone().unwrap_or_else(|| {
        dataset.column_names().filter(|n| *n != request.target).map(str::to_owned).collect()
    });
    if names.is_empty() {
        problems.push(Problem::new("/features", "no column is left to predict from"));
    }
    let mut seen = HashSet::new();
    for (index, name) in names.iter().enumerate() {
        if problems.len() >= MAX_PROBLEMS {
            break;
        }
        // Columns that the client did not name have no place of their own in the request.
        let pointer = if named { format!("/features/{index}") } else { "/features".to_owned() };
        let mut push = |problem: Problem| problems.push(problem);
        if !seen.insert(name) {
            push(Problem::new(pointer, format!("column {} is there already", shown(name))));
        } else if *name == request.target {
            push(
                Problem::new(pointer, format!("column {} is the target", shown(name)))
                    .suggest("leave it out: a model that sees its target learns nothing"),
            );
        } else if let Some(column) = dataset.column(name) {
            if let Some(problem) = unusable_feature(column, pointer) {
                push(problem);
            }
        } else {
            push(no_column(pointer, name, dataset));
        }
    }
    names
}

fn unusable_feature(column: &DescribedColumn, pointer: String) -> Option<Problem> {
    let column = &column.description;
    let name = shown(&column.name);
    let way_out = format!("name the columns to use in `features`, without {name}");
    if column.column_type == ColumnType::Categorical {
        let detail = format!("column {name} holds text; a perceptron takes numbers and booleans");
        Some(Problem::new(pointer, detail).suggest(way_out))
    } else if column.n_missing > 0 {
        let detail = format!("column {name} has {} missing values", column.n_missing);
        Some(Problem::new(pointer, detail).suggest(format!("fill them, or {way_out}")))
    } else {
        None
    }
}

fn no_column(pointer: impl Into<String>, name: &str, dataset: &Dataset) -> Problem {
    let problem = Problem::new(pointer, format!("the dataset has no column {}", shown(name)));
    match nearest(name, dataset.column_names()) {
        Some(near) => problem.suggest(near),
        None => {
            let some: Vec<&str> = dataset.column_names().take(20).collect();
            problem.suggest(format!("one of: {}", some.join(", ")))
        }
    }
}

/// The classes of the target with their counts, or nothing and the reasons why.
fn target<'d>(
    request: &JobRequest,
    dataset: &'d Dataset,
    limits: &Limits,
    problems: &mut Vec<Problem>,
) -> Option<&'d [ValueCount]> {
    let Some(column) = dataset.column(&request.target) else {
        problems.push(no_column("/target", &request.target, dataset));
        return None;
    };
    let description = &column.description;
    let name = shown(&description.name);
    let n_before = problems.len();
    if description.n_missing > 0 {
        let detail = format!("column {name} has {} missing values", description.n_missing);
        problems
            .push(Problem::new("/target", detail).suggest("upload the rows whose target is known"));
    }
    let whole = is_whole(column);
    let numeric = description.column_type == ColumnType::Numeric;
    match request.task {
        TaskRequest::Regression => {
            let detail = "a perceptron only tells classes apart; it does not do regression";
            problems.push(Problem::new("/task", detail).suggest("classification"));
        }
        TaskRequest::Auto
            if numeric && !(whole && description.n_unique <= MAX_INFERRED_CLASSES) =>
        {
            let detail = format!(
                "column {name} holds amounts ({} distinct numbers), and a perceptron only tells \
                 classes apart",
                description.n_unique
            );
            let mut problem = Problem::new("/target", detail);
            if whole {
                problem = problem.suggest("if they are classes, set \"task\": \"classification\"");
            }
            problems.push(problem);
        }
        TaskRequest::Classification if numeric && !whole && column.values.is_some() => {
            let detail = format!("column {name} holds fractions, which are no classes");
            problems.push(Problem::new("/target", detail).suggest("name a column of classes"));
        }
        _ => {}
    }
    if problems.len() == n_before && description.n_unique > limits.max_classes {
        let detail = format!(
            "column {name} has {} distinct values; at most {} classes are allowed",
            description.n_unique, limits.max_classes
        );
        problems.push(Problem::new("/target", detail).suggest("name a column of classes"));
    }
    if problems.len() == n_before && column.values.is_none() {
        let detail = format!("the values of column {name} are too long to be names of classes");
        problems.push(Problem::new("/target", detail).suggest("name a column of classes"));
    }
    if description.n_unique == 1 {
        let detail = format!("column {name} holds one class only; two are needed to learn");
        problems.push(Problem::new("/target", detail).suggest("upload rows of another class too"));
    }
    column.values.as_deref().filter(|_| problems.len() == n_before)
}

/// Promised, and not there yet: said so rather than ignored.
fn not_there_yet(request: &JobRequest, problems: &mut Vec<Problem>) {
    let given =
        [("preprocess", request.preprocess.is_some()), ("search", request.search.is_some())];
    for (name, _) in given.into_iter().filter(|(_, given)| *given) {
        let detail = "is not there in this version: columns are taken as they are, and one spec is \
                      one model";
        problems.push(Problem::new(format!("/{name}"), detail).suggest("leave it out"));
    }
}

/// A perceptron's learning is its own; saying how a network should learn has no meaning for it.
fn not_for_the_perceptron(request: &JobRequest, problems: &mut Vec<Problem>) {
    let given = [
        ("optimizer", request.optimizer.is_some()),
        ("loss", request.loss.as_ref().is_some_and(|loss| loss != "auto")),
        ("training", request.training.is_some()),
    ];
    for (name, _) in given.into_iter().filter(|(_, given)| *given) {
        let detail = format!("a perceptron takes no `{name}`");
        problems.push(Problem::new(format!("/{name}"), detail).suggest(
            "leave it out; scikit-learn's parameters (eta0, max_iter, tol, …) go into `model`",
        ));
    }
}

fn class_weights(model: &PerceptronSpec, classes: &[ValueCount], problems: &mut Vec<Problem>) {
    if let Some(ClassWeight::Weights(_)) = &model.class_weight {
        let labels: Vec<String> = classes.iter().map(|class| class.value.text()).collect();
        if let Err(found) = model.class_weights(&labels, &[]) {
            problems.extend(found.into_iter().map(|p| p.below("/model")));
        }
    }
}

/// Holding rows out for early stopping needs a row of each class on both sides, in every fold.
fn early_stopping(
    model: &PerceptronSpec,
    classes: &[ValueCount],
    request: &JobRequest,
    dataset: &Dataset,
    problems: &mut Vec<Problem>,
) {
    if !model.early_stopping {
        return;
    }
    let n_splits = request.cv.as_ref().map_or(1, |cv| cv.n_splits() as usize);
    let kept = |n: usize| {
        if n_splits > 1 { n - n.div_ceil(n_splits) } else { n }
    };
    let n_train = kept(dataset.n_rows());
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
fn scale_warnings(features: &[String], dataset: &Dataset) -> Vec<Warning> {
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

fn estimate(
    model: &PerceptronSpec,
    dataset: &Dataset,
    n_features: usize,
    n_classes: usize,
    n_folds: usize,
) -> Estimate {
    let vectors = if n_classes == 2 { 1 } else { n_classes as u64 };
    let (rows, columns) = (dataset.n_rows() as u64, n_features as u64);
    // The parsed table, the matrix of the features, and each fold's training rows beside it.
    let table = rows * dataset.content.columns.len() as u64 * 8;
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

#[cfg(test)]
mod tests;
