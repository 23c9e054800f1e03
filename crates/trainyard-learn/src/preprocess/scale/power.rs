//! Nearer to a normal distribution by a power, as scikit-learn's `PowerTransformer`.
//!
//! Yeo and Johnson, "A new family of power transformations to improve normality or symmetry"
//! (Biometrika 87, 2000); Box and Cox, "An analysis of transformations" (1964). The exponent λ is
//! the one of greatest likelihood,
//! −n/2 · ln(variance of the transformed values) + (λ − 1) · Σ sign(x) · ln(|x| + 1), and for Box
//! and Cox with Σ ln(x).
//!
//! Near its greatest value the likelihood is flat, so that a search finds λ to about half of a
//! double's digits: ours is scikit-learn's to 1e-6, scaled training values agree to 1e-5, and with
//! the same λ all values to 1e-9 (`tests/preprocess.rs`).

use serde::{Deserialize, Serialize};

use super::standard::moments;
use crate::optim::fields::{fields, unlimited};
use crate::preprocess::FitProblem;

fields! {
    /// A power of the values, of which the exponent is found by its likelihood, to about six digits.
    pub struct PowerSpec {
        /// Which family of powers.
        pub method: PowerMethod = (PowerMethod::YeoJohnson),
        /// Whether the results are brought to mean 0 and standard deviation 1.
        pub standardize: bool = true,
    }
}

/// A family of power transformations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum PowerMethod {
    /// Of any numbers.
    #[serde(rename = "yeo-johnson")]
    YeoJohnson,
    /// Of positive numbers.
    #[serde(rename = "box-cox")]
    BoxCox,
}

unlimited!(PowerMethod);

impl PowerSpec {
    pub(super) fn fit(&self, values: &[f64], column: &str) -> Result<Power, FitProblem> {
        let present: Vec<f64> = values.iter().copied().filter(|x| !x.is_nan()).collect();
        if self.method == PowerMethod::BoxCox
            && let Some(x) = present.iter().find(|x| **x <= 0.0)
        {
            return Err(FitProblem::NotPositive { column: column.to_owned(), value: *x });
        }
        let lambda = exponent(self.method, &present);
        let raw = Power { method: self.method, lambda, mean: 0.0, scale: 1.0 };
        if !self.standardize {
            return Ok(raw);
        }
        let transformed: Vec<f64> = present.iter().map(|x| raw.power(*x)).collect();
        let (mean, deviation) = moments(&transformed);
        Ok(Power { mean, scale: deviation.unwrap_or(1.0), ..raw })
    }
}

/// An exponent that was found for a column, and what its results are scaled by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::preprocess) struct Power {
    method: PowerMethod,
    lambda: f64,
    mean: f64,
    scale: f64,
}

impl Power {
    pub(super) fn is_finite(&self) -> bool {
        [self.lambda, self.mean, self.scale].iter().all(|x| x.is_finite())
    }

    pub(super) fn is_sound(&self) -> bool {
        self.is_finite() && self.scale > 0.0
    }

    pub(super) fn apply(&self, x: f64) -> f64 {
        (self.power(x) - self.mean) / self.scale
    }

    /// What [`apply`](Self::apply) makes `y` of; NaN beyond what a power reaches.
    pub(super) fn inverse(&self, y: f64) -> f64 {
        let y = y * self.scale + self.mean;
        match self.method {
            PowerMethod::BoxCox => log_base_of(y, self.lambda).exp(),
            PowerMethod::YeoJohnson if y < 0.0 => -log_base_of(-y, 2.0 - self.lambda).exp_m1(),
            PowerMethod::YeoJohnson => log_base_of(y, self.lambda).exp_m1(),
        }
    }

    fn power(&self, x: f64) -> f64 {
        match self.method {
            PowerMethod::BoxCox => power_of(x.ln(), self.lambda),
            PowerMethod::YeoJohnson if x < 0.0 => -power_of((-x).ln_1p(), 2.0 - self.lambda),
            PowerMethod::YeoJohnson => power_of(x.ln_1p(), self.lambda),
        }
    }
}

/// The base b whose (bᵖ − 1) / p is `y`, by its logarithm; NaN where there is none.
fn log_base_of(y: f64, p: f64) -> f64 {
    if p.abs() < f64::EPSILON { y } else { (p * y).ln_1p() / p }
}

/// (bᵖ − 1) / p of a base b by its logarithm, and ln b for p = 0.
fn power_of(log_base: f64, p: f64) -> f64 {
    if p.abs() < f64::EPSILON { log_base } else { (p * log_base).exp_m1() / p }
}

