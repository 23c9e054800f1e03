//! The elements of one array as columns, a block of bytes at a time.

use std::io::Read;

use trainyard_learn::table::{Column, MISSING_TIME, Values};

use super::header::{Element, Header, Kind};
use crate::column::{Numbers, Texts, no_such_time, numbered, tensor};
use crate::error::{FormatError, Limits, invalid, short};
use crate::float16::half_to_f64;
use crate::read::Notes;
use crate::room::{Growing, Room};

/// About how much is read at a time.
const BLOCK_BYTES: usize = 256 << 10;

/// Without knowing how long the source is, at most so many rows get their memory at once.
const TRUSTED_ROWS: usize = 1 << 16;

/// What an array's columns are named.
#[derive(Clone, Copy)]
pub(super) enum Named<'a> {
    /// `x0`, `x1` …; `x` if it is one of tensors.
    AsX,
    /// By this; with a number behind if there are several.
    By(&'a str),
}

pub(super) fn read_array(
    source: &mut impl Read,
    header: &Header,
    n_bytes: Option<u64>,
    named: Named<'_>,
    limits: &Limits,
    notes: &mut Notes,
) -> Result<Vec<Column>, FormatError> {
    let too_many = || limits.check(usize::MAX, 1).map(|()| usize::MAX);
    let n_elements = header.n_elements().map_or_else(too_many, Ok)?;
    let claimed = (n_elements as u64).saturating_mul(header.element.n_bytes as u64);
    if n_bytes.is_some_and(|n_bytes| n_bytes < claimed) {
        return Err(invalid(
            format!(
                "the array is said to have the shape {:?}, for which the file is too short",
                header.shape
            ),
            "upload the file again, whole",
        ));
    }
    let (n_rows, shape) = header.shape.split_first().map_or((0, &[][..]), |(n, s)| (*n, s));
    if shape.len() > 1 {
        limits.check(n_rows, 1)?;
        if n_elements > limits.max_cells {
            limits.check(usize::MAX, 1)?;
        }
        let name = match named {
            Named::AsX => "x",
            Named::By(name) => name,
        };
        let values = read_tensor(source, header, n_elements, &limits.room(n_rows))?;
        let values = tensor(name, shape.to_vec(), values)?;
        return Ok(vec![Column { name: name.to_owned(), values }]);
    }
    let n_columns = shape.first().copied().unwrap_or(1);
    limits.check(n_rows, n_columns)?;
    if header.element.n_bytes.saturating_mul(n_columns) > limits.max_row_bytes {
        return Err(invalid("a row is longer than the limit of a row", "shorten its texts"));
    }
    let names: Vec<String> = match named {
        Named::AsX => numbered(n_columns).collect(),
        Named::By(name) if shape.is_empty() => vec![name.to_owned()],
        Named::By(name) => (0..n_columns).map(|index| format!("{name}{index}")).collect(),
    };
    let room = &limits.room(n_rows);
    let capacity = if n_bytes.is_some() { n_rows } else { n_rows.min(TRUSTED_ROWS) };
    let mut builders: Vec<Builder> =
        names.iter().map(|_| Builder::new(header.element, capacity, room)).collect();
    if header.fortran_order {
        for (name, builder) in names.iter().zip(&mut builders) {
            read_block(source, header.element, n_rows, 1, |bytes| {
                builder.extend(name, header.element, bytes, 0, 1)
            })?;
        }
    } else {
        read_block(source, header.element, n_rows, n_columns, |bytes| {
            for (index, builder) in builders.iter_mut().enumerate() {
                builder.extend(&names[index], header.element, bytes, index, n_columns)?;
            }
            Ok(())
        })?;
    }
    let finish = |(name, builder): (String, Builder)| -> Result<Column, FormatError> {
        let values = builder.finish(&name, notes)?;
        Ok(Column { name, values })
    };
    names.into_iter().zip(builders).map(finish).collect()
}

/// Hands on the bytes of whole rows until so many have come.
fn read_block(
    source: &mut impl Read,
    element: Element,
    n_rows: usize,
    n_columns: usize,
    mut take: impl FnMut(&[u8]) -> Result<(), FormatError>,
) -> Result<(), FormatError> {
    let row_bytes = element.n_bytes * n_columns;
    let rows_a_block = (BLOCK_BYTES / row_bytes).clamp(1, n_rows.max(1));
    let mut block = vec![0; rows_a_block * row_bytes];
    let mut left = n_rows;
    while left > 0 {
        let n = left.min(rows_a_block);
        source.read_exact(&mut block[..n * row_bytes])?;
        take(&block[..n * row_bytes])?;
        left -= n;
    }
    Ok(())
}

