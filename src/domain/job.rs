//! A job: its states and how it moves between them, its tasks; its result is in the
//! file beside.
//!
//! [`JobStatus::after`] is the whole state machine; the schema repeats it as CHECKs.

mod result;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::clock::Timestamp;
use super::dataset::Warning;
use super::ids::{DatasetId, JobId};
use super::spec::JobBody;
pub use result::{
    Choice, ConformalResult, CurvePoint, DrawnCurve, EvaluationResult, FitSummary, FoldResult,
    JobResult, RefitResult, ScoreSummary, SearchResult, Trial, UnseenCategories,
};

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// Other jobs have to succeed first.
    Waiting,
    /// No task has started.
    Queued,
    /// A task has started.
    Running,
    /// A client asked it to rest; a running task may not have heard of it yet.
    Paused,
    /// Cancelled by a client; a running task has not heard of it yet.
    Cancelling,
    /// All tasks succeeded.
    Succeeded,
    /// A task failed for good.
    Failed,
    /// Cancelled by a client, and nothing of it runs any more.
    Cancelled,
}

/// What can happen to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobEvent {
    /// All jobs that it waited for have succeeded.
    DependenciesMet,
    /// A worker claimed one of its tasks.
    TaskClaimed,
    /// Its last task was published.
    AllTasksSucceeded,
    /// A task failed for good, or nothing can come of the job for another reason.
    TaskFailed,
    /// A client asked it to rest.
    PauseRequested,
    /// A client asked it to go on.
    ResumeRequested {
        /// Whether a task was ever claimed.
        started: bool,
        /// Whether a job that it comes after has not succeeded.
        waits: bool,
    },
    /// A client asked for its end.
    CancelRequested {
        /// Whether a task is running and must hear of it first.
        tasks_running: bool,
    },
    /// The last running task of a job that is being cancelled has ended.
    TasksStopped,
}

impl JobEvent {
    fn verb(self) -> &'static str {
        match self {
            Self::DependenciesMet => "be queued",
            Self::TaskClaimed => "start",
            Self::PauseRequested => "be paused",
            Self::ResumeRequested { .. } => "go on",
            Self::AllTasksSucceeded => "succeed",
            Self::TaskFailed => "fail",
            Self::CancelRequested { .. } | Self::TasksStopped => "be cancelled",
        }
    }
}

/// The event cannot happen to a job in this state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the job is {} and cannot {}", status.name(), event.verb())]
pub struct IllegalTransition {
    status: JobStatus,
    event: JobEvent,
}

impl JobStatus {
    /// Every status.
    pub const ALL: [Self; 8] = [
        Self::Waiting,
        Self::Queued,
        Self::Running,
        Self::Paused,
        Self::Cancelling,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The status after an event.
    ///
    /// # Errors
    /// When the event cannot happen in this state.
    pub fn after(self, event: JobEvent) -> Result<Self, IllegalTransition> {
        match (self, event) {
            (Self::Waiting, JobEvent::DependenciesMet) => Ok(Self::Queued),
            (Self::Queued | Self::Running, JobEvent::TaskClaimed) => Ok(Self::Running),
            // What ran when a job was paused may end it.
            (Self::Running | Self::Paused, JobEvent::AllTasksSucceeded) => Ok(Self::Succeeded),
            (Self::Waiting | Self::Queued | Self::Running | Self::Paused, JobEvent::TaskFailed) => {
                Ok(Self::Failed)
            }
            (
                Self::Waiting | Self::Queued | Self::Running | Self::Paused,
                JobEvent::PauseRequested,
            ) => Ok(Self::Paused),
            // Who goes on already goes on.
            (Self::Waiting | Self::Queued | Self::Running, JobEvent::ResumeRequested { .. }) => {
                Ok(self)
            }
            (Self::Paused, JobEvent::ResumeRequested { started, waits }) => {
                Ok(match (waits, started) {
                    (true, _) => Self::Waiting,
                    (false, true) => Self::Running,
                    (false, false) => Self::Queued,
                })
            }
            // A second request changes nothing, so that a client may repeat it.
            (
                Self::Queued | Self::Running | Self::Paused | Self::Cancelling,
                JobEvent::CancelRequested { tasks_running: true },
            ) => Ok(Self::Cancelling),
            (
                Self::Waiting | Self::Queued | Self::Running | Self::Paused | Self::Cancelling,
                JobEvent::CancelRequested { tasks_running: false },
            )
            | (Self::Cancelling, JobEvent::TasksStopped) => Ok(Self::Cancelled),
            (status, event) => Err(IllegalTransition { status, event }),
        }
    }

    /// Whether nothing can happen to the job any more.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// The name that JSON and the database have for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Queued => "queued",
            Self::Paused => "paused",
            Self::Running => "running",
            Self::Cancelling => "cancelling",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// A job, as a client sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// What the client calls it.
    pub name: Option<String>,
    /// Where it stands.
    pub status: JobStatus,
    /// What is being done.
    pub phase: JobPhase,
    /// The share that is done, from 0 to 1: of its tasks, and of the epochs of a task that runs. A
    /// task that is tried again starts again.
    pub progress: f64,
    /// Seconds until it ends, by the pace so far; null while nothing of it is done.
    pub eta_s: Option<f64>,
    /// How often its most tried task was tried.
    pub attempt: i64,
    /// The spec as the client sent it.
    #[schema(value_type = Object)]
    pub spec: Value,
    /// The spec with every default filled in; POSTed again, it gives the same result.
    #[schema(value_type = JobBody)]
    pub resolved_spec: Value,
    /// The dataset it trains on.
    pub dataset_id: DatasetId,
    /// The jobs that have to succeed before it starts.
    pub after: Vec<JobId>,
    /// How many tasks there are, by state.
    pub tasks: TaskCounts,
    /// What a task was expected to need, and what one was seen to need.
    pub memory: Memory,
    /// How long it took.
    pub timings: Timings,
    /// What came out; null until it has succeeded.
    pub result: Option<JobResult>,
    /// Why it failed; null unless it has.
    pub error: Option<JobError>,
    /// Why it ended where it did, in a word.
    pub stop_reason: Option<String>,
    /// What the user should know about the spec.
    pub warnings: Vec<Warning>,
    /// The client's own.
    #[schema(value_type = Object)]
    pub metadata: Value,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When its first task was claimed.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// What a job is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobPhase {
    /// Waiting for a worker, or for other jobs.
    Waiting,
    /// Training and scoring the folds.
    CrossValidation,
    /// Training the model on all rows.
    Refit,
    /// Nothing any more.
    Done,
}

/// The memory of a job's largest task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Memory {
    /// By estimate, the dataset included; by which tasks are let run beside each other.
    pub estimated_bytes: i64,
    /// By how much its process grew while it ran, with whatever ran beside it; null while nothing has
    /// been measured, as where tasks are too small to tell.
    pub peak_bytes: Option<i64>,
}

