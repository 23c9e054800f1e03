//! `trainyard backup` and `trainyard fsck`, on servers that work.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::process::{Process, refused, submit_one_long_fit};
use crate::yard::{Database, Yard};

fn trainyard(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_trainyard")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn shown(id: &Value) -> &str {
    id.as_str().unwrap()
}

/// The model of a small job, and what it predicts.
fn model(process: &Process) -> (String, Value) {
    let dataset = process.api.demo_dataset();
    let job = process.api.run(&json!({
        "dataset_id": dataset, "target": "y", "model": {"type": "perceptron"},
        "cv": {"type": "kfold", "n_splits": 3}
    }));
    let model = job["result"]["model_id"].as_str().unwrap().to_owned();
    let predicted = predicted(process, &model);
    (model, predicted)
}

fn predicted(process: &Process, model: &str) -> Value {
    let body = json!({"rows": [vec![0.5; 10], vec![-0.5; 10]]});
    process.api.post(&format!("/v1/models/{model}/predict"), &body).expect(200)
}

/// Backs up while jobs come in, and says where to.
fn backed_up(process: &Process, folder: &Path, arguments: &[&str]) -> PathBuf {
    let backup = folder.join("backup");
    let to = backup.display().to_string();
    let dataset = process.api.demo_dataset();
    let output = std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            for seed in 0..30 {
                process.api.submit(&json!({
                    "dataset_id": dataset, "target": "y", "model": {"type": "perceptron"},
                    "cv": {"type": "repeated_kfold", "n_splits": 5}, "random_state": seed
                }));
            }
        });
        let output = trainyard(&[&["backup", "--to", &to], arguments].concat());
        load.join().unwrap();
        output
    });
    assert!(output.status.success(), "{}", text(&output.stderr));
    // It would mix with what is there.
    let again = trainyard(&[&["backup", "--to", &to], arguments].concat());
    assert!(!again.status.success());
    assert!(text(&again.stderr).contains("is not empty"), "{}", text(&again.stderr));
    backup
}

#[test]
fn a_server_goes_on_from_a_backup_that_was_made_while_it_worked() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let process = Process::start(&data);
    let (model, expected) = model(&process);
    let data = data.display().to_string();
    let backup = backed_up(&process, directory.path(), &["--data-dir", &data]);
    drop(process);
    let folder = backup.display().to_string();
    let checked = trainyard(&["fsck", "--data-dir", &folder]);
    assert!(checked.status.success(), "{}", text(&checked.stdout));
    let restored = Process::start(&backup);
    assert_eq!(predicted(&restored, &model), expected);
    // What was queued when the backup was made runs now.
    let jobs = restored.api.get("/v1/jobs?limit=100").expect(200);
    for job in jobs["data"].as_array().unwrap() {
        let job = restored.api.finished(job["id"].as_str().unwrap());
        assert_eq!(job["status"], "succeeded", "{job}");
    }
}

/// The files of the blobs in a folder.
fn blobs(folder: &Path) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(folder.join("blobs")).unwrap();
    let folders = folders.map(|entry| entry.unwrap().path());
    let within = folders.flat_map(|folder| std::fs::read_dir(folder).unwrap());
    within.map(|entry| entry.unwrap().path()).collect()
}

/// Backs up while a fit is under way whose saved state goes before it could be copied, and says which job
/// it is of.
fn backed_up_without_a_saved_fit(
    process: Process,
    artifacts: &Path,
    to: &Path,
    stored: &[&str],
) -> String {
    let job = submit_one_long_fit(&process.api);
    let dataset = blobs(artifacts);
    let deadline = Instant::now() + Duration::from_secs(60);
    let saved = format!("/v1/jobs/{job}/checkpoints");
    while process.api.get(&saved).expect(200)["data"].as_array().unwrap().is_empty() {
        assert!(Instant::now() < deadline, "it was never saved");
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(process); // SIGKILL, so that no other takes the saved one's place.
    for blob in blobs(artifacts) {
        if !dataset.contains(&blob) {
            std::fs::remove_file(&blob).unwrap();
        }
    }
    let to = to.display().to_string();
    let output = trainyard(&[&["backup", "--to", &to], stored].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("and 1 blobs"), "{}", text(&output.stdout));
    job
}

#[test]
fn a_backup_needs_no_saved_fit() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let process = Process::start_with(&at("data"), &["--checkpoint-seconds", "0.1"]);
    let data = at("data").display().to_string();
    let stored = ["--data-dir", &data];
    let job = backed_up_without_a_saved_fit(process, &at("data"), &at("backup"), &stored);
    let checked = trainyard(&["fsck", "--data-dir", &at("backup").display().to_string()]);
    assert!(checked.status.success(), "{}", text(&checked.stdout));
    let restored = Process::start(&at("backup"));
    let job = restored.api.finished(&job);
    assert_eq!(job["status"], "succeeded", "{job}");
}

