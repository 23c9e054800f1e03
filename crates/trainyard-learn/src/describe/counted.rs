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
    /// The most frequent ones; where there are many, only of those that are there twice.
    pub(super) top: Vec<ValueCount>,
}

/// A frequent value that is longer is not shown.
const MAX_TOP_BYTES: usize = MAX_COUNTED_BYTES / N_TOP_VALUES;

/// The most frequent of many values as they come by, ascending.
struct Top<T>(Vec<(T, usize)>);

impl<T> Top<T> {
    fn new() -> Self {
        Self(Vec::with_capacity(N_TOP_VALUES + 1))
    }

    fn add(&mut self, value: T, count: usize) {
        let is_full = self.0.len() == N_TOP_VALUES;
        if count < 2 || is_full && self.0.last().is_some_and(|(_, least)| *least >= count) {
            return;
        }
        // After those of the same count, which came before.
        let place = self.0.partition_point(|(_, other)| *other >= count);
        self.0.insert(place, (value, count));
        self.0.truncate(N_TOP_VALUES);
    }

    fn finish(self, scalar: impl Fn(T) -> Scalar) -> Vec<ValueCount> {
        let counted = |(value, count)| ValueCount { value: scalar(value), count };
        self.0.into_iter().map(counted).collect()
    }
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
        let found: Option<Vec<ValueCount>> = runs.map(values_of);
        let top = match &found {
            Some(values) => top_values(values),
            None => {
                let mut top = Top::new();
                values.each_run(|value, count| top.add(value, count));
                top.finish(scalar)
            }
        };
        Self { n_present: values.len(), n_unique: values.n_unique(), values: found, top }
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
        let values: Option<Vec<ValueCount>> = few.then(|| {
            let count =
                |run: &[&str]| ValueCount { value: Scalar::Text(run[0].into()), count: run.len() };
            runs().map(count).collect()
        });
        let counts = runs().map(|run| (run[0], run.len()));
        let top = values.as_deref().map_or_else(|| top_of(counts), top_values);
        Self { n_present: present.len(), n_unique, values, top }
    }

    pub(super) fn codes(codes: &[u32], categories: &[String]) -> Self {
        let n_present = codes.iter().filter(|code| **code != MISSING_CODE).count();
        let few = categories.len() <= MAX_COUNTED_VALUES
            && categories.iter().map(String::len).sum::<usize>() <= MAX_COUNTED_BYTES;
        let mut counts = vec![0; categories.len()];
        for code in codes {
            if let Some(count) = counts.get_mut(*code as usize) {
                *count += 1;
            }
        }
        let counts = || categories.iter().map(String::as_str).zip(counts.iter().copied());
        let values: Option<Vec<ValueCount>> = few.then(|| {
            let counted = |(name, count): (&str, usize)| ValueCount {
                value: Scalar::Text(name.to_owned()),
                count,
            };
            counts().map(counted).collect()
        });
        let top = values.as_deref().map_or_else(|| top_of(counts()), top_values);
        Self { n_present, n_unique: categories.len(), values, top }
    }

    /// So many values without a gap that nobody compares with each other, as tensors are.
    pub(super) fn none(n: usize) -> Self {
        Self { n_present: n, n_unique: n, values: None, top: Vec::new() }
    }

    fn if_short(mut self) -> Self {
        let bytes = |values: &Vec<ValueCount>| -> usize {
            values.iter().map(|value| value.value.text().len()).sum()
        };
        self.values = self.values.filter(|values| bytes(values) <= MAX_COUNTED_BYTES);
        self
    }
}

/// The most frequent of many texts, in their order, but for those that are too long to show.
fn top_of<'t>(texts: impl Iterator<Item = (&'t str, usize)>) -> Vec<ValueCount> {
    let mut top = Top::new();
    for (text, count) in texts.filter(|(text, _)| text.len() <= MAX_TOP_BYTES) {
        top.add(text, count);
    }
    top.finish(|text| Scalar::Text(text.to_owned()))
}

fn top_values(values: &[ValueCount]) -> Vec<ValueCount> {
    let mut top: Vec<&ValueCount> = values.iter().collect();
    top.sort_by_key(|value| std::cmp::Reverse(value.count));
    top.into_iter().take(N_TOP_VALUES).cloned().collect()
}
