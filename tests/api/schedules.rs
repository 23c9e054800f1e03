//! Seeded schedules of what workers, clients and clocks do to the store, on both databases, with a
//! model of who holds what and a check of the tables after each step.
//!
//! `SCHEDULES` and `POSTGRES_SCHEDULES` in the environment run so many instead of the short form's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::json;
use trainyard::domain::ids::JobId;
use trainyard::domain::job::{Job, JobError, JobResult, JobStatus};
use trainyard::store::tasks::{
    Begun, ClaimRequest, ClaimedTask, Finished, Outcome, Published, TaskKind,
};
use trainyard::store::{Deleted, StoreError};

use crate::rounds::{Dice, report, rounds, seed};
use crate::yard::{Database, PROJECT, Yard, finished, fold};

const N_WORKERS: usize = 3;
const N_STEPS: usize = 32;

/// What should be true of the store, from what it was asked and has answered.
#[derive(Default)]
struct Model {
    /// The lease under which a task is held, and whether it has run out.
    held: BTreeMap<i64, (Arc<str>, bool)>,
    /// The folds of each job whose results were accepted.
    published: BTreeMap<JobId, BTreeSet<usize>>,
    ended: BTreeMap<JobId, JobStatus>,
}

struct Schedule<'a> {
    yard: &'a Yard,
    dice: Dice,
    /// What each worker believes it holds.
    workers: Vec<Vec<ClaimedTask>>,
    jobs: Vec<JobId>,
    model: Model,
}

