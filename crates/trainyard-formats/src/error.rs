//! Why a file is no table, how large one may be, and what keeps a decoder's defects to itself.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use trainyard_learn::problem::Problem;

use crate::csv::{CsvError, CsvLimits};
use crate::room::Room;

/// At most this many problems are described; the rest are counted.
const MAX_PROBLEMS: usize = 20;

/// Of a name in a message, at most this many characters are shown.
const MAX_SHOWN_CHARACTERS: usize = 40;

/// Why a file is no table.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The reader failed, which says nothing of the content.
    #[error("reading the file failed: {0}")]
    Io(io::Error),
    /// The content is no table; every problem found is here.
    #[error("the file is no table")]
    Invalid(Vec<Problem>),
}

/// A reader in this crate hides here what the content did wrong, so that it comes through code that
/// knows only [`io::Error`] and is told apart from a reader that fails.
#[derive(Debug, thiserror::Error)]
#[error("{0:?}")]
struct Content(Problem);

impl From<io::Error> for FormatError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                invalid("the file ends before its content does", "upload it again, whole")
            }
            _ => match error.downcast::<Content>() {
                Ok(Content(problem)) => Self::Invalid(vec![problem]),
                Err(error) => Self::Io(error),
            },
        }
    }
}

impl From<Problem> for FormatError {
    fn from(problem: Problem) -> Self {
        Self::Invalid(vec![problem])
    }
}

impl From<CsvError> for FormatError {
    fn from(error: CsvError) -> Self {
        match error {
            CsvError::Io(error) => error.into(),
            CsvError::Invalid(problems) => Self::Invalid(problems),
        }
    }
}

/// How large a file and its table may be before it is refused. Every limit is looked at before the
/// memory is taken that it stands for.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Rows.
    pub max_rows: usize,
    /// Columns.
    pub max_columns: usize,
    /// Rows × columns; of a tensor, each of its numbers is one.
    pub max_cells: usize,
    /// Bytes of one row, where rows are written one after the other as text.
    pub max_row_bytes: usize,
    /// Bytes that compressed content may become.
    pub max_decompressed_bytes: u64,
    /// How many times as large compressed content may become, once it is beyond
    /// [`RATIO_FREE_BYTES`](crate::compression::RATIO_FREE_BYTES).
    pub max_ratio: u64,
    /// Threads that may read one file.
    pub n_threads: usize,
    /// Where numbers go that are too many for memory.
    pub room: Room,
}

impl Default for Limits {
    fn default() -> Self {
        let csv = CsvLimits::default();
        Self {
            max_rows: csv.max_rows,
            max_columns: csv.max_columns,
            max_cells: csv.max_cells,
            max_row_bytes: csv.max_row_bytes,
            max_decompressed_bytes: 8 << 30,
            max_ratio: 200,
            n_threads: std::thread::available_parallelism().map_or(1, usize::from),
            room: Room::memory(),
        }
    }
}

impl Limits {
    /// The part that the CSV reader keeps.
    pub fn csv(&self) -> CsvLimits {
        CsvLimits {
            max_rows: self.max_rows,
            max_columns: self.max_columns,
            max_cells: self.max_cells,
            max_row_bytes: self.max_row_bytes,
        }
    }

    /// Room for a table of so many rows.
    pub(crate) fn room(&self, max_rows: usize) -> Room {
        self.room.for_table(max_rows, self.max_cells)
    }

    /// Whether a table of that size may be.
    pub(crate) fn check(&self, n_rows: usize, n_columns: usize) -> Result<(), FormatError> {
        self.check_columns(n_columns)?;
        if n_rows > self.max_rows || n_rows.saturating_mul(n_columns) > self.max_cells {
            return Err(invalid(
                format!(
                    "more than {} rows or {} cells, which is the limit",
                    self.max_rows, self.max_cells
                ),
                "upload a sample of the rows",
            ));
        }
        Ok(())
    }

    /// Whether so many columns may be.
    pub(crate) fn check_columns(&self, n_columns: usize) -> Result<(), FormatError> {
        if n_columns > self.max_columns {
            return Err(invalid(
                format!("{n_columns} columns, more than the limit of {}", self.max_columns),
                "leave out columns that the model does not need",
            ));
        }
        Ok(())
    }
}

/// Problems as they are found, the first of them in full.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    found: Vec<Problem>,
    n_more: usize,
}

impl Problems {
    pub(crate) fn push(&mut self, detail: impl Into<String>, suggestion: &str) {
        if self.found.len() < MAX_PROBLEMS {
            self.found.push(problem(detail, suggestion));
        } else {
            self.n_more += 1;
        }
    }

    pub(crate) fn finish(mut self) -> Result<(), FormatError> {
        if self.found.is_empty() {
            return Ok(());
        }
        if self.n_more > 0 {
            self.found.push(Problem::new("/file", format!("and {} more like these", self.n_more)));
        }
        Err(FormatError::Invalid(self.found))
    }
}

fn problem(detail: impl Into<String>, suggestion: &str) -> Problem {
    let problem = Problem::new("/file", detail);
    if suggestion.is_empty() { problem } else { problem.suggest(suggestion) }
}

/// What is wrong with the file, and the way out if there is one.
pub(crate) fn invalid(detail: impl Into<String>, suggestion: &str) -> FormatError {
    FormatError::Invalid(vec![problem(detail, suggestion)])
}

/// The same, for a reader to return.
pub(crate) fn invalid_io(detail: impl Into<String>, suggestion: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, Content(problem(detail, suggestion)))
}

/// A name as a message shows it: whole, or its beginning and an ellipsis.
pub(crate) fn short(name: &str) -> String {
    match name.char_indices().nth(MAX_SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

/// Runs a decoder; a panic of its is an error about the file. Nothing of what it
/// held is used afterwards, so that a half-done state harms nobody. The panic is still reported by
/// the process's hook, as a defect should be.
pub(crate) fn contained<T, E: From<Problem>>(
    what: &str,
    decode: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|_| {
        let detail = format!("the content is not what {what} promises: its decoder gave up");
        let way_out = "write the file anew with another library, or in another format";
        Err(E::from(problem(detail, way_out)))
    })
}
