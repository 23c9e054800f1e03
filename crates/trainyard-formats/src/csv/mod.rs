//! Comma-separated text to a [`Table`], in two passes over a reader.
//!
//! [`infer`] finds out what the file is (header, names, types) and everything that is wrong with
//! it, in memory that does not grow with the file; [`read`] then builds the columns. It is not a
//! guesser of encodings or dialects: UTF-8, double quotes, and a delimiter that is a comma unless
//! the caller says otherwise.

mod header;
mod rows;

use std::collections::HashMap;
use std::io::{self, Read};

use ::csv::ByteRecord;
use serde::{Deserialize, Serialize};

use header::{header_names, looks_like_header, numbered_names, short};
use rows::Rows;
use trainyard_learn::problem::Problem;
use trainyard_learn::table::{Column, ColumnType, MISSING_CODE, Table, Values};

/// What the caller says about a file; anything left out is found from the content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct CsvOptions {
    /// Whether the first row names the columns. Left out, it does unless it holds a number.
    pub header: Option<bool>,
    /// The one ASCII character between fields; a comma if left out.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 1))]
    pub delimiter: Option<String>,
}

/// How large a file may be before it is refused.
#[derive(Clone, Copy, Debug)]
pub struct CsvLimits {
    /// Rows, the header not counted.
    pub max_rows: usize,
    /// Columns.
    pub max_columns: usize,
    /// Rows × columns.
    pub max_cells: usize,
    /// Bytes from the start of one row to the start of the next.
    pub max_row_bytes: usize,
}

impl Default for CsvLimits {
    fn default() -> Self {
        Self {
            max_rows: 50_000_000,
            max_columns: 10_000,
            max_cells: 500_000_000,
            max_row_bytes: 4 << 20,
        }
    }
}

/// What [`infer`] found; with it [`read`] decides nothing anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CsvSchema {
    /// Whether the first row names the columns.
    pub header: bool,
    /// The byte between fields.
    pub delimiter: u8,
    /// Unique names, from the header or `x0 … x{n-1}`.
    pub names: Vec<String>,
    /// One type a column.
    pub types: Vec<ColumnType>,
    /// Rows, the header not counted.
    pub n_rows: usize,
    /// Columns whose name was empty in the header and which were named by their position.
    pub unnamed: Vec<String>,
    /// Columns of numbers that are read as text, since a whole number in them is beyond 2⁵³ and
    /// would lose its last digits: it is an identifier rather than a quantity.
    #[serde(default)]
    pub kept_as_text: Vec<String>,
}

/// Why a file is no table.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// The reader failed, which says nothing of the content.
    #[error("reading the file failed: {0}")]
    Io(#[from] io::Error),
    /// The content is no table; every problem found is here.
    #[error("the file is no table")]
    Invalid(Vec<Problem>),
}

/// Texts that stand for a missing value, as pandas reads them.
const MISSING: [&str; 11] =
    ["", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "<NA>", "#N/A"];

/// The largest whole number up to which `f64` holds every one.
const LARGEST_EXACT_INTEGER: u64 = 1 << 53;

/// At most this many problems are described; the rest are counted.
const MAX_PROBLEMS: usize = 20;

/// Finds the header, the names and the types, and every problem there is. Lines of spaces before
/// the first row are no rows.
///
/// # Errors
/// [`CsvError::Invalid`] for content that is no table (no rows, ragged rows, no UTF-8, numbers
/// that are not finite, names twice or too long, more than the limits allow), all of it at once,
/// but for a quote that is never closed, which hides the rest; [`CsvError::Io`] when the reader fails.
pub fn infer(
    reader: impl Read,
    options: &CsvOptions,
    limits: &CsvLimits,
) -> Result<CsvSchema, CsvError> {
    let mut problems = Problems::default();
    let delimiter = delimiter(options)?;
    let mut rows = Rows::new(reader, delimiter, limits);
    let mut record = ByteRecord::new();
    if !rows.first(&mut record)? {
        return Err(invalid("the file is empty", "upload a header and at least one row"));
    }
    if record.len() > limits.max_columns {
        return Err(invalid(
            format!("{} columns, more than the limit of {}", record.len(), limits.max_columns),
            "leave out columns that the model does not need",
        ));
    }
    let header = options.header.unwrap_or_else(|| looks_like_header(&record));
    let n_columns = record.len();
    let (names, unnamed) =
        if header { header_names(&record, &mut problems) } else { numbered_names(n_columns) };

    let mut inferred = vec![Inferred::default(); n_columns];
    let mut n_rows = 0;
    let mut more = if header { rows.next(&mut record)? } else { true };
    while more {
        n_rows += 1;
        if n_rows > limits.max_rows || n_rows.saturating_mul(n_columns) > limits.max_cells {
            return Err(invalid(
                format!(
                    "more than {} rows or {} cells, which is the limit",
                    limits.max_rows, limits.max_cells
                ),
                "upload a sample of the rows",
            ));
        }
        let place = Place { row: n_rows, line: rows.line(&record) };
        if record.len() == n_columns {
            for (column, field) in record.iter().enumerate() {
                match clean_text(field) {
                    Ok(text) => inferred[column].observe(text, place),
                    Err(what) => problems.push(format!(
                        "{place}, column {:?}: {what}",
                        names.get(column).map_or_else(String::new, |name| short(name))
                    )),
                }
            }
        } else {
            problems.push(format!(
                "{place} has {} field{}, where the {} has {n_columns}",
                record.len(),
                if record.len() == 1 { "" } else { "s" },
                if header { "header" } else { "first row" },
            ));
        }
        more = rows.next(&mut record)?;
    }
    if n_rows == 0 {
        problems.push("the file has a header and no rows".to_owned());
    }
    for (name, column) in names.iter().zip(&inferred) {
        column.report_infinities(name, &mut problems);
    }
    let types = inferred.iter().map(Inferred::column_type).collect();
    problems.finish(delimiter)?;
    let kept_as_text = names
        .iter()
        .zip(&inferred)
        .filter(|(_, column)| column.is_kept_as_text())
        .map(|(name, _)| name.clone())
        .collect();
    Ok(CsvSchema { header, delimiter, names, types, n_rows, unnamed, kept_as_text })
}

