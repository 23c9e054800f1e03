//! A job's out-of-fold predictions, for what looks at them together.

use trainyard_learn::scalar::Scalar;

use super::AppState;
use super::problem::{ApiError, Code};
use crate::domain::ids::JobId;
use crate::domain::job::FoldResult;
use crate::domain::pooled::Pooled;
use crate::domain::spec::JobSpec;

/// Predictions that are looked at together, times the numbers that were predicted of a row.
const MAX_NUMBERS: usize = 20_000_000;

/// What was predicted of a job's rows out of fold.
pub(super) struct OutOfFold {
    pub(super) pooled: Pooled,
    /// Of the target; of labels, the words for not having and having one.
    pub(super) classes: Vec<Scalar>,
    /// The columns of the target.
    pub(super) targets: Vec<String>,
}

/// The predictions of the folds that are done, or of one of them; all rows must be few enough to be
/// looked at together.
pub(super) async fn out_of_fold(
    state: &AppState,
    id: JobId,
    fold: Option<u32>,
) -> Result<OutOfFold, ApiError> {
    let not_found = || ApiError::not_found("job", id);
    let project = state.project();
    let spec = state.store.spec(project, id).await?.ok_or_else(not_found)?;
    refuse_curve(&spec)?;
    let classes = state.store.classes(project, id).await?.ok_or_else(not_found)?;
    let folds = state.store.folds(project, id).await?.ok_or_else(not_found)?;
    let n_rows: usize = match fold {
        None => folds.iter().map(n_test).sum(),
        Some(_) => folds.iter().map(n_test).max().unwrap_or_default(),
    };
    let targets = spec.target.names().to_vec();
    let width = targets.len().max(classes.len());
    if n_rows.saturating_mul(width) > MAX_NUMBERS {
        let detail = format!(
            "{n_rows} predictions of {width} numbers each are too many to be looked at together; \
             name a `fold`, or take the predictions page by page"
        );
        return Err(ApiError::new(Code::TooLarge, detail));
    }
    let (first, wanted) = fold.map_or((0, i64::MAX), |fold| (i64::from(fold), 1));
    let stored = state.store.predictions(project, id, first, wanted).await?;
    let is_meant = |idx: i64| fold.is_none_or(|fold| i64::from(fold) == idx);
    let meant = stored.into_iter().filter(|part| is_meant(part.idx)).map(|part| part.predictions);
    let pooled = Pooled::of(meant).ok_or_else(|| {
        let detail = match fold {
            Some(fold) => format!("fold {fold} is not done, or there is none of that number"),
            None => "no fold is done, or the job has no `cv`".to_owned(),
        };
        ApiError::new(Code::NotFound, detail)
    })?;
    Ok(OutOfFold { pooled, classes, targets })
}

/// Of a curve no predictions are kept.
pub(super) fn refuse_curve(spec: &JobSpec) -> Result<(), ApiError> {
    match spec.curve {
        None => Ok(()),
        Some(_) => {
            let detail = "the job draws a curve, and keeps no predictions; see its `result.curve`";
            Err(ApiError::new(Code::Conflict, detail.to_owned()))
        }
    }
}

fn n_test(fold: &FoldResult) -> usize {
    fold.n_test as usize
}
