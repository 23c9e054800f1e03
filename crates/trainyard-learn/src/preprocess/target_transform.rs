//! Values to predict, brought to another scale before they are learned, and predictions brought back:
//! scikit-learn's `TransformedTargetRegressor` with its scalers, or with `log1p`.
//!
//! Each column of a target is transformed by itself, by its training rows alone. Not here: classes,
//! which have no scale, and which rows train.

use serde::{Deserialize, Serialize};

use super::FitProblem;
use super::scale::{
    MinMaxSpec, OutputDistribution, PowerMethod, PowerSpec, QuantileSpec, RobustSpec, ScaleSpec,
    Scaler, StandardSpec,
};
use crate::optim::fields::fields;
use crate::problem::Problem;

/// How amounts to predict are transformed before they are learned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TargetTransformSpec {
    /// Not at all.
    #[default]
    None,
    /// ln(1 + y), of amounts above −1.
    Log1p,
    /// To mean 0 and standard deviation 1, as scikit-learn's `StandardScaler`.
    Standard(StandardSpec),
    /// Onto a range, as scikit-learn's `MinMaxScaler`.
    MinMax(MinMaxSpec),
    /// By median and quantiles, which outliers do not move, as scikit-learn's `RobustScaler`.
    Robust(RobustSpec),
    /// Divided by the largest absolute value, as scikit-learn's `MaxAbsScaler`.
    MaxAbs,
    /// To a uniform or a normal distribution by ranks, as scikit-learn's `QuantileTransformer` of all
    /// training rows. No prediction is then beyond the training rows' amounts.
    Quantile(QuantileSpec),
    /// Nearer to a normal distribution by a power, as scikit-learn's `PowerTransformer`. A prediction
    /// beyond what the power reaches is no number.
    YeoJohnson(TargetPowerSpec),
    /// The same of amounts above 0, by Box and Cox's powers.
    BoxCox(TargetPowerSpec),
}

fields! {
    /// A power of the values, of which the exponent is found by its likelihood.
    pub struct TargetPowerSpec {
        /// Whether the results are brought to mean 0 and standard deviation 1.
        pub standardize: bool = true,
    }
}

impl TargetTransformSpec {
    /// Whether amounts stay as they are.
    pub fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Everything that is wrong with it by itself, with pointers relative to it.
    pub fn check(&self) -> Vec<Problem> {
        self.scale().map_or_else(Vec::new, |scale| scale.check())
    }

    /// What keeps it from a column of amounts of which `least` is the least; the pointer is to it.
    pub fn check_column(&self, column: &str, least: f64) -> Option<Problem> {
        let (above, way_out) = match self {
            Self::Log1p if least <= -1.0 => (-1, "yeo_johnson, which takes any amounts"),
            Self::BoxCox(_) if least <= 0.0 => (0, "yeo_johnson, which takes any amounts"),
            _ => return None,
        };
        let column = super::shown(column);
        let detail = format!("takes amounts above {above}, and column {column} holds {least}");
        Some(Problem::new("", detail).suggest(way_out))
    }

    /// Between what training rows' amounts between `least` and `most` come to lie.
    pub fn range(&self, least: f64, most: f64) -> (f64, f64) {
        match self {
            Self::None => (least, most),
            Self::Log1p => (least.ln_1p(), most.ln_1p()),
            Self::MinMax(MinMaxSpec { feature_range: [low, high], .. }) => (*low, *high),
            Self::Quantile(QuantileSpec {
                output_distribution: OutputDistribution::Uniform,
                ..
            }) => (0.0, 1.0),
            _ => (f64::NEG_INFINITY, f64::INFINITY),
        }
    }

    /// Finds the transform of the named rows of `values`, rows × the number of `columns`, and of no
    /// others; nothing where amounts stay as they are.
    ///
    /// # Errors
    /// When the amounts of these rows have no such transform.
    ///
    /// # Panics
    /// When `values` does not have such a row.
    pub fn fit(
        &self,
        values: &[f64],
        columns: &[String],
        rows: &[u32],
    ) -> Result<Option<TargetTransform>, FitProblem> {
        if self.is_none() {
            return Ok(None);
        }
        let fit = |(place, column): (usize, &String)| match self.scale() {
            None => Ok(Fitted::Log1p),
            Some(scale) => {
                let of = |row: &u32| values[*row as usize * columns.len() + place];
                let of_rows: Vec<f64> = rows.iter().map(of).collect();
                scale.fit(&of_rows, column).map(Fitted::Scaled)
            }
        };
        let outputs = columns.iter().enumerate().map(fit).collect::<Result<_, _>>()?;
        Ok(Some(TargetTransform { outputs }))
    }

    /// The scaler that it is, if it is one.
    fn scale(&self) -> Option<ScaleSpec> {
        let power = |method, spec: &TargetPowerSpec| {
            ScaleSpec::Power(PowerSpec { method, standardize: spec.standardize })
        };
        Some(match self {
            Self::None | Self::Log1p => return None,
            Self::Standard(spec) => ScaleSpec::Standard(spec.clone()),
            Self::MinMax(spec) => ScaleSpec::MinMax(spec.clone()),
            Self::Robust(spec) => ScaleSpec::Robust(spec.clone()),
            Self::MaxAbs => ScaleSpec::MaxAbs,
            Self::Quantile(spec) => ScaleSpec::Quantile(spec.clone()),
            Self::YeoJohnson(spec) => power(PowerMethod::YeoJohnson, spec),
            Self::BoxCox(spec) => power(PowerMethod::BoxCox, spec),
        })
    }
}

/// What was found in the training rows of a target: a part of the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetTransform {
    outputs: Vec<Fitted>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Fitted {
    Log1p,
    Scaled(Scaler),
}

impl TargetTransform {
    /// Of how many columns it is.
    pub fn n_outputs(&self) -> usize {
        self.outputs.len()
    }

    /// What an amount of a column becomes.
    ///
    /// # Panics
    /// When there is no such column.
    pub fn forward(&self, output: usize, y: f64) -> f64 {
        match &self.outputs[output] {
            Fitted::Log1p => y.ln_1p(),
            Fitted::Scaled(scaler) => scaler.transform(y),
        }
    }

    /// The amount of a column that becomes `z`; NaN where none does.
    ///
    /// # Panics
    /// When there is no such column.
    pub fn inverse(&self, output: usize, z: f64) -> f64 {
        match &self.outputs[output] {
            Fitted::Log1p => z.exp_m1(),
            Fitted::Scaled(scaler) => scaler.inverse_transform(z),
        }
    }

    /// What amounts become, rows × outputs, in single precision as networks learn them.
    pub fn transform(&self, values: impl Iterator<Item = f64>) -> Vec<f32> {
        let outputs = (0..self.outputs.len()).cycle();
        outputs.zip(values).map(|(output, y)| self.forward(output, y) as f32).collect()
    }

    /// Brings predictions back, rows × outputs, in place.
    pub fn inverse_transform(&self, values: &mut [f32]) {
        for (output, z) in (0..self.outputs.len()).cycle().zip(values) {
            *z = self.inverse(output, f64::from(*z)) as f32;
        }
    }

    /// Whether it could have been fitted: what a file says may be anything.
    pub(crate) fn is_sound(&self) -> bool {
        let sound = |fitted: &Fitted| match fitted {
            Fitted::Log1p => true,
            Fitted::Scaled(scaler) => scaler.is_sound(),
        };
        !self.outputs.is_empty() && self.outputs.iter().all(sound)
    }
}
