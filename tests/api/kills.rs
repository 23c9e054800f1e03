//! kill -9 under mixed load. What was acknowledged is written down here, outside the server, and must be
//! true of every server after it.
//!
//! `KILLS` and `SEED` in the environment say how often and where the dice begin.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};

use crate::process::Process;
use crate::rounds::{Dice, Log, alone, report, rounds, seed};
use crate::support::{Answer, Api};

const N_CLIENTS: usize = 3;

/// A client leaves off submitting while so many of its jobs may be unfinished.
const MAX_OPEN: usize = 6;

/// What a client knows of a dataset.
#[derive(Debug)]
struct Dataset {
    sha256: String,
    /// It was asked to go, and there was no answer.
    may_be_gone: bool,
    /// It was written to since it was last checked.
    is_fresh: bool,
}

/// What a client knows of a job.
#[derive(Debug)]
struct Job {
    n_folds: u64,
    /// Tasks that were seen to have succeeded.
    n_succeeded: u64,
    /// The status with which it was seen to have ended.
    ended: Option<String>,
    is_cancelled: bool,
    may_be_cancelled: bool,
    is_paused: bool,
    may_be_gone: bool,
    is_fresh: bool,
}

/// A request that makes something, with its key: repeated until it is answered, it makes one.
#[derive(Debug)]
struct Creation {
    path: &'static str,
    content_type: &'static str,
    key: String,
    body: String,
    /// Of a job.
    n_folds: u64,
}

struct Client {
    number: usize,
    dice: Dice,
    n_created: usize,
    /// What was not answered.
    pending: Option<Creation>,
    datasets: BTreeMap<String, Dataset>,
    jobs: BTreeMap<String, Job>,
    gone: BTreeSet<String>,
    n_acknowledged: usize,
}

impl Client {
    fn new(number: usize) -> Self {
        Self {
            number,
            dice: Dice::new(seed() * 1_000 + number as u64),
            n_created: 0,
            pending: None,
            datasets: BTreeMap::new(),
            jobs: BTreeMap::new(),
            gone: BTreeSet::new(),
            n_acknowledged: 0,
        }
    }

    /// Makes requests until the server is gone.
    fn load(&mut self, api: &Api) {
        while self.act(api).is_some() {}
    }

    /// One request; `None` if there was no answer.
    fn act(&mut self, api: &Api) -> Option<()> {
        if let Some(creation) = self.pending.take() {
            return self.create(api, creation);
        }
        let n_open = self.jobs.values().filter(|job| job.ended.is_none()).count();
        match self.dice.below(12) {
            0 => self.upload(api),
            1 => self.generate(api),
            2..=5 if n_open < MAX_OPEN => self.submit(api),
            6 => self.cancel(api),
            7 => self.pause(api),
            8 => self.delete_job(api),
            9 => self.delete_dataset(api),
            _ => self.look(api),
        }
    }

    fn new_creation(&mut self, path: &'static str, body: String) -> Creation {
        self.n_created += 1;
        let key = format!("{}-{}", self.number, self.n_created);
        Creation { path, content_type: "application/json", key, body, n_folds: 0 }
    }

    fn upload(&mut self, api: &Api) -> Option<()> {
        // Some rows of the same table for all, so that blobs are shared and deleted beside each other.
        let n_rows = 30 + self.dice.below(8);
        let rows: String = (0..n_rows).map(|i| format!("{i},{},{}\n", i * i % 7, i % 2)).collect();
        let creation = self.new_creation("/v1/datasets", format!("a,b,y\n{rows}"));
        self.create(api, Creation { content_type: "text/csv", ..creation })
    }

    fn generate(&mut self, api: &Api) -> Option<()> {
        let generator = json!({
            "type": "make_classification", "n_samples": 200, "random_state": self.dice.below(20)
        });
        let creation =
            self.new_creation("/v1/datasets/generate", json!({"generator": generator}).to_string());
        self.create(api, creation)
    }

    fn submit(&mut self, api: &Api) -> Option<()> {
        let Some(dataset) = pick(&mut self.dice, self.datasets.keys()) else { return Some(()) };
        let n_folds = 2 + self.dice.below(4) as u64;
        let mut spec = json!({
            "dataset_id": dataset, "target": "y", "model": {"type": "perceptron"},
            "cv": {"type": "kfold", "n_splits": n_folds}, "random_state": self.dice.below(100)
        });
        // One of four takes long enough to be broken off in a fit.
        if self.dice.below(4) == 0 {
            spec["model"] = json!({"type": "mlp", "hidden": [32], "dropout": 0.1});
            spec["training"] = json!({"epochs": 300});
        }
        let creation = self.new_creation("/v1/jobs", spec.to_string());
        self.create(api, Creation { n_folds, ..creation })
    }

