//! Activations: functions of each value, and of a row for softmax.
//!
//! [`Activation`] is spec and algorithm in one: it has no state but the slope of `prelu`, which is a
//! parameter of the network. The loops are in `functions`.

mod functions;

use serde::{Deserialize, Serialize};

use crate::problem::Problem;
use functions as f;

/// A function that follows a layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Activation {
    /// max(0, x)
    Relu,
    /// x, and negative_slope·x below 0.
    LeakyRelu {
        /// The slope below 0.
        #[serde(default = "negative_slope")]
        #[cfg_attr(feature = "openapi", schema(default = 0.01))]
        negative_slope: f64,
    },
    /// `leaky_relu` with a slope that is learned, one a layer (He and others 2015).
    Prelu {
        /// The slope to begin with.
        #[serde(default = "prelu_init")]
        #[cfg_attr(feature = "openapi", schema(default = 0.25))]
        init: f64,
    },
    /// x, and alpha·(e^x − 1) below 0 (Clevert, Unterthiner and Hochreiter 2015).
    Elu {
        /// What it tends to, negated, where x is very negative.
        #[serde(default = "one")]
        #[cfg_attr(feature = "openapi", schema(exclusive_minimum = 0.0, default = 1.0))]
        alpha: f64,
    },
    /// `elu` scaled so that activations normalise themselves (Klambauer and others 2017).
    Selu,
    /// x·Φ(x), with the normal distribution function Φ (Hendrycks and Gimpel 2016).
    Gelu {
        /// How Φ is computed.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(default = "none"))]
        approximate: GeluApproximation,
    },
    /// x/(1 + e^−x), also called swish.
    Silu,
    /// x·tanh(ln(1 + e^x)) (Misra 2019).
    Mish,
    /// ln(1 + e^(beta·x))/beta
    Softplus {
        /// How sharp the bend is.
        #[serde(default = "one")]
        #[cfg_attr(feature = "openapi", schema(exclusive_minimum = 0.0, default = 1.0))]
        beta: f64,
        /// Above beta·x of this it is x.
        #[serde(default = "softplus_threshold")]
        #[cfg_attr(feature = "openapi", schema(exclusive_minimum = 0.0, default = 20.0))]
        threshold: f64,
    },
    /// x/(1 + |x|)
    Softsign,
    /// The hyperbolic tangent.
    Tanh,
    /// 1/(1 + e^−x)
    Sigmoid,
    /// x/6 + 1/2, between 0 and 1.
    HardSigmoid,
    /// x times the `hard_sigmoid` of x (Howard and others 2019).
    HardSwish,
    /// x
    Identity,
    /// e^x, divided by its sum over the row.
    Softmax,
}

/// How `gelu` computes the normal distribution function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum GeluApproximation {
    /// By the error function.
    #[default]
    None,
    /// By (1 + tanh(√(2/π)·(x + 0.044715·x³)))/2.
    Tanh,
}

fn negative_slope() -> f64 {
    0.01
}

fn prelu_init() -> f64 {
    0.25
}

fn one() -> f64 {
    1.0
}

fn softplus_threshold() -> f64 {
    20.0
}

impl Activation {
    /// Everything that is wrong with it, with pointers relative to it.
    pub fn check(&self) -> Vec<Problem> {
        let positive = |value: f64| value > 0.0 && value.is_finite();
        let rules: &[(bool, &str, &str)] = match self {
            Self::LeakyRelu { negative_slope } => {
                &[(negative_slope.is_finite(), "/negative_slope", "must be a finite number")]
            }
            Self::Prelu { init } => &[(init.is_finite(), "/init", "must be a finite number")],
            Self::Elu { alpha } => &[(positive(*alpha), "/alpha", "must be > 0")],
            Self::Softplus { beta, threshold } => &[
                (positive(*beta), "/beta", "must be > 0"),
                (positive(*threshold), "/threshold", "must be > 0"),
            ],
            _ => &[],
        };
        rules
            .iter()
            .filter(|(holds, ..)| !holds)
            .map(|(_, pointer, detail)| Problem::new(*pointer, *detail))
            .collect()
    }

