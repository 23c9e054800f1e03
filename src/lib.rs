//! Training as a service: the library behind the `trainyard` binary.
//!
//! Things point one way: `learn ← domain ← store ← {worker, http} ← cli`. The worker and HTTP never
//! import each other; they meet in the [`store`] and its hints. `docs/ARCHITECTURE.md` has the map.

#![forbid(unsafe_code)]

pub mod blobs;
pub mod cache;
pub mod causes;
pub mod cli;
pub mod domain;
pub mod http;
pub mod meters;
pub mod scratch;
pub mod server;
pub mod store;
pub mod sweep;
pub mod tables;
pub mod telemetry;
pub mod upkeep;
pub mod webhooks;
pub mod worker;