    fn create(&mut self, api: &Api, creation: Creation) -> Option<()> {
        let headers =
            [("content-type", creation.content_type), ("idempotency-key", creation.key.as_str())];
        let answer = api.call("POST", creation.path, &headers, creation.body.as_bytes());
        let Some(answer) = answer else {
            self.pending = Some(creation);
            return None;
        };
        let is_job = creation.path == "/v1/jobs";
        if is_job && answer.status == 422 {
            // Its dataset was deleted: by an earlier call that had no answer.
            assert!(answer.text().contains("dataset"), "{}", answer.text());
            return Some(());
        }
        let made = answer.expect(if is_job { 202 } else { 201 });
        self.n_acknowledged += 1;
        let id = made["id"].as_str().unwrap().to_owned();
        let before = if is_job {
            let job = Job {
                n_folds: creation.n_folds,
                n_succeeded: 0,
                ended: None,
                is_cancelled: false,
                may_be_cancelled: false,
                is_paused: false,
                may_be_gone: false,
                is_fresh: true,
            };
            self.jobs.insert(id, job).is_some()
        } else {
            let sha256 = made["sha256"].as_str().unwrap().to_owned();
            let dataset = Dataset { sha256, may_be_gone: false, is_fresh: true };
            self.datasets.insert(id, dataset).is_some()
        };
        assert!(!before, "two calls with different keys made the same");
        Some(())
    }

    fn cancel(&mut self, api: &Api) -> Option<()> {
        let Some((id, job)) = pick(&mut self.dice, self.jobs.iter_mut()) else { return Some(()) };
        let path = format!("/v1/jobs/{id}/cancel");
        job.is_fresh = true;
        match api.call("POST", &path, &[], b"") {
            None => job.may_be_cancelled = true,
            Some(answer) if answer.status == 202 => {
                job.is_cancelled = true;
                self.n_acknowledged += 1;
                return Some(());
            }
            Some(answer) => return refused(&answer, job.may_be_gone),
        }
        None
    }

    /// Lets a job rest, or go on if it rests.
    fn pause(&mut self, api: &Api) -> Option<()> {
        let Some((id, job)) = pick(&mut self.dice, self.jobs.iter_mut()) else { return Some(()) };
        let wish = if job.is_paused { "resume" } else { "pause" };
        job.is_fresh = true;
        // A resume without an answer may have been heard, so that nothing is known.
        let was_paused = std::mem::replace(&mut job.is_paused, false);
        let answer = api.call("POST", &format!("/v1/jobs/{id}/{wish}"), &[], b"")?;
        if answer.status == 202 {
            job.is_paused = !was_paused;
            self.n_acknowledged += 1;
            return Some(());
        }
        refused(&answer, job.may_be_gone)
    }

    fn delete_job(&mut self, api: &Api) -> Option<()> {
        let Some((id, job)) = pick(&mut self.dice, self.jobs.iter_mut()) else { return Some(()) };
        let path = format!("/v1/jobs/{id}");
        job.is_fresh = true;
        let Some(answer) = api.call("DELETE", &path, &[], b"") else {
            job.may_be_gone = true;
            return None;
        };
        if answer.status == 202 {
            let id = id.clone();
            self.jobs.remove(&id);
            self.gone.insert(path);
            self.n_acknowledged += 1;
            return Some(());
        }
        refused(&answer, job.may_be_gone)
    }

    fn delete_dataset(&mut self, api: &Api) -> Option<()> {
        if self.datasets.len() < 3 {
            return Some(());
        }
        let Some((id, dataset)) = pick(&mut self.dice, self.datasets.iter_mut()) else {
            return Some(());
        };
        let path = format!("/v1/datasets/{id}");
        dataset.is_fresh = true;
        let Some(answer) = api.call("DELETE", &path, &[], b"") else {
            dataset.may_be_gone = true;
            return None;
        };
        if answer.status == 204 {
            let id = id.clone();
            self.datasets.remove(&id);
            self.gone.insert(path);
            self.n_acknowledged += 1;
            return Some(());
        }
        refused(&answer, dataset.may_be_gone)
    }

