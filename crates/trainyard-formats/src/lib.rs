//! Files become tables: bytes in, a [`Table`](trainyard_learn::table::Table) or every problem found
//! out.
//!
//! A crate of its own because the mathematics should not carry what reads Parquet, and what reads
//! Parquet should not wait for a server to be compiled. It knows nothing of HTTP, databases or
//! where bytes are kept: readers take `std::io::Read`.
//!
//! Start reading at [`csv`].

#![deny(unsafe_code)]

pub mod csv;
