//! What the description of the data says against a job before it trains.

use trainyard_learn::findings::{class_imbalance, too_many_categories};

use super::target::Target;
use crate::domain::dataset::{Dataset, Warning};

/// Classes out of balance, and columns of more categories than the rows support.
pub(super) fn warnings(
    target: &Target<'_>,
    target_names: &[String],
    features: &[String],
    dataset: &Dataset,
) -> Vec<Warning> {
    let columns = |names: &[String]| -> Vec<_> {
        names.iter().filter_map(|name| dataset.column(name)).collect()
    };
    let mut found = Vec::new();
    if matches!(target, Target::Classes(_)) {
        found.extend(columns(target_names).into_iter().filter_map(class_imbalance));
    }
    let used = [target_names, features].concat();
    let n_rows = dataset.n_rows();
    found.extend(columns(&used).into_iter().filter_map(|c| too_many_categories(c, n_rows)));
    found.into_iter().map(Warning::from).collect()
}
