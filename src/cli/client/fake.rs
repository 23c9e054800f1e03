//! A server for tests that answers what it was told to, and remembers what it was asked.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

/// One answer: all the bytes of it.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    bytes: Vec<u8>,
    early: bool,
}

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Method and target, as in `GET /v1/jobs/job_1?wait=1`.
    pub(crate) line: String,
    /// All the lines of the head, in lower case.
    pub(crate) head: String,
    /// The body.
    pub(crate) body: String,
}

/// The server. It lives as long as the test's process.
#[derive(Debug)]
pub(crate) struct Fake {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

type Routes = Vec<(&'static str, VecDeque<Reply>)>;

impl Reply {
    /// JSON with a status.
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::typed(status, "application/json", &body.to_string())
    }

    /// A problem document.
    pub(crate) fn problem(status: u16, body: &Value) -> Self {
        Self::typed(status, "application/problem+json", &body.to_string())
    }

    /// A job in some state, with some more fields.
    pub(crate) fn job(status: &str, more: &Value) -> Self {
        let mut job = json!({"id": "job_1", "status": status});
        for (key, value) in more.as_object().unwrap() {
            job[key] = value.clone();
        }
        Self::json(200, &job)
    }

    /// Any body of any type.
    pub(crate) fn typed(status: u16, content_type: &str, body: &str) -> Self {
        let length = body.len();
        Self::raw(&format!(
            "HTTP/1.1 {status} Whatever\r\ncontent-type: {content_type}\r\n\
             content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        ))
    }

    /// Any bytes at all.
    pub(crate) fn raw(bytes: &str) -> Self {
        Self { bytes: bytes.as_bytes().to_vec(), early: false }
    }

    /// The same, given before the request's body was asked for.
    pub(crate) fn early(self) -> Self {
        Self { early: true, ..self }
    }
}

impl Fake {
    /// Answers each route (the beginning of `METHOD /path`) with its replies in turn; the last one
    /// is repeated. A request that no route has is answered by closing the connection.
    pub(crate) fn start<const N: usize>(routes: [(&'static str, Vec<Reply>); N]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let log = Arc::clone(&asked);
        let mut routes: Routes = routes.map(|(route, replies)| (route, replies.into())).into();
        thread::spawn(move || {
            for stream in listener.incoming() {
                // A client that went away is what some tests are about.
                let _ = answer(&mut stream.unwrap(), &mut routes, &log);
            }
        });
        Self { url, asked }
    }

    /// An address where nothing listens.
    pub(crate) fn nowhere() -> String {
        // The port was free a moment ago; the listener is closed at the end of this statement.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        format!("http://{address}")
    }

    /// Everything that was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(
    stream: &mut TcpStream,
    routes: &mut Routes,
    log: &Mutex<Vec<Asked>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let line = head.lines().next().unwrap_or_default().replace(" HTTP/1.1", "");
    let head = head.to_lowercase();
    let reply =
        routes.iter_mut().find(|(route, _)| line.starts_with(route)).and_then(|(_, replies)| {
            match replies.len() {
                1 => replies.front().cloned(),
                _ => replies.pop_front(),
            }
        });
    let mut body = Vec::new();
    if !reply.as_ref().is_some_and(|reply| reply.early) {
        if head.contains("expect: 100-continue") {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        body.resize(length.map_or(0, |length| length.parse().unwrap()), 0);
        reader.read_exact(&mut body)?;
    }
    let body = String::from_utf8(body).unwrap();
    log.lock().unwrap().push(Asked { line, head, body });
    match reply {
        Some(reply) => stream.write_all(&reply.bytes),
        None => Ok(()),
    }
}
