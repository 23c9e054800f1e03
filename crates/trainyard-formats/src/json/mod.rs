//! JSON Lines, and one JSON array of records: streaming, a record at a time.
//!
//! Each key is a column, in the order in which keys first appear; where a record lacks one, or it
//! is null, the value is missing. It is no reader of documents: a record holds numbers, booleans,
//! texts and arrays of numbers, and an object within it is refused with the way to flatten it.

mod columns;
mod records;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::io::Read;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use trainyard_learn::table::{Column, Table};

use crate::column::check_names;
use crate::error::{FormatError, Limits, Problems, invalid, short};
use crate::read::Notes;
use crate::room::Room;
use columns::Builder;
use records::Records;

/// Reads records, one a line or all in one array.
///
/// # Errors
/// [`FormatError::Invalid`] naming lines and rows, for what is no JSON, no record or not in a
/// table, and for what is beyond the limits; [`FormatError::Io`] when the reader fails.
pub(crate) fn read(
    source: impl Read,
    is_array: bool,
    limits: &Limits,
) -> Result<(Table, Notes), FormatError> {
    let mut records = Records::new(source, is_array, limits.max_row_bytes);
    let mut rows = Rows { room: limits.room(limits.max_rows), ..Rows::default() };
    let mut problems = Problems::default();
    while let Some((line, bytes)) = records.next()? {
        rows.n_rows += 1;
        limits.check(rows.n_rows, rows.columns.len().max(1))?;
        let at = Place { row: rows.n_rows, line };
        match serde_json::from_slice::<Record<'_>>(bytes) {
            Ok(record) => rows.add(record, at, limits, &mut problems)?,
            Err(error) => problems.push(format!("{at}: {}", what_is_wrong(&error)), ""),
        }
    }
    problems.finish()?;
    if rows.n_rows == 0 {
        return Err(invalid("the file has no records", "upload at least one"));
    }
    rows.finish()
}

/// Where a record begins.
#[derive(Clone, Copy, Debug)]
struct Place {
    row: usize,
    line: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {} (line {})", self.row, self.line)
    }
}

/// The position in it is relative to a record, the message's line would mislead.
fn what_is_wrong(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or(&text);
    format!("{what}, at its column {}", error.column())
}

/// Keys and values in the order written.
struct Record<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Record<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Record<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a record such as {\"a\": 1, \"b\": \"x\"}")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::with_capacity(8);
                while let Some(Key(key)) = map.next_key()? {
                    pairs.push((key, map.next_value()?));
                }
                Ok(Record(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// A key, borrowed where nothing in it is escaped.
struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// The columns so far.
#[derive(Default)]
struct Rows {
    n_rows: usize,
    room: Room,
    /// Values of the tensors so far.
    n_numbers: usize,
    names: Vec<String>,
    columns: Vec<Builder>,
    index: HashMap<String, usize>,
}

impl Rows {
    fn add(
        &mut self,
        record: Record<'_>,
        at: Place,
        limits: &Limits,
        problems: &mut Problems,
    ) -> Result<(), FormatError> {
        for (position, (key, value)) in record.0.into_iter().enumerate() {
            // Most records have their keys in the order of the one before.
            let column = match self.names.get(position) {
                Some(name) if *name == key => position,
                _ => self.column(&key, limits)?,
            };
            let builder = &mut self.columns[column];
            if builder.n_rows() >= at.row {
                let what = format!("{at}: the key {:?} is there twice", short(&key));
                problems.push(what, "give each key once");
                continue;
            }
            builder.skip_to(at.row - 1);
            match builder.push(value.get()) {
                Ok(n_numbers) => self.n_numbers += n_numbers,
                Err((what, way)) => {
                    problems.push(format!("{at}, column {:?}: {what}", short(&key)), way);
                }
            }
            if self.n_numbers > limits.max_cells {
                limits.check(usize::MAX, 1)?;
            }
        }
        Ok(())
    }

    fn column(&mut self, key: &str, limits: &Limits) -> Result<usize, FormatError> {
        if let Some(column) = self.index.get(key) {
            return Ok(*column);
        }
        limits.check(self.n_rows, self.columns.len() + 1)?;
        self.index.insert(key.to_owned(), self.columns.len());
        self.names.push(key.to_owned());
        self.columns.push(Builder::new(&self.room));
        Ok(self.columns.len() - 1)
    }

    fn finish(self) -> Result<(Table, Notes), FormatError> {
        if self.columns.is_empty() {
            return Err(invalid("no record has a key", "give each value a name"));
        }
        let (names, unnamed) = check_names(self.names)?;
        let mut notes = Notes { unnamed, ..Notes::default() };
        let mut columns = Vec::with_capacity(names.len());
        for (name, mut builder) in names.into_iter().zip(self.columns) {
            builder.skip_to(self.n_rows);
            if builder.is_kept_as_text() {
                notes.kept_as_text.push(name.clone());
            }
            let values = builder.finish(&name)?;
            columns.push(Column { name, values });
        }
        Ok((Table::new(columns), notes))
    }
}
