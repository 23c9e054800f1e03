//! How rows are split: whether they can be, how many folds there are, and how many rows train.

use trainyard_learn::describe::{DescribedColumn, is_whole};
use trainyard_learn::problem::Problem;
use trainyard_learn::scalar::Scalar;
use trainyard_learn::splits::{RowCounts, SplitSpec};
use trainyard_learn::table::ColumnType;

use super::super::{JobRequest, TaskRequest};
use super::features::{is_target, no_column};
use super::target::Target;
use crate::domain::dataset::{Dataset, Warning};
use crate::domain::suggest::shown;

/// How a checked job's rows are split.
pub(super) struct Folds {
    pub(super) n_folds: usize,
    /// The least rows that one of them trains on.
    pub(super) n_train: usize,
    /// The rows of each group, where the split is by groups that are few enough to be known.
    of_groups: Option<Vec<usize>>,
    n_groups: usize,
}

impl Folds {
    /// As many of `n_rows` rows as the smallest training side has of all.
    pub(super) fn smallest_train(&self, cv: Option<&SplitSpec>, n_rows: usize) -> usize {
        let Some(cv) = cv else { return n_rows };
        if cv.group_column().is_some() {
            return n_rows.min(self.n_train);
        }
        cv.smallest_train(&RowCounts::of_rows(n_rows))
    }

    fn counts(&self, n_rows: usize) -> RowCounts<'_> {
        RowCounts { n_rows, n_groups: self.n_groups, of_groups: self.of_groups.as_deref() }
    }
}

/// Checks how rows are split.
pub(super) fn folds(
    request: &JobRequest,
    dataset: &Dataset,
    target: Option<&Target<'_>>,
    problems: &mut Vec<Problem>,
) -> Folds {
    let n_rows = dataset.n_rows();
    let mut folds = Folds { n_folds: 0, n_train: n_rows, of_groups: None, n_groups: 0 };
    let Some(cv) = &request.cv else { return folds };
    let mut found = cv.check();
    found.extend(groups(cv, request, dataset, &mut folds));
    found.extend(cv.time_column().and_then(|name| check_time(name, request, dataset)));
    if found.is_empty() {
        found.extend(cv.check_rows(n_rows));
    }
    if found.is_empty() {
        let n_classes = target.map_or(0, |target| target.classes().len());
        found.extend(cv.check_groups(&folds.counts(n_rows), n_classes));
    }
    if found.is_empty()
        && let Some(target) = target
    {
        if cv.is_stratified() && !matches!(target, Target::Classes(_)) {
            let holds = match target.task() {
                TaskRequest::Regression => "amounts",
                _ => "several labels a row",
            };
            let detail =
                format!("stratified folds share out classes, and the target holds {holds}");
            let way_out = match cv {
                SplitSpec::StratifiedGroupKfold { .. } => "group_kfold",
                SplitSpec::StratifiedShuffleSplit { .. } => "shuffle_split",
                _ => "kfold or repeated_kfold",
            };
            found.push(Problem::new("/type", detail).suggest(way_out));
        } else {
            let counts: Vec<(String, usize)> =
                target.classes().iter().map(|v| (v.value.text(), v.count)).collect();
            found.extend(cv.check_target(&counts));
        }
    }
    if found.is_empty() {
        folds.n_folds = cv.n_folds(&folds.counts(n_rows));
        folds.n_train = cv.smallest_train(&folds.counts(n_rows));
    }
    problems.extend(found.into_iter().map(|problem| problem.below("/cv")));
    folds
}

/// A group's column is no feature on its own account; one that is named for a feature is used.
pub(super) fn warning(request: &JobRequest, features: &[String]) -> Option<Warning> {
    let name = request.cv.as_ref()?.group_column()?;
    features.iter().any(|feature| feature == name).then(|| {
        let detail = format!(
            "column {} says how rows are split and is a feature too: of rows in groups that were \
             never trained on it can tell nothing",
            shown(name)
        );
        Warning::new("group_is_feature", detail).column(name)
    })
}

/// Looks up the groups, or predefined folds, that the split is by.
fn groups(
    cv: &SplitSpec,
    request: &JobRequest,
    dataset: &Dataset,
    folds: &mut Folds,
) -> Option<Problem> {
    let name = cv.group_column()?;
    let predefined = matches!(cv, SplitSpec::Predefined { .. });
    let pointer = if predefined { "/test_fold" } else { "/groups" };
    let Some(column) = dataset.column(name) else {
        return Some(no_column(pointer, name, dataset));
    };
    let description = &column.description;
    let refuse = |detail: String| Some(Problem::new(pointer, detail));
    if is_target(request, name) {
        return refuse(format!("column {} is the target", shown(name)));
    }
    if description.column_type == ColumnType::Tensor {
        return refuse(format!("column {} holds arrays", shown(name)));
    }
    if description.n_missing > 0 {
        let detail = format!("column {} has {} missing values", shown(name), description.n_missing);
        return refuse(detail)
            .map(|problem| problem.suggest("name a group for every row, if only `unknown`"));
    }
    let is_tested = |value: &Scalar| !matches!(value, Scalar::Number(fold) if *fold == -1.0);
    if predefined {
        if let Some(problem) = check_test_fold(column) {
            return Some(problem);
        }
        let untested = usize::from(description.least() == Some(-1.0));
        folds.n_groups = description.n_unique - untested;
    } else {
        folds.n_groups = description.n_unique;
    }
    folds.of_groups = column.values.as_ref().map(|values| {
        let kept = values.iter().filter(|value| !predefined || is_tested(&value.value));
        kept.map(|value| value.count).collect()
    });
    None
}

/// Folds are whole numbers from 0 on, and -1.
fn check_test_fold(column: &DescribedColumn) -> Option<Problem> {
    let description = &column.description;
    let name = shown(&description.name);
    let detail = if description.column_type != ColumnType::Numeric {
        format!("column {name} holds no numbers; folds are whole numbers, and -1")
    } else if description.least().is_some_and(|least| least < -1.0) {
        format!("column {name} holds a number below -1")
    } else if column.values.is_some() && !is_whole(column) {
        format!("column {name} holds a number that is not whole")
    } else {
        return None;
    };
    Some(Problem::new("/test_fold", detail))
}

/// Moments and numbers have an order.
fn check_time(name: &str, request: &JobRequest, dataset: &Dataset) -> Option<Problem> {
    let Some(column) = dataset.column(name) else {
        return Some(no_column("/time", name, dataset));
    };
    let description = &column.description;
    let name = shown(&description.name);
    let detail = if is_target(request, &description.name) {
        format!("column {name} is the target")
    } else if !matches!(description.column_type, ColumnType::Datetime | ColumnType::Numeric) {
        format!("column {name} holds neither moments nor numbers")
    } else if description.n_missing > 0 {
        format!("column {name} has {} missing values", description.n_missing)
    } else {
        return None;
    };
    Some(Problem::new("/time", detail))
}
