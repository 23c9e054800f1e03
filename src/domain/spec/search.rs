//! Searches: which parameters to try, and how to choose among them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use trainyard_learn::metrics::Scorer;
use trainyard_learn::splits::SplitSpec;
use utoipa::ToSchema;

/// Parameters that are chosen by an inner cross-validation. In each fold of the job's `cv` it sees the
/// training rows only, so that the fold's scores are of rows that neither the model nor the choice has
/// seen (nested cross-validation); for the refit it sees all rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchSpec {
    /// How candidates are found.
    #[serde(default)]
    pub strategy: SearchStrategy,
    /// Parameters by their path in the spec, its parts joined by dots, such as
    /// `optimizer.learning_rate`, each with the values to try. Every combination is a candidate, as in
    /// scikit-learn's `ParameterGrid`: the last parameter by name changes fastest.
    pub space: BTreeMap<String, Choices>,
    /// The scorer whose mean over the inner folds is the highest of the chosen candidate, the first of
    /// equals; one of `scoring`, whose first it is if left out.
    #[serde(default)]
    pub metric: Option<Scorer>,
    /// How the rows are split that candidates are compared on. A column that it names must be named by
    /// the job's `cv` too.
    pub cv: SplitSpec,
}

/// How candidates are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SearchStrategy {
    /// Every combination.
    #[default]
    Grid,
}

/// What a parameter is tried with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Choices {
    /// The values.
    #[schema(min_items = 1, max_items = 1000)]
    pub choice: Vec<Value>,
}

impl SearchSpec {
    /// How many candidates there are.
    pub fn n_candidates(&self) -> usize {
        let sizes = self.space.values().map(|choices| choices.choice.len());
        sizes.fold(1, usize::saturating_mul)
    }

    /// What a candidate sets, by path.
    pub fn candidate(&self, index: usize) -> Map<String, Value> {
        let mut rest = index;
        let mut settings = Map::new();
        for (path, Choices { choice }) in self.space.iter().rev() {
            settings.insert(path.clone(), choice[rest % choice.len()].clone());
            rest /= choice.len();
        }
        settings
    }

    /// The search with its seed and metric named.
    pub(super) fn resolved(self, seed: u32, scoring: &[Scorer]) -> Self {
        let metric = self.metric.or(scoring.first().copied());
        Self { metric, cv: self.cv.with_default_seed(seed), ..self }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_last_parameter_changes_fastest() {
        let space = json!({"b": {"choice": [1, 2, 3]}, "a": {"choice": ["x", "y"]}});
        let search = json!({"space": space, "cv": {"type": "kfold", "n_splits": 2}});
        let search: SearchSpec = serde_json::from_value(search).unwrap();
        let found: Vec<Value> = (0..search.n_candidates())
            .map(|index| Value::Object(search.candidate(index)))
            .map(|settings| json!([settings["a"], settings["b"]]))
            .collect();
        let expected = json!([["x", 1], ["x", 2], ["x", 3], ["y", 1], ["y", 2], ["y", 3]]);
        assert_eq!(json!(found), expected);
    }
}
