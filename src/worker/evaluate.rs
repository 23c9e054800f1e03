//! The task of a job that evaluates a stored model: its predictions of all rows, and their scores.

use std::collections::BTreeMap;
use std::time::Instant;

use trainyard_learn::artifact::TrainedModel;

use super::READ_WITHIN;
use super::queue::Signal;
use super::reduce::by_name;
use super::run::{Failure, Runner, unseen_categories};
use crate::domain::evaluate::{predict_all, weights};
use crate::domain::ids::ModelId;
use crate::domain::job::{FitSummary, FoldResult};
use crate::domain::pooled::Pooled;
use crate::domain::predictions::FoldPredictions;
use crate::store::tasks::{JobContext, Outcome};

pub(super) fn evaluate(
    runner: &Runner,
    job: &JobContext,
    model_id: ModelId,
    signal: &Signal,
) -> Result<Outcome, Failure> {
    let model = stored(runner, job, model_id)?;
    let table = runner.table(job)?;
    let started = Instant::now();
    let found = predict_all(&model, &table, &|| signal.stop().is_some()).map_err(|problems| {
        let told: Vec<String> =
            problems.into_iter().take(10).map(|problem| problem.detail).collect();
        Failure::permanent("evaluate", told.join("; "))
    })?;
    let (pooled, met) = found.ok_or(Failure::Stopped)?;
    let Pooled { rows, truth, predicted, .. } = pooled;
    let (scorers, n_classes) = (&job.spec.scoring, model.classes.len());
    let weights = weights(&table, job.spec.scoring_weight.as_deref());
    let scores = predicted.scores(scorers, &truth, n_classes, weights.as_deref());
    let ill_defined = predicted.ill_defined(scorers, &truth, n_classes, weights.as_deref());
    let fit = FitSummary {
        epochs: 0,
        converged: None,
        best_epoch: None,
        stop_reason: "completed".to_owned(),
        train_loss: None,
        val_loss: None,
        fit_s: 0.0,
    };
    let result = FoldResult {
        repeat: 0,
        fold: 0,
        chosen: None,
        point: None,
        n_train: 0,
        n_test: rows.len() as u32,
        scores: by_name(&job.spec.scoring, &scores),
        train_scores: BTreeMap::new(),
        score_s: started.elapsed().as_secs_f64(),
        untrained_classes: Vec::new(),
        untested_classes: Vec::new(),
        ill_defined: ill_defined.into_iter().map(|scorer| scorer.name().into_owned()).collect(),
        unseen_categories: met.unseen.into_iter().map(unseen_categories).collect(),
        fit,
    };
    let predictions = Some(FoldPredictions { rows, truth, predicted });
    Ok(Outcome::Fold { result: Box::new(result), predictions, history: None })
}

fn stored(runner: &Runner, job: &JobContext, id: ModelId) -> Result<TrainedModel, Failure> {
    let code = "model_unreadable";
    let resources = &runner.resources;
    let store = &resources.store;
    let model = store.within(READ_WITHIN, store.model(job.project, id));
    let model = runner.runtime.block_on(model);
    let model = model.map_err(|error| Failure::of_rows(code, &error))?;
    let model = model.ok_or_else(|| {
        Failure::permanent("model_gone", format!("the model {id} has been deleted"))
    })?;
    let bytes = runner.runtime.block_on(resources.blobs.get(&model.sha256));
    let bytes = bytes.map_err(|error| Failure::of_bytes(code, &error))?;
    TrainedModel::from_bytes(&bytes).map_err(|error| Failure::passing(code, error))
}
