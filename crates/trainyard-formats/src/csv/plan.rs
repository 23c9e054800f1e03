//! How a file is to be read: what the beginning says, and the options.

use std::sync::atomic::AtomicBool;

use trainyard_learn::problem::Problem;

use super::CsvError;
use super::chunk::{Done, Plan, PlannedColumn};
use super::encoding::{Decoded, Encoding};
use super::header::{header_names, looks_like_header, numbered_names, short};
use super::number::NumberFormat;
use super::options::{CsvLimits, CsvOptions, Given};
use super::problems::{CsvNote, Problems, invalid};
use super::sample::{Kind, Row, Sample, kind};
use super::scan::{Dialect, Scanner, Stop};
use super::{sniff, time};
use crate::room::Room;

/// Where the table is in a file, and how it is written.
pub(super) struct Layout<'a> {
    text: &'a [u8],
    pub(super) dialect: Dialect,
    pub(super) numbers: NumberFormat,
    pub(super) header: bool,
    /// Lines before the header that are no part of the table.
    pub(super) skip_rows: usize,
    pub(super) names: Vec<String>,
    columns: Vec<(Option<trainyard_learn::table::ColumnType>, bool)>,
    /// Where the first row below the header begins, and how many lines are before it.
    pub(super) body: usize,
    pub(super) n_lines: usize,
    row_bytes: usize,
    /// Whether there are quotes at the beginning.
    pub(super) quotes: bool,
    pub(super) notes: Vec<CsvNote>,
}

impl<'a> Layout<'a> {
    pub(super) fn find(
        decoded: &'a Decoded<'_>,
        options: &CsvOptions,
        given: &Given,
        limits: &CsvLimits,
        problems: &mut Problems,
    ) -> Result<Self, CsvError> {
        let text: &'a [u8] = &decoded.text;
        let mut notes = Vec::new();
        if decoded.uncertain {
            notes.push(guessed(decoded.encoding));
        }
        let sample = Sample::of(text, limits);
        let mut skip_rows = options.skip_rows.unwrap_or(0);
        let from = after_lines(text, skip_rows);
        let dialect = sniff::dialect(&sample, from, given, options.trim, limits);
        let mut rows = sample.rows(&dialect, from, limits);
        if options.skip_rows.is_none() && options.header != Some(false) {
            let title = sniff::preamble(&rows, &given.missing);
            if title > 0 {
                skip_rows = rows[title].line;
                rows.drain(..title);
                let detail = format!("the first {skip_rows} lines are no part of the table");
                notes.push(CsvNote::new("skipped_rows", detail));
            }
        }
        let skipped = if options.skip_rows.is_some() { skip_rows } else { 0 };
        let Some(first) = rows.first() else {
            return Err(invalid("the file is empty", "upload a header and at least one row"));
        };
        let scanner =
            Scanner { bytes: text, dialect: &dialect, max_row_bytes: limits.max_row_bytes };
        check_first(first, &scanner, skipped, limits)?;

        let (numbers, ambiguous) = sniff::numbers(&rows, dialect.delimiter, given);
        if ambiguous {
            notes.push(CsvNote::new("ambiguous_numbers", number_note(numbers)));
        }
        let header =
            options.header.unwrap_or_else(|| looks_like_header(&rows, &given.missing, numbers));
        let (mut names, unnamed) = if header {
            header_names(&first.cells, problems)
        } else {
            (numbered_names(first.cells.len()), Vec::new())
        };
        let unnamed_note = "the header names none here, so it is called that";
        notes.extend(
            unnamed.iter().map(|name| CsvNote::about("unnamed_column", name, unnamed_note)),
        );
        let body = &rows[usize::from(header)..];
        if header && let Some(note) = row_names(&mut names, body) {
            notes.push(note);
        }
        if let ([name], None) = (names.as_slice(), given.delimiter) {
            notes.extend(one_column(name));
        }
        let columns = columns(&names, body, options, given, numbers, problems);
        let (position, n_lines) = if header {
            let within = first.cells.iter().flat_map(|c| &c.text).filter(|b| **b == b'\n').count();
            (first.end, first.line + 1 + within)
        } else {
            (first.start, first.line)
        };
        let sampled = rows.last().map_or(0, |last| last.end - first.start);
        let row_bytes = sampled / rows.len();
        let quotes = dialect.quote.is_some_and(|quote| sample.bytes.contains(&quote));
        Ok(Self {
            text,
            dialect,
            numbers,
            header,
            skip_rows,
            names,
            columns,
            body: position,
            n_lines: skipped + n_lines,
            row_bytes,
            quotes,
            notes,
        })
    }

    pub(super) fn into_names(self) -> Vec<String> {
        self.names
    }

    pub(super) fn plan<'p>(
        &'p self,
        given: &Given,
        limits: &CsvLimits,
        room: &'p Room,
        done: &'p Done<'p>,
    ) -> Plan<'p> {
        let planned = |(name, (demanded, words)): (&String, &(_, bool))| PlannedColumn {
            name: name.clone(),
            demanded: *demanded,
            words: AtomicBool::new(*words),
        };
        Plan {
            scanner: Scanner {
                bytes: self.text,
                dialect: &self.dialect,
                max_row_bytes: limits.max_row_bytes,
            },
            numbers: self.numbers,
            missing: given.missing.clone(),
            columns: self.names.iter().zip(&self.columns).map(planned).collect(),
            row_bytes: self.row_bytes,
            room,
            done,
            max_rows: limits.max_rows.min(limits.max_cells / self.names.len().max(1)),
        }
    }
}

