//! What can go wrong between a client and a server, in words for the person at the terminal.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use ureq::http::StatusCode;

/// How much of an answer that is not understood is shown.
const EXCERPT_CHARS: usize = 200;

/// Why there is no answer, or none that helps.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The address of the server is none.
    #[error("{server:?} is not the address of a server: {reason}")]
    Address {
        /// The address as given.
        server: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of this machine cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// The file as named.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// There is no connection, or it broke.
    #[error("cannot reach the server at {server}: {reason}")]
    Unreachable {
        /// The server's address.
        server: String,
        /// What the system says.
        reason: String,
    },
    /// The server says why not.
    #[error(transparent)]
    Problem(Box<Problem>),
    /// The connection ended while a file was being sent.
    ///
    /// A server that refuses a file half-way says why and hangs up, and what it said is lost when
    /// more is sent to it.
    #[error(
        "the server at {server} hung up before it had all of {}: is that larger than it allows?",
        path.display()
    )]
    HungUp {
        /// The server's address.
        server: String,
        /// The file.
        path: PathBuf,
    },
    /// Whatever answers does not answer as trainyard does.
    #[error("unexpected answer to {call}: {detail}")]
    Unexpected {
        /// The method and path.
        call: String,
        /// What is wrong with the answer.
        detail: String,
    },
    /// The job has ended without a result.
    #[error("{id} {status}{}", because(detail))]
    Ended {
        /// The job.
        id: String,
        /// How it ended: `failed`, `cancelled` or what a newer server calls it.
        status: String,
        /// Why, as far as the server says.
        detail: Option<String>,
    },
    /// What was found out cannot be shown.
    #[error("cannot write the output: {0}")]
    Output(#[from] std::io::Error),
}

impl ClientError {
    /// Whether the same call may well succeed a little later.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Problem(problem) => matches!(problem.status, 429 | 502 | 503 | 504),
            _ => false,
        }
    }
}

/// An RFC 9457 problem, as the server sent it.
#[derive(Clone, Debug, Default, Deserialize, thiserror::Error)]
#[serde(default)]
pub struct Problem {
    /// The status of the answer itself, whatever the body says.
    #[serde(skip)]
    pub status: u16,
    /// The kind of problem, in a few words.
    pub title: Option<String>,
    /// What happened, in a sentence.
    pub detail: Option<String>,
    /// Stable and machine-readable.
    pub code: Option<String>,
    /// Each problem of the request's body.
    #[serde(deserialize_with = "super::answers::null_is_empty")]
    pub errors: Vec<FieldProblem>,
    /// What the server's log calls the request.
    pub request_id: Option<String>,
}

/// What is wrong with one part of a request's body.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct FieldProblem {
    /// Where, as a JSON pointer.
    pub pointer: String,
    /// What is wrong.
    pub detail: String,
    /// What would be right.
    pub suggestion: Option<String>,
}

impl Problem {
    /// Whether a detail says what nothing else in the problem says.
    fn adds(&self, detail: &str) -> bool {
        let repeats = |error: &FieldProblem| {
            detail
                .strip_prefix(&error.pointer)
                .is_some_and(|rest| rest.trim_start_matches(": ") == error.detail)
        };
        self.title.as_deref() != Some(detail) && !self.errors.iter().any(repeats)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = self.title.as_deref().unwrap_or("the request was refused");
        write!(f, "{} ({}", printable(title), self.status)?;
        if let Some(code) = &self.code {
            write!(f, " {}", printable(code))?;
        }
        f.write_str(")")?;
        if let Some(detail) = self.detail.as_deref().filter(|detail| self.adds(detail)) {
            write!(f, "\n{}", printable(detail))?;
        }
        for error in &self.errors {
            let at = match error.pointer.as_str() {
                "" => "the body",
                pointer => pointer,
            };
            write!(f, "\n  {}: {}", printable(at), printable(&error.detail))?;
            if let Some(suggestion) = &error.suggestion {
                write!(f, "\n    suggestion: {}", printable(suggestion))?;
            }
        }
        if let Some(request_id) = &self.request_id {
            write!(f, "\nrequest id: {}", printable(request_id))?;
        }
        Ok(())
    }
}

/// The error of an answer whose status is none of success.
pub(super) fn from_refusal(call: &str, status: StatusCode, body: &[u8]) -> ClientError {
    match serde_json::from_slice::<Problem>(body) {
        // An empty object would be read as well; a problem of ours has at least one of these.
        Ok(problem) if problem.title.is_some() || problem.detail.is_some() => {
            ClientError::Problem(Box::new(Problem { status: status.as_u16(), ..problem }))
        }
        _ => not_understood(call, status, body, "not a problem document"),
    }
}

/// The error of an answer that cannot be read as what it should be.
pub(super) fn not_understood(
    call: &str,
    status: StatusCode,
    body: &[u8],
    reason: &str,
) -> ClientError {
    let text = String::from_utf8_lossy(body);
    let excerpt: String = text.trim().chars().take(EXCERPT_CHARS).collect();
    let said = if excerpt.is_empty() { "nothing more".to_owned() } else { printable(&excerpt) };
    ClientError::Unexpected {
        call: call.to_owned(),
        detail: format!("{status}, {reason}: {said}\nis it a trainyard server?"),
    }
}

/// The error of a call that brought no answer.
pub(super) fn from_transport(server: &str, call: &str, error: ureq::Error) -> ClientError {
    match error {
        ureq::Error::Protocol(_)
        | ureq::Error::LargeResponseHeader(..)
        | ureq::Error::BodyExceedsLimit(_) => ClientError::Unexpected {
            call: call.to_owned(),
            detail: format!("{error}\nis it a trainyard server?"),
        },
        error => ClientError::Unreachable {
            server: server.to_owned(),
            reason: match error {
                ureq::Error::Io(error) => error.to_string(),
                ureq::Error::Timeout(_) => format!("no answer to {call} in time"),
                error => error.to_string(),
            },
        },
    }
}

fn because(detail: &Option<String>) -> String {
    detail.as_ref().map(|detail| format!(": {}", printable(detail))).unwrap_or_default()
}

/// Text from elsewhere without what would steer a terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}
