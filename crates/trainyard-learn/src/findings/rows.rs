//! Rows as hashes, by which equal ones are found.
//!
//! A row has two: one of its values as they are, and one in which numbers are rounded to a small
//! part of their column's spread. What is close to the edge of such a part may be rounded away from
//! its twin; that happens to one pair in thousands.

use super::sample::mix;
use crate::describe::DescribedColumn;
use crate::table::{MISSING_CODE, MISSING_TIME, Table, Values};

/// Numbers are rounded to this share of their column's standard deviation.
pub(super) const ROUNDING: f64 = 1e-4;

/// So many rows are kept at most, about: of more, those whose hash is of one kind, so that equal
/// rows are kept or left out together.
const MAX_KEPT: usize = 1 << 20;

/// Rows are hashed so many at a time, column by column.
const BLOCK: usize = 1 << 10;

/// After so many rows the pages of a table in a file are given back.
const LOOKED_AT: usize = 64 * BLOCK;

/// A row's hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowHash {
    /// With numbers rounded.
    pub(super) near: u64,
    /// As it is.
    pub(super) exact: u64,
    /// Which row.
    pub(super) row: usize,
}

/// Columns of a table that are hashed together, each with what its numbers are rounded to.
pub(super) struct Hasher<'t> {
    columns: Vec<(&'t Values, f64, Vec<u64>)>,
    n_rows: usize,
}

impl<'t> Hasher<'t> {
    /// The named columns; `described` gives the spread that rounding goes by.
    pub(super) fn new(table: &'t Table, names: &[&str], described: &[DescribedColumn]) -> Self {
        let column = |name: &&str| {
            let values = &table.column(name)?.values;
            let found = described.iter().find(|column| column.description.name == **name);
            let std = found.and_then(|found| found.description.std).unwrap_or(0.0);
            let texts = match values {
                Values::Categorical { categories, .. } => {
                    categories.iter().map(|text| text_hash(text)).collect()
                }
                _ => Vec::new(),
            };
            Some((values, std * ROUNDING, texts))
        };
        Self { columns: names.iter().filter_map(column).collect(), n_rows: table.n_rows() }
    }

    /// Keeps one row in so many.
    pub(super) fn one_in(n_rows: usize) -> u64 {
        (n_rows / MAX_KEPT + 1).next_power_of_two() as u64
    }

    /// The hashes of the rows that are kept.
    pub(super) fn rows(&self, one_in: u64) -> Vec<RowHash> {
        let mut kept = Vec::new();
        for start in (0..self.n_rows).step_by(BLOCK) {
            if start % LOOKED_AT == 0 {
                self.columns.iter().for_each(|(values, ..)| values.let_go());
            }
            let n = BLOCK.min(self.n_rows - start);
            let (mut near, mut exact) = ([0; BLOCK], [0; BLOCK]);
            for (values, grain, texts) in &self.columns {
                hash_values(values, *grain, texts, start, &mut near[..n], &mut exact[..n]);
            }
            let hashes = near.iter().zip(&exact).take(n).enumerate();
            let all = hashes.map(|(i, (near, exact))| RowHash {
                near: *near,
                exact: *exact,
                row: start + i,
            });
            kept.extend(all.filter(|hash| hash.near & (one_in - 1) == 0));
        }
        kept
    }
}

/// Takes a stretch of a column into the hashes of its rows.
fn hash_values(
    values: &Values,
    grain: f64,
    texts: &[u64],
    start: usize,
    near: &mut [u64],
    exact: &mut [u64],
) {
    let stretch = start..start + near.len();
    let mut each = |of: &dyn Fn(usize) -> u64| {
        for (i, (near, exact)) in near.iter_mut().zip(exact.iter_mut()).enumerate() {
            let value = of(start + i);
            (*near, *exact) = (take_in(*near, value), take_in(*exact, value));
        }
    };
    match values {
        Values::Numeric(rows) => {
            let rows = &rows[stretch];
            for ((near, exact), value) in near.iter_mut().zip(exact).zip(rows) {
                let bits = if value.is_nan() { MISSING } else { (value + 0.0).to_bits() };
                *exact = take_in(*exact, bits);
                let rounded = (value / grain).round();
                let bits = if rounded.is_finite() { (rounded + 0.0).to_bits() } else { bits };
                *near = take_in(*near, bits);
            }
        }
        Values::Boolean(rows) => each(&|row| rows[row].map_or(MISSING, u64::from)),
        Values::Categorical { codes, .. } => each(&|row| match codes[row] {
            MISSING_CODE => MISSING,
            code => texts[code as usize],
        }),
        Values::Datetime(rows) => each(&|row| match rows[row] {
            MISSING_TIME => MISSING,
            time => time as u64,
        }),
        Values::Text(rows) => each(&|row| rows[row].as_deref().map_or(MISSING, text_hash)),
        Values::Tensor { shape, values } => {
            let width = shape.iter().product::<usize>();
            each(&|row| {
                let numbers = &values[row * width..(row + 1) * width];
                numbers.iter().fold(0, |hash, v| take_in(hash, u64::from((v + 0.0).to_bits())))
            });
        }
    }
}

/// Stands for a missing value: the bits of a NaN that no number has.
const MISSING: u64 = u64::MAX;

fn take_in(hash: u64, value: u64) -> u64 {
    mix(hash.rotate_left(23) ^ value)
}

fn text_hash(text: &str) -> u64 {
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let whole =
        words.iter().fold(text.len() as u64, |h, word| take_in(h, u64::from_le_bytes(*word)));
    rest.iter().fold(whole, |hash, byte| take_in(hash, u64::from(*byte)))
}
