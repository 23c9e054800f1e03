//! Columns that name their rows: a model learns them by heart, and they say nothing of a new row.
//!
//! Whole numbers and short texts that are all different. Whole numbers must also rise or fall from
//! each row to the next, or be a run without a hole, or bear a name that says what they are: counts
//! and amounts may well be all different by themselves.

use serde_json::json;

use super::{Finding, sample};
use crate::describe::DescribedColumn;
use crate::table::{Column, Table, Values};

/// In fewer rows anything may be all different.
const MIN_ROWS: usize = 20;

/// Texts of more words than this on average are prose, which is different by nature.
const MAX_MEAN_WORDS: f64 = 3.0;

/// Texts are looked at for their words in so many rows.
const MAX_TEXTS: usize = 1_000;

/// The last word of a column's name that says that it is one.
const NAMES: [&str; 7] = ["id", "ids", "uuid", "guid", "index", "key", "rowid"];

pub(super) fn find(table: &Table, columns: &[DescribedColumn]) -> Vec<Finding> {
    super::in_each(table, columns, of)
}

fn of(column: &Column, described: &DescribedColumn) -> Option<Finding> {
    let found = &described.description;
    let n_rows = column.values.len();
    if n_rows < MIN_ROWS || found.n_unique < n_rows {
        return None;
    }
    let why = match &column.values {
        Values::Numeric(rows) => {
            if !rows.iter().all(|value| value.fract() == 0.0) {
                return None;
            }
            let span = found.most()? - found.least()?;
            if rows.windows(2).all(|pair| pair[0] < pair[1]) {
                "whole numbers that rise from each row to the next"
            } else if rows.windows(2).all(|pair| pair[0] > pair[1]) {
                "whole numbers that fall from each row to the next"
            } else if span == (n_rows - 1) as f64 {
                "the whole numbers of a run without a hole, each once"
            } else if has_name(&found.name) {
                "whole numbers that are all different, under a name of identifiers"
            } else {
                return None;
            }
        }
        Values::Categorical { .. } | Values::Text(_) if mean_words(column) <= MAX_MEAN_WORDS => {
            "short texts that are all different"
        }
        _ => return None,
    };
    let detail = format!("holds {why}; it names rows rather than describes them: leave it out");
    let evidence = json!({ "n_unique": found.n_unique, "n_rows": n_rows });
    Some(Finding::of_column("id_like", &found.name, &detail, evidence))
}

fn has_name(name: &str) -> bool {
    // The last word, also of names such as `customerId`.
    let mut word = String::new();
    for c in name.chars() {
        if !c.is_alphanumeric() {
            word.clear();
            continue;
        }
        let starts = c.is_uppercase() && word.chars().last().is_some_and(char::is_lowercase);
        if starts {
            word.clear();
        }
        word.push(c);
    }
    NAMES.contains(&word.to_lowercase().as_str())
}

fn mean_words(column: &Column) -> f64 {
    let rows = sample::rows(column.values.len(), MAX_TEXTS);
    let words =
        |row: &usize| column.values.text(*row).map_or(0, |text| text.split_whitespace().count());
    rows.iter().map(words).sum::<usize>() as f64 / rows.len().max(1) as f64
}
