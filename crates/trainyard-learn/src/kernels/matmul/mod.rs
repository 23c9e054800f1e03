//! The matrix product.
//!
//! [`matmul`] cuts the output into rectangles that threads compute by themselves (`block`), those
//! into tiles that live in registers (`tile`), by the vectors of the processor's best instruction
//! set (`avx512`, `avx2`, `portable`). Copying an operand into the order in which it is read
//! (packing) pays for large ones only, so a tile reads operands by strides, packed or not.
//!
//! Every element of the output is one chain of fused multiply-adds in the order of k, so its bits
//! are those of the plain loop, whatever the processor and the number of threads.
#![expect(unsafe_code, reason = "threads write their own rectangles of one output")]

mod ahead;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod block;
mod portable;
#[cfg(test)]
mod tests;
mod tile;

use super::Crew;
use super::crew::Buffer;
use block::Block;
use tile::TileStart;

/// A matrix inside a slice, by strides.
#[derive(Clone, Copy, Debug)]
pub struct Mat<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> Mat<'a> {
    /// A row-major matrix that fills `data`.
    ///
    /// # Panics
    /// When `data` does not hold rows × cols values, which is a defect in the caller.
    pub fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        assert_eq!(data.len(), rows * cols, "a matrix of {rows} × {cols}");
        Self { data, rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// The transposed matrix, of the same values.
    #[must_use]
    pub fn t(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }

    /// How many rows there are.
    pub fn rows(self) -> usize {
        self.rows
    }

    /// How many columns there are.
    pub fn cols(self) -> usize {
        self.cols
    }
}

/// What a product is added to.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// Nothing.
    Zero,
    /// What the output holds.
    Output,
    /// This row, in every row of the output.
    Row(&'a [f32]),
}

/// c = start + a·b, where c is row-major, rows of a × columns of b.
///
/// # Panics
/// When the shapes do not fit together, which is a defect in the caller.
pub fn matmul(c: &mut [f32], a: Mat<'_>, b: Mat<'_>, start: Start<'_>, crew: &mut Crew) {
    matmul_with(Isa::best(), c, a, b, start, crew);
}

/// An instruction set to compute with.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Isa {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
}

impl Isa {
    /// From the best to the one that every processor has.
    const ALL: &[Self] = &[
        #[cfg(target_arch = "x86_64")]
        Self::Avx512,
        #[cfg(target_arch = "x86_64")]
        Self::Avx2,
        Self::Portable,
    ];

    fn best() -> Self {
        Self::ALL.iter().copied().find(|isa| isa.is_here()).unwrap_or(Self::Portable)
    }

    /// Whether this processor has it. (The standard library remembers what it has detected.)
    fn is_here(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && Self::Avx2.is_here()
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            Self::Portable => true,
        }
    }

    /// What computes a rectangle with it.
    fn compute(self) -> unsafe fn(&Block, &mut Buffer) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => avx512::compute,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => avx2::compute,
            Self::Portable => portable::compute,
        }
    }
}

fn matmul_with(isa: Isa, c: &mut [f32], a: Mat<'_>, b: Mat<'_>, start: Start<'_>, crew: &mut Crew) {
    let (rows, k, cols) = (a.rows, a.cols, b.cols);
    assert_eq!(k, b.rows, "inner dimensions");
    assert_eq!(c.len(), rows * cols, "the output's size");
    assert!(isa.is_here(), "the processor's instruction set");
    let start = match start {
        Start::Zero => TileStart::Zero,
        Start::Output => TileStart::Output,
        Start::Row(row) => {
            assert_eq!(row.len(), cols, "the row's size");
            TileStart::Row(row.as_ptr())
        }
    };
    if c.is_empty() {
        return;
    }
    let whole = Block {
        a: a.data.as_ptr(),
        a_row_stride: a.row_stride,
        a_col_stride: a.col_stride,
        b: b.data.as_ptr(),
        b_row_stride: b.row_stride,
        b_col_stride: b.col_stride,
        c: c.as_mut_ptr(),
        c_row_stride: cols,
        rows,
        cols,
        k,
        start,
    };
    let compute = isa.compute();
    let n_parts = whole.n_parts(crew.n_active());
    crew.run_with_buffers(n_parts, &|part, buffer| {
        let block = whole.part(n_parts, part);
        // SAFETY: the shapes were checked, the processor has the instruction set, and the blocks
        // are disjoint.
        unsafe { compute(&block, buffer) }
    });
}
