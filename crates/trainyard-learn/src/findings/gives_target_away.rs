//! A column that alone predicts the target nearly perfectly: most often it was written after the
//! target was known, and a model that leans on it fails on new rows.
//!
//! Four measures, each 1 where the column says everything and 0 where it says nothing: for classes
//! how many errors of guessing the commonest class remain when each class is one interval of a
//! number ([`intervals`]) or one set of groups ([`groups`]); for amounts the correlation of values
//! or of their ranks, and the variance that groups explain. Whether a value is missing counts as a
//! value. Groups are judged without the row in question, so that a column that is different in
//! every row explains nothing.

mod amounts;
mod classes;

use std::collections::HashMap;

use serde_json::json;

use super::{Finding, MAX_WHOLE_CLASSES, sample};
use crate::table::{MISSING_CODE, MISSING_TIME, Table, Values};

/// Correlations above this give amounts away; of the variance that groups explain, its square.
const MIN_CORRELATION: f64 = 0.999;

/// Classes are given away where at most a hundredth of the errors remains.
const MIN_ERRORS_SAVED: f64 = 0.99;

/// With fewer rows, chance does it.
const MIN_ROWS: usize = 30;

/// With fewer rows outside the commonest class, chance does it.
const MIN_RARE_ROWS: usize = 10;

/// More classes are not looked at.
const MAX_CLASSES: usize = 1_000;

/// So many rows are looked at, and fewer of a wide table.
const MAX_ROWS: usize = 50_000;
const MAX_CELLS: usize = 20_000_000;

/// What is to be predicted, of the rows that have it.
enum Known {
    Classes { labels: Vec<u32>, n_classes: usize, n_rare: usize },
    Amounts(Vec<f64>),
}

/// Every other column that gives the target away.
pub fn gives_target_away(table: &Table, target: &str) -> Vec<Finding> {
    among(table, target, &|_| true)
}

/// Every column of these that gives the target away.
pub(super) fn among(table: &Table, target: &str, is_asked: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let Some(column) = table.column(target) else { return Vec::new() };
    let most = MAX_ROWS.min(MAX_CELLS / table.columns().len()).max(MIN_ROWS);
    let mut rows = sample::rows(table.n_rows(), most);
    let Some(known) = known(&column.values, &mut rows) else { return Vec::new() };
    if rows.len() < MIN_ROWS {
        return Vec::new();
    }
    let others = table.columns().iter().filter(|column| column.name != target);
    let features = others.filter(|column| is_asked(&column.name));
    let found = features.filter_map(|column| {
        let found = best(&column.values, &rows, &known);
        column.values.let_go();
        let (measure, value, least) = found?;
        if value < least {
            return None;
        }
        let detail = format!(
            "alone it predicts {} nearly perfectly ({measure} {value:.5}); if it is not known \
             before the target is, leave it out",
            super::shown(target)
        );
        let evidence = json!({
            "target": target, "measure": measure, "value": value, "threshold": least,
            "n_rows": rows.len(),
        });
        Some(Finding::of_column("gives_target_away", &column.name, &detail, evidence))
    });
    found.collect()
}

/// The target at these rows; rows that lack it are taken out.
fn known(values: &Values, rows: &mut Vec<usize>) -> Option<Known> {
    if let Values::Numeric(numbers) = values {
        rows.retain(|row| !numbers[*row].is_nan());
        let found: Vec<f64> = rows.iter().map(|row| numbers[*row]).collect();
        let mut distinct = found.clone();
        distinct.sort_unstable_by(f64::total_cmp);
        distinct.dedup();
        let whole = distinct.iter().all(|value| value.fract() == 0.0);
        if !whole || distinct.len() > MAX_WHOLE_CLASSES {
            return Some(Known::Amounts(found));
        }
    }
    if matches!(values, Values::Datetime(_) | Values::Tensor { .. }) {
        return None;
    }
    rows.retain(|row| values.text(*row).is_some());
    let labels = group(values, rows);
    let n_classes = labels.iter().max().map_or(0, |most| *most as usize + 1);
    if !(2..=MAX_CLASSES).contains(&n_classes) {
        return None;
    }
    let mut counts = vec![0; n_classes];
    labels.iter().for_each(|label| counts[*label as usize] += 1);
    let n_rare = labels.len() - counts.iter().max().copied().unwrap_or(0);
    (n_rare >= MIN_RARE_ROWS).then_some(Known::Classes { labels, n_classes, n_rare })
}