    fn look(&mut self, api: &Api) -> Option<()> {
        let open = self.jobs.iter_mut().filter(|(_, job)| job.ended.is_none());
        let Some((id, job)) = pick(&mut self.dice, open) else { return Some(()) };
        let answer = api.call("GET", &format!("/v1/jobs/{id}"), &[], b"")?;
        job.check(id, &answer);
        Some(())
    }

    /// Compares what the server says with what it had acknowledged: of what was written to since the
    /// last time, or of all.
    fn check(&mut self, api: &Api, all: bool) {
        let known = |answer: &Answer, may_be_gone: bool, id: &str| {
            assert!(answer.status == 200 || may_be_gone, "{id} is lost: {}", answer.text());
            answer.status == 200
        };
        let mut lost = BTreeSet::new();
        for (id, dataset) in self.datasets.iter_mut().filter(|(_, dataset)| all || dataset.is_fresh)
        {
            dataset.is_fresh = false;
            let answer = api.get(&format!("/v1/datasets/{id}"));
            if !known(&answer, dataset.may_be_gone, id) {
                lost.insert(id.clone());
                continue;
            }
            assert_eq!(answer.expect(200)["sha256"], dataset.sha256, "{id}");
            if all {
                let content = api.get(&format!("/v1/datasets/{id}/content"));
                assert_eq!(content.status, 200, "{id}: {}", content.text());
            }
        }
        self.datasets.retain(|id, _| !lost.contains(id));
        for (id, job) in self.jobs.iter_mut().filter(|(_, job)| all || job.is_fresh) {
            job.is_fresh = job.ended.is_none();
            let answer = api.get(&format!("/v1/jobs/{id}"));
            if known(&answer, job.may_be_gone, id) {
                job.check(id, &answer);
            } else {
                lost.insert(id.clone());
            }
        }
        self.jobs.retain(|id, _| !lost.contains(id));
        for path in &self.gone {
            assert_eq!(api.get(path).status, 404, "{path} has come back");
        }
        if !all {
            self.gone.clear();
        }
    }

    /// Lets all jobs end, and looks at what each has published.
    fn finish(&mut self, api: &Api) {
        while self.pending.is_some() {
            self.act(api).unwrap();
        }
        for (id, job) in &mut self.jobs {
            let found = api.get(&format!("/v1/jobs/{id}"));
            if found.status == 404 && job.may_be_gone {
                continue;
            }
            if found.expect(200)["status"] == "paused" {
                api.post(&format!("/v1/jobs/{id}/resume"), &json!({})).expect(202);
            }
            let ended = api.finished(id);
            job.check(id, &api.get(&format!("/v1/jobs/{id}")));
            let is_cancelled = ended["status"] == "cancelled";
            assert!(is_cancelled || ended["status"] == "succeeded", "{ended}");
            published_once(api, id, (!is_cancelled).then_some(job.n_folds));
        }
    }
}

impl Job {
    fn check(&mut self, id: &str, answer: &Answer) {
        if answer.status == 404 && self.may_be_gone {
            return;
        }
        let found = answer.expect(200);
        let status = found["status"].as_str().unwrap();
        let n_succeeded = found["tasks"]["succeeded"].as_u64().unwrap();
        assert!(n_succeeded >= self.n_succeeded, "{id} had more results before: {found}");
        self.n_succeeded = n_succeeded;
        if let Some(before) = &self.ended {
            assert_eq!(status, before, "{id} had ended");
        }
        if self.is_cancelled {
            assert!(["cancelling", "cancelled"].contains(&status), "{id} was cancelled: {found}");
        } else if !self.may_be_cancelled {
            assert!(!status.starts_with("cancel"), "{id} was not cancelled: {found}");
        }
        if self.is_paused && !self.is_cancelled && !self.may_be_cancelled {
            assert!(["paused", "succeeded"].contains(&status), "{id} rests: {found}");
        }
        assert_ne!(status, "failed", "{found}");
        if !found["finished_at"].is_null() {
            self.ended = Some(status.to_owned());
        }
    }
}

/// A call that was refused because of what the other has done.
fn refused(answer: &Answer, may_be_gone: bool) -> Option<()> {
    assert!(answer.status == 409 || may_be_gone && answer.status == 404, "{}", answer.text());
    Some(())
}

fn pick<T>(dice: &mut Dice, from: impl Iterator<Item = T>) -> Option<T> {
    let mut all: Vec<T> = from.collect();
    (!all.is_empty()).then(|| all.swap_remove(dice.below(all.len())))
}

