//! The server's own copy of a table, derived from what was uploaded: a safetensors file in which each
//! column lies in one piece, so that its numbers are looked at in place ([`Mapping`]) and a table may
//! be larger than memory.
//!
//! What is written comes back exactly: NaN with its bits, categories in their order, tensors with
//! their shape. It is no archive: a file of another version is written anew from the upload.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use trainyard_learn::kernels::{Mapping, Numbers, Plain};
use trainyard_learn::table::{Column, ColumnType, Table, Values};

use crate::error::{FormatError, contained, invalid};

/// Part of the name by which a copy is kept: one of another version is not looked at.
pub const VERSION: u32 = 1;

/// The length of a text that is missing.
const MISSING_LENGTH: u32 = u32::MAX;

/// The byte that stands for a missing boolean.
const MISSING_BOOLEAN: u8 = 2;

/// Under this name the file says what its columns are.
const COLUMNS: &str = "columns";

/// What the file says of a column. Its values are the tensor named by its position, and its texts
/// those named by [`lengths`] and [`text`].
#[derive(Serialize, Deserialize)]
struct About<'a> {
    name: Cow<'a, str>,
    #[serde(rename = "type")]
    column_type: ColumnType,
}

/// Writes a table to a new file.
///
/// # Errors
/// [`FormatError::Io`] when it cannot be written.
pub fn write(table: &Table, path: &Path) -> Result<(), FormatError> {
    let mut parts = Vec::new();
    let mut abouts = Vec::with_capacity(table.columns().len());
    for (index, Column { name, values }) in table.columns().iter().enumerate() {
        abouts.push(About { name: name.into(), column_type: values.column_type() });
        let texts = match values {
            Values::Categorical { categories, .. } => Some(Texts::Categories(categories)),
            Values::Text(rows) => Some(Texts::Rows(rows)),
            _ => None,
        };
        if let Some(texts) = texts {
            parts.push((lengths(index), Part::new(Holds::Lengths(texts))));
            parts.push((text(index), Part::new(Holds::Text(texts))));
        }
        if !matches!(values, Values::Text(_)) {
            parts.push((index.to_string(), Part::new(Holds::Values(values))));
        }
    }
    let about = serde_json::to_string(&abouts).map_err(io::Error::other)?;
    let about = HashMap::from([(COLUMNS.to_owned(), about)]);
    // Wider elements first, so that each lies where it may.
    parts.sort_by_key(|(_, part)| std::cmp::Reverse(part.dtype.bitsize()));
    let mut start = 0;
    let mut infos = Vec::with_capacity(parts.len());
    for (name, part) in &parts {
        let end = start + part.n_bytes();
        let (dtype, shape) = (part.dtype, part.shape.clone());
        infos.push((name.clone(), TensorInfo { dtype, shape, data_offsets: (start, end) }));
        start = end;
    }
    let metadata = Metadata::new(Some(about), infos).map_err(io::Error::other)?;
    let mut header = serde_json::to_vec(&metadata).map_err(io::Error::other)?;
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut file = BufWriter::new(std::fs::File::create(path)?);
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(&header)?;
    for (_, part) in &parts {
        file.write_all(&part.bytes())?;
        part.let_go();
    }
    Ok(file.flush()?)
}

fn lengths(index: usize) -> String {
    format!("{index}.lengths")
}

fn text(index: usize) -> String {
    format!("{index}.text")
}

/// A tensor of the file, made into bytes when it is written.
struct Part<'a> {
    holds: Holds<'a>,
    dtype: Dtype,
    shape: Vec<usize>,
}

