//! The values of a row, and the columns that they go to.

use std::collections::HashSet;

use chrono::{NaiveDate, NaiveDateTime};
use trainyard_learn::table::{MISSING_TIME, Values};

use super::header::Kind;
use crate::column::{Numbers, Texts};
use crate::csv::parse_boolean;
use crate::error::{FormatError, short};
use crate::read::Notes;
use crate::room::{Growing, Room};

/// One value of a row.
pub(super) struct Field {
    /// Without quotes.
    pub(super) text: String,
    /// As written.
    pub(super) raw: String,
    /// A question mark in quotes is text.
    is_quoted: bool,
}

impl Field {
    fn is_missing(&self) -> bool {
        !self.is_quoted && self.text == "?"
    }
}

/// The values of a line.
pub(super) fn fields(line: &str, delimiter: char) -> Result<Vec<Field>, String> {
    let mut found = Vec::new();
    let (mut text, mut raw, mut is_quoted) = (String::new(), String::new(), false);
    let mut quote = None;
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        if c == delimiter && quote.is_none() {
            found.push(field(&mut text, &mut raw, &mut is_quoted));
            continue;
        }
        raw.push(c);
        match (quote, c) {
            (Some(_), '\\') => {
                let next = characters.next().ok_or("a quote that is never closed")?;
                raw.push(next);
                text.push(match next {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    other => other,
                });
            }
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') if text.trim().is_empty() && !is_quoted => {
                text.clear();
                quote = Some(c);
                is_quoted = true;
            }
            (None, c) if is_quoted && c.is_whitespace() => {}
            // What comes after a closed quote is part of a sparse value, or a defect.
            _ => text.push(c),
        }
    }
    if quote.is_some() {
        return Err("a quote that is never closed".to_owned());
    }
    found.push(field(&mut text, &mut raw, &mut is_quoted));
    Ok(found)
}

fn field(text: &mut String, raw: &mut String, is_quoted: &mut bool) -> Field {
    let quoted = std::mem::take(is_quoted);
    let mut text = std::mem::take(text);
    if !quoted {
        text = text.trim().to_owned();
    }
    Field { text, raw: std::mem::take(raw), is_quoted: quoted }
}

/// A column so far.
pub(super) enum Builder {
    Numbers(Growing),
    Texts(Texts),
    Nominal { values: Vec<String>, known: HashSet<String>, rows: Texts },
    Booleans { rows: Vec<Option<bool>>, first: bool },
    Times { rows: Vec<i64>, form: String, with_time: bool },
}

/// What is wrong, and the way out.
type Wrong = (String, &'static str);

impl Builder {
    pub(super) fn new(kind: Kind, room: &Room) -> Self {
        match kind {
            Kind::Numeric => Self::Numbers(Growing::new(room)),
            Kind::Text => Self::Texts(Texts::default()),
            Kind::Date { form, with_time } => Self::Times { rows: Vec::new(), form, with_time },
            Kind::Nominal(values) => {
                let booleans: Option<Vec<bool>> =
                    values.iter().map(|value| parse_boolean(value)).collect();
                match booleans.as_deref() {
                    Some([first, ..]) => Self::Booleans { rows: Vec::new(), first: *first },
                    _ => {
                        let known = values.iter().cloned().collect();
                        Self::Nominal { values, known, rows: Texts::default() }
                    }
                }
            }
        }
    }

    pub(super) fn push(&mut self, field: &Field) -> Result<(), Wrong> {
        let text = field.text.as_str();
        let missing = field.is_missing();
        match self {
            Self::Numbers(rows) if missing => rows.push(f64::NAN),
            Self::Numbers(rows) => {
                rows.push(text.parse().ok().filter(|v: &f64| !v.is_nan()).ok_or_else(|| {
                    (format!("{:?} is no number", short(text)), "? where a value is missing")
                })?);
            }
            Self::Texts(rows) | Self::Nominal { rows, .. } if missing => rows.push_missing(1),
            Self::Nominal { known, .. } if !known.contains(text) => {
                let what = format!("{:?} is none of the attribute's values", short(text));
                return Err((what, "declare it in the header"));
            }
            Self::Texts(rows) | Self::Nominal { rows, .. } => {
                rows.push(text).map_err(|what| (what.to_owned(), ""))?;
            }
            Self::Booleans { rows, .. } if missing => rows.push(None),
            Self::Booleans { rows, .. } => {
                rows.push(Some(parse_boolean(text).ok_or_else(|| {
                    (format!("{:?} is none of the attribute's values", short(text)), "")
                })?));
            }
            Self::Times { rows, .. } if missing => rows.push(MISSING_TIME),
            Self::Times { rows, form, with_time } => {
                let time = if *with_time {
                    NaiveDateTime::parse_from_str(text, form).ok()
                } else {
                    let day = NaiveDate::parse_from_str(text, form).ok();
                    day.and_then(|day| day.and_hms_opt(0, 0, 0))
                };
                let time = time.ok_or_else(|| {
                    (format!("{:?} is no date of the attribute's format", short(text)), "")
                })?;
                rows.push(time.and_utc().timestamp_micros());
            }
        }
        Ok(())
    }

    /// What a sparse row leaves out: zero, the first of the attribute's values, or nothing.
    pub(super) fn push_zero(&mut self) {
        match self {
            Self::Numbers(rows) => rows.push(0.0),
            Self::Texts(rows) => rows.push_missing(1),
            Self::Nominal { values, rows, .. } => {
                if values.first().is_none_or(|first| rows.push(first).is_err()) {
                    rows.push_missing(1);
                }
            }
            Self::Booleans { rows, first } => rows.push(Some(*first)),
            Self::Times { rows, .. } => rows.push(MISSING_TIME),
        }
    }

    /// A row is whole, and will stay.
    pub(super) fn settle(&mut self) {
        if let Self::Numbers(rows) = self {
            rows.settle_now_and_then();
        }
    }

    /// Leaves out what came of a row that turned out to be none.
    pub(super) fn cut_to(&mut self, n_rows: usize) {
        match self {
            Self::Numbers(rows) => rows.truncate(n_rows),
            Self::Texts(rows) | Self::Nominal { rows, .. } => rows.truncate(n_rows),
            Self::Booleans { rows, .. } => rows.truncate(n_rows),
            Self::Times { rows, .. } => rows.truncate(n_rows),
        }
    }

    pub(super) fn finish(self, name: &str, notes: &mut Notes) -> Result<Values, FormatError> {
        match self {
            Self::Numbers(rows) => Numbers::Floats(rows).finish(name, notes),
            Self::Texts(rows) => Ok(rows.finish_plain()),
            Self::Nominal { rows, .. } => Ok(rows.finish_categories()),
            Self::Booleans { rows, .. } => Ok(Values::Boolean(rows)),
            Self::Times { rows, .. } => Ok(Values::Datetime(rows)),
        }
    }
}