/// Builds the columns of a file that [`infer`] found to be a table.
///
/// # Errors
/// As [`infer`]; after it, only when the content has changed since.
pub fn read(reader: impl Read, schema: &CsvSchema, limits: &CsvLimits) -> Result<Table, CsvError> {
    let mut rows = Rows::new(reader, schema.delimiter, limits);
    let mut record = ByteRecord::new();
    let mut builders: Vec<Builder> = schema.types.iter().map(|kind| Builder::new(*kind)).collect();
    let mut more = rows.first(&mut record)?;
    if more && schema.header {
        more = rows.next(&mut record)?;
    }
    let changed =
        || invalid("the content differs from what was described at upload", "upload it again");
    while more {
        if record.len() != builders.len() {
            return Err(changed());
        }
        for (builder, field) in builders.iter_mut().zip(&record) {
            let text = clean_text(field).map_err(|_| changed())?;
            builder.push(text).ok_or_else(changed)?;
        }
        more = rows.next(&mut record)?;
    }
    let columns = schema
        .names
        .iter()
        .zip(builders)
        .map(|(name, builder)| Column { name: name.clone(), values: builder.finish() });
    let table = Table::new(columns.collect());
    if table.n_rows() == schema.n_rows { Ok(table) } else { Err(changed()) }
}

/// Whether a text stands for a missing value.
pub fn is_missing(text: &str) -> bool {
    MISSING.contains(&text.trim())
}

/// Reads a boolean in any case.
pub fn parse_boolean(text: &str) -> Option<bool> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

fn invalid(detail: impl Into<String>, suggestion: &str) -> CsvError {
    CsvError::Invalid(vec![Problem::new("/file", detail).suggest(suggestion)])
}

fn delimiter(options: &CsvOptions) -> Result<u8, CsvError> {
    match options.delimiter.as_deref().map(str::as_bytes) {
        None => Ok(b','),
        Some([byte]) if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Ok(*byte),
        Some(_) => Err(CsvError::Invalid(vec![
            Problem::new("/options/delimiter", "must be one ASCII character, no quote or newline")
                .suggest("\",\", \";\" or \"\\t\""),
        ])),
    }
}

fn clean_text(field: &[u8]) -> Result<&str, &'static str> {
    let text = std::str::from_utf8(field).map_err(|_| "bytes that are not UTF-8")?;
    if field.contains(&0) { Err("a NUL byte") } else { Ok(text) }
}

/// Whether a number without point and exponent is beyond those that `f64` holds without loss.
fn is_inexact_integer(number: &str) -> bool {
    let digits = number.strip_prefix(['+', '-']).unwrap_or(number);
    // What is all digits and no u64 is larger still.
    digits.bytes().all(|byte| byte.is_ascii_digit())
        && digits.parse::<u64>().map_or(true, |value| value > LARGEST_EXACT_INTEGER)
}

#[derive(Clone, Copy, Debug)]
struct Place {
    row: usize,
    line: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "row {} (line {})", self.row, self.line)
    }
}

#[derive(Default)]
struct Problems {
    found: Vec<Problem>,
    n_more: usize,
}

