//! Delimited text to a [`Table`], in one pass over its bytes.
//!
//! [`read`] guesses how the file is written from its beginning (`sniff`), divides it at line ends
//! into parts that a few threads read into typed parts of columns (`chunk`), puts those together
//! (`gather`) and says what each column is (`merge`). What comes out, an error included, does not depend on how many threads
//! there are. The memory it takes is the file's and the table's: texts are kept as places in the
//! file until the table needs them. Nothing is guessed silently: what was found is in
//! [`CsvTable::options`], and what could be wrong about it in [`CsvTable::notes`].
//!
//! A column is, of what all of its values allow, the first of: nothing but missing values
//! (numeric); booleans (`true` and `false` in any case); numbers; moments; words. Whole
//! numbers with leading zeros or with more digits than an `f64` holds stay words, and with them their
//! column, unless one in it has a fraction. Words are
//! [`Text`](trainyard_learn::table::ColumnType::Text) where more than half of the values are there once and they have 24 bytes or
//! more on average, and [`Categorical`](trainyard_learn::table::ColumnType::Categorical) otherwise.
//!
//! It is not a reader of fixed-width columns, of several tables in one file, or of delimiters of
//! more than one character.

mod chunk;
mod dates;
mod encoding;
mod gather;
mod header;
mod merge;
mod missing;
mod number;
mod options;
mod parallel;
mod part;
mod plan;
mod problems;
mod sample;
mod scan;
mod sniff;
mod time;
mod words;

use std::io;

use trainyard_learn::problem::Problem;
use trainyard_learn::table::{Column, Table};

pub use dates::parse_moment;
pub use encoding::Encoding;
pub use missing::is_missing;
pub use options::{CsvLimits, CsvOptions};
pub use problems::CsvNote;

use chunk::Done;
use encoding::{Decoded, Text, Undecodable};
use header::short;
use merge::{Context, Merged, Pieces};
use part::{Ending, Fault, Place, Wrong};
use plan::Layout;
use problems::{Problems, invalid};

use crate::error::contained;
use crate::room::Room;

/// A table with how it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct CsvTable {
    /// What is in the file.
    pub table: Table,
    /// Every option as it was given or found; given again, it makes the same table.
    pub options: CsvOptions,
    /// What was decided for the user, or found, that they should know of.
    pub notes: Vec<CsvNote>,
}

/// Why a file is no table.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// The reader failed, which says nothing of the content.
    #[error("reading the file failed: {0}")]
    Io(#[from] io::Error),
    /// The content is no table; every problem found is here.
    #[error("the file is no table")]
    Invalid(Vec<Problem>),
}

impl From<Problem> for CsvError {
    fn from(problem: Problem) -> Self {
        Self::Invalid(vec![problem])
    }
}

/// A part of the file that one thread reads at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// Reads a file with up to so many threads.
///
/// # Errors
/// [`CsvError::Invalid`] for content that is no table (no rows, ragged rows, bytes that are not of
/// the encoding, numbers that are not finite, names twice or too long, values not of a demanded
/// type, more than the limits allow) and for options that contradict themselves: all of it at once,
/// but for a quote that is never closed and a row that is too long, which hide what comes after.
pub fn read(
    bytes: &[u8],
    options: &CsvOptions,
    limits: &CsvLimits,
    n_threads: usize,
) -> Result<CsvTable, CsvError> {
    read_in_room(bytes, options, limits, n_threads, &Room::memory(), &|_, _| {})
}

/// The same with room for numbers beyond memory. `done` hears of each stretch of the bytes that is
/// not needed soon any more.
pub(crate) fn read_in_room(
    bytes: &[u8],
    options: &CsvOptions,
    limits: &CsvLimits,
    n_threads: usize,
    room: &Room,
    done: &Done<'_>,
) -> Result<CsvTable, CsvError> {
    // What is wrong in here is a defect of ours, and still no reason to answer with one.
    contained("CSV", || {
        read_in_chunks(bytes, options, limits, n_threads, (room, done), CHUNK_BYTES)
    })
}

