//! Values in order: the one thing that counts, quantiles and histograms are all read from.
//!
//! Values become integers of the same order. A column of few distinct values is counted without
//! being sorted; of any other the integers are sorted where they stand. Measured on 3,000,000 rows,
//! that is as fast as the radix sorts that were tried (8 and 11 bits from below, 8 to 12 bits from
//! above), twice as fast as comparing floating-point numbers, and needs no second buffer.

use std::marker::PhantomData;

/// A value that has an integer of the same order.
pub(super) trait Ordinal: Copy {
    /// Never [`FREE`].
    fn key(self) -> u64;
    fn of(key: u64) -> Self;
}

/// Marks a free place among the counted: a key that no value has.
const FREE: u64 = u64::MAX;

const SIGN: u64 = 1 << 63;

impl Ordinal for f64 {
    /// Negative numbers have their bits turned round; both zeros are one value. Only a NaN would
    /// come to [`FREE`], and a missing value is left out before.
    fn key(self) -> u64 {
        let bits = (self + 0.0).to_bits();
        if bits & SIGN == 0 { bits | SIGN } else { !bits }
    }

    fn of(key: u64) -> Self {
        Self::from_bits(if key & SIGN == 0 { !key } else { key ^ SIGN })
    }
}

impl Ordinal for i64 {
    /// The lowest number is the missing moment, so that the others can move down by one.
    fn key(self) -> u64 {
        (self as u64 ^ SIGN).wrapping_sub(1)
    }

    fn of(key: u64) -> Self {
        (key.wrapping_add(1) ^ SIGN) as Self
    }
}

/// A column's present values in ascending order.
pub(super) struct Ordered<'b, T> {
    n: usize,
    form: Form<'b>,
    of: PhantomData<T>,
}

enum Form<'b> {
    /// Distinct keys, each with how many values up to and including it there are.
    Counted(Vec<(u64, usize)>),
    Sorted(&'b [u64]),
}

impl<'b, T: Ordinal + PartialOrd> Ordered<'b, T> {
    /// Takes the present values; `buffer` is room to work in, whose content is of no interest.
    pub(super) fn new(present: impl Iterator<Item = T> + Clone, buffer: &'b mut Vec<u64>) -> Self {
        if let Some(counts) = Counts::of(present.clone().map(T::key)) {
            let counted = counts.ascending();
            let n = counted.last().map_or(0, |(_, upto)| *upto);
            return Self { n, form: Form::Counted(counted), of: PhantomData };
        }
        buffer.clear();
        buffer.extend(present.map(T::key));
        buffer.sort_unstable();
        Self { n: buffer.len(), form: Form::Sorted(buffer), of: PhantomData }
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.n
    }

    /// How many distinct values there are.
    pub(super) fn n_unique(&self) -> usize {
        match &self.form {
            Form::Counted(counted) => counted.len(),
            Form::Sorted(keys) => {
                let steps = keys.windows(2).filter(|pair| pair[0] != pair[1]).count();
                steps + usize::from(!keys.is_empty())
            }
        }
    }

    /// The value at a place in the order.
    pub(super) fn at(&self, index: usize) -> Option<T> {
        let key = match &self.form {
            Form::Counted(counted) => {
                counted.get(counted.partition_point(|(_, upto)| *upto <= index))?.0
            }
            Form::Sorted(keys) => *keys.get(index)?,
        };
        Some(T::of(key))
    }

    /// The least and the greatest value; `None` without a value.
    pub(super) fn ends(&self) -> Option<(T, T)> {
        Some((self.at(0)?, self.at(self.n - 1)?))
    }

    /// How many values are less than this one.
    pub(super) fn n_below(&self, edge: T) -> usize {
        let below = |key: u64| T::of(key) < edge;
        match &self.form {
            Form::Counted(counted) => {
                let place = counted.partition_point(|(key, _)| below(*key));
                place.checked_sub(1).map_or(0, |before| counted[before].1)
            }
            Form::Sorted(keys) => keys.partition_point(|key| below(*key)),
        }
    }

    /// The distinct values with their counts, while there are at most so many.
    pub(super) fn runs(&self, most: usize) -> Option<Vec<(T, usize)>> {
        match &self.form {
            Form::Counted(counted) if counted.len() <= most => {
                let before = std::iter::once(0).chain(counted.iter().map(|(_, upto)| *upto));
                Some(
                    counted
                        .iter()
                        .zip(before)
                        .map(|((k, upto), b)| (T::of(*k), upto - b))
                        .collect(),
                )
            }
            Form::Counted(_) => None,
            Form::Sorted(keys) => {
                let runs = keys.chunk_by(u64::eq).take(most + 1);
                let runs: Vec<_> = runs.map(|run| (T::of(run[0]), run.len())).collect();
                (runs.len() <= most).then_some(runs)
            }
        }
    }

    /// Tells of each distinct value how many there are, ascending.
    pub(super) fn each_run(&self, mut tell: impl FnMut(T, usize)) {
        match &self.form {
            Form::Counted(counted) => {
                let mut before = 0;
                for (key, upto) in counted {
                    tell(T::of(*key), upto - before);
                    before = *upto;
                }
            }
            Form::Sorted(keys) => {
                keys.chunk_by(u64::eq).for_each(|run| tell(T::of(run[0]), run.len()));
            }
        }
    }

