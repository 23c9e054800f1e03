//! What can be wrong with a split: by itself, for so many rows, and for a target's classes.

use super::{MAX_DEALT_ROWS, MAX_FOLDS, RowCounts, SplitSpec};
use crate::problem::Problem;

impl SplitSpec {
    /// Everything that is wrong with this spec by itself, with pointers relative to it.
    ///
    /// A missing seed is not: [`with_default_seed`](Self::with_default_seed) supplies it.
    pub fn check(&self) -> Vec<Problem> {
        let (n_splits, n_repeats) = (self.n_splits(&RowCounts::default()), self.n_repeats());
        let mut problems = Vec::new();
        let in_time = matches!(self, Self::TimeSeriesSplit { .. });
        let least = if self.is_into_folds() || in_time { 2 } else { 1 };
        // What the rows and groups decide is none of the spec's business.
        if n_splits < least && !self.depends_on_rows() {
            let detail = format!("n_splits is {n_splits}; it must be at least {least}");
            problems.push(Problem::new("/n_splits", detail));
        }
        if self.n_left_out() == 0 {
            let name = if self.leaves_rows_out() { "p" } else { "n_groups" };
            let detail = format!("{name} is 0; it must be at least 1");
            problems.push(Problem::new(format!("/{name}"), detail));
        }
        if n_repeats < 1 {
            let detail = "n_repeats is 0; it must be at least 1";
            problems.push(Problem::new("/n_repeats", detail));
        }
        let n_folds = n_splits.saturating_mul(n_repeats as usize);
        if n_folds > MAX_FOLDS as usize {
            let detail = format!(
                "{n_splits} folds times {n_repeats} is {n_folds}; at most {MAX_FOLDS} are allowed"
            );
            problems.push(Problem::new("/n_splits", detail));
        }
        self.check_sizes(&mut problems);
        if !self.shuffles() && self.random_state().is_some() {
            let detail = "random_state has no effect without shuffle";
            let way_out = "set shuffle to true or leave random_state out";
            problems.push(Problem::new("/random_state", detail).suggest(way_out));
        }
        if let Self::Holdout { stratify: true, shuffle: false, .. } = self {
            let detail = "without shuffle rows stay in order, and classes cannot be evened out";
            let way_out = "set shuffle to true or leave stratify out";
            problems.push(Problem::new("/stratify", detail).suggest(way_out));
        }
        problems
    }

    /// Whether `n_rows` rows are enough for every fold to train and to test, and few enough to deal
    /// out so many times.
    pub fn check_rows(&self, n_rows: usize) -> Vec<Problem> {
        if self.leaves_rows_out() {
            return self.check_left_out(n_rows);
        }
        let mut problems = Vec::new();
        let n_splits = self.n_splits(&RowCounts::of_rows(n_rows));
        let n_dealings = match self {
            Self::ShuffleSplit { .. }
            | Self::StratifiedShuffleSplit { .. }
            | Self::GroupShuffleSplit { .. } => n_splits,
            _ => self.n_repeats() as usize,
        };
        if n_dealings.saturating_mul(n_rows) > MAX_DEALT_ROWS {
            let pointer = if self.is_into_folds() { "/n_repeats" } else { "/n_splits" };
            let detail = format!(
                "{n_rows} rows dealt out {n_dealings} times are more than the {MAX_DEALT_ROWS} \
                 allowed"
            );
            let way_out = format!("at most {}", MAX_DEALT_ROWS / n_rows.max(1));
            problems.push(Problem::new(pointer, detail).suggest(way_out));
        }
        if self.group_column().is_some() {
            return problems;
        }
        if self.is_into_folds() {
            if n_splits > n_rows {
                let detail = format!("there are {n_rows} rows, fewer than the {n_splits} folds");
                let way_out = format!("at most {n_rows}");
                problems.push(Problem::new("/n_splits", detail).suggest(way_out));
            }
            return problems;
        }
        if matches!(self, Self::TimeSeriesSplit { .. }) {
            problems.extend(self.check_time(n_rows));
            return problems;
        }
        let (n_train, n_test) = self.sizes(n_rows);
        let by_train = matches!(
            self,
            Self::ShuffleSplit { test_size: None, train_size: Some(_), .. }
                | Self::StratifiedShuffleSplit { test_size: None, train_size: Some(_), .. }
                | Self::Holdout { test_size: None, train_size: Some(_), .. }
        );
        let detail = if n_train + n_test > n_rows {
            format!("asks for {} rows of {n_rows}", n_train + n_test)
        } else if n_train == 0 {
            format!("leaves none of {n_rows} rows to train on")
        } else if n_test == 0 {
            format!("leaves none of {n_rows} rows to test on")
        } else {
            return problems;
        };
        problems.push(Problem::new(if by_train { "/train_size" } else { "/test_size" }, detail));
        problems
    }

