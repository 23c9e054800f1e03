//! The service as a client meets it: each test starts a server of its own on a free port.

#![expect(unreachable_pub, reason = "there is no crate outside that could reach it")]

mod architecture;
mod datasets;
mod hostile;
mod jobs;
mod models;
mod operations;
mod process;
mod support;
