//! The values of a column by their order alone: what groups rows, or says which come first.

use std::cmp::Ordering;

use super::{MISSING_CODE, MISSING_TIME, Table, Values};

impl Table {
    /// The named column as the index of each row's value among its distinct ones, ascending: moments
    /// and numbers by size, texts by their code points.
    ///
    /// `None` when the column is absent, holds arrays, or misses a value: a checked job never asks
    /// for such a column.
    pub fn ranks(&self, name: &str) -> Option<Vec<u32>> {
        match &self.column(name)?.values {
            Values::Numeric(rows) => {
                let is_missing = rows.iter().any(|v| v.is_nan());
                // Both zeros are one value.
                (!is_missing).then(|| ranks(rows.iter().map(|v| v + 0.0), f64::total_cmp))
            }
            Values::Boolean(rows) => {
                let rows: Option<Vec<bool>> = rows.iter().copied().collect();
                Some(ranks(rows?.into_iter(), bool::cmp))
            }
            Values::Categorical { codes, .. } => {
                (!codes.contains(&MISSING_CODE)).then(|| codes.clone())
            }
            Values::Datetime(rows) => {
                (!rows.contains(&MISSING_TIME)).then(|| ranks(rows.iter().copied(), i64::cmp))
            }
            Values::Text(rows) => {
                let rows: Option<Vec<&str>> = rows.iter().map(Option::as_deref).collect();
                Some(ranks(rows?.into_iter(), Ord::cmp))
            }
            Values::Tensor { .. } => None,
        }
    }
}

/// The index of each value among the distinct ones, ascending.
fn ranks<T: Copy>(values: impl Iterator<Item = T>, order: impl Fn(&T, &T) -> Ordering) -> Vec<u32> {
    let mut sorted: Vec<(T, u32)> = values.zip(0..).collect();
    sorted.sort_unstable_by(|(a, _), (b, _)| order(a, b));
    let mut ranks = vec![0; sorted.len()];
    let runs = sorted.chunk_by(|(a, _), (b, _)| order(a, b).is_eq());
    for (rank, run) in (0..).zip(runs) {
        run.iter().for_each(|(_, row)| ranks[*row as usize] = rank);
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::super::Column;
    use super::*;

    fn ranks_of(values: Values) -> Option<Vec<u32>> {
        let table = Table::new(vec![Column { name: "a".to_owned(), values }]);
        assert_eq!(table.ranks("b"), None);
        table.ranks("a")
    }

    #[test]
    fn equal_values_share_a_rank() {
        let numbers = vec![2.5, -1.0, 0.0, -0.0, 2.5];
        assert_eq!(ranks_of(Values::Numeric(numbers.into())), Some(vec![2, 0, 1, 1, 2]));
        let flags = vec![Some(true), Some(true)];
        assert_eq!(ranks_of(Values::Boolean(flags)), Some(vec![0, 0]));
        let flags = vec![Some(true), Some(false)];
        assert_eq!(ranks_of(Values::Boolean(flags)), Some(vec![1, 0]));
        assert_eq!(ranks_of(Values::Datetime(vec![5, -3, 5])), Some(vec![1, 0, 1]));
        let words = ["b", "é", "B"].map(|word| Some(word.into())).to_vec();
        assert_eq!(ranks_of(Values::Text(words)), Some(vec![1, 2, 0]));
    }

    #[test]
    fn a_missing_value_has_no_rank() {
        assert_eq!(ranks_of(Values::Numeric(vec![1.0, f64::NAN].into())), None);
        assert_eq!(ranks_of(Values::Boolean(vec![None])), None);
        assert_eq!(ranks_of(Values::Datetime(vec![0, MISSING_TIME])), None);
        assert_eq!(ranks_of(Values::Text(vec![None])), None);
    }
}
