//! How long and in what portions a network learns, and what holds it back.

use serde::{Deserialize, Serialize};

use crate::perceptron::ClassWeight;
use crate::problem::Problem;

/// How long and in what portions a network learns, and what holds it back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct TrainingSpec {
    /// Passes over the training rows.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1000000, default = 50))]
    pub epochs: u32,
    /// Rows of a step. Null is 1 for `sgd`, all rows for `gradient_descent` (which takes no other),
    /// and else 32, or all rows where there are fewer.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, default = json!(null)))]
    pub batch_size: Option<u32>,
    /// Whether to bring the training rows into a new random order before every epoch.
    #[cfg_attr(feature = "openapi", schema(default = true))]
    pub shuffle: bool,
    /// Whether to leave out an epoch's last batch if it is not full.
    #[cfg_attr(feature = "openapi", schema(default = false))]
    pub drop_last: bool,
    /// The share of the training rows held out to validate on after every epoch, of every class in
    /// proportion; null is 0.1 where early stopping monitors the validation, else none.
    #[cfg_attr(
        feature = "openapi",
        schema(minimum = 0.0, exclusive_maximum = 1.0, default = json!(null))
    )]
    pub validation_fraction: Option<f64>,
    /// When to stop before the last epoch; null never.
    #[cfg_attr(feature = "openapi", schema(default = json!(null)))]
    pub early_stopping: Option<EarlyStopping>,
    /// How much the rows of each class count; null counts all alike. The loss of a batch is its
    /// weighted mean, as PyTorch's is.
    #[cfg_attr(feature = "openapi", schema(default = json!(null)))]
    pub class_weight: Option<ClassWeight>,
    /// Stop a fit after so many seconds, and keep what it has learned. (What it learns then depends
    /// on the machine.)
    #[cfg_attr(feature = "openapi", schema(exclusive_minimum = 0.0, default = json!(null)))]
    pub max_seconds: Option<f64>,
    /// The loss grows by l1·Σ|w| over the weights (not the biases).
    #[cfg_attr(feature = "openapi", schema(minimum = 0.0, default = 0.0))]
    pub l1: f64,
    /// The loss grows by l2/2·Σw² over the weights (not the biases).
    #[cfg_attr(feature = "openapi", schema(minimum = 0.0, default = 0.0))]
    pub l2: f64,
    /// The greatest norm of the weights into one unit; null leaves them free.
    #[cfg_attr(feature = "openapi", schema(exclusive_minimum = 0.0, default = json!(null)))]
    pub max_norm: Option<f64>,
    /// Noise added to the gradients; null adds none.
    #[cfg_attr(feature = "openapi", schema(default = json!(null)))]
    pub gradient_noise: Option<GradientNoise>,
    /// Batches whose mean gradient makes one step; at most all of an epoch.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 100000, default = 1))]
    pub accumulation_steps: u32,
    /// Averages the weights over the steps; the averaged ones are validated and kept. The running means
    /// and variances of a batch norm are not averaged: they are those of the last step.
    #[cfg_attr(feature = "openapi", schema(default = json!(null)))]
    pub averaging: Option<Averaging>,
}

/// When to stop before the last epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct EarlyStopping {
    /// What should get better: `val_loss`, `train_loss`, or a scorer of the job's `scoring` after
    /// `val_` or `train_`, such as `val_accuracy`.
    #[cfg_attr(feature = "openapi", schema(max_length = 100, default = "val_loss"))]
    pub monitor: String,
    /// Epochs without improvement after which training stops.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, default = 5))]
    pub patience: u32,
    /// The least change that counts as an improvement.
    #[cfg_attr(feature = "openapi", schema(minimum = 0.0, default = 0.0))]
    pub min_delta: f64,
    /// Whether to keep the weights of the best epoch instead of the last one's.
    #[cfg_attr(feature = "openapi", schema(default = true))]
    pub restore_best: bool,
}

