//! What `docker/` says of the server is true: its settings, its metrics, and its tables.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize as _;
use yaml_serde::{Deserializer, Value};

use crate::support::World;
use crate::yard::{Database, Yard};

pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Every file below `docker/`, with its text.
pub fn texts() -> Vec<(PathBuf, String)> {
    let found = files(&Path::new(ROOT).join("docker"));
    found.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// The documents of every YAML file, by the file.
pub fn documents() -> Vec<(PathBuf, Value)> {
    let is_yaml = |path: &Path| path.extension().is_some_and(|ending| ending == "yaml");
    let mut all = Vec::new();
    for (path, text) in texts().into_iter().filter(|(path, _)| is_yaml(path)) {
        for document in Deserializer::from_str(&text) {
            let mut value = Value::deserialize(document)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            value.apply_merge().unwrap();
            all.push((path.clone(), value));
        }
    }
    assert!(all.len() > 15, "{}", all.len());
    all
}

/// The words of a text that begin in a way; of letters, digits, and what `more` has.
fn words<'a>(text: &'a str, begin: &'a str, more: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(move |c: char| !c.is_ascii_alphanumeric() && !more.contains(c))
        .filter(move |word| word.starts_with(begin) && word.len() > begin.len())
}

fn help() -> String {
    let binary = env!("CARGO_BIN_EXE_trainyard");
    let output = Command::new(binary).args(["serve", "--help"]).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_setting_in_docker_is_one_of_serve() {
    let help = help();
    let known: BTreeSet<&str> = words(&help, "TRAINYARD_", "_").collect();
    assert!(known.contains("TRAINYARD_ALLOWED_HOSTS"), "{known:?}");
    let mut n_used = 0;
    for (path, text) in texts() {
        for name in words(&text, "TRAINYARD_", "_") {
            assert!(known.contains(name), "{}: serve reads no {name}", path.display());
            n_used += 1;
        }
    }
    assert!(n_used > 20, "{n_used}");
}

/// The flags of each list that begins with `serve`, as containers are given them.
fn flags(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Sequence(items) => {
            let serves = items.first().and_then(Value::as_str) == Some("serve");
            let texts =
                items.iter().filter_map(Value::as_str).filter(|text| text.starts_with("--"));
            found.extend(texts.filter(|_| serves).map(str::to_owned));
            items.iter().for_each(|item| flags(item, found));
        }
        Value::Mapping(entries) => entries.values().for_each(|value| flags(value, found)),
        _ => {}
    }
}

#[test]
fn every_flag_in_docker_is_one_of_serve() {
    let help = help();
    let known: BTreeSet<&str> = words(&help, "--", "-").collect();
    assert!(known.contains("--allowed-host"), "{known:?}");
    let mut used = Vec::new();
    for (_, document) in documents() {
        flags(&document, &mut used);
    }
    for (_, text) in texts() {
        let lines = text.lines().filter(|line| line.contains("trainyard serve"));
        used.extend(lines.flat_map(|line| words(line, "--", "-")).map(str::to_owned));
    }
    assert!(used.len() >= 2, "{used:?}");
    for flag in used {
        let name = flag.split('=').next().unwrap_or_default();
        assert!(known.contains(name), "serve has no {name}");
    }
}

