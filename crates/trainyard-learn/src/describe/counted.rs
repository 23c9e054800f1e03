//! How often each value of a column is there.

use super::ordered::{Ordered, Ordinal};
use super::{MAX_COUNTED_BYTES, MAX_COUNTED_VALUES, ValueCount};
use crate::scalar::Scalar;
use crate::table::{MISSING_CODE, time_text};

const N_TOP_VALUES: usize = 10;

/// How often each value is there; the values themselves only while they are few and short.
pub(super) struct Counted {
    pub(super) n_present: usize,
    pub(super) n_unique: usize,
    pub(super) values: Option<Vec<ValueCount>>,
}

impl Counted {
    pub(super) fn ordered<T: Ordinal + PartialOrd>(
        values: &Ordered<'_, T>,
        scalar: impl Fn(T) -> Scalar,
    ) -> Self {
        let runs = values.runs(MAX_COUNTED_VALUES);
        let values_of = |runs: Vec<(T, usize)>| {
            runs.into_iter().map(|(v, count)| ValueCount { value: scalar(v), count }).collect()
        };
        Self { n_present: values.len(), n_unique: values.n_unique(), values: runs.map(values_of) }
    }

    pub(super) fn moments(values: &Ordered<'_, i64>) -> Self {
        Self::ordered(values, |time| Scalar::Text(time_text(time).unwrap_or_default())).if_short()
    }

    pub(super) fn texts(rows: &[Option<Box<str>>]) -> Self {
        let mut present: Vec<&str> = rows.iter().flatten().map(|text| &**text).collect();
        present.sort_unstable();
        let runs = || present.chunk_by(|a, b| a == b);
        let n_unique = runs().count();
        let few = n_unique <= MAX_COUNTED_VALUES
            && runs().map(|run| run[0].len()).sum::<usize>() <= MAX_COUNTED_BYTES;
        let values = few.then(|| {
            let count =
                |run: &[&str]| ValueCount { value: Scalar::Text(run[0].into()), count: run.len() };
            runs().map(count).collect()
        });
        Self { n_present: present.len(), n_unique, values }
    }

    pub(super) fn codes(codes: &[u32], categories: &[String]) -> Self {
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

    /// So many values without a gap that nobody compares with each other, as tensors are.
    pub(super) fn none(n: usize) -> Self {
        Self { n_present: n, n_unique: n, values: None }
    }

    fn if_short(mut self) -> Self {
        let bytes = |values: &Vec<ValueCount>| -> usize {
            values.iter().map(|value| value.value.text().len()).sum()
        };
        self.values = self.values.filter(|values| bytes(values) <= MAX_COUNTED_BYTES);
        self
    }
}

pub(super) fn top_values(values: &[ValueCount]) -> Vec<ValueCount> {
    let mut top: Vec<&ValueCount> = values.iter().collect();
    top.sort_by_key(|value| std::cmp::Reverse(value.count));
    top.into_iter().take(N_TOP_VALUES).cloned().collect()
}