#[test]
fn a_backup_of_postgresql_needs_no_saved_fit() {
    let Some(cluster) = Cluster::new() else { return };
    let at = |name: &str| cluster.directory.path().join(name);
    let stored = ["--database-url", &cluster.database_url, "--artifact-url", &cluster.artifact_url];
    let more = ["--checkpoint-seconds", "0.1", "--lease-seconds", "2"];
    let process = Process::start_with(&at("data"), &[&stored[..], &more].concat());
    let job = backed_up_without_a_saved_fit(process, &at("artifacts"), &at("backup"), &stored);
    let restored = restored(&at("backup"));
    let artifacts = format!("file://{}", at("backup").display());
    let stored = ["--database-url", &restored, "--artifact-url", &artifacts];
    let checked = trainyard(&[&["fsck"], &stored[..]].concat());
    assert!(checked.status.success(), "{}", text(&checked.stdout));
    let process =
        Process::start_with(&at("again"), &[&stored[..], &["--lease-seconds", "2"]].concat());
    let job = process.api.finished(&job);
    assert_eq!(job["status"], "succeeded", "{job}");
}

/// A new database of what was backed up.
fn restored(backup: &Path) -> String {
    let id = trainyard::domain::clock::Clock::system().new_uuid();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = runtime.block_on(Database::new_postgres(&id.to_string()));
    let output = Command::new("pg_restore")
        .args(["--no-owner", "--exit-on-error", "--dbname", &url])
        .arg(backup.join("trainyard.pgdump"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    url
}

#[test]
fn fsck_tells_everything_that_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let process = Process::start(&data);
    let (_, _) = model(&process);
    let (_, _) = model(&process);
    let folder = data.display().to_string();
    let checked = trainyard(&["fsck", "--data-dir", &folder]);
    assert!(checked.status.success(), "while it is used: {}", text(&checked.stdout));
    let all = |path: &str| process.api.get(path).expect(200)["data"].as_array().unwrap().clone();
    let (datasets, models) = (all("/v1/datasets"), all("/v1/models"));
    drop(process);
    let blobs = blobs(&data);
    // The model of the second job is the first's, apart from its name; the dataset is the same.
    assert!(blobs.len() >= 2, "{blobs:?}");
    std::fs::write(&blobs[1], b"other bytes").unwrap();
    for blob in blobs.iter().filter(|blob| **blob != blobs[1]) {
        std::fs::remove_file(blob).unwrap();
    }
    let database = let_one_task_fail(&data.join("trainyard.db"));
    assert_eq!(database, 1);
    let checked = trainyard(&["fsck", "--data-dir", &folder]);
    assert!(!checked.status.success());
    let found = text(&checked.stdout);
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    assert!(found.contains(&format!("blob {} is missing", name(&blobs[0]))), "{found}");
    assert!(found.contains(&format!("blob {} has changed", name(&blobs[1]))), "{found}");
    assert!(found.contains("succeeded, with a task that did not: job_"), "{found}");
    for dataset in datasets {
        assert!(found.contains(&format!("dataset {}", shown(&dataset["id"]))), "{found}");
    }
    for model in models {
        let named = format!("model {} of {}", shown(&model["id"]), shown(&model["job_id"]));
        assert!(found.contains(&named), "{found}");
    }
    assert!(found.ends_with(&format!("\n{} problems\n", blobs.len() + 1)), "{found}");
    assert!(!trainyard(&["fsck", "--data-dir", "nowhere"]).status.success());
}

#[test]
fn a_file_of_sqlite_may_be_elsewhere_and_has_one_server() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let url = format!("sqlite://{}", at("folder/t.db").display());
    let process = Process::start_with(&at("data"), &["--database-url", &url]);
    let (model, expected) = model(&process);
    assert!(at("folder/t.db").is_file() && !at("data/trainyard.db").exists());
    // By whatever name, and from whatever data directory.
    std::os::unix::fs::symlink(at("folder/t.db"), at("other.db")).unwrap();
    let other = format!("sqlite:{}", at("other.db").display());
    for url in [&url, &other] {
        let serve = ["serve", "--bind", "127.0.0.1:0", "--database-url", url, "--data-dir"];
        let data = at("second").display().to_string();
        let text = refused(&[&serve[..], &[&data]].concat());
        assert!(text.contains("in use by another trainyard"), "{text}");
    }
    let data = at("data").display().to_string();
    let stored = ["--database-url", &url, "--data-dir", &data];
    let backup = backed_up(&process, directory.path(), &stored);
    drop(process);
    let checked = trainyard(&[&["fsck"], &stored[..]].concat());
    assert!(checked.status.success(), "{}", text(&checked.stdout));
    let again = Process::start_with(&at("data"), &["--database-url", &url]);
    assert_eq!(predicted(&again, &model), expected);
    let restored = Process::start(&backup);
    assert_eq!(predicted(&restored, &model), expected);
    // Also that of a data directory is in use.
    let url = format!("sqlite://{}", backup.join("trainyard.db").display());
    let data = at("third").display().to_string();
    let serve = ["serve", "--bind", "127.0.0.1:0", "--database-url", &url, "--data-dir", &data];
    assert!(refused(&serve).contains("in use by another trainyard"));
    let missing =
        trainyard(&["fsck", "--database-url", "sqlite://nowhere.db", "--data-dir", &data]);
    assert!(text(&missing.stderr).contains("there is no database nowhere.db"));
}

