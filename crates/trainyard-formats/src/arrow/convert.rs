//! Arrow's arrays as columns, an array at a time. What Parquet and Arrow files have in common.

use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowDictionaryKeyType, ArrowPrimitiveType, Date32Type, Date64Type, Decimal128Type,
    Decimal256Type, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, DictionaryArray, PrimitiveArray, StringViewArray, downcast_dictionary_array,
};
use arrow_schema::{DataType, Field, TimeUnit};
use trainyard_learn::table::{MISSING_CODE, MISSING_TIME, Values};

use super::tensors;
use crate::column::{Numbers, TextBudget, Texts, Whole, no_such_time, tensor};
use crate::error::{FormatError, invalid, short};
use crate::read::Notes;
use crate::room::{Growing, Room};

/// Up to here a power of ten is exact, and so a division by it is rounded once.
const MAX_EXACT_SCALE: i8 = 22;

/// One column so far.
#[derive(Debug)]
pub(crate) struct Builder {
    name: String,
    rows: Rows,
}

#[derive(Debug)]
enum Rows {
    /// Of a column that has no type and so only missing values.
    Missing(usize),
    Numbers(Numbers),
    Booleans(Vec<Option<bool>>),
    Times(Vec<i64>),
    Texts(Texts),
    /// Of a column that says that these are categories, however many.
    Categories(Texts),
    Tensor {
        shape: Vec<usize>,
        values: Growing<f32>,
    },
}

impl Builder {
    /// For a field of a schema, with room for its numbers.
    ///
    /// # Errors
    /// What is wrong with its type, and the way out.
    pub(crate) fn new(
        name: &str,
        field: &Field,
        room: &Room,
        texts: &TextBudget,
    ) -> Result<Self, (String, &'static str)> {
        let rows = Rows::new(field, room, texts).map_err(|way| {
            let what = format!("column {:?} is of type {}", short(name), field.data_type());
            (short_type(&what), way)
        })?;
        Ok(Self { name: name.to_owned(), rows })
    }

    pub(crate) fn n_rows(&self) -> usize {
        match &self.rows {
            Rows::Missing(n_rows) => *n_rows,
            Rows::Numbers(rows) => rows.len(),
            Rows::Booleans(rows) => rows.len(),
            Rows::Times(rows) => rows.len(),
            Rows::Texts(rows) | Rows::Categories(rows) => rows.len(),
            Rows::Tensor { shape, values } => values.len() / shape.iter().product::<usize>().max(1),
        }
    }

    /// How many numbers a row has.
    pub(crate) fn width(&self) -> usize {
        match &self.rows {
            Rows::Tensor { shape, .. } => shape.iter().product::<usize>().max(1),
            _ => 1,
        }
    }

    pub(crate) fn finish(self, notes: &mut Notes) -> Result<Values, FormatError> {
        let name = self.name;
        match self.rows {
            Rows::Missing(n_rows) => Ok(Values::Numeric(vec![f64::NAN; n_rows].into())),
            Rows::Numbers(rows) => rows.finish(&name, notes),
            Rows::Booleans(rows) => Ok(Values::Boolean(rows)),
            Rows::Times(rows) => Ok(Values::Datetime(rows)),
            Rows::Texts(rows) => Ok(rows.finish_plain()),
            Rows::Categories(rows) => Ok(rows.finish_categories()),
            Rows::Tensor { shape, values } => tensor(&name, shape, values),
        }
    }

    /// Adds an array of the field's type.
    pub(crate) fn extend(&mut self, array: &dyn Array) -> Result<(), FormatError> {
        let name = &self.name;
        let before = self.n_rows_before();
        match &mut self.rows {
            Rows::Missing(n_rows) => *n_rows += array.len(),
            Rows::Numbers(rows) => extend_numbers(rows, array),
            Rows::Booleans(rows) => rows.extend(array.as_boolean().iter()),
            Rows::Times(rows) => {
                extend_times(rows, array).map_err(|(row, text)| no_such_time(name, row, &text))?;
            }
            Rows::Texts(rows) | Rows::Categories(rows) => {
                extend_texts(rows, array).map_err(|what| {
                    invalid(format!("column {:?} holds {what}", short(name)), "leave it out")
                })?;
            }
            Rows::Tensor { shape, values } => {
                tensors::extend(shape, values, array).map_err(|(row, what, way)| {
                    let row = before + row + 1;
                    invalid(format!("row {row}, column {:?}: {what}", short(name)), way)
                })?;
            }
        }
        Ok(())
    }

    fn n_rows_before(&self) -> usize {
        match self.rows {
            Rows::Tensor { .. } => self.n_rows(),
            _ => 0,
        }
    }
}

/// A type's description, as nested as it likes to be, cut to a length that a message has.
fn short_type(what: &str) -> String {
    match what.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &what[..end]),
        None => what.to_owned(),
    }
}

