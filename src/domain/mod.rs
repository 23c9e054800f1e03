//! What the service is about, as plain data and pure functions: ids, datasets, jobs, models.
//!
//! Knows nothing of SQL, HTTP, files, threads or tokio. Start reading at [`spec`], which turns what
//! a client asks for into a job that can run, and [`job`], which says how a job moves.

pub mod checkpoint;
pub mod clock;
pub mod compare;
pub mod curves;
pub mod dataset;
pub mod evaluate;
pub mod ids;
pub(crate) mod inputs;
pub mod job;
pub mod labels;
pub mod limits;
pub mod model;
pub mod pooled;
pub mod predictions;
pub mod spec;
pub mod suggest;
pub mod suggestion;
pub mod webhook;
pub mod worker;
