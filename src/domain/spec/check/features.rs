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
            is_target(request, name)
                || weight_field(request, name).is_some()
                || is_group(request, name)
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
        } else if let Some(field) = weight_field(request, name) {
            let detail = format!("column {} is the `{field}`", shown(name));
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

/// Checks the columns of how much each row counts.
pub(super) fn weights(request: &JobRequest, dataset: &Dataset, problems: &mut Vec<Problem>) {
    for (field, name) in weight_columns(request) {
        let pointer = format!("/{field}");
        problems.extend(if is_target(request, name) {
            let detail = format!("column {} is the target", shown(name));
            Some(Problem::new(pointer, detail).suggest("name a column of weights"))
        } else {
            weight_column(&pointer, name, dataset)
        });
    }
}

/// Why a column cannot say how much rows count, if it cannot.
pub(crate) fn weight_column(pointer: &str, name: &str, dataset: &Dataset) -> Option<Problem> {
    let Some(column) = dataset.column(name) else {
        return Some(no_column(pointer, name, dataset));
    };
    let column = &column.description;
    let (reason, way_out) = if !column.column_type.is_number() {
        ("holds text; weights are numbers".to_owned(), "name a column of numbers")
    } else if column.n_missing > 0 {
        let reason = format!("has {} missing values", column.n_missing);
        (reason, "fill them before the upload")
    } else if column.least().is_some_and(|least| least < 0.0) {
        ("holds a weight below 0".to_owned(), "name a column of numbers from 0 on")
    } else if column.most().is_some_and(|most| most <= 0.0) {
        ("holds no weight above 0".to_owned(), "leave it out, or name another column")
    } else if column.most().is_some_and(|most| most > f64::from(f32::MAX)) {
        ("holds numbers beyond single precision".to_owned(), "scale it before the upload")
    } else {
        return None;
    };
    let detail = format!("column {} {reason}", shown(name));
    Some(Problem::new(pointer, detail).suggest(way_out))
}

fn weight_columns(request: &JobRequest) -> impl Iterator<Item = (&'static str, &str)> {
    let fields =
        [("sample_weight", &request.sample_weight), ("scoring_weight", &request.scoring_weight)];
    fields.into_iter().filter_map(|(field, name)| Some((field, name.as_deref()?)))
}

pub(super) fn is_target(request: &JobRequest, name: &str) -> bool {
    request.target.names().iter().any(|target| target == name)
}

/// The field that names the column as one of weights.
fn weight_field(request: &JobRequest, name: &str) -> Option<&'static str> {
    weight_columns(request).find(|(_, column)| *column == name).map(|(field, _)| field)
}

fn is_group(request: &JobRequest, name: &str) -> bool {
    request.cv.as_ref().and_then(|cv| cv.group_column()) == Some(name)
}
