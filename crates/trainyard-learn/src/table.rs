//! A table in memory: named, typed columns of equal length.
//!
//! Missing values stay missing here; what to do about them is decided by whoever trains on the
//! table. Start reading at [`Table`]; [`crate::describe`] says what is in one. Files become tables
//! elsewhere.

mod ranks;

use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::kernels::Numbers;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// Finite numbers.
    Numeric,
    /// The words `true` and `false`, in any case.
    Boolean,
    /// Short texts of which some or all come again.
    Categorical,
    /// Moments.
    Datetime,
    /// Prose, or what else is written anew in most rows.
    Text,
    /// Arrays of numbers, all of one shape.
    Tensor,
}

impl ColumnType {
    /// Whether its values are numbers, or booleans that stand for 0 and 1.
    pub fn is_number(self) -> bool {
        matches!(self, Self::Numeric | Self::Boolean)
    }
}

/// Named columns of equal length.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    n_rows: usize,
    columns: Vec<Column>,
}

/// One named column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name, unique in its table.
    pub name: String,
    /// Its values, one a row.
    pub values: Values,
}

/// A column's values, one a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Finite numbers; NaN where missing.
    Numeric(Numbers<f64>),
    /// `None` where missing.
    Boolean(Vec<Option<bool>>),
    /// Text as indices into its sorted, distinct categories; [`MISSING_CODE`] where missing.
    Categorical {
        /// One index a row.
        codes: Vec<u32>,
        /// Sorted by bytes, each present in some row.
        categories: Vec<String>,
    },
    /// Microseconds since 1970 in UTC; [`MISSING_TIME`] where missing.
    Datetime(Vec<i64>),
    /// `None` where missing.
    Text(Vec<Option<Box<str>>>),
    /// Arrays of numbers.
    Tensor {
        /// Of each of them.
        shape: Vec<usize>,
        /// Rows × the product of the shape, the last index fastest.
        values: Numbers<f32>,
    },
}

/// The moment that stands for a missing one.
pub const MISSING_TIME: i64 = i64::MIN;

/// The category index of a missing value.
pub const MISSING_CODE: u32 = u32::MAX;

impl Table {
    /// A table of these columns.
    ///
    /// # Panics
    /// When the columns differ in length, which is a defect in the caller.
    pub fn new(columns: Vec<Column>) -> Self {
        let n_rows = columns.first().map_or(0, |column| column.values.len());
        assert!(columns.iter().all(|c| c.values.len() == n_rows), "columns differ in length");
        Self { n_rows, columns }
    }

    /// How many rows there are.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Bytes of memory that its values take, about; those in a mapped file take none.
    pub fn size_bytes(&self) -> usize {
        self.columns.iter().map(|column| column.values.size_bytes()).sum()
    }

    /// Bytes of its values, wherever they are.
    pub fn n_bytes(&self) -> usize {
        self.columns.iter().map(|column| column.values.n_bytes()).sum()
    }

    /// Bytes of those of its values that no file can hold in memory's place.
    pub fn memory_bytes(&self) -> usize {
        let in_memory =
            |column: &&Column| !matches!(column.values, Values::Numeric(_) | Values::Tensor { .. });
        self.columns.iter().filter(in_memory).map(|column| column.values.n_bytes()).sum()
    }

    /// The same table with all its values in memory.
    #[must_use]
    pub fn into_memory(mut self) -> Self {
        self.columns.iter_mut().for_each(|column| column.values.take_to_memory());
        self
    }

    /// Gives what was looked at of mapped files back to the system.
    pub fn let_go(&self) {
        self.columns.iter().for_each(|column| column.values.let_go());
    }

