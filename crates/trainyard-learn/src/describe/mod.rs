//! What is in a table: counts, moments, quantiles, histograms and frequent values of each column.
//!
//! Start reading at [`describe_on`]. Every number is exact, and the same at any number of threads:
//! a column is one thread's business.

mod bound;
mod counted;
mod histogram;
mod moments;
mod ordered;

use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};

use crate::scalar::Scalar;
use crate::table::{Column, ColumnType, MISSING_TIME, Table, Values};
pub use bound::Bound;
use counted::Counted;
pub use histogram::{Histogram, MAX_BINS};
use moments::Moments;
use ordered::Ordered;

/// A column's content in a few numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ColumnDescription {
    /// The column's name.
    pub name: String,
    /// What it holds.
    #[serde(rename = "type")]
    pub column_type: ColumnType,
    /// Rows without a value.
    pub n_missing: usize,
    /// Distinct values, the missing one not counted.
    pub n_unique: usize,
    /// Arithmetic mean of the present values; of a boolean column, the share of `true`. Absent, as
    /// every number here, where it is beyond the finite numbers.
    pub mean: Option<f64>,
    /// Population standard deviation of the present values.
    pub std: Option<f64>,
    /// Smallest present value; of a datetime column the earliest moment.
    pub min: Option<Bound>,
    /// Largest present value; of a datetime column the latest moment.
    pub max: Option<Bound>,
    /// Quantiles of the present values of a column of numbers, interpolated linearly, as numpy's
    /// default is.
    pub quantiles: Option<Quantiles>,
    /// How the numbers or moments are spread; absent of other columns, without a value, and where
    /// the values span more than the finite numbers.
    #[serde(default)]
    pub histogram: Option<Histogram>,
    /// The most frequent values, most frequent first. Where more than 1,000 are distinct, or the
    /// distinct ones are longer than 64 KiB together, only those that are there more than once, and
    /// no long texts.
    pub top_values: Vec<ValueCount>,
    /// Of a tensor column, the lengths of each value's dimensions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Vec<usize>>,
}

impl ColumnDescription {
    /// The smallest number, or nothing of a column that holds none.
    pub fn least(&self) -> Option<f64> {
        self.min.and_then(Bound::as_number)
    }

    /// The largest number, or nothing of a column that holds none.
    pub fn most(&self) -> Option<f64> {
        self.max.and_then(Bound::as_number)
    }
}

/// Five quantiles, each absent where it is beyond the finite numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Quantiles {
    /// 5 % of the values are below.
    pub q05: Option<f64>,
    /// A quarter of the values is below.
    pub q25: Option<f64>,
    /// The median.
    pub q50: Option<f64>,
    /// Three quarters of the values are below.
    pub q75: Option<f64>,
    /// 95 % of the values are below.
    pub q95: Option<f64>,
}

/// A value and how many rows have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ValueCount {
    /// The value as the user wrote it.
    pub value: Scalar,
    /// Rows that have it.
    pub count: usize,
}

/// A column's description beside all its distinct values, which the choice of classes needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DescribedColumn {
    /// What a user is shown.
    #[serde(flatten)]
    pub description: ColumnDescription,
    /// Every distinct value, ascending; absent where there are more than [`MAX_COUNTED_VALUES`] or
    /// their text is longer than [`MAX_COUNTED_BYTES`].
    pub values: Option<Vec<ValueCount>>,
}

impl DescribedColumn {
    /// Whether a numeric column has values and yet lacks its mean, its deviation or a quantile,
    /// because the result is beyond the finite numbers.
    pub fn overflowed(&self) -> bool {
        let column = &self.description;
        column.column_type == ColumnType::Numeric
            && column.n_unique > 0
            && (column.mean.is_none()
                || column.std.is_none()
                || column.quantiles.is_none_or(|q| {
                    [q.q05, q.q25, q.q50, q.q75, q.q95].iter().any(Option::is_none)
                }))
    }
}

/// Distinct values are counted up to this many.
pub const MAX_COUNTED_VALUES: usize = 1_000;

