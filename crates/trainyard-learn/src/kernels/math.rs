//! Elementary functions of single precision without branches, so that loops over them become vector
//! code. They are exact to a few units in the last place (the tests say how many), and NaN gives NaN.
//!
//! The polynomials are those of the Cephes library (Moshier, "Methods and Programs for Mathematical
//! Functions", 1989).

const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// ln 2 as a number of few bits, whose small multiples are exact, and the rest of it.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;
/// Adding this rounds a number of up to 22 bits to a whole one, in the last bits.
const ROUNDER: f32 = 12_582_912.0;

#[inline(always)]
fn polynomial<const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    let mut sum = coefficients[0];
    for coefficient in &coefficients[1..] {
        sum = sum.mul_add(x, *coefficient);
    }
    sum
}

/// 2^n for whole n from −252 to 254, as two factors, since the product may be no normal number.
#[inline(always)]
fn power_of_two(n: i32) -> (f32, f32) {
    let half = n >> 1;
    let power = |n: i32| f32::from_bits(((n + 127) << 23) as u32);
    (power(half), power(n - half))
}

/// x = n·ln 2 + r with |r| ≤ ln 2 / 2; and e^r − 1.
#[inline(always)]
fn reduce(x: f32) -> (i32, f32) {
    let x = if x > 89.0 { 89.0 } else { x };
    let x = if x < -104.0 { -104.0 } else { x };
    let rounded = x.mul_add(LOG2_E, ROUNDER);
    let n = rounded - ROUNDER;
    let r = n.mul_add(-LN2_LOW, n.mul_add(-LN2_HIGH, x));
    let p = polynomial(
        r,
        [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5],
    );
    ((rounded.to_bits() as i32).wrapping_sub(ROUNDER.to_bits() as i32), p.mul_add(r * r, r))
}

/// e^x
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    let (n, rest) = reduce(x);
    let (a, b) = power_of_two(n);
    (rest + 1.0) * a * b
}

/// e^x − 1
#[inline(always)]
pub(crate) fn exp_m1(x: f32) -> f32 {
    let (n, rest) = reduce(x);
    let (a, b) = power_of_two(n);
    (rest * a).mul_add(b, a.mul_add(b, -1.0))
}

/// The natural logarithm of a positive, normal number.
#[inline(always)]
pub(crate) fn ln(x: f32) -> f32 {
    // The mantissa from √½ to √2, so that the polynomial's argument is small.
    let bits = x.to_bits().wrapping_sub(0x3f35_04f3);
    let exponent = (bits as i32) >> 23;
    let m = f32::from_bits((bits & 0x007f_ffff).wrapping_add(0x3f35_04f3)) - 1.0;
    let square = m * m;
    let p = polynomial(
        m,
        [
            7.037_684e-2,
            -1.151_461e-1,
            1.167_699_9e-1,
            -1.242_014_1e-1,
            1.424_932_3e-1,
            -1.666_805_8e-1,
            2.000_071_5e-1,
            -2.499_999_4e-1,
            3.333_333e-1,
        ],
    );
    let e = exponent as f32;
    let tail = (-0.5_f32).mul_add(square, e.mul_add(LN2_LOW, m * square * p));
    let sum = e.mul_add(LN2_HIGH, m + tail);
    if x.is_nan() { x } else { sum }
}

/// ln(1 + u) for u ≥ 0
#[inline(always)]
pub(crate) fn ln_1p(u: f32) -> f32 {
    // What rounding took from 1 + u is given back in proportion (Kahan).
    let w = 1.0 + u;
    let rest = w - 1.0;
    if rest == 0.0 { u } else { ln(w) * (u / rest) }
}

/// 1/(1 + e^−x)
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The hyperbolic tangent.
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    let square = x * x;
    let p = polynomial(
        square,
        [-5.704_988_7e-3, 2.063_909e-2, -5.373_971_6e-2, 1.333_144_2e-1, -3.333_328e-1],
    );
    let near = (p * square).mul_add(x, x);
    let magnitude = x.abs();
    let far = (1.0 - 2.0 / (exp(2.0 * magnitude) + 1.0)).copysign(x);
    if magnitude < 0.625 { near } else { far }
}

/// ln(1 + e^x), without overflow.
#[inline(always)]
pub(crate) fn softplus(x: f32) -> f32 {
    let positive = if x < 0.0 { 0.0 } else { x };
    positive + ln_1p(exp(-x.abs()))
}

