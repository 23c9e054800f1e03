//! Reading ahead: while tiles are computed from one panel of `b`, the next is on its way to the cache.
#![expect(unsafe_code, reason = "a hint to the processor, by address")]

use super::tile::Vector;

/// The cache lines of a panel of `b` that is needed next, asked for a few a tile.
///
/// A panel is short runs of adjacent values, far apart, which no processor foresees: copying
/// it (packing) would wait for the memory of each.
#[derive(Debug)]
pub(super) struct Ahead {
    run: *const f32,
    /// Values from one run to the next.
    run_stride: usize,
    lines_per_run: usize,
    /// Of the run.
    next_line: usize,
    lines_per_tile: usize,
}

/// Values in a cache line.
const LINE: usize = 16;

impl Ahead {
    /// The panel of `n_runs` runs, to be there after `n_tiles` tiles.
    pub(super) fn new(
        run: *const f32,
        run_stride: usize,
        n_runs: usize,
        run_len: usize,
        n_tiles: usize,
    ) -> Self {
        let lines_per_run = run_len.div_ceil(LINE);
        let lines_per_tile = (n_runs * lines_per_run).div_ceil(n_tiles);
        Self { run, run_stride, lines_per_run, next_line: 0, lines_per_tile }
    }

    /// Asks for as many lines as fall to one tile.
    ///
    /// # Safety
    /// As for `V`. (An address need not be one that may be read.)
    #[inline(always)]
    pub(super) unsafe fn fetch<V: Vector>(&mut self) {
        for _ in 0..self.lines_per_tile {
            // SAFETY: the caller's.
            unsafe { V::fetch(self.run.wrapping_add(self.next_line * LINE)) };
            self.next_line += 1;
            if self.next_line == self.lines_per_run {
                self.next_line = 0;
                self.run = self.run.wrapping_add(self.run_stride);
            }
        }
    }
}
