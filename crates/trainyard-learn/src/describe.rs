//! What is in a table: counts, moments, quantiles and frequent values of each column.

use serde::{Deserialize, Serialize};

use crate::scalar::Scalar;
use crate::table::{Column, ColumnType, MISSING_CODE, MISSING_TIME, Table, Values, time_text};

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
    /// Smallest present value.
    pub min: Option<f64>,
    /// Largest present value.
    pub max: Option<f64>,
    /// Quantiles of the present values, interpolated linearly, as numpy's default is.
    pub quantiles: Option<Quantiles>,
    /// The most frequent values, most frequent first; empty where more than 1,000 are distinct or
    /// the distinct ones are longer than 64 KiB together.
    pub top_values: Vec<ValueCount>,
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

const N_TOP_VALUES: usize = 10;

/// Describes every column.
pub fn describe(table: &Table) -> Vec<DescribedColumn> {
    table.columns().iter().map(describe_column).collect()
}

fn describe_column(column: &Column) -> DescribedColumn {
    let (moments, counted) = match &column.values {
        Values::Numeric(rows) => {
            let mut present: Vec<f64> = rows.iter().copied().filter(|v| !v.is_nan()).collect();
            present.sort_unstable_by(f64::total_cmp);
            (Moments::of(&present), Counted::runs(&present, Scalar::Number))
        }
        Values::Boolean(rows) => {
            let mut present: Vec<f64> =
                rows.iter().flatten().map(|v| f64::from(u8::from(*v))).collect();
            present.sort_unstable_by(f64::total_cmp);
            (Moments::of(&present), Counted::runs(&present, |v| Scalar::Boolean(v == 1.0)))
        }
        Values::Categorical { codes, categories } => (None, Counted::codes(codes, categories)),
        Values::Datetime(rows) => (None, Counted::times(rows)),
        Values::Text(rows) => (None, Counted::texts(rows)),
        // A tensor has no missing values, and nobody asks how many of them are alike.
        Values::Tensor { .. } => {
            let n_present = column.values.len();
            (None, Counted { n_present, n_unique: n_present, values: None })
        }
    };
    DescribedColumn {
        description: ColumnDescription {
            name: column.name.clone(),
            column_type: column.values.column_type(),
            n_missing: column.values.len() - counted.n_present,
            n_unique: counted.n_unique,
            mean: moments.as_ref().and_then(|m| m.mean),
            std: moments.as_ref().and_then(|m| m.std),
            min: moments.as_ref().and_then(|m| m.min),
            max: moments.as_ref().and_then(|m| m.max),
            quantiles: moments.map(|m| m.quantiles),
            top_values: counted.values.as_deref().map(top_values).unwrap_or_default(),
        },
        values: counted.values,
    }
}

/// How often each value is there; the values themselves only while they are few and short.
struct Counted {
    n_present: usize,
    n_unique: usize,
    values: Option<Vec<ValueCount>>,
}

impl Counted {
    /// Distinct values of sorted numbers with their counts; -0.0 and 0.0 are one value.
    fn runs(sorted: &[f64], scalar: impl Fn(f64) -> Scalar) -> Self {
        let runs = || sorted.chunk_by(|a, b| a == b);
        let n_unique = runs().count();
        let values = (n_unique <= MAX_COUNTED_VALUES).then(|| {
            let count = |run: &[f64]| ValueCount { value: scalar(run[0] + 0.0), count: run.len() };
            runs().map(count).collect()
        });
        Self { n_present: sorted.len(), n_unique, values }
    }

    fn times(rows: &[i64]) -> Self {
        let mut present: Vec<i64> = rows.iter().copied().filter(|t| *t != MISSING_TIME).collect();
        present.sort_unstable();
        Self::sorted(&present, |time| time_text(*time).unwrap_or_default())
    }

    fn texts(rows: &[Option<Box<str>>]) -> Self {
        let mut present: Vec<&str> = rows.iter().flatten().map(|text| &**text).collect();
        present.sort_unstable();
        Self::sorted(&present, |text| (*text).to_owned())
    }