/// The measure that finds most in a column, its value, and the least of it that matters.
fn best(values: &Values, rows: &[usize], known: &Known) -> Option<(&'static str, f64, f64)> {
    if matches!(values, Values::Tensor { .. }) {
        return None;
    }
    let groups = group(values, rows);
    let numbers = numbers(values, rows);
    let mut found = Vec::new();
    match known {
        Known::Classes { labels, n_classes, n_rare } => {
            let saved = |errors: f64| 1.0 - errors / *n_rare as f64;
            let errors = classes::group_errors(&groups, labels, *n_classes);
            found.push(("errors saved by its groups", saved(errors), MIN_ERRORS_SAVED));
            if let Some(numbers) = &numbers
                && *n_classes <= MAX_WHOLE_CLASSES
            {
                let errors = classes::interval_errors(numbers, labels, *n_classes);
                found.push((
                    "errors saved by an interval a class",
                    saved(errors),
                    MIN_ERRORS_SAVED,
                ));
            }
        }
        Known::Amounts(amounts) => {
            if let Some(numbers) = &numbers
                && let Some((plain, ranked)) = amounts::correlations(numbers, amounts)
            {
                found.push(("correlation", plain.abs(), MIN_CORRELATION));
                found.push(("rank correlation", ranked.abs(), MIN_CORRELATION));
            }
            let explained = amounts::explained_by(&groups, amounts);
            let least = MIN_CORRELATION * MIN_CORRELATION;
            found.push(("variance explained by its groups", explained, least));
        }
    }
    found.into_iter().filter(|(_, value, _)| value.is_finite()).max_by(|a, b| {
        let above = |found: &(&str, f64, f64)| (1.0 - found.1) / (1.0 - found.2);
        above(b).total_cmp(&above(a))
    })
}

/// The values as numbers; NaN where missing. `None` of texts.
fn numbers(values: &Values, rows: &[usize]) -> Option<Vec<f64>> {
    Some(match values {
        Values::Numeric(numbers) => rows.iter().map(|row| numbers[*row]).collect(),
        Values::Boolean(flags) => {
            let number = |flag: bool| f64::from(u8::from(flag));
            rows.iter().map(|row| flags[*row].map_or(f64::NAN, number)).collect()
        }
        Values::Datetime(times) => {
            let number = |time: i64| if time == MISSING_TIME { f64::NAN } else { time as f64 };
            rows.iter().map(|row| number(times[*row])).collect()
        }
        _ => return None,
    })
}

/// Equal values as equal numbers from 0 up, in the order in which they come; the missing value is
/// one of them.
fn group(values: &Values, rows: &[usize]) -> Vec<u32> {
    fn numbered<K: std::hash::Hash + Eq>(keys: impl Iterator<Item = K>) -> Vec<u32> {
        let mut seen = HashMap::new();
        keys.map(|key| {
            let next = seen.len() as u32;
            *seen.entry(key).or_insert(next)
        })
        .collect()
    }
    match values {
        Values::Numeric(numbers) => {
            let key = |v: f64| if v.is_nan() { u64::MAX } else { (v + 0.0).to_bits() };
            numbered(rows.iter().map(|row| key(numbers[*row])))
        }
        Values::Boolean(flags) => numbered(rows.iter().map(|row| flags[*row])),
        Values::Categorical { codes, .. } => {
            debug_assert!(codes.len() < MISSING_CODE as usize);
            numbered(rows.iter().map(|row| codes[*row]))
        }
        Values::Datetime(times) => numbered(rows.iter().map(|row| times[*row])),
        Values::Text(texts) => numbered(rows.iter().map(|row| texts[*row].as_deref())),
        Values::Tensor { .. } => vec![0; rows.len()],
    }
}
