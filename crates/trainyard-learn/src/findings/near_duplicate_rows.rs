//! Rows that are there twice, or nearly: a copy among the training rows gives away a test row.
//!
//! Rows are compared without the columns that name them. Where the columns have few values, equal
//! rows are no surprise, and nothing is said.

use serde_json::json;

use super::Finding;
use super::rows::{Hasher, RowHash};
use crate::describe::DescribedColumn;
use crate::table::Table;

/// The share of rows that repeat an earlier one from which it is told.
pub(super) const MIN_SHARE: f64 = 0.01;

/// Of fewer rows nothing is said.
pub(super) const MIN_ROWS: usize = 20;

/// The columns' values must make so many times as many different rows possible as there are.
pub(super) const MIN_COMBINATIONS_A_ROW: f64 = 100.0;

pub(super) fn find(
    table: &Table,
    columns: &[DescribedColumn],
    id_like: &[&str],
) -> Option<Finding> {
    let n_rows = table.n_rows();
    let compared = compared(columns, id_like);
    if n_rows < MIN_ROWS || !are_many(columns, &compared, n_rows) {
        return None;
    }
    let one_in = Hasher::one_in(n_rows);
    let mut rows = Hasher::new(table, &compared, columns).rows(one_in);
    rows.sort_unstable();
    let n = rows.len();
    let n_near = n - rows.chunk_by(|a, b| a.near == b.near).count();
    let same = |a: &RowHash, b: &RowHash| (a.near, a.exact) == (b.near, b.exact);
    let n_exact = n - rows.chunk_by(same).count();
    let share = n_near as f64 / n.max(1) as f64;
    if share < MIN_SHARE {
        return None;
    }
    let pair = rows.windows(2).filter(|pair| pair[0].near == pair[1].near);
    let pair =
        pair.map(|pair| [pair[0].row.min(pair[1].row), pair[0].row.max(pair[1].row)]).min()?;
    let rounded = if n_exact < n_near { ", or nearly do," } else { "" };
    let detail = format!(
        "{:.1} % of the rows repeat{rounded} an earlier one, as row {} does row {}; drop them, or \
         the scores of folds that hold both will flatter the model",
        100.0 * share,
        pair[1],
        pair[0]
    );
    let evidence = json!({
        "share": share,
        "share_exact": n_exact as f64 / n as f64,
        "n_rows": n_near * one_in as usize,
        "example": pair,
    });
    Some(Finding { code: "near_duplicate_rows", column: None, detail, evidence })
}

/// The columns by which rows are compared.
pub(super) fn compared<'c>(columns: &'c [DescribedColumn], id_like: &[&str]) -> Vec<&'c str> {
    let names = columns.iter().map(|column| column.description.name.as_str());
    names.filter(|name| !id_like.contains(name)).collect()
}

/// Whether the values of these columns make many more rows possible than there are.
pub(super) fn are_many(columns: &[DescribedColumn], names: &[&str], n_rows: usize) -> bool {
    let compared = columns.iter().filter(|c| names.contains(&c.description.name.as_str()));
    let possible: f64 = compared.map(|column| column.description.n_unique.max(1) as f64).product();
    possible >= MIN_COMBINATIONS_A_ROW * n_rows as f64
}
