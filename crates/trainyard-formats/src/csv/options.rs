//! What a caller may say about a file, and what was found where nothing was said.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use trainyard_learn::problem::Problem;
use trainyard_learn::table::ColumnType;

use super::encoding::Encoding;
use super::missing::MissingValues;
use super::number::NumberFormat;
use super::scan::Dialect;

/// What the caller says about a file; anything left out is found from the content. What was found
/// is told in the same form, and a file read again with that is the same table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct CsvOptions {
    /// Whether the first row names the columns. Left out, it does unless it holds a number.
    pub header: Option<bool>,
    /// The one ASCII character between fields. A space stands for any number of them.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<String>,
    /// Lines before the first row that are no part of the table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_rows: Option<usize>,
    /// The one ASCII character around a field that holds a delimiter or a newline; empty for none.
    #[cfg_attr(feature = "openapi", schema(max_length = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quote: Option<String>,
    /// The one ASCII character before a character that is meant literally; empty for none, where
    /// a quote in a quoted field is written twice.
    #[cfg_attr(feature = "openapi", schema(max_length = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escape: Option<String>,
    /// Whether spaces after a delimiter are no part of the field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trim: Option<bool>,
    /// The beginning of lines that are no rows, such as `#`; empty for none.
    #[cfg_attr(feature = "openapi", schema(max_length = 8))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// What stands before the fraction of a number: `.` or `,`.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decimal: Option<String>,
    /// The one character between groups of three digits; empty for none.
    #[cfg_attr(feature = "openapi", schema(max_length = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thousands: Option<String>,
    /// How the bytes are to be read as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
    /// Texts that stand for a missing value, beside the usual ones. A number among them stands for
    /// its value, however that is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub na_values: Option<Vec<String>>,
    /// Whether the usual texts (`NA`, `null`, `nan` and the others that pandas knows, and nothing
    /// at all) stand for a missing value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_na: Option<bool>,
    /// Whether 3/4/2024 is in April. Left out, it is where another row of the column has no month
    /// in second place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day_first: Option<bool>,
    /// The same of single columns, by name, before what `day_first` says of all. What was found of
    /// columns is told here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day_first_columns: Option<BTreeMap<String, bool>>,
    /// The types of columns, by name, where they are not to be found from the content. A value that
    /// is not of the type is then an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub types: Option<BTreeMap<String, ColumnType>>,
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

/// The options that were given, each checked; `None` is still to be found.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) delimiter: Option<u8>,
    pub(super) quote: Option<Option<u8>>,
    pub(super) escape: Option<Option<u8>>,
    pub(super) comment: Option<Option<Vec<u8>>>,
    pub(super) decimal: Option<char>,
    pub(super) thousands: Option<Option<char>>,
    pub(super) missing: MissingValues,
}

