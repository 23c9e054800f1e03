//! An output that several threads write, each its own part.
#![expect(unsafe_code, reason = "the borrow checker cannot see that parts of a slice are disjoint")]

use std::marker::PhantomData;
use std::ops::Range;

/// A slice whose parts are lent to several threads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shared<'a> {
    start: *mut f32,
    len: usize,
    slice: PhantomData<&'a mut [f32]>,
}

// SAFETY: it gives access through `unsafe` methods alone, whose callers see to it that no value is
// written by one thread while another reads or writes it.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    pub(crate) fn new(slice: &'a mut [f32]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), slice: PhantomData }
    }

    /// The values in this range.
    ///
    /// # Safety
    /// While the result lives, nobody else uses a value in the range.
    pub(crate) unsafe fn lend(self, range: Range<usize>) -> &'a mut [f32] {
        assert!(range.start <= range.end && range.end <= self.len, "inside the slice");
        // SAFETY: the range is inside the slice, which is borrowed for 'a, and nobody else uses it.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }
}