impl Default for EarlyStopping {
    fn default() -> Self {
        Self { monitor: "val_loss".to_owned(), patience: 5, min_delta: 0.0, restore_best: true }
    }
}

impl EarlyStopping {
    /// Whether it looks at rows held out.
    pub fn needs_validation(&self) -> bool {
        self.monitor.starts_with("val_")
    }
}

/// Gaussian noise of variance eta/(1 + step)^gamma (Neelakantan and others, "Adding Gradient Noise
/// Improves Learning for Very Deep Networks", 2015).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct GradientNoise {
    /// The variance at the first step.
    #[cfg_attr(feature = "openapi", schema(exclusive_minimum = 0.0, default = 0.3))]
    pub eta: f64,
    /// How fast it falls.
    #[cfg_attr(feature = "openapi", schema(minimum = 0.0, default = 0.55))]
    pub gamma: f64,
}

impl Default for GradientNoise {
    fn default() -> Self {
        Self { eta: 0.3, gamma: 0.55 }
    }
}

/// An exponential moving average of the weights: average ← decay·average + (1 − decay)·weights after
/// every step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Averaging {
    /// How much of the average stays.
    #[cfg_attr(feature = "openapi", schema(minimum = 0.0, exclusive_maximum = 1.0))]
    pub decay: f64,
}

impl Default for TrainingSpec {
    fn default() -> Self {
        Self {
            epochs: 50,
            batch_size: None,
            shuffle: true,
            drop_last: false,
            validation_fraction: None,
            early_stopping: None,
            class_weight: None,
            max_seconds: None,
            l1: 0.0,
            l2: 0.0,
            max_norm: None,
            gradient_noise: None,
            accumulation_steps: 1,
            averaging: None,
        }
    }
}

impl TrainingSpec {
    /// Everything that is wrong with it by itself, with pointers relative to it.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut require = |holds: bool, pointer: &str, detail: &str| {
            if !holds {
                problems.push(Problem::new(pointer, detail));
            }
        };
        let at_least_0 = |value: f64| value >= 0.0 && value.is_finite();
        let above_0 = |value: f64| value > 0.0 && value.is_finite();
        require(self.epochs >= 1, "/epochs", "must be >= 1");
        require(self.batch_size != Some(0), "/batch_size", "must be >= 1");
        require(self.accumulation_steps >= 1, "/accumulation_steps", "must be >= 1");
        require(at_least_0(self.l1), "/l1", "must be >= 0");
        require(at_least_0(self.l2), "/l2", "must be >= 0");
        require(self.max_norm.is_none_or(above_0), "/max_norm", "must be > 0");
        require(self.max_seconds.is_none_or(above_0), "/max_seconds", "must be > 0");
        let share = self.validation_fraction.unwrap_or(0.0);
        require((0.0..1.0).contains(&share), "/validation_fraction", "must be >= 0 and < 1");
        if let Some(noise) = self.gradient_noise {
            require(above_0(noise.eta), "/gradient_noise/eta", "must be > 0");
            require(at_least_0(noise.gamma), "/gradient_noise/gamma", "must be >= 0");
        }
        if let Some(Averaging { decay }) = self.averaging {
            require((0.0..1.0).contains(&decay), "/averaging/decay", "must be >= 0 and < 1");
        }
        if let Some(stopping) = &self.early_stopping {
            require(stopping.patience >= 1, "/early_stopping/patience", "must be >= 1");
            let least = stopping.min_delta;
            require(at_least_0(least), "/early_stopping/min_delta", "must be >= 0");
            require(
                !stopping.needs_validation() || self.validation_fraction != Some(0.0),
                "/validation_fraction",
                "is 0, and early stopping monitors the validation; hold some rows out",
            );
        }
        problems
    }

    /// The share of rows held out, with its default.
    pub fn validation_share(&self) -> f64 {
        let monitors = self.early_stopping.as_ref().is_some_and(EarlyStopping::needs_validation);
        self.validation_fraction.unwrap_or(if monitors { 0.1 } else { 0.0 })
    }
}
