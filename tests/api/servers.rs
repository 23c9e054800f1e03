//! Servers that belong to one test, which may restart, kill and cut them off.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::rounds::there;

/// A script of `scripts/` that runs a server for a command, which here is to tell what the server's
/// variables are and to wait for the test's end.
struct Script {
    child: Child,
    variables: Vec<String>,
}

impl Script {
    fn start(name: &str, variables: &[&str]) -> Self {
        let print: String = variables.iter().map(|name| format!("echo \"${name}\"; ")).collect();
        let mut child = Command::new(format!("{}/scripts/{name}", env!("CARGO_MANIFEST_DIR")))
            .args(["sh", "-c", &format!("{print} exec cat")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let variables: Vec<String> = lines.take(variables.len()).map(Result::unwrap).collect();
        assert!(variables.iter().all(|value| !value.is_empty()), "scripts/{name} did not start");
        Self { child, variables }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// A PostgreSQL.
pub struct Postgres(Script);

impl Postgres {
    /// `None` where there is none to start.
    pub fn start() -> Option<Self> {
        // Where the tests have one there can be another.
        crate::yard::Database::Postgres.is_there().then(|| {
            let variables = ["TRAINYARD_TEST_POSTGRES_URL", "TRAINYARD_TEST_POSTGRES_CTL"];
            Self(Script::start("postgres", &variables))
        })
    }

    pub fn url(&self) -> &str {
        &self.0.variables[0]
    }

    /// Ends all of its processes where they stand, and starts it again.
    pub fn restart(&self) {
        self.control("restart");
    }

    /// Ends all of its processes where they stand; `restart` starts it again.
    pub fn stop(&self) {
        self.control("stop");
    }

    fn control(&self, what: &str) {
        let command = format!("{} -m immediate -w {what}", self.0.variables[1]);
        let done = Command::new("sh").args(["-c", &command]).stdout(Stdio::null()).status();
        assert!(done.unwrap().success(), "{command}");
    }
}

/// A store that speaks S3.
pub struct S3 {
    script: Script,
    again: Option<Child>,
}

const S3_VARIABLES: [&str; 6] = [
    "TRAINYARD_TEST_S3_URL",
    "TRAINYARD_TEST_S3_ENDPOINT",
    "TRAINYARD_TEST_S3_KEY",
    "TRAINYARD_TEST_S3_SECRET",
    "TRAINYARD_TEST_S3_START",
    "TRAINYARD_TEST_S3_PID",
];

/// Whether the tests have a store that speaks S3.
fn s3_is_there() -> bool {
    let set = std::env::var_os(S3_VARIABLES[0]).is_some();
    there("on S3: run the tests by scripts/s3, too", set)
}

/// Where the store is that all tests have, as the processes want to be told; `None` without one.
pub fn shared_s3() -> Option<(String, Vec<(&'static str, String)>)> {
    s3_is_there().then(|| told(|at| std::env::var(S3_VARIABLES[at]).unwrap()))
}

fn told(variable: impl Fn(usize) -> String) -> (String, Vec<(&'static str, String)>) {
    let url = format!("{}/{}", variable(0), trainyard::domain::clock::Clock::system().new_uuid());
    let variables = vec![
        ("AWS_ENDPOINT", variable(1)),
        ("AWS_ACCESS_KEY_ID", variable(2)),
        ("AWS_SECRET_ACCESS_KEY", variable(3)),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
        ("NO_PROXY", "127.0.0.1".to_owned()),
    ];
    (url, variables)
}

impl S3 {
    pub fn start() -> Option<Self> {
        let start = || Self { script: Script::start("s3", &S3_VARIABLES), again: None };
        s3_is_there().then(start)
    }

    /// A folder of its own, and what else its users must be told.
    pub fn told(&self) -> (String, Vec<(&'static str, String)>) {
        told(|at| self.script.variables[at].clone())
    }

    pub fn kill(&mut self) {
        match &mut self.again {
            None => {
                let kill = Command::new("kill").args(["-9", &self.script.variables[5]]).status();
                assert!(kill.unwrap().success());
            }
            Some(child) => {
                child.kill().unwrap();
                child.wait().unwrap();
            }
        }
    }

    /// Starts it again where it was, and waits until it answers.
    pub fn start_again(&mut self) {
        let mut command = Command::new(&self.script.variables[4]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        self.again = Some(child);
        let api = crate::support::Api::new(&self.script.variables[1]);
        let deadline = Instant::now() + Duration::from_secs(60);
        while api.call("GET", "/", &[], b"").is_none_or(|answer| answer.status >= 500) {
            assert!(Instant::now() < deadline, "the store does not start again");
            thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        if let Some(child) = &mut self.again {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A way to a server that can be cut.
#[derive(Clone)]
pub struct Way {
    pub address: SocketAddr,
    state: Arc<AtomicU8>,
    n_accepted: Arc<AtomicUsize>,
    /// The first of so many connections carry nothing more.
    n_lost: Arc<AtomicUsize>,
}

const OPEN: u8 = 0;
/// Nothing comes through, and nobody is told.
const SILENT: u8 = 1;
/// Connections are closed and none is accepted.
const CLOSED: u8 = 2;

impl Way {
    pub fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(AtomicU8::new(OPEN));
        let (n_accepted, n_lost) = (Arc::default(), Arc::default());
        let way = Self { address, state, n_accepted, n_lost };
        let Self { state: known, n_accepted, n_lost, .. } = way.clone();
        // It ends with the test's process.
        thread::spawn(move || {
            for near in listener.incoming() {
                let near = near.unwrap();
                if known.load(Ordering::SeqCst) == CLOSED {
                    continue;
                }
                let Ok(far) = TcpStream::connect(server) else { continue };
                let number = n_accepted.fetch_add(1, Ordering::SeqCst);
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let (state, n_lost) = (Arc::clone(&known), Arc::clone(&n_lost));
                    let is_lost = move || number < n_lost.load(Ordering::SeqCst);
                    thread::spawn(move || carry(from, to, &state, is_lost));
                }
            }
        });
        way
    }

    /// Lets nothing more through on the connections that there are, ever, and tells nobody: as when another
    /// machine has taken the server's place.
    pub fn lose(&self) {
        self.n_lost.store(self.n_accepted.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// Cuts it; with or without a word to those who talk.
    pub fn cut(&self, silently: bool) {
        self.state.store(if silently { SILENT } else { CLOSED }, Ordering::SeqCst);
    }

    pub fn mend(&self) {
        self.state.store(OPEN, Ordering::SeqCst);
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, state: &AtomicU8, is_lost: impl Fn() -> bool) {
    from.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => 0,
            Err(_) => break,
        };
        while is_lost() {
            thread::sleep(Duration::from_millis(50));
        }
        // What was sent arrives when the way is mended, as a network's retransmission does it.
        while state.load(Ordering::SeqCst) == SILENT {
            thread::sleep(Duration::from_millis(5));
        }
        if state.load(Ordering::SeqCst) == CLOSED || to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
