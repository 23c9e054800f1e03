//! The arithmetic that training spends its time in, in `f32`: free functions over slices, output
//! first, that allocate nothing.
//!
//! What a result's bits depend on is its inputs alone: every sum has an order that follows from the
//! data's size, never from the number of threads of the [`Crew`] that computes it.
//!
//! This is the only part of the crate with `unsafe` code, and each use of it says why it is sound.
//! Start reading at [`matmul`], then [`Crew`].

mod crew;
mod mapping;
pub(crate) mod math;
mod matmul;
pub(crate) mod simd;
mod values;

pub use crew::Crew;
pub use mapping::{Mapping, Numbers, Plain};
pub use matmul::{Mat, Start, matmul};
pub use values::Values;
