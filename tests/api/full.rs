//! A disk that is full: a file system of 8 MB in memory.
//!
//! `FULL_DISKS` in the environment says how often.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::process::{Process, submit_long};
use crate::rounds::{Log, alone, report, rounds, there};
use crate::support::{Api, n_files};

/// A file system of 8 MB, gone with this.
struct Small(PathBuf);

impl Small {
    /// `None` where this process may mount nothing.
    fn new(path: PathBuf) -> Option<Self> {
        fs::create_dir(&path).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"])
            .arg(&path)
            .stderr(Stdio::null())
            .status();
        let mounted = mounted.is_ok_and(|status| status.success());
        there("a full disk: it takes root and the right to mount", mounted).then_some(Self(path))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Uploads until there is no room; how many went in.
fn fill(api: &Api) -> usize {
    let row = |i: usize| format!("{i},{}\n", "x".repeat(100));
    for n in 0..40 {
        let rows: String = (0..5_000).map(|i| row(i + n * 5_000)).collect();
        let answer = api.upload(&format!("a,b\n{rows}"));
        if answer.status != 201 {
            is_full(&answer.expect(answer.status), answer.status);
            return n;
        }
    }
    panic!("20 MB went into 8");
}

fn is_full(problem: &serde_json::Value, status: u16) {
    assert!(status == 507 || status == 503, "{problem}");
    assert_eq!(problem["code"], if status == 507 { "storage_full" } else { "not_ready" });
}

/// Writes to a file until not one byte has room.
fn fill_up(path: &Path) {
    let mut file = File::options().append(true).create(true).open(path).unwrap();
    for size in [64 << 10, 4 << 10, 1] {
        while file.write_all(&vec![b'x'; size]).is_ok() {}
    }
}

/// How many writes were refused while a disk was full; `None` where there can be no such disk.
fn full_once() -> Option<usize> {
    let directory = tempfile::tempdir().unwrap();
    let disk = Small::new(directory.path().join("disk"))?;
    let data = disk.0.join("data");
    let log = Log(directory.path().join("log"));
    let arguments = ["--lease-seconds", "2", "--workers", "1"];
    let process = Process::start_as(&data, &arguments, |c| c.stderr(log.append()));
    let api = &process.api;
    let first = api.demo_dataset();
    let job =
        api.run(&json!({"dataset_id": first, "target": "y", "model": {"type": "perceptron"}}));
    let model = job["result"]["model_id"].as_str().unwrap().to_owned();
    let reads = || {
        api.get("/livez").expect(200);
        api.get("/v1/jobs").expect(200);
        api.get(&format!("/v1/jobs/{}", job["id"].as_str().unwrap())).expect(200);
        assert_eq!(api.get(&format!("/v1/datasets/{first}/content")).status, 200);
        api.get(&format!("/v1/datasets/{first}/rows")).expect(200);
        let body = json!({"rows": [vec![0.5; 10]]});
        api.post(&format!("/v1/models/{model}/predict"), &body).expect(200)["predictions"].clone()
    };
    let before = reads();
    let filler = disk.0.join("filler");
    let mut n_refused = 0;
    let under_way = submit_long(api);
    api.until(&under_way, |job| job["tasks"]["succeeded"].as_u64() >= Some(1));
    // What will be freed: enough for SQLite's log to come to its next checkpoint.
    fs::write(&filler, vec![b'x'; 4 << 20]).unwrap();
    let n_stored = fill(api);
    fill_up(&filler);
    // Its folds cannot be published now.
    let mut accepted = vec![under_way];
    for _ in 0..20 {
        assert_eq!(reads(), before);
        let generator = json!({"generator": {"type": "iris"}});
        let spec = json!({"dataset_id": first, "target": "y", "model": {"type": "perceptron"}});
        for (path, body) in [("/v1/datasets/generate", generator), ("/v1/jobs", spec)] {
            let answer = api.post(path, &body);
            if answer.status == 202 {
                accepted.push(answer.expect(202)["id"].as_str().unwrap().to_owned());
            } else if answer.status != 201 {
                is_full(&answer.expect(answer.status), answer.status);
                n_refused += 1;
            }
        }
        fill_up(&filler);
    }
    fs::remove_file(&filler).unwrap();
    let freed = Instant::now();
    while api.upload("a,b\n1,2\n").status != 201 {
        assert!(freed.elapsed() < Duration::from_secs(10), "it does not recover");
        std::thread::sleep(Duration::from_millis(100));
    }
    for job in accepted {
        let ended = api.finished(&job);
        assert_eq!(ended["status"], "succeeded", "{ended}");
    }
    assert!(n_refused > 0 && n_stored > 0, "{n_refused} refused, {n_stored} stored");
    assert_eq!(n_files(&data.join("staging")), 0, "what was half received is left");
    process.stop();
    let checked = Command::new(env!("CARGO_BIN_EXE_trainyard"))
        .args(["fsck", "--data-dir", &data.display().to_string()])
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    log.tells_of_no_panic();
    Some(n_refused)
}

/// A small upload that becomes large while it is read.
#[test]
fn a_disk_that_fills_while_an_upload_is_read_refuses_it_and_keeps_nothing() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let Some(disk) = Small::new(directory.path().join("disk")) else { return };
    let data = disk.0.join("data");
    let process = Process::start(&data);
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(b"a,b\n").unwrap();
    packed.write_all(&b"12345678,87654321\n".repeat(2 << 20)).unwrap();
    let packed = packed.finish().unwrap();
    assert!(packed.len() < 1 << 20, "it is received whole: {} bytes", packed.len());
    let plain = [("content-type", "application/octet-stream")];
    let answer = process.api.send("/v1/datasets", &plain, &packed);
    answer.problem(507, "storage_full");
    for folder in ["staging", "scratch"] {
        assert_eq!(n_files(&data.join(folder)), 0, "{folder}");
    }
    assert_eq!(process.api.get("/v1/datasets").expect(200)["data"], json!([]));
    process.api.upload("a,b\n1,2\n").expect(201);
    process.stop();
}

#[test]
fn a_full_disk_stops_writing_and_nothing_else() {
    let _alone = alone();
    let n = rounds("FULL_DISKS", 1);
    let mut n_refused = 0;
    for _ in 0..n {
        let Some(refused) = full_once() else { return };
        n_refused += refused;
    }
    let seen =
        format!("{n_refused} writes refused with 507 or 503, reads went on, jobs ended after");
    report("disk full (8 MB tmpfs)", n, &seen);
}