impl Rows {
    fn new(field: &Field, room: &Room, texts: &TextBudget) -> Result<Self, &'static str> {
        Ok(match field.data_type() {
            DataType::Null => Self::Missing(0),
            DataType::Boolean => Self::Booleans(Vec::new()),
            kind if is_number(kind) => Self::Numbers(Numbers::in_room(room, 0)),
            DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => {
                Self::Times(Vec::new())
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                Self::Texts(Texts::within(texts))
            }
            DataType::Dictionary(_, value) => {
                let plain = Field::new("", value.as_ref().clone(), true);
                match Self::new(&plain, room, texts)? {
                    Self::Tensor { .. } => return Err("write its values as a plain column"),
                    Self::Texts(rows) => Self::Categories(rows),
                    rows => rows,
                }
            }
            DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => {
                Self::Tensor { shape: tensors::shape_of(field)?, values: Growing::of_tensors(room) }
            }
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => return Err("write it as text, or leave it out"),
            DataType::Struct(_) => {
                return Err("give each of its fields a column, such as \"a.b\"");
            }
            DataType::Map(..) => return Err("give each of its keys a column"),
            DataType::Duration(_) | DataType::Interval(_) => {
                return Err("write it as a number of seconds");
            }
            DataType::Time32(_) | DataType::Time64(_) => {
                return Err("write it as a number of seconds, or together with its date");
            }
            _ => return Err("write it as numbers, text, dates or lists of one length"),
        })
    }
}

/// Whether its values are numbers.
pub(super) fn is_number(kind: &DataType) -> bool {
    kind.is_integer()
        || kind.is_floating()
        || matches!(kind, DataType::Decimal128(..) | DataType::Decimal256(..))
}

/// Doubles of a type that doubles hold.
fn doubles<T: ArrowPrimitiveType>(
    array: &dyn Array,
    double: impl Fn(T::Native) -> f64,
) -> impl Iterator<Item = f64> {
    let array: &PrimitiveArray<T> = array.as_primitive();
    let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
    array.values().iter().enumerate().map(move |(row, value)| match nulls {
        Some(nulls) if nulls.is_null(row) => f64::NAN,
        _ => double(*value),
    })
}

fn extend_numbers(rows: &mut Numbers, array: &dyn Array) {
    match array.data_type() {
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>();
            match rows {
                Numbers::Floats(rows) if values.null_count() == 0 => {
                    rows.extend_by(|rows| rows.extend_from_slice(values.values()));
                }
                rows => rows.extend(doubles::<Float64Type>(array, |v| v)),
            }
        }
        DataType::Float32 => rows.extend(doubles::<Float32Type>(array, f64::from)),
        DataType::Float16 => rows.extend(doubles::<Float16Type>(array, f64::from)),
        DataType::Int8 => rows.extend(doubles::<Int8Type>(array, f64::from)),
        DataType::Int16 => rows.extend(doubles::<Int16Type>(array, f64::from)),
        DataType::Int32 => rows.extend(doubles::<Int32Type>(array, f64::from)),
        DataType::UInt8 => rows.extend(doubles::<UInt8Type>(array, f64::from)),
        DataType::UInt16 => rows.extend(doubles::<UInt16Type>(array, f64::from)),
        DataType::UInt32 => rows.extend(doubles::<UInt32Type>(array, f64::from)),
        DataType::Int64 => rows.extend_whole(array.as_primitive::<Int64Type>().iter()),
        DataType::UInt64 => rows.extend_whole(array.as_primitive::<UInt64Type>().iter()),
        DataType::Decimal128(_, 0) => {
            rows.extend_whole(array.as_primitive::<Decimal128Type>().iter());
        }
        DataType::Decimal128(_, scale) => {
            let exact = (0..=MAX_EXACT_SCALE).contains(scale);
            let power = 10_f64.powi(i32::from(*scale));
            let array = array.as_primitive::<Decimal128Type>();
            rows.extend(array.iter().enumerate().map(|(row, value)| match value {
                None => f64::NAN,
                // Both are exact, so that the division alone rounds.
                Some(value) if exact && value.exact().is_some() => value as f64 / power,
                Some(_) => array.value_as_string(row).parse().unwrap_or(f64::NAN),
            }));
        }
        DataType::Decimal256(..) => {
            let array = array.as_primitive::<Decimal256Type>();
            rows.extend((0..array.len()).map(|row| match array.is_null(row) {
                true => f64::NAN,
                false => array.value_as_string(row).parse().unwrap_or(f64::NAN),
            }));
        }
        DataType::Dictionary(..) => extend_numbers(rows, unpacked(array).as_ref()),
        // No other is a number by its field's type, which the decoder keeps to.
        _ => rows.extend((0..array.len()).map(|_| f64::NAN)),
    }
}