enum Holds<'a> {
    Values(&'a Values),
    Lengths(Texts<'a>),
    Text(Texts<'a>),
}

#[derive(Clone, Copy)]
enum Texts<'a> {
    Categories(&'a [String]),
    Rows(&'a [Option<Box<str>>]),
}

impl<'a> Texts<'a> {
    fn len(self) -> usize {
        match self {
            Self::Categories(texts) => texts.len(),
            Self::Rows(texts) => texts.len(),
        }
    }

    fn get(self, index: usize) -> Option<&'a str> {
        match self {
            Self::Categories(texts) => texts.get(index).map(String::as_str),
            Self::Rows(texts) => texts.get(index)?.as_deref(),
        }
    }

    fn iter(self) -> impl Iterator<Item = Option<&'a str>> {
        (0..self.len()).map(move |index| self.get(index))
    }
}

impl<'a> Part<'a> {
    fn new(holds: Holds<'a>) -> Self {
        let (dtype, shape) = match &holds {
            Holds::Lengths(texts) => (Dtype::U32, vec![texts.len()]),
            Holds::Text(texts) => (Dtype::U8, vec![texts.iter().flatten().map(str::len).sum()]),
            Holds::Values(values) => {
                let dtype = match values {
                    Values::Numeric(_) => Dtype::F64,
                    Values::Boolean(_) | Values::Text(_) => Dtype::U8,
                    Values::Categorical { .. } => Dtype::U32,
                    Values::Datetime(_) => Dtype::I64,
                    Values::Tensor { .. } => Dtype::F32,
                };
                let shape = match values {
                    Values::Tensor { shape, .. } => [&[values.len()], shape.as_slice()].concat(),
                    _ => vec![values.len()],
                };
                (dtype, shape)
            }
        };
        Self { holds, dtype, shape }
    }
}

impl Part<'_> {
    fn bytes(&self) -> Cow<'_, [u8]> {
        let length = |text: Option<&str>| text.map_or(MISSING_LENGTH, |text| text.len() as u32);
        let flag = |row: &Option<bool>| row.map_or(MISSING_BOOLEAN, u8::from);
        match &self.holds {
            Holds::Lengths(texts) => {
                texts.iter().flat_map(|text| length(text).to_le_bytes()).collect()
            }
            Holds::Text(texts) => texts.iter().flatten().flat_map(str::bytes).collect(),
            Holds::Values(values) => match values {
                Values::Numeric(rows) => rows.bytes().into(),
                Values::Tensor { values, .. } => values.bytes().into(),
                Values::Boolean(rows) => rows.iter().map(flag).collect(),
                Values::Categorical { codes, .. } => {
                    codes.iter().flat_map(|code| code.to_le_bytes()).collect()
                }
                Values::Datetime(rows) => rows.iter().flat_map(|time| time.to_le_bytes()).collect(),
                Values::Text(_) => Cow::default(),
            },
        }
    }

    fn n_bytes(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.bitsize() / 8
    }

    /// What was looked at to write it is not needed any more.
    fn let_go(&self) {
        if let Holds::Values(values) = &self.holds {
            values.let_go();
        }
    }
}

/// Reads what [`write()`] wrote. Numbers stay where they are in the mapped file.
///
/// # Errors
/// [`FormatError::Invalid`] when it is something else.
pub fn read(mapping: &Arc<Mapping>) -> Result<Table, FormatError> {
    contained("the columnar copy", || {
        let (n_header, metadata) = SafeTensors::read_metadata(mapping.bytes()).map_err(broken)?;
        let about = metadata.metadata().as_ref().and_then(|about| about.get(COLUMNS));
        let about = about.ok_or_else(|| broken("it does not say what its columns are"))?;
        let abouts: Vec<About<'_>> = serde_json::from_str(about).map_err(broken)?;
        let file = File { mapping, start: n_header + 8, metadata: &metadata };
        let column = |(index, about): (usize, &About<'_>)| {
            let values = file.values(index, about.column_type)?;
            Ok(Column { name: about.name.clone().into_owned(), values })
        };
        let columns: Vec<Column> =
            abouts.iter().enumerate().map(column).collect::<Result<_, FormatError>>()?;
        if columns.windows(2).any(|pair| pair[0].values.len() != pair[1].values.len()) {
            return Err(broken("its columns differ in length"));
        }
        Ok(Table::new(columns))
    })
}

fn broken(what: impl std::fmt::Display) -> FormatError {
    invalid(format!("the columnar copy cannot be read: {what}"), "")
}

struct File<'a> {
    mapping: &'a Arc<Mapping>,
    /// Where the tensors begin.
    start: usize,
    metadata: &'a Metadata,
}

