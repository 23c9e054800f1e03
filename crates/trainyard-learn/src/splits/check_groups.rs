//! What can be wrong with a split for the groups there are, or with leaving rows out.

use super::{MAX_FOLDS, RowCounts, SplitSpec};
use crate::problem::Problem;

/// A stratified split by groups looks at so many shares of classes at most, which takes it about a
/// second.
const MAX_SHARES: usize = 500_000_000;

impl SplitSpec {
    /// Whether there are enough groups for every fold to train and to test, and not too many.
    ///
    /// `n_classes` is that of the target, 0 for amounts. Pointers are relative to the spec.
    pub fn check_groups(&self, counts: &RowCounts<'_>, n_classes: usize) -> Vec<Problem> {
        let n_groups = counts.n_groups;
        let named = |n: usize| if n == 1 { "1 group".to_owned() } else { format!("{n} groups") };
        let mut problems = Vec::new();
        match *self {
            Self::GroupKfold { n_splits, .. } | Self::StratifiedGroupKfold { n_splits, .. }
                if n_splits as usize > n_groups =>
            {
                let verb = if n_groups == 1 { "is" } else { "are" };
                let detail =
                    format!("there {verb} {}, fewer than the {n_splits} folds", named(n_groups));
                let problem = Problem::new("/n_splits", detail);
                problems.push(match n_groups {
                    0 | 1 => problem.suggest("name a column of more groups"),
                    _ => problem.suggest(format!("at most {n_groups}")),
                });
            }
            Self::GroupShuffleSplit { .. } => problems.extend(self.check_drawn_groups(n_groups)),
            Self::LeaveOneGroupOut { .. } => {
                if n_groups < 2 {
                    let verb = if n_groups == 1 { "is" } else { "are" };
                    let detail = format!("there {verb} {}, and two are needed", named(n_groups));
                    problems.push(Problem::new("/groups", detail));
                }
                problems.extend(self.too_many(counts, "/groups", "take group_kfold"));
            }
            Self::LeavePGroupsOut { n_groups: p, .. } => {
                if p as usize >= n_groups {
                    let detail = format!("leaves none of {} to train on", named(n_groups));
                    let problem = Problem::new("/n_groups", detail);
                    problems.push(match n_groups {
                        0 | 1 => problem.suggest("name a column of more groups"),
                        _ => problem.suggest(format!("at most {}", n_groups - 1)),
                    });
                }
                problems.extend(self.too_many(counts, "/n_groups", "take group_shuffle_split"));
            }
            Self::Predefined { .. } => {
                let tests_all = counts.of_groups.is_some_and(|rows| rows.contains(&counts.n_rows));
                if n_groups == 0 {
                    let detail = "no row is tested: all of them are -1";
                    problems.push(Problem::new("/test_fold", detail));
                } else if tests_all {
                    let detail = "one fold tests all rows, and none is left to train on";
                    let way_out = "give some rows another fold, or -1";
                    problems.push(Problem::new("/test_fold", detail).suggest(way_out));
                }
                let way_out = "name a column of fewer folds";
                problems.extend(self.too_many(counts, "/test_fold", way_out));
            }
            _ => {}
        }
        if let Self::StratifiedGroupKfold { n_splits, .. } = *self {
            let n_splits = n_splits as usize;
            let n_shares =
                [n_splits, n_splits, n_classes].iter().fold(n_groups, |n, m| n.saturating_mul(*m));
            if n_shares > MAX_SHARES {
                let detail = format!(
                    "sharing out {n_groups} groups of {n_classes} classes into {n_splits} folds \
                     takes too long"
                );
                let way_out = "fewer folds, or group_kfold";
                problems.push(Problem::new("/n_splits", detail).suggest(way_out));
            }
        }
        problems
    }

    /// Whether rows can be left out so, if they are.
    pub(super) fn check_left_out(&self, n_rows: usize) -> Vec<Problem> {
        let counts = RowCounts::of_rows(n_rows);
        let p = self.n_left_out();
        let pointer = if matches!(self, Self::LeaveOneOut {}) { "/type" } else { "/p" };
        let mut problems = Vec::new();
        if p >= n_rows {
            let detail = format!("leaves none of {n_rows} rows to train on");
            problems.push(Problem::new(pointer, detail));
        }
        problems.extend(self.too_many(&counts, pointer, "take kfold or shuffle_split"));
        problems
    }

    fn too_many(&self, counts: &RowCounts<'_>, pointer: &str, way_out: &str) -> Option<Problem> {
        (self.n_folds(counts) > MAX_FOLDS as usize).then(|| {
            let detail = match (self, self.n_left_out()) {
                (Self::LeaveOneOut {} | Self::LeavePOut { .. }, p) => {
                    format!(
                        "there are more than {MAX_FOLDS} choices of {p} of {} rows",
                        counts.n_rows
                    )
                }
                (Self::Predefined { .. }, _) => {
                    format!("there are {} folds; at most {MAX_FOLDS} are allowed", counts.n_groups)
                }
                (_, p) => format!(
                    "there are more than {MAX_FOLDS} choices of {p} of {} groups",
                    counts.n_groups
                ),
            };
            Problem::new(pointer, detail).suggest(way_out)
        })
    }

    /// Whether a side of a random split of groups is left without one.
    fn check_drawn_groups(&self, n_groups: usize) -> Option<Problem> {
        let (n_train, n_test) = self.sizes(n_groups);
        let by_train =
            matches!(self, Self::GroupShuffleSplit { test_size: None, train_size: Some(_), .. });
        let detail = if n_train.saturating_add(n_test) > n_groups {
            format!("asks for {} groups of {n_groups}", n_train.saturating_add(n_test))
        } else if n_train == 0 {
            format!("leaves none of {n_groups} groups to train on")
        } else if n_test == 0 {
            format!("leaves none of {n_groups} groups to test on")
        } else {
            return None;
        };
        Some(Problem::new(if by_train { "/train_size" } else { "/test_size" }, detail))
    }

    /// Whether it leaves out every choice of rows in turn.
    pub(super) fn leaves_rows_out(&self) -> bool {
        matches!(self, Self::LeaveOneOut {} | Self::LeavePOut { .. })
    }

    /// Whether the rows or their groups decide how many folds there are.
    pub(super) fn depends_on_rows(&self) -> bool {
        self.leaves_rows_out()
            || matches!(
                self,
                Self::LeaveOneGroupOut { .. }
                    | Self::LeavePGroupsOut { .. }
                    | Self::Predefined { .. }
            )
    }
}
