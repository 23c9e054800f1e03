//! The standard normal distribution: its quantiles and the shares below them.

/// The `p`-quantile, to sixteen digits: algorithm AS 241 (Wichura, "The percentage points of the
/// normal distribution", Applied Statistics 37, 1988).
pub fn normal_quantile(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        return q * ratio(r, &CENTRAL);
    }
    let tail = if q < 0.0 { p } else { 1.0 - p };
    if tail <= 0.0 {
        return f64::INFINITY.copysign(q);
    }
    let r = (-tail.ln()).sqrt();
    let size = if r <= 5.0 { ratio(r - 1.6, &MIDDLE) } else { ratio(r - 5.0, &FAR) };
    size.copysign(q)
}

/// The share below `z`.
///
/// Near the middle, ½ plus the density times z + z³/3 + z⁵/(3·5) + … (Marsaglia, "Evaluating the
/// normal distribution", Journal of Statistical Software 11, 2004), whose terms are of one sign;
/// further out, the continued fraction of the tail (Abramowitz and Stegun 26.2.14), from its end.
pub fn normal_cdf(z: f64) -> f64 {
    const TERMS: u32 = 100;
    let density = (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt();
    if z.abs() > 4.0 {
        let fraction = (1..=TERMS).rev().fold(z.abs(), |rest, k| z.abs() + f64::from(k) / rest);
        let tail = density / fraction;
        return if z < 0.0 { tail } else { 1.0 - tail };
    }
    let (mut term, mut sum) = (z, z);
    for k in 1..=TERMS {
        term *= z * z / f64::from(2 * k + 1);
        sum += term;
    }
    0.5 + density * sum
}

/// A polynomial over another, coefficients from the highest power down.
fn ratio(x: f64, [numerator, denominator]: &[[f64; 8]; 2]) -> f64 {
    let polynomial = |c: &[f64; 8]| c.iter().fold(0.0, |sum, c| sum * x + c);
    polynomial(numerator) / polynomial(denominator)
}

const CENTRAL: [[f64; 8]; 2] = [
    [
        2_509.080_928_730_122_7,
        33_430.575_583_588_13,
        67_265.770_927_008_7,
        45_921.953_931_549_87,
        13_731.693_765_509_46,
        1_971.590_950_306_551_3,
        133.141_667_891_784_38,
        3.387_132_872_796_366_5,
    ],
    [
        5_226.495_278_852_854,
        28_729.085_735_721_943,
        39_307.895_800_092_71,
        21_213.794_301_586_597,
        5_394.196_021_424_751,
        687.187_007_492_057_9,
        42.313_330_701_600_91,
        1.0,
    ],
];

const MIDDLE: [[f64; 8]; 2] = [
    [
        0.000_774_545_014_278_341_4,
        0.022_723_844_989_269_184,
        0.241_780_725_177_450_6,
        1.270_458_252_452_368_4,
        3.647_848_324_763_204_5,
        5.769_497_221_460_691,
        4.630_337_846_156_546,
        1.423_437_110_749_683_5,
    ],
    [
        1.050_750_071_644_416_9e-9,
        0.000_547_593_808_499_534_5,
        0.015_198_666_563_616_457,
        0.148_103_976_427_480_08,
        0.689_767_334_985_1,
        1.676_384_830_183_803_8,
        2.053_191_626_637_759,
        1.0,
    ],
];

const FAR: [[f64; 8]; 2] = [
    [
        2.010_334_399_292_288_1e-7,
        2.711_555_568_743_487_6e-5,
        0.001_242_660_947_388_078_4,
        0.026_532_189_526_576_124,
        0.296_560_571_828_504_87,
        1.784_826_539_917_291_3,
        5.463_784_911_164_114,
        6.657_904_643_501_103,
    ],
    [
        2.044_263_103_389_939_7e-15,
        1.421_511_758_316_446e-7,
        1.846_318_317_510_054_8e-5,
        0.000_786_869_131_145_613_3,
        0.014_875_361_290_850_615,
        0.136_929_880_922_735_8,
        0.599_832_206_555_888,
        1.0,
    ],
];

#[cfg(test)]
mod tests {
    use super::{normal_cdf, normal_quantile};

    /// scipy 1.17.1: `scipy.stats.norm.ppf(p)`.
    const QUANTILES: [(f64, f64); 6] = [
        (0.5, 0.0),
        (0.3, -0.524_400_512_708_041),
        (0.975, 1.959_963_984_540_054),
        (0.01, -2.326_347_874_040_840_8),
        (1e-7, -5.199_337_582_192_816_5),
        (1e-20, -9.262_340_089_798_408),
    ];

    /// scipy 1.17.1: `scipy.stats.norm.cdf(z)`.
    const SHARES: [(f64, f64); 7] = [
        (0.0, 0.5),
        (0.3, 0.617_911_422_188_952_6),
        (-1.5, 0.066_807_201_268_858_07),
        (-3.9, 4.809_634_401_760_261_4e-05),
        (4.1, 0.999_979_342_493_087_5),
        (-4.1, 2.065_750_691_254_671_7e-05),
        (-5.2, 9.964_426_316_933_47e-08),
    ];

    #[test]
    fn shares_are_scipys() {
        for (z, expected) in SHARES {
            let found = normal_cdf(z);
            assert!((found - expected).abs() <= 1e-15 + 1e-11 * expected, "{z}: {found}");
        }
        assert_eq!((normal_cdf(f64::NEG_INFINITY), normal_cdf(f64::INFINITY)), (0.0, 1.0));
    }

    #[test]
    fn quantiles_are_scipys() {
        for (p, expected) in QUANTILES {
            let found = normal_quantile(p);
            assert!((found - expected).abs() <= 1e-14 * expected.abs(), "{p}: {found}");
        }
        assert_eq!(
            (normal_quantile(0.0), normal_quantile(1.0)),
            (f64::NEG_INFINITY, f64::INFINITY)
        );
    }
}
