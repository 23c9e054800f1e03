//! Vectors of 8 values, on processors with AVX2 and fused multiply-add.
#![expect(unsafe_code, reason = "intrinsics of an instruction set that is detected at run time")]

use std::arch::x86_64::{
    __m256, __m256i, _MM_HINT_T1, _mm_loadu_ps, _mm_prefetch, _mm256_castps128_ps256,
    _mm256_cmpgt_epi32, _mm256_fmadd_ps, _mm256_insertf128_ps, _mm256_loadu_ps, _mm256_maskload_ps,
    _mm256_maskstore_ps, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setr_epi32, _mm256_shuffle_ps,
    _mm256_storeu_ps, _mm256_unpackhi_ps, _mm256_unpacklo_ps,
};

use super::super::crew::Buffer;
use super::block::Block;
use super::tile::Vector;

/// # Safety
/// As for [`Block::compute`], on a processor with AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn compute(block: &Block, buffer: &mut Buffer) {
    // Of 16 registers, the mask and the operands take four; with 12 sums some would be spilled.
    // SAFETY: the caller's.
    unsafe { block.compute::<V8, 4, 2>(buffer) }
}

#[derive(Clone, Copy)]
pub(super) struct V8(__m256);

// SAFETY: the methods read and write what the trait says, and need AVX2 and FMA.
unsafe impl Vector for V8 {
    const LANES: usize = 8;
    type Mask = __m256i;

    #[inline(always)]
    unsafe fn mask(n_lanes: usize) -> __m256i {
        // SAFETY: the processor has the instructions, as the trait demands; so below.
        unsafe {
            let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            _mm256_cmpgt_epi32(_mm256_set1_epi32(n_lanes as i32), lanes)
        }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: arithmetic.
        Self(unsafe { _mm256_set1_ps(value) })
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: 8 values are there.
        Self(unsafe { _mm256_loadu_ps(from) })
    }

    #[inline(always)]
    unsafe fn load_some(from: *const f32, mask: __m256i) -> Self {
        // SAFETY: the chosen values are there.
        Self(unsafe { _mm256_maskload_ps(from, mask) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: there is place for 8 values.
        unsafe { _mm256_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn store_some(self, to: *mut f32, mask: __m256i) {
        // SAFETY: there is place for the chosen values.
        unsafe { _mm256_maskstore_ps(to, mask, self.0) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        // SAFETY: arithmetic.
        Self(unsafe { _mm256_fmadd_ps(self.0, b.0, c.0) })
    }

    #[inline(always)]
    unsafe fn fetch(at: *const f32) {
        // SAFETY: a hint, which reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }

    #[inline(always)]
    unsafe fn transpose_8x8(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        // SAFETY: the addresses are those of the caller's rows, four values from each column given.
        unsafe {
            // Rows r and r + 4 side by side: what follows stays inside halves, the cheap kind.
            let rows = |r: usize, column: usize| {
                let low = _mm_loadu_ps(from.add(r * from_stride + column));
                let high = _mm_loadu_ps(from.add((r + 4) * from_stride + column));
                _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(low), high)
            };
            for column in [0, 4] {
                let (r0, r1) = (rows(0, column), rows(1, column));
                let (r2, r3) = (rows(2, column), rows(3, column));
                let (low01, high01) = (_mm256_unpacklo_ps(r0, r1), _mm256_unpackhi_ps(r0, r1));
                let (low23, high23) = (_mm256_unpacklo_ps(r2, r3), _mm256_unpackhi_ps(r2, r3));
                let to = to.add(column * to_stride);
                const FIRSTS: i32 = 0b01_00_01_00;
                const LASTS: i32 = 0b11_10_11_10;
                _mm256_storeu_ps(to, _mm256_shuffle_ps::<FIRSTS>(low01, low23));
                _mm256_storeu_ps(to.add(to_stride), _mm256_shuffle_ps::<LASTS>(low01, low23));
                let to = to.add(2 * to_stride);
                _mm256_storeu_ps(to, _mm256_shuffle_ps::<FIRSTS>(high01, high23));
                _mm256_storeu_ps(to.add(to_stride), _mm256_shuffle_ps::<LASTS>(high01, high23));
            }
        }
    }
}
