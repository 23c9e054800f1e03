//! A worker, as a client sees it.

use serde::Serialize;
use utoipa::ToSchema;

use super::clock::Timestamp;
use super::ids::WorkerId;
use super::labels::Labels;

/// A process that trains.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Worker {
    /// Its id, new with every start.
    pub id: WorkerId,
    /// Its host and process, for people.
    pub name: String,
    /// Whether it has been heard of.
    pub status: WorkerStatus,
    /// The version of its program.
    pub version: String,
    /// What a job may require of it.
    pub labels: Labels,
    /// Cores that its machine has, or its container may use.
    pub cores: u32,
    /// Threads that it trains with, each a task at once; those without a task help the others.
    pub threads: u32,
    /// What its tasks may use.
    pub memory_bytes: u64,
    /// Tasks that it holds: those that train and those that wait for a thread of it.
    pub running_tasks: u32,
    /// When it started.
    pub started_at: Timestamp,
    /// When it was last heard of.
    pub last_beat_at: Timestamp,
}

/// Whether a worker has been heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorkerStatus {
    /// Within the length of a lease.
    Alive,
    /// Not for so long: its tasks are given to others. It is listed for an hour.
    Lost,
}
