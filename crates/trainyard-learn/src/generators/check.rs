//! What a `make_classification` spec has to fulfil.
//!
//! Next to scikit-learn's own conditions there are limits on size, which hold before anything is
//! allocated: a spec comes from a stranger, and a few digits of it can ask for any amount of memory
//! or time.

use super::PerFeature;
use super::make_classification::Parameters;
use crate::problem::Problem;

/// The most rows a generator makes.
pub const MAX_SAMPLES: usize = 10_000_000;
/// The most feature columns a generator makes.
pub const MAX_FEATURES: usize = 10_000;
/// The most numbers a generator makes: rows times columns.
pub const MAX_CELLS: usize = 100_000_000;
/// The most clusters, over all classes.
pub const MAX_CLUSTERS: usize = 100_000;
/// The most multiplications that go into the informative and redundant features.
pub const MAX_MULTIPLICATIONS: usize = 10_000_000_000;
/// The largest absolute value of `class_sep`, of a shift and of a scale; within it, no feature can
/// overflow.
pub const MAX_MAGNITUDE: f64 = 1e100;

/// How far above 1 the sum of the weights may be, for the sake of rounding.
const WEIGHT_TOLERANCE: f64 = 1e-9;

/// Everything that is wrong with the parameters.
pub(super) fn check(parameters: &Parameters<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    check_sizes(parameters, &mut problems);
    check_features(parameters, &mut problems);
    check_clusters(parameters, &mut problems);
    check_effort(parameters, &mut problems);
    if let Some(weights) = parameters.weights {
        check_weights(weights, parameters.n_classes, &mut problems);
    }
    check_reals(parameters, &mut problems);
    problems
}

fn check_sizes(parameters: &Parameters<'_>, problems: &mut Vec<Problem>) {
    let &Parameters { n_samples, n_features, .. } = parameters;
    for (pointer, size, least, most) in [
        ("/n_samples", n_samples, 1, MAX_SAMPLES),
        ("/n_features", n_features, 1, MAX_FEATURES),
        ("/n_informative", parameters.n_informative, 1, MAX_FEATURES),
        ("/n_classes", parameters.n_classes, 1, MAX_CLUSTERS),
        ("/n_clusters_per_class", parameters.n_clusters_per_class, 1, MAX_CLUSTERS),
    ] {
        if !(least..=most).contains(&size) {
            problems.push(
                Problem::new(pointer, format!("{size} is not between {least} and {most}"))
                    .suggest(format!("use {}", size.clamp(least, most))),
            );
        }
    }
    // Sizes beyond their own limits have been reported already.
    let is_plausible = n_samples <= MAX_SAMPLES && n_features <= MAX_FEATURES;
    if is_plausible && n_samples * n_features > MAX_CELLS {
        problems.push(
            Problem::new(
                "/n_samples",
                format!(
                    "n_samples * n_features = {n_samples} * {n_features} is more than \
                     {MAX_CELLS} cells"
                ),
            )
            .suggest(format!("lower n_samples to {} or n_features", MAX_CELLS / n_features)),
        );
    }
}

fn check_features(parameters: &Parameters<'_>, problems: &mut Vec<Problem>) {
    let &Parameters { n_features, n_informative, n_redundant, n_repeated, .. } = parameters;
    let n_useful = n_informative.saturating_add(n_redundant).saturating_add(n_repeated);
    if n_useful > n_features {
        problems.push(
            Problem::new(
                "/n_features",
                format!(
                    "n_informative + n_redundant + n_repeated = {n_informative} + {n_redundant} \
                     + {n_repeated} is more than n_features = {n_features}"
                ),
            )
            .suggest(format!(
                "raise n_features to {n_useful}, or lower n_informative, n_redundant or n_repeated"
            )),
        );
    }
}

fn check_clusters(parameters: &Parameters<'_>, problems: &mut Vec<Problem>) {
    let &Parameters { n_informative, n_classes, n_clusters_per_class, .. } = parameters;
    let n_clusters = n_classes.saturating_mul(n_clusters_per_class);
    let product =
        format!("n_classes * n_clusters_per_class = {n_classes} * {n_clusters_per_class}");
    if n_clusters > MAX_CLUSTERS {
        problems.push(
            Problem::new(
                "/n_clusters_per_class",
                format!("{product} is more than {MAX_CLUSTERS} clusters"),
            )
            .suggest("lower n_clusters_per_class or n_classes"),
        );
        return;
    }
    // Beyond 2 ** 31 vertices there are enough of them for every number of clusters in the limits.
    let n_vertices = 1_usize << n_informative.min(31);
    if n_informative >= 1 && n_clusters > n_vertices {
        let enough = n_clusters.next_power_of_two().trailing_zeros();
        problems.push(
            Problem::new(
                "/n_informative",
                format!("{product} is more than 2 ** n_informative = {n_vertices} clusters"),
            )
            .suggest(format!(
                "raise n_informative to {enough}, or lower n_clusters_per_class or n_classes"
            )),
        );
    }
}

