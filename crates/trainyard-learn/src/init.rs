//! What weights begin with.

use serde::{Deserialize, Serialize};

use crate::activation::Activation;
use crate::problem::Problem;
use crate::random::stream::Stream;

/// What a layer's weights begin with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum InitSpec {
    /// Uniform, of variance 2/(inputs + outputs) (Glorot and Bengio 2010).
    XavierUniform,
    /// Normal, of variance 2/(inputs + outputs) (Glorot and Bengio 2010).
    XavierNormal,
    /// Another name of `xavier_uniform`.
    GlorotUniform,
    /// Another name of `xavier_normal`.
    GlorotNormal,
    /// Uniform, of variance gain²/inputs, with the activation's gain (He and others 2015).
    HeUniform,
    /// Normal, of variance gain²/inputs, with the activation's gain (He and others 2015).
    HeNormal,
    /// Another name of `he_uniform`.
    KaimingUniform,
    /// Another name of `he_normal`.
    KaimingNormal,
    /// Uniform, of variance 1/inputs (LeCun and others 1998).
    LecunUniform,
    /// Normal, of variance 1/inputs (LeCun and others 1998).
    LecunNormal,
    /// A random orthogonal matrix (Saxe, McClelland and Ganguli 2013).
    Orthogonal {
        /// What it is multiplied by.
        #[serde(default = "one")]
        #[cfg_attr(feature = "openapi", schema(default = 1.0))]
        gain: f64,
    },
    /// Normal.
    Normal {
        /// Its mean.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(default = 0.0))]
        mean: f64,
        /// Its standard deviation.
        #[serde(default = "one")]
        #[cfg_attr(feature = "openapi", schema(minimum = 0.0, default = 1.0))]
        std: f64,
    },
    /// Uniform from `low` to `high`.
    Uniform {
        /// The least.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(default = 0.0))]
        low: f64,
        /// The most.
        #[serde(default = "one")]
        #[cfg_attr(feature = "openapi", schema(default = 1.0))]
        high: f64,
    },
    /// All 0.
    Zeros,
    /// All the same.
    Constant {
        /// What.
        value: f64,
    },
}

/// More floating-point operations than a minute's make no orthogonal matrix.
const MAX_ORTHOGONAL_FLOPS: f64 = 1e11;

fn one() -> f64 {
    1.0
}

impl InitSpec {
    /// The one that suits the activation that the weights lead to.
    pub fn for_activation(activation: &Activation) -> Self {
        match activation {
            Activation::Relu
            | Activation::LeakyRelu { .. }
            | Activation::Prelu { .. }
            | Activation::Elu { .. }
            | Activation::Gelu { .. }
            | Activation::Silu
            | Activation::Mish
            | Activation::Softplus { .. }
            | Activation::HardSwish => Self::HeUniform,
            Activation::Selu => Self::LecunNormal,
            Activation::Softsign
            | Activation::Tanh
            | Activation::Sigmoid
            | Activation::HardSigmoid
            | Activation::Identity
            | Activation::Softmax => Self::XavierUniform,
        }
    }

    /// One or more of each, for tests that are about all of them.
    pub fn examples() -> Vec<Self> {
        vec![
            Self::XavierUniform,
            Self::XavierNormal,
            Self::GlorotUniform,
            Self::GlorotNormal,
            Self::HeUniform,
            Self::HeNormal,
            Self::KaimingUniform,
            Self::KaimingNormal,
            Self::LecunUniform,
            Self::LecunNormal,
            Self::Orthogonal { gain: 1.5 },
            Self::Normal { mean: 0.5, std: 0.1 },
            Self::Uniform { low: -0.2, high: 0.6 },
            Self::Zeros,
            Self::Constant { value: 0.25 },
        ]
    }