/// Sine and cosine of an angle between −π/4 and π/4, by Taylor's series.
#[inline(always)]
pub(crate) fn sin_cos(x: f32) -> (f32, f32) {
    let square = x * x;
    let sin = polynomial(square, [2.755_731_9e-6, -1.984_127e-4, 8.333_334e-3, -1.666_666_7e-1]);
    let cos = polynomial(square, [2.480_158_7e-5, -1.388_888_9e-3, 4.166_666_8e-2, -0.5]);
    ((sin * square).mul_add(x, x), cos.mul_add(square, 1.0))
}

/// 1 − erf(x), small where x is large.
#[inline(always)]
pub(crate) fn erfc(x: f32) -> f32 {
    let magnitude = x.abs();
    let square = x * x;
    let near = x * polynomial(
        square,
        [
            7.853_861_4e-5,
            -8.010_193_6e-4,
            5.188_327_6e-3,
            -2.685_381_2e-2,
            1.128_358_5e-1,
            -3.761_262_6e-1,
            std::f32::consts::FRAC_2_SQRT_PI,
        ],
    );
    let inverse = 1.0 / magnitude;
    let z = inverse * inverse;
    let middle = polynomial(
        z,
        [
            2.326_82e-2,
            -1.387_039_4e-1,
            3.687_424_7e-1,
            -5.824_733e-1,
            6.210_004_6e-1,
            -4.944_515_3e-1,
            3.404_88e-1,
            -2.741_127e-1,
            5.638_259_4e-1,
        ],
    );
    let last = polynomial(
        z,
        [
            -1.047_766_4e1,
            1.297_72e1,
            -7.495_518_7,
            2.921_019,
            -1.015_265_3,
            4.218_463_4e-1,
            -2.820_767_4e-1,
            5.641_895e-1,
        ],
    );
    let tail = exp(-square) * inverse * if magnitude < 2.0 { middle } else { last };
    let far = if x < 0.0 { 2.0 - tail } else { tail };
    if magnitude < 1.0 { 1.0 - near } else { far }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest error in units in the last place of the exact value, over a dense grid.
    fn worst_ulps(f: fn(f32) -> f32, exact: fn(f64) -> f64, from: f32, to: f32) -> f64 {
        (0..=200_000)
            .map(|i| from + (to - from) * (i as f32 / 200_000.0))
            .map(|x| {
                let want = exact(f64::from(x));
                let near = want as f32;
                let ulp = f64::from(near.abs().next_up()) - f64::from(near.abs());
                (f64::from(f(x)) - want).abs() / ulp
            })
            .fold(0.0, f64::max)
    }

    #[test]
    fn the_functions_are_exact_to_a_few_units_in_the_last_place() {
        assert!(worst_ulps(exp, f64::exp, -87.0, 88.7) < 2.0);
        assert!(worst_ulps(exp_m1, f64::exp_m1, -17.0, 88.0) < 3.0);
        assert!(worst_ulps(exp_m1, f64::exp_m1, -1e-3, 1e-3) < 2.0);
        assert!(worst_ulps(ln, f64::ln, 1e-6, 10.0) < 3.0);
        assert!(worst_ulps(ln, f64::ln, 1e6, 1e30) < 2.0);
        assert!(worst_ulps(ln_1p, f64::ln_1p, 0.0, 1.0) < 3.0);
        assert!(worst_ulps(ln_1p, f64::ln_1p, 0.0, 1e-4) < 3.0);
        assert!(worst_ulps(sigmoid, |x| 1.0 / (1.0 + (-x).exp()), -80.0, 80.0) < 4.0);
        assert!(worst_ulps(tanh, f64::tanh, -10.0, 10.0) < 3.0);
        assert!(worst_ulps(tanh, f64::tanh, -1e-4, 1e-4) < 2.0);
        assert!(worst_ulps(softplus, |x| x.max(0.0) + (-x.abs()).exp().ln_1p(), -20.0, 20.0) < 4.0);
    }

    #[test]
    fn extremes_give_extremes_and_nan_gives_nan() {
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(-200.0), 0.0);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert!(exp(-100.0) > 0.0, "a denormal number");
        assert_eq!(exp_m1(f32::NEG_INFINITY), -1.0);
        assert_eq!((tanh(f32::INFINITY), tanh(f32::NEG_INFINITY)), (1.0, -1.0));
        assert_eq!((sigmoid(f32::INFINITY), sigmoid(f32::NEG_INFINITY)), (1.0, 0.0));
        assert_eq!(softplus(1e30), 1e30);
        assert_eq!((erfc(30.0), erfc(-30.0)), (0.0, 2.0));
        for f in [exp, exp_m1, ln, ln_1p, sigmoid, tanh, softplus, erfc] {
            assert!(f(f32::NAN).is_nan());
        }
    }
}
