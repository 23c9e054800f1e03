//! Rows as they are read from JSON: straight into a few buffers, since a body of 32 MB can hold
//! sixteen million values.

use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, SeqAccess, Visitor,
};
use serde_json::{Map, Value};

use crate::http::json::Strict;

/// Rows beyond this are not read on; the server's own limit is lower unless it was raised.
const MAX_ROWS: usize = 1_000_000;

/// Values, row after row.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// Numbers, and booleans as 0 and 1; NaN for what is neither.
    pub(super) values: Vec<f64>,
    /// Where each row ends in `values`.
    ends: Vec<usize>,
    texts: String,
    /// Which values are texts, ascending, and where each of them ends in `texts`.
    text_ends: Vec<(u32, u32)>,
    /// Which values are arrays of numbers, ascending; arrays in arrays are one.
    pub(super) arrays: Vec<(u32, Vec<f32>)>,
    /// Which values are objects, or arrays of other things.
    pub(super) odd: Vec<u32>,
}

impl Rows {
    pub(super) fn n_rows(&self) -> usize {
        self.ends.len()
    }

    /// How many values each row has.
    pub(super) fn widths(&self) -> impl Iterator<Item = usize> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        self.ends.iter().zip(starts).map(|(end, start)| end - start)
    }

    /// How many values a row has.
    pub(super) fn width(&self, row: usize) -> usize {
        self.ends[row] - self.start(row)
    }

    fn start(&self, row: usize) -> usize {
        if row == 0 { 0 } else { self.ends[row - 1] }
    }

    /// The rows and columns of texts and of what is no value.
    pub(super) fn places_of_words(&self) -> impl Iterator<Item = (usize, usize)> {
        let places = self.text_ends.iter().map(|(place, _)| place).chain(&self.odd);
        places.map(|place| {
            let place = *place as usize;
            let row = self.ends.partition_point(|end| *end <= place);
            (row, place - self.start(row))
        })
    }

    /// The values that are texts, by their places, ascending.
    pub(super) fn texts(&self) -> impl Iterator<Item = (usize, &str)> {
        let starts = std::iter::once(0).chain(self.text_ends.iter().map(|(_, end)| *end));
        self.text_ends.iter().zip(starts).map(|((place, end), start)| {
            (*place as usize, &self.texts[start as usize..*end as usize])
        })
    }

    /// Adds a value to the row that [`end_row`](Self::end_row) will end.
    pub(super) fn push(&mut self, cell: Cell) {
        // A body is far from four billion bytes.
        let place = self.values.len() as u32;
        let number = match cell {
            Cell::Number(value) => value,
            Cell::Missing => f64::NAN,
            Cell::Text(text) => {
                self.texts.push_str(&text);
                self.text_ends.push((place, self.texts.len() as u32));
                f64::NAN
            }
            Cell::Array(numbers) => {
                self.arrays.push((place, numbers));
                f64::NAN
            }
            Cell::Odd => {
                self.odd.push(place);
                f64::NAN
            }
        };
        self.values.push(number);
    }

    pub(super) fn end_row(&mut self) {
        self.ends.push(self.values.len());
    }
}

impl<'de> Deserialize<'de> for Rows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Outer;
        impl<'de> Visitor<'de> for Outer {
            type Value = Rows;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of rows")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Rows, A::Error> {
                let mut rows = Rows::default();
                while access.next_element_seed(Row(&mut rows))?.is_some() {
                    check_count::<A::Error>(rows.n_rows())?;
                }
                Ok(rows)
            }
        }
        deserializer.deserialize_seq(Outer)
    }
}

fn check_count<E: Error>(n_rows: usize) -> Result<(), E> {
    if n_rows > MAX_ROWS { Err(E::custom(format!("more than {MAX_ROWS} rows"))) } else { Ok(()) }
}

struct Row<'r>(&'r mut Rows);

impl<'de> DeserializeSeed<'de> for Row<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Row<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row, which is an array of values")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        while let Some(cell) = access.next_element::<Cell>()? {
            self.0.push(cell);
        }
        self.0.end_row();
        Ok(())
    }
}

/// A value in a row; booleans are 0 and 1.
#[derive(Debug)]
pub(super) enum Cell {
    Number(f64),
    Missing,
    Text(String),
    Array(Vec<f32>),
    Odd,
}

impl From<&Value> for Cell {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Missing,
            Value::Bool(value) => Self::Number(f64::from(u8::from(*value))),
            Value::Number(number) => number.as_f64().map_or(Self::Odd, Self::Number),
            Value::String(text) => Self::Text(text.clone()),
            Value::Array(_) => {
                let mut numbers = Vec::new();
                if flatten(value, &mut numbers) { Self::Array(numbers) } else { Self::Odd }
            }
            Value::Object(_) => Self::Odd,
        }
    }
}

/// Appends the numbers of arrays in arrays; false where something else is in them.
fn flatten(value: &Value, numbers: &mut Vec<f32>) -> bool {
    match value {
        Value::Array(values) => values.iter().all(|value| flatten(value, numbers)),
        value => value.as_f64().is_some_and(|number| {
            numbers.push(number as f32);
            true
        }),
    }
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Cell;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_bool<E>(self, value: bool) -> Result<Cell, E> {
                Ok(Cell::Number(f64::from(u8::from(value))))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Cell, E> {
                Ok(Cell::Number(value as f64))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Cell, E> {
                Ok(Cell::Number(value as f64))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Cell, E> {
                Ok(Cell::Number(value))
            }
            fn visit_unit<E>(self) -> Result<Cell, E> {
                Ok(Cell::Missing)
            }
            fn visit_str<E>(self, text: &str) -> Result<Cell, E> {
                Ok(Cell::Text(text.to_owned()))
            }
            fn visit_string<E>(self, text: String) -> Result<Cell, E> {
                Ok(Cell::Text(text))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Cell, A::Error> {
                let mut numbers = Some(Vec::new());
                while let Some(cell) = access.next_element::<Cell>()? {
                    match (cell, &mut numbers) {
                        (Cell::Number(value), Some(numbers)) => numbers.push(value as f32),
                        (Cell::Array(inner), Some(numbers)) => numbers.extend(inner),
                        _ => numbers = None,
                    }
                }
                Ok(numbers.map_or(Cell::Odd, Cell::Array))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut access: A,
            ) -> Result<Cell, A::Error> {
                while access.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Cell::Odd)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// Rows as objects.
#[derive(Debug)]
pub(super) struct Records(pub(super) Vec<Map<String, Value>>);

impl<'de> Deserialize<'de> for Records {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Outer;
        impl<'de> Visitor<'de> for Outer {
            type Value = Records;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of records")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Records, A::Error> {
                let mut records = Vec::new();
                while let Some(record) = access.next_element_seed(Strict)? {
                    let Value::Object(record) = record else {
                        return Err(A::Error::custom("a record must be an object"));
                    };
                    records.push(record);
                    check_count::<A::Error>(records.len())?;
                }
                Ok(Records(records))
            }
        }
        deserializer.deserialize_seq(Outer)
    }
}
