//! The mathematics of trainyard: arrays and specs in, values out.
//!
//! This crate knows nothing of HTTP, SQL, files, threads of a server or the time of day. Everything
//! random takes a seed, so the same call gives the same bits.
//!
//! Start reading at [`perceptron`], the smallest model, and [`splits`], which decides what it sees.

#![deny(unsafe_code)]

pub mod activation;
pub mod artifact;
pub mod calibration;
pub mod conformal;
pub mod describe;
pub mod distributions;
pub mod findings;
pub mod generators;
pub mod inference;
pub mod init;
pub mod kernels;
pub mod losses;
pub mod metrics;
pub mod model;
pub mod named;
pub mod nearest;
pub mod network;
pub mod optim;
pub mod output;
pub mod perceptron;
pub mod preprocess;
pub mod problem;
pub mod random;
pub mod scalar;
pub mod scale;
pub mod schedule;
pub mod splits;
pub mod table;
pub mod thresholds;
pub mod training;
