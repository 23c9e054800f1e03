//! What to measure: whether it fits what there is to learn and what learns it.
//!
//! Whether a network's loss gives probabilities is checked with the network.

use trainyard_learn::losses::TargetKind;
use trainyard_learn::metrics::Scorer;
use trainyard_learn::problem::Problem;

use super::super::{JobRequest, ModelSpec, TaskRequest};
use super::target::Target;

/// What to measure, with its default; each must fit what there is to learn.
pub(super) fn scoring(
    request: &JobRequest,
    target: Option<&Target<'_>>,
    problems: &mut Vec<Problem>,
) -> Vec<Scorer> {
    let Some(scoring) = &request.scoring else {
        let amounts = target.is_some_and(|target| target.task() == TaskRequest::Regression);
        return vec![if amounts { Scorer::R2 } else { Scorer::Accuracy }];
    };
    let perceptron = matches!(request.model, ModelSpec::Perceptron(_));
    for (index, scorer) in scoring.iter().enumerate() {
        let name = scorer.name();
        let pointer = format!("/scoring/{index}");
        if scoring[..index].contains(scorer) {
            problems.push(Problem::new(pointer, format!("`{name}` is there already")));
        } else if let Some(target) = target
            && !scorer.fits(target.kind())
        {
            let kind = target.kind();
            let fitting: Vec<_> =
                Scorer::ALL.into_iter().filter(|s| s.fits(kind)).map(Scorer::name).collect();
            let way_out = match scorer.instead(kind) {
                Some(near) => near.name().into_owned(),
                None => format!("one of: {}", fitting.join(", ")),
            };
            let detail = format!("`{name}` does not fit this target{}", what_it_is(kind));
            problems.push(Problem::new(pointer, detail).suggest(way_out));
        } else if let Some(Target::Values { least, .. }) = target
            && let Some(way_out) = out_of_range(*scorer, *least)
        {
            let detail = format!("`{name}` needs {}; the least is {least}", scorer.needs());
            problems.push(Problem::new(pointer, detail).suggest(way_out));
        } else if request.scoring_weight.is_some() && !scorer.takes_weights() {
            let detail = format!("`{name}` takes no weights, and there is a `scoring_weight`");
            let way_out = match scorer {
                Scorer::NegMaxError => "neg_mean_absolute_error",
                _ => "roc_auc_ovr_weighted",
            };
            problems.push(Problem::new(pointer, detail).suggest(way_out));
        } else if let (Some(k), Some(Target::Classes(classes))) = (scorer.k(), target)
            && k as usize >= classes.len()
        {
            let detail = format!(
                "`{name}` is always 1: a row's class is among {k} of {} classes",
                classes.len()
            );
            problems.push(Problem::new(pointer, detail).suggest(match classes.len() {
                0..=2 => "accuracy".to_owned(),
                3 => "top_k_accuracy".to_owned(),
                n => format!("a `k` of at most {}", n - 1),
            }));
        } else if perceptron && scorer.needs_probabilities() {
            let detail = format!("`{name}` needs probabilities, which a perceptron does not have");
            problems.push(Problem::new(pointer, detail).suggest("use the model linear"));
        }
    }
    scoring.clone()
}

fn what_it_is(kind: TargetKind) -> String {
    match kind {
        TargetKind::Classes { n_classes } => format!(", which holds {n_classes} classes"),
        TargetKind::Labels { n_labels } => format!(", which is {n_labels} labels"),
        TargetKind::Values { n_outputs: 1 } => ", which holds amounts".to_owned(),
        TargetKind::Values { n_outputs } => format!(", which is {n_outputs} columns of amounts"),
    }
}

/// What to take instead where a target's least value has no such score.
fn out_of_range(scorer: Scorer, least: f64) -> Option<&'static str> {
    match scorer {
        Scorer::NegMeanSquaredLogError if least <= -1.0 => Some("neg_mean_squared_error"),
        Scorer::NegRootMeanSquaredLogError if least <= -1.0 => Some("neg_root_mean_squared_error"),
        Scorer::NegMeanPoissonDeviance if least < 0.0 => Some("neg_mean_squared_error"),
        Scorer::NegMeanGammaDeviance if least == 0.0 => Some("neg_mean_poisson_deviance"),
        Scorer::NegMeanGammaDeviance if least < 0.0 => Some("neg_mean_squared_error"),
        _ => None,
    }
}
