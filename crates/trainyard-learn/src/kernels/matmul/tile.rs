//! The innermost loops: a small tile of the output that lives in registers.
#![expect(unsafe_code, reason = "loads and stores through pointers, by strides")]
#![expect(clippy::needless_range_loop, reason = "a tile is rows and vectors by number")]

/// A vector register of some instruction set.
///
/// # Safety
/// The methods may only run where the processor has that instruction set, and inline into a
/// function that is compiled for it.
pub(super) unsafe trait Vector: Copy {
    /// How many values it holds.
    const LANES: usize;
    /// Chooses the first few lanes.
    type Mask: Copy;

    unsafe fn mask(n_lanes: usize) -> Self::Mask;
    unsafe fn splat(value: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    /// Reads the chosen lanes only; the others are 0.
    unsafe fn load_some(from: *const f32, mask: Self::Mask) -> Self;
    unsafe fn store(self, to: *mut f32);
    /// Writes the chosen lanes only.
    unsafe fn store_some(self, to: *mut f32, mask: Self::Mask);
    /// self·b + c, rounded once.
    unsafe fn mul_add(self, b: Self, c: Self) -> Self;
    /// Asks for the cache line at `at`, which need not be an address that may be read.
    unsafe fn fetch(at: *const f32);
    /// Writes the 8 × 8 values at `from`, whose rows are `from_stride` apart, transposed.
    unsafe fn transpose_8x8(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize);
}

/// What a tile is added to, see [`super::Start`].
#[derive(Clone, Copy, Debug)]
pub(super) enum TileStart {
    Zero,
    Output,
    Row(*const f32),
}

/// One tile's operands. `a` and `b` may lie in the caller's matrices or in packed panels: only the
/// strides differ.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tile {
    pub(super) a: *const f32,
    pub(super) a_row_stride: usize,
    pub(super) a_col_stride: usize,
    /// Its columns are adjacent.
    pub(super) b: *const f32,
    pub(super) b_row_stride: usize,
    pub(super) k: usize,
    pub(super) c: *mut f32,
    pub(super) c_row_stride: usize,
    pub(super) start: TileStart,
}

impl Tile {
    /// Computes ROWS rows and VECTORS vectors of columns, of which the last has `last` lanes.
    ///
    /// Each element is one chain of fused multiply-adds in the order of k, begun with what it is
    /// added to; so neither the tile's shape nor the instruction set shows in the result's bits.
    ///
    /// # Safety
    /// As for `V`; and the operands are as large as said.
    #[inline(always)]
    unsafe fn compute<V: Vector, const ROWS: usize, const VECTORS: usize>(&self, last: usize) {
        let Self { a, a_row_stride, a_col_stride, b, b_row_stride, k, c, c_row_stride, start } =
            *self;
        // SAFETY: every address is that of an element of the operands.
        unsafe {
            let whole = last == V::LANES;
            let mask = V::mask(last);
            let load = |from: *const f32, v: usize| {
                let from = from.add(v * V::LANES);
                if v + 1 < VECTORS { V::load(from) } else { V::load_some(from, mask) }
            };
            let mut sums = [[V::splat(0.0); VECTORS]; ROWS];
            match start {
                TileStart::Zero => {}
                TileStart::Output => {
                    for r in 0..ROWS {
                        for v in 0..VECTORS {
                            sums[r][v] = load(c.add(r * c_row_stride), v);
                        }
                    }
                }
                TileStart::Row(row) => {
                    for v in 0..VECTORS {
                        let value = load(row, v);
                        for r in 0..ROWS {
                            sums[r][v] = value;
                        }
                    }
                }
            }
            let (mut a, mut b) = (a, b);
            for _ in 0..k {
                let mut right = [V::splat(0.0); VECTORS];
                for v in 0..VECTORS {
                    right[v] = load(b, v);
                }
                for r in 0..ROWS {
                    let left = V::splat(*a.add(r * a_row_stride));
                    for v in 0..VECTORS {
                        sums[r][v] = left.mul_add(right[v], sums[r][v]);
                    }
                }
                a = a.wrapping_add(a_col_stride);
                b = b.wrapping_add(b_row_stride);
            }
            for r in 0..ROWS {
                let row = c.add(r * c_row_stride);
                for v in 0..VECTORS {
                    let to = row.add(v * V::LANES);
                    if v + 1 < VECTORS || whole {
                        sums[r][v].store(to);
                    } else {
                        sums[r][v].store_some(to, mask);
                    }
                }
            }
        }
    }

    /// Computes `rows` ≤ ROWS rows and `cols` ≤ VECTORS vectors of columns.
    ///
    /// # Safety
    /// As for [`Self::compute`].
    #[inline(always)]
    pub(super) unsafe fn compute_part<V: Vector, const ROWS: usize, const VECTORS: usize>(
        &self,
        rows: usize,
        cols: usize,
    ) {
        let n_vectors = cols.div_ceil(V::LANES);
        let last = cols - (n_vectors - 1) * V::LANES;
        // SAFETY: the caller's.
        unsafe {
            match n_vectors {
                3 if VECTORS >= 3 => self.compute_rows::<V, ROWS, 3>(rows, last),
                2 if VECTORS >= 2 => self.compute_rows::<V, ROWS, 2>(rows, last),
                _ => self.compute_rows::<V, ROWS, 1>(rows, last),
            }
        }
    }

    #[inline(always)]
    unsafe fn compute_rows<V: Vector, const ROWS: usize, const VECTORS: usize>(
        &self,
        rows: usize,
        last: usize,
    ) {
        // SAFETY: the caller's.
        unsafe {
            match rows {
                8 if ROWS >= 8 => self.compute::<V, 8, VECTORS>(last),
                7 if ROWS >= 7 => self.compute::<V, 7, VECTORS>(last),
                6 if ROWS >= 6 => self.compute::<V, 6, VECTORS>(last),
                5 if ROWS >= 5 => self.compute::<V, 5, VECTORS>(last),
                4 if ROWS >= 4 => self.compute::<V, 4, VECTORS>(last),
                3 => self.compute::<V, 3, VECTORS>(last),
                2 => self.compute::<V, 2, VECTORS>(last),
                _ => self.compute::<V, 1, VECTORS>(last),
            }
        }
    }
}
