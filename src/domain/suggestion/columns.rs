//! Which column to predict, and which to predict from.

use trainyard_learn::describe::DescribedColumn;
use trainyard_learn::findings::Finding;
use trainyard_learn::problem::Problem;
use trainyard_learn::table::ColumnType;

use super::{LeftOut, Reason, TARGET_POINTER};
use crate::domain::dataset::Dataset;
use crate::domain::limits::Limits;
use crate::domain::suggest::{nearest, shown};

/// What people call the column to predict, the likeliest first; capitals make no difference.
const TARGET_NAMES: [&str; 12] = [
    "target",
    "label",
    "labels",
    "class",
    "y",
    "species",
    "outcome",
    "diagnosis",
    "response",
    "category",
    "result",
    "output",
];

/// The column to predict and why.
pub(super) struct Target<'d> {
    pub(super) column: &'d DescribedColumn,
    pub(super) reason: Reason,
}

/// The named column, or the likeliest.
pub(super) fn target<'d>(
    dataset: &'d Dataset,
    asked: Option<&str>,
    limits: &Limits,
) -> Result<Target<'d>, Vec<Problem>> {
    let chosen = |column, why: &str| Target { column, reason: Reason::new("/target", why) };
    if let Some(name) = asked {
        return match dataset.column(name) {
            Some(column) => Ok(chosen(column, "you named it")),
            None => Err(vec![no_column(name, dataset)]),
        };
    }
    let columns = &dataset.content.columns;
    let usable = |column: &&DescribedColumn| can_be_target(column, limits);
    for name in TARGET_NAMES {
        let named =
            |column: &&DescribedColumn| column.description.name.trim().eq_ignore_ascii_case(name);
        if let Some(column) = columns.iter().filter(usable).find(named) {
            return Ok(chosen(
                column,
                "its name is one that targets have; name another with `target`",
            ));
        }
    }
    let Some((index, column)) = columns.iter().enumerate().rev().find(|(_, c)| usable(c)) else {
        let detail = "no column can be predicted: each has gaps, a single value, too many classes, \
                      or dates, prose or tensors";
        let way_out = "upload rows whose target is known in all of them";
        return Err(vec![Problem::new(TARGET_POINTER, detail).suggest(way_out)]);
    };
    let why = if index + 1 == columns.len() {
        "it is the last column, where targets mostly stand; name another with `target`"
    } else {
        "it is the last column that can be predicted as it is; name another with `target`"
    };
    Ok(chosen(column, why))
}

fn can_be_target(column: &DescribedColumn, limits: &Limits) -> bool {
    let found = &column.description;
    found.n_missing == 0
        && found.n_unique > 1
        && match found.column_type {
            ColumnType::Numeric | ColumnType::Boolean => true,
            ColumnType::Categorical => {
                found.n_unique <= limits.max_classes && column.values.is_some()
            }
            ColumnType::Datetime | ColumnType::Text | ColumnType::Tensor => false,
        }
}

fn no_column(name: &str, dataset: &Dataset) -> Problem {
    let detail = format!("the dataset has no column {}", shown(name));
    let problem = Problem::new(TARGET_POINTER, detail);
    match nearest(name, dataset.column_names()) {
        Some(near) => problem.suggest(near),
        None => {
            let some: Vec<&str> = dataset.column_names().take(20).collect();
            problem.suggest(format!("one of: {}", some.join(", ")))
        }
    }
}

/// The columns to predict from, and the others with the reasons; `unfit` are findings that speak
/// against a column.
pub(super) fn features(
    dataset: &Dataset,
    target: &str,
    unfit: &[Finding],
) -> (Vec<String>, Vec<LeftOut>) {
    let (mut features, mut left_out) = (Vec::new(), Vec::new());
    for column in &dataset.content.columns {
        let name = &column.description.name;
        if name == target {
            continue;
        }
        let finding = unfit.iter().find(|finding| finding.column.as_ref() == Some(name));
        match finding {
            None => features.push(name.clone()),
            Some(Finding { code, detail, .. }) => {
                let (code, detail) = ((*code).to_owned(), detail.clone());
                left_out.push(LeftOut { column: name.clone(), code, detail });
            }
        }
    }
    (features, left_out)
}