#[test]
fn every_metric_in_docker_is_written_or_recorded() {
    let world = World::new();
    let written = world.api.get("/metrics").text();
    let mut families: BTreeSet<String> = written
        .lines()
        .filter_map(|line| Some(line.strip_prefix("# TYPE ")?.split(' ').next()?.to_owned()))
        .collect();
    // Those with labels are written once there is something to write of them.
    let meters = include_str!("../../src/meters.rs").split("register(\"").skip(1);
    let registered = meters.filter_map(|text| text.split('"').next());
    families.extend(registered.map(|name| format!("trainyard_{name}")));
    let rules = fs::read_to_string(Path::new(ROOT).join("docker/cluster/rules.yaml")).unwrap();
    let records: BTreeSet<&str> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- record: ")).collect();
    let mut used = BTreeSet::new();
    for (path, text) in texts() {
        let ending = path.extension().and_then(|ending| ending.to_str());
        if !path.starts_with(Path::new(ROOT).join("docker/cluster")) || ending == Some("env") {
            continue;
        }
        for name in words(&text, "trainyard_", "_:") {
            let is_of =
                |end| name.strip_suffix(end).is_some_and(|family| families.contains(family));
            let is_written = ["", "_total", "_bucket", "_sum", "_count"].into_iter().any(is_of);
            assert!(is_written, "{}: no process writes {name}", path.display());
            used.insert(name.to_owned());
        }
        for name in words(&text, "trainyard:", "_:") {
            assert!(records.contains(name), "{}: no rule records {name}", path.display());
        }
    }
    assert!(used.len() > 7, "{used:?}");
}

#[test]
fn the_dashboard_is_json_whose_panels_ask_for_something() {
    let path = Path::new(ROOT).join("docker/cluster/grafana/trainyard.json");
    let text = fs::read_to_string(path).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() > 10);
    for panel in panels {
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty() && targets.iter().all(|target| target["expr"].is_string()));
    }
}

/// The query by which KEDA decides how many workers there are.
fn scaling_query() -> String {
    let is_scaled = |(_, document): &(PathBuf, Value)| document["kind"] == "ScaledObject";
    let (_, scaled) = documents().into_iter().find(is_scaled).unwrap();
    let query = &scaled["spec"]["triggers"][0]["metadata"]["query"];
    query.as_str().unwrap().trim().to_owned()
}

#[tokio::test]
async fn the_scaling_query_counts_what_waits_and_runs() {
    if !Database::Postgres.is_there() {
        return;
    }
    let yard = Yard::new(Database::Postgres).await;
    let query = format!("SELECT CAST(({}) AS TEXT)", scaling_query());
    assert_eq!(yard.texts(&query).await, ["1"], "four short folds are one thread's work");
    yard.change("UPDATE tasks SET cost_us = 30000000").await;
    assert_eq!(yard.texts(&query).await, ["4"], "four long ones are that of four");
    let claimed = yard.claim(60_000, 1).await;
    assert_eq!(claimed.len(), 1);
    assert_eq!(yard.texts(&query).await, ["4"], "one of which runs now");
    let size = |state: &str, bytes: u64| {
        format!("UPDATE tasks SET memory_bytes = {bytes} WHERE state = '{state}'")
    };
    yard.change(&size("queued", 5 << 30)).await;
    assert_eq!(yard.texts(&query).await, ["1"], "no worker has the memory for what waits");
    yard.change(&size("running", 5 << 30)).await;
    assert_eq!(yard.texts(&query).await, ["0"], "another pool has for what runs");
    yard.change(&size("running", 1 << 30)).await;
    yard.change("UPDATE tasks SET state = 'cancelled' WHERE state = 'queued'").await;
    assert_eq!(yard.texts(&query).await, ["1"], "what runs keeps its thread");
    // KEDA's user has the one right that its Secret's comment gives it, and needs no other.
    let secrets = fs::read_to_string(Path::new(ROOT).join("docker/kubernetes/secret.example.yaml"));
    let role = format!("scaler-{}", yard.clock.new_uuid());
    let grant = secrets.unwrap();
    let (_, grant) = grant.split_once("; GRANT ").unwrap();
    let (grant, _) = grant.split_once(" TO scaler;").unwrap();
    yard.change(&format!("CREATE ROLE \"{role}\"")).await;
    yard.change(&format!("GRANT {grant} TO \"{role}\"")).await;
    yard.change(&format!("SET ROLE \"{role}\"")).await;
    assert_eq!(yard.texts(&query).await, ["1"]);
    yard.change("RESET ROLE").await;
    yard.change(&format!("DROP OWNED BY \"{role}\"")).await;
    yard.change(&format!("DROP ROLE \"{role}\"")).await;
}