    fn sorted<T: PartialEq>(sorted: &[T], text: impl Fn(&T) -> String) -> Self {
        let runs = || sorted.chunk_by(T::eq);
        let n_unique = runs().count();
        let values = (n_unique <= MAX_COUNTED_VALUES).then(|| {
            let count =
                |run: &[T]| ValueCount { value: Scalar::Text(text(&run[0])), count: run.len() };
            runs().map(count).collect()
        });
        let bytes = |values: &Vec<ValueCount>| -> usize {
            values.iter().map(|value| value.value.text().len()).sum()
        };
        let values = values.filter(|values| bytes(values) <= MAX_COUNTED_BYTES);
        Self { n_present: sorted.len(), n_unique, values }
    }

    fn codes(codes: &[u32], categories: &[String]) -> Self {
        let n_present = codes.iter().filter(|code| **code != MISSING_CODE).count();
        let few = categories.len() <= MAX_COUNTED_VALUES
            && categories.iter().map(String::len).sum::<usize>() <= MAX_COUNTED_BYTES;
        let values = few.then(|| {
            let mut values: Vec<ValueCount> = categories
                .iter()
                .map(|name| ValueCount { value: Scalar::Text(name.clone()), count: 0 })
                .collect();
            for code in codes {
                if let Some(value) = values.get_mut(*code as usize) {
                    value.count += 1;
                }
            }
            values
        });
        Self { n_present, n_unique: categories.len(), values }
    }
}

fn top_values(values: &[ValueCount]) -> Vec<ValueCount> {
    let mut top: Vec<&ValueCount> = values.iter().collect();
    top.sort_by_key(|value| std::cmp::Reverse(value.count));
    top.into_iter().take(N_TOP_VALUES).cloned().collect()
}

/// Sums that overflow are taken of values that are this much smaller: a power of two costs no
/// digit, and the squares of the largest numbers are then far from the largest number.
const SHRINK: f64 = f64::from_bits((1023 - 600) << 52);

struct Moments {
    mean: Option<f64>,
    std: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    quantiles: Quantiles,
}

impl Moments {
    /// `None` without a value. A moment that is not finite is absent, because JSON has no word for
    /// it and a stored description has to read back as it was.
    fn of(sorted: &[f64]) -> Option<Self> {
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let finite = |value: f64| Some(value).filter(|v| v.is_finite());
        let mean = mean(sorted, min, max);
        let q = |p| finite(quantile(sorted, p));
        let quantiles =
            Quantiles { q05: q(0.05), q25: q(0.25), q50: q(0.5), q75: q(0.75), q95: q(0.95) };
        Some(Self {
            mean: finite(mean),
            std: finite(deviation(sorted, mean)),
            min: finite(min),
            max: finite(max),
            quantiles,
        })
    }
}

fn mean(sorted: &[f64], min: f64, max: f64) -> f64 {
    let n = sorted.len() as f64;
    let mean = sorted.iter().sum::<f64>() / n;
    if mean.is_finite() {
        return mean;
    }
    let mean = sorted.iter().map(|v| v * SHRINK).sum::<f64>() / n / SHRINK;
    // Rounding alone may carry the mean of the largest numbers beyond them.
    mean.max(min).min(max)
}

fn deviation(sorted: &[f64], mean: f64) -> f64 {
    let n = sorted.len() as f64;
    let of = |scale: f64| {
        let square = |v: &f64| (v * scale - mean * scale) * (v * scale - mean * scale);
        (sorted.iter().map(square).sum::<f64>() / n).sqrt() / scale
    };
    let deviation = of(1.0);
    if deviation.is_finite() { deviation } else { of(SHRINK) }
}