impl CsvOptions {
    /// Each option in the form in which it is used, or what is wrong with them.
    pub(super) fn check(&self) -> Result<Given, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut byte = |field: &str, text: &Option<String>, may_be_empty: bool| match text
            .as_deref()
            .map(str::as_bytes)
        {
            None => None,
            Some([]) if may_be_empty => Some(None),
            Some([byte]) if byte.is_ascii() && !matches!(byte, b'\n' | b'\r') => Some(Some(*byte)),
            Some(_) => {
                problems.push(must(field, "must be one ASCII character, no newline", &[]));
                None
            }
        };
        let delimiter = byte("delimiter", &self.delimiter, false).flatten();
        let quote = byte("quote", &self.quote, true);
        let escape = byte("escape", &self.escape, true);
        // A quote that is not named is the double one.
        let quote_byte = quote.unwrap_or(Some(b'"'));
        if delimiter.is_some() && delimiter == quote_byte {
            let detail = "must be one ASCII character, no quote or newline";
            problems.push(must("delimiter", detail, &[",", ";", "\\t"]));
        }
        if let Some(Some(escape)) = escape
            && (Some(escape) == delimiter || Some(escape) == quote_byte)
        {
            problems.push(must("escape", "must be neither the delimiter nor the quote", &["\\\\"]));
        }
        let comment = self.comment.as_deref().map(|text| {
            if text.contains(['\n', '\r']) || text.len() > 8 {
                problems.push(must("comment", "must be at most 8 bytes, no newline", &["#"]));
            }
            Some(text.as_bytes().to_vec()).filter(|text| !text.is_empty())
        });
        let decimal = match self.decimal.as_deref() {
            None => None,
            Some(".") => Some('.'),
            Some(",") => Some(','),
            Some(_) => {
                problems.push(must("decimal", "must be a point or a comma", &[".", ","]));
                None
            }
        };
        let thousands = self.thousands.as_deref().map(|text| {
            let mut characters = text.chars();
            let first = characters.next();
            let bad = |c: char| c.is_alphanumeric() || "+-\n\r".contains(c);
            if characters.next().is_some() || first.is_some_and(bad) {
                let detail = "must be one character, no letter, digit, sign or newline";
                problems.push(must("thousands", detail, &[",", ".", "'"]));
            }
            if first.is_some() && first == Some(decimal.unwrap_or('.')) {
                let detail = "must not be what stands before the fraction";
                problems.push(must("thousands", detail, &[]));
            }
            first
        });
        for (name, kind) in self.types.iter().flatten() {
            if *kind == ColumnType::Tensor {
                let detail = format!("column {name:?}: a tensor is not read from CSV");
                problems.push(must("types", &detail, &["numeric", "categorical", "text"]));
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let missing = MissingValues::new(
            self.default_na.unwrap_or(true),
            self.na_values.as_deref().unwrap_or_default(),
        );
        Ok(Given { delimiter, quote, escape, comment, decimal, thousands, missing })
    }

    /// Whether the dates of a column have the day first, as far as it is said.
    pub fn day_first_of(&self, column: &str) -> Option<bool> {
        let of_column = self.day_first_columns.as_ref().and_then(|columns| columns.get(column));
        of_column.copied().or(self.day_first)
    }

    /// What is said of values, and not of how a file is laid out: another file that is to be read as
    /// this one was takes these.
    #[must_use]
    pub fn of_values(&self) -> Self {
        Self {
            decimal: self.decimal.clone(),
            thousands: self.thousands.clone(),
            na_values: self.na_values.clone(),
            default_na: self.default_na,
            day_first: self.day_first,
            day_first_columns: self.day_first_columns.clone(),
            ..Self::default()
        }
    }

    /// What was found, in the form in which it could have been given.
    pub(super) fn resolved(
        &self,
        dialect: &Dialect,
        numbers: NumberFormat,
        encoding: Encoding,
        header: bool,
        skip_rows: usize,
    ) -> Self {
        let text = |byte: Option<u8>| byte.map(|b| char::from(b).to_string()).unwrap_or_default();
        let comment = dialect.comment.as_deref().unwrap_or_default();
        Self {
            header: Some(header),
            delimiter: Some(text(Some(dialect.delimiter))),
            skip_rows: Some(skip_rows),
            quote: Some(text(dialect.quote)),
            escape: Some(text(dialect.escape)),
            trim: Some(dialect.trim),
            comment: Some(String::from_utf8_lossy(comment).into_owned()),
            decimal: Some(numbers.decimal.to_string()),
            thousands: Some(numbers.thousands.map(String::from).unwrap_or_default()),
            encoding: Some(encoding),
            na_values: Some(self.na_values.clone().unwrap_or_default()),
            default_na: Some(self.default_na.unwrap_or(true)),
            day_first: self.day_first,
            day_first_columns: self.day_first_columns.clone(),
            types: self.types.clone(),
        }
    }
}

fn must(field: &str, detail: &str, examples: &[&str]) -> Problem {
    let problem = Problem::new(format!("/options/{field}"), detail);
    if examples.is_empty() {
        return problem;
    }
    let quoted: Vec<String> = examples.iter().map(|example| format!("\"{example}\"")).collect();
    problem.suggest(quoted.join(" or "))
}
