//! Hints that something changed, so that nobody has to poll often. Those of this process go by memory;
//! `notify` carries them to the others.
//!
//! A hint is only that: it can be lost or come for nothing. Whoever waits for one also looks again
//! after a second or two, and what the database says is true.

use std::sync::Arc;

use tokio::sync::{Notify, broadcast, mpsc};

use crate::domain::ids::JobId;

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Hint {
    Work,
    Stop,
    MoveOn,
    Job(JobId),
}

impl Hint {
    pub(super) fn audience(self) -> Audience {
        match self {
            Self::Work | Self::Stop | Self::MoveOn => Audience::Workers,
            Self::Job(_) => Audience::Watchers,
        }
    }
}

/// Who hears of a change. Each process hears what is for it alone, so that what happens to single jobs does
/// not wake every worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Those who carry out tasks.
    Workers,
    /// Those who answer requests, some of which wait for a job.
    Watchers,
}

impl Audience {
    /// Everybody.
    pub const ALL: &'static [Self] = &[Self::Workers, Self::Watchers];
}

/// Wakes workers and those who wait for a job.
#[derive(Clone, Debug)]
pub struct Hints {
    /// Where those go that other processes should hear of.
    others: Option<mpsc::Sender<Hint>>,
    /// What of others concerns this process.
    pub(super) hears: &'static [Audience],
    work: Arc<Notify>,
    stop: Arc<Notify>,
    move_on: Arc<Notify>,
    jobs: broadcast::Sender<JobId>,
}

impl Default for Hints {
    fn default() -> Self {
        Self::hearing(Audience::ALL)
    }
}

impl Hints {
    /// The hints of a process that hears no more than that of others.
    pub fn hearing(hears: &'static [Audience]) -> Self {
        let (work, stop, move_on) = Default::default();
        Self { others: None, hears, work, stop, move_on, jobs: broadcast::channel(1024).0 }
    }

    /// The same hints, given to others too, who take them from the channel.
    pub(super) fn shared(self) -> (Self, mpsc::Receiver<Hint>) {
        let (others, hints) = mpsc::channel(1024);
        (Self { others: Some(others), ..self }, hints)
    }

    fn give(&self, hint: Hint) {
        self.heard(hint);
        if let Some(others) = &self.others {
            // One hint too many can be left out.
            let _ = others.try_send(hint);
        }
    }

    /// Passes on, within this process, what it was given or another one has told.
    pub(super) fn heard(&self, hint: Hint) {
        match hint {
            Hint::Work => self.work.notify_one(),
            Hint::Stop => self.stop.notify_one(),
            Hint::MoveOn => self.move_on.notify_one(),
            // Nobody waiting is no failure.
            Hint::Job(job) => _ = self.jobs.send(job),
        }
    }

    /// A task became available.
    pub fn work_available(&self) {
        self.give(Hint::Work);
    }

    /// Running tasks should stop: their job was cancelled or has failed.
    pub fn tasks_should_stop(&self) {
        self.give(Hint::Stop);
    }

    /// A job has ended, for which others may have waited.
    pub fn jobs_should_move(&self) {
        self.give(Hint::MoveOn);
    }

    /// A job or its events changed.
    pub fn job_changed(&self, job: JobId) {
        self.give(Hint::Job(job));
    }

    /// Waits for [`work_available`](Self::work_available), also if it came before the call.
    pub async fn work(&self) {
        self.work.notified().await;
    }

    /// Waits for [`tasks_should_stop`](Self::tasks_should_stop), also if it came before the call.
    pub async fn stop(&self) {
        self.stop.notified().await;
    }

    /// Waits for [`jobs_should_move`](Self::jobs_should_move), also if it came before the call.
    pub async fn move_on(&self) {
        self.move_on.notified().await;
    }

    /// Changes of one job from now on.
    pub fn watch(&self, job: JobId) -> Watch {
        Watch { job, changes: self.jobs.subscribe() }
    }
}

/// A subscription to one job's changes.
#[derive(Debug)]
pub struct Watch {
    job: JobId,
    changes: broadcast::Receiver<JobId>,
}

impl Watch {
    /// Waits until the job may have changed.
    pub async fn changed(&mut self) {
        loop {
            match self.changes.recv().await {
                Ok(job) if job != self.job => {}
                // Overrun or closed: look, rather than miss something.
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}
