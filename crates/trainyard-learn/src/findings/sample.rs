//! Which rows stand for all of them.

/// Up to `most` rows, ascending: all of them, or one from each of `most` equal stretches, at a
/// place in it that looks random and is always the same, so that no rhythm of the rows is met.
pub(super) fn rows(n_rows: usize, most: usize) -> Vec<usize> {
    if n_rows <= most {
        return (0..n_rows).collect();
    }
    let start = |index: usize| (index as u128 * n_rows as u128 / most as u128) as usize;
    let place = |index: usize| {
        let (from, to) = (start(index), start(index + 1));
        from + (mix(index as u64) % (to - from) as u64) as usize
    };
    (0..most).map(place).collect()
}

/// A hash of a number whose every bit depends on all bits (the finish of SplitMix64).
pub(super) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_rows_are_all_taken_and_many_evenly_without_a_rhythm() {
        assert_eq!(rows(3, 3), [0, 1, 2]);
        let found = rows(100_000, 1_000);
        assert_eq!(found.len(), 1_000);
        assert!(found.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(found.iter().enumerate().all(|(i, row)| row / 100 == i));
        let even = found.iter().filter(|row| *row % 2 == 0).count();
        assert!((400..600).contains(&even), "{even}");
        assert_eq!(found, rows(100_000, 1_000));
    }
}
