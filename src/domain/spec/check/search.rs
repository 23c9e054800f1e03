//! Whether a search can be run.

use trainyard_learn::metrics::Scorer;
use trainyard_learn::problem::Problem;
use trainyard_learn::splits::{RowCounts, SplitSpec};

use super::super::JobRequest;
use super::curve::{MAX_FITS, VARIED};
use super::folds::Folds;
use super::target::Target;
use crate::domain::dataset::Warning;
use crate::domain::suggest::shown;

/// Candidates, at most.
const MAX_CANDIDATES: usize = 1_000;

/// Checks all but the candidates, which are whole specs each; returns the least rows that are trained
/// on, of the `n_train` that a fold has at the least.
pub(super) fn check(
    request: &JobRequest,
    (folds, n_train): (&Folds, usize),
    (target, scoring): (Option<&Target<'_>>, &[Scorer]),
    problems: &mut Vec<Problem>,
) -> usize {
    let Some(search) = &request.search else { return n_train };
    if request.cv.is_none() {
        // What is wrong with a `cv` that was not understood is known at this place.
        let problem = Problem::new("/cv", "is required: a search is scored on folds of its own");
        problems.push(problem.suggest(r#"{"type": "kfold", "n_splits": 5}"#));
    }
    if request.curve.is_some() {
        let problem = Problem::new("/search", "a curve is of one model, and a search tries many");
        problems.push(problem.suggest("leave out one of the two"));
    }
    let at = |path: &str| format!("/search/space/{}", path.replace('~', "~0").replace('/', "~1"));
    for (path, choices) in &search.space {
        if !VARIED.contains(&path.split('.').next().unwrap_or_default()) {
            let detail = format!("a search is over parameters of {}", VARIED.join(", "));
            problems
                .push(Problem::new(at(path), detail).suggest("such as `optimizer.learning_rate`"));
        }
        for (index, value) in choices.choice.iter().enumerate() {
            if choices.choice[..index].contains(value) {
                let pointer = format!("{}/choice/{index}", at(path));
                problems.push(Problem::new(pointer, "is there twice"));
            }
        }
        let is_above = |other: &&String| other.starts_with(&format!("{path}."));
        if let Some(below) = search.space.keys().find(is_above) {
            let detail = format!("sets what `{below}` is a part of");
            problems.push(Problem::new(at(path), detail).suggest("leave out one of the two"));
        }
    }
    let n_candidates = search.n_candidates();
    if search.space.is_empty() || n_candidates > MAX_CANDIDATES {
        let detail = format!(
            "holds {n_candidates} candidates; from 1 parameter and up to {MAX_CANDIDATES} candidates can be tried"
        );
        problems.push(Problem::new("/search/space", detail));
    }
    if let Some(metric) = search.metric
        && !scoring.contains(&metric)
    {
        let detail = format!("`{}` is not in `scoring`", metric.name());
        problems.push(Problem::new("/search/metric", detail).suggest("put it there"));
    }
    let mut found = inner_split(&search.cv, request.cv.as_ref(), n_train);
    if search.cv.is_stratified() && target.is_some_and(|t| !matches!(t, Target::Classes(_))) {
        let detail = "stratified folds share out classes, and the target holds none";
        found.push(Problem::new("/type", detail).suggest("kfold or repeated_kfold"));
    }
    let n_inner = match found.is_empty() {
        true => search.cv.n_folds(&RowCounts::of_rows(n_train)),
        false => 0,
    };
    problems.extend(found.into_iter().map(|problem| problem.below("/search/cv")));
    let n_fits = folds.n_folds.saturating_mul(n_candidates.saturating_mul(n_inner));
    if n_fits > MAX_FITS {
        let detail = format!("would train {n_fits} times; at most {MAX_FITS} times are done");
        problems.push(Problem::new("/search", detail).suggest("fewer folds or fewer candidates"));
    }
    if n_inner == 0 { n_train } else { search.cv.smallest_train(&RowCounts::of_rows(n_train)) }
}

/// Groups that the job's folds keep together and the search's do not.
pub(super) fn warning(request: &JobRequest) -> Option<Warning> {
    let (inner, outer) = (&request.search.as_ref()?.cv, request.cv.as_ref()?);
    let name = outer.group_column().filter(|_| inner.group_column().is_none())?;
    let detail = format!(
        "`cv` keeps the rows of each value of column {} together, and `search.cv` does not: candidates \
         that learn groups by heart look better to the search than they are; name the column there too",
        shown(name)
    );
    Some(Warning::new("inner_split_without_groups", detail).column(name))
}

/// What is wrong with the inner split, as far as it can be told without the outer folds' rows.
fn inner_split(inner: &SplitSpec, outer: Option<&SplitSpec>, n_train: usize) -> Vec<Problem> {
    if matches!(inner, SplitSpec::Predefined { .. }) {
        let detail =
            "predefined folds are of all rows, and inner ones of each fold's training rows";
        return vec![Problem::new("/type", detail).suggest("kfold or group_kfold")];
    }
    let mut found = inner.check();
    let columns = [
        ("groups", inner.group_column(), outer.map(SplitSpec::group_column)),
        ("time", inner.time_column(), outer.map(SplitSpec::time_column)),
    ];
    for (field, of_inner, of_outer) in columns {
        if let (Some(name), Some(of_outer)) = (of_inner, of_outer)
            && of_outer != Some(name)
        {
            let detail = "is not the column that the job's `cv` splits by, whose folds would then not \
                          keep apart what these keep apart";
            let problem = Problem::new(format!("/{field}"), detail);
            found.push(problem.suggest(format!("name it in `cv.{field}` too")));
        }
    }
    if found.is_empty() {
        found.extend(inner.check_rows(n_train));
    }
    found
}
