//! What a file is, apart from what is in it, and that reading it again as that gives the same.

use std::io::Read;

use trainyard_learn::table::{ColumnType, Table};

use super::super::problems::invalid;
use super::super::{CsvError, CsvLimits, CsvOptions, CsvTable, read};

/// What [`infer`] found; with it [`read_as`] decides nothing anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CsvSchema {
    /// Whether the first row names the columns.
    pub(super) header: bool,
    /// The byte between fields.
    pub(super) delimiter: u8,
    /// Unique names, from the header or `x0 … x{n-1}`.
    pub(super) names: Vec<String>,
    /// One type a column.
    pub(super) types: Vec<ColumnType>,
    /// Rows, the header not counted.
    pub(super) n_rows: usize,
    /// Columns whose name was empty in the header and which were named by their position.
    pub(super) unnamed: Vec<String>,
    /// Columns of numbers that are read as text, since they are identifiers rather than quantities:
    /// whole numbers with leading zeros, or beyond 2⁵³, would lose digits.
    pub(super) kept_as_text: Vec<String>,
    /// How the file is written, as far as it is more than the header and the delimiter.
    pub(super) options: CsvOptions,
}

/// Finds what a file is. It is read into memory whole.
///
/// # Errors
/// As [`read`], and [`CsvError::Io`] when the reader fails.
pub(super) fn infer(
    mut reader: impl Read,
    options: &CsvOptions,
    limits: &CsvLimits,
) -> Result<CsvSchema, CsvError> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes)?;
    let CsvTable { table, options, notes } = read(&bytes, options, limits, 1)?;
    let noted = |code: &str| {
        let of_code = notes.iter().filter(|note| note.code == code);
        of_code.filter_map(|note| note.column.clone()).collect()
    };
    let delimiter = options.delimiter.as_ref().and_then(|text| text.bytes().next());
    Ok(CsvSchema {
        header: options.header.unwrap_or(true),
        delimiter: delimiter.unwrap_or(b','),
        names: table.columns().iter().map(|column| column.name.clone()).collect(),
        types: table.columns().iter().map(|column| column.values.column_type()).collect(),
        n_rows: table.n_rows(),
        unnamed: noted("unnamed_column"),
        kept_as_text: noted("kept_as_text"),
        options,
    })
}

/// Builds the columns of a file that [`infer`] found to be a table, of the types that it found.
///
/// # Errors
/// As [`infer`]; after it, only when the content has changed since.
pub(super) fn read_as(
    mut reader: impl Read,
    schema: &CsvSchema,
    limits: &CsvLimits,
) -> Result<Table, CsvError> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes)?;
    let types = schema.names.iter().cloned().zip(schema.types.iter().copied());
    let options = CsvOptions {
        header: Some(schema.header),
        delimiter: Some(char::from(schema.delimiter).to_string()),
        types: Some(types.collect()),
        ..schema.options.clone()
    };
    let table = read(&bytes, &options, limits, 1)?.table;
    let same = table.columns().iter().map(|column| &column.name).eq(&schema.names);
    if same && table.n_rows() == schema.n_rows {
        return Ok(table);
    }
    Err(invalid("the content differs from what was described at upload", "upload it again"))
}
