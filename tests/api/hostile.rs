//! Requests that mean no good, or stop half way.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use trainyard::domain::limits::Limits;

use crate::process::Process;
use crate::rounds::{alone, report, rounds};
use crate::support::{Api, World};
use crate::yard::Database;

fn raw(world: &World, text: &str) -> String {
    let mut stream = TcpStream::connect(world.api.base.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn an_upload_that_breaks_off_leaves_nothing() {
    let world = World::new();
    let mut stream = TcpStream::connect(world.api.base.trim_start_matches("http://")).unwrap();
    let head = "POST /v1/datasets HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/csv\r\n\
                content-length: 9000000\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&b"a,b\n1,2\n".repeat(500_000)).unwrap();
    drop(stream);
    let deadline = Instant::now() + Duration::from_secs(10);
    while world.n_files("staging") > 0 || world.n_files("blobs") > 0 {
        assert!(Instant::now() < deadline, "something was left");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(world.api.get("/v1/datasets").expect(200)["data"], json!([]));
}

#[test]
fn an_upload_over_the_limit_leaves_nothing() {
    let limits = Limits { max_upload_bytes: 1 << 16, ..Limits::default() };
    let world = World::with_limits(limits);
    let csv = "a,b\n".to_owned() + &"1,2\n".repeat(1 << 15);
    world.api.upload(&csv).problem(413, "too_large");
    assert_eq!((world.n_files("staging"), world.n_files("blobs")), (0, 0));
}

#[test]
fn an_upload_that_says_it_is_too_large_is_refused_before_it_is_sent() {
    let world = World::new();
    let head = "POST /v1/datasets HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/csv\r\n\
                content-length: 20000000000\r\nexpect: 100-continue\r\n\r\n";
    let answer = raw(&world, head);
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[test]
fn a_row_without_end_is_refused() {
    let limits = Limits { max_row_bytes: 1 << 16, ..Limits::default() };
    let world = World::with_limits(limits);
    let csv = "a\n\"".to_owned() + &"x".repeat(1 << 20);
    let errors = world.api.upload(&csv).errors(422, "invalid_data");
    assert!(errors[0].1.contains("line 2"), "{errors:?}");
}

#[test]
fn too_many_columns_rows_or_cells_are_refused() {
    let limits = Limits { max_columns: 3, max_rows: 5, ..Limits::default() };
    let world = World::with_limits(limits);
    assert!(
        world.api.upload("a,b,c,d\n1,2,3,4\n").errors(422, "invalid_data")[0]
            .1
            .contains("4 columns")
    );
    let long = "a\n".to_owned() + &"1\n".repeat(6);
    assert!(world.api.upload(&long).errors(422, "invalid_data")[0].1.contains("more than 5 rows"));
}

#[test]
fn another_host_or_origin_is_refused() {
    let world = World::new();
    let evil =
        raw(&world, "GET /livez HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n");
    assert!(evil.starts_with("HTTP/1.1 403"), "{evil}");
    assert!(evil.contains("host_not_allowed"), "{evil}");
    let origin = world.api.get_with("/v1/jobs", &[("origin", "http://evil.example")]);
    origin.problem(403, "host_not_allowed");
    let own = world.api.base.clone();
    assert_eq!(world.api.get_with("/v1/jobs", &[("origin", &own)]).status, 200);
}

#[test]
fn bodies_that_are_no_json_or_too_large_or_too_deep() {
    let limits = Limits { max_spec_bytes: 1 << 16, ..Limits::default() };
    let world = World::with_limits(limits);
    let send =
        |body: &[u8]| world.api.send("/v1/jobs", &[("content-type", "application/json")], body);
    send(b"{\"target\": ").problem(400, "malformed_json");
    send("[".repeat(10_000).as_bytes()).problem(400, "malformed_json");
    let large = send(&[b' '; 1 << 17]);
    assert_eq!(large.header("connection"), "close");
    large.problem(413, "too_large");
    let form =
        world.api.send("/v1/jobs", &[("content-type", "application/x-www-form-urlencoded")], b"{}");
    form.problem(415, "unsupported_media_type");
}

#[test]
fn other_requests_are_answered_beside_half_open_connections() {
    let _alone = alone();
    let n = rounds("HALF_OPEN", 200);
    rlimit::increase_nofile_limit(16_384).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let address = process.api.base.trim_start_matches("http://");
    let open = |_| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: loc").unwrap();
        stream
    };
    let half_open: Vec<TcpStream> = (0..n).map(open).collect();
    let times = process.api.latencies(1_000);
    let p99 = times[989];
    assert!(p99 < Duration::from_millis(200), "p99 {p99:?}");
    // They are still half open, and not cut by something that would make this easy.
    let mut last = half_open.last().unwrap();
    last.write_all(b"alhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    last.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    report("half-open connections", n, &format!("p99 of 1,000 other requests: {p99:.1?}"));
}

#[test]
fn endless_names_cost_nothing() {
    let world = World::new();
    let dataset = world.api.demo_dataset();
    let long = "y".repeat(300_000);
    let start = Instant::now();
    let answer = world.api.post(
        "/v1/jobs",
        &json!({"dataset_id": dataset, "target": long, "features": [long], long.as_str(): 1,
                "model": {"type": "perceptron"}}),
    );
    answer.problem(422, "invalid_request");
    assert!(answer.bytes.len() < 4_000, "{} bytes", answer.bytes.len());
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

/// PostgreSQL takes no U+0000 in a text, so nobody does.
fn nul_is_refused(api: &Api) {
    let dataset = api.dataset("a,y\n1,b\n2,c\n3,b\n4,c\n");
    let job = |more: Value| {
        let mut spec = json!({"dataset_id": dataset, "target": "y", "model": {"type": "linear"}});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    for (path, body, pointer) in [
        ("/v1/jobs", job(json!({"name": "a\0b"})), "/name"),
        ("/v1/jobs", job(json!({"metadata": {"deep": [1, "\0"]}})), "/metadata/deep/1"),
        ("/v1/jobs", job(json!({"metadata": {"a\0": 1}})), "/metadata/a\0"),
        ("/v1/jobs", job(json!({"requires": {"gpu": "\0"}})), "/requires/gpu"),
        ("/v1/jobs", job(json!({"after": ["\0"]})), "/after/0"),
        ("/v1/datasets/generate", json!({"name": "\0", "generator": {"type": "iris"}}), "/name"),
        ("/v1/webhooks", json!({"url": "http://example.com/\0"}), "/url"),
    ] {
        let found = api.post(path, &body).errors(422, "invalid_request");
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, pointer, "{found:?}");
        assert!(found[0].1.contains("U+0000"), "{found:?}");
    }
    // A refusal before the body was read may end the connection: each has one of its own.
    let csv = b"a,y\n1,b\n2,c\n";
    let raw =
        Api::new(&api.base).send("/v1/datasets?name=a%00b", &[("content-type", "text/csv")], csv);
    assert_eq!(raw.errors(422, "invalid_request")[0].0, "/query/name");
    let form = "--x\r\ncontent-disposition: form-data; name=\"name\"\r\n\r\na\0b\r\n--x\r\n\
                content-disposition: form-data; name=\"file\"; filename=\"t.csv\"\r\n\r\n\
                a,y\n1,b\n2,c\n\r\n--x--\r\n";
    let headers = [("content-type", "multipart/form-data; boundary=x")];
    let form = Api::new(&api.base).send("/v1/datasets", &headers, form.as_bytes());
    assert_eq!(form.errors(422, "invalid_request")[0].0, "/name");
    let list = api.get("/v1/jobs?after=%00");
    assert_eq!(list.errors(422, "invalid_request")[0].0, "/query/after");
}

#[test]
fn a_text_with_u0000_is_refused_wherever_it_is_kept() {
    nul_is_refused(&World::new().api);
    if !Database::Postgres.is_there() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let name = trainyard::domain::clock::Clock::system().new_uuid().to_string();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = runtime.block_on(Database::new_postgres(&name));
    let arguments = ["--database-url", &url, "--webhooks", "any"];
    nul_is_refused(&Process::start_with(directory.path(), &arguments).api);
}

#[test]
fn what_is_there_twice_is_refused() {
    let world = World::new();
    let twice = b"{\"target\": \"a\", \"target\": \"b\"}";
    let answer = world.api.send("/v1/jobs", &[("content-type", "application/json")], twice);
    answer.problem(400, "malformed_json");
    let hosts = "GET /livez HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n\
                 connection: close\r\n\r\n";
    assert!(raw(&world, hosts).starts_with("HTTP/1.1 403"), "{}", raw(&world, hosts));
    let query = world.api.get("/v1/models/mdl_x?verbose=1");
    assert!([404, 422].contains(&query.status));
}