    /// Everything that is wrong with it, with pointers relative to it.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut require = |holds: bool, pointer: &str, detail: &str| {
            if !holds {
                problems.push(Problem::new(pointer, detail));
            }
        };
        match self {
            Self::Orthogonal { gain } => {
                require(gain.is_finite() && *gain != 0.0, "/gain", "must be a number other than 0");
            }
            Self::Normal { mean, std } => {
                require(mean.is_finite(), "/mean", "must be a finite number");
                require(*std >= 0.0 && std.is_finite(), "/std", "must be >= 0");
            }
            Self::Uniform { low, high } => {
                require(low.is_finite() && high.is_finite(), "/low", "must be finite numbers");
                require(low < high, "/high", "must be above low");
            }
            Self::Constant { value } => {
                require(value.is_finite(), "/value", "must be a finite number");
            }
            _ => {}
        }
        problems
    }

    /// What is wrong with it for weights of this shape: some would take too long to draw.
    pub fn check_shape(&self, fan_in: usize, fan_out: usize) -> Option<Problem> {
        let Self::Orthogonal { .. } = self else { return None };
        let (n, length) = (fan_in.min(fan_out) as f64, fan_in.max(fan_out) as f64);
        // Each of the n vectors is compared twice with each one before, four operations a number.
        let flops = 4.0 * n * n * length;
        (flops > MAX_ORTHOGONAL_FLOPS).then(|| {
            let detail = format!(
                "an orthogonal matrix of {fan_in}x{fan_out} takes {flops:.0e} operations; at most \
                 {MAX_ORTHOGONAL_FLOPS:.0e} are allowed"
            );
            Problem::new("", detail).suggest("lecun_normal, or a narrower layer")
        })
    }

    /// Fills weights of `fan_in` × `fan_out` that lead to the given activation.
    pub fn fill(
        &self,
        w: &mut [f32],
        fan_in: usize,
        fan_out: usize,
        activation: &Activation,
        stream: &mut Stream,
    ) {
        let (inputs, outputs) = (fan_in.max(1) as f64, fan_out as f64);
        match self {
            Self::XavierUniform | Self::GlorotUniform => {
                symmetric(w, (6.0 / (inputs + outputs)).sqrt(), stream);
            }
            Self::XavierNormal | Self::GlorotNormal => {
                normal(w, 0.0, (2.0 / (inputs + outputs)).sqrt(), stream);
            }
            Self::HeUniform | Self::KaimingUniform => {
                symmetric(w, gain(activation) * (3.0 / inputs).sqrt(), stream);
            }
            Self::HeNormal | Self::KaimingNormal => {
                normal(w, 0.0, gain(activation) / inputs.sqrt(), stream);
            }
            Self::LecunUniform => symmetric(w, (3.0 / inputs).sqrt(), stream),
            Self::LecunNormal => normal(w, 0.0, 1.0 / inputs.sqrt(), stream),
            Self::Orthogonal { gain } => orthogonal(w, fan_in, fan_out, *gain, stream),
            Self::Normal { mean, std } => normal(w, *mean, *std, stream),
            Self::Uniform { low, high } => uniform(w, *low, *high, stream),
            Self::Zeros => w.fill(0.0),
            Self::Constant { value } => w.fill(*value as f32),
        }
    }
}

/// By how much an activation shrinks the deviation of its inputs, inverted: as PyTorch's
/// `calculate_gain`, and √2 for all that are like relu.
fn gain(activation: &Activation) -> f64 {
    let leaky = |slope: f64| (2.0 / (1.0 + slope * slope)).sqrt();
    match activation {
        Activation::LeakyRelu { negative_slope } => leaky(*negative_slope),
        Activation::Prelu { init } => leaky(*init),
        Activation::Tanh => 5.0 / 3.0,
        Activation::Selu => 0.75,
        Activation::Sigmoid
        | Activation::HardSigmoid
        | Activation::Softsign
        | Activation::Identity
        | Activation::Softmax => 1.0,
        _ => std::f64::consts::SQRT_2,
    }
}

fn symmetric(w: &mut [f32], bound: f64, stream: &mut Stream) {
    uniform(w, -bound, bound, stream);
}

fn uniform(w: &mut [f32], low: f64, high: f64, stream: &mut Stream) {
    stream.fill_uniform(w);
    w.iter_mut().for_each(|w| *w = (low + (high - low) * f64::from(*w)) as f32);
}

fn normal(w: &mut [f32], mean: f64, std: f64, stream: &mut Stream) {
    stream.fill_normal(w);
    w.iter_mut().for_each(|w| *w = (mean + std * f64::from(*w)) as f32);
}

/// Orthonormal rows or columns, whichever are fewer: a normal matrix, its vectors made orthogonal one
/// after the other, twice over since once leaves rounding errors (Giraud and others 2005).
fn orthogonal(w: &mut [f32], rows: usize, cols: usize, gain: f64, stream: &mut Stream) {
    let (n, length) = (rows.min(cols), rows.max(cols));
    let mut vectors: Vec<f64> = (0..n * length).map(|_| stream.normal()).collect();
    for index in 0..n {
        let (before, rest) = vectors.split_at_mut(index * length);
        let vector = &mut rest[..length];
        for _ in 0..2 {
            for other in before.chunks_exact(length) {
                let along: f64 = vector.iter().zip(other).map(|(v, o)| v * o).sum();
                vector.iter_mut().zip(other).for_each(|(v, o)| *v -= along * o);
            }
        }
        let norm = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
        vector.iter_mut().for_each(|v| *v /= norm);
    }
    for (at, w) in w.iter_mut().enumerate() {
        let (row, col) = (at / cols, at % cols);
        let (vector, place) = if rows <= cols { (row, col) } else { (col, row) };
        *w = (gain * vectors[vector * length + place]) as f32;
    }
}
