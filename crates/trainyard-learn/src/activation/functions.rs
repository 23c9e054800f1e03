//! The loops of the activations and of their derivatives.

use crate::kernels::math;
use crate::kernels::simd::simd;

/// α and λ of Klambauer and others, "Self-Normalizing Neural Networks", 2017.
pub(super) const SELU_ALPHA: f32 = 1.673_263_2;
pub(super) const SELU_SCALE: f32 = 1.050_701;

/// 2·√(2/π), and the weight of x³ beside x.
const GELU_SCALE: f32 = 1.595_769;
const GELU_CUBIC: f32 = 0.044_715;

/// y = f(x)
#[inline(always)]
fn map(y: &mut [f32], x: &[f32], f: impl Fn(f32) -> f32) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = f(*x);
    }
}

/// dx = dy·d(x), where `d` is the derivative.
#[inline(always)]
fn chain(dx: &mut [f32], dy: &[f32], x: &[f32], d: impl Fn(f32) -> f32) {
    for ((dx, dy), x) in dx.iter_mut().zip(dy).zip(x) {
        *dx = dy * d(*x);
    }
}

/// Φ(x) of the standard normal distribution.
#[inline(always)]
fn normal_cdf(x: f32) -> f32 {
    0.5 * math::erfc(-x * std::f32::consts::FRAC_1_SQRT_2)
}

/// u of (1 + tanh(u/2))/2 = 1/(1 + e^−u), which has no small difference of large terms below 0.
#[inline(always)]
fn gelu_inner(x: f32) -> f32 {
    GELU_SCALE * (GELU_CUBIC * x * x).mul_add(x, x)
}

