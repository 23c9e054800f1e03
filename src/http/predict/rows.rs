//! Rows as they are read from JSON: straight into one buffer, since a body of 32 MB can hold sixteen
//! million values.

use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, SeqAccess, Visitor,
};
use serde_json::{Map, Value};

use crate::http::json::Strict;

/// Rows beyond this are not read on; the server's own limit is lower unless it was raised.
const MAX_ROWS: usize = 1_000_000;

/// Values that are no numbers are remembered up to this many.
const MAX_ODD: usize = 50;

/// Rows of values, in one buffer.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// Row after row; NaN where a value is no number.
    pub(super) values: Vec<f64>,
    /// Where each row ends in `values`.
    ends: Vec<usize>,
    /// The first values that are no numbers.
    pub(super) odd: Vec<Odd>,
    /// How many there are.
    pub(super) n_odd: usize,
}

/// A value that is no number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Odd {
    pub(super) row: usize,
    pub(super) column: usize,
    /// Whether it is null, or something else that is no number.
    pub(super) missing: bool,
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
        f.write_str("a row, which is an array of numbers and booleans")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        let rows = self.0;
        let (row, start) = (rows.ends.len(), rows.values.len());
        while let Some(cell) = access.next_element::<Cell>()? {
            let column = rows.values.len() - start;
            if let Cell::Missing | Cell::Other = cell {
                rows.n_odd += 1;
                if rows.odd.len() < MAX_ODD {
                    rows.odd.push(Odd { row, column, missing: matches!(cell, Cell::Missing) });
                }
            }
            rows.values.push(if let Cell::Number(value) = cell { value } else { f64::NAN });
        }
        rows.ends.push(rows.values.len());
        Ok(())
    }
}

/// A value in a row; booleans are 0 and 1.
enum Cell {
    Number(f64),
    Missing,
    Other,
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
            fn visit_str<E>(self, _: &str) -> Result<Cell, E> {
                Ok(Cell::Other)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Cell, A::Error> {
                while access.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Cell::Other)
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut access: A,
            ) -> Result<Cell, A::Error> {
                while access.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Cell::Other)
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
