//! From a request to a spec that runs, or to every reason why not.
//!
//! What is about all models is here; what is about some of them, or about one part of a request, is
//! in the files beside.

mod curve;
mod features;
mod findings;
mod folds;
mod network;
mod output;
mod perceptron;
mod preprocess;
mod scoring;
mod search;
mod target;

use serde_json::{Map, Value};
use trainyard_learn::perceptron::PerceptronSpec;
use trainyard_learn::preprocess::scale::{ScaleSpec, StandardSpec};
use trainyard_learn::problem::Problem;

use super::{CheckedJob, Estimate, JobRequest, JobSpec, ModelSpec};
use crate::domain::dataset::{Dataset, Warning};
use crate::domain::labels::Labels;
use crate::domain::limits::Limits;
pub(crate) use curve::VARIED;
pub(crate) use features::weight_column;
pub(crate) use network::default_optimizer;
use target::Target;

const MAX_METADATA_BYTES: usize = 16 << 10;

/// Checks a request against its dataset.
///
/// # Errors
/// Every problem found, with pointers relative to the request.
pub fn check(
    request: JobRequest,
    dataset: &Dataset,
    limits: &Limits,
) -> Result<CheckedJob, Vec<Problem>> {
    let mut problems = Vec::new();
    let features = features::features(&request, dataset, &mut problems);
    features::weights(&request, dataset, &mut problems);
    let target = target::target(&request, dataset, limits, &mut problems);
    target::transform(&request, dataset, target.as_ref(), &mut problems);
    let folds = folds::folds(&request, dataset, target.as_ref(), &mut problems);
    let n_folds = folds.n_folds;
    let n_train = curve::check(&request, (n_folds, folds.n_train), &mut problems);
    if request.cv.is_none() && request.refit == Some(false) {
        problems.push(
            Problem::new("/refit", "without `cv` and without `refit` there is nothing to do")
                .suggest("name a `cv`, or leave `refit` out"),
        );
    }
    output::check(&request, target.as_ref(), &mut problems);
    let scoring = scoring::scoring(&request, target.as_ref(), &mut problems);
    let searched = (target.as_ref(), scoring.as_slice());
    let n_train = search::check(&request, (&folds, n_train), searched, &mut problems);
    problems.extend(check_any(&request.metadata, &request.requires));
    let scale = match &request.model {
        ModelSpec::Perceptron(_) => ScaleSpec::None,
        _ => ScaleSpec::Standard(StandardSpec::default()),
    };
    let preprocess = request.preprocess.clone().unwrap_or_default().with_default_scale(&scale);
    let n_classes = target.as_ref().map_or(0, |target| target.classes().len());
    let n_features = preprocess::check(&preprocess, &features, dataset, n_classes, &mut problems);

    let max_table_bytes = limits.max_table_megabytes << 20;
    let learner = match &request.model {
        ModelSpec::Perceptron(model) => {
            let target = target.as_ref();
            check_perceptron(model, &request, (dataset, &folds), target, &mut problems);
            target.filter(|_| problems.is_empty()).map(|target| {
                let n_classes = target.classes().len();
                let mut warnings = Vec::new();
                if matches!(preprocess.numeric.scale.as_deref(), None | Some(ScaleSpec::None)) {
                    warnings = perceptron::scale_warnings(&features, dataset);
                }
                let sizes = (n_features, n_classes, n_folds);
                let estimate = perceptron::estimate(model, dataset, sizes, max_table_bytes);
                Learner { network: None, estimate, warnings }
            })
        }
        _ => target.as_ref().and_then(|target| {
            let data =
                network::Data { dataset, n_features, target, n_folds, n_train, max_table_bytes };
            let resolved = network::check(&request, data, &scoring, &mut problems)?;
            Some(Learner {
                estimate: resolved.estimate,
                warnings: resolved.warnings.clone(),
                network: Some(resolved),
            })
        }),
    };
    let (Some(target), Some(learner), true) = (target, learner, problems.is_empty()) else {
        return Err(problems);
    };
    let Learner { network, estimate, mut warnings } = learner;
    let (pointer, way_out) = match network {
        None => ("/features", "name fewer features"),
        Some(_) => ("/model", "choose smaller layers, smaller batches or fewer features"),
    };
    if let Some(problem) = too_large(&estimate, dataset, limits, (pointer, way_out)) {
        return Err(vec![problem]);
    }
    if request.cv.is_none() {
        let scores = if request.return_train_score {
            "the only scores are those on the training rows, which flatter the model"
        } else {
            "and with `return_train_score` false the final model has no score"
        };
        warnings.push(Warning::new("no_cross_validation", format!("without `cv` {scores}")));
    }
    let names = request.target.names();
    warnings.extend(findings::warnings(&target, names, &features, dataset));
    warnings.extend(folds::warning(&request, &features));
    warnings.extend(search::warning(&request));
    warnings.extend(output::warning(&request));
    let (curve, equal_sizes) = curve::resolved(&request, folds.n_train);
    warnings.extend(equal_sizes);
    let classes = target.words();
    let (model, optimizer, loss, training) = match network {
        None => (request.model, None, None, None),
        Some(network::Resolved { model, optimizer, loss, training, .. }) => {
            (model, Some(optimizer), Some(loss), Some(training))
        }
    };
    let seed = request.random_state;
    let search = request.search.map(|search| search.resolved(seed, &scoring));
    let spec = JobSpec {
        name: request.name,
        dataset_id: dataset.id,
        target: request.target,
        features,
        task: target.task(),
        model,
        cv: request.cv.map(|cv| cv.with_default_seed(request.random_state)),
        scoring,
        refit: request.refit.unwrap_or(request.curve.is_none()),
        return_train_score: request.return_train_score,
        random_state: request.random_state,
        optimizer,
        loss,
        training,
        preprocess,
        target_transform: request.target_transform.unwrap_or_default(),
        sample_weight: request.sample_weight,
        scoring_weight: request.scoring_weight,
        calibration: request.calibration,
        threshold: request.threshold,
        conformal: request.conformal,
        curve,
        search,
        evaluate: None,
        priority: request.priority,
        requires: request.requires,
        max_parallel: request.max_parallel,
        max_attempts: request.max_attempts,
        max_seconds: request.max_seconds,
        retention_s: request.retention_s,
        metadata: request.metadata,
    };
    let variants = Vec::new();
    let after = request.after;
    let mut checked = CheckedJob { spec, classes, n_folds, variants, warnings, estimate, after };
    checked.estimate.n_tasks = checked.n_fits() as u64 + 1;
    Ok(checked)
}