/// The p-quantile of sorted values by linear interpolation (Hyndman and Fan's type 7).
fn quantile(sorted: &[f64], p: f64) -> f64 {
    let position = p * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    let (a, b, t) = (sorted[below], sorted[above], position - below as f64);
    let step = b - a;
    // The weighted sum never overflows, but only the step keeps equal neighbours what they are.
    if step.is_finite() { a + step * t } else { a * (1.0 - t) + b * t }
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
            assert!((found.unwrap() - expected).abs() < 1e-12, "{found:?} {expected}");
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
    #[test]
    fn moments_of_the_largest_numbers_are_found() {
        let found = numeric(vec![1.7e308, -1.7e308]).description;
        assert_eq!((found.mean, found.std), (Some(0.0), Some(1.7e308)));
        let q = found.quantiles.unwrap();
        assert_eq!(q.q50, Some(0.0));
        assert!((q.q25.unwrap() / -0.85e308 - 1.0).abs() < 1e-12);

        let found = numeric(vec![f64::MAX; 3]).description;
        assert_eq!((found.mean, found.std), (Some(f64::MAX), Some(0.0)));
        assert_eq!(found.quantiles.unwrap().q95, Some(f64::MAX));
    }

    #[test]
    fn a_quantile_at_a_value_is_that_value() {
        let found = numeric(vec![-f64::MAX, -0.1, 0.1, 0.3, f64::MAX]).description;
        let q = found.quantiles.unwrap();
        assert_eq!((q.q25, q.q50, q.q75), (Some(-0.1), Some(0.1), Some(0.3)));
        let q = numeric(vec![0.1; 7]).description.quantiles.unwrap();
        assert_eq!((q.q05, q.q95), (Some(0.1), Some(0.1)));
    }

    #[test]
    fn descriptions_of_extreme_columns_read_back() {
        let extreme =
            [f64::MAX, -f64::MAX, 1.7e308, -1e200, 1e16, 0.1, -0.0, f64::MIN_POSITIVE, 5e-324];
        let n = extreme.len();
        for index in 0..n * n * n {
            let [a, b, c] = [index / n / n, index / n % n, index % n].map(|i| extreme[i]);
            for values in [vec![a], vec![a, b], vec![a, b, c, f64::NAN], vec![c, b, b, a, a, c]] {
                let found = numeric(values.clone());
                assert!(!found.overflowed(), "{values:?}");
                let json = serde_json::to_string(&found).unwrap();
                assert_eq!(
                    serde_json::from_str::<DescribedColumn>(&json).unwrap(),
                    found,
                    "{json}"
                );
            }
        }
    }

    #[test]
    fn what_is_not_finite_is_absent_and_said_to_be() {
        let found = Moments::of(&[1.0, f64::INFINITY]).unwrap();
        assert_eq!((found.mean, found.std, found.max), (None, None, None));
        assert_eq!((found.min, found.quantiles.q50), (Some(1.0), None));

        let mut column = numeric(vec![1.0, 2.0]);
        assert!(!column.overflowed());
        column.description.quantiles.as_mut().unwrap().q05 = None;
        assert!(column.overflowed());
        let json = serde_json::to_string(&column).unwrap();
        assert!(json.contains("\"q05\":null"), "{json}");
        assert_eq!(serde_json::from_str::<DescribedColumn>(&json).unwrap(), column);

        assert!(!numeric(vec![f64::NAN]).overflowed());
        assert!(!text(vec!["a".into()]).overflowed());
    }

    fn text(categories: Vec<String>) -> DescribedColumn {
        let codes = (0..categories.len() as u32).chain([0, MISSING_CODE]).collect();
        let values = Values::Categorical { codes, categories };
        describe_column(&Column { name: "a".into(), values })
    }

    #[test]
    fn values_are_kept_only_while_their_text_is_short() {
        let half = MAX_COUNTED_BYTES / 2;
        let found = text(vec!["a".repeat(half), "b".repeat(half)]);
        assert_eq!((found.description.n_missing, found.description.n_unique), (1, 2));
        assert_eq!(found.values.unwrap()[0].count, 2);
        assert_eq!(found.description.top_values.len(), 2);

        let found = text(vec!["a".repeat(half), "b".repeat(half + 1)]);
        assert_eq!((found.description.n_missing, found.description.n_unique), (1, 2));
        assert_eq!((found.values, found.description.top_values.len()), (None, 0));

        let found = text((0..1001).map(|i| format!("{i:04}")).collect());
        assert_eq!((found.description.n_missing, found.description.n_unique), (1, 1001));
        assert_eq!((found.values, found.description.top_values.len()), (None, 0));
    }
}
