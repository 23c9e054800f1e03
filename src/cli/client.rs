//! A small blocking client of the HTTP API: one method a call, nothing kept between calls.
//!
//! It reads answers leniently (`answers`), because a client must accept a newer server, and it
//! knows nothing of the server's own types. It never retries and never follows a redirect: what to
//! do about an error ([`ClientError`]) is its caller's business.

mod answers;
mod error;
#[cfg(test)]
pub(super) mod fake;

use std::fs::File;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::{Response, Uri};
use ureq::typestate::{WithBody, WithoutBody};
use ureq::{Agent, Body, Proxy, RequestBuilder, SendBody};

pub use answers::{
    Curve, CurvePoint, Dataset, Fold, Job, JobResult, Prediction, Score, Tasks, Timings, Warning,
};
pub use error::{ClientError, FieldProblem, Problem};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For a whole call, beside what the call itself asks the server to wait.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// The server parses an upload and makes a generated dataset before it answers.
const DATASET_TIMEOUT: Duration = Duration::from_secs(600);
/// An upload as a whole takes as long as it takes; a write that long is a dead connection.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// The result of a job with 10,000 folds has a few megabytes.
const MAX_ANSWER_BYTES: u64 = 64 << 20;

/// A client of one server.
#[derive(Clone, Debug)]
pub struct Client {
    agent: Agent,
    server: String,
}

impl Client {
    /// A client of the server at an address like `http://127.0.0.1:8080`; does not connect yet.
    ///
    /// # Errors
    /// When it is not an address of a server.
    pub fn new(server: &str) -> Result<Self, ClientError> {
        let server = server.trim_end_matches('/');
        let host = checked_host(server)?;
        let proxy = if is_loopback(&host) { None } else { Proxy::try_from_env() };
        let config = Agent::config_builder()
            // An answer of any status has a body that says more than its status.
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(proxy)
            .user_agent(concat!("trainyard/", env!("CARGO_PKG_VERSION")))
            .accept("application/json, application/problem+json")
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(CALL_TIMEOUT))
            .build();
        Ok(Self { agent: config.new_agent(), server: server.to_owned() })
    }

    /// The server's address, without a slash at its end.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Uploads a CSV file as it is read, never the whole of it in memory.
    ///
    /// # Errors
    /// When the file cannot be read, or the server does not accept it.
    pub fn upload_csv(&self, path: &Path) -> Result<Dataset, ClientError> {
        let cannot_read = |source| ClientError::File { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(cannot_read)?;
        let metadata = file.metadata().map_err(cannot_read)?;
        if metadata.is_dir() {
            return Err(cannot_read(ErrorKind::IsADirectory.into()));
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let request = self
            .post("/v1/datasets")
            .query("name", name)
            .content_type("text/csv")
            // A server that will not have the file says so before all of it was sent.
            .header("expect", "100-continue")
            .config()
            .timeout_global(None)
            .timeout_per_write(Some(STALL_TIMEOUT))
            .timeout_recv_response(Some(DATASET_TIMEOUT))
            .timeout_recv_body(Some(CALL_TIMEOUT))
            .build();
        let sent = if metadata.is_file() {
            request.send(&file)
        } else {
            // A pipe has no length to announce.
            request.send(SendBody::from_reader(&mut file))
        };
        match sent {
            Err(ureq::Error::Io(error)) if is_hang_up(error.kind()) => {
                Err(ClientError::HungUp { server: self.server.clone(), path: path.to_owned() })
            }
            sent => self.read("POST /v1/datasets", sent),
        }
    }

    /// Makes a dataset by a generator.
    ///
    /// # Errors
    /// When the server does not accept it.
    pub fn generate(&self, request: &Value) -> Result<Dataset, ClientError> {
        let sent = self
            .post("/v1/datasets/generate")
            .config()
            .timeout_global(Some(DATASET_TIMEOUT))
            .build()
            .send_json(request);
        self.read("POST /v1/datasets/generate", sent)
    }

    /// Queues a job.
    ///
    /// # Errors
    /// When the server does not accept it.
    pub fn submit(&self, spec: &Value) -> Result<Job, ClientError> {
        self.read("POST /v1/jobs", self.post("/v1/jobs").send_json(spec))
    }

    /// A job, as soon as it has ended, or as it is after so many seconds.
    ///
    /// # Errors
    /// When there is no such job.
    pub fn job(&self, id: &str, wait_s: u32) -> Result<Job, ClientError> {
        let path = format!("/v1/jobs/{}", segment(id));
        let sent = self
            .get(&path)
            .query("wait", wait_s.to_string())
            .config()
            .timeout_global(Some(CALL_TIMEOUT + Duration::from_secs(wait_s.into())))
            .build()
            .call();
        self.read(&format!("GET {path}"), sent)
    }

    /// What a model says about rows.
    ///
    /// # Errors
    /// When there is no such model, or the rows do not fit it.
    pub fn predict(&self, model_id: &str, request: &Value) -> Result<Prediction, ClientError> {
        let path = format!("/v1/models/{}/predict", segment(model_id));
        self.read(&format!("POST {path}"), self.post(&path).send_json(request))
    }

    fn get(&self, path: &str) -> RequestBuilder<WithoutBody> {
        self.agent.get(format!("{}{path}", self.server))
    }

    fn post(&self, path: &str) -> RequestBuilder<WithBody> {
        self.agent.post(format!("{}{path}", self.server))
    }

    fn read<T: DeserializeOwned>(
        &self,
        call: &str,
        sent: Result<Response<Body>, ureq::Error>,
    ) -> Result<T, ClientError> {
        let failed = |error| error::from_transport(&self.server, call, error);
        let mut response = sent.map_err(failed)?;
        let status = response.status();
        let body = response
            .body_mut()
            .with_config()
            .limit(MAX_ANSWER_BYTES)
            .read_to_vec()
            .map_err(failed)?;
        if status.is_success() {
            serde_json::from_slice(&body)
                .map_err(|error| error::not_understood(call, status, &body, &error.to_string()))
        } else {
            Err(error::from_refusal(call, status, &body))
        }
    }
}

/// The host of a server's address, once the address is known to be one that paths can follow.
fn checked_host(server: &str) -> Result<String, ClientError> {
    let refuse = |reason: String| ClientError::Address { server: server.to_owned(), reason };
    let uri: Uri =
        server.parse().map_err(|error: ureq::http::uri::InvalidUri| refuse(error.to_string()))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(refuse(
            "it must begin with http:// or https://, as http://127.0.0.1:8080 does".to_owned(),
        ));
    }
    if uri.query().is_some() {
        return Err(refuse("it must not have a query".to_owned()));
    }
    match uri.host() {
        Some(host) if !host.is_empty() => Ok(host.to_owned()),
        _ => Err(refuse("it names no host".to_owned())),
    }
}

/// Whether a connection that was there has been ended by the other side.
fn is_hang_up(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted
    )
}

/// Whether a host is this machine, which no proxy can reach for us.
fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// An id as one segment of a path. Ids need no escapes; what is no id must not become a path.
fn segment(id: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    id.bytes()
        .map(|byte| match byte {
            byte if plain(&byte) => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests;
