//! Text columns that hold dates: as text they are only names, as dates they have an order.

use chrono::{Datelike, NaiveDate};
use serde_json::json;

use super::{Finding, sample, shown};
use crate::table::{Column, Table, Values};

/// The least share of the texts that must be dates.
const MIN_SHARE: f64 = 0.9;

/// So many texts are read at most.
const MAX_TEXTS: usize = 1_000;

/// Of fewer texts nothing is said.
const MIN_TEXTS: usize = 2;

/// Ways to write a date, by chrono's letters. A day of the month that could be a month is a date
/// either way.
const FORMATS: [&str; 11] = [
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%d %B %Y",
    "%d-%B-%Y",
    "%B %d, %Y",
];

/// Years outside are rather versions and part numbers.
const YEARS: std::ops::RangeInclusive<i32> = 1000..=9999;

pub(super) fn find(table: &Table) -> Vec<Finding> {
    table.columns().iter().filter_map(of).collect()
}

fn of(column: &Column) -> Option<Finding> {
    let texts: Vec<&str> = match &column.values {
        Values::Categorical { categories, .. } => {
            let rows = sample::rows(categories.len(), MAX_TEXTS);
            rows.iter().map(|index| categories[*index].as_str()).collect()
        }
        Values::Text(rows) => {
            let picked = sample::rows(rows.len(), MAX_TEXTS);
            picked.iter().filter_map(|row| rows[*row].as_deref()).collect()
        }
        _ => return None,
    };
    let n_dates = texts.iter().filter(|text| is_date(text)).count();
    let share = n_dates as f64 / texts.len().max(1) as f64;
    if texts.len() < MIN_TEXTS || share < MIN_SHARE {
        return None;
    }
    let example = texts.iter().find(|text| is_date(text))?;
    let other = texts.iter().find(|text| !is_date(text));
    let mut detail = format!(
        "holds dates such as {} as text, so that their order is lost; write all of them by RFC \
         3339, as 2024-05-31 or 2024-05-31T12:00:00Z",
        shown(example)
    );
    if let Some(other) = other {
        detail += &format!("; {} is none", shown(other));
    }
    let evidence = json!({
        "share": share, "n_texts": texts.len(), "example": example, "other": other
    });
    Some(Finding::of_column("dates_as_text", &column.name, &detail, evidence))
}

/// A date, alone or before a time of day.
fn is_date(text: &str) -> bool {
    let text = text.trim();
    if text.len() > 40 || !text.bytes().any(|b| b.is_ascii_digit()) {
        return false;
    }
    FORMATS.iter().any(|format| {
        NaiveDate::parse_and_remainder(text, format)
            .is_ok_and(|(date, rest)| YEARS.contains(&date.year()) && is_time(rest))
    })
}

fn is_time(rest: &str) -> bool {
    let clock = |c: char| c.is_ascii_digit() || "T:. +-ZAPMapm".contains(c);
    rest.is_empty()
        || (rest.starts_with(['T', ' ']) && rest.contains(':') && rest.chars().all(clock))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_told_from_what_only_looks_alike() {
        for text in [
            "2024-05-31",
            "31/05/2024",
            "5/31/2024",
            "31.5.2024",
            "5 May 2024",
            "May 5, 2024",
            "2024-05-31T12:00:00Z",
            "2024-05-31 12:00",
            "01-Jan-2020",
            "5 Sep 2024",
        ] {
            assert!(is_date(text), "{text}");
        }
        for text in
            ["1.2.3", "2024-02-30", "2024-05-31abc", "12:30", "555-12-3456", "May", "31/31/2024"]
        {
            assert!(!is_date(text), "{text}");
        }
    }
}
