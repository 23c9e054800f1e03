//! How columns become features, and how many.

use trainyard_learn::preprocess::{ColumnFacts, MAX_FEATURES, PreprocessSpec};
use trainyard_learn::problem::Problem;
use trainyard_learn::table::ColumnType;

use crate::domain::dataset::Dataset;
use crate::domain::suggest::shown;

/// Columns that keep gaps are told of up to this many.
const MAX_PROBLEMS: usize = 100;

/// Checks the preparation of the named columns: how many features they become at most, and every
/// problem.
pub(super) fn check(
    spec: &PreprocessSpec,
    names: &[String],
    dataset: &Dataset,
    n_classes: usize,
    problems: &mut Vec<Problem>,
) -> usize {
    let columns = facts(names, dataset);
    let types: Vec<(String, ColumnType)> =
        columns.iter().map(|column| (column.name.to_owned(), column.column_type)).collect();
    let mut found = spec.check(&types);
    for column in columns.iter().filter(|column| spec.leaves_gaps(column)).take(MAX_PROBLEMS) {
        let name = shown(column.name);
        let detail = format!("column {name} has missing values, and nothing stands for them");
        let way_out = "impute them, or name the columns to use in `features` without it";
        let pointer = if spec.columns.contains_key(column.name) {
            format!("/columns/{}", column.name.replace('~', "~0").replace('/', "~1"))
        } else {
            format!("/{}/impute", family(column.column_type))
        };
        found.push(Problem::new(pointer, detail).suggest(way_out));
    }
    let n_features = spec.most_features(&columns, n_classes);
    if found.is_empty() && n_features > MAX_FEATURES {
        let detail =
            format!("the columns become {n_features} features; {MAX_FEATURES} are allowed");
        let way_out = "set categorical.max_categories, or another categorical.encode";
        found.push(Problem::new("", detail).suggest(way_out));
    } else if found.is_empty()
        && n_features == 0
        && !names.is_empty()
        && columns.len() == names.len()
    {
        found.push(Problem::new("/columns", "no feature is left of the columns"));
    }
    problems.extend(found.into_iter().map(|problem| problem.below("/preprocess")));
    n_features.max(1)
}

/// What is known of the named columns; those that are not there are told of elsewhere.
pub(super) fn facts<'d>(names: &[String], dataset: &'d Dataset) -> Vec<ColumnFacts<'d>> {
    let fact = |name: &String| {
        let column = &dataset.column(name)?.description;
        Some(ColumnFacts {
            name: &column.name,
            column_type: column.column_type,
            n_unique: column.n_unique,
            has_gaps: column.n_missing > 0,
            width: column.shape.as_ref().map_or(1, |shape| shape.iter().product()),
        })
    };
    names.iter().filter_map(fact).collect()
}

fn family(column_type: ColumnType) -> &'static str {
    match column_type {
        ColumnType::Numeric | ColumnType::Boolean => "numeric",
        ColumnType::Categorical => "categorical",
        ColumnType::Datetime => "datetime",
        ColumnType::Text => "text",
        ColumnType::Tensor => "tensor",
    }
}