/// All elements, the last index fastest.
fn read_tensor(
    source: &mut impl Read,
    header: &Header,
    n_elements: usize,
    room: &Room,
) -> Result<Growing<f32>, FormatError> {
    let element = header.element;
    if matches!(element.kind, Kind::Unicode | Kind::Bytes | Kind::Datetime { .. }) {
        return Err(invalid(
            "an array of texts or dates with more than two dimensions",
            "at most two: rows and columns",
        ));
    }
    let mut values = Growing::of_tensors(room);
    let mut floats: Vec<f64> = Vec::new();
    read_block(source, element, n_elements, 1, |bytes| {
        if element.kind == Kind::Float && element.n_bytes == 4 && !element.big_endian {
            let (words, _) = bytes.as_chunks();
            let words = words.iter().map(|word| f32::from_le_bytes(*word));
            values.extend_by(|values| values.extend(words));
            return Ok(());
        }
        floats.clear();
        floats_of(element, bytes, 0, 1, &mut floats);
        values.extend_by(|values| values.extend(floats.iter().map(|value| *value as f32)));
        Ok(())
    })?;
    if !header.fortran_order {
        return Ok(values);
    }
    let mut in_order = Growing::of_tensors(room);
    transposed(&values.checked()?, &header.shape, &mut in_order);
    Ok(in_order)
}

/// From the first index fastest to the last one.
fn transposed(values: &[f32], shape: &[usize], out: &mut Growing<f32>) {
    let mut strides = Vec::with_capacity(shape.len());
    let mut stride = 1;
    for length in shape {
        strides.push(stride);
        stride *= length;
    }
    let mut index = vec![0; shape.len()];
    let mut from = 0;
    for _ in 0..values.len() {
        out.push(values[from]);
        out.settle_now_and_then();
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            from += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            from -= strides[axis] * shape[axis];
            index[axis] = 0;
        }
    }
}

/// One column so far.
enum Builder {
    Numbers(Numbers),
    Booleans(Vec<Option<bool>>),
    Times(Vec<i64>),
    Texts(Texts),
}

/// Each `stride`-th element of N bytes after the first `offset`.
fn elements<const N: usize>(
    bytes: &[u8],
    offset: usize,
    stride: usize,
) -> impl Iterator<Item = [u8; N]> + Clone {
    bytes.as_chunks::<N>().0.iter().skip(offset).step_by(stride).copied()
}

/// Elements of a type, given as the type and its order.
macro_rules! values {
    ($type:ty, $element:expr, $bytes:expr, $offset:expr, $stride:expr, $use:expr) => {
        if $element.big_endian {
            $use(elements($bytes, $offset, $stride).map(<$type>::from_be_bytes))
        } else {
            $use(elements($bytes, $offset, $stride).map(<$type>::from_le_bytes))
        }
    };
}

/// Adds numbers that doubles hold.
fn floats_of(element: Element, bytes: &[u8], offset: usize, stride: usize, out: &mut Vec<f64>) {
    macro_rules! extend {
        ($type:ty, $double:expr) => {
            values!($type, element, bytes, offset, stride, |v| extend_with(out, v, $double))
        };
    }
    match (element.kind, element.n_bytes) {
        (Kind::Float, 2) => extend!(u16, half_to_f64),
        (Kind::Float, 4) => extend!(f32, f64::from),
        (Kind::Float, _) => extend!(f64, |v| v),
        (Kind::Signed, 1) => extend!(i8, f64::from),
        (Kind::Signed, 2) => extend!(i16, f64::from),
        (Kind::Signed, 4) => extend!(i32, f64::from),
        (Kind::Signed, _) => extend!(i64, |v| v as f64),
        (Kind::Unsigned, 2) => extend!(u16, f64::from),
        (Kind::Unsigned, 4) => extend!(u32, f64::from),
        (Kind::Unsigned, 8) => extend!(u64, |v| v as f64),
        _ => extend!(u8, f64::from),
    }
}

fn extend_with<T>(out: &mut Vec<f64>, values: impl Iterator<Item = T>, double: impl Fn(T) -> f64) {
    out.extend(values.map(double));
}

