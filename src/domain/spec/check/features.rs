//! The columns to predict from, and the column of weights.

use std::collections::HashSet;

use trainyard_learn::problem::Problem;

use super::super::JobRequest;
use crate::domain::dataset::Dataset;
use crate::domain::suggest::{nearest, shown};

/// Columns that cannot be used are told of up to this many.
const MAX_PROBLEMS: usize = 100;

/// The feature columns that can be used; a problem for each that cannot.
pub(super) fn features(
    request: &JobRequest,
    dataset: &Dataset,
    problems: &mut Vec<Problem>,
) -> Vec<String> {
    let named = request.features.is_some();
    let names: Vec<String> = request.features.clone().unwrap_or_else(|| {
        let taken = |name: &&str| {
            is_target(request, name) || is_weight(request, name) || is_group(request, name)
        };
        dataset.column_names().filter(|name| !taken(name)).map(str::to_owned).collect()
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
        } else if is_target(request, name) {
            push(
                Problem::new(pointer, format!("column {} is the target", shown(name)))
                    .suggest("leave it out: a model that sees its target learns nothing"),
            );
        } else if is_weight(request, name) {
            let detail = format!("column {} is the `sample_weight`", shown(name));
            push(Problem::new(pointer, detail).suggest("leave it out"));
        } else if dataset.column(name).is_none() {
            push(no_column(pointer, name, dataset));
        }
    }
    names
}

pub(super) fn no_column(pointer: impl Into<String>, name: &str, dataset: &Dataset) -> Problem {
    let problem = Problem::new(pointer, format!("the dataset has no column {}", shown(name)));
    match nearest(name, dataset.column_names()) {
        Some(near) => problem.suggest(near),
        None => {
            let some: Vec<&str> = dataset.column_names().take(20).collect();
            problem.suggest(format!("one of: {}", some.join(", ")))
        }
    }
}

/// Checks the column of how much each row counts.
pub(super) fn sample_weight(request: &JobRequest, dataset: &Dataset, problems: &mut Vec<Problem>) {
    let Some(name) = &request.sample_weight else { return };
    let pointer = "/sample_weight";
    let Some(column) = dataset.column(name) else {
        problems.push(no_column(pointer, name, dataset));
        return;
    };
    let column = &column.description;
    let mut refuse = |detail: &str, way_out: &str| {
        let detail = format!("column {} {detail}", shown(name));
        problems.push(Problem::new(pointer, detail).suggest(way_out));
    };
    let (least, most) = (column.least().unwrap_or(0.0), column.most().unwrap_or(1.0));
    if is_target(request, name) {
        refuse("is the target", "name a column of weights");
    } else if !column.column_type.is_number() {
        refuse("holds text; weights are numbers", "name a column of numbers");
    } else if column.n_missing > 0 {
        let detail = format!("has {} missing values", column.n_missing);
        refuse(&detail, "fill them before the upload");
    } else if least < 0.0 {
        refuse("holds a weight below 0", "name a column of numbers from 0 on");
    } else if most <= 0.0 {
        refuse("holds no weight above 0", "leave it out, or name another column");
    } else if most > f64::from(f32::MAX) {
        refuse("holds numbers beyond single precision", "scale it before the upload");
    }
}

pub(super) fn is_target(request: &JobRequest, name: &str) -> bool {
    request.target.names().iter().any(|target| target == name)
}

fn is_weight(request: &JobRequest, name: &str) -> bool {
    request.sample_weight.as_deref() == Some(name)
}

fn is_group(request: &JobRequest, name: &str) -> bool {
    request.cv.as_ref().and_then(|cv| cv.group_column()) == Some(name)
}