/// Numbers and booleans as doubles, however long: of arrays within tensors.
pub(super) fn doubles_of(array: &dyn Array) -> Vec<f64> {
    match array.data_type() {
        DataType::Boolean => {
            array.as_boolean().iter().map(|v| f64::from(u8::from(v == Some(true)))).collect()
        }
        DataType::Int64 => doubles::<Int64Type>(array, |v| v as f64).collect(),
        DataType::UInt64 => doubles::<UInt64Type>(array, |v| v as f64).collect(),
        DataType::Decimal128(_, 0) => doubles::<Decimal128Type>(array, |v| v as f64).collect(),
        _ => {
            let mut numbers = Numbers::with_capacity(array.len());
            extend_numbers(&mut numbers, array);
            match numbers {
                Numbers::Floats(rows) => rows.finish().to_vec(),
                Numbers::Texts(_) => vec![f64::NAN; array.len()],
            }
        }
    }
}

/// The values of a dictionary in the rows' order.
fn unpacked(array: &dyn Array) -> ArrayRef {
    let dictionary = array.as_any_dictionary();
    arrow_select::take::take(dictionary.values(), dictionary.keys(), None).unwrap_or_else(|_| {
        arrow_array::new_null_array(dictionary.values().data_type(), array.len())
    })
}

/// Microseconds since 1970 of a moment in another unit.
fn micros<T: ArrowPrimitiveType>(
    rows: &mut Vec<i64>,
    array: &dyn Array,
    convert: impl Fn(T::Native) -> Option<i64>,
) -> Result<(), (usize, String)> {
    let array: &PrimitiveArray<T> = array.as_primitive();
    for value in array {
        rows.push(match value {
            None => MISSING_TIME,
            Some(value) => convert(value)
                .filter(|micros| *micros != MISSING_TIME)
                .ok_or_else(|| (rows.len(), format!("{value:?}")))?,
        });
    }
    Ok(())
}

fn extend_times(rows: &mut Vec<i64>, array: &dyn Array) -> Result<(), (usize, String)> {
    match array.data_type() {
        DataType::Date32 => {
            micros::<Date32Type>(rows, array, |days| i64::from(days).checked_mul(86_400_000_000))
        }
        DataType::Date64 => micros::<Date64Type>(rows, array, |ms| ms.checked_mul(1_000)),
        DataType::Timestamp(TimeUnit::Second, _) => {
            micros::<TimestampSecondType>(rows, array, |s| s.checked_mul(1_000_000))
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            micros::<TimestampMillisecondType>(rows, array, |ms| ms.checked_mul(1_000))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            micros::<TimestampMicrosecondType>(rows, array, Some)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            micros::<TimestampNanosecondType>(rows, array, |ns| Some(ns.div_euclid(1_000)))
        }
        DataType::Dictionary(..) => extend_times(rows, unpacked(array).as_ref()),
        _ => {
            rows.resize(rows.len() + array.len(), MISSING_TIME);
            Ok(())
        }
    }
}

fn extend_texts(rows: &mut Texts, array: &dyn Array) -> Result<(), &'static str> {
    fn push<'a>(
        rows: &mut Texts,
        texts: impl Iterator<Item = Option<&'a str>>,
    ) -> Result<(), &'static str> {
        for text in texts {
            match text {
                Some(text) => rows.push(text)?,
                None => rows.push_missing(1),
            }
        }
        Ok(())
    }
    match array.data_type() {
        DataType::Utf8 => push(rows, array.as_string::<i32>().iter()),
        DataType::LargeUtf8 => push(rows, array.as_string::<i64>().iter()),
        DataType::Utf8View => extend_views(rows, array.as_string_view()),
        DataType::Dictionary(..) => downcast_dictionary_array!(
            array => extend_dictionary(rows, array),
            _ => Err("an unknown dictionary"),
        ),
        _ => {
            rows.push_missing(array.len());
            Ok(())
        }
    }
}

/// Views as long as this are looked up by where their text is before it is looked at itself: a
/// dictionary's megabyte may be in a million rows.
const LONG_VIEW: usize = 64;

fn extend_views(rows: &mut Texts, array: &StringViewArray) -> Result<(), &'static str> {
    let mut known: HashMap<u128, u32> = HashMap::new();
    for (row, view) in array.views().iter().enumerate() {
        if array.is_null(row) {
            rows.push_missing(1);
            continue;
        }
        let text = array.value(row);
        if text.len() < LONG_VIEW {
            rows.push(text)?;
            continue;
        }
        let code = match known.get(view) {
            Some(code) => *code,
            None => {
                let code = rows.intern(text)?;
                known.insert(*view, code);
                code
            }
        };
        rows.push_code(code);
    }
    Ok(())
}

/// Each text of the dictionary is looked up once.
fn extend_dictionary<K: ArrowDictionaryKeyType>(
    rows: &mut Texts,
    array: &DictionaryArray<K>,
) -> Result<(), &'static str> {
    let mut values = Texts::default();
    extend_texts(&mut values, array.values().as_ref())?;
    let (codes, texts) = values.into_parts();
    let known = texts.iter().map(|text| rows.intern(text)).collect::<Result<Vec<_>, _>>()?;
    for row in 0..array.len() {
        let code = array.key(row).and_then(|key| codes.get(key)).copied();
        let code = code.and_then(|code| known.get(code as usize)).copied();
        rows.push_code(code.unwrap_or(MISSING_CODE));
    }
    Ok(())
}
