//! A rectangle of the output, by one thread: cache blocking and packing around the tiles.
#![expect(unsafe_code, reason = "pointers into the operands, by strides")]

use super::super::crew::{Buffer, piece};
use super::ahead::Ahead;
use super::tile::{Tile, TileStart, Vector};

/// A rectangle of the output and the operands it needs: as [`Tile`], of any size, and with the
/// columns of `b` adjacent or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub(super) a: *const f32,
    pub(super) a_row_stride: usize,
    pub(super) a_col_stride: usize,
    pub(super) b: *const f32,
    pub(super) b_row_stride: usize,
    pub(super) b_col_stride: usize,
    pub(super) c: *mut f32,
    pub(super) c_row_stride: usize,
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) k: usize,
    pub(super) start: TileStart,
}

/// How many terms of the sums are computed at a time: a panel of `b` stays in the L1 cache.
const K_BLOCK: usize = 256;
/// How many rows are computed at a time: a block of `a` stays in the L2 cache.
const ROW_BLOCK: usize = 512;
/// From so many values on, `b` is too large to be in the L2 cache when it is packed.
const LARGE_B: usize = 1 << 17;

// SAFETY: threads share it to cut disjoint rectangles from it; whoever computes one answers for the
// pointers.
unsafe impl Sync for Block {}

/// Fewer multiplications than this take a few microseconds: a second thread would save one or two,
/// and keep a core from other work.
const MIN_SHARED: usize = 1 << 18;
/// A part's rows or columns are a multiple of this, so that tiles are whole.
const PART_GRAIN: usize = 32;

impl Block {
    /// Into how many parts to cut it for so many threads.
    pub(super) fn n_parts(&self, n_threads: usize) -> usize {
        if n_threads == 1 || self.rows * self.cols * self.k < MIN_SHARED {
            return 1;
        }
        n_threads.min(self.rows.div_ceil(PART_GRAIN).max(self.cols.div_ceil(PART_GRAIN)))
    }

    /// One of `n_parts` disjoint rectangles that fill it: some of its columns or of its rows,
    /// whichever there are more of.
    pub(super) fn part(&self, n_parts: usize, part: usize) -> Self {
        let cut = |len: usize| {
            let grains = piece(len.div_ceil(PART_GRAIN), n_parts, part);
            let start = (grains.start * PART_GRAIN).min(len);
            (start, (grains.end * PART_GRAIN).min(len) - start)
        };
        let mut block = *self;
        if self.cols >= self.rows {
            let (start, cols) = cut(self.cols);
            block.b = self.b.wrapping_add(start * self.b_col_stride);
            block.c = self.c.wrapping_add(start);
            block.cols = cols;
            if let TileStart::Row(row) = self.start {
                block.start = TileStart::Row(row.wrapping_add(start));
            }
        } else {
            let (start, rows) = cut(self.rows);
            block.a = self.a.wrapping_add(start * self.a_row_stride);
            block.c = self.c.wrapping_add(start * self.c_row_stride);
            block.rows = rows;
        }
        block
    }

