//! Losses: how far outputs are from what they should be, and which way is better.
//!
//! A loss takes the outputs of a network as they are (logits, not probabilities), gives the weighted
//! sum over rows and its gradient, and says what the outputs mean. Means are the caller's: it knows
//! the weights of the whole batch. Those of classes are in `classes`, those of values in `values`.

mod classes;
mod values;

use serde::{Deserialize, Serialize};

use crate::kernels::math;
use crate::problem::Problem;

/// What training minimises: the weighted mean of this over the rows of a batch, and over the outputs
/// of a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LossSpec {
    /// −ln p of the true class, with p the softmax of the outputs, one a class.
    CrossEntropy {
        /// The share of the truth that is spread over all classes (Szegedy and others 2016).
        #[serde(default)]
        #[cfg_attr(
            feature = "openapi",
            schema(minimum = 0.0, exclusive_maximum = 1.0, default = 0.0)
        )]
        label_smoothing: f64,
    },
    /// −ln p of the truth, with p the sigmoid of an output: one output for two classes, or one for
    /// each of several targets between 0 and 1.
    BinaryCrossEntropy {
        /// The share of the truth that is spread over both sides.
        #[serde(default)]
        #[cfg_attr(
            feature = "openapi",
            schema(minimum = 0.0, exclusive_maximum = 1.0, default = 0.0)
        )]
        label_smoothing: f64,
    },
    /// −(1 − p)^gamma·ln p of the true class, with p the softmax of the outputs: rows that are right
    /// already count less (Lin and others 2017).
    Focal {
        /// How much less.
        #[serde(default = "two")]
        #[cfg_attr(feature = "openapi", schema(minimum = 0.0, default = 2.0))]
        gamma: f64,
    },
    /// The squared error.
    Mse,
    /// The absolute error.
    Mae,
    /// Half the squared error up to `delta`, and from there on linear (Huber 1964).
    Huber {
        /// Where it becomes linear.
        #[serde(default = "one")]
        #[cfg_attr(feature = "openapi", schema(exclusive_minimum = 0.0, default = 1.0))]
        delta: f64,
    },
    /// The logarithm of the hyperbolic cosine of the error.
    LogCosh,
    /// What is least at a quantile of the target (Koenker and Bassett 1978).
    Quantile {
        /// Which.
        #[serde(default = "half")]
        #[cfg_attr(
            feature = "openapi",
            schema(exclusive_minimum = 0.0, exclusive_maximum = 1.0, default = 0.5)
        )]
        quantile: f64,
    },
    /// max(0, 1 − y·z) for y = ±1 and one output; of more than two classes the mean over the wrong
    /// ones of max(0, 1 − z of the right one + z), divided by all, as PyTorch's `MultiMarginLoss`.
    Hinge,
    /// `hinge` with each maximum squared.
    SquaredHinge,
    /// e^z − y·z for counts y, whose expectation is e^z.
    Poisson,
}

fn one() -> f64 {
    1.0
}

fn two() -> f64 {
    2.0
}

fn half() -> f64 {
    0.5
}

/// What kind of target there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// One of so many classes.
    Classes {
        /// How many.
        n_classes: usize,
    },
    /// So many values.
    Values {
        /// How many.
        n_outputs: usize,
    },
    /// So many labels, of which a row has any number.
    Labels {
        /// How many.
        n_labels: usize,
    },
}

impl TargetKind {
    /// What a target of so many columns and classes is: several columns with classes are labels.
    pub fn of(n_columns: usize, n_classes: usize) -> Self {
        match (n_columns, n_classes) {
            (n_outputs, 0) => Self::Values { n_outputs },
            (1, n_classes) => Self::Classes { n_classes },
            (n_labels, _) => Self::Labels { n_labels },
        }
    }
}

/// What some rows should give.
#[derive(Clone, Copy, Debug)]
pub enum TargetRows<'a> {
    /// The class of each row.
    Classes(&'a [u32]),
    /// The values of each row, rows × outputs.
    Values(&'a [f32]),
}

/// How much rows count.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weights<'a> {
    /// Of each row; without, 1.
    pub rows: Option<&'a [f32]>,
    /// Of each class, times the row's; without, 1.
    pub classes: Option<&'a [f32]>,
}