/// A job's tasks by state: one for each fold, and a last one that reduces and refits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct TaskCounts {
    /// All of them.
    pub total: i64,
    /// Waiting for a worker or for other tasks.
    pub queued: i64,
    /// Claimed by a worker.
    pub running: i64,
    /// Published.
    pub succeeded: i64,
    /// Failed for good.
    pub failed: i64,
}

/// How long the parts of a job took, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Timings {
    /// From its acceptance to the claim of its first task.
    pub queued_s: Option<f64>,
    /// Reading and parsing the dataset, at the worker that took longest.
    pub load_s: Option<f64>,
    /// Wall-clock from the first task's start to the last task's end, the refit included.
    pub fit_s: Option<f64>,
    /// From its acceptance to its end.
    pub total_s: Option<f64>,
}

/// Why a job failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobError {
    /// Stable and machine-readable.
    pub code: String,
    /// What happened, in a sentence.
    pub detail: String,
    /// In which epoch, where training failed in one; the epochs before are in `/metrics`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u32>,
    /// Of which fold, by its number over all repeats; absent where the final model failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<u32>,
}

impl JobError {
    /// An error that is about no epoch.
    pub fn new(code: &str, detail: impl std::fmt::Display) -> Self {
        Self { code: code.to_owned(), detail: detail.to_string(), epoch: None, fold: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: [JobEvent; 8] = [
        JobEvent::PauseRequested,
        JobEvent::ResumeRequested { started: true, waits: false },
        JobEvent::TaskClaimed,
        JobEvent::AllTasksSucceeded,
        JobEvent::TaskFailed,
        JobEvent::CancelRequested { tasks_running: true },
        JobEvent::CancelRequested { tasks_running: false },
        JobEvent::TasksStopped,
    ];

    #[test]
    fn nothing_happens_to_a_job_that_has_ended() {
        for status in JobStatus::ALL.into_iter().filter(|status| status.has_ended()) {
            for event in EVENTS {
                assert!(status.after(event).is_err(), "{status:?} {event:?}");
            }
        }
    }

    #[test]
    fn a_cancelled_job_cannot_succeed() {
        let cancelling =
            JobStatus::Running.after(JobEvent::CancelRequested { tasks_running: true }).unwrap();
        assert!(cancelling.after(JobEvent::AllTasksSucceeded).is_err());
        assert_eq!(cancelling.after(JobEvent::TasksStopped), Ok(JobStatus::Cancelled));
    }

    #[test]
    fn who_rested_goes_on_where_it_was() {
        let after = |started, waits| {
            JobStatus::Paused.after(JobEvent::ResumeRequested { started, waits }).unwrap()
        };
        assert_eq!(after(false, true), JobStatus::Waiting);
        assert_eq!(after(false, false), JobStatus::Queued);
        assert_eq!(after(true, false), JobStatus::Running);
        for status in [JobStatus::Waiting, JobStatus::Queued, JobStatus::Running] {
            assert_eq!(status.after(JobEvent::PauseRequested), Ok(JobStatus::Paused));
            let again = JobEvent::ResumeRequested { started: false, waits: false };
            assert_eq!(status.after(again), Ok(status), "it did not rest");
        }
    }

    #[test]
    fn names_read_back() {
        for status in JobStatus::ALL {
            assert_eq!(JobStatus::from_name(status.name()), Some(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.name());
        }
    }
}
