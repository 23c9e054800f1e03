//! Text columns most of whose values are numbers: a few other texts keep them from being read so.

use serde_json::json;

use super::{Finding, sample, shown};
use crate::table::{Column, MISSING_CODE, Table, Values};

/// More than this share of the present values must be numbers. (Where all are, the reader had its
/// reason, such as leading zeros.)
const MIN_SHARE: f64 = 0.5;

/// So many rows of prose are read at most.
const MAX_TEXTS: usize = 100_000;

/// So many of the other values are shown.
const N_EXAMPLES: usize = 5;

pub(super) fn find(table: &Table) -> Vec<Finding> {
    table.columns().iter().filter_map(of).collect()
}

fn of(column: &Column) -> Option<Finding> {
    let (mut n_numbers, mut n_others) = (0, 0);
    let mut others: Vec<&str> = Vec::new();
    let mut other = |text| {
        if others.len() < N_EXAMPLES && !others.contains(&text) {
            others.push(text);
        }
    };
    match &column.values {
        Values::Categorical { codes, categories } => {
            let numbers: Vec<bool> = categories.iter().map(|text| is_number(text)).collect();
            for code in codes.iter().filter(|code| **code != MISSING_CODE) {
                let index = *code as usize;
                if numbers[index] {
                    n_numbers += 1;
                } else {
                    n_others += 1;
                    other(&categories[index]);
                }
            }
        }
        Values::Text(rows) => {
            for row in sample::rows(rows.len(), MAX_TEXTS) {
                match rows[row].as_deref() {
                    Some(text) if is_number(text) => n_numbers += 1,
                    Some(text) => {
                        n_others += 1;
                        other(text);
                    }
                    None => {}
                }
            }
        }
        _ => return None,
    }
    let share = f64::from(n_numbers) / f64::from(n_numbers + n_others).max(1.0);
    if share <= MIN_SHARE || n_others == 0 {
        return None;
    }
    let examples: Vec<String> = others.iter().map(|text| shown(text)).collect();
    let detail = format!(
        "{:.1} % of the values are numbers, and yet it is text because of {}; if those stand for \
         missing values, empty them",
        100.0 * share,
        examples.join(", ")
    );
    let evidence = json!({ "share": share, "n_others": n_others, "others": others });
    Some(Finding::of_column("mixed_types", &column.name, &detail, evidence))
}

/// What reads as a finite number; the words for infinities and for no number do not.
fn is_number(text: &str) -> bool {
    text.trim().parse::<f64>().is_ok_and(f64::is_finite)
}
