//! What is wrong with a file, and what its reader should know of one that is not.

use serde::Serialize;
use trainyard_learn::problem::Problem;

use super::CsvError;

/// At most this many problems are described; the rest are counted.
const MAX_PROBLEMS: usize = 20;

/// Something that was decided for the user, or found, that they should know of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CsvNote {
    /// Stable and machine-readable.
    pub code: &'static str,
    /// The column it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// What it is, in a sentence.
    pub detail: String,
}

impl CsvNote {
    pub(super) fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, column: None, detail: detail.into() }
    }

    pub(super) fn about(code: &'static str, column: &str, detail: &str) -> Self {
        let shown = super::header::short(column);
        let detail = format!("column {shown:?}: {detail}");
        Self { code, column: Some(column.to_owned()), detail }
    }
}

pub(super) fn invalid(detail: impl Into<String>, suggestion: &str) -> CsvError {
    CsvError::Invalid(vec![Problem::new("/file", detail).suggest(suggestion)])
}

/// "1 field", "2 fields".
pub(super) fn counted(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// Problems of a file: the first of them in full.
#[derive(Default)]
pub(super) struct Problems {
    found: Vec<Problem>,
    n_more: usize,
    /// For the way out of ragged rows.
    pub(super) delimiter: u8,
}

impl Problems {
    pub(super) fn push(&mut self, detail: String) {
        self.add(Problem::new("/file", detail));
    }

    pub(super) fn add(&mut self, problem: Problem) {
        if self.found.len() < MAX_PROBLEMS {
            self.found.push(problem);
        } else {
            self.n_more += 1;
        }
    }

    pub(super) fn add_uncounted(&mut self, n: usize) {
        self.n_more += n;
    }

    /// An error that says all, and last what ended the reading.
    pub(super) fn ended_by(mut self, problem: Problem) -> CsvError {
        self.found.push(problem);
        self.into_error()
    }

    /// An error where there is one.
    pub(super) fn finish(self) -> Result<(), CsvError> {
        if self.found.is_empty() { Ok(()) } else { Err(self.into_error()) }
    }

    /// All of them, with a way out of ragged rows at the first of those.
    fn into_error(mut self) -> CsvError {
        let ragged = |problem: &&mut Problem| {
            problem.suggestion.is_none() && problem.detail.contains(" field")
        };
        if let Some(first) = self.found.iter_mut().find(ragged) {
            first.suggestion = Some(format!(
                "quote a field that holds {:?}, or name another delimiter in options",
                char::from(self.delimiter)
            ));
        }
        if self.n_more > 0 {
            self.found.push(Problem::new("/file", format!("and {} more like these", self.n_more)));
        }
        CsvError::Invalid(self.found)
    }
}
