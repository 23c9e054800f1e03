//! Vectors of 8 values as arrays, on any processor.
#![expect(unsafe_code, reason = "loads and stores through pointers")]

use super::super::crew::Buffer;
use super::block::Block;
use super::tile::Vector;

/// # Safety
/// As for [`Block::compute`].
pub(super) unsafe fn compute(block: &Block, buffer: &mut Buffer) {
    // SAFETY: the caller's.
    unsafe { block.compute::<Array, 4, 2>(buffer) }
}

#[derive(Clone, Copy)]
struct Array([f32; 8]);

// SAFETY: the methods read and write what the trait says, and need no instruction set.
unsafe impl Vector for Array {
    const LANES: usize = 8;
    type Mask = usize;

    #[inline(always)]
    unsafe fn mask(n_lanes: usize) -> usize {
        n_lanes
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 8])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: 8 values are there.
        Self(unsafe { from.cast::<[f32; 8]>().read() })
    }

    #[inline(always)]
    unsafe fn load_some(from: *const f32, n_lanes: usize) -> Self {
        let mut values = [0.0; 8];
        // SAFETY: that many values are there, and at most 8.
        unsafe { from.copy_to_nonoverlapping(values.as_mut_ptr(), n_lanes) };
        Self(values)
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: there is place for 8 values.
        unsafe { to.cast::<[f32; 8]>().write(self.0) }
    }

    #[inline(always)]
    unsafe fn store_some(self, to: *mut f32, n_lanes: usize) {
        // SAFETY: there is place for that many values, at most 8.
        unsafe { self.0.as_ptr().copy_to_nonoverlapping(to, n_lanes) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i].mul_add(b.0[i], c.0[i])))
    }

    /// There is no way to ask that every processor has.
    #[inline(always)]
    unsafe fn fetch(_: *const f32) {}

    #[inline(always)]
    unsafe fn transpose_8x8(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        for i in 0..8 {
            for j in 0..8 {
                // SAFETY: the caller's.
                unsafe { *to.add(j * to_stride + i) = *from.add(i * from_stride + j) };
            }
        }
    }
}