impl Weights<'_> {
    /// The weight of a row of this class.
    #[inline(always)]
    fn of(&self, row: usize, class: usize) -> f32 {
        self.row(row) * self.classes.map_or(1.0, |classes| classes[class])
    }

    #[inline(always)]
    fn row(&self, row: usize) -> f32 {
        self.rows.map_or(1.0, |rows| rows[row])
    }
}

/// ln(1 + e^z) − t·z and its derivative, with t the truth `y` of which `smoothing` is spread over both
/// sides: of terms that are not negative, since a difference would lose what a small loss is made of.
#[inline(always)]
fn logistic(z: f32, y: f32, smoothing: f32) -> (f32, f32) {
    let smooth = |y: f32| y.mul_add(1.0 - smoothing, 0.5 * smoothing);
    let on_other_side = smooth(if z > 0.0 { 1.0 - y } else { y });
    let tail = math::ln_1p(math::exp(-z.abs()));
    (on_other_side.mul_add(z.abs(), tail), math::sigmoid(z) - smooth(y))
}

impl LossSpec {
    /// Cross-entropy without smoothing.
    pub fn cross_entropy() -> Self {
        Self::CrossEntropy { label_smoothing: 0.0 }
    }

    /// One or more of each, for tests that are about all of them.
    pub fn examples() -> Vec<Self> {
        vec![
            Self::cross_entropy(),
            Self::CrossEntropy { label_smoothing: 0.1 },
            Self::BinaryCrossEntropy { label_smoothing: 0.0 },
            Self::BinaryCrossEntropy { label_smoothing: 0.2 },
            Self::Focal { gamma: 2.0 },
            Self::Focal { gamma: 0.5 },
            Self::Mse,
            Self::Mae,
            Self::Huber { delta: 1.0 },
            Self::Huber { delta: 0.3 },
            Self::LogCosh,
            Self::Quantile { quantile: 0.5 },
            Self::Quantile { quantile: 0.9 },
            Self::Hinge,
            Self::SquaredHinge,
            Self::Poisson,
        ]
    }

    /// Everything that is wrong with it by itself, with pointers relative to it.
    pub fn check(&self) -> Vec<Problem> {
        let found = match self {
            Self::CrossEntropy { label_smoothing }
            | Self::BinaryCrossEntropy { label_smoothing }
                if !(0.0..1.0).contains(label_smoothing) =>
            {
                Some(("/label_smoothing", "must be >= 0 and < 1"))
            }
            Self::Focal { gamma } if !(*gamma >= 0.0 && gamma.is_finite()) => {
                Some(("/gamma", "must be >= 0"))
            }
            Self::Huber { delta } if !(*delta > 0.0 && delta.is_finite()) => {
                Some(("/delta", "must be > 0"))
            }
            Self::Quantile { quantile } if !(*quantile > 0.0 && *quantile < 1.0) => {
                Some(("/quantile", "must be > 0 and < 1"))
            }
            _ => None,
        };
        found.into_iter().map(|(pointer, detail)| Problem::new(pointer, detail)).collect()
    }

    /// How many outputs a network needs for this target.
    ///
    /// # Errors
    /// A problem where the loss does not fit the target.
    pub fn n_outputs(&self, target: TargetKind) -> Result<usize, Problem> {
        let does_not_fit = |what: &str, fitting: &str| {
            Err(Problem::new("", format!("does not fit a target of {what}")).suggest(fitting))
        };
        match (self, target) {
            (Self::CrossEntropy { .. } | Self::Focal { .. }, TargetKind::Classes { n_classes }) => {
                Ok(n_classes)
            }
            (Self::BinaryCrossEntropy { .. }, TargetKind::Classes { n_classes: 2 }) => Ok(1),
            (Self::BinaryCrossEntropy { .. }, TargetKind::Classes { n_classes }) => {
                does_not_fit(&format!("{n_classes} classes"), "cross_entropy")
            }
            (Self::Hinge | Self::SquaredHinge, TargetKind::Classes { n_classes }) => {
                Ok(if n_classes == 2 { 1 } else { n_classes })
            }
            (
                Self::BinaryCrossEntropy { .. }
                | Self::Mse
                | Self::Mae
                | Self::Huber { .. }
                | Self::LogCosh
                | Self::Quantile { .. }
                | Self::Poisson,
                TargetKind::Values { n_outputs },
            ) => Ok(n_outputs),
            (Self::BinaryCrossEntropy { .. }, TargetKind::Labels { n_labels }) => Ok(n_labels),
            (_, TargetKind::Labels { .. }) => does_not_fit("labels", "binary_cross_entropy"),
            (_, TargetKind::Classes { .. }) => {
                does_not_fit("classes", "cross_entropy, focal, hinge or squared_hinge")
            }
            (_, TargetKind::Values { .. }) => {
                does_not_fit("amounts", "mse, mae, huber, log_cosh, quantile or poisson")
            }
        }
    }

