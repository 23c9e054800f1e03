//! Files become tables: bytes in, a [`Table`](trainyard_learn::table::Table) or every problem found
//! out.
//!
//! A crate of its own because the mathematics should not carry what reads Parquet, and what reads
//! Parquet should not wait for a server to be compiled. It knows nothing of HTTP, databases or
//! where bytes are kept: readers take `std::io::Read`.
//!
//! No content may panic, or take memory out of proportion to what it holds. Limits are looked at
//! before memory is taken, and what libraries decode is run so that a panic of theirs is an error.
//!
//! Start reading at [`read()`].

#![deny(unsafe_code)]

mod arff;
mod arrow;
mod column;
pub mod columnar;
pub mod compression;
pub mod csv;
pub mod detect;
mod error;
mod float16;
mod json;
mod lines;
mod npy;
mod parquet;
mod read;
mod room;
mod svmlight;

pub use detect::{Compression, Format};
pub use error::{FormatError, Limits};
pub use read::{Loaded, Notes, ReadOptions, read};
pub use room::Room;