/// Written so that NaN stays NaN.
#[inline(always)]
fn clamp(x: f32, low: f32, high: f32) -> f32 {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

/// x/6 + 1/2, between 0 and 1.
#[inline(always)]
fn ramp(x: f32) -> f32 {
    clamp((x + 3.0) / 6.0, 0.0, 1.0)
}

simd! {
    pub(super) fn relu(y: &mut [f32], x: &[f32]) {
        // Written so that NaN stays NaN.
        map(y, x, |x| if x <= 0.0 { 0.0 } else { x });
    }

    pub(super) fn leaky_relu(y: &mut [f32], x: &[f32], slope: f32) {
        map(y, x, |x| if x <= 0.0 { slope * x } else { x });
    }

    pub(super) fn leaky_relu_back(dx: &mut [f32], dy: &[f32], x: &[f32], slope: f32) {
        for ((dx, dy), x) in dx.iter_mut().zip(dy).zip(x) {
            *dx = if *x <= 0.0 { slope * dy } else { *dy };
        }
    }

    /// scale·(x, or alpha·(e^x − 1) below 0)
    pub(super) fn elu(y: &mut [f32], x: &[f32], alpha: f32, scale: f32) {
        map(y, x, |x| scale * if x > 0.0 { x } else { alpha * math::exp_m1(x) });
    }

    pub(super) fn elu_back(
        dx: &mut [f32],
        dy: &[f32],
        x: &[f32],
        y: &[f32],
        alpha: f32,
        scale: f32,
    ) {
        for (((dx, dy), x), y) in dx.iter_mut().zip(dy).zip(x).zip(y) {
            *dx = dy * if *x > 0.0 { scale } else { scale.mul_add(alpha, *y) };
        }
    }

    pub(super) fn gelu(y: &mut [f32], x: &[f32]) {
        map(y, x, |x| x * normal_cdf(x));
    }

    pub(super) fn gelu_back(dx: &mut [f32], dy: &[f32], x: &[f32]) {
        // 1/√(2π)
        const DENSITY: f32 = 0.398_942_3;
        chain(dx, dy, x, |x| (x * DENSITY).mul_add(math::exp(-0.5 * x * x), normal_cdf(x)));
    }

    pub(super) fn gelu_tanh(y: &mut [f32], x: &[f32]) {
        map(y, x, |x| x * math::sigmoid(gelu_inner(x)));
    }

    pub(super) fn gelu_tanh_back(dx: &mut [f32], dy: &[f32], x: &[f32]) {
        chain(dx, dy, x, |x| {
            // Beyond it is 0 or 1 to the last bit, and x³ must not overflow.
            let x = clamp(x, -10.0, 10.0);
            let small = math::exp(-gelu_inner(x).abs());
            let large = 1.0 / (1.0 + small);
            let share = if x < 0.0 { small * large } else { large };
            let inner = GELU_SCALE * (3.0 * GELU_CUBIC * x).mul_add(x, 1.0);
            (x * inner).mul_add(small * large * large, share)
        });
    }

    pub(super) fn silu(y: &mut [f32], x: &[f32]) {
        map(y, x, |x| x * math::sigmoid(x));
    }

    pub(super) fn silu_back(dx: &mut [f32], dy: &[f32], x: &[f32]) {
        chain(dx, dy, x, |x| {
            let s = math::sigmoid(x);
            s * x.mul_add(1.0 - s, 1.0)
        });
    }

    pub(super) fn mish(y: &mut [f32], x: &[f32]) {
        map(y, x, |x| x * math::tanh(math::softplus(x)));
    }

    pub(super) fn mish_back(dx: &mut [f32], dy: &[f32], x: &[f32]) {
        chain(dx, dy, x, |x| {
            let t = math::tanh(math::softplus(x));
            (x * math::sigmoid(x)).mul_add(1.0 - t * t, t)
        });
    }

    pub(super) fn softplus(y: &mut [f32], x: &[f32], beta: f32, threshold: f32) {
        map(y, x, |x| if beta * x > threshold { x } else { math::softplus(beta * x) / beta });
    }

    pub(super) fn softplus_back(dx: &mut [f32], dy: &[f32], x: &[f32], beta: f32, threshold: f32) {
        chain(dx, dy, x, |x| if beta * x > threshold { 1.0 } else { math::sigmoid(beta * x) });
    }

    pub(super) fn softsign(y: &mut [f32], x: &[f32]) {
        map(y, x, |x| x / (1.0 + x.abs()));
    }

    pub(super) fn softsign_back(dx: &mut [f32], dy: &[f32], x: &[f32]) {
        chain(dx, dy, x, |x| {
            let inverse = 1.0 / (1.0 + x.abs());
            inverse * inverse
        });
    }

    pub(super) fn tanh(y: &mut [f32], x: &[f32]) {
        map(y, x, math::tanh);
    }

    pub(super) fn tanh_back(dx: &mut [f32], dy: &[f32], y: &[f32]) {
        chain(dx, dy, y, |y| (-y).mul_add(y, 1.0));
    }

    pub(super) fn sigmoid(y: &mut [f32], x: &[f32]) {
        map(y, x, math::sigmoid);
    }

    pub(super) fn sigmoid_back(dx: &mut [f32], dy: &[f32], y: &[f32]) {
        chain(dx, dy, y, |y| y * (1.0 - y));
    }

    pub(super) fn hard_sigmoid(y: &mut [f32], x: &[f32]) {
        map(y, x, ramp);
    }

    pub(super) fn hard_sigmoid_back(dx: &mut [f32], dy: &[f32], x: &[f32]) {
        chain(dx, dy, x, |x| if x > -3.0 && x < 3.0 { 1.0 / 6.0 } else { 0.0 });
    }

    pub(super) fn hard_swish(y: &mut [f32], x: &[f32]) {
        map(y, x, |x| x * ramp(x));
    }

    pub(super) fn hard_swish_back(dx: &mut [f32], dy: &[f32], x: &[f32]) {
        chain(dx, dy, x, |x| {
            if x <= -3.0 {
                0.0
            } else if x < 3.0 {
                x / 3.0 + 0.5
            } else {
                1.0
            }
        });
    }

    pub(super) fn softmax(y: &mut [f32], x: &[f32], width: usize) {
        for (y, x) in y.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
            let most = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            map(y, x, |x| math::exp(x - most));
            let sum: f32 = y.iter().sum();
            y.iter_mut().for_each(|y| *y /= sum);
        }
    }

    /// dx = y·(dy − Σ dy·y)
    pub(super) fn softmax_back(dx: &mut [f32], dy: &[f32], y: &[f32], width: usize) {
        let rows = dy.chunks_exact(width).zip(y.chunks_exact(width));
        for (dx, (dy, y)) in dx.chunks_exact_mut(width).zip(rows) {
            let sum: f32 = dy.iter().zip(y).map(|(dy, y)| dy * y).sum();
            for ((dx, dy), y) in dx.iter_mut().zip(dy).zip(y) {
                *dx = y * (dy - sum);
            }
        }
    }

    /// Σ dy·x over the values below 0, in lanes that are added in the end.
    pub(super) fn sum_below_zero(dy: &[f32], x: &[f32]) -> f32 {
        let mut lanes = [0.0_f32; 16];
        let (dy_chunks, dy_rest) = dy.as_chunks::<16>();
        let (x_chunks, x_rest) = x.as_chunks::<16>();
        for (dy, x) in dy_chunks.iter().zip(x_chunks) {
            for lane in 0..16 {
                lanes[lane] += if x[lane] <= 0.0 { dy[lane] * x[lane] } else { 0.0 };
            }
        }
        let rest: f32 =
            dy_rest.iter().zip(x_rest).filter(|(_, x)| **x <= 0.0).map(|(dy, x)| dy * x).sum();
        lanes.iter().sum::<f32>() + rest
    }
}
