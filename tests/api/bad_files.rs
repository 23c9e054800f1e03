//! Files that are damaged, lie, or mean harm: each is refused with the place, in little memory, and
//! nothing of it stays on the disk.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::process::Process;
use crate::support::{Api, n_files};

/// More than this is not needed to refuse any of them.
const MAX_GROWTH_KILOBYTES: u64 = 64 << 10;

fn golden(name: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read(root.join("crates/trainyard-formats/tests/golden/formats").join(name)).unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn refused(api: &Api, bytes: &[u8], place: &str) {
    let raw = [("content-type", "application/octet-stream")];
    let errors = api.send("/v1/datasets", &raw, bytes).errors(422, "invalid_data");
    assert!(errors.iter().any(|(_, detail)| detail.contains(place)), "{place:?}: {errors:?}");
    assert!(errors.iter().all(|(pointer, _)| pointer == "/file"), "{errors:?}");
}

/// A body in chunks, of which only the last would tell how long it is, until the server answers.
fn endless_field(api: &Api) -> String {
    let address = api.base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let head = "POST /v1/datasets HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/csv\r\n\
                transfer-encoding: chunked\r\n\r\n4\r\na\n\"x\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let chunk = [b"100000\r\n".as_slice(), &vec![b'x'; 1 << 20], b"\r\n"].concat();
    for _ in 0..1 << 10 {
        if stream.write_all(&chunk).is_err() {
            break;
        }
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn broken_off(api: &Api) {
    let mut stream = TcpStream::connect(api.base.trim_start_matches("http://")).unwrap();
    let head = "POST /v1/datasets HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/csv\r\n\
                content-length: 9000000\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&b"a,b\n1,2\n".repeat(500_000)).unwrap();
}

#[test]
fn bad_files_are_refused_in_little_memory_and_leave_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let limit = (16 << 20).to_string();
    let process = Process::start_with(directory.path(), &["--max-upload-bytes", &limit]);
    let api = &process.api;
    refused(api, b"a,a\n1,2\n", "two columns are named \"a\"");
    let before = process.peak_kilobytes();

    let parquet = golden("pandas.parquet");
    refused(api, &parquet[..parquet.len() / 2], "Parquet");
    let bomb = [gzip(b"a\n"), gzip(&vec![b'1'; 1 << 20]).repeat(64)].concat();
    refused(api, &bomb, "200 times as large");
    refused(api, &golden("bad_object.npy"), "object");
    let wide = ",".repeat(10_000_000);
    refused(api, wide.as_bytes(), "columns, more than the limit of 10000");
    refused(api, b"a,b\n1,2\n3,\0\n", "row 2 (line 3), column \"b\": a NUL byte");
    let field = format!("a,b\n1,\"{}", "x".repeat(8 << 20));
    refused(api, field.as_bytes(), "line 2");
    let rows = b"1,good\n".repeat(60_000);
    let torn = [b"n,word\n", &rows[..], b"7,b\xffd\n", &rows[..]].concat();
    refused(api, &torn, "row 60001 (line 60002), column \"word\": bytes that are not UTF-8");
    refused(api, b"a,b\n", "no rows");
    let days: String = (1..=28).map(|day| format!("2023-02-{day:02}\n")).collect();
    refused(api, format!("day\n{days}2023-02-29\n").as_bytes(), "row 29 (line 30)");
    let answer = endless_field(api);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");
    broken_off(api);

    let deadline = Instant::now() + Duration::from_secs(10);
    let left = || {
        let folders = ["staging", "blobs", "tables", "scratch"];
        folders.map(|folder| n_files(&directory.path().join(folder)))
    };
    while left() != [0; 4] {
        assert!(Instant::now() < deadline, "something was left: {:?}", left());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(api.get("/v1/datasets").expect(200)["data"], serde_json::json!([]));
    let grown = process.peak_kilobytes() - before;
    assert!(grown < MAX_GROWTH_KILOBYTES, "{grown} kB");
}
