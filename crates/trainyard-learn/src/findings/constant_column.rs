//! Columns with one value in all rows, or with none: nothing can be learned from them.

use serde_json::json;

use super::{Finding, shown};
use crate::describe::DescribedColumn;
use crate::table::ColumnType;

/// Of fewer present values nothing can be said.
const MIN_ROWS: usize = 2;

pub(super) fn find(columns: &[DescribedColumn]) -> Vec<Finding> {
    columns.iter().filter_map(of).collect()
}

/// A value with gaps beside it is not constant: that it is missing may tell something.
fn of(described: &DescribedColumn) -> Option<Finding> {
    let column = &described.description;
    let n_present = described.values.as_deref()?.iter().map(|value| value.count).sum::<usize>();
    let constant = column.n_unique == 1 && column.n_missing == 0 && n_present >= MIN_ROWS;
    let empty = column.n_unique == 0 && column.n_missing >= MIN_ROWS;
    if column.column_type == ColumnType::Tensor || !(constant || empty) {
        return None;
    }
    let value = described.values.as_deref()?.first().map(|value| value.value.text());
    let detail = match &value {
        Some(value) => format!("every row holds {}; leave it out", shown(value)),
        None => "no row holds a value; leave it out".to_owned(),
    };
    let evidence = json!({ "value": value, "n_rows": n_present + column.n_missing });
    Some(Finding::of_column("constant_column", &column.name, &detail, evidence))
}
