//! What every reader but the CSV one builds columns with: checked names, texts that turn out to be
//! moments, categories or prose, and arrays of numbers of one shape.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ahash::RandomState;
use trainyard_learn::table::{MISSING_CODE, MISSING_TIME, Values, number_text, parse_time};

use crate::compression::RATIO_FREE_BYTES;
use crate::error::{FormatError, Limits, Problems, invalid, short};
use crate::read::Notes;
use crate::room::{Growing, Room};

/// Names longer than this are refused, since a name is repeated in every model and message.
const MAX_NAME_BYTES: usize = 1_000;

/// More distinct texts than this are prose where most rows have one of their own.
const MAX_CATEGORIES_OF_THEIR_OWN: usize = 1_000;

/// So are texts longer than this in the mean.
const MAX_MEAN_CATEGORY_BYTES: usize = 64;

/// The largest whole number up to which `f64` holds every one.
pub(crate) const LARGEST_EXACT_INTEGER: u64 = 1 << 53;

/// Names as the file has them, without the space around them; empty ones are made from the
/// position and told apart.
pub(crate) fn check_names(
    raw: impl IntoIterator<Item = String>,
) -> Result<(Vec<String>, Vec<String>), FormatError> {
    let (mut names, mut unnamed) = (Vec::new(), Vec::new());
    let mut problems = Problems::default();
    let mut seen = HashSet::new();
    for (index, raw) in raw.into_iter().enumerate() {
        let mut name = raw.trim().to_owned();
        if name.is_empty() {
            name = format!("unnamed_{index}");
            unnamed.push(name.clone());
        }
        if name.contains('\0') {
            problems.push(format!("the name of column {} holds a NUL byte", index + 1), "");
        }
        if name.len() > MAX_NAME_BYTES {
            problems.push(
                format!(
                    "the name {:?} of column {} is longer than {MAX_NAME_BYTES} bytes",
                    short(&name),
                    index + 1,
                ),
                "",
            );
        }
        if !seen.insert(name.clone()) {
            problems.push(format!("two columns are named {:?}", short(&name)), "rename one");
        }
        names.push(name);
    }
    problems.finish()?;
    Ok((names, unnamed))
}

/// The names of columns that have none.
pub(crate) fn numbered(n_columns: usize) -> impl Iterator<Item = String> {
    (0..n_columns).map(|index| format!("x{index}"))
}

/// A whole number of 64 bits, of which a double holds some.
pub(crate) trait Whole: Copy + ToString {
    /// The same number as a double, unless it would be another.
    fn exact(self) -> Option<f64>;
}

impl Whole for i64 {
    fn exact(self) -> Option<f64> {
        (self.unsigned_abs() <= LARGEST_EXACT_INTEGER).then_some(self as f64)
    }
}

impl Whole for u64 {
    fn exact(self) -> Option<f64> {
        (self <= LARGEST_EXACT_INTEGER).then_some(self as f64)
    }
}

impl Whole for i128 {
    fn exact(self) -> Option<f64> {
        (self.unsigned_abs() <= u128::from(LARGEST_EXACT_INTEGER)).then_some(self as f64)
    }
}

/// A column of numbers, which are kept as text from the first that a double does not hold.
#[derive(Debug)]
pub(crate) enum Numbers {
    Floats(Growing),
    Texts(Texts),
}

impl Numbers {
    /// None yet, with space for so many.
    pub(crate) fn with_capacity(n_rows: usize) -> Self {
        Self::in_room(&Room::memory(), n_rows)
    }

