//! What only the order of the rows tells of a job whose folds follow it: that the file is sorted by what
//! is to be predicted, and that a fold trains on one class alone.
//!
//! It looks at what a client can change before anything is queued. Whatever it leaves out, because the
//! table is large or the folds follow another order, the job's result tells.

use trainyard_learn::problem::Problem;
use trainyard_learn::splits::{SplitRows, SplitSpec};
use trainyard_learn::table::Table;

use super::AppState;
use super::problem::ApiError;
use crate::domain::dataset::{Dataset, Warning};
use crate::domain::spec::{CheckedJob, JobSpec, ModelSpec, TaskRequest};
use crate::domain::suggest::shown;
use crate::tables::TableError;

/// A larger table is not gone through while a client waits.
const MAX_ROWS: usize = 1_000_000;

/// Rows of all folds together that are gone through, at most.
const MAX_TRAINED_ROWS: usize = 20_000_000;

/// Fewer amounts may be in order by chance.
const MIN_SORTED_AMOUNTS: usize = 10;

/// Warnings of folds in the order of the rows.
///
/// # Errors
/// What keeps the job from running.
pub(super) async fn look(
    state: &AppState,
    job: &CheckedJob,
    dataset: &Dataset,
) -> Result<Vec<Warning>, ApiError> {
    let one_target = job.spec.target.names().len() == 1;
    if !one_target || dataset.n_rows() > MAX_ROWS || !job.spec.cv.as_ref().is_some_and(in_order) {
        return Ok(Vec::new());
    }
    let (worker, dataset, spec) = (state.clone(), dataset.clone(), job.spec.clone());
    let classes: Vec<String> = job.classes.iter().map(|class| shown(&class.text())).collect();
    let work = tokio::task::spawn_blocking(move || {
        let table = worker.tables.get(&dataset.sha256, &dataset.reading)?;
        let target = spec.target.names().first().and_then(|name| table.ranks(name));
        let target = target.unwrap_or_default();
        let found = one_class(&spec, &table, &target, &classes);
        Ok((sorted(&spec, &target), found))
    });
    match work.await.map_err(ApiError::internal)? {
        Ok((_, Some(problem))) => Err(ApiError::invalid(vec![problem])),
        Ok((warning, None)) => Ok(warning.into_iter().collect()),
        // Whoever runs the job meets the same, and tells it as the job's failure.
        Err(error) => {
            let error: TableError = error;
            tracing::warn!(%error, "the order of a table's rows could not be looked at");
            Ok(Vec::new())
        }
    }
}

/// Whether folds are of rows that follow each other.
fn in_order(cv: &SplitSpec) -> bool {
    matches!(
        cv,
        SplitSpec::Kfold { shuffle: false, .. }
            | SplitSpec::Holdout { shuffle: false, .. }
            | SplitSpec::TimeSeriesSplit { .. }
    )
}

/// A warning where rows come class by class, or amount by amount, and are split as they come.
fn sorted(spec: &JobSpec, target: &[u32]) -> Option<Warning> {
    let n_distinct = target.iter().max().map_or(0, |most| *most as usize + 1);
    let is_sorted = match spec.task {
        TaskRequest::Regression => {
            let descending = || target.is_sorted_by(|one, next| one >= next);
            target.len() >= MIN_SORTED_AMOUNTS && (target.is_sorted() || descending())
        }
        _ => target.windows(2).filter(|pair| pair[0] != pair[1]).count() + 1 == n_distinct,
    };
    // In the order of time, what is to come may well be more than all that was.
    if !is_sorted || n_distinct < 2 || matches!(spec.cv, Some(SplitSpec::TimeSeriesSplit { .. })) {
        return None;
    }
    let name = spec.target.names().first()?;
    let (way_out, lack) = match spec.task {
        TaskRequest::Regression => ("set `cv.shuffle` to true", "amounts"),
        _ => ("set `cv.shuffle` to true, or take stratified_kfold", "classes"),
    };
    let detail = format!(
        "the rows are sorted by column {}, and `cv` takes them as they come: folds test on {lack} that \
         they hardly trained on; {way_out}",
        shown(name)
    );
    Some(Warning::new("sorted_by_target", detail).column(name))
}

/// A problem where a perceptron would have nothing to tell apart.
fn one_class(spec: &JobSpec, table: &Table, target: &[u32], classes: &[String]) -> Option<Problem> {
    let cv = spec.cv.as_ref().filter(|_| matches!(spec.model, ModelSpec::Perceptron(_)))?;
    let by_time = cv.time_column().map(|name| table.ranks(name)).map(|ranks| {
        let mut rows: Vec<u32> = (0..table.n_rows() as u32).collect();
        let ranks = ranks.unwrap_or_default();
        rows.sort_by_key(|row| ranks.get(*row as usize));
        rows
    });
    let rows =
        SplitRows { order: by_time.as_deref(), ..SplitRows::new(target.len(), Some(target)) };
    let folds = cv.assign(&rows);
    let most = MAX_TRAINED_ROWS / target.len().max(1);
    let class = |row: &u32| target.get(*row as usize);
    let (fold, n_rows, of) = folds.iter().take(most).find_map(|fold| {
        let first = class(fold.train.first()?)?;
        let all = fold.train.iter().all(|row| class(row) == Some(first));
        all.then_some((fold.fold, fold.train.len(), *first))
    })?;
    let name = classes.get(of as usize).map_or("one class", String::as_str);
    let detail = format!(
        "fold {fold} trains on {n_rows} rows that are all of class {name}, and a perceptron tells \
         classes apart"
    );
    let way_out = match cv {
        SplitSpec::TimeSeriesSplit { max_train_size: Some(_), .. } => {
            "a larger `max_train_size` or fewer splits, so that each fold trains on rows of two classes"
        }
        SplitSpec::TimeSeriesSplit { .. } => {
            "fewer splits or a smaller `test_size`, so that the first fold trains on more rows"
        }
        _ => "set `cv.shuffle` to true, or take stratified_kfold",
    };
    Some(Problem::new("/cv", detail).suggest(way_out))
}