/// What is wrong with what any job may say, whatever it is to do.
pub fn check_any(metadata: &Map<String, Value>, requires: &Labels) -> Vec<Problem> {
    let mut problems = Vec::new();
    let metadata_bytes = serde_json::to_string(metadata).map_or(0, |text| text.len());
    if metadata_bytes > MAX_METADATA_BYTES {
        let detail = format!("is {metadata_bytes} bytes; at most {MAX_METADATA_BYTES} are kept");
        problems.push(Problem::new("/metadata", detail));
    }
    problems.extend(requires.problems().into_iter().map(|problem| problem.below("/requires")));
    problems
}

/// What the check of a model came to.
struct Learner {
    /// Of a network, what was resolved.
    network: Option<network::Resolved>,
    estimate: super::Estimate,
    warnings: Vec<Warning>,
}

/// Promised, and not there yet: said so rather than ignored.
fn check_perceptron(
    model: &PerceptronSpec,
    request: &JobRequest,
    (dataset, folds): (&Dataset, &folds::Folds),
    target: Option<&Target<'_>>,
    problems: &mut Vec<Problem>,
) {
    perceptron::not_for_the_perceptron(request, problems);
    problems.extend(model.check().into_iter().map(|problem| problem.below("/model")));
    if let Some(target) = target {
        perceptron::class_weights(model, target.classes(), problems);
        let kept = |n_rows| folds.smallest_train(request.cv.as_ref(), n_rows);
        perceptron::early_stopping(model, target.classes(), dataset.n_rows(), kept, problems);
    }
}

#[cfg(test)]
mod tests;

/// What is wrong with a task of that size: the dataset, where its table alone is too large, or what
/// `otherwise` points at, with the way out.
pub(crate) fn too_large(
    estimate: &Estimate,
    dataset: &Dataset,
    limits: &Limits,
    otherwise: (&str, &str),
) -> Option<Problem> {
    let most = limits.max_task_megabytes << 20;
    let table = dataset.content.table_memory_bytes(limits.max_table_megabytes << 20);
    let (pointer, way_out) = match table > most {
        true => ("/dataset_id", "send fewer rows, or leave out columns of long text"),
        false => otherwise,
    };
    (estimate.memory_bytes > most).then(|| {
        let detail = format!(
            "a task would need about {} MB; the limit is {} MB",
            estimate.memory_bytes >> 20,
            limits.max_task_megabytes
        );
        Problem::new(pointer, detail).suggest(way_out)
    })
}
