//! More categories than the rows support: most are seen too seldom to learn anything of them.

use serde_json::json;

use super::Finding;
use crate::describe::DescribedColumn;
use crate::table::ColumnType;

/// So few categories are never too many.
const ALWAYS_FEW: usize = 10;

/// A category should have so many rows on average.
const MIN_ROWS_A_CATEGORY: f64 = 5.0;

/// A column of categories; one that differs in every row is an identifier and no matter of this.
pub fn too_many_categories(column: &DescribedColumn, n_rows: usize) -> Option<Finding> {
    let found = &column.description;
    let n_present = n_rows.saturating_sub(found.n_missing);
    let rows = n_present as f64 / found.n_unique.max(1) as f64;
    if found.column_type != ColumnType::Categorical
        || found.n_unique <= ALWAYS_FEW
        || found.n_unique >= n_present
        || rows >= MIN_ROWS_A_CATEGORY
    {
        return None;
    }
    let detail = format!(
        "{} categories have {rows:.1} rows each on average, too few to learn from; put rare ones \
         together or leave the column out",
        found.n_unique
    );
    let evidence = json!({ "n_categories": found.n_unique, "rows_a_category": rows });
    Some(Finding::of_column("too_many_categories", &found.name, &detail, evidence))
}
