use std::io::{Read, Write};

use serde_json::json;

use super::fake::{Fake, Reply};
use super::*;

fn client(fake: &Fake) -> Client {
    Client::new(&fake.url).unwrap()
}

#[test]
fn a_job_is_read_even_from_a_newer_server() {
    let fake = Fake::start([(
        "GET /v1/jobs/job_1?wait=3",
        vec![Reply::job(
            "levitating",
            &json!({"tasks": null, "warnings": null, "result": null, "aura": "blue"}),
        )],
    )]);
    let job = client(&fake).job("job_1", 3).unwrap();
    assert_eq!((job.status.as_str(), job.tasks.total), ("levitating", 0));
    assert!(!job.has_ended());
}

#[test]
fn an_upload_sends_the_file_under_its_name() {
    let fake = Fake::start([(
        "POST /v1/datasets",
        vec![Reply::json(201, &json!({"id": "ds_1", "n_rows": 2}))],
    )]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my data&more.csv");
    std::fs::write(&path, "a,y\n1,2\n3,4\n").unwrap();
    assert_eq!(client(&fake).upload_csv(&path).unwrap().id, "ds_1");
    let asked = fake.asked();
    assert_eq!(asked[0].line, "POST /v1/datasets?name=my%20data%26more.csv");
    assert_eq!(asked[0].body, "a,y\n1,2\n3,4\n");
    assert!(asked[0].head.contains("content-type: text/csv\r\n"));
    assert!(asked[0].head.contains("content-length: 12\r\n"));
}

#[test]
fn a_large_upload_is_refused_before_it_is_sent() {
    let fake = Fake::start([(
        "POST /v1/datasets",
        vec![Reply::problem(413, &json!({"title": "Too large", "code": "too_large"})).early()],
    )]);
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(1 << 36).unwrap();
    let error = client(&fake).upload_csv(file.path()).unwrap_err();
    assert_eq!(error.to_string(), "Too large (413 too_large)");
    assert_eq!(fake.asked()[0].body, "");
}

#[test]
fn a_problem_is_told_with_everything_in_it() {
    let problem = json!({
        "type": "about:blank", "title": "The spec is not valid", "status": 422,
        "detail": "2 problems were found.", "code": "invalid_spec", "request_id": "req_7",
        "errors": [
            {"pointer": "/target", "detail": "the dataset has no column \"spcies\"",
             "suggestion": "species"},
            {"pointer": "", "detail": "too\u{1b}[31m red", "suggestion": null},
        ],
    });
    let fake = Fake::start([("POST /v1/jobs", vec![Reply::problem(422, &problem)])]);
    let error = client(&fake).submit(&json!({})).unwrap_err();
    assert_eq!(
        error.to_string(),
        "The spec is not valid (422 invalid_spec)\n\
         2 problems were found.\n  \
           /target: the dataset has no column \"spcies\"\n    \
             suggestion: species\n  \
           the body: too [31m red\n\
         request id: req_7"
    );
    assert!(!error.may_pass());
}

#[test]
fn a_server_that_hangs_up_half_way_is_told_from_one_that_is_not_there() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
        stream.read_exact(&mut [0; 1000]).unwrap();
    });
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(1 << 36).unwrap();
    let error = Client::new(&url).unwrap().upload_csv(file.path()).unwrap_err();
    assert!(matches!(error, ClientError::HungUp { .. }), "{error:?}");
}

#[test]
fn what_was_said_once_is_not_said_again() {
    let of = |detail: &str| Problem {
        status: 422,
        title: Some("Bad data".to_owned()),
        detail: Some(detail.to_owned()),
        errors: vec![FieldProblem {
            pointer: "/file".to_owned(),
            detail: "the file is empty".to_owned(),
            suggestion: None,
        }],
        ..Problem::default()
    };
    let short = "Bad data (422)\n  /file: the file is empty";
    assert_eq!(of("/file: the file is empty").to_string(), short);
    assert_eq!(of("Bad data").to_string(), short);
    assert!(of("1 problem").to_string().contains("\n1 problem\n"));
}

#[test]
fn nobody_there_and_nonsense_are_told_apart() {
    let nowhere = Client::new(&Fake::nowhere()).unwrap();
    let error = nowhere.job("job_1", 0).unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
    assert!(error.may_pass());

    let replies = [
        Reply::raw("SSH-2.0-OpenSSH_9.6\r\n\r\n"),
        Reply::typed(200, "text/html", "<html>hello"),
        Reply::json(200, &json!({"status": "running"})),
        Reply::typed(404, "text/plain", "nothing here"),
        Reply::json(500, &json!({})),
        Reply::raw(
            "HTTP/1.1 302 Found\r\nlocation: http://example.invalid/\r\ncontent-length: 0\r\n\r\n",
        ),
    ];
    for reply in replies {
        let fake = Fake::start([("GET", vec![reply.clone()])]);
        let error = client(&fake).job("job_1", 0).unwrap_err();
        assert!(matches!(error, ClientError::Unexpected { .. }), "{reply:?} {error:?}");
        assert!(error.to_string().contains("is it a trainyard server?"), "{error}");
        assert_eq!(fake.asked().len(), 1, "{reply:?}");
    }
}

#[test]
fn a_connection_that_ends_early_is_a_server_out_of_reach() {
    let fake = Fake::start([]);
    let error = client(&fake).job("job_1", 0).unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
}

#[test]
fn an_address_is_checked_before_it_is_used() {
    for server in ["127.0.0.1:8080", "ftp://a", "http://a/?b=c", "", "http://", "a b"] {
        let error = Client::new(server).unwrap_err();
        assert!(matches!(error, ClientError::Address { .. }), "{server:?} {error:?}");
    }
    assert_eq!(Client::new("http://a:1/x/").unwrap().server(), "http://a:1/x");
}

#[test]
fn this_machine_has_no_proxy() {
    for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "[::1]"] {
        assert!(is_loopback(host), "{host}");
    }
    for host in ["example.com", "10.0.0.1", "localhost.example.com", "[::2]"] {
        assert!(!is_loopback(host), "{host}");
    }
}

#[test]
fn an_id_stays_one_segment() {
    assert_eq!(segment("job_01-a"), "job_01-a");
    assert_eq!(segment("../x?y"), "..%2Fx%3Fy");
}