impl Schedule<'_> {
    async fn step(&mut self) {
        let worker = self.dice.below(N_WORKERS);
        match self.dice.below(20) {
            0..=4 => self.claim(worker).await,
            5..=9 => self.publish(worker).await,
            10 => self.renew(worker).await,
            11 => self.hand_back(worker).await,
            12 => self.reap().await,
            13 => self.stall(worker).await,
            14 => self.jump().await,
            15 => self.pause().await,
            16..=17 => self.resume().await,
            18 => _ = self.yard.store.move_on().await.unwrap(),
            _ => self.cancel().await,
        }
    }

    async fn claim(&mut self, worker: usize) {
        let request = ClaimRequest {
            worker: "schedule",
            lease_token: self.yard.clock.new_uuid().to_string(),
            lease_ms: 60_000,
            budget_us: [1, 1_000_000_000][self.dice.below(2)],
            max_tasks: 1 + self.dice.below(4) as i64,
            max_memory_bytes: i64::MAX,
            may_be_last_try: !self.workers[worker].iter().any(ClaimedTask::is_last_try),
            requirements: &[String::new()],
        };
        let tasks = self.yard.store.claim(&request).await.unwrap();
        let n_last = |tasks: &[ClaimedTask]| tasks.iter().filter(|task| task.is_last_try()).count();
        assert!(
            n_last(&self.workers[worker]) + n_last(&tasks) <= 1,
            "two last tries at one worker"
        );
        assert!(tasks.len() <= 1 || tasks.iter().all(|task| task.attempt == 1), "{tasks:?}");
        // Some workers die before they can say so.
        if let Some(begun) = Begun::of(&tasks)
            && self.dice.below(4) > 0
        {
            self.yard.store.note(&begun).await.unwrap();
        }
        for task in tasks {
            let before = self.model.held.insert(task.id, (Arc::clone(&task.lease_token), false));
            assert!(before.is_none(), "task {} was held already", task.id);
            assert!(!self.model.ended.contains_key(&task.job.id), "its job has ended");
            if let TaskKind::Reduce { folds } = &task.kind {
                assert_eq!(folds.len(), self.model.published[&task.job.id].len());
            }
            self.workers[worker].push(task);
        }
    }

    /// Some of what the worker believes it holds, in one transaction, perhaps for the second time.
    async fn publish(&mut self, worker: usize) {
        let n = self.workers[worker].len();
        if n == 0 {
            return;
        }
        let from = self.dice.below(n);
        let tasks: Vec<ClaimedTask> = if self.dice.below(8) == 0 {
            self.workers[worker][from..].to_vec()
        } else {
            self.workers[worker].drain(from..).collect()
        };
        let mut outcomes: Vec<Finished> = Vec::new();
        for task in &tasks {
            outcomes.push(match (self.dice.below(24), &task.kind) {
                (0, _) => {
                    let error = JobError::new("diverged", "");
                    finished(task, Outcome::Failed { error, history: None })
                }
                (1, _) => finished(task, Outcome::Retry(JobError::new("disk_full", ""))),
                (2, _) => finished(task, Outcome::Away(JobError::new("dataset_unreadable", ""))),
                (_, TaskKind::Fold { .. }) => fold(task),
                (_, TaskKind::Reduce { .. }) => reduced(task),
            });
        }
        let became = self.yard.store.publish(&outcomes).await.unwrap();
        let accepted: Vec<bool> =
            became.iter().map(|became| *became == Published::Accepted).collect();
        for (item, accepted) in outcomes.iter().zip(&accepted) {
            let (id, job) = (item.task.id, item.task.job.id);
            let holds =
                self.model.held.get(&id).is_some_and(|(token, _)| *token == item.task.lease_token);
            assert_eq!(*accepted, holds, "task {id} of {job}: {:?}", item.outcome);
        }
        let mut failed = Vec::new();
        for (item, accepted) in outcomes.iter().zip(accepted) {
            if !accepted {
                continue;
            }
            self.model.held.remove(&item.task.id);
            let status = self.status(item.task.job.id).await;
            match (&item.outcome, &item.task.kind) {
                (Outcome::Fold { .. }, TaskKind::Fold { idx })
                    if status != JobStatus::Cancelled && status != JobStatus::Cancelling =>
                {
                    let first = self.model.published.entry(item.task.job.id).or_default();
                    assert!(first.insert(*idx), "fold {idx} was published twice");
                }
                _ => {}
            }
            if status == JobStatus::Failed {
                failed.push(item.task.job.id);
            }
        }
        // A failure takes the leases of whatever else runs of its job.
        self.forget_leases_of(&failed).await;
    }

    async fn forget_leases_of(&mut self, jobs: &[JobId]) {
        for job in jobs {
            let running = format!(
                "SELECT CAST(id AS TEXT) FROM tasks WHERE job_id = '{job}' AND state = 'running'"
            );
            assert!(self.yard.texts(&running).await.is_empty(), "{job} has failed");
            for task in self.workers.iter().flatten().filter(|task| task.job.id == *job) {
                self.model.held.remove(&task.id);
            }
        }
    }

    async fn renew(&mut self, worker: usize) {
        let tokens: BTreeSet<Arc<str>> =
            self.workers[worker].iter().map(|task| Arc::clone(&task.lease_token)).collect();
        let tokens: Vec<Arc<str>> = tokens.into_iter().collect();
        let held = self.yard.store.renew(&tokens, 60_000).await.unwrap();
        let held: BTreeSet<i64> = held.iter().map(|held| held.task).collect();
        let model = &mut self.model;
        let expected: BTreeSet<i64> = model
            .held
            .iter()
            .filter(|(_, (token, _))| tokens.contains(token))
            .map(|(id, _)| *id)
            .collect();
        assert_eq!(held, expected);
        for id in held {
            if let Some((_, overdue)) = model.held.get_mut(&id) {
                *overdue = false;
            }
        }
    }

    async fn hand_back(&mut self, worker: usize) {
        let tasks = std::mem::take(&mut self.workers[worker]);
        self.yard.hand_back(&tasks).await;
        for task in tasks {
            if self.model.held.get(&task.id).is_some_and(|(token, _)| *token == task.lease_token) {
                self.model.held.remove(&task.id);
            }
        }
    }

    async fn reap(&mut self) {
        let n = self.yard.store.reap().await.unwrap();
        let before = self.model.held.len();
        self.model.held.retain(|_, (_, overdue)| !*overdue);
        assert_eq!(n, before - self.model.held.len());
        let jobs = self.jobs.clone();
        let mut failed = Vec::new();
        for job in jobs {
            if self.status(job).await == JobStatus::Failed {
                failed.push(job);
            }
        }
        self.forget_leases_of(&failed).await;
    }

    /// A worker that hears nothing: its leases run out, and it does not know.
    async fn stall(&mut self, worker: usize) {
        for task in &self.workers[worker] {
            let token = &task.lease_token;
            let overdue = format!("UPDATE tasks SET lease_until = 1 WHERE lease_token = '{token}'");
            self.yard.change(&overdue).await;
            for (held, overdue) in self.model.held.values_mut() {
                *overdue |= held == token;
            }
        }
    }

    /// The database's clock leaps: all leases are over, and all pauses.
    async fn jump(&mut self) {
        self.yard.change("UPDATE tasks SET available_at = 0").await;
        self.yard.change("UPDATE tasks SET lease_until = 1 WHERE state = 'running'").await;
        for (_, overdue) in self.model.held.values_mut() {
            *overdue = true;
        }
    }

    async fn cancel(&mut self) {
        // Rarely, as otherwise nothing else happens.
        if self.dice.below(3) > 0 {
            return;
        }
        let job = self.jobs[self.dice.below(self.jobs.len())];
        match self.yard.store.cancel_job(PROJECT, job).await {
            Ok(found) => assert!(found.is_some()),
            Err(StoreError::Transition(_)) => assert!(self.status(job).await.has_ended()),
            Err(error) => panic!("{error}"),
        }
    }

    async fn pause(&mut self) {
        let job = self.jobs[self.dice.below(self.jobs.len())];
        self.moved(job, self.yard.store.pause_job(PROJECT, job).await).await;
    }

    async fn resume(&mut self) {
        let job = self.jobs[self.dice.below(self.jobs.len())];
        self.moved(job, self.yard.store.resume_job(PROJECT, job).await).await;
    }

    /// A job refuses to rest or to go on only where there is nothing to rest from.
    async fn moved(&mut self, job: JobId, answer: Result<Option<Job>, StoreError>) {
        let status = self.status(job).await;
        let open = !status.has_ended() && status != JobStatus::Cancelling;
        match answer {
            Ok(found) => assert!(found.is_some() && open),
            Err(StoreError::Transition(_)) => assert!(!open),
            Err(error) => panic!("{error}"),
        }
    }

    async fn status(&mut self, job: JobId) -> JobStatus {
        let status = format!("SELECT status FROM jobs WHERE id = '{job}'");
        let status = JobStatus::from_name(&self.yard.texts(&status).await[0]).unwrap();
        if status.has_ended() {
            let before = *self.model.ended.entry(job).or_insert(status);
            assert_eq!(before, status, "a job ends once");
        }
        status
    }

    /// What must be true of the tables at any time.
    async fn check(&mut self) {
        let broken = self.yard.store.contradictions().await.unwrap();
        assert!(broken.is_empty(), "{broken:?}");
        for job in self.jobs.clone() {
            self.status(job).await;
            let folds = format!("SELECT CAST(idx AS TEXT) FROM folds WHERE job_id = '{job}'");
            let folds = self.yard.texts(&folds).await;
            let stored: BTreeSet<usize> = folds.iter().map(|idx| idx.parse().unwrap()).collect();
            assert_eq!(stored, self.model.published.get(&job).cloned().unwrap_or_default());
            let starts = format!(
                "SELECT CAST(COUNT(*) AS TEXT) FROM events WHERE job_id = '{job}' AND type = 'started'
                 UNION ALL SELECT 'at some time' FROM jobs WHERE id = '{job}' AND started_at IS NOT NULL"
            );
            match &self.yard.texts(&starts).await[..] {
                [none] => assert!(none == "0" && stored.is_empty(), "{job} has no start"),
                [once, _] => assert_eq!(once, "1", "{job} starts once"),
                other => panic!("{other:?}"),
            }
        }
    }

    /// Lets one worker finish all that is left.
    async fn drain(&mut self) {
        for _ in 0..100 {
            self.jump().await;
            self.reap().await;
            let mut n_open = 0;
            for job in self.jobs.clone() {
                let status = self.status(job).await;
                n_open += usize::from(!status.has_ended());
                if status == JobStatus::Paused {
                    self.yard.store.resume_job(PROJECT, job).await.unwrap();
                }
            }
            self.yard.store.move_on().await.unwrap();
            if n_open == 0 {
                return;
            }
            self.workers[0].clear();
            self.claim(0).await;
            self.publish(0).await;
        }
        panic!("the jobs do not end");
    }
}