/// Lets one task of one job look as if it had failed.
fn let_one_task_fail(database: &Path) -> u64 {
    use sqlx::{Connection, SqliteConnection};
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let url = format!("sqlite://{}", database.display());
        let mut beside = SqliteConnection::connect(&url).await.unwrap();
        let change = "UPDATE tasks SET state = 'failed' WHERE kind = 'reduce' AND id = (
                          SELECT MIN(id) FROM tasks WHERE kind = 'reduce')";
        let changed = sqlx::query(change).execute(&mut beside).await.unwrap();
        beside.close().await.unwrap();
        changed.rows_affected()
    })
}

#[test]
fn a_backup_of_postgresql_is_of_one_state_and_comes_back() {
    if !Database::Postgres.is_there() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let id = trainyard::domain::clock::Clock::system().new_uuid();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = runtime.block_on(Database::new_postgres(&format!("first-{id}")));
    let artifacts = format!("file://{}", directory.path().join("artifacts").display());
    let stored = ["--database-url", &url, "--artifact-url", &artifacts];
    let process = Process::start_with(&directory.path().join("data"), &stored);
    let (model, expected) = model(&process);
    let backup = backed_up(&process, directory.path(), &stored);
    drop(process);
    let restored_url = restored(&backup);
    let artifacts = format!("file://{}", backup.display());
    let stored = ["--database-url", &restored_url, "--artifact-url", &artifacts];
    let checked = trainyard(&[&["fsck"], &stored[..]].concat());
    assert!(checked.status.success(), "{}", text(&checked.stdout));
    let process = Process::start_with(&directory.path().join("again"), &stored);
    assert_eq!(predicted(&process, &model), expected);
    drop(process);
    for blob in blobs(&backup) {
        std::fs::remove_file(blob).unwrap();
    }
    let found = text(&trainyard(&[&["fsck"], &stored[..]].concat()).stdout);
    assert!(found.contains("is missing; named by dataset ds_"), "{found}");
    assert!(found.contains(&format!("model {model} of job_")), "{found}");
}

#[tokio::test]
async fn one_process_sweeps_at_a_time() {
    if !Database::Postgres.is_there() {
        return;
    }
    let yard = Yard::new(Database::Postgres).await;
    let other = yard.another_process().await.unwrap();
    let sweeper = yard.store.sweeper().await.unwrap().unwrap();
    assert!(other.sweeper().await.unwrap().is_none());
    sweeper.end().await;
    // The database hears of the end by itself.
    let mut again = other.sweeper().await.unwrap();
    for _ in 0..100 {
        if again.is_some() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        again = other.sweeper().await.unwrap();
    }
    // One whose process is killed leaves the right to others.
    drop(again.expect("the right was given back"));
    for _ in 0..100 {
        if yard.store.sweeper().await.unwrap().is_some() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the right was lost with its connection");
}
