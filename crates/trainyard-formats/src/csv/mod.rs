//! Delimited text to a [`Table`], in one pass over its bytes.
//!
//! [`read`] guesses how the file is written from its beginning ([`sniff`]), divides it at line ends
//! into parts that a few threads read into typed parts of columns ([`chunk`]), and puts those
//! together ([`merge`]). What comes out, an error included, does not depend on how many threads
//! there are. The memory it takes is the file's and the table's: texts are kept as places in the
//! file until the table needs them. Nothing is guessed silently: what was found is in
//! [`CsvTable::options`], and what could be wrong about it in [`CsvTable::notes`].
//!
//! A column is, of what all of its values allow, the first of: nothing but missing values
//! (numeric); booleans (`true` and `false` in any case); numbers; moments; words. Numbers with
//! leading zeros or with more digits than an `f64` holds stay words. Words are
//! [`Text`](trainyard_learn::table::ColumnType::Text) where more than half of the values are there once and they have 24 bytes or
//! more on average, and [`Categorical`](trainyard_learn::table::ColumnType::Categorical) otherwise.
//!
//! It is not a reader of fixed-width columns, of several tables in one file, or of delimiters of
//! more than one character.

mod chunk;
mod dates;
mod encoding;
mod header;
mod merge;
mod missing;
mod number;
mod options;
mod parallel;
mod plan;
mod problems;
mod scan;
mod schema;
mod sniff;
mod time;
mod words;

use std::io;

use trainyard_learn::problem::Problem;
use trainyard_learn::table::{Column, Table};

pub use encoding::Encoding;
pub use missing::is_missing;
pub use options::{CsvLimits, CsvOptions};
pub use problems::CsvNote;
pub use schema::{CsvSchema, infer, read_as};

use chunk::{Chunk, Ending, Fault, Part, Place, Plan, Wrong};
use header::short;
use merge::{Context, Merged, Pieces, needs_words};
use plan::Layout;
use problems::{Problems, invalid};

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
    read_in_chunks(bytes, options, limits, n_threads, CHUNK_BYTES)
}

fn read_in_chunks(
    bytes: &[u8],
    options: &CsvOptions,
    limits: &CsvLimits,
    n_threads: usize,
    chunk_bytes: usize,
) -> Result<CsvTable, CsvError> {
    let given = options.check().map_err(CsvError::Invalid)?;
    let decoded = encoding::decode(bytes, options.encoding).map_err(|error| {
        let detail = format!(
            "line {}: bytes that are not {}, at byte {} of the file",
            error.line, error.encoding, error.offset
        );
        invalid(detail, "name the encoding: options {\"encoding\": \"latin-1\"}")
    })?;
    let mut problems = Problems::default();
    let layout = Layout::find(&decoded, options, &given, limits, &mut problems)?;
    let plan = layout.plan(&given, limits);
    let mut chunks = read_chunks(&plan, &layout, n_threads, chunk_bytes);
    verify(&plan, &mut chunks, layout.body, limits)?;

    let bases = Bases::of(&chunks, &layout);
    for (index, chunk) in chunks.iter_mut().enumerate() {
        let mut faults = std::mem::take(&mut chunk.faults);
        faults.found.sort_by_key(|fault| (fault.place.row, fault.column));
        for fault in &faults.found {
            problems.add(describe(fault, bases.place(index, fault.place), &layout, &decoded));
        }
        problems.add_uncounted(faults.n_more);
    }
    if let Some((index, chunk)) = chunks.iter().enumerate().next_back()
        && let Some(problem) = unreadable_end(chunk.ending, |place| bases.place(index, place))
    {
        problems.add_last(problem);
        return Err(problems.into_error(plan.scanner.dialect.delimiter));
    }
    let n_rows = bases.n_rows;
    if n_rows == 0 {
        problems.push("the file has a header and no rows".to_owned());
    }

    let line_of = |row: usize| bases.line_of(row, &plan);
    let context = Context {
        numbers: plan.numbers,
        day_first: options.day_first,
        n_rows,
        place_in: &|index, place| bases.place(index, place),
        line_of: &line_of,
    };
    let mut notes = layout.notes.clone();
    let mut columns = Vec::with_capacity(plan.columns.len());
    let merged = merge_all(&plan, chunks, &context, n_threads);
    for (planned, Merged { values, notes: more, problems: wrong }) in
        plan.columns.iter().zip(merged)
    {
        wrong.into_iter().for_each(|problem| problems.add(problem));
        notes.extend(more);
        columns.extend(values.map(|values| Column { name: planned.name.clone(), values }));
    }
    problems.finish(plan.scanner.dialect.delimiter)?;
    Ok(CsvTable {
        table: Table::new(columns),
        options: options.resolved(
            &layout.dialect,
            layout.numbers,
            decoded.encoding,
            layout.header,
            layout.skip_rows,
        ),
        notes,
    })
}

