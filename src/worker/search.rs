//! The choice among a search's candidates on some rows, by a cross-validation of these rows alone.

use std::sync::Arc;

use trainyard_learn::kernels::Crew;
use trainyard_learn::model::Truth;
use trainyard_learn::splits::{Folds, RowCounts, SplitRows};

use super::fit::{Part, fit, predict, unprepared};
use super::observe::Context;
use super::prepare::{Prepared, dense};
use super::run::{Failure, Runner, of_variant, prepared_like};
use super::series::Series;
use crate::domain::job::Choice;
use crate::domain::spec::search::SearchSpec;
use crate::store::tasks::JobContext;

/// A candidate that was chosen, and what it was chosen over.
pub(super) struct Chosen {
    /// Its number.
    pub(super) candidate: usize,
    /// The data as it is prepared for it.
    pub(super) data: Arc<Prepared>,
    /// The mean inner score of each candidate.
    pub(super) scores: Vec<Option<f64>>,
    /// Where the task is: at its last fit.
    pub(super) series: Series,
}

impl Chosen {
    /// What is told of it.
    pub(super) fn told(&self, search: &SearchSpec) -> Choice {
        Choice {
            candidate: self.candidate as u32,
            params: search.candidate(self.candidate),
            score: self.scores[self.candidate],
            scores: self.scores.clone(),
        }
    }
}

/// Trains every candidate on every inner fold of the rows, and chooses the one with the highest mean,
/// the first of equals. A candidate whose training diverges has no score. It goes on from where an earlier
/// attempt has saved the task: fits that had ended are not made again.
pub(super) fn choose(
    runner: &Runner,
    (job, search): (&JobContext, &SearchSpec),
    (rows, outer): (&[u32], Part),
    crew: &mut Crew,
    context: Context<'_>,
) -> Result<Chosen, Failure> {
    let first = runner.prepared(job, 0)?;
    let folds = inner_folds(job, search, &first, rows)?;
    let n_candidates = job.variants.len();
    let n_folds = folds.len();
    let mut series = Series::resume(context, n_candidates * n_folds);
    let mut scores = vec![None; n_candidates];
    // Those whose data are prepared alike come one after the other: few preparations are kept.
    let mut order: Vec<usize> = (0..n_candidates).collect();
    order.sort_by_cached_key(|candidate| prepared_like(&job.variants, *candidate));
    for (before, candidate) in order.into_iter().enumerate() {
        let (first, end) = (before * n_folds, (before + 1) * n_folds);
        if series.scores().len() < end {
            let data = runner.prepared(job, candidate)?;
            let of_candidate = of_variant(job, candidate);
            for inner in series.scores().len() - first..n_folds {
                let of_fit = Context { series: Some(&series), ..context };
                let part = (inner, outer.inner(inner));
                let (score, n_rows) =
                    inner_score(&of_candidate, search, &data, (rows, &folds), part, crew, of_fit)?;
                runner.resources.meters.search_fits.inc();
                runner.resources.meters.rows_trained.inc_by(n_rows);
                series.add(score, context);
            }
        }
        let sum = series.scores()[first..end].iter().copied().sum::<Option<f64>>();
        scores[candidate] = sum.map(|sum| sum / n_folds as f64);
    }
    let mut best: Option<(usize, f64)> = None;
    for (candidate, score) in scores.iter().enumerate() {
        if let Some(score) = *score
            && best.is_none_or(|(_, highest)| score > highest)
        {
            best = Some((candidate, score));
        }
    }
    let Some((candidate, _)) = best else {
        let detail = "no candidate has a score on all inner folds: the metric is undefined there, or \
                      training diverged";
        return Err(Failure::permanent("search", detail));
    };
    Ok(Chosen { candidate, data: runner.prepared(job, candidate)?, scores, series })
}

/// The score of one fit, and how many rows it trained on, over all its epochs.
fn inner_score(
    job: &JobContext,
    search: &SearchSpec,
    data: &Prepared,
    (rows, folds): (&[u32], &Folds),
    (number, part): (usize, Part),
    crew: &mut Crew,
    context: Context<'_>,
) -> Result<(Option<f64>, u64), Failure> {
    let split = folds.get(number);
    let of_all = |places: &[u32]| places.iter().map(|place| rows[*place as usize]).collect();
    let (train, test): (Vec<u32>, Vec<u32>) = (of_all(&split.train), of_all(&split.test));
    let fitted = match fit(job, data, &train, part, crew, context) {
        Err(Failure::Diverged(..)) => return Ok((None, 0)),
        fitted => fitted?,
    };
    let (predicted, _) = predict(job, data, fitted.learned(), &test, crew)?;
    let scorers: Vec<_> = search.metric.into_iter().collect();
    let (truth, weights) = (data.truth_of(&test), data.scoring_weights_of(&test));
    let scores = predicted.scores(&scorers, &truth, job.classes.len(), weights.as_deref());
    let n_rows = train.len() as u64 * u64::from(fitted.summary.epochs);
    Ok((scores.first().copied().flatten(), n_rows))
}

/// Splits the rows, which are numbered from 0 in their order.
fn inner_folds(
    job: &JobContext,
    search: &SearchSpec,
    data: &Prepared,
    rows: &[u32],
) -> Result<Folds, Failure> {
    let truth = data.truth_of(rows);
    let counts: Vec<(String, usize)> = match &truth {
        Truth::Classes(classes) => job
            .classes
            .iter()
            .enumerate()
            .map(|(class, name)| {
                (name.text(), classes.iter().filter(|c| **c as usize == class).count())
            })
            .filter(|(_, count)| *count > 0)
            .collect(),
        Truth::Values(_) => Vec::new(),
    };
    let ranks = |name: Option<&str>| match name {
        None => Ok(None),
        Some(name) => data.ranks(name, rows).map(Some).map_err(unprepared),
    };
    let cv = &search.cv;
    let groups = ranks(cv.group_column())?;
    let order = ranks(cv.time_column())?.map(|ranks| {
        let mut order: Vec<u32> = (0..rows.len() as u32).collect();
        order.sort_by_key(|row| ranks[*row as usize]);
        order
    });
    let classes = match truth {
        Truth::Classes(classes) => Some(dense(&classes)),
        Truth::Values(_) => None,
    };
    let mut of_groups = Vec::new();
    for group in groups.iter().flatten() {
        of_groups.resize(of_groups.len().max(*group as usize + 1), 0);
        of_groups[*group as usize] += 1;
    }
    let n_rows = rows.len();
    let sizes = RowCounts { n_rows, n_groups: of_groups.len(), of_groups: Some(&of_groups) };
    let mut found = cv.check_rows(n_rows);
    if found.is_empty() {
        found.extend(cv.check_groups(&sizes, counts.len()));
    }
    if found.is_empty() {
        found.extend(cv.check_target(&counts));
    }
    if let Some(problem) = found.first() {
        let detail = format!("/search/cv{} of {n_rows} rows: {}", problem.pointer, problem.detail);
        return Err(Failure::permanent("search", detail));
    }
    let (classes, groups, order) = (classes.as_deref(), groups.as_deref(), order.as_deref());
    Ok(cv.assign(&SplitRows { n_rows, classes, groups, order }))
}

#[cfg(test)]
pub(super) mod tests;
