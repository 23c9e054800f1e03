//! One column as its values come in: what it is, is what all of them can be.

use std::borrow::Cow;

use trainyard_learn::table::{Values, number_text};

use crate::column::{LARGEST_EXACT_INTEGER, Texts, no_such_time};
use crate::error::{FormatError, invalid, short};
use crate::room::{Growing, Room};

/// Arrays within arrays, no deeper than this.
const MAX_DIMENSIONS: usize = 8;

/// What is wrong with a value, and the way out.
type Wrong = (String, &'static str);

/// Values so far. A column of one kind becomes one of texts when another kind comes.
#[derive(Debug)]
pub(super) struct Builder {
    rows: Rows,
    room: Room,
    /// Whether texts have come, so that numbers among them are no identifiers cut short.
    any_text: bool,
    any_inexact: bool,
}

#[derive(Debug)]
enum Rows {
    /// Only missing ones.
    Missing(usize),
    Numeric(Growing),
    Boolean(Vec<Option<bool>>),
    Texts(Texts),
    Tensor {
        shape: Vec<usize>,
        values: Growing<f32>,
        n_rows: usize,
        n_missing: usize,
    },
}

impl Builder {
    /// No values yet, and where numbers go.
    pub(super) fn new(room: &Room) -> Self {
        Self { rows: Rows::Missing(0), room: room.clone(), any_text: false, any_inexact: false }
    }

    pub(super) fn n_rows(&self) -> usize {
        match &self.rows {
            Rows::Missing(n_rows) | Rows::Tensor { n_rows, .. } => *n_rows,
            Rows::Numeric(rows) => rows.len(),
            Rows::Boolean(rows) => rows.len(),
            Rows::Texts(rows) => rows.len(),
        }
    }

    /// Whether numbers are read as text since some of them would lose their last digits.
    pub(super) fn is_kept_as_text(&self) -> bool {
        self.any_inexact && !self.any_text
    }

    /// Missing values up to so many rows.
    pub(super) fn skip_to(&mut self, to: usize) {
        let n = to.saturating_sub(self.n_rows());
        match &mut self.rows {
            Rows::Missing(n_rows) => *n_rows += n,
            Rows::Numeric(rows) => rows.fill(n, f64::NAN),
            Rows::Boolean(rows) => rows.resize(rows.len() + n, None),
            Rows::Texts(rows) => rows.push_missing(n),
            Rows::Tensor { n_rows, n_missing, .. } => {
                *n_rows += n;
                *n_missing += n;
            }
        }
    }

    /// Adds a value, given as JSON; how many numbers of an array it was.
    pub(super) fn push(&mut self, json: &str) -> Result<usize, Wrong> {
        match json.as_bytes().first() {
            Some(b'n') => self.skip_to(self.n_rows() + 1),
            Some(b't' | b'f') => self.push_boolean(json == "true"),
            Some(b'"') => {
                let text: Text<'_> = serde_json::from_str(json)
                    .map_err(|error| (error.to_string(), "write the text as UTF-8"))?;
                self.any_text = true;
                self.push_text(&text.0)?;
            }
            Some(b'[') => return self.push_array(json),
            Some(b'{') => {
                return Err((
                    "an object within a record".to_owned(),
                    "give each of its values a column, such as \"a.b\"",
                ));
            }
            _ => self.push_number(json)?,
        }
        Ok(0)
    }

    fn push_boolean(&mut self, value: bool) {
        if let Rows::Missing(n) = self.rows {
            self.rows = Rows::Boolean(vec![None; n]);
        }
        if let Rows::Boolean(rows) = &mut self.rows {
            return rows.push(Some(value));
        }
        self.any_text = true;
        // A NUL byte is not in it, and of an array the finish tells.
        let _ = self.push_text(if value { "true" } else { "false" });
    }

    fn push_number(&mut self, json: &str) -> Result<(), Wrong> {
        let value: f64 = json.parse().map_err(|_| (format!("{json:?} is no number"), ""))?;
        if is_inexact_integer(json) {
            self.any_inexact = true;
            return self.push_text(json);
        }
        if !value.is_finite() {
            return Err((
                format!("{} is beyond the finite numbers", short(json)),
                "null where a value is missing",
            ));
        }
        if let Rows::Missing(n) = self.rows {
            let mut rows = Growing::new(&self.room);
            rows.fill(n, f64::NAN);
            self.rows = Rows::Numeric(rows);
        }
        match &mut self.rows {
            Rows::Numeric(rows) => {
                rows.push(value);
                rows.settle_now_and_then();
            }
            _ => self.push_text(&number_text(value))?,
        }
        Ok(())
    }

    fn push_text(&mut self, text: &str) -> Result<(), Wrong> {
        self.become_texts()?;
        let Rows::Texts(rows) = &mut self.rows else { return Ok(()) };
        rows.push(text).map_err(|what| (what.to_owned(), "leave it out"))
    }

    fn become_texts(&mut self) -> Result<(), Wrong> {
        let mut texts = Texts::default();
        let written = |text: String, texts: &mut Texts| {
            texts.push(&text).map_err(|what| (what.to_owned(), ""))
        };
        match &mut self.rows {
            Rows::Texts(_) => return Ok(()),
            Rows::Missing(n) => texts.push_missing(*n),
            Rows::Numeric(rows) => {
                for value in &std::mem::take(rows).finish() {
                    if value.is_nan() {
                        texts.push_missing(1);
                    } else {
                        written(number_text(*value), &mut texts)?;
                    }
                }
            }
            Rows::Boolean(rows) => {
                for value in rows.iter() {
                    match value {
                        None => texts.push_missing(1),
                        Some(value) => written(value.to_string(), &mut texts)?,
                    }
                }
                self.any_text |= rows.iter().any(Option::is_some);
            }
            Rows::Tensor { .. } => return Err(mixed_with_arrays()),
        }
        self.rows = Rows::Texts(texts);
        Ok(())
    }

    fn push_array(&mut self, json: &str) -> Result<usize, Wrong> {
        if let Rows::Missing(n) = self.rows {
            self.rows = Rows::Tensor {
                shape: shape_of(json)?,
                values: Growing::of_tensors(&self.room),
                n_rows: n,
                n_missing: n,
            };
        }
        let Rows::Tensor { shape, values, n_rows, .. } = &mut self.rows else {
            return Err(mixed_with_arrays());
        };
        let shape_found = shape_of(json)?;
        if shape_found != *shape {
            return Err((
                format!("an array of shape {shape_found:?}, where the first is of {shape:?}"),
                "arrays of one shape, or a column for each value",
            ));
        }
        let mut found = Vec::with_capacity(shape.iter().product());
        let texts = json.split(|c: char| matches!(c, '[' | ']' | ',') || c.is_ascii_whitespace());
        for text in texts.filter(|text| !text.is_empty()) {
            match text.parse::<f32>() {
                Ok(value) if value.is_finite() && !text.starts_with(char::is_alphabetic) => {
                    found.push(value);
                }
                _ => {
                    let what = format!("{:?} within an array of numbers", short(text));
                    return Err((what, "finite numbers only; an array has no missing values"));
                }
            }
        }
        *n_rows += 1;
        let n_found = found.len();
        values.extend_by(|values| values.append(&mut found));
        Ok(n_found)
    }

    pub(super) fn finish(self, name: &str) -> Result<Values, FormatError> {
        Ok(match self.rows {
            Rows::Missing(n) => Values::Numeric(vec![f64::NAN; n].into()),
            Rows::Numeric(rows) => Values::Numeric(rows.checked()?),
            Rows::Boolean(rows) => Values::Boolean(rows),
            Rows::Texts(rows) if self.any_inexact => rows.finish_plain(),
            Rows::Texts(rows) => {
                rows.finish().map_err(|(row, text)| no_such_time(name, row, &text))?
            }
            Rows::Tensor { n_missing, .. } if n_missing > 0 => {
                return Err(invalid(
                    format!("column {:?}: {n_missing} rows have no array", short(name)),
                    "leave these rows out, or fill them with numbers",
                ));
            }
            Rows::Tensor { shape, values, .. } => {
                Values::Tensor { shape, values: values.checked()? }
            }
        })
    }
}

/// A text, borrowed where nothing in it is escaped.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

fn mixed_with_arrays() -> Wrong {
    ("arrays and other values in one column".to_owned(), "one kind of value a column")
}

/// The shape of an array of numbers, which JSON it is known to be.
fn shape_of(json: &str) -> Result<Vec<usize>, Wrong> {
    let bytes = || json.bytes().filter(|byte| !byte.is_ascii_whitespace());
    let n_dimensions = bytes().take_while(|byte| *byte == b'[').count();
    let wrong = |what: String, way| Err((what, way));
    if n_dimensions > MAX_DIMENSIONS {
        return wrong(format!("arrays within arrays, deeper than {MAX_DIMENSIONS}"), "flatten it");
    }
    let mut shape = vec![None; n_dimensions];
    let mut counts = vec![0; n_dimensions];
    let mut depth = 0;
    let mut last = b',';
    for byte in bytes() {
        let begins = matches!(last, b'[' | b',');
        if begins && byte != b']' {
            // A value at this depth: an array above the last dimension, a number in it.
            if (byte == b'[') != (depth < n_dimensions) {
                return wrong(
                    "an array whose rows differ in depth".to_owned(),
                    "one shape for all",
                );
            }
            if depth > 0 {
                counts[depth - 1] += 1;
            }
        }
        match byte {
            b'{' | b'"' => {
                return wrong(
                    "an array of texts or objects".to_owned(),
                    "arrays of numbers, or a column for each of its values",
                );
            }
            b'[' => {
                depth += 1;
                counts[depth - 1] = 0;
            }
            b']' if last == b'[' => {
                return wrong("an empty array".to_owned(), "arrays of one shape with numbers");
            }
            b']' => {
                depth -= 1;
                if *shape[depth].get_or_insert(counts[depth]) != counts[depth] {
                    return wrong(
                        "an array whose rows differ in length".to_owned(),
                        "one shape for all",
                    );
                }
            }
            _ => {}
        }
        last = byte;
    }
    Ok(shape.into_iter().flatten().collect())
}

/// Whether a number without point and exponent is beyond those that `f64` holds without loss.
fn is_inexact_integer(number: &str) -> bool {
    let digits = number.strip_prefix('-').unwrap_or(number);
    digits.len() >= 16
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && digits.parse::<u64>().map_or(true, |value| value > LARGEST_EXACT_INTEGER)
}