/// Distinct texts are counted up to this many bytes of them together, since a description is
/// stored whole and a thousand essays are no classes.
pub const MAX_COUNTED_BYTES: usize = 64 << 10;

/// Describes every column on the caller's thread.
pub fn describe(table: &Table) -> Vec<DescribedColumn> {
    describe_on(table, 1)
}

/// Describes every column, each on one of up to `n_threads` threads, the caller's among them. A
/// thread needs eight bytes a row to work in.
pub fn describe_on(table: &Table, n_threads: usize) -> Vec<DescribedColumn> {
    let columns = table.columns();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut buffer = Vec::new();
        let mut found = Vec::new();
        while let Some((index, column)) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            columns.get(index).map(|column| (index, column))
        } {
            found.push((index, describe_column(column, &mut buffer)));
            column.values.let_go();
        }
        found
    };
    let mut found = std::thread::scope(|scope| {
        let helpers: Vec<_> =
            (1..n_threads.min(columns.len())).map(|_| scope.spawn(work)).collect();
        let mut found = work();
        for helper in helpers {
            match helper.join() {
                Ok(more) => found.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        found
    });
    found.sort_unstable_by_key(|(index, _)| *index);
    found.into_iter().map(|(_, column)| column).collect()
}

/// `buffer` is room to work in, kept from one column to the next.
fn describe_column(column: &Column, buffer: &mut Vec<u64>) -> DescribedColumn {
    let mut description = ColumnDescription {
        name: column.name.clone(),
        column_type: column.values.column_type(),
        n_missing: 0,
        n_unique: 0,
        mean: None,
        std: None,
        min: None,
        max: None,
        quantiles: None,
        histogram: None,
        top_values: Vec::new(),
        shape: None,
    };
    let counted = match &column.values {
        Values::Numeric(rows) => {
            let present = rows.iter().copied().filter(|v| !v.is_nan());
            let values = Ordered::new(present, buffer);
            describe_numbers(&values, &mut description);
            let iqr = description.quantiles.and_then(|q| Some(q.q75? - q.q25?));
            description.histogram = iqr.and_then(|iqr| histogram::of_numbers(&values, iqr));
            Counted::ordered(&values, Scalar::Number)
        }
        Values::Boolean(rows) => {
            let present = rows.iter().flatten().map(|v| f64::from(u8::from(*v)));
            let values = Ordered::new(present, buffer);
            describe_numbers(&values, &mut description);
            Counted::ordered(&values, |v| Scalar::Boolean(v == 1.0))
        }
        Values::Categorical { codes, categories } => Counted::codes(codes, categories),
        Values::Datetime(rows) => {
            let present = rows.iter().copied().filter(|t| *t != MISSING_TIME);
            let values = Ordered::new(present, buffer);
            if let Some((first, last)) = values.ends() {
                description.min = Bound::moment(first);
                description.max = Bound::moment(last);
            }
            description.histogram = histogram::of_moments(&values);
            Counted::moments(&values)
        }
        Values::Text(rows) => Counted::texts(rows),
        Values::Tensor { shape, values } => {
            description.shape = Some(shape.clone());
            if let Some(moments) = Moments::of_tensor(values) {
                moments.into(&mut description);
            }
            Counted::none(column.values.len())
        }
    };
    description.n_missing = column.values.len() - counted.n_present;
    description.n_unique = counted.n_unique;
    description.top_values = counted.top;
    DescribedColumn { description, values: counted.values }
}

fn describe_numbers(values: &Ordered<'_, f64>, description: &mut ColumnDescription) {
    if let Some(moments) = Moments::of(values) {
        description.quantiles = Some(moments::quantiles(values));
        moments.into(description);
    }
}

/// Whether the column is numeric and holds whole numbers only.
pub fn is_whole(column: &DescribedColumn) -> bool {
    column.description.column_type == ColumnType::Numeric
        && column.values.as_ref().is_some_and(|values| {
            values.iter().all(|v| matches!(v.value, Scalar::Number(n) if n.fract() == 0.0))
        })
}

#[cfg(test)]
mod tests;
