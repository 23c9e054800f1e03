//! What a caller asks of a network: its layers, in short or in full.

use serde::{Deserialize, Serialize};

use crate::activation::Activation;
use crate::init::InitSpec;
use crate::named::Named;

/// At most so many layers, those inside residual ones included; enough for an `mlp` of the most hidden
/// layers with all that may follow each.
pub const MAX_LAYERS: usize = 512;

/// A linear, logistic or softmax regression, by the loss: one layer without activation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct LinearSpec {
    /// Whether to fit an intercept.
    #[cfg_attr(feature = "openapi", schema(default = true))]
    pub fit_intercept: bool,
    /// What the weights begin with.
    #[cfg_attr(feature = "openapi", schema(default = "zeros"))]
    pub init: Named<InitSpec>,
}

impl Default for LinearSpec {
    fn default() -> Self {
        Self { fit_intercept: true, init: InitSpec::Zeros.into() }
    }
}

impl LinearSpec {
    /// The same as a list of layers.
    pub fn layers(&self) -> Vec<LayerSpec> {
        vec![dense(None, self.fit_intercept, Some(self.init.clone()))]
    }
}

/// A multi-layer perceptron: dense layers of the given widths, and one onto the outputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct MlpSpec {
    /// The units of each hidden layer.
    #[cfg_attr(
        feature = "openapi",
        schema(value_type = Vec<HiddenUnits>, min_items = 1, max_items = 64, default = json!([100]))
    )]
    pub hidden: Vec<u32>,
    /// What follows every hidden layer.
    #[cfg_attr(feature = "openapi", schema(default = "relu"))]
    pub activation: Named<Activation>,
    /// What the weights begin with; null chooses by the activation (`he_uniform` for relu and its
    /// kin, `lecun_normal` for selu, else `xavier_uniform`).
    #[cfg_attr(feature = "openapi", schema(default = json!(null)))]
    pub init: Option<Named<InitSpec>>,
    /// The share of each hidden layer's outputs that training leaves out at random.
    #[cfg_attr(feature = "openapi", schema(minimum = 0.0, exclusive_maximum = 1.0, default = 0.0))]
    pub dropout: f64,
    /// Whether to normalise over the batch before each activation.
    #[cfg_attr(feature = "openapi", schema(default = false))]
    pub batch_norm: bool,
    /// Whether to normalise over each row's units before each activation.
    #[cfg_attr(feature = "openapi", schema(default = false))]
    pub layer_norm: bool,
}

/// Units of a hidden layer.
#[cfg(feature = "openapi")]
#[derive(Debug, utoipa::ToSchema)]
#[schema(minimum = 1, maximum = 65536)]
#[expect(dead_code, reason = "only its schema is used: items have no attributes of their own")]
pub struct HiddenUnits(u32);

impl Default for MlpSpec {
    fn default() -> Self {
        Self {
            hidden: vec![100],
            activation: Activation::Relu.into(),
            init: None,
            dropout: 0.0,
            batch_norm: false,
            layer_norm: false,
        }
    }
}

impl MlpSpec {
    /// The same as a list of layers.
    pub fn layers(&self) -> Vec<LayerSpec> {
        let init =
            || Some(self.init.clone().unwrap_or_else(|| default_init(&self.activation).into()));
        let mut layers = Vec::new();
        for &units in &self.hidden {
            // A bias before a batch norm would be taken out again by its mean.
            layers.push(dense(Some(units), !self.batch_norm, init()));
            if self.batch_norm {
                layers.push(LayerSpec::batch_norm());
            }
            if self.layer_norm {
                layers.push(LayerSpec::layer_norm());
            }
            layers.push(LayerSpec::Activation { activation: self.activation.clone() });
            if self.dropout > 0.0 {
                layers.push(LayerSpec::Dropout { rate: self.dropout });
            }
        }
        layers.push(dense(None, true, self.init.clone()));
        layers
    }
}

/// A network as an explicit list of layers, from the features to the outputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NetworkSpec {
    /// The layers, in order. The last must end in the outputs that the loss needs: a `dense` layer
    /// without `units` has just those.
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 512))]
    pub layers: Vec<LayerSpec>,
}