    /// None yet, with memory for so many, or room beyond it.
    pub(crate) fn in_room(room: &Room, n_rows: usize) -> Self {
        Self::Floats(Growing::with_capacity(room, n_rows))
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Floats(rows) => rows.len(),
            Self::Texts(rows) => rows.len(),
        }
    }

    /// Adds numbers that doubles hold, and NaN where one is missing.
    pub(crate) fn extend(&mut self, values: impl Iterator<Item = f64>) {
        match self {
            Self::Floats(rows) => rows.extend_by(|rows| rows.extend(values)),
            Self::Texts(texts) => values.for_each(|value| push_float(texts, value)),
        }
    }

    pub(crate) fn extend_whole<T: Whole>(
        &mut self,
        values: impl Iterator<Item = Option<T>> + Clone,
    ) {
        if let Self::Floats(rows) = self {
            if values.clone().flatten().all(|value| value.exact().is_some()) {
                let double = |value: Option<T>| value.and_then(T::exact).unwrap_or(f64::NAN);
                return rows.extend_by(|rows| rows.extend(values.map(double)));
            }
            let mut texts = Texts::default();
            let rows = std::mem::take(rows).finish();
            rows.iter().for_each(|value| push_float(&mut texts, *value));
            *self = Self::Texts(texts);
        }
        let Self::Texts(texts) = self else { return };
        for value in values {
            match value {
                Some(value) => push_plain(texts, &value.to_string()),
                None => texts.push_missing(1),
            }
        }
    }

    /// # Errors
    /// When there are infinities.
    pub(crate) fn finish(self, name: &str, notes: &mut Notes) -> Result<Values, FormatError> {
        match self {
            Self::Floats(rows) => {
                let rows = rows.checked()?;
                finite(name, &rows)?;
                rows.let_go();
                Ok(Values::Numeric(rows))
            }
            Self::Texts(texts) => {
                notes.kept_as_text.push(name.to_owned());
                Ok(texts.finish_plain())
            }
        }
    }
}

fn push_float(texts: &mut Texts, value: f64) {
    if value.is_nan() {
        texts.push_missing(1);
    } else {
        push_plain(texts, &number_text(value));
    }
}

/// A number's text, in which there is no NUL byte.
fn push_plain(texts: &mut Texts, text: &str) {
    if texts.push(text).is_err() {
        texts.push_missing(1);
    }
}

/// An error where a column of numbers has one beyond the finite ones.
fn finite(name: &str, rows: &[f64]) -> Result<(), FormatError> {
    let n_infinite = rows.iter().filter(|value| value.is_infinite()).count();
    if n_infinite == 0 {
        return Ok(());
    }
    let first = rows.iter().position(|value| value.is_infinite()).unwrap_or_default();
    Err(invalid(
        format!(
            "column {:?} holds {n_infinite} value{} beyond the finite numbers, first in row {}",
            short(name),
            if n_infinite == 1 { "" } else { "s" },
            first + 1,
        ),
        "leave these rows out, or mark the values as missing",
    ))
}

/// A column of arrays of numbers.
///
/// # Errors
/// When one of the numbers is not finite, since an array has no missing values.
pub(crate) fn tensor(
    name: &str,
    shape: Vec<usize>,
    values: Growing<f32>,
) -> Result<Values, FormatError> {
    let values = values.checked()?;
    if let Some(at) = values.iter().position(|value| !value.is_finite()) {
        return Err(invalid(
            format!(
                "column {:?} holds a number that is not finite in row {}",
                short(name),
                at / shape.iter().product::<usize>().max(1) + 1,
            ),
            "finite numbers that 32 bits hold; an array has no missing values",
        ));
    }
    values.let_go();
    Ok(Values::Tensor { shape, values })
}

/// How many bytes of distinct text a file may still become, all of its columns together: a file of a
/// few bytes can say that each of its texts begins as the megabyte before it.
#[derive(Clone, Debug)]
pub(crate) struct TextBudget(Arc<AtomicU64>);

impl TextBudget {
    /// Of a file of so many bytes, by the ratio that compressed content may have.
    pub(crate) fn of_file(n_bytes: u64, limits: &Limits) -> Self {
        let most = n_bytes.saturating_mul(limits.max_ratio).max(RATIO_FREE_BYTES);
        Self(Arc::new(most.min(limits.max_decompressed_bytes).into()))
    }

    fn spend(&self, n_bytes: usize) -> Result<(), &'static str> {
        let left = |left: u64| left.checked_sub(n_bytes as u64);
        let spent = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left);
        spent.map(|_| ()).map_err(|_| "far more text than the file has bytes")
    }
}

impl Default for TextBudget {
    fn default() -> Self {
        Self(Arc::new(u64::MAX.into()))
    }
}

/// A column of texts, each distinct one kept once.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    codes: Vec<u32>,
    index: HashMap<Box<str>, u32, RandomState>,
    budget: TextBudget,
}

impl Texts {
    /// Of a file whose texts are bounded.
    pub(crate) fn within(budget: &TextBudget) -> Self {
        Self { budget: budget.clone(), ..Self::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.codes.len()
    }

    /// Adds one row. A NUL byte is refused, as it is in CSV.
    pub(crate) fn push(&mut self, text: &str) -> Result<(), &'static str> {
        let code = self.intern(text)?;
        self.codes.push(code);
        Ok(())
    }

