//! Splits that leave out every choice of some of the rows, or of the groups, in turn.

use super::MAX_FOLDS;

/// The choices of `p` of `n` things, in lexicographic order: 01, 02, 03, 12, 13, 23.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choices {
    pub(super) n: usize,
    pub(super) p: usize,
}

impl Choices {
    /// How many there are; just above [`MAX_FOLDS`] for all numbers above it.
    pub(super) fn len(self) -> usize {
        let most = MAX_FOLDS as usize + 1;
        if self.p > self.n {
            return 0;
        }
        let mut n_choices = 1_usize;
        for taken in 1..=self.p.min(self.n - self.p) {
            // Exact: any product of so many successive numbers is a multiple of their count's.
            n_choices = n_choices * (self.n - taken + 1) / taken;
            if n_choices >= most {
                return most;
            }
        }
        n_choices
    }

    /// The choice of that number; empty beyond the last.
    pub(super) fn get(self, index: usize) -> Vec<usize> {
        if index >= self.len() {
            return Vec::new();
        }
        let mut rest = index;
        let mut next = 0;
        let mut chosen = Vec::with_capacity(self.p);
        for left in (0..self.p).rev() {
            // Choices that begin with `next` are those of `left` more among the ones after it.
            loop {
                let n_with = Self { n: self.n - next - 1, p: left }.len();
                if rest < n_with {
                    break;
                }
                rest -= n_with;
                next += 1;
            }
            chosen.push(next);
            next += 1;
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_choices_in_order() {
        let of_four = Choices { n: 4, p: 2 };
        let all: Vec<Vec<usize>> = (0..of_four.len()).map(|index| of_four.get(index)).collect();
        assert_eq!(all, [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]);
        assert!(of_four.get(6).is_empty());
    }

    #[test]
    fn how_many_choices() {
        let len = |n, p| Choices { n, p }.len();
        assert_eq!((len(5, 5), len(5, 6), len(0, 1), len(7, 1)), (1, 0, 0, 7));
        assert_eq!((len(100, 2), len(141, 2), len(142, 2)), (4950, 9870, 10_001));
        assert_eq!(
            (len(25, 3), len(40, 20), len(usize::MAX, usize::MAX - 1)),
            (2300, 10_001, 10_001)
        );
        assert_eq!(Choices { n: 10_000, p: 9_999 }.get(9_999), (1..10_000).collect::<Vec<_>>());
    }
}
