//! What a caller asks of a perceptron, and what can be wrong with it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::problem::Problem;

/// The parameters of scikit-learn's `Perceptron`, by its names and with its defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct PerceptronSpec {
    /// The regularization term; `null` for none.
    #[cfg_attr(feature = "openapi", schema(default = json!(null)))]
    pub penalty: Option<Penalty>,
    /// The factor of the regularization term. Without a `penalty` it has no effect.
    #[cfg_attr(feature = "openapi", schema(minimum = 0.0, default = 0.0001))]
    pub alpha: f64,
    /// The share of the L1 term in an `elasticnet` penalty: 0 is all L2, 1 is all L1.
    #[cfg_attr(feature = "openapi", schema(minimum = 0.0, maximum = 1.0, default = 0.15))]
    pub l1_ratio: f64,
    /// Whether to fit an intercept; without one the data should be centred.
    #[cfg_attr(feature = "openapi", schema(default = true))]
    pub fit_intercept: bool,
    /// The largest number of passes over the training rows.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, default = 1000))]
    pub max_iter: u32,
    /// The improvement an epoch must bring to count as one. Training stops after
    /// `n_iter_no_change` epochs without; `null` runs all `max_iter` epochs.
    #[cfg_attr(feature = "openapi", schema(minimum = 0.0, default = 0.001))]
    pub tol: Option<f64>,
    /// Whether to shuffle the training rows before each epoch.
    #[cfg_attr(feature = "openapi", schema(default = true))]
    pub shuffle: bool,
    /// The learning rate, which stays constant.
    #[cfg_attr(feature = "openapi", schema(exclusive_minimum = 0.0, default = 1.0))]
    pub eta0: f64,
    /// The seed of the shuffling and of the validation split of `early_stopping`.
    #[cfg_attr(
        feature = "openapi",
        schema(value_type = i64, minimum = 0, maximum = 4294967295u32, default = 0)
    )]
    pub random_state: u32,
    /// Whether to judge improvement by the accuracy on held-out training rows instead of by the
    /// training objective.
    #[cfg_attr(feature = "openapi", schema(default = false))]
    pub early_stopping: bool,
    /// The share of the training rows that `early_stopping` holds out, in equal proportions from
    /// every class.
    #[cfg_attr(
        feature = "openapi",
        schema(exclusive_minimum = 0.0, exclusive_maximum = 1.0, default = 0.1)
    )]
    pub validation_fraction: f64,
    /// The number of epochs in a row without improvement after which training stops.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, default = 5))]
    pub n_iter_no_change: u32,
    /// How much an error on a row of each class counts; `null` counts all alike.
    #[cfg_attr(feature = "openapi", schema(default = json!(null)))]
    pub class_weight: Option<ClassWeight>,
}

impl Default for PerceptronSpec {
    fn default() -> Self {
        Self {
            penalty: None,
            alpha: 0.0001,
            l1_ratio: 0.15,
            fit_intercept: true,
            max_iter: 1000,
            tol: Some(1e-3),
            shuffle: true,
            eta0: 1.0,
            random_state: 0,
            early_stopping: false,
            validation_fraction: 0.1,
            n_iter_no_change: 5,
            class_weight: None,
        }
    }
}

impl PerceptronSpec {
    /// Everything that is wrong with this spec by itself, with pointers relative to it.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut require = |holds: bool, pointer: &str, detail: String| {
            if !holds {
                problems.push(Problem::new(pointer, detail));
            }
        };
        require(
            self.alpha.is_finite() && self.alpha >= 0.0,
            "/alpha",
            format!("alpha is {}; it must be at least 0", self.alpha),
        );
        require(
            (0.0..=1.0).contains(&self.l1_ratio),
            "/l1_ratio",
            format!("l1_ratio is {}; it must be between 0 and 1", self.l1_ratio),
        );
        require(self.max_iter >= 1, "/max_iter", "max_iter is 0; it must be at least 1".to_owned());
        if let Some(tol) = self.tol {
            require(
                tol.is_finite() && tol >= 0.0,
                "/tol",
                format!("tol is {tol}; it must be at least 0, or null to run all epochs"),
            );
        }
        require(
            self.eta0.is_finite() && self.eta0 > 0.0,
            "/eta0",
            format!("eta0 is {}; it must be greater than 0", self.eta0),
        );
        require(
            self.validation_fraction > 0.0 && self.validation_fraction < 1.0,
            "/validation_fraction",
            format!(
                "validation_fraction is {}; it must be greater than 0 and less than 1",
                self.validation_fraction
            ),
        );
        require(
            self.n_iter_no_change >= 1,
            "/n_iter_no_change",
            "n_iter_no_change is 0; it must be at least 1".to_owned(),
        );
        if let Some(ClassWeight::Weights(weights)) = &self.class_weight {
            for (label, weight) in weights {
                require(
                    weight.is_finite() && *weight >= 0.0,
                    &weight_pointer(label),
                    format!("the weight of class \"{label}\" is {weight}; it must be at least 0"),
                );
            }
        }
        problems
    }

    /// The weight of each class in training, and in the order of `labels`, for [`fit`].
    ///
    /// `y` holds the training rows' indices into `labels`. As in scikit-learn, `balanced` weights
    /// a class with `n_rows / (n_classes * count)`, and a class that an object leaves out weighs 1.
    /// Stricter than scikit-learn, an object may not name a label that is not a class.
    ///
    /// [`fit`]: super::fit
    pub fn class_weights(&self, labels: &[String], y: &[u32]) -> Result<Vec<f64>, Vec<Problem>> {
        match &self.class_weight {
            None => Ok(vec![1.0; labels.len()]),
            Some(class_weight) => class_weight.weights(labels, y),
        }
    }
}

