//! What there is to learn: classes or amounts.

use trainyard_learn::describe::{DescribedColumn, ValueCount, is_whole};
use trainyard_learn::losses::TargetKind;
use trainyard_learn::problem::Problem;
use trainyard_learn::scalar::Scalar;
use trainyard_learn::table::ColumnType;

use super::super::{JobRequest, ModelSpec, TargetColumns, TaskRequest};
use super::features::no_column;
use crate::domain::dataset::Dataset;
use crate::domain::limits::Limits;
use crate::domain::suggest::shown;

/// Whole numbers are classes up to this many distinct values, unless the spec says otherwise.
const MAX_INFERRED_CLASSES: usize = 32;

/// Columns that can be predicted together.
const MAX_TARGETS: usize = 1_000;

/// What the target holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Target<'d> {
    /// Classes, with the rows of each.
    Classes(&'d [ValueCount]),
    /// Amounts: the least and the most of them all.
    Values { n_outputs: usize, least: f64, most: f64 },
    /// Labels, a column each, and how a row without and with one is written.
    Labels { n_labels: usize, written: [Scalar; 2] },
}

impl Target<'_> {
    pub(super) fn kind(&self) -> TargetKind {
        match self {
            Self::Classes(classes) => TargetKind::Classes { n_classes: classes.len() },
            Self::Values { n_outputs, .. } => TargetKind::Values { n_outputs: *n_outputs },
            Self::Labels { n_labels, .. } => TargetKind::Labels { n_labels: *n_labels },
        }
    }

    pub(super) fn task(&self) -> TaskRequest {
        match self {
            Self::Classes(_) | Self::Labels { .. } => TaskRequest::Classification,
            Self::Values { .. } => TaskRequest::Regression,
        }
    }

    /// The classes with their rows, of which a row has one; none of amounts and labels.
    pub(super) fn classes(&self) -> &[ValueCount] {
        match self {
            Self::Classes(classes) => classes,
            Self::Values { .. } | Self::Labels { .. } => &[],
        }
    }

    /// What a prediction is one of, or of labels each part of it; nothing of amounts.
    pub(super) fn words(&self) -> Vec<Scalar> {
        match self {
            Self::Classes(classes) => classes.iter().map(|class| class.value.clone()).collect(),
            Self::Values { .. } => Vec::new(),
            Self::Labels { written, .. } => written.to_vec(),
        }
    }
}

/// What the target holds, or nothing and the reasons why.
pub(super) fn target<'d>(
    request: &JobRequest,
    dataset: &'d Dataset,
    limits: &Limits,
    problems: &mut Vec<Problem>,
) -> Option<Target<'d>> {
    let names = request.target.names();
    let pointer = |index: usize| match request.target {
        TargetColumns::One(_) => "/target".to_owned(),
        TargetColumns::Several(_) => format!("/target/{index}"),
    };
    let n_before = problems.len();
    if names.is_empty() || names.len() > MAX_TARGETS {
        let detail = format!("names {} columns; it must name 1 to {MAX_TARGETS}", names.len());
        problems.push(Problem::new("/target", detail));
        return None;
    }
    let mut columns = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        if names[..index].contains(name) {
            let detail = format!("column {} is there already", shown(name));
            problems.push(Problem::new(pointer(index), detail));
        }
        match dataset.column(name) {
            None => problems.push(no_column(pointer(index), name, dataset)),
            Some(column) if column.description.n_missing > 0 => {
                let n = column.description.n_missing;
                let detail = format!("column {} has {n} missing values", shown(name));
                problems.push(
                    Problem::new(pointer(index), detail)
                        .suggest("upload the rows whose target is known"),
                );
                columns.push(column);
            }
            Some(column) => columns.push(column),
        }
    }
    let perceptron = matches!(request.model, ModelSpec::Perceptron(_));
    if perceptron && request.task == TaskRequest::Regression {
        let detail = "a perceptron only tells classes apart; it does not do regression";
        problems.push(Problem::new("/task", detail).suggest("classification"));
    }
    if names.len() > 1 && perceptron {
        let detail = "a perceptron predicts one column";
        problems.push(Problem::new("/target", detail).suggest("name one, or use the model linear"));
    }
    if problems.len() > n_before {
        return None;
    }
    let amounts = match columns.as_slice() {
        [column] => !perceptron && holds_amounts(column, request.task),
        _ => true,
    };
    let found = if names.len() > 1 && holds_labels(&columns, request.task) {
        labels(&columns, pointer, problems)
    } else if amounts {
        values(&columns, pointer, problems)
    } else {
        columns.first().and_then(|column| classes(column, request, limits, problems))
    };
    found.filter(|_| problems.len() == n_before)
}

