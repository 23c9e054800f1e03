//! Bringing a column of numbers to a scale.
//!
//! A scaler is fitted on a column's training values, of which the missing ones do not count, and is
//! then a function of one number. Parameters, defaults and results are scikit-learn's.

mod max_abs;
mod min_max;
mod power;
mod quantile;
mod robust;
mod standard;

use serde::{Deserialize, Serialize};

use super::FitProblem;
use super::slots::{Numbers, Slots, Tally, each};
use crate::optim::fields::nested;
use crate::problem::Problem;
pub use min_max::MinMaxSpec;
pub use power::{PowerMethod, PowerSpec};
pub use quantile::{OutputDistribution, QuantileSpec};
pub use robust::RobustSpec;
pub(super) use standard::{Moments, moments_of};
pub use standard::{StandardScaler, StandardSpec};

/// How a number is brought to a scale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ScaleSpec {
    /// To mean 0 and standard deviation 1, as scikit-learn's `StandardScaler`.
    Standard(StandardSpec),
    /// Onto a range, as scikit-learn's `MinMaxScaler`.
    MinMax(MinMaxSpec),
    /// By median and quantiles, which outliers do not move, as scikit-learn's `RobustScaler`.
    Robust(RobustSpec),
    /// Divided by the largest absolute value, as scikit-learn's `MaxAbsScaler`.
    MaxAbs,
    /// To a uniform or a normal distribution by ranks, as scikit-learn's `QuantileTransformer`
    /// of all training rows.
    Quantile(QuantileSpec),
    /// Nearer to a normal distribution by a power, as scikit-learn's `PowerTransformer`.
    Power(PowerSpec),
    /// As it is.
    None,
}

impl ScaleSpec {
    /// Everything that is wrong with it, with pointers relative to it.
    pub fn check(&self) -> Vec<Problem> {
        match self {
            Self::Standard(spec) => spec.check(),
            Self::MinMax(spec) => spec.check_all(),
            Self::Robust(spec) => spec.check_all(),
            Self::Quantile(spec) => spec.check(),
            Self::Power(spec) => spec.check(),
            Self::MaxAbs | Self::None => Vec::new(),
        }
    }

    /// Every scaler with its defaults, and then the options that change what it computes: what a
    /// test of all scalers runs over.
    pub fn examples() -> Vec<Self> {
        let standard = StandardSpec::default;
        let robust = RobustSpec::default;
        let quantile = QuantileSpec::default;
        vec![
            Self::Standard(standard()),
            Self::MinMax(MinMaxSpec::default()),
            Self::Robust(robust()),
            Self::MaxAbs,
            Self::Quantile(quantile()),
            Self::Power(PowerSpec::default()),
            Self::None,
            Self::Standard(StandardSpec { with_mean: false, ..standard() }),
            Self::Standard(StandardSpec { with_std: false, ..standard() }),
            Self::MinMax(MinMaxSpec { feature_range: [-2.0, 3.0], clip: true }),
            Self::Robust(RobustSpec { quantile_range: [10.0, 80.0], ..robust() }),
            Self::Robust(RobustSpec { with_centering: false, unit_variance: true, ..robust() }),
            Self::Robust(RobustSpec { with_scaling: false, ..robust() }),
            Self::Quantile(QuantileSpec {
                n_quantiles: 7,
                output_distribution: OutputDistribution::Normal,
            }),
            Self::Quantile(QuantileSpec { n_quantiles: 5, ..quantile() }),
            Self::Power(PowerSpec { method: PowerMethod::BoxCox, ..PowerSpec::default() }),
            Self::Power(PowerSpec { standardize: false, ..PowerSpec::default() }),
        ]
    }

    /// The scaler of a column with these moments, if moments are all that it needs.
    pub(super) fn of_moments(&self, moments: Moments) -> Option<Scaler> {
        let Self::Standard(spec) = self else { return None };
        let (center, scale) = spec.of(moments.mean, moments.deviation);
        Some(Scaler::Linear { center, scale }).filter(Scaler::is_finite)
    }

