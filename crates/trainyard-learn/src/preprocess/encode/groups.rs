//! Rare categories as one, as scikit-learn's encoders group infrequent ones.

use serde::{Deserialize, Serialize};

use super::levels::{MISSING, UNSEEN};

/// Levels that are encoded as one: each frequent level is a group, in their order, and the rare ones
/// are the last group together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::preprocess) struct Groups {
    /// The group of each level; absent where every level is its own.
    of_level: Option<Vec<u32>>,
    /// How many groups there are.
    pub(super) n_groups: usize,
}

impl Groups {
    /// Groups by how many rows each level has.
    ///
    /// A level is rare with fewer rows than `min_frequency`, which is a share of `n_rows` below 1
    /// and a number of rows from 1 on. Beyond `max_categories` groups, those with the fewest rows
    /// are rare as well, the first of them where rows are equal.
    pub(super) fn new(
        counts: &[usize],
        n_rows: usize,
        min_frequency: Option<f64>,
        max_categories: Option<u32>,
    ) -> Self {
        let least = match min_frequency {
            Some(share) if share < 1.0 => share * n_rows as f64,
            Some(count) => count,
            None => 0.0,
        };
        let mut is_rare: Vec<bool> = counts.iter().map(|count| (*count as f64) < least).collect();
        let n_frequent = is_rare.iter().filter(|rare| !**rare).count();
        if let Some(most) = max_categories
            && n_frequent >= most as usize
        {
            let mut by_count: Vec<usize> = (0..counts.len()).collect();
            by_count.sort_by_key(|level| counts[*level]);
            let n_rare = counts.len().saturating_sub(most.saturating_sub(1) as usize);
            for level in &by_count[..n_rare] {
                is_rare[*level] = true;
            }
        }
        let n_frequent = is_rare.iter().filter(|rare| !**rare).count();
        if n_frequent == counts.len() {
            return Self { of_level: None, n_groups: n_frequent };
        }
        let mut next = 0;
        let group = |rare: bool| {
            if rare {
                return n_frequent as u32;
            }
            next += 1;
            next - 1
        };
        let of_level = is_rare.into_iter().map(group).collect();
        Self { of_level: Some(of_level), n_groups: n_frequent + 1 }
    }

    /// The group of the rare levels, if any level is rare.
    pub(super) fn rare(&self) -> Option<u32> {
        self.of_level.as_ref().map(|_| self.n_groups as u32 - 1)
    }

    /// The group of a level; neither an unseen nor a missing one has a group.
    #[inline]
    pub(super) fn of(&self, level: u32) -> u32 {
        match (&self.of_level, level) {
            (None, _) | (_, UNSEEN | MISSING) => level,
            (Some(of_level), _) => of_level[level as usize],
        }
    }

    /// The levels of each group in turn.
    pub(super) fn members(&self, n_levels: usize) -> Vec<Vec<usize>> {
        let mut members = vec![Vec::new(); self.n_groups];
        for level in 0..n_levels {
            members[self.of(level as u32) as usize].push(level);
        }
        members
    }
}
