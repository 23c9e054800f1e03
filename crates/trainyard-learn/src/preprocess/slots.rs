//! Loops over the rows of one column, from where its values are to its places in the matrix.

use std::borrow::Cow;
use std::ops::Range;

/// The numbers of a column, NaN where missing.
pub(super) trait Numbers: Copy {
    /// The number of a row of the table.
    fn at(self, row: usize) -> f64;
}

impl Numbers for &[f64] {
    #[inline(always)]
    fn at(self, row: usize) -> f64 {
        self[row]
    }
}

/// Booleans as 0 and 1.
impl Numbers for &[Option<bool>] {
    #[inline(always)]
    fn at(self, row: usize) -> f64 {
        self[row].map_or(f64::NAN, |value| f64::from(u8::from(value)))
    }
}

/// One of the numbers of each tensor.
#[derive(Clone, Copy)]
pub(super) struct Element<'a> {
    pub(super) values: &'a [f32],
    pub(super) width: usize,
    pub(super) index: usize,
}

impl Numbers for Element<'_> {
    #[inline(always)]
    fn at(self, row: usize) -> f64 {
        f64::from(self.values[row * self.width + self.index])
    }
}

/// The numbers of the given rows.
pub(super) fn gather(numbers: impl Numbers, rows: &[u32]) -> Vec<f64> {
    rows.iter().map(|&row| numbers.at(row as usize)).collect()
}

/// The numbers of the given rows, not copied where these follow one another.
pub(super) fn gather_or_lend<'a>(numbers: &'a [f64], rows: &[u32]) -> Cow<'a, [f64]> {
    match run_of(rows) {
        Some(run) => Cow::Borrowed(&numbers[run]),
        None => Cow::Owned(gather(numbers, rows)),
    }
}

/// The rows as a range, if each follows the one before.
fn run_of(rows: &[u32]) -> Option<Range<usize>> {
    let first = *rows.first()?;
    let is_run = rows.iter().zip(first..).fold(true, |is_run, (row, next)| is_run & (*row == next));
    is_run.then(|| first as usize..first as usize + rows.len())
}

/// The places of a column in some rows of a row-major matrix.
#[derive(Debug)]
pub(super) struct Slots<'a> {
    /// Whole rows.
    pub(super) values: &'a mut [f64],
    /// The width of a row.
    pub(super) stride: usize,
    /// The column's first place in a row.
    pub(super) first: usize,
}

impl Slots<'_> {
    /// The places from the column's first one on, row after row.
    pub(super) fn rows(&mut self) -> impl Iterator<Item = &mut [f64]> {
        let first = self.first;
        self.values.chunks_exact_mut(self.stride.max(1)).map(move |row| &mut row[first..])
    }

    /// The same rows, beginning so many places further on.
    pub(super) fn skip(&mut self, places: usize) -> Slots<'_> {
        Slots { values: self.values, stride: self.stride, first: self.first + places }
    }
}

/// How often something was met, and first where.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Met {
    pub(super) count: usize,
    pub(super) first_row: u32,
}

impl Met {
    #[inline(always)]
    pub(super) fn add(&mut self, row: u32) {
        if self.count == 0 {
            self.first_row = row;
        }
        self.count += 1;
    }
}

/// What was met in a column that has no proper number in the matrix.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) missing: Met,
    pub(super) not_finite: Met,
    pub(super) unseen: Met,
    /// The first unseen category.
    pub(super) unseen_value: Option<String>,
}

/// Writes a function of each row's number, `fill` standing for a missing one.
#[inline(always)]
pub(super) fn each(
    numbers: impl Numbers,
    rows: &[u32],
    fill: f64,
    out: &mut Slots<'_>,
    tally: &mut Tally,
    function: impl Fn(f64) -> f64,
) {
    /// Numbers that are computed side by side before they go to their rows.
    const SIDE_BY_SIDE: usize = 256;
    let (stride, first) = (out.stride, out.first);
    let mut all_finite = true;
    let mut results = [0.0; SIDE_BY_SIDE];
    for (out, rows) in out.values.chunks_mut(SIDE_BY_SIDE * stride).zip(rows.chunks(SIDE_BY_SIDE)) {
        let results = &mut results[..rows.len()];
        for (result, &row) in results.iter_mut().zip(rows) {
            *result = numbers.at(row as usize);
        }
        for result in &mut *results {
            let y = function(if result.is_nan() { fill } else { *result });
            all_finite &= y.is_finite();
            *result = y;
        }
        for (out, result) in out.chunks_exact_mut(stride).zip(results) {
            out[first] = *result;
        }
    }
    if !all_finite {
        explain(numbers, rows, fill, out, tally);
    }
}

/// Why numbers of the matrix are not finite.
#[cold]
fn explain(numbers: impl Numbers, rows: &[u32], fill: f64, out: &Slots<'_>, tally: &mut Tally) {
    for (values, &row) in out.values.chunks_exact(out.stride).zip(rows) {
        if fill.is_nan() && numbers.at(row as usize).is_nan() {
            tally.missing.add(row);
        } else if !values[out.first].is_finite() {
            tally.not_finite.add(row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_follow_one_another_are_lent_and_all_others_copied() {
        let numbers: Vec<f64> = (0..10).map(f64::from).collect();
        let cases: [(&[u32], bool); 9] = [
            (&[], false),
            (&[3], true),
            (&[4, 5, 6], true),
            (&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], true),
            (&[3, 3], false),
            (&[6, 5, 4], false),
            (&[4, 6, 7], false),
            (&[4, 5, 7], false),
            (&[8, 9, 0], false),
        ];
        for (rows, lent) in cases {
            let found = gather_or_lend(&numbers, rows);
            assert_eq!(*found, *gather(&*numbers, rows), "{rows:?}");
            assert_eq!(matches!(found, Cow::Borrowed(_)), lent, "{rows:?}");
        }
    }
}