/// The exponent of greatest likelihood; 1, which changes next to nothing, where there is none
/// because all values are alike.
fn exponent(method: PowerMethod, values: &[f64]) -> f64 {
    if moments(values).1.is_none() {
        return 1.0;
    }
    let n = values.len() as f64;
    let log_of = |x: &f64| match method {
        PowerMethod::BoxCox => x.ln(),
        PowerMethod::YeoJohnson => x.abs().ln_1p().copysign(*x),
    };
    let logs: f64 = values.iter().map(log_of).sum();
    let (low, high) = bounds(method, values);
    let unlikelihood = |lambda: f64| {
        let power = Power { method, lambda, mean: 0.0, scale: 1.0 };
        let transformed = || values.iter().map(|x| power.power(*x));
        let mean = transformed().sum::<f64>() / n;
        let variance = transformed().map(|y| (y - mean) * (y - mean)).sum::<f64>() / n;
        if variance >= f64::MIN_POSITIVE && variance.is_finite() {
            0.5 * n * variance.ln() - (lambda - 1.0) * logs
        } else {
            f64::INFINITY
        }
    };
    minimum(unlikelihood, low, high)
}

/// Exponents between which the variance of the results stays within the finite numbers, with
/// room for values twenty times as large as any of these.
fn bounds(method: PowerMethod, values: &[f64]) -> (f64, f64) {
    let half = 0.5 * (f64::MAX.ln() + f64::EPSILON.ln());
    let small = 0.5 * (f64::MIN_POSITIVE.ln() - f64::EPSILON.ln());
    let largest = values.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
    match method {
        PowerMethod::BoxCox => {
            let reach = values.iter().fold((20.0 * largest).ln().abs(), |m, x| m.max(x.ln().abs()));
            (small / reach, half / reach)
        }
        PowerMethod::YeoJohnson => {
            let reach = (20.0 * largest).ln_1p();
            let (low, high) = (small / reach, half / reach);
            if values.iter().all(|x| *x < 0.0) {
                (2.0 - high, 2.0 - low)
            } else if values.iter().any(|x| *x < 0.0) {
                ((2.0 - high).max(low), (2.0 - low).min(high))
            } else {
                (low, high)
            }
        }
    }
}

/// Where a function is least between two ends, to eight digits (Brent, "Algorithms for minimization
/// without derivatives", 1973, chapter 5: parabolas where they help, golden sections where not).
fn minimum(f: impl Fn(f64) -> f64, mut low: f64, mut high: f64) -> f64 {
    const TOLERANCE: f64 = 1.48e-8;
    let golden = 0.5 * (3.0 - 5.0_f64.sqrt());
    // The best point, the second best and the one before it, with their values.
    let mut x = low + golden * (high - low);
    let (mut w, mut v) = (x, x);
    let mut fx = f(x);
    let (mut fw, mut fv) = (fx, fx);
    let (mut step, mut last_step) = (0.0_f64, 0.0_f64);
    for _ in 0..500 {
        let middle = 0.5 * (low + high);
        let near = f64::EPSILON.sqrt() * x.abs() + TOLERANCE / 3.0;
        if (x - middle).abs() <= 2.0 * near - 0.5 * (high - low) {
            break;
        }
        let r = (x - w) * (fx - fv);
        let q = (x - v) * (fx - fw);
        let p = (x - v) * q - (x - w) * r;
        let turn = 2.0 * (q - r);
        let (p, q) = if turn > 0.0 { (-p, turn) } else { (p, -turn) };
        let is_parabola = last_step.abs() > near
            && p.abs() < (0.5 * q * last_step).abs()
            && p > q * (low - x)
            && p < q * (high - x);
        last_step = step;
        if is_parabola {
            step = p / q;
            let at = x + step;
            if at - low < 2.0 * near || high - at < 2.0 * near {
                step = near.copysign(middle - x);
            }
        } else {
            last_step = if x < middle { high - x } else { low - x };
            step = golden * last_step;
        }
        let u = x + if step.abs() >= near { step } else { near.copysign(step) };
        let fu = f(u);
        if fu <= fx {
            if u < x {
                high = x;
            } else {
                low = x;
            }
            (v, fv, w, fw, x, fx) = (w, fw, x, fx, u, fu);
        } else {
            if u < x {
                low = u;
            } else {
                high = u;
            }
            if fu <= fw || w == x {
                (v, fv, w, fw) = (w, fw, u, fu);
            } else if fu <= fv || v == x || v == w {
                (v, fv) = (u, fu);
            }
        }
    }
    x
}