    /// The columns, in the file's order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The named columns as a row-major matrix, n_rows × names; booleans are 0 and 1.
    ///
    /// `None` when a name is absent, a column holds neither numbers nor booleans, or a value is missing: a checked job never
    /// asks for such a column.
    pub fn matrix(&self, names: &[String]) -> Option<Array2<f64>> {
        let mut x = Array2::zeros((self.n_rows, names.len()));
        for (name, mut target) in names.iter().zip(x.columns_mut()) {
            match &self.column(name)?.values {
                Values::Numeric(values) => {
                    if values.iter().any(|value| value.is_nan()) {
                        return None;
                    }
                    target.iter_mut().zip(values).for_each(|(to, from)| *to = *from);
                }
                Values::Boolean(values) => {
                    for (to, from) in target.iter_mut().zip(values) {
                        *to = f64::from(u8::from((*from)?));
                    }
                }
                Values::Categorical { .. }
                | Values::Datetime(_)
                | Values::Text(_)
                | Values::Tensor { .. } => return None,
            }
        }
        Some(x)
    }

    /// The named column as indices into `classes`, matched by [`Values::text`].
    ///
    /// `None` when the column is absent or holds a value that is no class.
    pub fn class_indices(&self, name: &str, classes: &[String]) -> Option<Vec<u32>> {
        let values = &self.column(name)?.values;
        let index_of = |text: &str| classes.iter().position(|class| class == text);
        match values {
            // Text is matched once a category, not once a row.
            Values::Categorical { codes, categories } => {
                let lookup: Vec<Option<usize>> = categories.iter().map(|c| index_of(c)).collect();
                codes.iter().map(|code| Some((*lookup.get(*code as usize)?)? as u32)).collect()
            }
            Values::Boolean(rows) => {
                let lookup = [index_of("false"), index_of("true")];
                rows.iter().map(|row| Some(lookup[usize::from((*row)?)]? as u32)).collect()
            }
            Values::Numeric(rows) => {
                let classes: Vec<f64> =
                    classes.iter().map(|class| class.parse().ok()).collect::<Option<_>>()?;
                rows.iter()
                    .map(|row| Some(classes.iter().position(|class| class == row)? as u32))
                    .collect()
            }
            Values::Datetime(_) | Values::Text(_) | Values::Tensor { .. } => None,
        }
    }
}

impl Values {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Numeric(rows) => rows.len(),
            Self::Boolean(rows) => rows.len(),
            Self::Categorical { codes, .. } => codes.len(),
            Self::Datetime(rows) => rows.len(),
            Self::Text(rows) => rows.len(),
            Self::Tensor { shape, values } => values.len() / shape.iter().product::<usize>().max(1),
        }
    }

    /// Whether a row has no value.
    pub fn has_gaps(&self) -> bool {
        match self {
            Self::Numeric(rows) => has_nan(rows),
            Self::Boolean(rows) => rows.contains(&None),
            Self::Categorical { codes, .. } => codes.contains(&MISSING_CODE),
            Self::Datetime(rows) => rows.contains(&MISSING_TIME),
            Self::Text(rows) => rows.contains(&None),
            Self::Tensor { .. } => false,
        }
    }

    fn size_bytes(&self) -> usize {
        match self {
            Self::Numeric(rows) if rows.is_mapped() => 0,
            Self::Tensor { values, .. } if values.is_mapped() => 0,
            _ => self.n_bytes(),
        }
    }

    fn take_to_memory(&mut self) {
        match self {
            Self::Numeric(rows) => rows.take_to_memory(),
            Self::Tensor { values, .. } => values.take_to_memory(),
            _ => {}
        }
    }

    fn n_bytes(&self) -> usize {
        match self {
            Self::Numeric(rows) => size_of_val(&**rows),
            Self::Boolean(rows) => size_of_val(rows.as_slice()),
            Self::Categorical { codes, categories } => {
                let text: usize = categories.iter().map(String::len).sum();
                size_of_val(codes.as_slice()) + size_of_val(categories.as_slice()) + text
            }
            Self::Datetime(rows) => size_of_val(rows.as_slice()),
            Self::Text(rows) => {
                let text: usize = rows.iter().flatten().map(|text| text.len()).sum();
                size_of_val(rows.as_slice()) + text
            }
            Self::Tensor { values, .. } => size_of_val(&**values),
        }
    }

    /// Gives what was looked at of a mapped file back to the system, if the values lie in one.
    pub fn let_go(&self) {
        match self {
            Self::Numeric(rows) => rows.let_go(),
            Self::Tensor { values, .. } => values.let_go(),
            _ => {}
        }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What kind of column this is.
    pub fn column_type(&self) -> ColumnType {
        match self {
            Self::Numeric(_) => ColumnType::Numeric,
            Self::Boolean(_) => ColumnType::Boolean,
            Self::Categorical { .. } => ColumnType::Categorical,
            Self::Datetime(_) => ColumnType::Datetime,
            Self::Text(_) => ColumnType::Text,
            Self::Tensor { .. } => ColumnType::Tensor,
        }
    }

    /// The value of a row as its shortest text, or `None` where it is missing; a moment by RFC 3339,
    /// and of a tensor nothing.
    pub fn text(&self, row: usize) -> Option<String> {
        match self {
            Self::Numeric(rows) => rows.get(row).filter(|v| !v.is_nan()).map(|v| number_text(*v)),
            Self::Boolean(rows) => rows.get(row).copied().flatten().map(|v| v.to_string()),
            Self::Categorical { codes, categories } => {
                categories.get(*codes.get(row)? as usize).cloned()
            }
            Self::Datetime(rows) => rows
                .get(row)
                .filter(|time| **time != MISSING_TIME)
                .and_then(|time| time_text(*time)),
            Self::Text(rows) => rows.get(row)?.as_deref().map(str::to_owned),
            Self::Tensor { .. } => None,
        }
    }
}