/// The server trusts whom the system trusts, and a slim image trusts nobody.
#[test]
fn the_image_has_the_certificates_that_https_needs() {
    const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";
    let text = fs::read_to_string(Path::new(ROOT).join("docker/Dockerfile")).unwrap();
    let stages: Vec<&str> = text.split("\nFROM ").skip(1).collect();
    let [build, image] = stages[..] else { panic!("{} stages", stages.len()) };
    let lines: Vec<&str> = build.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(lines.iter().any(|line| line.contains("install") && line.contains("ca-certificates")));
    let copied = format!("COPY --from=build {CERTIFICATES} {CERTIFICATES}");
    assert!(image.lines().any(|line| line == copied), "{image}");
}

/// `trainyard backup` calls `pg_dump`, which takes no server that is newer than itself.
#[test]
fn the_image_can_back_up_the_database_of_the_cluster() {
    let read = |name: &str| fs::read_to_string(Path::new(ROOT).join("docker").join(name)).unwrap();
    let major = |text: &str, before: &str| -> u32 {
        let (_, after) = text.split_once(before).unwrap();
        after.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
    };
    let dockerfile = read("Dockerfile");
    let (_, image) = dockerfile.rsplit_once("\nFROM ").unwrap();
    let of_client = major(image, "postgresql-client-");
    assert!(of_client >= major(&read("compose.cluster.yaml"), "image: postgres:"));
}

/// An image without them says so.
#[test]
fn a_store_that_cannot_be_trusted_is_refused_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let nobody = directory.path().join("nobody");
    fs::create_dir(&nobody).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_trainyard"))
        .args(["serve", "--bind", "127.0.0.1:0", "--artifact-url", "s3://bucket", "--data-dir"])
        .arg(directory.path().join("data"))
        .env("SSL_CERT_DIR", &nobody)
        .env_remove("SSL_CERT_FILE")
        .env_remove("AWS_ENDPOINT")
        .envs([("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("error: the artifact URL: "), "{told}");
    assert!(told.to_lowercase().contains("no ca certificates"), "{told}");
}

/// A project has a series for each set of labels and each state, the same at every process: whoever takes
/// the largest of fewer labels sees one of several numbers.
#[test]
fn the_queue_is_counted_whole() {
    let mut n_asked = 0;
    for (path, text) in texts() {
        for (at, _) in text.match_indices("trainyard_queue_tasks") {
            let before = &text[..at];
            let is_whole = before.ends_with("max by (project, requires, state) (");
            assert!(is_whole, "{}: {}", path.display(), &before[before.len() - 60..]);
            n_asked += 1;
        }
    }
    assert!(n_asked >= 4, "{n_asked}");
}

#[test]
fn the_dashboard_shows_waits_and_the_queue_by_what_it_requires() {
    let path = Path::new(ROOT).join("docker/cluster/grafana/trainyard.json");
    let text = fs::read_to_string(path).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let asks = |what: &[&str]| {
        let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
        let expressions = targets.filter_map(|target| target["expr"].as_str()).collect::<Vec<_>>();
        expressions.iter().any(|text| what.iter().all(|part| text.contains(part)))
    };
    assert!(asks(&["trainyard_task_wait_seconds_bucket", "histogram_quantile(0.95"]));
    assert!(asks(&["trainyard_queue_tasks{state=\"queued\"}", "sum by (requires)"]));
    // No two panels lie over each other.
    let place = |panel: &serde_json::Value| {
        ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_i64().unwrap())
    };
    for (i, one) in panels.iter().enumerate() {
        let [x, y, w, h] = place(one);
        for other in &panels[..i] {
            let [x2, y2, w2, h2] = place(other);
            let apart = x + w <= x2 || x2 + w2 <= x || y + h <= y2 || y2 + h2 <= y;
            assert!(apart && one["id"] != other["id"], "{} and {}", one["title"], other["title"]);
        }
    }
}
