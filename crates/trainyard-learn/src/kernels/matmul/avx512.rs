//! Vectors of 16 values, on processors with AVX-512.
#![expect(unsafe_code, reason = "intrinsics of an instruction set that is detected at run time")]

use std::arch::x86_64::{
    __m512, __mmask16, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mask_storeu_ps,
    _mm512_maskz_loadu_ps, _mm512_set1_ps, _mm512_storeu_ps,
};

use super::super::crew::Buffer;
use super::avx2::V8;
use super::block::Block;
use super::tile::Vector;

/// # Safety
/// As for [`Block::compute`], on a processor with AVX-512 F, AVX2 and FMA.
#[target_feature(enable = "avx512f,avx512vl,avx2,fma")]
pub(super) unsafe fn compute(block: &Block, buffer: &mut Buffer) {
    // SAFETY: the caller's.
    unsafe { block.compute::<V16, 8, 2>(buffer) }
}

#[derive(Clone, Copy)]
struct V16(__m512);

// SAFETY: the methods read and write what the trait says, and need AVX-512 F, AVX2 and FMA.
unsafe impl Vector for V16 {
    const LANES: usize = 16;
    type Mask = __mmask16;

    #[inline(always)]
    unsafe fn mask(n_lanes: usize) -> __mmask16 {
        (0xffff_u32 >> (16 - n_lanes)) as __mmask16
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the processor has the instruction, as the trait demands; so below.
        Self(unsafe { _mm512_set1_ps(value) })
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: 16 values are there.
        Self(unsafe { _mm512_loadu_ps(from) })
    }

    #[inline(always)]
    unsafe fn load_some(from: *const f32, mask: __mmask16) -> Self {
        // SAFETY: the chosen values are there.
        Self(unsafe { _mm512_maskz_loadu_ps(mask, from) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: there is place for 16 values.
        unsafe { _mm512_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn store_some(self, to: *mut f32, mask: __mmask16) {
        // SAFETY: there is place for the chosen values.
        unsafe { _mm512_mask_storeu_ps(to, mask, self.0) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        // SAFETY: arithmetic.
        Self(unsafe { _mm512_fmadd_ps(self.0, b.0, c.0) })
    }

    #[inline(always)]
    unsafe fn fetch(at: *const f32) {
        // SAFETY: a hint, which reads nothing.
        unsafe { V8::fetch(at) }
    }

    #[inline(always)]
    unsafe fn transpose_8x8(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        // SAFETY: the caller's.
        unsafe { V8::transpose_8x8(from, from_stride, to, to_stride) }
    }
}
