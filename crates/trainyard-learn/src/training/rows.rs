//! Where the features of rows come from: memory, or wherever else somebody keeps them.

use std::fmt::Debug;

use crate::kernels::Crew;

/// Rows of features, each of as many numbers as a network has inputs.
#[derive(Clone, Copy, Debug)]
pub enum Rows<'a> {
    /// In memory, rows × inputs.
    Memory(&'a [f32]),
    /// Elsewhere, because they are too many for that.
    Stored(&'a dyn StoredRows),
}

/// Rows that are not in memory. They are asked for in every step, by several threads at once.
pub trait StoredRows: Debug + Sync {
    /// Writes the named rows side by side, `width` numbers each.
    ///
    /// Nobody in a step can do anything about a row that cannot be had: whoever keeps the rows
    /// remembers it, and ends the fit by its [`Observer`](super::Observer).
    fn copy(&self, rows: &[u32], width: usize, to: &mut [f32]);
}

impl<'a> From<&'a [f32]> for Rows<'a> {
    fn from(x: &'a [f32]) -> Self {
        Self::Memory(x)
    }
}

impl<'a> From<&'a Vec<f32>> for Rows<'a> {
    fn from(x: &'a Vec<f32>) -> Self {
        Self::Memory(x)
    }
}

impl Rows<'_> {
    /// Copies the named rows side by side.
    pub fn gather(self, batch: &mut [f32], rows: &[u32], width: usize, crew: &mut Crew) {
        let block_rows = (8192 / width.max(1)).max(1);
        crew.for_blocks([batch], block_rows * width.max(1), |index, [block]| {
            let rows = &rows[index * block_rows..];
            match self {
                Rows::Memory(x) => {
                    for (to, row) in block.chunks_exact_mut(width.max(1)).zip(rows) {
                        to.copy_from_slice(&x[*row as usize * width..][..width]);
                    }
                }
                Rows::Stored(stored) => {
                    let rows = &rows[..block.len() / width.max(1)];
                    stored.copy(rows, width, block);
                }
            }
        });
    }
}
