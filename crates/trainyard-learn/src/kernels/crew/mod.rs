//! The threads that work on one step together.
//!
//! A step is a row of short phases (a product, an activation, an update), so a phase is handed over
//! through one atomic word a helper, and helpers spin for a moment between phases before they
//! sleep. The calling thread works too, and takes back what a helper has not begun, so a helper
//! that the system does not run delays nobody.
//!
//! Not a pool for tasks: one caller, one phase at a time, nothing queued.
#![expect(unsafe_code, reason = "disjoint parts of a slice are lent to several threads")]

mod buffer;
mod helper;
mod shared;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::panic::resume_unwind;

pub(crate) use buffer::Buffer;
use helper::{Helper, Job};
pub(crate) use shared::Shared;

/// The threads that work on one step together, and the buffers that each of them needs.
#[derive(Debug)]
pub struct Crew {
    /// The threads beside the calling one, started when they are first needed.
    helpers: Vec<Helper>,
    n_threads: usize,
    n_active: usize,
    /// The calling thread's; each helper has its own.
    buffer: Buffer,
}

impl Crew {
    /// A crew of at most `n_threads`, the calling one included.
    pub fn new(n_threads: usize) -> Self {
        let n_threads = n_threads.max(1);
        Self { helpers: Vec::new(), n_threads, n_active: n_threads, buffer: Buffer::default() }
    }

    /// Lets this many threads work from now on, at least one and at most those it was made for.
    pub fn set_active(&mut self, n_threads: usize) {
        self.n_active = n_threads.clamp(1, self.n_threads);
    }

    /// Calls `f` with the index of each block of `block_len` values (the last may be shorter) and
    /// with that block of every slice; all slices are of one length.
    ///
    /// # Panics
    /// When a slice is shorter or longer than another, or `block_len` is 0.
    pub fn for_blocks<const N: usize>(
        &mut self,
        mut slices: [&mut [f32]; N],
        block_len: usize,
        f: impl Fn(usize, [&mut [f32]; N]) + Sync,
    ) {
        let len = slices.first().map_or(0, |slice| slice.len());
        assert!(slices.iter().all(|slice| slice.len() == len), "slices of one length");
        let n_blocks = len.div_ceil(block_len);
        let outputs = slices.each_mut().map(|slice| Shared::new(slice));
        let n_parts = self.n_parts(n_blocks);
        self.run(n_parts, &|part| {
            for index in piece(n_blocks, n_parts, part) {
                let range = index * block_len..((index + 1) * block_len).min(len);
                // SAFETY: pieces do not overlap, nor do the blocks in them: no value is lent twice.
                f(index, outputs.map(|output| unsafe { output.lend(range.clone()) }));
            }
        });
    }

    /// How many threads work.
    pub(crate) fn n_active(&self) -> usize {
        self.n_active
    }

    /// Into how many parts to cut work of so many equal pieces: some for each thread, for whoever
    /// is first to be done to take another.
    fn n_parts(&self, n_pieces: usize) -> usize {
        const PARTS_PER_THREAD: usize = 4;
        if self.n_active == 1 {
            n_pieces.min(1)
        } else {
            n_pieces.min(PARTS_PER_THREAD * self.n_active)
        }
    }

    /// Calls `f` with every number below `n_parts`, each on some thread, and returns when all calls
    /// have returned. A panic in one of them resumes here.
    pub(crate) fn run(&mut self, n_parts: usize, f: &(dyn Fn(usize) + Sync)) {
        self.run_with_buffers(n_parts, &|part, _| f(part));
    }

    /// [`Self::run`], with the buffer of the thread that makes the call.
    pub(crate) fn run_with_buffers(
        &mut self,
        n_parts: usize,
        f: &(dyn Fn(usize, &mut Buffer) + Sync),
    ) {
        let n_helpers = self.n_active.min(n_parts).saturating_sub(1);
        if n_helpers == 0 {
            for part in 0..n_parts {
                f(part, &mut self.buffer);
            }
            return;
        }
        while self.helpers.len() < n_helpers {
            let Some(helper) = Helper::start() else { break };
            self.helpers.push(helper);
        }
        let n_helpers = n_helpers.min(self.helpers.len());
        let job = Job::new(n_parts, f);
        if let Err(panic) = job.work_on(&self.helpers[..n_helpers], &mut self.buffer) {
            resume_unwind(panic);
        }
    }
}

/// Part number `part` of `n_pieces` cut into `n_parts` that differ by one piece at most.
pub(crate) fn piece(n_pieces: usize, n_parts: usize, part: usize) -> Range<usize> {
    n_pieces * part / n_parts..n_pieces * (part + 1) / n_parts
}