/// Reads all parts at once, each from where its first row seems to begin.
fn read_chunks<'a>(
    plan: &Plan<'a>,
    layout: &Layout<'_>,
    n_threads: usize,
    chunk_bytes: usize,
) -> Vec<Chunk<'a>> {
    let end = plan.scanner.bytes.len();
    let starts: Vec<usize> = (layout.body..end).step_by(chunk_bytes.max(1)).collect();
    let ends = || starts.iter().skip(1).copied().chain([end]);
    // Without a quote at the beginning there is most likely none anywhere, and a wrong guess only
    // costs time.
    let odd = if layout.quotes && starts.len() > 1 {
        let before = |at: usize| at.saturating_sub(1).max(layout.body);
        let parts = starts.iter().copied().zip(ends()).collect();
        parallel::map(n_threads, parts, |(start, end)| {
            plan.scanner.has_odd_quotes(before(start), before(end))
        })
    } else {
        vec![false; starts.len()]
    };
    let mut inside = false;
    let mut parts = Vec::with_capacity(starts.len());
    for ((start, end), odd) in starts.iter().copied().zip(ends()).zip(odd) {
        parts.push((start, end, inside));
        inside ^= odd;
    }
    parallel::map(n_threads, parts, |(start, end, inside)| {
        let first = start == layout.body;
        let from = if first { start } else { plan.scanner.guess_row_start(start, inside) };
        plan.read(from, end, true)
    })
}

/// Reads again each part that did not begin where the one before it ends, so that the result is
/// what one thread would have read from the beginning. An error where there are too many rows.
fn verify<'a>(
    plan: &Plan<'a>,
    chunks: &mut Vec<Chunk<'a>>,
    body: usize,
    limits: &CsvLimits,
) -> Result<(), CsvError> {
    let mut position = body;
    let mut n_rows: usize = 0;
    let ends: Vec<usize> = chunks.iter().map(|chunk| chunk.bound).collect();
    for index in 0..chunks.len() {
        if chunks[index].start != position || chunks[index].ending == Ending::Stopped {
            chunks[index] = plan.read(position, ends[index], false);
        }
        let chunk = &chunks[index];
        position = chunk.end;
        n_rows += chunk.n_rows;
        if n_rows > plan.max_rows {
            let detail = format!(
                "more than {} rows or {} cells, which is the limit",
                limits.max_rows, limits.max_cells
            );
            return Err(invalid(detail, "upload a sample of the rows"));
        }
        if chunk.ending != Ending::Complete {
            chunks.truncate(index + 1);
            break;
        }
    }
    Ok(())
}

/// Puts the parts together, a column at a time.
fn merge_all<'a>(
    plan: &'a Plan<'a>,
    mut chunks: Vec<Chunk<'a>>,
    context: &Context<'_>,
    n_threads: usize,
) -> Vec<Merged> {
    let as_words: Vec<usize> = (0..plan.columns.len())
        .filter(|column| plan.columns[*column].demanded.is_none())
        .filter(|column| needs_words(chunks.iter().map(|chunk| &chunk.parts[*column])))
        .collect();
    if !as_words.is_empty() {
        chunks = parallel::map(n_threads, chunks, |mut chunk| {
            let again =
                |column: &usize| matches!(chunk.parts[*column], Part::Numbers(_) | Part::Times(_));
            let again: Vec<usize> = as_words.iter().copied().filter(again).collect();
            plan.read_words(&mut chunk, &again);
            chunk
        });
    }
    let mut columns: Vec<Pieces<'a>> = plan
        .columns
        .iter()
        .map(|planned| Pieces {
            name: &planned.name,
            demanded: planned.demanded,
            parts: Vec::with_capacity(chunks.len()),
        })
        .collect();
    for chunk in chunks {
        for (column, part) in columns.iter_mut().zip(chunk.parts) {
            column.parts.push(part);
        }
    }
    parallel::map(n_threads, columns, |pieces| pieces.merge(context))
}

/// Where the parts begin in the file, in rows and lines.
struct Bases {
    /// Rows and lines before each part, and where it begins and ends.
    of: Vec<(usize, usize, usize, usize)>,
    n_rows: usize,
}

impl Bases {
    fn of(chunks: &[Chunk<'_>], layout: &Layout<'_>) -> Self {
        let (mut n_rows, mut n_lines) = (0, layout.n_lines);
        let mut of = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            of.push((n_rows, n_lines, chunk.start, chunk.end));
            n_rows += chunk.n_rows;
            n_lines += chunk.n_lines;
        }
        Self { of, n_rows }
    }

    fn place(&self, index: usize, place: Place) -> Place {
        let (rows, lines, ..) = self.of[index];
        Place { row: rows + place.row, line: lines + place.line }
    }

    /// The line in which a row begins. Reads the part that it is in once more.
    fn line_of(&self, row: usize, plan: &Plan<'_>) -> usize {
        let index = self.of.partition_point(|(rows, ..)| *rows <= row).saturating_sub(1);
        let Some(&(rows, lines, start, end)) = self.of.get(index) else { return 0 };
        lines + plan.lines_before(start, end, row - rows) + 1
    }
}

fn unreadable_end(ending: Ending, place_of: impl Fn(Place) -> Place) -> Option<Problem> {
    Some(match ending {
        Ending::Complete | Ending::Stopped => return None,
        Ending::Open(place) => plan::never_closed(place_of(place).line),
        Ending::TooLong(place) => plan::too_long(place_of(place).line),
    })
}

fn describe(
    fault: &Fault,
    place: Place,
    layout: &Layout<'_>,
    decoded: &encoding::Decoded<'_>,
) -> Problem {
    let Place { row, line } = place;
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
