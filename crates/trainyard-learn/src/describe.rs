//! What is in a table: counts, moments, quantiles and frequent values of each column.

use serde::{Deserialize, Serialize};

use crate::scalar::Scalar;
use crate::table::{Column, ColumnType, Table, Values};

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
    /// Arithmetic mean of the present values; of a boolean column, the share of `true`.
    pub mean: Option<f64>,
    /// Population standard deviation of the present values.
    pub std: Option<f64>,
    /// Smallest present value.
    pub min: Option<f64>,
    /// Largest present value.
    pub max: Option<f64>,
    /// Quantiles of the present values, interpolated linearly, as numpy's default is.
    pub quantiles: Option<Quantiles>,
    /// The most frequent values, most frequent first; empty where more than 1,000 are distinct.
    pub top_values: Vec<ValueCount>,
}

/// Five quantiles.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Quantiles {
    /// 5 % of the values are below.
    pub q05: f64,
    /// A quarter of the values is below.
    pub q25: f64,
    /// The median.
    pub q50: f64,
    /// Three quarters of the values are below.
    pub q75: f64,
    /// 95 % of the values are below.
    pub q95: f64,
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
    /// Every distinct value, ascending; absent where there are more than [`MAX_COUNTED_VALUES`].
    pub values: Option<Vec<ValueCount>>,
}

/// Distinct values are counted up to this many.
pub const MAX_COUNTED_VALUES: usize = 1_000;

const N_TOP_VALUES: usize = 10;

/// Describes every column.
pub fn describe(table: &Table) -> Vec<DescribedColumn> {
    table.columns().iter().map(describe_column).collect()
}

fn describe_column(column: &Column) -> DescribedColumn {
    let (numbers, counts) = match &column.values {
        Values::Numeric(rows) => {
            let mut present: Vec<f64> = rows.iter().copied().filter(|v| !v.is_nan()).collect();
            present.sort_unstable_by(f64::total_cmp);
            let counts = count_runs(&present);
            (Some(present), counts)
        }
        Values::Boolean(rows) => {
            let mut present: Vec<f64> =
                rows.iter().flatten().map(|v| f64::from(u8::from(*v))).collect();
            present.sort_unstable_by(f64::total_cmp);
            let counts = count_runs(&present)
                .into_iter()
                .map(|(value, count)| (Scalar::Boolean(value == Scalar::Number(1.0)), count))
                .collect();
            (Some(present), counts)
        }
        Values::Categorical { codes, categories } => {
            let mut counts = vec![0; categories.len()];
            for code in codes {
                if let Some(count) = counts.get_mut(*code as usize) {
                    *count += 1;
                }
            }
            let named = categories.iter().map(|name| Scalar::Text(name.clone()));
            (None, named.zip(counts).collect::<Vec<_>>())
        }
    };
    let n_present: usize = counts.iter().map(|(_, count)| count).sum();
    let n_unique = counts.len();
    let values: Option<Vec<ValueCount>> = (n_unique <= MAX_COUNTED_VALUES)
        .then(|| counts.into_iter().map(|(value, count)| ValueCount { value, count }).collect());
    let moments = numbers.as_deref().and_then(Moments::of);
    DescribedColumn {
        description: ColumnDescription {
            name: column.name.clone(),
            column_type: column.values.column_type(),
            n_missing: column.values.len() - n_present,
            n_unique,
            mean: moments.as_ref().map(|m| m.mean),
            std: moments.as_ref().map(|m| m.std),
            min: moments.as_ref().map(|m| m.min),
            max: moments.as_ref().map(|m| m.max),
            quantiles: moments.map(|m| m.quantiles),
            top_values: values.as_deref().map(top_values).unwrap_or_default(),
        },
        values,
    }
}

/// Distinct values of sorted numbers with their counts; -0.0 and 0.0 are one value.
fn count_runs(sorted: &[f64]) -> Vec<(Scalar, usize)> {
    sorted.chunk_by(|a, b| a == b).map(|run| (Scalar::Number(run[0] + 0.0), run.len())).collect()
}

fn top_values(values: &[ValueCount]) -> Vec<ValueCount> {
    let mut top: Vec<&ValueCount> = values.iter().collect();
    top.sort_by_key(|value| std::cmp::Reverse(value.count));
    top.into_iter().take(N_TOP_VALUES).cloned().collect()
}

struct Moments {
    mean: f64,
    std: f64,
    min: f64,
    max: f64,
    quantiles: Quantiles,
}

impl Moments {
    /// `None` without a value. Values near the largest number may overflow the sum; what is then
    /// not finite is shown as absent by whoever writes it out.
    fn of(sorted: &[f64]) -> Option<Self> {
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let n = sorted.len() as f64;
        let mean = sorted.iter().sum::<f64>() / n;
        let variance = sorted.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n;
        let q = |p| quantile(sorted, p);
        let quantiles =
            Quantiles { q05: q(0.05), q25: q(0.25), q50: q(0.5), q75: q(0.75), q95: q(0.95) };
        Some(Self { mean, std: variance.sqrt(), min, max, quantiles })
    }
}

/// The p-quantile of sorted values by linear interpolation (Hyndman and Fan's type 7).
fn quantile(sorted: &[f64], p: f64) -> f64 {
    let position = p * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (position - below as f64)
}

/// Whether the column is numeric and holds whole numbers only.
pub fn is_whole(column: &DescribedColumn) -> bool {
    column.description.column_type == ColumnType::Numeric
        && column.values.as_ref().is_some_and(|values| {
            values.iter().all(|v| matches!(v.value, Scalar::Number(n) if n.fract() == 0.0))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric(values: Vec<f64>) -> DescribedColumn {
        describe_column(&Column { name: "a".into(), values: Values::Numeric(values) })
    }

    #[test]
    fn a_numeric_column() {
        // numpy: mean, std, quantile([.05, .25, .5, .75, .95]) of [4, 1, 2, 2].
        let found = numeric(vec![4.0, 1.0, f64::NAN, 2.0, 2.0]);
        let d = &found.description;
        assert_eq!((d.n_missing, d.n_unique), (1, 3));
        assert_eq!((d.mean, d.min, d.max), (Some(2.25), Some(1.0), Some(4.0)));
        assert!((d.std.unwrap() - 1.089_724_735_885_168_3).abs() < 1e-15);
        let q = d.quantiles.unwrap();
        for (found, expected) in
            [(q.q05, 1.15), (q.q25, 1.75), (q.q50, 2.0), (q.q75, 2.5), (q.q95, 3.7)]
        {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
        assert_eq!(d.top_values[0], ValueCount { value: Scalar::Number(2.0), count: 2 });
        assert!(is_whole(&found));
    }

    #[test]
    fn zero_has_one_sign() {
        assert_eq!(numeric(vec![0.0, -0.0]).description.n_unique, 1);
    }

    #[test]
    fn nothing_present_has_no_moments() {
        let found = numeric(vec![f64::NAN]);
        assert_eq!((found.description.n_missing, found.description.mean), (1, None));
    }

    #[test]
    fn values_are_counted_only_while_they_are_few() {
        let found = numeric((0..1001).map(f64::from).collect());
        assert_eq!((found.description.n_unique, found.values), (1001, None));
    }
}
