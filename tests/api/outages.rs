//! PostgreSQL restarted, the object store killed, a worker cut off: nothing that was acknowledged is
//! lost, and work goes on within a lease and five seconds.
//!
//! `OUTAGES` in the environment says how often each.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::runtime::Runtime;
use tokio::time::timeout;
use trainyard::store::Store;
use trainyard::store::hints::{Audience, Hints};
use url::Url;

use crate::cluster::{Cluster, LEASE};
use crate::kills::published_once;
use crate::process::{Process, long, submit_long};
use crate::rounds::{Dice, alone, report, rounds, seed};
use crate::servers::{Postgres, S3, Way, shared_s3};
use crate::support::Api;

const SOON: Duration = LEASE.saturating_add(Duration::from_secs(5));

/// How many of the job's tasks have succeeded; meanwhile the server may have no database to look at.
fn n_succeeded(api: &Api, job: &str) -> Option<u64> {
    let answer = api.call("GET", &format!("/v1/jobs/{job}"), &[], b"")?;
    if answer.status != 200 {
        answer.problem(503, "not_ready");
        return None;
    }
    answer.expect(200)["tasks"]["succeeded"].as_u64()
}

/// Waits until the job goes on, from a moment on, and says how long that took.
fn goes_on(api: &Api, job: &str, since: Instant, before: u64) -> Duration {
    loop {
        if n_succeeded(api, job).is_some_and(|n| n > before) {
            return since.elapsed();
        }
        assert!(since.elapsed() < SOON, "{job} does not go on");
        thread::sleep(Duration::from_millis(20));
    }
}

fn ends_well(api: &Api, job: &str) -> Value {
    let ended = api.finished(job);
    assert_eq!(ended["status"], "succeeded", "{ended}");
    published_once(api, job, Some(30));
    ended
}

