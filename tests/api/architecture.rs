//! Which way things point: `learn ← domain ← {blobs, cache, store} ← tables ← {worker, http} ←
//! server ← cli`. An edge the other way fails here.

use std::fs;
use std::path::Path;

/// Each part with what it may use of the others.
const MAY_USE: [(&str, &[&str]); 16] = [
    ("domain", &["domain"]),
    ("cache", &[]),
    ("causes", &[]),
    ("blobs", &["causes", "domain"]),
    ("scratch", &[]),
    ("meters", &[]),
    ("telemetry", &[]),
    ("store", &["domain", "store"]),
    ("tables", &["blobs", "cache"]),
    ("sweep", &["blobs", "domain", "store"]),
    (
        "worker",
        &[
            "domain",
            "blobs",
            "cache",
            "meters",
            "scratch",
            "store",
            "tables",
            "telemetry",
            "worker",
        ],
    ),
    (
        "http",
        &["domain", "blobs", "cache", "meters", "store", "tables", "telemetry", "webhooks", "http"],
    ),
    (
        "server",
        &[
            "domain", "blobs", "meters", "scratch", "store", "sweep", "tables", "webhooks",
            "worker", "http",
        ],
    ),
    ("webhooks", &["causes", "domain", "store"]),
    ("upkeep", &["blobs", "domain", "store"]),
    (
        "cli",
        &[
            "blobs",
            "causes",
            "domain",
            "http",
            "server",
            "store",
            "telemetry",
            "upkeep",
            "webhooks",
            "cli",
        ],
    ),
];

fn uses(path: &Path, found: &mut Vec<(String, String)>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            uses(&entry.unwrap().path(), found);
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        let text = fs::read_to_string(path).unwrap();
        for part in text.split("crate::").skip(1) {
            let name: String =
                part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            found.push((path.display().to_string(), name));
        }
    }
}

#[test]
fn nothing_points_the_wrong_way() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut n_uses = 0;
    for (part, allowed) in MAY_USE {
        let mut found = Vec::new();
        let folder = source.join(part);
        uses(&if folder.is_dir() { folder } else { source.join(format!("{part}.rs")) }, &mut found);

        for (file, name) in found {
            assert!(allowed.contains(&name.as_str()), "{file} uses crate::{name}");
            n_uses += 1;
        }
    }
    assert!(n_uses > 50, "only {n_uses} uses were found: does this test still look at the code?");
}

#[test]
fn every_part_is_listed() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(source).unwrap() {
        let path = entry.unwrap().path();
        let part = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let listed = MAY_USE.iter().any(|(name, _)| *name == part);
        assert!(listed || ["lib", "main"].contains(&part.as_str()), "{part} is not in MAY_USE");
    }
}

/// Only the store speaks SQL.
#[test]
fn sql_is_in_the_store_only() {
    for part in ["domain", "worker", "http", "cli", "blobs.rs", "tables.rs", "server.rs"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(part);
        let mut files = vec![path];
        while let Some(path) = files.pop() {
            if path.is_dir() {
                files.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            } else {
                let text = fs::read_to_string(&path).unwrap();
                assert!(!text.contains("sqlx::"), "{} uses sqlx", path.display());
            }
        }
    }
}
