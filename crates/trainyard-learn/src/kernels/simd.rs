//! Element-wise loops compiled for several instruction sets, the widest that the processor has
//! chosen at run time.

/// Defines functions that are compiled once for AVX-512, once for AVX2 and once for any processor.
///
/// Plain loops over slices and fixed-size arrays inside them become vector code; helpers that they
/// call must be `#[inline(always)]` to become part of it. `f32::mul_add` is one instruction there.
macro_rules! simd {
    ($($(#[$attribute:meta])* $visibility:vis fn $name:ident($($arguments:tt)*) $(-> $returns:ty)? $body:block)+) => {
        $(
            #[multiversion::multiversion(targets(
                "x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi1+bmi2+lzcnt+popcnt",
                "x86_64+avx2+fma+bmi1+bmi2+lzcnt+popcnt",
            ))]
            $(#[$attribute])*
            $visibility fn $name($($arguments)*) $(-> $returns)? $body
        )+
    };
}

pub(crate) use simd;

#[cfg(test)]
mod tests {
    super::simd! {
        fn saxpy(y: &mut [f32], a: f32, x: &[f32]) {
            for (y, x) in y.iter_mut().zip(x) {
                *y = a.mul_add(*x, *y);
            }
        }
    }

    #[test]
    fn what_the_macro_defines_computes() {
        let mut y = [1.0; 37];
        saxpy(&mut y, 2.0, &[3.0; 37]);
        assert_eq!(y, [7.0; 37]);
    }
}