    /// The number of a text; [`Texts::push_code`] adds a row of it.
    pub(crate) fn intern(&mut self, text: &str) -> Result<u32, &'static str> {
        if let Some(code) = self.index.get(text) {
            return Ok(*code);
        }
        if text.as_bytes().contains(&0) {
            return Err("a NUL byte");
        }
        let next = u32::try_from(self.index.len()).ok().filter(|next| *next != MISSING_CODE);
        let next = next.ok_or("more than 4 thousand million distinct texts")?;
        self.budget.spend(text.len())?;
        self.index.insert(text.into(), next);
        Ok(next)
    }

    pub(crate) fn push_code(&mut self, code: u32) {
        self.codes.push(code);
    }

    pub(crate) fn push_missing(&mut self, n_rows: usize) {
        self.codes.resize(self.codes.len() + n_rows, MISSING_CODE);
    }

    /// Leaves out what comes after so many rows.
    pub(crate) fn truncate(&mut self, n_rows: usize) {
        self.codes.truncate(n_rows);
    }

    /// As categories, however many.
    pub(crate) fn finish_categories(self) -> Values {
        let (codes, texts) = self.into_parts();
        categories(codes, texts)
    }

    /// As categories or prose.
    pub(crate) fn finish_plain(self) -> Values {
        let (codes, texts) = self.into_parts();
        plain(codes, texts)
    }

    /// The rows as indices into the distinct texts, in the order in which these came.
    pub(crate) fn into_parts(self) -> (Vec<u32>, Vec<Box<str>>) {
        let mut texts: Vec<Box<str>> = vec![Box::default(); self.index.len()];
        for (text, code) in self.index {
            texts[code as usize] = text;
        }
        (self.codes, texts)
    }

    /// As moments if every text is one, else as categories or prose.
    ///
    /// # Errors
    /// When every text looks like a moment and some are none: the first of them and its row.
    pub(crate) fn finish(self) -> Result<Values, (usize, String)> {
        let (codes, texts) = self.into_parts();
        if !texts.is_empty() && texts.iter().all(|text| looks_like_time(text)) {
            return times(&codes, &texts);
        }
        Ok(plain(codes, texts))
    }
}

fn plain(codes: Vec<u32>, texts: Vec<Box<str>>) -> Values {
    let n_present = codes.iter().filter(|code| **code != MISSING_CODE).count();
    let n_bytes: usize = texts.iter().map(|text| text.len()).sum();
    let length = |code: &u32| texts.get(*code as usize).map_or(0, |text| text.len());
    let n_row_bytes = codes.iter().map(length).fold(0, usize::saturating_add);
    // Prose is kept once a row: a long text that many rows have is better kept once.
    let repeats = n_row_bytes > n_bytes.saturating_mul(4).saturating_add(MAX_REPEATED_BYTES);
    if !repeats && is_prose(n_present, texts.len(), n_bytes) {
        return Values::Text(each_row(&codes, texts));
    }
    categories(codes, texts)
}

/// What may be kept of repeated texts beyond four times what they are.
const MAX_REPEATED_BYTES: usize = 1 << 20;

/// The text of each row; the last row that has it takes it.
fn each_row(codes: &[u32], mut texts: Vec<Box<str>>) -> Vec<Option<Box<str>>> {
    let mut n_left = vec![0_usize; texts.len()];
    let place = |code: u32| Some(code as usize).filter(|_| code != MISSING_CODE);
    codes.iter().filter_map(|code| place(*code)).for_each(|code| n_left[code] += 1);
    let row = |code: &u32| {
        let code = place(*code)?;
        n_left[code] -= 1;
        let text = texts.get_mut(code)?;
        Some(if n_left[code] == 0 { std::mem::take(text) } else { text.clone() })
    };
    codes.iter().map(row).collect()
}

/// Whether texts are written anew in most rows, and are too many or too long to be names of something.
pub(crate) fn is_prose(n_present: usize, n_distinct: usize, n_distinct_bytes: usize) -> bool {
    n_distinct > n_present / 2
        && (n_distinct > MAX_CATEGORIES_OF_THEIR_OWN
            || n_distinct_bytes > n_distinct.saturating_mul(MAX_MEAN_CATEGORY_BYTES))
}

