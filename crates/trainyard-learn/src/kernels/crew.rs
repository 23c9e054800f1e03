//! The threads that work on one step together.

/// The threads that work on one step together, and the buffers that each of them needs.
#[derive(Debug, Default)]
pub struct Crew {}

impl Crew {
    /// A crew of at most `n_threads`, the calling one included.
    pub fn new(_n_threads: usize) -> Self {
        Self {}
    }

    /// Lets this many threads work from now on, at least one and at most those it was made for.
    pub fn set_active(&mut self, _n_threads: usize) {}

    /// Calls `f` with the index of each block of `block_len` values (the last may be shorter) and
    /// with that block of every slice; all slices are of one length.
    pub fn for_blocks<const N: usize>(
        &mut self,
        mut slices: [&mut [f32]; N],
        block_len: usize,
        f: impl Fn(usize, [&mut [f32]; N]) + Sync,
    ) {
        let n_blocks =
            slices.iter().map(|slice| slice.len().div_ceil(block_len)).max().unwrap_or(0);
        for index in 0..n_blocks {
            let block = slices.each_mut().map(|slice| {
                let start = (index * block_len).min(slice.len());
                let end = (start + block_len).min(slice.len());
                &mut slice[start..end]
            });
            f(index, block);
        }
    }
}