    /// Computes the rectangle in tiles of ROWS rows and VECTORS vectors.
    ///
    /// # Safety
    /// As for `V`; the operands are as large as said, and nobody else uses this part of the output.
    #[inline(always)]
    pub(super) unsafe fn compute<V: Vector, const ROWS: usize, const VECTORS: usize>(
        &self,
        buffer: &mut Buffer,
    ) {
        let width = VECTORS * V::LANES;
        let rereads_a = self.rereads_a(width);
        let packs_a = rereads_a && self.a_col_stride != 1;
        let packs_b = self.packs_b(ROWS);
        let reads_ahead = packs_b && self.k * self.cols >= LARGE_B;
        let k_block = if rereads_a || packs_b { self.k.min(K_BLOCK) } else { self.k };
        let row_block = if rereads_a { self.rows.min(ROW_BLOCK) } else { self.rows };

        let a_len = if packs_a { row_block.next_multiple_of(ROWS) * k_block } else { 0 };
        let b_len = if packs_b { width * k_block } else { 0 };
        let (a_panels, b_panel) = buffer.take(a_len + b_len).split_at_mut(a_len);

        // SAFETY: every address is inside the operands, or inside the buffers as sized above.
        unsafe {
            let mut p = 0;
            loop {
                let k = k_block.min(self.k - p);
                for i in (0..self.rows).step_by(row_block) {
                    let rows = row_block.min(self.rows - i);
                    let mut a = self.a.add(i * self.a_row_stride + p * self.a_col_stride);
                    let mut a_row_stride = self.a_row_stride;
                    let mut a_col_stride = self.a_col_stride;
                    let mut a_panel_stride = ROWS * a_row_stride;
                    if packs_a {
                        for r in (0..rows).step_by(ROWS) {
                            pack::<V>(
                                a_panels.as_mut_ptr().add(r * k),
                                ROWS,
                                a.add(r * a_row_stride),
                                a_row_stride,
                                a_col_stride,
                                ROWS.min(rows - r),
                                k,
                            );
                        }
                        a = a_panels.as_ptr();
                        (a_row_stride, a_col_stride, a_panel_stride) = (1, ROWS, ROWS * k);
                    }
                    for j in (0..self.cols).step_by(width) {
                        let cols = width.min(self.cols - j);
                        let mut b = self.b.add(p * self.b_row_stride + j * self.b_col_stride);
                        let mut b_row_stride = self.b_row_stride;
                        if packs_b {
                            let panel = b_panel.as_mut_ptr();
                            pack::<V>(panel, width, b, self.b_col_stride, b_row_stride, cols, k);
                            (b, b_row_stride) = (panel, width);
                        }
                        let start = match self.start {
                            _ if p > 0 => TileStart::Output,
                            TileStart::Row(row) => TileStart::Row(row.add(j)),
                            start => start,
                        };
                        let n_tiles = rows.div_ceil(ROWS);
                        let mut ahead = (reads_ahead && j + width < self.cols)
                            .then(|| self.next_panel(p, j + width, k, width, n_tiles));
                        for r in (0..rows).step_by(ROWS) {
                            if let Some(ahead) = &mut ahead {
                                ahead.fetch::<V>();
                            }
                            let c = self.c.add((i + r) * self.c_row_stride + j);
                            let tile = Tile {
                                a: a.add(r / ROWS * a_panel_stride),
                                a_row_stride,
                                a_col_stride,
                                b,
                                b_row_stride,
                                k,
                                c,
                                c_row_stride: self.c_row_stride,
                                start,
                            };
                            tile.compute_part::<V, ROWS, VECTORS>(ROWS.min(rows - r), cols);
                        }
                    }
                }
                p += k;
                if p >= self.k {
                    break;
                }
            }
        }
    }

    /// The panel of `b` at the term `p` and the column `j`.
    fn next_panel(&self, p: usize, j: usize, k: usize, width: usize, n_tiles: usize) -> Ahead {
        let panel = self.b.wrapping_add(p * self.b_row_stride + j * self.b_col_stride);
        if self.b_col_stride == 1 {
            Ahead::new(panel, self.b_row_stride, k, width, n_tiles)
        } else {
            Ahead::new(panel, self.b_col_stride, width, k, n_tiles)
        }
    }

    /// Whether `a` is read for many panels of `b`, and large: then it pays to read it by blocks that
    /// the L2 cache keeps, and to copy them where a row's values are not adjacent.
    fn rereads_a(&self, width: usize) -> bool {
        self.cols > 4 * width && self.rows * self.k > 8192
    }

    /// Whether copying `b` pays: when its columns are not adjacent, or when it is read for many
    /// panels of `a` and its rows are so far apart that they displace one another from the cache.
    fn packs_b(&self, rows: usize) -> bool {
        self.b_col_stride != 1 || self.rows > 4 * rows && self.k * self.b_row_stride > 8192
    }
}

/// Copies `n` ≤ `width` lines of `k` values so that the values of all lines at one k are adjacent,
/// and `width` values behind those at the k before.
///
/// # Safety
/// As for `V`; there are as many lines and values at `from`, and place for width × k at `to`.
#[inline(always)]
unsafe fn pack<V: Vector>(
    to: *mut f32,
    width: usize,
    from: *const f32,
    line_stride: usize,
    k_stride: usize,
    n: usize,
    k: usize,
) {
    // SAFETY: the caller's.
    unsafe {
        if line_stride == 1 {
            for p in 0..k {
                copy::<V>(from.add(p * k_stride), to.add(p * width), n);
            }
            return;
        }
        let (n_whole, k_whole) = if k_stride == 1 { (n / 8 * 8, k / 8 * 8) } else { (0, 0) };
        for i in (0..n_whole).step_by(8) {
            for p in (0..k_whole).step_by(8) {
                let from = from.add(i * line_stride + p);
                V::transpose_8x8(from, line_stride, to.add(p * width + i), width);
            }
        }
        for i in 0..n {
            for p in if i < n_whole { k_whole } else { 0 }..k {
                *to.add(p * width + i) = *from.add(i * line_stride + p * k_stride);
            }
        }
    }
}

/// # Safety
/// As for `V`; there are `n` values at `from` and place for them at `to`.
#[inline(always)]
unsafe fn copy<V: Vector>(from: *const f32, to: *mut f32, n: usize) {
    // SAFETY: the caller's.
    unsafe {
        let mut i = 0;
        while i + V::LANES <= n {
            V::load(from.add(i)).store(to.add(i));
            i += V::LANES;
        }
        if i < n {
            let mask = V::mask(n - i);
            V::load_some(from.add(i), mask).store_some(to.add(i), mask);
        }
    }
}
