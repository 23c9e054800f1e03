//! The matrix product.

use super::Crew;

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
pub fn matmul(c: &mut [f32], a: Mat<'_>, b: Mat<'_>, start: Start<'_>, _crew: &mut Crew) {
    assert_eq!(a.cols, b.rows, "inner dimensions");
    assert_eq!(c.len(), a.rows * b.cols, "the output's size");
    for i in 0..a.rows {
        for j in 0..b.cols {
            let at = i * b.cols + j;
            let mut sum = match start {
                Start::Zero => 0.0,
                Start::Output => c[at],
                Start::Row(row) => row[j],
            };
            for k in 0..a.cols {
                let left = a.data[i * a.row_stride + k * a.col_stride];
                let right = b.data[k * b.row_stride + j * b.col_stride];
                sum = f32::mul_add(left, right, sum);
            }
            c[at] = sum;
        }
    }
}