/// Whether a number is missing.
pub(crate) fn has_nan(values: &[f64]) -> bool {
    // Looking at all of a portion is faster than at one after the other.
    values.chunks(1024).any(|part| part.iter().fold(false, |found, value| found | value.is_nan()))
}

/// The shortest decimal text that reads back as the same number; minus zero reads as zero.
pub fn number_text(value: f64) -> String {
    // Adding zero turns -0.0 into 0.0, so that both are one class and one distinct value.
    (value + 0.0).to_string()
}

/// A moment, in microseconds since 1970, by RFC 3339; `None` beyond the calendar.
pub fn time_text(microseconds: i64) -> Option<String> {
    let time = DateTime::from_timestamp_micros(microseconds)?;
    Some(time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

/// A moment in microseconds since 1970, from RFC 3339, or from a date with or without a time of day,
/// which is then UTC; `None` where there is no such date.
pub fn parse_time(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_micros());
    }
    let bare = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    let with_time =
        ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
            .iter()
            .find_map(|format| NaiveDateTime::parse_from_str(bare, format).ok());
    let date = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    Some(with_time.or_else(date)?.and_utc().timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table::new(vec![
            Column { name: "a".into(), values: Values::Numeric(vec![1.0, 2.5].into()) },
            Column { name: "b".into(), values: Values::Boolean(vec![Some(true), Some(false)]) },
            Column {
                name: "c".into(),
                values: Values::Categorical {
                    codes: vec![1, 0],
                    categories: vec!["no".into(), "yes".into()],
                },
            },
            Column { name: "gap".into(), values: Values::Numeric(vec![f64::NAN, 1.0].into()) },
        ])
    }

    #[test]
    fn a_matrix_is_row_major_with_booleans_as_numbers() {
        let x = table().matrix(&["b".into(), "a".into()]).unwrap();
        assert_eq!(x.as_slice().unwrap(), [1.0, 1.0, 0.0, 2.5]);
    }

    #[test]
    fn text_and_missing_values_make_no_matrix() {
        assert!(table().matrix(&["c".into()]).is_none());
        assert!(table().matrix(&["gap".into()]).is_none());
        assert!(table().matrix(&["absent".into()]).is_none());
    }

    #[test]
    fn classes_are_matched_by_their_text() {
        let classes = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(table().class_indices("c", &classes(&["no", "yes"])), Some(vec![1, 0]));
        assert_eq!(table().class_indices("b", &classes(&["false", "true"])), Some(vec![1, 0]));
        assert_eq!(table().class_indices("a", &classes(&["1", "2.5"])), Some(vec![0, 1]));
        assert_eq!(table().class_indices("a", &classes(&["1"])), None);
    }
}