/// What is wrong with the target's transform, by itself and for this target.
pub(super) fn transform(
    request: &JobRequest,
    dataset: &Dataset,
    target: Option<&Target<'_>>,
    problems: &mut Vec<Problem>,
) {
    let Some(transform) = &request.target_transform else { return };
    problems.extend(transform.check().into_iter().map(|p| p.below("/target_transform")));
    match target {
        Some(Target::Classes(_) | Target::Labels { .. }) if !transform.is_none() => {
            let detail = "is of amounts, and the target holds classes";
            problems.push(Problem::new("/target_transform", detail).suggest("leave it out"));
        }
        Some(Target::Values { .. }) => {
            let columns = request.target.names().iter().filter_map(|name| dataset.column(name));
            let found = columns.filter_map(|column| {
                let least = column.description.least().unwrap_or(0.0);
                transform.check_column(&column.description.name, least)
            });
            problems.extend(found.map(|problem| problem.below("/target_transform")));
        }
        _ => {}
    }
}

/// Whether a column is taken for amounts.
fn holds_amounts(column: &DescribedColumn, task: TaskRequest) -> bool {
    let description = &column.description;
    match task {
        TaskRequest::Regression => true,
        TaskRequest::Classification => false,
        TaskRequest::Auto => {
            description.column_type == ColumnType::Numeric
                && !(is_whole(column) && description.n_unique <= MAX_INFERRED_CLASSES)
        }
    }
}

/// Whether several columns are taken for labels: where the spec says so, or they hold nothing else
/// than yes and no.
fn holds_labels(columns: &[&DescribedColumn], task: TaskRequest) -> bool {
    match task {
        TaskRequest::Regression => false,
        TaskRequest::Classification => true,
        TaskRequest::Auto => columns.iter().all(|column| is_label(column)),
    }
}

/// Whether a column holds booleans, or 0 and 1.
fn is_label(column: &DescribedColumn) -> bool {
    let description = &column.description;
    match description.column_type {
        ColumnType::Boolean => true,
        ColumnType::Numeric => {
            is_whole(column)
                && description.least().is_some_and(|least| least >= 0.0)
                && description.most().is_some_and(|most| most <= 1.0)
        }
        _ => false,
    }
}

fn labels<'d>(
    columns: &[&DescribedColumn],
    pointer: impl Fn(usize) -> String,
    problems: &mut Vec<Problem>,
) -> Option<Target<'d>> {
    for (index, column) in columns.iter().enumerate() {
        let name = shown(&column.description.name);
        if !is_label(column) {
            let detail = format!(
                "column {name} is no label: several columns of classes hold booleans, or 0 and 1"
            );
            let way_out = "name one column, or encode each of its values as a column of 0 and 1";
            problems.push(Problem::new(pointer(index), detail).suggest(way_out));
        } else if column.description.n_unique == 1 {
            let detail = format!("no row of column {name} differs from the others");
            problems.push(Problem::new(pointer(index), detail).suggest("leave it out"));
        }
    }
    let boolean = |column: &&DescribedColumn| column.description.column_type == ColumnType::Boolean;
    let written = if columns.iter().all(boolean) {
        [Scalar::Boolean(false), Scalar::Boolean(true)]
    } else {
        [Scalar::Number(0.0), Scalar::Number(1.0)]
    };
    Some(Target::Labels { n_labels: columns.len(), written })
}

fn values<'d>(
    columns: &[&DescribedColumn],
    pointer: impl Fn(usize) -> String,
    problems: &mut Vec<Problem>,
) -> Option<Target<'d>> {
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    for (index, column) in columns.iter().enumerate() {
        let description = &column.description;
        let name = shown(&description.name);
        if !description.column_type.is_number() {
            let detail = format!("column {name} holds text, which is no amount");
            problems.push(Problem::new(pointer(index), detail).suggest("name a column of numbers"));
        }
        // As a network sees it, in single precision.
        let extreme =
            description.most().unwrap_or(0.0).abs().max(description.least().unwrap_or(0.0).abs());
        if extreme > f64::from(f32::MAX) {
            let detail = format!("column {name} holds numbers beyond single precision");
            problems
                .push(Problem::new(pointer(index), detail).suggest("scale it before the upload"));
        }
        least = least.min(description.least().unwrap_or(0.0));
        most = most.max(description.most().unwrap_or(0.0));
    }
    Some(Target::Values { n_outputs: columns.len(), least, most })
}

/// The classes of the target with their counts, or nothing and the reasons why.
fn classes<'d>(
    column: &'d DescribedColumn,
    request: &JobRequest,
    limits: &Limits,
    problems: &mut Vec<Problem>,
) -> Option<Target<'d>> {
    let description = &column.description;
    let name = shown(&description.name);
    let n_before = problems.len();
    let whole = is_whole(column);
    let numeric = description.column_type == ColumnType::Numeric;
    match request.task {
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
    column.values.as_deref().filter(|_| problems.len() == n_before).map(Target::Classes)
}