    /// The weighted sum over rows of the loss of outputs `z`, rows × `n_outputs`, in the rows'
    /// order. Into `dz` goes its gradient, times `scale`.
    pub fn rows(
        &self,
        dz: Option<&mut [f32]>,
        z: &[f32],
        n_outputs: usize,
        target: TargetRows<'_>,
        weights: Weights<'_>,
        scale: f32,
    ) -> f64 {
        match target {
            TargetRows::Classes(y) => {
                let rows = classes::Rows { z, n_outputs, y, weights, scale };
                match self {
                    Self::CrossEntropy { label_smoothing } => {
                        classes::cross_entropy(dz, rows, *label_smoothing as f32)
                    }
                    Self::Focal { gamma } => classes::focal(dz, rows, *gamma as f32),
                    Self::BinaryCrossEntropy { label_smoothing } => {
                        classes::binary_cross_entropy(dz, rows, *label_smoothing as f32)
                    }
                    Self::Hinge => classes::hinge(dz, rows, false),
                    Self::SquaredHinge => classes::hinge(dz, rows, true),
                    // No checked spec has one of the others for classes.
                    _ => f64::NAN,
                }
            }
            TargetRows::Values(y) => {
                let rows = values::Rows { z, n_outputs, y, weights, scale };
                match self {
                    Self::Mse => values::mse(dz, rows),
                    Self::Mae => values::mae(dz, rows),
                    Self::Huber { delta } => values::huber(dz, rows, *delta as f32),
                    Self::LogCosh => values::log_cosh(dz, rows),
                    Self::Quantile { quantile } => values::quantile(dz, rows, *quantile as f32),
                    Self::Poisson => values::poisson(dz, rows),
                    Self::BinaryCrossEntropy { label_smoothing } => {
                        values::binary_cross_entropy(dz, rows, *label_smoothing as f32)
                    }
                    _ => f64::NAN,
                }
            }
        }
    }

    /// Whether its outputs are probabilities in another form.
    pub fn has_probabilities(&self) -> bool {
        matches!(
            self,
            Self::CrossEntropy { .. } | Self::Focal { .. } | Self::BinaryCrossEntropy { .. }
        )
    }

    /// The probability of each class, rows × `n_classes`, from outputs; one output stands for the
    /// second of two classes.
    pub fn probabilities(&self, p: &mut [f32], z: &[f32], n_outputs: usize, n_classes: usize) {
        if n_outputs > 1 {
            return classes::softmax(p, z, n_outputs);
        }
        for (p, z) in p.chunks_exact_mut(n_classes).zip(z) {
            p.copy_from_slice(&[math::sigmoid(-z), math::sigmoid(*z)]);
        }
    }

    /// The class that a row's outputs stand for: the first of the largest, or with one output the
    /// second class where it is above 0.
    pub fn class_of(&self, z: &[f32]) -> u32 {
        if let [z] = z {
            return u32::from(*z > 0.0);
        }
        let mut best = 0;
        for (class, value) in z.iter().enumerate() {
            if *value > z[best] {
                best = class;
            }
        }
        best as u32
    }

    /// From outputs to the values they stand for, in place.
    pub fn values(&self, z: &mut [f32]) {
        match self {
            Self::Poisson => z.iter_mut().for_each(|z| *z = math::exp(*z)),
            Self::BinaryCrossEntropy { .. } => z.iter_mut().for_each(|z| *z = math::sigmoid(*z)),
            _ => {}
        }
    }
}