impl Problems {
    fn push(&mut self, detail: String) {
        if self.found.len() < MAX_PROBLEMS {
            self.found.push(Problem::new("/file", detail));
        } else {
            self.n_more += 1;
        }
    }

    fn finish(mut self, delimiter: u8) -> Result<(), CsvError> {
        if self.found.is_empty() {
            return Ok(());
        }
        if let Some(first) = self.found.first_mut().filter(|p| p.detail.contains("field")) {
            first.suggestion = Some(format!(
                "quote a field that holds {:?}, or name another delimiter in options",
                char::from(delimiter)
            ));
        }
        if self.n_more > 0 {
            self.found.push(Problem::new("/file", format!("and {} more like these", self.n_more)));
        }
        Err(CsvError::Invalid(self.found))
    }
}

/// What is known of a column so far.
#[derive(Clone, Debug, Default)]
struct Inferred {
    not_numeric: bool,
    not_boolean: bool,
    any_value: bool,
    any_inexact_integer: bool,
    n_infinite: usize,
    first_infinite: Option<Place>,
}

impl Inferred {
    fn observe(&mut self, text: &str, place: Place) {
        if is_missing(text) {
            return;
        }
        self.any_value = true;
        if !self.not_boolean && parse_boolean(text).is_none() {
            self.not_boolean = true;
        }
        if !self.not_numeric {
            let text = text.trim();
            match text.parse::<f64>() {
                Ok(_) if is_inexact_integer(text) => self.any_inexact_integer = true,
                Ok(value) if value.is_finite() => {}
                Ok(_) => {
                    self.n_infinite += 1;
                    self.first_infinite.get_or_insert(place);
                }
                Err(_) => self.not_numeric = true,
            }
        }
    }

    fn column_type(&self) -> ColumnType {
        if self.any_value && !self.not_boolean {
            ColumnType::Boolean
        } else if self.not_numeric || self.any_inexact_integer {
            ColumnType::Categorical
        } else {
            ColumnType::Numeric
        }
    }

    fn is_kept_as_text(&self) -> bool {
        !self.not_numeric && self.any_inexact_integer
    }

    /// In a column of words, "infinity" is a word; among numbers it is a value nobody can train on.
    fn report_infinities(&self, name: &str, problems: &mut Problems) {
        let numeric = self.column_type() == ColumnType::Numeric;
        if let (true, Some(place)) = (numeric, self.first_infinite) {
            problems.push(format!(
                "column {:?} holds {} value{} beyond the finite numbers, first in {place}",
                short(name),
                self.n_infinite,
                if self.n_infinite == 1 { "" } else { "s" },
            ));
        }
    }
}

enum Builder {
    Numeric(Vec<f64>),
    Boolean(Vec<Option<bool>>),
    Categorical { codes: Vec<u32>, index: HashMap<String, u32> },
}

impl Builder {
    fn new(kind: ColumnType) -> Self {
        match kind {
            ColumnType::Numeric => Self::Numeric(Vec::new()),
            ColumnType::Boolean => Self::Boolean(Vec::new()),
            // Inference finds no other type.
            _ => Self::Categorical { codes: Vec::new(), index: HashMap::new() },
        }
    }

    /// `None` when the text is not of the column's type.
    fn push(&mut self, text: &str) -> Option<()> {
        let missing = is_missing(text);
        match self {
            Self::Numeric(rows) => {
                rows.push(if missing { f64::NAN } else { text.trim().parse().ok()? });
            }
            Self::Boolean(rows) => {
                rows.push(if missing { None } else { Some(parse_boolean(text)?) });
            }
            Self::Categorical { codes, .. } if missing => codes.push(MISSING_CODE),
            Self::Categorical { codes, index } => {
                let next = u32::try_from(index.len()).ok().filter(|next| *next != MISSING_CODE)?;
                let code = match index.get(text) {
                    Some(code) => *code,
                    None => *index.entry(text.to_owned()).or_insert(next),
                };
                codes.push(code);
            }
        }
        Some(())
    }

    fn finish(self) -> Values {
        match self {
            Self::Numeric(rows) => Values::Numeric(rows),
            Self::Boolean(rows) => Values::Boolean(rows),
            Self::Categorical { mut codes, index } => {
                let mut by_name: Vec<(String, u32)> = index.into_iter().collect();
                by_name.sort_unstable();
                let mut sorted_code = vec![0; by_name.len()];
                for (sorted, (_, code)) in by_name.iter().enumerate() {
                    sorted_code[*code as usize] = sorted as u32;
                }
                for code in codes.iter_mut().filter(|code| **code != MISSING_CODE) {
                    *code = sorted_code[*code as usize];
                }
                let categories = by_name.into_iter().map(|(name, _)| name).collect();
                Values::Categorical { codes, categories }
            }
        }
    }
}

#[cfg(test)]
mod tests;
