//! Small or endless requests that would become much: each is refused, and the process grows by less
//! than 64 MB meanwhile.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::process::Process;
use crate::rounds::{alone, report};

const MOST_KB: u64 = 64 << 10;

/// The process's own memory now, in kB, without what it has mapped of files.
fn own_kb(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// How much the process grows at most while something is done.
fn growth<T>(id: u32, act: impl FnOnce() -> T) -> (T, u64) {
    let before = own_kb(id);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut most = before;
            while !done.load(Ordering::SeqCst) {
                most = most.max(own_kb(id));
                thread::sleep(Duration::from_millis(1));
            }
            most.max(own_kb(id))
        });
        let acted = act();
        done.store(true, Ordering::SeqCst);
        (acted, watch.join().unwrap() - before)
    })
}

/// A start, and then a piece so many times.
type Body<'a> = (&'a [u8], &'a [u8], usize);

/// What it is, where it goes, its media type and itself.
type Bomb<'a> = (&'a str, &'a str, &'a str, Body<'a>);

/// Sends a body as it is made; the answer's status.
fn sent(process: &Process, path: &str, content_type: &str, (start, piece, n): Body<'_>) -> u16 {
    let length = start.len() + piece.len() * n;
    let mut stream = TcpStream::connect(process.api.base.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {content_type}\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    // It may answer before it has heard all.
    let _ = stream.write_all(start).and_then(|()| (0..n).try_for_each(|_| stream.write_all(piece)));
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    std::str::from_utf8(&answer[9..]).unwrap().parse().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A NumPy file of a shape, of bytes.
fn npy(shape: &str) -> Vec<u8> {
    let head = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((head.len() as u16).to_le_bytes());
    bytes.extend(head.bytes());
    bytes
}

#[test]
fn what_would_become_much_is_refused_in_little_memory() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    // What a first upload and a first job load is no growth of theirs.
    let dataset = process.api.demo_dataset();
    let job = process.api.run(&json!({
        "dataset_id": dataset, "target": "y", "model": {"type": "perceptron"}
    }));
    let model = job["result"]["model_id"].as_str().unwrap();
    let predict = format!("/v1/models/{model}/predict");
    let (csv, any, json) = ("text/csv", "application/octet-stream", "application/json");
    let data = "/v1/datasets";
    let mega = 1 << 20;
    let numbers = gzip(&b"1,2\n".repeat(mega / 4));
    let blanks = gzip(&vec![b' '; mega]);
    let objects = b"{\"a\":".repeat(mega / 5);
    let brackets = vec![b'['; mega];
    let row: String = (0..100_000).map(|i| format!("\"{i:07}\":1,")).collect();
    let ones = vec![1; mega];
    let field = vec![b'x'; mega];
    let cases: &[Bomb<'_>] = &[
        ("gzip of rows, 1000:1", data, any, (&[], &numbers, 1_024)),
        ("gzip of blanks, 1000:1", data, any, (&[], &blanks, 1_024)),
        ("10 million columns of CSV", data, csv, (b"a", b",aa", 10_000_000)),
        ("10 million columns of JSON", data, any, (b"{", row.as_bytes(), 100)),
        ("10 million columns of NumPy", data, any, (&npy("(1, 10485760)"), &ones, 10)),
        ("a field of 1 GB", data, csv, (b"a,b\n\"", &field, 1_023)),
        ("a JSON text of 128 MB", data, any, (b"[{\"a\": \"", &field, 128)),
        ("deep JSON objects as data", data, any, (&[], &objects, 10)),
        ("deep JSON lists as data", data, any, (&[], &brackets, 10)),
        ("deep JSON as a job", "/v1/jobs", json, (&[], &objects[..1_000_000], 1)),
        ("deep JSON to predict", &predict, json, (b"{\"rows\": ", &brackets, 16)),
        ("endless JSON to predict", &predict, json, (b"{\"rows\": [[1,", &field, 40)),
    ];
    let mut worst = (0, "");
    for (what, path, content_type, body) in cases {
        // Pieces of a byte or three are gathered, as sending each alone would take long.
        let many = body.1.len() < 1_000;
        let gathered = if many { body.1.repeat(10_000) } else { Vec::new() };
        let body = if many { (body.0, &gathered[..], body.2 / 10_000) } else { *body };
        let (status, kb) = growth(process.id(), || sent(&process, path, content_type, body));
        assert!((400..500).contains(&status), "{what}: {status}");
        assert!(kb < MOST_KB, "{what}: it grew by {kb} kB");
        worst = worst.max((kb, what));
        process.api.get("/livez").expect(200);
    }
    let left = process.api.get("/v1/datasets").expect(200);
    assert_eq!(left["data"].as_array().unwrap().len(), 1, "one of them was stored");
    let seen = format!("each a 4xx; at most {} MB of growth ({})", worst.0 >> 10, worst.1);
    report("bombs", cases.len(), &seen);
}