fn check_effort(parameters: &Parameters<'_>, problems: &mut Vec<Problem>) {
    let &Parameters { n_samples, n_informative, n_redundant, .. } = parameters;
    let n_clusters = parameters.n_classes.saturating_mul(parameters.n_clusters_per_class);
    // Every sample is multiplied by the matrices, and every cluster draws a matrix.
    let multiplications = n_samples
        .saturating_add(n_clusters)
        .saturating_mul(n_informative)
        .saturating_mul(n_informative.saturating_add(n_redundant));
    if multiplications > MAX_MULTIPLICATIONS {
        problems.push(
            Problem::new(
                "/n_informative",
                format!(
                    "{n_samples} samples and {n_clusters} clusters with {n_informative} \
                     informative and {n_redundant} redundant features take more than \
                     {MAX_MULTIPLICATIONS} multiplications"
                ),
            )
            .suggest("lower n_informative, n_redundant, n_samples or the number of clusters"),
        );
    }
}

fn check_weights(weights: &[f64], n_classes: usize, problems: &mut Vec<Problem>) {
    if weights.len() != n_classes && weights.len() != n_classes.saturating_sub(1) {
        problems.push(
            Problem::new(
                "/weights",
                format!("{} weights do not fit n_classes = {n_classes}", weights.len()),
            )
            .suggest("give a weight for each class, or for each class but the last"),
        );
    }
    let mut all_usable = true;
    for (class, weight) in weights.iter().enumerate() {
        if !(0.0..=1.0).contains(weight) {
            all_usable = false;
            problems.push(
                Problem::new(
                    format!("/weights/{class}"),
                    format!("{weight} is not between 0 and 1"),
                )
                .suggest("a weight is the share of the samples that a class gets"),
            );
        }
    }
    let sum: f64 = weights.iter().sum();
    if all_usable && sum > 1.0 + WEIGHT_TOLERANCE {
        problems.push(
            Problem::new("/weights", format!("the weights add up to {sum}, which is more than 1"))
                .suggest("divide each weight by their sum"),
        );
    }
}

fn check_reals(parameters: &Parameters<'_>, problems: &mut Vec<Problem>) {
    let &Parameters { flip_y, class_sep, n_features, .. } = parameters;
    if !(0.0..=1.0).contains(&flip_y) {
        problems.push(
            Problem::new("/flip_y", format!("{flip_y} is not between 0 and 1"))
                .suggest("flip_y is the share of the labels to draw anew"),
        );
    }
    if !is_positive(class_sep) {
        problems.push(not_positive("/class_sep", class_sep));
    }
    if let Some(shift) = parameters.shift {
        check_per_feature("/shift", shift, n_features, problems);
    }
    match parameters.scale {
        Some(&PerFeature::Same(scale)) if !is_positive(scale) => {
            problems.push(not_positive("/scale", scale));
        }
        // An array may hold any number, as scikit-learn's may.
        Some(scale) => check_per_feature("/scale", scale, n_features, problems),
        None => {}
    }
}

fn check_per_feature(
    pointer: &str,
    given: &PerFeature,
    n_features: usize,
    problems: &mut Vec<Problem>,
) {
    let out_of_range = |pointer: String, value: f64| {
        Problem::new(
            pointer,
            format!("{value} is not a number between -{MAX_MAGNITUDE:e} and {MAX_MAGNITUDE:e}"),
        )
    };
    match given {
        PerFeature::Same(value) if !is_in_range(*value) => {
            problems.push(out_of_range(pointer.to_owned(), *value));
        }
        PerFeature::Same(_) => {}
        PerFeature::Each(values) => {
            if values.len() != n_features {
                problems.push(
                    Problem::new(
                        pointer,
                        format!("{} numbers do not fit n_features = {n_features}", values.len()),
                    )
                    .suggest("give one number for all features, or one for each"),
                );
            }
            for (feature, &value) in values.iter().enumerate() {
                if !is_in_range(value) {
                    problems.push(out_of_range(format!("{pointer}/{feature}"), value));
                }
            }
        }
    }
}

fn is_in_range(value: f64) -> bool {
    value.abs() <= MAX_MAGNITUDE
}

fn is_positive(value: f64) -> bool {
    value > 0.0 && is_in_range(value)
}

fn not_positive(pointer: &str, value: f64) -> Problem {
    Problem::new(pointer, format!("{value} is not a number above 0 and at most {MAX_MAGNITUDE:e}"))
        .suggest("use 1")
}