/// Categories in the order of their bytes; those that no row has are left out.
fn categories(mut codes: Vec<u32>, texts: Vec<Box<str>>) -> Values {
    let mut present = vec![false; texts.len()];
    for code in codes.iter().filter(|code| **code != MISSING_CODE) {
        present[*code as usize] = true;
    }
    let mut by_name: Vec<(Box<str>, usize)> =
        texts.into_iter().enumerate().map(|(code, text)| (text, code)).collect();
    by_name.retain(|(_, code)| present[*code]);
    by_name.sort_unstable();
    let mut sorted = vec![MISSING_CODE; present.len()];
    for (position, (_, code)) in by_name.iter().enumerate() {
        sorted[*code] = position as u32;
    }
    for code in codes.iter_mut().filter(|code| **code != MISSING_CODE) {
        *code = sorted[*code as usize];
    }
    let categories = by_name.into_iter().map(|(text, _)| text.into()).collect();
    Values::Categorical { codes, categories }
}

fn times(codes: &[u32], texts: &[Box<str>]) -> Result<Values, (usize, String)> {
    let moments: Vec<Option<i64>> = texts.iter().map(|text| parse_time(text)).collect();
    let mut rows = Vec::with_capacity(codes.len());
    for (row, code) in codes.iter().enumerate() {
        rows.push(match moments.get(*code as usize) {
            None => MISSING_TIME,
            Some(Some(moment)) => *moment,
            Some(None) => return Err((row, texts[*code as usize].to_string())),
        });
    }
    Ok(Values::Datetime(rows))
}

/// Whether a text has the form of a date, or of a date and a time, by RFC 3339.
pub(crate) fn looks_like_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    let fits = |bytes: &[u8], form: &[u8]| {
        bytes.len() >= form.len()
            && form.iter().zip(bytes).all(|(form, byte)| match form {
                b'0' => byte.is_ascii_digit(),
                b'T' => matches!(byte, b'T' | b't' | b' '),
                form => form == byte,
            })
    };
    fits(bytes, b"0000-00-00") && (bytes.len() == 10 || fits(&bytes[10..], b"T00:00"))
}

/// A date that looks like one and does not exist, as an error about a column.
pub(crate) fn no_such_time(column: &str, row: usize, text: &str) -> FormatError {
    invalid(
        format!("row {}, column {:?}: {:?} is no date", row + 1, short(column), short(text)),
        "write a date that exists, as 2024-02-29 or 2024-02-29T12:30:00Z",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finish(texts: &[&str]) -> Values {
        let mut column = Texts::default();
        for text in texts {
            if text.is_empty() {
                column.push_missing(1);
            } else {
                column.push(text).unwrap();
            }
        }
        column.finish().unwrap()
    }

    #[test]
    fn texts_are_categories_until_they_are_prose() {
        let Values::Categorical { codes, categories } = finish(&["b", "", "a", "b"]) else {
            panic!()
        };
        assert_eq!(
            (codes, categories),
            (vec![1, MISSING_CODE, 0, 1], vec!["a".into(), "b".into()])
        );
        let long = "so it goes on, ".repeat(10);
        let own: Vec<String> = (0..3).map(|row| format!("{long}{row}")).collect();
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        assert!(matches!(finish(&own), Values::Text(_)));
    }

    #[test]
    fn moments_are_in_utc() {
        let day = 86_400_000_000;
        for (text, micros) in [
            ("1970-01-02", day),
            ("1970-01-02T00:00:00Z", day),
            ("1970-01-02 00:00:00.25", day + 250_000),
            ("1970-01-02T01:30:00+01:30", day),
            ("1970-01-02T00:01", day + 60_000_000),
        ] {
            assert!(looks_like_time(text), "{text}");
            assert_eq!(parse_time(text), Some(micros), "{text}");
        }
        assert!(looks_like_time("2023-02-29") && parse_time("2023-02-29").is_none());
        assert!(!looks_like_time("2023-02-1") && !looks_like_time("2023-02-01x"));
        let mut column = Texts::default();
        column.push("2024-02-29").unwrap();
        column.push("2023-02-29").unwrap();
        assert_eq!(column.finish().unwrap_err(), (1, "2023-02-29".to_owned()));
    }
}