impl File<'_> {
    fn values(&self, index: usize, column_type: ColumnType) -> Result<Values, FormatError> {
        let name = index.to_string();
        Ok(match column_type {
            ColumnType::Numeric => Values::Numeric(self.numbers(&name, Dtype::F64)?),
            ColumnType::Boolean => {
                let rows = self.bytes(self.part(&name, Dtype::U8)?)?;
                Values::Boolean(rows.iter().map(|row| flag(*row)).collect::<Result<_, _>>()?)
            }
            ColumnType::Categorical => {
                let texts = self.texts(index)?;
                let categories: Option<Vec<String>> =
                    texts.into_iter().map(|text| text.map(String::from)).collect();
                let categories = categories.ok_or_else(|| broken("a category is missing"))?;
                let codes: Vec<u32> = self.words(&name, Dtype::U32, u32::from_le_bytes)?;
                let known = |code: &u32| *code == u32::MAX || (*code as usize) < categories.len();
                if !codes.iter().all(known) {
                    return Err(broken("a category is unknown"));
                }
                Values::Categorical { codes, categories }
            }
            ColumnType::Datetime => {
                Values::Datetime(self.words(&name, Dtype::I64, i64::from_le_bytes)?)
            }
            ColumnType::Text => Values::Text(self.texts(index)?),
            ColumnType::Tensor => {
                let part = self.part(&name, Dtype::F32)?;
                let shape = part.shape.get(1..).ok_or_else(|| broken("a tensor has no shape"))?;
                let shape = shape.to_vec();
                Values::Tensor { shape, values: self.numbers(&name, Dtype::F32)? }
            }
        })
    }

    fn part(&self, name: &str, dtype: Dtype) -> Result<&TensorInfo, FormatError> {
        let part = self.metadata.info(name).ok_or_else(|| broken("a column is missing"))?;
        if part.dtype == dtype { Ok(part) } else { Err(broken("a column is of another type")) }
    }

    fn bytes(&self, part: &TensorInfo) -> Result<&[u8], FormatError> {
        let (start, end) = part.data_offsets;
        let bytes = self.mapping.bytes().get(self.start..).and_then(|data| data.get(start..end));
        bytes.ok_or_else(|| broken("a column is beyond its end"))
    }

    fn numbers<T: Plain>(&self, name: &str, dtype: Dtype) -> Result<Numbers<T>, FormatError> {
        let (start, end) = self.part(name, dtype)?.data_offsets;
        let len = (end - start) / size_of::<T>();
        Numbers::mapped(Arc::clone(self.mapping), self.start + start, len)
            .ok_or_else(|| broken("a column does not lie where numbers may"))
    }

    fn words<const N: usize, T>(
        &self,
        name: &str,
        dtype: Dtype,
        read: fn([u8; N]) -> T,
    ) -> Result<Vec<T>, FormatError> {
        let bytes = self.bytes(self.part(name, dtype)?)?;
        Ok(bytes.as_chunks().0.iter().map(|word| read(*word)).collect())
    }

    fn texts(&self, index: usize) -> Result<Vec<Option<Box<str>>>, FormatError> {
        let lengths: Vec<u32> = self.words(&lengths(index), Dtype::U32, u32::from_le_bytes)?;
        let mut left = self.bytes(self.part(&text(index), Dtype::U8)?)?;
        let mut texts = Vec::with_capacity(lengths.len());
        for length in lengths {
            if length == MISSING_LENGTH {
                texts.push(None);
                continue;
            }
            let (text, rest) = left
                .split_at_checked(length as usize)
                .ok_or_else(|| broken("a text is beyond its end"))?;
            left = rest;
            texts.push(Some(std::str::from_utf8(text).map_err(broken)?.into()));
        }
        Ok(texts)
    }
}

fn flag(byte: u8) -> Result<Option<bool>, FormatError> {
    match byte {
        0 => Ok(Some(false)),
        1 => Ok(Some(true)),
        MISSING_BOOLEAN => Ok(None),
        _ => Err(broken("a boolean is neither")),
    }
}