    /// The sum of a function of the values, in an order that depends on nothing but them.
    pub(super) fn sum(&self, of: impl Fn(T) -> f64) -> f64 {
        match &self.form {
            Form::Counted(counted) => {
                let mut before = 0;
                let mut term = |(key, upto): &(u64, usize)| {
                    let count = upto - std::mem::replace(&mut before, *upto);
                    of(T::of(*key)) * count as f64
                };
                counted.iter().map(&mut term).sum()
            }
            // Sums of sums lose fewer digits than one long sum, and lanes go side by side.
            Form::Sorted(keys) => keys.chunks(BLOCK).map(|block| block_sum(block, &of)).sum(),
        }
    }
}

const BLOCK: usize = 1 << 10;
const LANES: usize = 8;

fn block_sum<T: Ordinal>(keys: &[u64], of: &impl Fn(T) -> f64) -> f64 {
    let mut lanes = [0.0; LANES];
    let (whole, rest) = keys.as_chunks::<LANES>();
    for keys in whole {
        for (lane, key) in lanes.iter_mut().zip(keys) {
            *lane += of(T::of(*key));
        }
    }
    lanes.iter().sum::<f64>() + rest.iter().map(|key| of(T::of(*key))).sum::<f64>()
}

/// Distinct values are counted rather than sorted up to so many: they and their counts then stay
/// in the nearest cache but one.
pub(super) const MOST_COUNTED: usize = 1 << 11;

const N_SLOTS: usize = 4 * MOST_COUNTED;

/// How often each of a few keys comes, in a table of open addresses.
struct Counts {
    keys: Vec<u64>,
    counts: Vec<usize>,
}

impl Counts {
    /// `None` as soon as there are too many distinct keys.
    fn of(keys: impl Iterator<Item = u64>) -> Option<Self> {
        let mut found = Self { keys: vec![FREE; N_SLOTS], counts: vec![0; N_SLOTS] };
        let mut n_unique = 0;
        for key in keys {
            // Fibonacci hashing: the high bits of the product depend on all bits of the key.
            let hash = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - N_SLOTS.ilog2());
            let mut slot = hash as usize;
            while found.keys[slot] != key {
                if found.keys[slot] == FREE {
                    found.keys[slot] = key;
                    n_unique += 1;
                    if n_unique > MOST_COUNTED {
                        return None;
                    }
                    break;
                }
                slot = (slot + 1) % N_SLOTS;
            }
            found.counts[slot] += 1;
        }
        Some(found)
    }

    fn ascending(self) -> Vec<(u64, usize)> {
        let pairs = self.keys.into_iter().zip(self.counts);
        let mut counted: Vec<(u64, usize)> = pairs.filter(|(_, count)| *count > 0).collect();
        counted.sort_unstable();
        let mut upto = 0;
        for (_, count) in &mut counted {
            upto += *count;
            *count = upto;
        }
        counted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_order_of_their_values() {
        let numbers = [
            -f64::MAX,
            -1.0,
            -5e-324,
            0.0,
            5e-324,
            f64::MIN_POSITIVE,
            1.0,
            f64::MAX,
            f64::INFINITY,
        ];
        for pair in numbers.windows(2) {
            assert!(pair[0].key() < pair[1].key(), "{pair:?}");
            assert_eq!(f64::of(pair[0].key()), pair[0]);
        }
        assert_eq!((-0.0_f64).key(), 0.0_f64.key());
        let moments = [i64::MIN + 1, -1, 0, 1, i64::MAX];
        for pair in moments.windows(2) {
            assert!(pair[0].key() < pair[1].key(), "{pair:?}");
            assert_eq!(i64::of(pair[0].key()), pair[0]);
        }
        assert!(i64::MAX.key() < FREE && f64::INFINITY.key() < FREE);
    }

    /// Around the bound between counting and sorting both must say the same.
    #[test]
    fn counted_and_sorted_values_agree_with_a_plain_sort() {
        for n_unique in [1, 2, MOST_COUNTED, MOST_COUNTED + 1, 3 * MOST_COUNTED] {
            let value = |i: usize| ((i * 7919) % n_unique) as f64 - 100.0;
            let values: Vec<f64> = (0..2 * n_unique + n_unique / 2).map(value).collect();
            let mut sorted = values.clone();
            sorted.sort_unstable_by(f64::total_cmp);
            let mut buffer = vec![3; 5];
            let ordered = Ordered::new(values.iter().copied(), &mut buffer);
            let counted = matches!(ordered.form, Form::Counted(_));
            assert_eq!(counted, n_unique <= MOST_COUNTED);
            assert_eq!((ordered.len(), ordered.n_unique()), (sorted.len(), n_unique));
            for (index, value) in sorted.iter().enumerate() {
                assert_eq!(ordered.at(index), Some(*value));
            }
            assert_eq!(ordered.at(sorted.len()), None);
            for edge in [-101.0, -100.0, -99.5, -99.0, 0.0, 1e9] {
                assert_eq!(ordered.n_below(edge), sorted.partition_point(|v| *v < edge));
            }
            assert_eq!(ordered.sum(|v| v), sorted.iter().sum::<f64>());
            assert_eq!(ordered.runs(n_unique - 1), None);
            let runs = ordered.runs(n_unique).unwrap();
            assert_eq!(runs.len(), n_unique);
            assert_eq!(runs.iter().map(|(_, count)| count).sum::<usize>(), sorted.len());
            assert_eq!(runs[0].1, sorted.partition_point(|v| *v <= sorted[0]));
        }
    }
}
