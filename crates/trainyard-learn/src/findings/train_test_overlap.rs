//! Rows to test on that were trained on: scores on them say nothing.

use std::collections::HashSet;

use serde_json::json;

use super::near_duplicate_rows::{MIN_ROWS, MIN_SHARE, are_many, compared};
use super::rows::Hasher;
use super::{Finding, id_like, names};
use crate::describe::DescribedColumn;
use crate::table::Table;

/// Whether rows of `test` are among those of `train`, by the columns that both have by name and
/// type. `columns` describes `train`.
pub fn train_test_overlap(
    train: &Table,
    columns: &[DescribedColumn],
    test: &Table,
) -> Option<Finding> {
    let id_like = id_like::find(train, columns);
    let mut compared = compared(columns, &names(&id_like));
    compared.retain(|name| {
        let of = |table: &Table| table.column(name).map(|c| c.values.column_type());
        of(train) == of(test)
    });
    let n_rows = train.n_rows();
    if test.n_rows() < MIN_ROWS || !are_many(columns, &compared, n_rows) {
        return None;
    }
    let one_in = Hasher::one_in(n_rows.max(test.n_rows()));
    let known: HashSet<u64> =
        Hasher::new(train, &compared, columns).rows(one_in).iter().map(|row| row.near).collect();
    let rows = Hasher::new(test, &compared, columns).rows(one_in);
    let mut shared = rows.iter().filter(|row| known.contains(&row.near));
    let first = shared.next()?.row;
    let n_shared = 1 + shared.count();
    let share = n_shared as f64 / rows.len() as f64;
    if share < MIN_SHARE {
        return None;
    }
    let detail = format!(
        "{:.1} % of the rows to test on, the first of them row {first}, are among the training \
         rows; scores on them flatter the model: take them out of one of the two",
        100.0 * share
    );
    let evidence = json!({
        "share": share, "n_rows": n_shared * one_in as usize, "columns": compared.len()
    });
    Some(Finding { code: "train_test_overlap", column: None, detail, evidence })
}
