//! What is suspicious about a table, before anything is trained on it.
//!
//! A file a kind; each has its thresholds as constants and says what it does not look for. All are
//! deterministic and bounded: what would take more than a pass over the table looks at a sample of
//! its rows. Nothing here changes a table or keeps anybody from training on it.
//!
//! Start reading at [`at_upload`] and [`about_target`].

mod class_imbalance;
mod constant_column;
mod dates_as_text;
mod gives_target_away;
mod id_like;
mod mixed_types;
mod near_duplicate_rows;
mod outliers;
mod rows;
mod sample;
mod too_many_categories;
mod train_test_overlap;

use std::collections::HashSet;

use serde_json::Value;

use crate::describe::{DescribedColumn, describe, is_whole};
use crate::table::{Column, ColumnType, Table};
pub use class_imbalance::class_imbalance;
pub use gives_target_away::gives_target_away;
pub use too_many_categories::too_many_categories;
pub use train_test_overlap::train_test_overlap;

/// Something suspicious.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Stable and machine-readable.
    pub code: &'static str,
    /// The column that it is about.
    pub column: Option<String>,
    /// What it is and what to do about it, in a sentence.
    pub detail: String,
    /// The figures that it rests on.
    pub evidence: Value,
}

impl Finding {
    /// About one column; `detail` goes on from its name.
    fn of_column(code: &'static str, name: &str, detail: &str, evidence: Value) -> Self {
        let detail = format!("column {}: {detail}", shown(name));
        Self { code, column: Some(name.to_owned()), detail, evidence }
    }
}

/// A kind is told of so many columns one by one, and of the others in a sentence.
pub const MAX_COLUMNS_OF_A_KIND: usize = 100;

/// What can be said of a table before anybody says what to predict.
pub fn at_upload(table: &Table) -> Vec<Finding> {
    at_upload_described(table, &describe(table))
}

/// The same of a table that is described already.
pub fn at_upload_described(table: &Table, columns: &[DescribedColumn]) -> Vec<Finding> {
    let n_rows = table.n_rows();
    let id_like = id_like::find(table, columns);
    let mut found = bounded(constant_column::find(columns));
    let duplicates = near_duplicate_rows::find(table, columns, &names(&id_like));
    found.extend(bounded(id_like));
    let crowded = columns.iter().filter_map(|column| too_many_categories(column, n_rows));
    found.extend(bounded(crowded.collect()));
    found.extend(bounded(dates_as_text::find(table)));
    found.extend(bounded(mixed_types::find(table)));
    found.extend(bounded(outliers::find(table, columns)));
    found.extend(duplicates);
    found
}

/// The columns that nothing can be learned from: constant and id-like ones, every one of them.
pub fn unfit_columns(table: &Table, columns: &[DescribedColumn]) -> Vec<Finding> {
    let mut found = constant_column::find(columns);
    found.extend(id_like::find(table, columns));
    found
}

/// What can be said once the column to predict is known: columns that give it away, and classes
/// that are too rare.
pub fn about_target(table: &Table, columns: &[DescribedColumn], target: &str) -> Vec<Finding> {
    let described = columns.iter().find(|column| column.description.name == target);
    let mut found = bounded(gives_target_away(table, target));
    found.extend(described.filter(|column| holds_classes(column)).and_then(class_imbalance));
    found
}

/// The features that give one of the targets away.
pub fn leaks(table: &Table, targets: &[String], features: &[String]) -> Vec<Finding> {
    let features: HashSet<&str> = features.iter().map(String::as_str).collect();
    let of = |target: &String| gives_target_away::among(table, target, &|c| features.contains(c));
    bounded(targets.iter().flat_map(of).collect())
}

/// Whole numbers of so many distinct values are classes.
const MAX_WHOLE_CLASSES: usize = 32;

/// Whether a column to predict would be taken for classes.
fn holds_classes(column: &DescribedColumn) -> bool {
    match column.description.column_type {
        ColumnType::Boolean | ColumnType::Categorical => true,
        ColumnType::Numeric => is_whole(column) && column.description.n_unique <= MAX_WHOLE_CLASSES,
        ColumnType::Datetime | ColumnType::Text | ColumnType::Tensor => false,
    }
}

/// What is found in each column, whose pages are given back if they lie in a file.
fn in_each(
    table: &Table,
    columns: &[DescribedColumn],
    find: impl Fn(&Column, &DescribedColumn) -> Option<Finding>,
) -> Vec<Finding> {
    let each = table.columns().iter().zip(columns);
    each.filter_map(|(column, described)| {
        let found = find(column, described);
        column.values.let_go();
        found
    })
    .collect()
}

fn bounded(mut found: Vec<Finding>) -> Vec<Finding> {
    let n_more = found.len().saturating_sub(MAX_COLUMNS_OF_A_KIND);
    if n_more > 0 {
        found.truncate(MAX_COLUMNS_OF_A_KIND);
        let code = found[0].code;
        let detail = format!("the same holds of {n_more} more columns");
        let evidence = serde_json::json!({ "n_columns": n_more });
        found.push(Finding { code, column: None, detail, evidence });
    }
    found
}

fn names(found: &[Finding]) -> Vec<&str> {
    found.iter().filter_map(|finding| finding.column.as_deref()).collect()
}

/// Longer names are cut in a sentence.
const MAX_SHOWN_CHARACTERS: usize = 100;

fn shown(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN_CHARACTERS) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests;