impl Builder {
    fn new(element: Element, capacity: usize, room: &Room) -> Self {
        match element.kind {
            Kind::Boolean => Self::Booleans(Vec::with_capacity(capacity)),
            Kind::Datetime { .. } => Self::Times(Vec::with_capacity(capacity)),
            Kind::Unicode | Kind::Bytes => Self::Texts(Texts::default()),
            _ => Self::Numbers(Numbers::in_room(room, capacity)),
        }
    }

    /// Adds each `stride`-th element after the first `offset`.
    fn extend(
        &mut self,
        name: &str,
        element: Element,
        bytes: &[u8],
        offset: usize,
        stride: usize,
    ) -> Result<(), FormatError> {
        match self {
            Self::Booleans(rows) => {
                rows.extend(elements::<1>(bytes, offset, stride).map(|[byte]| Some(byte != 0)));
            }
            Self::Numbers(numbers) => match (element.kind, element.n_bytes) {
                (Kind::Signed, 8) => {
                    values!(i64, element, bytes, offset, stride, |v| { extend_whole(numbers, v) });
                }
                (Kind::Unsigned, 8) => {
                    values!(u64, element, bytes, offset, stride, |v| { extend_whole(numbers, v) });
                }
                _ => {
                    if let Numbers::Floats(rows) = numbers {
                        rows.extend_by(|rows| floats_of(element, bytes, offset, stride, rows));
                    }
                }
            },
            Self::Times(rows) => {
                let Kind::Datetime { multiply, divide } = element.kind else { return Ok(()) };
                let mut failed = None;
                values!(i64, element, bytes, offset, stride, |times| {
                    extend_times(rows, times, multiply, divide, &mut failed);
                });
                if let Some((row, time)) = failed {
                    return Err(no_such_time(name, row, &time.to_string()));
                }
            }
            Self::Texts(texts) => {
                let n_bytes = element.n_bytes;
                for cell in bytes.chunks_exact(n_bytes).skip(offset).step_by(stride) {
                    push_text(texts, element, cell).map_err(|what| {
                        let row = texts.len() + 1;
                        invalid(format!("row {row}, column {:?}: {what}", short(name)), "")
                    })?;
                }
            }
        }
        Ok(())
    }

    fn finish(self, name: &str, notes: &mut Notes) -> Result<Values, FormatError> {
        match self {
            Self::Numbers(numbers) => numbers.finish(name, notes),
            Self::Booleans(rows) => Ok(Values::Boolean(rows)),
            Self::Times(rows) => Ok(Values::Datetime(rows)),
            Self::Texts(texts) => {
                texts.finish().map_err(|(row, text)| no_such_time(name, row, &text))
            }
        }
    }
}

fn extend_whole<T: crate::column::Whole>(
    numbers: &mut Numbers,
    values: impl Iterator<Item = T> + Clone,
) {
    numbers.extend_whole(values.map(Some));
}

/// NumPy's own missing moment is the least integer, as ours.
fn extend_times(
    rows: &mut Vec<i64>,
    times: impl Iterator<Item = i64>,
    multiply: i64,
    divide: i64,
    failed: &mut Option<(usize, i64)>,
) {
    for time in times {
        let micros = match time {
            i64::MIN => Some(MISSING_TIME),
            time => time.checked_mul(multiply).map(|time| time.div_euclid(divide)),
        };
        if micros.is_none() {
            failed.get_or_insert((rows.len(), time));
        }
        rows.push(micros.unwrap_or(MISSING_TIME));
    }
}

fn push_text(texts: &mut Texts, element: Element, cell: &[u8]) -> Result<(), &'static str> {
    if element.kind == Kind::Bytes {
        let end = cell.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let text = std::str::from_utf8(&cell[..end]).map_err(|_| "bytes that are not UTF-8")?;
        return push_or_missing(texts, text);
    }
    let words = cell.as_chunks::<4>().0;
    let end = words.iter().rposition(|word| *word != [0; 4]).map_or(0, |last| last + 1);
    let mut text = String::with_capacity(end);
    for word in &words[..end] {
        let code = match element.big_endian {
            true => u32::from_be_bytes(*word),
            false => u32::from_le_bytes(*word),
        };
        text.push(char::from_u32(code).ok_or("a character that is none")?);
    }
    push_or_missing(texts, &text)
}

/// An empty text is a missing value, as in CSV: NumPy has no other.
fn push_or_missing(texts: &mut Texts, text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        texts.push_missing(1);
        return Ok(());
    }
    texts.push(text)
}