    /// The scaler of a column with these training values.
    pub(super) fn fit(&self, values: &[f64], column: &str) -> Result<Scaler, FitProblem> {
        let scaler = match self {
            Self::Standard(spec) => {
                let (center, scale) = spec.fit(values);
                Scaler::Linear { center, scale }
            }
            Self::MinMax(spec) => spec.fit(values),
            Self::Robust(spec) => spec.fit(values),
            Self::MaxAbs => Scaler::Linear { center: 0.0, scale: max_abs::fit(values) },
            Self::Quantile(spec) => Scaler::Quantile(spec.fit(values)),
            Self::Power(spec) => Scaler::Power(spec.fit(values, column)?),
            Self::None => Scaler::None,
        };
        if scaler.is_finite() {
            Ok(scaler)
        } else {
            Err(FitProblem::TooLarge { column: column.to_owned() })
        }
    }
}

nested!(ScaleSpec);

/// A scaler that was fitted on a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Scaler {
    None,
    /// (x − center) / scale
    Linear {
        center: f64,
        scale: f64,
    },
    /// x · scale + offset, and then inside the range if there is one.
    Range {
        scale: f64,
        offset: f64,
        clip: Option<[f64; 2]>,
    },
    Quantile(quantile::Quantiles),
    Power(power::Power),
}

impl Scaler {
    fn is_finite(&self) -> bool {
        match self {
            Self::None => true,
            Self::Linear { center, scale } => center.is_finite() && scale.is_finite(),
            Self::Range { scale, offset, .. } => scale.is_finite() && offset.is_finite(),
            Self::Quantile(quantiles) => quantiles.is_finite(),
            Self::Power(power) => power.is_finite(),
        }
    }

    /// Whether it could have been fitted: what a file says may be anything.
    pub(super) fn is_sound(&self) -> bool {
        self.is_finite()
            && match self {
                Self::None => true,
                Self::Linear { scale, .. } | Self::Range { scale, .. } => *scale != 0.0,
                Self::Quantile(quantiles) => quantiles.is_sound(),
                Self::Power(power) => power.is_sound(),
            }
    }

    /// The center and the scale, if it is (x − center) / scale or nothing at all.
    pub(super) fn line(&self) -> Option<(f64, f64)> {
        match self {
            Self::None => Some((0.0, 1.0)),
            Self::Linear { center, scale } => Some((*center, *scale)),
            Self::Range { .. } | Self::Quantile(_) | Self::Power(_) => None,
        }
    }

    /// One number brought to the scale.
    pub(super) fn transform(&self, x: f64) -> f64 {
        match self {
            Self::None => x,
            Self::Linear { center, scale } => (x - center) / scale,
            Self::Range { scale, offset, clip: None } => x * scale + offset,
            Self::Range { scale, offset, clip: Some([low, high]) } => {
                (x * scale + offset).clamp(*low, *high)
            }
            Self::Quantile(quantiles) => quantiles.apply(x),
            Self::Power(power) => power.apply(x),
        }
    }

    /// The number that this comes from, as scikit-learn's `inverse_transform`; NaN where a power
    /// gives no such number.
    pub(super) fn inverse_transform(&self, y: f64) -> f64 {
        match self {
            Self::None => y,
            Self::Linear { center, scale } => y * scale + center,
            Self::Range { scale, offset, .. } => (y - offset) / scale,
            Self::Quantile(quantiles) => quantiles.inverse(y),
            Self::Power(power) => power.inverse(y),
        }
    }

    /// Writes the scaled numbers of a column, `fill` standing for missing ones.
    pub(super) fn write(
        &self,
        numbers: impl Numbers,
        rows: &[u32],
        fill: f64,
        out: &mut Slots<'_>,
        tally: &mut Tally,
    ) {
        match self {
            Self::None => each(numbers, rows, fill, out, tally, |x| x),
            Self::Linear { center, scale } => {
                each(numbers, rows, fill, out, tally, |x| (x - center) / scale);
            }
            Self::Range { scale, offset, clip: None } => {
                each(numbers, rows, fill, out, tally, |x| x * scale + offset);
            }
            Self::Range { scale, offset, clip: Some([low, high]) } => {
                // Unlike `f64::max` and `min`, `clamp` leaves a missing number missing.
                each(numbers, rows, fill, out, tally, |x| (x * scale + offset).clamp(*low, *high));
            }
            Self::Quantile(quantiles) => {
                each(numbers, rows, fill, out, tally, |x| quantiles.apply(x));
            }
            Self::Power(power) => each(numbers, rows, fill, out, tally, |x| power.apply(x)),
        }
    }
}

/// A scale to divide by: 1 where it is hardly more than nothing, by scikit-learn's bound.
fn divisor(scale: f64) -> f64 {
    if scale < 10.0 * f64::EPSILON { 1.0 } else { scale }
}