    /// Whether every class has a row for every fold; `class_counts` holds labels and rows.
    ///
    /// scikit-learn only warns as long as one class has enough. A fold without a class cannot be
    /// scored on it, so here that is a problem. Without classes there is none.
    pub fn check_target(&self, class_counts: &[(String, usize)]) -> Vec<Problem> {
        if !self.is_stratified() {
            return Vec::new();
        }
        if matches!(self, Self::Holdout { .. } | Self::StratifiedShuffleSplit { .. }) {
            return self.check_sides(class_counts);
        }
        let n_splits = self.n_splits(&RowCounts::default());
        let is_short = |&&(_, count): &&(String, usize)| count < n_splits;
        // Whole groups cannot be shared out evenly anyway: a fold may lack a class.
        let by_groups = matches!(self, Self::StratifiedGroupKfold { .. });
        if by_groups && class_counts.iter().any(|class| !is_short(&class)) {
            return Vec::new();
        }
        class_counts
            .iter()
            .filter(is_short)
            .map(|(label, count)| {
                let rows = if *count == 1 { "row" } else { "rows" };
                let detail = format!(
                    "class \"{label}\" has {count} {rows}, fewer than the {n_splits} folds"
                );
                let way_out = if *count >= 2 {
                    format!("set n_splits to at most {count}, or add rows of class \"{label}\"")
                } else {
                    format!("add rows of class \"{label}\" or leave the class out")
                };
                Problem::new("/n_splits", detail).suggest(way_out)
            })
            .collect()
    }

    /// Whether a stratified hold-out has a row of every class for both sides.
    fn check_sides(&self, class_counts: &[(String, usize)]) -> Vec<Problem> {
        let (pointer, way_out) = match self {
            Self::Holdout { .. } => ("/stratify", "or set stratify to false"),
            _ => ("/type", "or take shuffle_split"),
        };
        let mut problems: Vec<Problem> = class_counts
            .iter()
            .filter(|(_, count)| *count < 2)
            .map(|(label, _)| {
                let detail = format!("class \"{label}\" has 1 row, and both sides need one");
                let way_out = format!("add rows of class \"{label}\", {way_out}");
                Problem::new(pointer, detail).suggest(way_out)
            })
            .collect();
        let n_classes = class_counts.len();
        let (n_train, n_test) = self.sizes(class_counts.iter().map(|(_, count)| count).sum());
        if n_train.min(n_test) < n_classes {
            let detail = format!(
                "{n_train} training rows and {n_test} test rows cannot each hold a row of all \
                 {n_classes} classes"
            );
            let way_out = format!("choose another size, {way_out}");
            problems.push(Problem::new("/test_size", detail).suggest(way_out));
        }
        problems
    }

    /// Whether there are rows for every test block, the gap, and a row to train on before them.
    fn check_time(&self, n_rows: usize) -> Option<Problem> {
        let blocks = self.blocks(n_rows);
        let n_splits = blocks.n_splits;
        if n_splits >= n_rows {
            let detail =
                format!("{n_splits} splits in the order of time need more than {n_rows} rows");
            let way_out = format!("at most {}", n_rows.saturating_sub(1));
            return Some(Problem::new("/n_splits", detail).suggest(way_out));
        }
        let needed = blocks.n_test.saturating_mul(n_splits).saturating_add(blocks.gap);
        let by_size = matches!(self, Self::TimeSeriesSplit { test_size: Some(_), .. });
        (needed >= n_rows).then(|| {
            let detail = format!(
                "{n_splits} splits of {} test rows and a gap of {} leave none of {n_rows} rows to \
                 train on",
                blocks.n_test, blocks.gap
            );
            let pointer = if by_size { "/test_size" } else { "/gap" };
            Problem::new(pointer, detail).suggest("fewer splits, fewer test rows or a smaller gap")
        })
    }

    /// A size is a share of the rows or a number of them.
    fn check_sizes(&self, problems: &mut Vec<Problem>) {
        if let Self::TimeSeriesSplit { test_size, max_train_size, .. } = self {
            for (name, size) in [("test_size", test_size), ("max_train_size", max_train_size)] {
                if *size == Some(0) {
                    let detail = format!("{name} is 0; it must be at least 1");
                    problems.push(Problem::new(format!("/{name}"), detail).suggest("leave it out"));
                }
            }
        }
        let (train_size, test_size) = match *self {
            Self::ShuffleSplit { test_size, train_size, .. }
            | Self::StratifiedShuffleSplit { test_size, train_size, .. }
            | Self::GroupShuffleSplit { test_size, train_size, .. }
            | Self::Holdout { test_size, train_size, .. } => (train_size, test_size),
            _ => (None, None),
        };
        for (name, size) in [("test_size", test_size), ("train_size", train_size)] {
            let Some(size) = size else { continue };
            let is_share = size > 0.0 && size < 1.0;
            let is_number = size >= 1.0 && size <= f64::from(u32::MAX) && size.fract() == 0.0;
            if !is_share && !is_number {
                let detail = format!(
                    "{name} is {size}; it must be a share between 0 and 1, or a whole number"
                );
                problems.push(Problem::new(format!("/{name}"), detail));
            }
        }
        if let (Some(train), Some(test)) = (train_size, test_size)
            && train < 1.0
            && test < 1.0
            && train + test > 1.0
        {
            let detail =
                format!("train_size {train} and test_size {test} are more than 1 together");
            problems.push(Problem::new("/train_size", detail));
        }
    }

    /// Whether every row is tested by one fold of each repeat.
    fn is_into_folds(&self) -> bool {
        matches!(
            self,
            Self::Kfold { .. }
                | Self::RepeatedKfold { .. }
                | Self::StratifiedKfold { .. }
                | Self::RepeatedStratifiedKfold { .. }
                | Self::GroupKfold { .. }
                | Self::StratifiedGroupKfold { .. }
        )
    }
}
