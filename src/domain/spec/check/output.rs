//! What is done to predictions: whether it fits the target, and has rows to be fitted on.

use trainyard_learn::conformal::ConformalSpec;
use trainyard_learn::losses::LossSpec;
use trainyard_learn::problem::Problem;
use trainyard_learn::splits::SplitSpec;

use super::super::{JobRequest, LossChoice, ModelSpec};
use super::target::Target;
use crate::domain::dataset::Warning;

/// Checks calibration, threshold and conformal prediction.
pub(super) fn check(
    request: &JobRequest,
    target: Option<&Target<'_>>,
    problems: &mut Vec<Problem>,
) {
    let asked = [
        ("/calibration", request.calibration.is_some()),
        ("/threshold", request.threshold.is_some()),
        ("/conformal", request.conformal.is_some()),
    ];
    for (pointer, _) in asked.into_iter().filter(|(_, is_asked)| *is_asked) {
        if request.cv.is_none() {
            let detail = "is fitted on out-of-fold predictions, and there is no `cv`";
            problems.push(Problem::new(pointer, detail).suggest("name a `cv`"));
        } else if request.refit == Some(false) {
            let detail = "is a part of the model, and `refit` is false";
            problems.push(Problem::new(pointer, detail).suggest("leave `refit` out"));
        }
    }
    let Some(target) = target else { return };
    if request.calibration.is_some() && !matches!(target, Target::Classes(_)) {
        let detail = "is of probabilities of classes, and the target is not one column of classes";
        problems.push(Problem::new("/calibration", detail).suggest("leave it out"));
    }
    if request.threshold.is_some() && target.classes().len() != 2 {
        let detail = match target {
            Target::Classes(classes) => {
                format!("is between two classes, and the target holds {}", classes.len())
            }
            _ => "is between two classes, and the target is not one column of classes".to_owned(),
        };
        problems.push(Problem::new("/threshold", detail).suggest("leave it out"));
    }
    if let Some(spec) = &request.conformal {
        problems.extend(conformal(**spec, request, target));
    }
}

/// Coverage is promised of rows that come in no particular order.
pub(super) fn warning(request: &JobRequest) -> Option<Warning> {
    let in_time = matches!(request.cv, Some(SplitSpec::TimeSeriesSplit { .. }));
    (in_time && request.conformal.is_some()).then(|| {
        let detail = "sets and intervals hold the truth as often as asked where rows come in no \
                      particular order; `cv` takes them in the order of time, and of later rows, if they \
                      have changed, the share may be less";
        Warning::new("conformal_in_time", detail)
    })
}

fn conformal(spec: ConformalSpec, request: &JobRequest, target: &Target<'_>) -> Option<Problem> {
    let of_classes = matches!(spec, ConformalSpec::Lac | ConformalSpec::Aps { .. });
    let problem =
        |detail: &str, way_out: &str| Some(Problem::new("/conformal", detail).suggest(way_out));
    match target {
        Target::Classes(_) if !of_classes => {
            problem("is of amounts, and the target holds classes", "lac or aps")
        }
        Target::Classes(_) if request.calibration.is_none() && !has_probabilities(request) => {
            let detail = "needs probabilities, which this model does not have";
            problem(detail, "calibrate them: set `calibration` to \"platt\"")
        }
        Target::Classes(_) => None,
        Target::Labels { .. } => problem(
            "is of one column of classes or amounts, and the target is labels",
            "leave it out",
        ),
        Target::Values { n_outputs, .. } if *n_outputs > 1 => {
            problem("is of one column of amounts, and the target is several", "name one column")
        }
        Target::Values { .. } if spec == ConformalSpec::NormalizedResidual => {
            let detail = "needs a scale for each row, which no model here predicts";
            problem(detail, "absolute_residual")
        }
        Target::Values { .. } if of_classes => {
            problem("is of classes, and the target holds amounts", "absolute_residual")
        }
        Target::Values { .. } => None,
    }
}

fn has_probabilities(request: &JobRequest) -> bool {
    let loss: Option<&LossSpec> = match &request.loss {
        LossChoice::Auto => None,
        LossChoice::Loss(loss) => Some(loss),
    };
    !matches!(request.model, ModelSpec::Perceptron(_))
        && loss.is_none_or(LossSpec::has_probabilities)
}
