//! Values far beyond the others: slips of the pen, or the few that rule every mean.

use serde_json::json;

use super::Finding;
use crate::describe::DescribedColumn;
use crate::scalar::Scalar;
use crate::table::{Column, Table, Values};

/// A value is one beyond so many times what the middle half spans, below or above that half.
const MAX_IQRS: f64 = 10.0;

pub(super) fn find(table: &Table, columns: &[DescribedColumn]) -> Vec<Finding> {
    super::in_each(table, columns, of)
}

/// Where the middle half is one value, nothing is far from it, and there is none.
fn of(column: &Column, described: &DescribedColumn) -> Option<Finding> {
    let Values::Numeric(rows) = &column.values else { return None };
    let found = &described.description;
    let quantiles = found.quantiles?;
    let (q25, q75) = (quantiles.q25?, quantiles.q75?);
    let iqr = q75 - q25;
    if iqr.is_nan() || iqr <= 0.0 {
        return None;
    }
    let (low, high) = (q25 - MAX_IQRS * iqr, q75 + MAX_IQRS * iqr);
    let (least, most) = (found.least()?, found.most()?);
    if least >= low && most <= high {
        return None;
    }
    let n = rows.iter().filter(|value| **value < low || **value > high).count();
    let (below, above) = ((q25 - least) / iqr, (most - q75) / iqr);
    let (extreme, distance) = if below > above { (least, below) } else { (most, above) };
    let rows = if n == 1 { "1 row lies" } else { &format!("{n} rows lie") };
    let detail = format!(
        "{rows} more than {MAX_IQRS} times the interquartile range beyond the middle half; the \
         most extreme is {extreme}, {distance:.0} times; check them, or scale robustly"
    );
    let evidence = json!({
        "n_rows": n, "most_extreme": Scalar::Number(extreme), "low": low, "high": high,
        "distance_iqr": distance,
    });
    Some(Finding::of_column("outliers", &found.name, &detail, evidence))
}
