//! Several processes on one PostgreSQL: some answer, some train, and any of them may go.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use trainyard::domain::clock::Clock;

use crate::process::{Process, refused, submit_long};
use crate::rounds::Log;
use crate::yard::{Database, POSTGRES_URL};

/// A short one, so that it can be waited for.
pub const LEASE: Duration = Duration::from_secs(2);

/// What the processes share, and a data directory for each.
pub struct Cluster {
    // Before its folder, since fields go in their order.
    log: Log,
    pub directory: TempDir,
    pub database_url: String,
    pub artifact_url: String,
    /// What says who may use the artifacts.
    pub variables: Vec<(&'static str, String)>,
}

impl Cluster {
    /// `None` where there is no PostgreSQL to test on.
    pub fn new() -> Option<Self> {
        if !Database::Postgres.is_there() {
            return None;
        }
        Some(Self::on(&std::env::var(POSTGRES_URL).unwrap()))
    }

    /// On this PostgreSQL.
    pub fn on(server: &str) -> Self {
        let name = Clock::system().new_uuid().to_string();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let database_url = runtime.block_on(Database::new_postgres_on(server, &name));
        let directory = tempfile::tempdir().unwrap();
        let artifact_url = format!("file://{}", directory.path().join("artifacts").display());
        let log = Log(directory.path().join("log"));
        Self { log, directory, database_url, artifact_url, variables: vec![] }
    }

    pub fn start(&self, name: &str, role: &str) -> Process {
        self.start_at(name, role, &self.database_url)
    }

    /// With another way to the database.
    pub fn start_at(&self, name: &str, role: &str, database_url: &str) -> Process {
        let arguments = [
            "--role",
            role,
            "--database-url",
            database_url,
            "--artifact-url",
            &self.artifact_url,
            "--lease-seconds",
            "2",
            "--workers",
            "1",
        ];
        Process::start_as(&self.directory.path().join(name), &arguments, |command| {
            command.envs(self.variables.iter().cloned()).stderr(self.log.append())
        })
    }

    /// Nothing is wrong with what is stored, and no process has panicked.
    pub fn is_well(&self) {
        let checked = Command::new(env!("CARGO_BIN_EXE_trainyard"))
            .args(["fsck", "--database-url", &self.database_url])
            .args(["--artifact-url", &self.artifact_url])
            .envs(self.variables.iter().cloned())
            .output()
            .unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
        self.log.tells_of_no_panic();
    }
}

fn events(api: &Process, id: &str, kind: &str) -> usize {
    let events = api.api.get(&format!("/v1/jobs/{id}/events?limit=10000")).expect(200);
    events["data"].as_array().unwrap().iter().filter(|event| event["type"] == kind).count()
}

/// The folds without what a clock has measured.
fn scores(job: &Value) -> Vec<Value> {
    let folds = job["result"]["folds"].as_array().unwrap();
    folds.iter().map(|fold| fold["scores"].clone()).collect()
}

#[test]
fn processes_that_share_a_database_get_what_one_alone_gets() {
    let Some(cluster) = Cluster::new() else { return };
    let api = cluster.start("api", "api");
    let first = cluster.start("first", "worker");
    let _second = cluster.start("second", "worker");
    first.api.get("/readyz").expect(200);
    assert!(first.api.get("/metrics").text().contains("trainyard_uptime_seconds"));
    first.api.get("/v1/jobs").problem(404, "not_found");
    let id = submit_long(&api.api);
    let job = api.api.finished(&id);
    assert_eq!(job["status"], "succeeded", "{job}");
    assert_eq!(events(&api, &id, "fold_finished"), 30, "each fold is published once");

    let alone = Process::start(&cluster.directory.path().join("alone"));
    let same = alone.api.finished(&submit_long(&alone.api));
    assert_eq!(scores(&job), scores(&same));
    let model = job["result"]["model_id"].as_str().unwrap();
    let body = serde_json::json!({"rows": [vec![0.5; 10]]});
    api.api.post(&format!("/v1/models/{model}/predict"), &body).expect(200);
}

#[test]
fn what_a_killed_worker_held_goes_on_elsewhere() {
    let Some(cluster) = Cluster::new() else { return };
    let api = cluster.start("api", "api");
    let killed = cluster.start("killed", "worker");
    let id = submit_long(&api.api);
    api.api.until(&id, |job| job["tasks"]["succeeded"].as_u64() >= Some(2));
    drop(killed); // SIGKILL
    let _other = cluster.start("other", "worker");
    let start = Instant::now();
    let before = api.api.get(&format!("/v1/jobs/{id}")).expect(200);
    let n_before = before["tasks"]["succeeded"].as_u64().unwrap();
    api.api.until(&id, |job| job["tasks"]["succeeded"].as_u64() > Some(n_before));
    assert!(start.elapsed() < Duration::from_secs(2 + 5), "the lease and five seconds");
    let job = api.api.finished(&id);
    assert_eq!(job["status"], "succeeded", "{job}");
    assert_eq!(events(&api, &id, "fold_finished"), 30, "each fold is published once");
    assert!(events(&api, &id, "retrying") > 0, "what it held was tried again");
}

#[test]
fn a_role_needs_what_others_can_reach() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let serve = ["serve", "--bind", "127.0.0.1:0", "--data-dir", path];
    let file = format!("sqlite://{path}/x.db");
    for (arguments, what) in [
        (vec!["--role", "worker"], "--database-url postgres://"),
        (vec!["--role", "api"], "--artifact-url"),
        (vec!["--database-url", "mysql://localhost/x"], "postgres:// URL"),
        (vec!["--database-url", "mysql://localhost/x"], "sqlite://PATH"),
        (vec!["--database-url", &file, "--role", "api"], "--database-url postgres://"),
        (vec!["--labels", "gpu=true,gpu=false"], "\"gpu\" is there twice"),
        (vec!["--artifact-url", "ftp://localhost/x"], "file://, s3://"),
        (vec!["--artifact-url", "x"], "artifact URL"),
    ] {
        let text = refused(&[&serve[..], &arguments].concat());
        assert!(text.contains(what), "{arguments:?}: {text}");
    }
}

#[test]
fn a_database_that_is_not_there_is_told_of_by_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    // Whoever listened there has gone.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap().to_string();
    drop(listener);
    let url = format!("postgres://trainyard:secret@{place}/trainyard");
    let text =
        refused(&["serve", "--bind", "127.0.0.1:0", "--data-dir", path, "--database-url", &url]);
    assert!(text.contains(&place) && text.contains("refused"), "{text}");
    assert!(!text.contains("secret"), "{text}");
}