/// Each fold once in the job's events, one end, and all folds where it succeeded.
pub fn published_once(api: &Api, id: &str, n_folds: Option<u64>) {
    let events = api.get(&format!("/v1/jobs/{id}/events?limit=10000")).expect(200);
    let (mut folds, mut n_ends) = (BTreeSet::new(), 0);
    for event in events["data"].as_array().unwrap() {
        match event["type"].as_str().unwrap() {
            "fold_finished" => {
                let data = &event["data"];
                let fold = (data["repeat"].as_u64(), data["fold"].as_u64());
                assert!(fold.1.is_some() && folds.insert(fold), "{id}: published twice: {event}");
            }
            "succeeded" | "failed" | "cancelled" => n_ends += 1,
            _ => {}
        }
    }
    assert_eq!(n_ends, 1, "{id}: {events}");
    if let Some(n_folds) = n_folds {
        assert_eq!(folds.len() as u64, n_folds, "{id}: {events}");
    }
}

/// The ids of all jobs that the server has.
fn all_jobs(api: &Api) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let mut path = "/v1/jobs?limit=100".to_owned();
    loop {
        let page = api.get(&path).expect(200);
        let data: &Vec<Value> = page["data"].as_array().unwrap();
        ids.extend(data.iter().map(|job| job["id"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => path = format!("/v1/jobs?limit=100&after={next}"),
            None => return ids,
        }
    }
}

/// What SQLite finds in a copy of the files as the killed server left them.
fn integrity(data: &Path) -> String {
    let copy = tempfile::tempdir().unwrap();
    for name in ["trainyard.db", "trainyard.db-wal"] {
        if data.join(name).exists() {
            fs::copy(data.join(name), copy.path().join(name)).unwrap();
        }
    }
    let url = format!("sqlite://{}", copy.path().join("trainyard.db").display());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut database = SqliteConnection::connect(&url).await.unwrap();
        let found = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut database).await;
        database.close().await.unwrap();
        found.unwrap()
    })
}

fn start(directory: &Path, log: &Log) -> Process {
    let arguments = ["--checkpoint-seconds", "1", "--workers", "2"];
    Process::start_as(&directory.join("data"), &arguments, |command| command.stderr(log.append()))
}

#[test]
fn what_was_acknowledged_is_true_after_every_kill() {
    let _alone = alone();
    let n_kills = rounds("KILLS", 5);
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let log = Log(directory.path().join("log"));
    let mut dice = Dice::new(seed());
    let mut clients: Vec<Client> = (0..N_CLIENTS).map(Client::new).collect();
    let mut slowest = Duration::ZERO;
    for n in 0..n_kills {
        let before = Instant::now();
        let process = start(directory.path(), &log);
        process.api.get("/readyz").expect(200);
        slowest = slowest.max(before.elapsed());
        assert!(before.elapsed() < Duration::from_secs(2), "kill {n}: {:?}", before.elapsed());
        clients.iter_mut().for_each(|client| client.check(&process.api, false));
        thread::scope(|scope| {
            let api = &process.api;
            for client in &mut clients {
                scope.spawn(|| client.load(api));
            }
            // Any moment is as good as another to be killed at.
            thread::sleep(Duration::from_millis(200 + dice.below(1_000) as u64));
            process.signal("-KILL");
        });
        drop(process);
        assert_eq!(integrity(&data), "ok", "kill {n}");
    }
    let process = start(directory.path(), &log);
    let api = &process.api;
    clients.iter_mut().for_each(|client| client.finish(api));
    clients.iter_mut().for_each(|client| client.check(api, true));
    let found = all_jobs(api);
    let known: BTreeSet<String> =
        clients.iter().flat_map(|client| client.jobs.keys().cloned()).collect();
    assert_eq!(found, known, "each job that was asked for is there, and no other");
    process.stop();
    let folder = data.display().to_string();
    let checked = Command::new(env!("CARGO_BIN_EXE_trainyard"))
        .args(["fsck", "--data-dir", &folder])
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    log.tells_of_no_panic();
    let n_acknowledged: usize = clients.iter().map(|client| client.n_acknowledged).sum();
    assert!(n_acknowledged > n_kills, "a load that writes nothing shows nothing");
    let seen = format!(
        "{n_acknowledged} acknowledged writes, {} jobs at the end; nothing lost, nothing twice; ready \
         within {:.2} s",
        known.len(),
        slowest.as_secs_f64()
    );
    report("kill -9 under mixed load", n_kills, &seen);
}