/// The regularization terms of a linear model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Penalty {
    /// Half the squared L2 norm of the weights.
    L2,
    /// The L1 norm of the weights, which leads to weights of zero.
    L1,
    /// A mixture of both by `l1_ratio`.
    ElasticNet,
}

/// How much the classes count: a rule by name, or a weight for each label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(
    untagged,
    expecting = "class_weight must be \"balanced\" or an object of weights by class label"
)]
pub enum ClassWeight {
    /// A rule that finds the weights from the training rows.
    Preset(ClassWeightPreset),
    /// The weight of each class by its label; a class left out weighs 1.
    Weights(BTreeMap<String, f64>),
}

impl ClassWeight {
    /// The weight of each class, in the order of `labels`; `y` holds the training rows' indices.
    ///
    /// # Errors
    /// A problem for each label that is no class.
    pub fn weights(&self, labels: &[String], y: &[u32]) -> Result<Vec<f64>, Vec<Problem>> {
        match self {
            Self::Preset(ClassWeightPreset::Balanced) => Ok(balanced(labels, y)),
            Self::Weights(weights) => by_label(weights, labels),
        }
    }

    /// Everything that is wrong with it for these classes, before any row is known.
    pub fn check(&self, labels: &[String]) -> Vec<Problem> {
        let Self::Weights(weights) = self else { return Vec::new() };
        let mut problems = by_label(weights, labels).err().unwrap_or_default();
        for (label, weight) in weights {
            if !(*weight >= 0.0 && weight.is_finite()) {
                let detail = format!("the weight of class \"{label}\" must be >= 0");
                problems.push(Problem::new(weight_pointer(label), detail));
            }
        }
        problems
    }
}

/// The rules that find class weights from the training rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ClassWeightPreset {
    /// Weights inversely proportional to the number of training rows of each class.
    Balanced,
}

/// A class without a training row is none to balance, and weighs 1.
fn balanced(labels: &[String], y: &[u32]) -> Vec<f64> {
    let mut counts = vec![0_usize; labels.len()];
    for &class in y {
        if let Some(count) = counts.get_mut(class as usize) {
            *count += 1;
        }
    }
    let n_rows = y.len() as f64;
    let n_classes = counts.iter().filter(|count| **count > 0).count() as f64;
    let weight = |count: usize| {
        if count == 0 { 1.0 } else { n_rows / (n_classes * count as f64) }
    };
    counts.into_iter().map(weight).collect()
}

fn by_label(weights: &BTreeMap<String, f64>, labels: &[String]) -> Result<Vec<f64>, Vec<Problem>> {
    let problems: Vec<Problem> = weights
        .keys()
        .filter(|label| !labels.contains(label))
        .map(|label| {
            let detail = format!("\"{label}\" is not a class of the target");
            Problem::new(weight_pointer(label), detail)
                .suggest(format!("the classes are {}", labels.join(", ")))
        })
        .collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    let weight = |label| weights.get(label).copied().unwrap_or(1.0);
    Ok(labels.iter().map(weight).collect())
}

/// The JSON pointer of a label's weight, escaped as RFC 6901 asks.
fn weight_pointer(label: &str) -> String {
    let escaped = label.replace('~', "~0").replace('/', "~1");
    format!("/class_weight/{escaped}")
}