/// Waits until jobs can be looked at again: at first a database that begins anew refuses everybody.
fn until_back(api: &Api, job: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while n_succeeded(api, job).is_none() {
        assert!(Instant::now() < deadline, "the database is not back");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn work_goes_on_when_postgresql_is_back() {
    let _alone = alone();
    let n = rounds("OUTAGES", 1);
    let Some(postgres) = Postgres::start() else { return };
    let cluster = Cluster::on(postgres.url());
    let api = cluster.start("api", "api");
    let workers = ["first", "second"].map(|name| cluster.start(name, "worker"));
    let mut slowest = Duration::ZERO;
    let mut jobs = Vec::new();
    for _ in 0..n {
        let job = submit_long(&api.api);
        api.api.until(&job, |job| job["tasks"]["succeeded"].as_u64() >= Some(2));
        let before = n_succeeded(&api.api, &job).unwrap();
        postgres.restart();
        slowest = slowest.max(goes_on(&api.api, &job, Instant::now(), before));
        jobs.push(job);
    }
    for job in &jobs {
        ends_well(&api.api, job);
    }
    drop((api, workers));
    cluster.is_well();
    let seen = format!("nothing lost; work went on within {:.1} s", slowest.as_secs_f64());
    report("PostgreSQL restarted", n, &seen);
}

#[test]
fn an_outage_longer_than_a_lease_uses_up_no_attempt() {
    let _alone = alone();
    let Some(postgres) = Postgres::start() else { return };
    let cluster = Cluster::on(postgres.url());
    let api = cluster.start("api", "api");
    let workers = ["first", "second"].map(|name| cluster.start(name, "worker"));
    let mut spec = long(&api.api);
    spec["max_attempts"] = json!(1);
    let job = api.api.submit(&spec);
    api.api.until(&job, |job| job["tasks"]["succeeded"].as_u64() >= Some(2));
    postgres.stop();
    thread::sleep(2 * LEASE);
    postgres.restart();
    until_back(&api.api, &job);
    ends_well(&api.api, &job);
    drop((api, workers));
    cluster.is_well();
}

/// Keeps everybody from reading a table, until PostgreSQL ends where it stands.
struct Held {
    runtime: Runtime,
    holder: PgConnection,
}

impl Held {
    fn table(url: &str, table: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let holder = runtime.block_on(async {
            let mut holder = PgConnection::connect(url).await.unwrap();
            let lock = format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
            holder.execute(AssertSqlSafe(lock)).await.unwrap();
            holder
        });
        Self { runtime, holder }
    }

    /// Waits until somebody wants to read it by such a statement.
    fn until_asked(&mut self, statement: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let asked = "SELECT COUNT(*) FROM pg_stat_activity
                     WHERE wait_event_type = 'Lock' AND query LIKE '%' || $1 || '%'";
        loop {
            let n_asking: i64 = self.runtime.block_on(async {
                // Within a transaction it is told the same each time otherwise.
                self.holder.execute("SELECT pg_stat_clear_snapshot()").await.unwrap();
                let asked = sqlx::query_scalar(asked).bind(statement);
                asked.fetch_one(&mut self.holder).await.unwrap()
            });
            if n_asking > 0 {
                return;
            }
            assert!(Instant::now() < deadline, "nobody reads by {statement}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn an_outage_while_a_model_is_calibrated_uses_up_no_attempt() {
    let _alone = alone();
    let Some(postgres) = Postgres::start() else { return };
    let cluster = Cluster::on(postgres.url());
    let processes = [cluster.start("api", "api"), cluster.start("worker", "worker")];
    let api = &processes[0].api;
    let job = api.submit(&json!({
        "dataset_id": api.demo_dataset(), "target": "y", "max_attempts": 1,
        "model": {"type": "mlp", "hidden": [64, 32]}, "training": {"epochs": 2000},
        "cv": {"type": "stratified_kfold", "n_splits": 2}, "calibration": "platt"
    }));
    let last = |job: &Value| job["tasks"]["succeeded"] == 2 && job["tasks"]["running"] == 1;
    api.until(&job, last);
    let mut held = Held::table(&cluster.database_url, "folds");
    held.until_asked("length(predictions)");
    postgres.restart();
    until_back(api, &job);
    let ended = api.finished(&job);
    assert_eq!(ended["status"], "succeeded", "{ended}");
    drop(processes);
    cluster.is_well();
}

#[test]
fn an_outage_while_a_model_is_looked_up_uses_up_no_attempt() {
    let _alone = alone();
    let Some(postgres) = Postgres::start() else { return };
    let cluster = Cluster::on(postgres.url());
    let api = cluster.start("api", "api");
    let dataset = api.api.demo_dataset();
    let spec = json!({"dataset_id": dataset, "target": "y", "model": {"type": "perceptron"}});
    let worker = cluster.start("first", "worker");
    let trained = api.api.run(&spec);
    worker.stop();
    let job = api.api.submit(&json!({
        "dataset_id": dataset, "max_attempts": 1,
        "evaluate": {"model_id": trained["result"]["model_id"]}
    }));
    let mut held = Held::table(&cluster.database_url, "models");
    let worker = cluster.start("second", "worker");
    held.until_asked("FROM models");
    postgres.restart();
    until_back(&api.api, &job);
    let ended = api.api.finished(&job);
    assert_eq!(ended["status"], "succeeded", "{ended}");
    drop((api, worker));
    cluster.is_well();
}

#[test]
fn processes_end_in_time_while_postgresql_is_away() {
    let _alone = alone();
    let Some(postgres) = Postgres::start() else { return };
    let cluster = Cluster::on(postgres.url());
    let (way, through) = way_to(&cluster);
    let mut job = None;
    for silently in [false, true] {
        let processes = [
            cluster.start_at("api", "api", &through),
            cluster.start_at("first", "worker", &through),
            cluster.start_at("second", "worker", &through),
        ];
        let api = &processes[0].api;
        let job = job.get_or_insert_with(|| submit_long(api));
        let before = n_succeeded(api, job).unwrap();
        api.until(job, |job| job["tasks"]["succeeded"].as_u64() > Some(before));
        if silently {
            way.cut(true);
        } else {
            postgres.stop();
        }
        let since = Instant::now();
        processes.iter().for_each(|process| process.signal("-TERM"));
        processes.into_iter().for_each(Process::stop);
        assert!(since.elapsed() < Duration::from_secs(10), "{silently}: {:?}", since.elapsed());
        if silently {
            way.mend();
        } else {
            postgres.restart();
        }
    }
    let processes = [cluster.start("api", "api"), cluster.start("third", "worker")];
    ends_well(&processes[0].api, &job.unwrap());
    drop(processes);
    cluster.is_well();
}

#[test]
fn counts_are_told_while_postgresql_is_away() {
    let _alone = alone();
    let Some(postgres) = Postgres::start() else { return };
    let cluster = Cluster::on(postgres.url());
    let processes = [cluster.start("api", "api"), cluster.start("worker", "worker")];
    let told = |process: &Process, line: &str| {
        let since = Instant::now();
        let text = process.api.get("/metrics").text();
        (text.lines().any(|known| known.starts_with(line)), since.elapsed())
    };
    submit_long(&processes[0].api);
    for process in &processes {
        assert!(told(process, "trainyard_database_up 1").0);
        assert!(told(process, "trainyard_queue_tasks{").0);
    }
    postgres.stop();
    for process in &processes {
        let (is_away, elapsed) = told(process, "trainyard_database_up 0");
        assert!(is_away && elapsed < Duration::from_secs(3), "{elapsed:?}");
        assert!(!told(process, "trainyard_queue_tasks{").0);
        assert!(told(process, "trainyard_claim_seconds_count ").0);
        let since = Instant::now();
        process.api.get("/readyz").problem(503, "not_ready");
        assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    }
    postgres.restart();
    let since = Instant::now();
    while !processes.iter().all(|process| told(process, "trainyard_database_up 1").0) {
        assert!(since.elapsed() < SOON, "the database is back");
    }
}

#[test]
fn work_goes_on_when_the_object_store_is_back() {
    let _alone = alone();
    let n = rounds("OUTAGES", 1);
    let Some(mut cluster) = Cluster::new() else { return };
    let Some(mut s3) = S3::start() else { return };
    (cluster.artifact_url, cluster.variables) = s3.told();
    let api = cluster.start("api", "api");
    let workers = ["first", "second"].map(|name| cluster.start(name, "worker"));
    let mut slowest = Duration::ZERO;
    let (mut jobs, mut datasets) = (Vec::new(), Vec::new());
    for round in 0..n {
        // Of a dataset that no worker has loaded yet.
        let csv: String =
            (0..400).map(|i| format!("{i},{},{}\n", i % (9 + round), i % 2)).collect();
        let csv = format!("a,b,y\n{csv}");
        let dataset = api.api.dataset(&csv);
        s3.kill();
        let spec = json!({
            "dataset_id": dataset, "target": "y", "max_attempts": 1,
            "model": {"type": "perceptron", "tol": null},
            "cv": {"type": "repeated_kfold", "n_splits": 10, "n_repeats": 3, "random_state": 1}
        });
        let job = api.api.submit(&spec);
        let small = format!("a\n{round}\n");
        thread::scope(|scope| {
            // What is acknowledged meanwhile is stored, and what cannot be stored is not acknowledged.
            let upload = scope.spawn(|| api.api.upload(&small));
            thread::sleep(Duration::from_secs(1));
            s3.start_again();
            slowest = slowest.max(goes_on(&api.api, &job, Instant::now(), 0));
            let answer = upload.join().unwrap();
            if answer.status == 201 {
                let id = answer.expect(201)["id"].as_str().unwrap().to_owned();
                datasets.push((id, small.clone()));
            } else {
                answer.problem(503, "not_ready");
            }
        });
        jobs.push(job);
        datasets.push((dataset, csv));
    }
    for job in &jobs {
        let ended = ends_well(&api.api, job);
        let model = ended["result"]["model_id"].as_str().unwrap();
        let body = json!({"rows": [[1, 2]]});
        api.api.post(&format!("/v1/models/{model}/predict"), &body).expect(200);
    }
    for (dataset, csv) in &datasets {
        let content = api.api.get(&format!("/v1/datasets/{dataset}/content"));
        assert_eq!(content.text(), *csv);
    }
    drop((api, workers));
    cluster.is_well();
    let seen = format!("nothing lost; work went on within {:.1} s", slowest.as_secs_f64());
    report("object store killed", n, &seen);
}

/// A way to the cluster's database, and the URL of who takes it.
fn way_to(cluster: &Cluster) -> (Way, String) {
    let mut url = Url::parse(&cluster.database_url).unwrap();
    let way = Way::to(([127, 0, 0, 1], url.port().unwrap()).into());
    url.set_port(Some(way.address.port())).unwrap();
    (way, url.into())
}

#[test]
fn what_a_worker_held_that_is_cut_off_goes_on_elsewhere() {
    let _alone = alone();
    let n = rounds("OUTAGES", 1);
    let Some(cluster) = Cluster::new() else { return };
    let api = cluster.start("api", "api");
    let (way, through) = way_to(&cluster);
    let far = cluster.start_at("far", "worker", &through);
    let (mut slowest, mut back) = (Duration::ZERO, Duration::ZERO);
    let mut dice = Dice::new(seed());
    let mut jobs = Vec::new();
    for round in 0..n {
        let job = submit_long(&api.api);
        api.api.until(&job, |job| job["tasks"]["succeeded"].as_u64() >= Some(2));
        // Closed in the first round, and then as the dice say.
        way.cut(round > 0 && dice.below(2) == 1);
        let before = n_succeeded(&api.api, &job).unwrap();
        let near = cluster.start(&format!("near-{round}"), "worker");
        slowest = slowest.max(goes_on(&api.api, &job, Instant::now(), before));
        ends_well(&api.api, &job);
        way.mend();
        near.stop();
        let again = submit_long(&api.api);
        back = back.max(goes_on(&api.api, &again, Instant::now(), 0));
        ends_well(&api.api, &again);
        jobs.extend([job, again]);
    }
    for job in &jobs {
        ends_well(&api.api, job);
    }
    drop((api, far));
    cluster.is_well();
    let seen = format!(
        "nothing lost; another went on within {:.1} s, it itself within {:.1} s of the way's mending",
        slowest.as_secs_f64(),
        back.as_secs_f64()
    );
    report("worker cut off", n, &seen);
}

#[test]
fn a_worker_whose_connections_are_lost_without_a_word_goes_on_with_new_ones() {
    let _alone = alone();
    let n = rounds("OUTAGES", 1);
    let Some(cluster) = Cluster::new() else { return };
    let api = cluster.start("api", "api");
    let (way, through) = way_to(&cluster);
    let worker = cluster.start_at("worker", "worker", &through);
    let mut slowest = Duration::ZERO;
    for _ in 0..n {
        let job = submit_long(&api.api);
        api.api.until(&job, |job| job["tasks"]["succeeded"].as_u64() >= Some(2));
        way.lose();
        let before = n_succeeded(&api.api, &job).unwrap();
        slowest = slowest.max(goes_on(&api.api, &job, Instant::now(), before));
        ends_well(&api.api, &job);
    }
    drop((api, worker));
    cluster.is_well();
    let seen = format!("nothing lost; it went on within {:.1} s", slowest.as_secs_f64());
    report("connections lost", n, &seen);
}

#[test]
fn hints_are_heard_again_after_connections_are_lost_without_a_word() {
    let Some(cluster) = Cluster::new() else { return };
    let (way, through) = way_to(&cluster);
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let store = Store::connect(&through, Hints::hearing(&[Audience::Workers])).await.unwrap();
        let mut other = PgConnection::connect(&cluster.database_url).await.unwrap();
        way.lose();
        let deadline = Instant::now() + Duration::from_secs(30);
        let told = "SELECT pg_notify('trainyard_workers', 'another work')";
        loop {
            other.execute(told).await.unwrap();
            if timeout(Duration::from_millis(200), store.hints().work()).await.is_ok() {
                break;
            }
            assert!(Instant::now() < deadline, "hints are not heard");
        }
    });
}

#[test]
fn processes_share_a_store_that_speaks_s3() {
    let Some(mut cluster) = Cluster::new() else { return };
    let Some(told) = shared_s3() else { return };
    (cluster.artifact_url, cluster.variables) = told;
    let api = cluster.start("api", "api");
    let worker = cluster.start("worker", "worker");
    // More than one part of an upload, of which there are 8 MiB.
    let rows: String = (0..900_000).map(|i| format!("{i},{},{}\n", i % 11, i % 2)).collect();
    let csv = format!("a,b,y\n{rows}");
    let dataset = api.api.dataset(&csv);
    let path = format!("/v1/datasets/{dataset}/content");
    assert!(api.api.get(&path).bytes == csv.as_bytes());
    let part = api.api.get_with(&path, &[("range", "bytes=8500000-8500099")]);
    assert_eq!((part.status, part.bytes.len()), (206, 100));
    assert_eq!(part.bytes, &csv.as_bytes()[8_500_000..8_500_100]);
    let job = submit_long(&api.api);
    let ended = ends_well(&api.api, &job);
    let model = ended["result"]["model_id"].as_str().unwrap();
    let body = json!({"rows": [vec![0.5; 10]]});
    api.api.post(&format!("/v1/models/{model}/predict"), &body).expect(200);
    cluster.is_well();
    // The same bytes, stored a second time, outlive the first's deletion.
    let again = api.api.dataset(&csv);
    assert_eq!(api.api.delete(&format!("/v1/datasets/{dataset}")).status, 204);
    assert!(api.api.get(&format!("/v1/datasets/{again}/content")).bytes == csv.as_bytes());
    stops_in_order([worker, api]);
    cluster.is_well();
}

fn stops_in_order(processes: [Process; 2]) {
    processes.into_iter().for_each(Process::stop);
}