fn read_in_chunks(
    bytes: &[u8],
    options: &CsvOptions,
    limits: &CsvLimits,
    n_threads: usize,
    (room, done): (&Room, &Done<'_>),
    chunk_bytes: usize,
) -> Result<CsvTable, CsvError> {
    let given = options.check().map_err(CsvError::Invalid)?;
    let decoded = decode(bytes, options, room, done)?;
    let mut problems = Problems::default();
    let layout = Layout::find(&decoded, options, &given, limits, &mut problems)?;
    problems.delimiter = layout.dialect.delimiter;
    let max_rows = limits.max_rows.min(limits.max_cells / layout.names.len().max(1));
    let room = room.for_table(max_rows, limits.max_cells);
    let done = |start: usize, n_bytes: usize| match &decoded.text {
        Text::AsItLies(_) => done(decoded.offset + start, n_bytes),
        Text::Decoded(bytes) => bytes.let_go(start, n_bytes),
    };
    let plan = layout.plan(&given, limits, &room, &done);
    let mut gathered =
        gather::read(&plan, layout.body, layout.n_lines, layout.quotes, n_threads, chunk_bytes);
    let mut faults = std::mem::take(&mut gathered.faults);
    faults.found.sort_by_key(|fault| (fault.place.row, fault.column));
    for fault in &faults.found {
        problems.add(describe(fault, &layout, &decoded));
    }
    problems.add_uncounted(faults.n_more);
    match gathered.ending {
        Ending::Complete => {}
        Ending::Open(place) => return Err(problems.ended_by(plan::never_closed(place.line))),
        Ending::TooLong(place) => return Err(problems.ended_by(plan::too_long(place.line))),
        Ending::TooMany => {
            let detail = format!(
                "more than {} rows or {} cells, which is the limit",
                limits.max_rows, limits.max_cells
            );
            return Err(invalid(detail, "upload a sample of the rows"));
        }
    }
    if gathered.n_rows == 0 {
        problems.push("the file has a header and no rows".to_owned());
    }

    let columns = std::mem::take(&mut gathered.columns);
    let short = |column: usize| -> Vec<usize> {
        let lacks =
            |fault: &&Fault| matches!(fault.what, Wrong::Ragged { n_fields } if n_fields <= column);
        faults.found.iter().filter(lacks).map(|fault| fault.place.row - 1).collect()
    };
    let pieces = plan.columns.iter().zip(columns).enumerate();
    let pieces = pieces.map(|(column, (planned, part))| Pieces {
        name: &planned.name,
        demanded: planned.demanded,
        part,
        short: short(column),
    });
    let context =
        Context { numbers: plan.numbers, options, line_of: &|row| gathered.line_of(row, &plan) };
    let merged = parallel::map(n_threads, pieces.collect(), |pieces| pieces.merge(&context));
    let mut notes = layout.notes.clone();
    let mut columns = Vec::with_capacity(plan.columns.len());
    let mut days_first = options.day_first_columns.clone().unwrap_or_default();
    for (planned, merged) in plan.columns.iter().zip(merged) {
        let Merged { values, day_first, notes: more, problems: wrong } = merged;
        let day_first = day_first.filter(|_| options.day_first.is_none());
        days_first.extend(day_first.map(|is| (planned.name.clone(), is)));
        wrong.into_iter().for_each(|problem| problems.add(problem));
        notes.extend(more);
        columns.extend(values.map(|values| Column { name: planned.name.clone(), values }));
    }
    problems.finish()?;
    room.check()?;
    let mut used = options.resolved(
        &layout.dialect,
        layout.numbers,
        decoded.encoding,
        layout.header,
        layout.skip_rows,
    );
    used.day_first_columns = Some(days_first).filter(|columns| !columns.is_empty());
    Ok(CsvTable { table: Table::new(columns), options: used, notes })
}

/// The names of a file's columns, from its beginning.
///
/// # Errors
/// [`CsvError::Invalid`] where [`read`] would not get beyond the beginning either.
pub fn column_names(
    bytes: &[u8],
    options: &CsvOptions,
    limits: &CsvLimits,
) -> Result<Vec<String>, CsvError> {
    contained("CSV", || {
        let given = options.check().map_err(CsvError::Invalid)?;
        let decoded = decode(bytes, options, &Room::memory(), &|_, _| {})?;
        let layout = Layout::find(&decoded, options, &given, limits, &mut Problems::default())?;
        Ok(layout.into_names())
    })
}

fn decode<'a>(
    bytes: &'a [u8],
    options: &CsvOptions,
    room: &Room,
    done: &Done<'_>,
) -> Result<Decoded<'a>, CsvError> {
    encoding::decode(bytes, options.encoding, room, done).map_err(|error| {
        let (encoding, offset, line) = match error {
            Undecodable::Io(error) => return CsvError::Io(error),
            Undecodable::NotOf { encoding, offset, line } => (encoding, offset, line),
        };
        let detail =
            format!("line {line}: bytes that are not {encoding}, at byte {offset} of the file");
        invalid(detail, "name the encoding: options {\"encoding\": \"latin-1\"}")
    })
}

fn describe(fault: &Fault, layout: &Layout<'_>, decoded: &Decoded<'_>) -> Problem {
    let Place { row, line } = fault.place;
    let name = || short(&layout.names[fault.column]);
    let at = || format!("row {row} (line {line}), column {:?}", name());
    match &fault.what {
        Wrong::Ragged { n_fields } => Problem::new(
            "/file",
            format!(
                "row {row} (line {line}) has {}, where the {} has {}",
                problems::counted(*n_fields, "field"),
                if layout.header { "header" } else { "first row" },
                layout.names.len(),
            ),
        ),
        Wrong::Nul => Problem::new("/file", format!("{}: a NUL byte", at())),
        Wrong::NotUtf8 { offset } => Problem::new(
            "/file",
            format!(
                "{}: bytes that are not UTF-8, at byte {} of the file",
                at(),
                decoded.offset + offset
            ),
        )
        .suggest("name the encoding: options {\"encoding\": \"latin-1\"}"),
        Wrong::NotNumeric(text) => {
            Problem::new("/file", format!("{}: {text:?} is no number", at()))
                .suggest("name it in na_values if it stands for a missing value")
        }
    }
}

/// Reads a boolean in any case.
pub fn parse_boolean(text: &str) -> Option<bool> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