/// What is wrong with the first row so that no other need be looked at.
fn check_first(
    first: &Row,
    scanner: &Scanner<'_>,
    skipped: usize,
    limits: &CsvLimits,
) -> Result<(), CsvError> {
    let line = skipped + first.line + 1;
    let mut n_columns = first.cells.len();
    let (mut stop, mut position) = (first.last, first.end);
    while stop == Stop::Delimiter {
        let field = scanner.field(first.start, position);
        (stop, position) = (field.stop, field.next);
        n_columns += 1;
    }
    if n_columns > limits.max_columns {
        let detail = format!("{n_columns} columns, more than the limit of {}", limits.max_columns);
        return Err(invalid(detail, "leave out columns that the model does not need"));
    }
    match stop {
        Stop::Open => Err(CsvError::Invalid(vec![never_closed(line)])),
        Stop::TooLong => Err(CsvError::Invalid(vec![too_long(line)])),
        _ if position - first.start > limits.max_row_bytes => {
            Err(CsvError::Invalid(vec![too_long(line)]))
        }
        _ => Ok(()),
    }
}

pub(super) fn never_closed(line: usize) -> Problem {
    let detail = format!("a quote that opens in the row at line {line} is never closed");
    Problem::new("/file", detail)
        .suggest("close it, or write a quote that belongs to the text as \"\" in a quoted field")
}

pub(super) fn too_long(line: usize) -> Problem {
    let detail = format!("the row that starts at line {line} is longer than the limit of a row");
    Problem::new("/file", detail).suggest("close the quote that opens in it, or shorten its fields")
}

/// Where the line begins that has so many before it.
fn after_lines(text: &[u8], n_lines: usize) -> usize {
    if n_lines == 0 {
        return 0;
    }
    memchr::memchr_iter(b'\n', text).nth(n_lines - 1).map_or(text.len(), |end| end + 1)
}

fn guessed(encoding: Encoding) -> CsvNote {
    let name = match encoding {
        Encoding::Utf8 => "UTF-8",
        Encoding::Utf16Le | Encoding::Utf16Be => "UTF-16",
        Encoding::Latin1 => "Latin-1",
    };
    let detail = format!("the bytes were read as {name}, which nothing but their look suggests");
    CsvNote::new("encoding_guessed", detail)
}

fn number_note(numbers: NumberFormat) -> String {
    let read = if numbers.decimal == ',' { "1.234" } else { "1234" };
    format!(
        "numbers like \"1,234\" were read as {read}; if that is wrong, say so with decimal and \
         thousands in options"
    )
}

/// A header that is one short leaves out the column of row names, or what a delimiter at the end of
/// every row makes.
fn row_names(names: &mut Vec<String>, body: &[Row]) -> Option<CsvNote> {
    let wanted = names.len() + 1;
    if names.len() < 2 || body.is_empty() || body.iter().any(|row| row.cells.len() != wanted) {
        return None;
    }
    let last_is_empty = |row: &Row| row.cells.last().is_some_and(|cell| cell.text.is_empty());
    let at_end = body.iter().all(last_is_empty);
    let index = if at_end { names.len() } else { 0 };
    let name = format!("unnamed_{index}");
    if names.contains(&name) {
        return None;
    }
    names.insert(index, name.clone());
    let detail = if at_end {
        "every row ends with a delimiter and the header does not, so there is a column of nothing"
    } else {
        "the header is one shorter than the rows, so the first column has no name in it"
    };
    Some(CsvNote::about("unnamed_column", &name, detail))
}

/// A file of one column whose header has a delimiter in it was most likely split wrongly.
fn one_column(name: &str) -> Option<CsvNote> {
    let other = [';', '\t', '|', ','].into_iter().find(|delimiter| name.contains(*delimiter))?;
    let detail = format!(
        "the file was read as one column, and its header holds {other:?}; if that stands between \
         the columns, upload it with options {{\"delimiter\": {:?}}}",
        other.to_string()
    );
    Some(CsvNote::new("one_column", detail))
}

/// The demanded type of each column, and whether the sample says that it is words.
fn columns(
    names: &[String],
    body: &[Row],
    options: &CsvOptions,
    given: &Given,
    numbers: NumberFormat,
    problems: &mut Problems,
) -> Vec<(Option<trainyard_learn::table::ColumnType>, bool)> {
    let typed = options.types.iter().flatten().map(|(name, _)| ("types", name));
    let dates = options.day_first_columns.iter().flatten();
    for (option, name) in typed.chain(dates.map(|(name, _)| ("day_first_columns", name))) {
        if !names.contains(name) {
            let name_in_pointer = name.replace('~', "~0").replace('/', "~1");
            let pointer = format!("/options/{option}/{name_in_pointer}");
            let detail = format!("no column is named {:?}", short(name));
            problems.add(Problem::new(pointer, detail));
        }
    }
    let is_word = |text: &[u8]| match kind(text, &given.missing, &[numbers]) {
        Kind::Missing => false,
        Kind::Number => numbers.is_identifier(text),
        Kind::Date => time::iso(text).is_none(),
        // Infinity is a number, though not one that anything can be done with.
        _ => numbers.parse(text).is_none(),
    };
    let words = |column: usize| {
        let mut cells = body.iter().filter_map(|row| row.cells.get(column));
        cells.any(|cell| is_word(&cell.text))
    };
    let demanded = |name: &String| options.types.as_ref()?.get(name).copied();
    names.iter().enumerate().map(|(column, name)| (demanded(name), words(column))).collect()
}
