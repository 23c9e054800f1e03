//! A world to test in: a server of its own, and a client that shows every answer.

use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use trainyard::domain::clock::Clock;
use trainyard::domain::labels::Labels;
use trainyard::domain::limits::Limits;
use trainyard::server::{Role, Server, Settings};
use trainyard::webhooks::Receivers;

pub struct World {
    runtime: Runtime,
    server: Option<Server>,
    pub directory: TempDir,
    pub api: Api,
}

impl World {
    pub fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    pub fn with_limits(limits: Limits) -> Self {
        Self::build(limits, 2)
    }

    /// A server that trains on so many threads.
    pub fn with_threads(n_threads: usize) -> Self {
        Self::build(Limits::default(), n_threads)
    }

    fn build(limits: Limits, n_threads: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.unwrap();
        let settings = Settings {
            bind: SocketAddr::from(([127, 0, 0, 1], 0)),
            data_dir: directory.path().to_owned(),
            database_url: None,
            artifact_url: None,
            role: Role::All,
            lease: Duration::from_secs(30),
            checkpoint_every: Duration::from_secs(30),
            n_threads,
            labels: Labels::default(),
            memory_bytes: 8 << 30,
            retention: None,
            webhooks: Receivers::Any,
            behind_proxy: false,
            allowed_hosts: vec![],
            limits,
        };
        let server = runtime.block_on(Server::start(settings, Clock::system())).unwrap();
        let api = Api::new(&format!("http://{}", server.address()));
        Self { runtime, server: Some(server), directory, api }
    }

    /// Files below a folder of the data directory.
    pub fn n_files(&self, folder: &str) -> usize {
        n_files(&self.directory.path().join(folder))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.shutdown());
        }
    }
}

pub fn n_files(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    entries
        .map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() { n_files(&path) } else { 1 }
        })
        .sum()
}

pub struct Api {
    pub base: String,
    agent: ureq::Agent,
}

pub struct Answer {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub bytes: Vec<u8>,
}

impl Api {
    pub fn new(base: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .timeout_global(Some(Duration::from_secs(120)))
            .build();
        Self { base: base.to_owned(), agent: config.into() }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[])
    }

    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::of(request.call().unwrap())
    }

    pub fn delete(&self, path: &str) -> Answer {
        Answer::of(self.agent.delete(format!("{}{path}", self.base)).call().unwrap())
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    pub fn post_with(&self, path: &str, header: (&str, &str), body: &Value) -> Answer {
        let headers = [("content-type", "application/json"), header];
        self.send(path, &headers, body.to_string().as_bytes())
    }

    pub fn send(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut request = self.agent.post(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::of(request.send(body).unwrap())
    }

    /// The whole answer, or none where the server went away before its end.
    pub fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Option<Answer> {
        let mut request = ureq::http::Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.method(method).uri(format!("{}{path}", self.base));
        let answer = match body {
            [] => self.agent.run(request.body(()).unwrap()),
            _ => self.agent.run(request.body(body).unwrap()),
        };
        Answer::whole(answer.ok()?).ok()
    }

    pub fn upload(&self, csv: &str) -> Answer {
        self.send("/v1/datasets", &[("content-type", "text/csv")], csv.as_bytes())
    }

    /// Uploads a table and returns its id.
    pub fn dataset(&self, csv: &str) -> String {
        self.upload(csv).expect(201)["id"].as_str().unwrap().to_owned()
    }

    /// Makes a dataset and returns its id.
    pub fn generated(&self, generator: &Value) -> String {
        let answer = self.post("/v1/datasets/generate", &json!({"generator": generator}));
        answer.expect(201)["id"].as_str().unwrap().to_owned()
    }

    /// The dataset of the demo.
    pub fn demo_dataset(&self) -> String {
        self.generated(&json!({
            "type": "make_classification", "n_samples": 1000, "n_features": 10,
            "n_informative": 10, "n_redundant": 0, "random_state": 1
        }))
    }

    /// How long `/livez` takes, so many times, ascending.
    pub fn latencies(&self, n: usize) -> Vec<Duration> {
        let one = |_| {
            let start = Instant::now();
            self.get("/livez").expect(200);
            start.elapsed()
        };
        let mut times: Vec<Duration> = (0..n).map(one).collect();
        times.sort_unstable();
        times
    }

    /// Submits a job and waits for its end.
    pub fn run(&self, spec: &Value) -> Value {
        let id = self.submit(spec);
        self.finished(&id)
    }

    /// Submits a job and returns its id.
    pub fn submit(&self, spec: &Value) -> String {
        self.post("/v1/jobs", spec).expect(202)["id"].as_str().unwrap().to_owned()
    }

    /// The job once it has ended.
    pub fn finished(&self, id: &str) -> Value {
        self.until(id, |job| !job["finished_at"].is_null())
    }

    /// The job once it is as asked.
    pub fn until(&self, id: &str, mut is: impl FnMut(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_secs(150);
        loop {
            let job = self.get(&format!("/v1/jobs/{id}?wait=0.2")).expect(200);
            if is(&job) {
                return job;
            }
            assert!(Instant::now() < deadline, "waited too long: {job}");
        }
    }
}

impl Answer {
    fn of(response: ureq::http::Response<ureq::Body>) -> Self {
        Self::whole(response).unwrap()
    }

    fn whole(mut response: ureq::http::Response<ureq::Body>) -> std::io::Result<Self> {
        let mut bytes = Vec::new();
        response.body_mut().as_reader().read_to_end(&mut bytes)?;
        let headers = response.headers().clone();
        Ok(Self { status: response.status().as_u16(), headers, bytes })
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body as JSON, of an answer with this status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        serde_json::from_slice(&self.bytes).unwrap()
    }

    /// The problem of an answer with this status and code, checked to be whole.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        let problem = self.expect(status);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["type"], format!("/docs/errors#{code}"));
        assert!(problem["title"].is_string());
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        problem
    }

    /// The pointers and details of a problem's errors.
    #[track_caller]
    pub fn errors(&self, status: u16, code: &str) -> Vec<(String, String)> {
        let problem = self.problem(status, code);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let errors = problem["errors"].as_array().unwrap();
        errors.iter().map(|e| (text(&e["pointer"]), text(&e["detail"]))).collect()
    }
}