/// A layer of a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LayerSpec {
    /// Every output is a weighted sum of all inputs: y = x·W + b.
    Dense {
        /// Its outputs; null, in a last layer only, for those that the loss needs.
        #[serde(default)]
        #[cfg_attr(
            feature = "openapi",
            schema(minimum = 1, maximum = 65536, default = json!(null))
        )]
        units: Option<u32>,
        /// Whether to add a bias.
        #[serde(default = "yes")]
        #[cfg_attr(feature = "openapi", schema(default = true))]
        bias: bool,
        /// What the weights begin with; null chooses by the activation that follows.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(default = json!(null)))]
        init: Option<Named<InitSpec>>,
    },
    /// A function of each value.
    Activation {
        /// Which.
        activation: Named<Activation>,
    },
    /// Leaves values out at random while training, and makes up for it with the others
    /// (Srivastava and others 2014).
    Dropout {
        /// The share of values left out.
        #[cfg_attr(feature = "openapi", schema(minimum = 0.0, exclusive_maximum = 1.0))]
        rate: f64,
    },
    /// Dropout for `selu`, which keeps mean and variance (Klambauer and others 2017).
    AlphaDropout {
        /// The share of values left out.
        #[cfg_attr(feature = "openapi", schema(minimum = 0.0, exclusive_maximum = 1.0))]
        rate: f64,
    },
    /// Normalises each value over the batch (Ioffe and Szegedy 2015), as PyTorch's `BatchNorm1d`.
    BatchNorm {
        /// How much of the running mean and variance a batch replaces.
        #[serde(default = "batch_norm_momentum")]
        #[cfg_attr(
            feature = "openapi",
            schema(exclusive_minimum = 0.0, maximum = 1.0, default = 0.1)
        )]
        momentum: f64,
        /// Added to the variance.
        #[serde(default = "norm_eps")]
        #[cfg_attr(feature = "openapi", schema(exclusive_minimum = 0.0, default = 1e-5))]
        eps: f64,
    },
    /// Normalises each row over its values (Ba, Kiros and Hinton 2016), as PyTorch's `LayerNorm`.
    LayerNorm {
        /// Added to the variance.
        #[serde(default = "norm_eps")]
        #[cfg_attr(feature = "openapi", schema(exclusive_minimum = 0.0, default = 1e-5))]
        eps: f64,
    },
    /// Adds its input to what its layers make of it: y = x + f(x) (He and others 2016).
    Residual {
        /// The layers of f, which must end in as many values as they begin with.
        #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 64, no_recursion))]
        layers: Vec<LayerSpec>,
    },
}

impl LayerSpec {
    /// A batch norm with its defaults.
    pub fn batch_norm() -> Self {
        Self::BatchNorm { momentum: batch_norm_momentum(), eps: norm_eps() }
    }

    /// A layer norm with its defaults.
    pub fn layer_norm() -> Self {
        Self::LayerNorm { eps: norm_eps() }
    }

    /// One or more of every kind, each of which takes any width, for tests that are about all of
    /// them.
    pub fn examples() -> Vec<Self> {
        let activation =
            |activation: Activation| Self::Activation { activation: activation.into() };
        let mut all = vec![
            dense(Some(5), true, Some(InitSpec::for_activation(&Activation::Tanh).into())),
            dense(Some(3), false, None),
            Self::Dropout { rate: 0.4 },
            Self::AlphaDropout { rate: 0.3 },
            Self::batch_norm(),
            Self::layer_norm(),
            Self::Residual { layers: vec![activation(Activation::Tanh), Self::layer_norm()] },
        ];
        all.extend(Activation::examples().into_iter().map(activation));
        all
    }
}

/// What weights begin with before this activation.
fn default_init(activation: &Activation) -> InitSpec {
    InitSpec::for_activation(activation)
}

fn dense(units: Option<u32>, bias: bool, init: Option<Named<InitSpec>>) -> LayerSpec {
    LayerSpec::Dense { units, bias, init }
}

fn yes() -> bool {
    true
}

fn batch_norm_momentum() -> f64 {
    0.1
}

fn norm_eps() -> f64 {
    1e-5
}