fn reduced(task: &ClaimedTask) -> Finished {
    let result = JobResult::default();
    finished(task, Outcome::Reduced { result: Box::new(result), model: None, history: None })
}

/// Part by part, so that they run beside each other; each has its own seeds.
const N_PARTS: usize = 4;

async fn whatever_happens_each_fold_is_published_once(on: Database, part: usize) {
    let n_schedules = match on {
        Database::Sqlite => rounds("SCHEDULES", 2_000),
        Database::Postgres => rounds("POSTGRES_SCHEDULES", 200),
    };
    let n_schedules = (n_schedules + part) / N_PARTS;
    let first_seed = seed() + (part as u64) * 1_000_000;
    let yard = Yard::new(on).await;
    yard.store.cancel_job(PROJECT, yard.job).await.unwrap();
    let mut ends: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in first_seed..first_seed + n_schedules as u64 {
        let first = yard.submit(3).await;
        let limited = yard.submit_with(PROJECT, 3, json!({"max_parallel": 1})).await;
        let last = yard.submit_with(PROJECT, 2, json!({"after": [first]})).await;
        let jobs = vec![first, limited, last];
        let workers = vec![Vec::new(); N_WORKERS];
        let dice = Dice::new(seed);
        let mut schedule =
            Schedule { yard: &yard, dice, workers, jobs: jobs.clone(), model: Model::default() };
        for _ in 0..N_STEPS {
            schedule.step().await;
            schedule.check().await;
        }
        schedule.drain().await;
        schedule.check().await;
        for job in jobs {
            *ends.entry(schedule.status(job).await.name()).or_default() += 1;
            let deleted = yard.store.delete_job(PROJECT, job).await.unwrap();
            assert_eq!(deleted, Deleted::Yes);
        }
    }
    report(
        &format!("schedules on {on:?}"),
        n_schedules,
        &format!("no contradiction; jobs: {ends:?}"),
    );
    // A schedule in which nothing ever succeeds, fails or is cancelled would show nothing.
    assert!(ends.len() == 3, "{ends:?}");
}

macro_rules! parts {
    ($($name:ident: $part:expr),*) => {
        $(mod $name {
            use crate::yard::Database;

            #[tokio::test]
            async fn sqlite() {
                let on = Database::Sqlite;
                super::whatever_happens_each_fold_is_published_once(on, $part).await;
            }

            #[tokio::test]
            async fn postgres() {
                if Database::Postgres.is_there() {
                    let on = Database::Postgres;
                    super::whatever_happens_each_fold_is_published_once(on, $part).await;
                }
            }
        })*
    };
}
parts!(first: 0, second: 1, third: 2, fourth: 3);