    /// One or more of each, for tests that are about all of them.
    pub fn examples() -> Vec<Self> {
        vec![
            Self::Relu,
            Self::LeakyRelu { negative_slope: 0.01 },
            Self::LeakyRelu { negative_slope: 0.2 },
            Self::Prelu { init: 0.25 },
            Self::Elu { alpha: 1.0 },
            Self::Elu { alpha: 0.5 },
            Self::Selu,
            Self::Gelu { approximate: GeluApproximation::None },
            Self::Gelu { approximate: GeluApproximation::Tanh },
            Self::Silu,
            Self::Mish,
            Self::Softplus { beta: 1.0, threshold: 20.0 },
            Self::Softplus { beta: 2.0, threshold: 5.0 },
            Self::Softsign,
            Self::Tanh,
            Self::Sigmoid,
            Self::HardSigmoid,
            Self::HardSwish,
            Self::Identity,
            Self::Softmax,
        ]
    }

    /// How many parameters a layer of it has.
    pub fn n_parameters(&self) -> usize {
        usize::from(matches!(self, Self::Prelu { .. }))
    }

    /// y = f(x), rows × `width` each; `slope` holds the parameters.
    pub fn forward(&self, y: &mut [f32], x: &[f32], width: usize, slope: &[f32]) {
        match self {
            Self::Relu => f::relu(y, x),
            Self::LeakyRelu { negative_slope } => f::leaky_relu(y, x, *negative_slope as f32),
            Self::Prelu { .. } => f::leaky_relu(y, x, slope[0]),
            Self::Elu { alpha } => f::elu(y, x, *alpha as f32, 1.0),
            Self::Selu => f::elu(y, x, f::SELU_ALPHA, f::SELU_SCALE),
            Self::Gelu { approximate: GeluApproximation::None } => f::gelu(y, x),
            Self::Gelu { approximate: GeluApproximation::Tanh } => f::gelu_tanh(y, x),
            Self::Silu => f::silu(y, x),
            Self::Mish => f::mish(y, x),
            Self::Softplus { beta, threshold } => {
                f::softplus(y, x, *beta as f32, *threshold as f32);
            }
            Self::Softsign => f::softsign(y, x),
            Self::Tanh => f::tanh(y, x),
            Self::Sigmoid => f::sigmoid(y, x),
            Self::HardSigmoid => f::hard_sigmoid(y, x),
            Self::HardSwish => f::hard_swish(y, x),
            Self::Identity => y.copy_from_slice(x),
            Self::Softmax => f::softmax(y, x, width),
        }
    }

    /// dx = dy·f'(x), from x and y = f(x) as in [`Self::forward`].
    pub fn backward(
        &self,
        dx: &mut [f32],
        dy: &[f32],
        x: &[f32],
        y: &[f32],
        width: usize,
        slope: &[f32],
    ) {
        match self {
            Self::Relu => f::leaky_relu_back(dx, dy, x, 0.0),
            Self::LeakyRelu { negative_slope } => {
                f::leaky_relu_back(dx, dy, x, *negative_slope as f32);
            }
            Self::Prelu { .. } => f::leaky_relu_back(dx, dy, x, slope[0]),
            Self::Elu { alpha } => f::elu_back(dx, dy, x, y, *alpha as f32, 1.0),
            Self::Selu => f::elu_back(dx, dy, x, y, f::SELU_ALPHA, f::SELU_SCALE),
            Self::Gelu { approximate: GeluApproximation::None } => f::gelu_back(dx, dy, x),
            Self::Gelu { approximate: GeluApproximation::Tanh } => f::gelu_tanh_back(dx, dy, x),
            Self::Silu => f::silu_back(dx, dy, x),
            Self::Mish => f::mish_back(dx, dy, x),
            Self::Softplus { beta, threshold } => {
                f::softplus_back(dx, dy, x, *beta as f32, *threshold as f32);
            }
            Self::Softsign => f::softsign_back(dx, dy, x),
            Self::Tanh => f::tanh_back(dx, dy, y),
            Self::Sigmoid => f::sigmoid_back(dx, dy, y),
            Self::HardSigmoid => f::hard_sigmoid_back(dx, dy, x),
            Self::HardSwish => f::hard_swish_back(dx, dy, x),
            Self::Identity => dx.copy_from_slice(dy),
            Self::Softmax => f::softmax_back(dx, dy, y, width),
        }
    }

    /// Adds the gradient of the parameters to `dslope`, summed in the order of the values.
    pub fn backward_parameters(&self, dslope: &mut [f32], dy: &[f32], x: &[f32]) {
        if let (Self::Prelu { .. }, [dslope]) = (self, dslope) {
            *dslope += f::sum_below_zero(dy, x);
        }
    }
}
