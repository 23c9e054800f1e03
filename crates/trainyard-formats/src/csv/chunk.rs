//! A part of a file becomes parts of columns, in one pass.
//!
//! A column starts as what its first value is and stays that while it can. When a later value is
//! something else, the column is read once more, as words, which any value is; what a column of
//! words is in the end is decided when all of them are known, in [`super::merge`].

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

use trainyard_learn::table::{ColumnType, MISSING_TIME};

use super::missing::MissingValues;
use super::number::{self, NumberFormat};
use super::part::{Chunk, Ending, Fault, Faults, Numbers, Part, Place, Times, Wrong};
use super::scan::{Field, Form, Scanner, Stop};
use super::time;
use super::words::{BadText, Words};
use crate::room::Room;

/// How a file is to be read: the same for all of its parts.
pub(super) struct Plan<'a> {
    pub(super) scanner: Scanner<'a>,
    pub(super) numbers: NumberFormat,
    pub(super) missing: MissingValues,
    pub(super) columns: Vec<PlannedColumn>,
    /// About how many bytes a row has.
    pub(super) row_bytes: usize,
    /// Where its numbers go.
    pub(super) room: &'a Room,
    /// Told of each stretch of the text that is not needed soon any more.
    pub(super) done: &'a Done<'a>,
    /// More rows than this are refused, so that reading on is in vain.
    pub(super) max_rows: usize,
}

/// Hears where a stretch begins and how many bytes it has.
pub(super) type Done<'a> = dyn Fn(usize, usize) + Sync + 'a;

pub(super) struct PlannedColumn {
    pub(super) name: String,
    pub(super) demanded: Option<ColumnType>,
    /// Whether a value was seen that makes words of all. Only saves time: what the column is does
    /// not depend on it.
    pub(super) words: AtomicBool,
}

impl<'a> Plan<'a> {
    /// Whether numbers can be read before it is known where their field ends.
    fn reads_ahead(&self) -> bool {
        let delimiter = self.scanner.dialect.delimiter;
        let in_numbers = delimiter.is_ascii_alphanumeric() || b"+-. ".contains(&delimiter);
        let plain = self.numbers.is_plain() && self.scanner.dialect.escape.is_none();
        plain && !in_numbers
    }

    /// Reads the rows that begin in a part of the file.
    pub(super) fn read(&self, start: usize, end: usize) -> Chunk<'a> {
        let mut chunk = Chunk {
            start,
            bound: end,
            end: start,
            n_rows: 0,
            n_lines: 0,
            parts: self.columns.iter().map(PlannedColumn::part).collect(),
            faults: Faults::default(),
            ending: Ending::Complete,
        };
        // A row has at least a byte a column, whatever the rows at the beginning were like.
        let row_bytes = self.row_bytes.max(self.columns.len()).max(1);
        let capacity = (end - start.min(end)) / row_bytes * 17 / 16 + 16;
        let mut reader = Reader { plan: self, scratch: Vec::new(), capacity };
        let ahead = self.reads_ahead();
        let mut position = start;
        while self.scanner.row_start(&mut position, end, &mut chunk.n_lines) {
            let (next, ending) = reader.row(&mut chunk, position, ahead);
            position = next;
            if ending != Ending::Complete {
                chunk.ending = ending;
                break;
            }
            if chunk.n_rows > self.max_rows {
                chunk.ending = Ending::TooMany;
                break;
            }
        }
        chunk.end = position;
        let again: Vec<usize> = (0..chunk.parts.len())
            .filter(|column| matches!(chunk.parts[*column], Part::Again))
            .collect();
        let (words, mut faults) = self.words(start, position, chunk.n_rows, &again);
        for (column, words) in again.into_iter().zip(words) {
            chunk.parts[column] = Part::Words(words);
        }
        chunk.faults.found.append(&mut faults.found);
        chunk.faults.n_more += faults.n_more;
        for part in &mut chunk.parts {
            if let Part::Words(words) = part {
                words.finish();
            }
        }
        chunk
    }

    /// Reads some columns of so many rows, as words. A row that is too short has none for its last
    /// columns.
    pub(super) fn words(
        &self,
        start: usize,
        end: usize,
        n_rows: usize,
        columns: &[usize],
    ) -> (Vec<Words<'a>>, Faults) {
        let mut words: Vec<Words<'a>> = columns.iter().map(|_| Words::default()).collect();
        let mut faults = Faults::default();
        let Some(last) = columns.last() else { return (words, faults) };
        let mut reader = Reader { plan: self, scratch: Vec::new(), capacity: 0 };
        let (mut position, mut n_lines) = (start, 0);
        for row in 1..=n_rows {
            self.scanner.row_start(&mut position, end, &mut n_lines);
            let place = Place { row, line: n_lines + 1 };
            let begin = position;
            let mut wanted = columns.iter().zip(&mut words).peekable();
            let mut column = 0;
            loop {
                let field = self.scanner.field(begin, position);
                position = field.next;
                if matches!(field.stop, Stop::Open | Stop::TooLong) {
                    break;
                }
                n_lines += self.scanner.lines_within(&field);
                if let Some((_, words)) = wanted.next_if(|(next, _)| **next == column)
                    && let Err(what) = reader.word(words, &field)
                {
                    faults.push(Fault { place, column, what });
                }
                if field.stop != Stop::Delimiter {
                    break;
                }
                column += 1;
                if column > *last && self.skips_plainly() {
                    position = self.scanner.line_end(position);
                    break;
                }
            }
            n_lines += 1;
        }
        words.iter_mut().for_each(Words::finish);
        (words, faults)
    }

    /// How many lines end between a place and the row that has so many before it.
    pub(super) fn lines_before(&self, start: usize, end: usize, n_rows: usize) -> usize {
        let (mut position, mut n_lines) = (start, 0);
        for _ in 0..n_rows {
            self.scanner.row_start(&mut position, end, &mut n_lines);
            let (fields, next) = self.scanner.row(position, usize::MAX);
            n_lines += fields.iter().map(|f| self.scanner.lines_within(f)).sum::<usize>() + 1;
            position = next;
        }
        self.scanner.row_start(&mut position, end, &mut n_lines);
        n_lines
    }

    /// Whether what is left of a row ends with the line, whatever is in it.
    fn skips_plainly(&self) -> bool {
        self.scanner.dialect.quote.is_none() && self.scanner.dialect.escape.is_none()
    }
}

impl PlannedColumn {
    fn part<'a>(&self) -> Part<'a> {
        match self.demanded {
            Some(ColumnType::Numeric) => Part::Numbers(Numbers::default()),
            Some(_) => Part::Words(Words::default()),
            None if self.words.load(Ordering::Relaxed) => Part::Words(Words::default()),
            None => Part::Missing(0),
        }
    }
}

struct Reader<'p, 'a> {
    plan: &'p Plan<'a>,
    scratch: Vec<u8>,
    /// Values a column may get.
    capacity: usize,
}

impl<'a> Reader<'_, 'a> {
    /// Reads a row; where the next begins.
    fn row(&mut self, chunk: &mut Chunk<'a>, start: usize, ahead: bool) -> (usize, Ending) {
        let plan = self.plan;
        let scanner = &plan.scanner;
        let bytes = scanner.bytes;
        let delimiter = scanner.dialect.delimiter;
        let place = Place { row: chunk.n_rows + 1, line: chunk.n_lines + 1 };
        chunk.n_rows += 1;
        let mut position = start;
        let mut n_fields = 0;
        let mut stop = Stop::Delimiter;
        for (column, part) in chunk.parts.iter_mut().enumerate() {
            n_fields += 1;
            if ahead
                && let Part::Numbers(numbers) = part
                && let Some(found) = number::leading(&bytes[position..])
                && !plan.missing.contains_number(found.value)
            {
                let end = position + found.length;
                let known = match bytes.get(end) {
                    Some(byte) if *byte == delimiter => Some((Stop::Delimiter, end + 1)),
                    Some(b'\n') => Some((Stop::Line, end + 1)),
                    Some(b'\r') => Some((Stop::Line, scanner.after_line_end(end))),
                    None => Some((Stop::File, end)),
                    Some(_) => None,
                };
                if let Some(known) = known {
                    numbers.values.push(found.value);
                    (stop, position) = known;
                    if stop == Stop::Delimiter {
                        continue;
                    }
                    break;
                }
            }
            let field = scanner.field(start, position);
            (stop, position) = (field.stop, field.next);
            if matches!(stop, Stop::Open | Stop::TooLong) {
                break;
            }
            if let Err(what) = self.value(part, column, &field, place) {
                chunk.faults.push(Fault { place, column, what });
            }
            chunk.n_lines += scanner.lines_within(&field);
            if stop != Stop::Delimiter {
                break;
            }
        }
        // What is left of a row that is too long.
        while stop == Stop::Delimiter {
            let field = scanner.field(start, position);
            (stop, position) = (field.stop, field.next);
            chunk.n_lines += scanner.lines_within(&field);
            n_fields += 1;
        }
        let ending = match stop {
            Stop::Open => Ending::Open(place),
            Stop::TooLong => Ending::TooLong(place),
            _ if position - start > scanner.max_row_bytes => Ending::TooLong(place),
            _ => Ending::Complete,
        };
        chunk.n_lines += 1;
        if ending == Ending::Complete && n_fields != chunk.parts.len() {
            // Columns are of different lengths from here on, and no table will be made of them: to
            // fill up a row of one byte would take as much memory as the widest.
            chunk.faults.push(Fault { place, column: 0, what: Wrong::Ragged { n_fields } });
        }
        (position, ending)
    }

    /// Adds any value.
    fn value(
        &mut self,
        part: &mut Part<'a>,
        column: usize,
        field: &Field,
        place: Place,
    ) -> Result<(), Wrong> {
        let plan = self.plan;
        let text = plan.scanner.text(field, &mut self.scratch);
        if plan.missing.contains(text) {
            part.push_missing();
            return Ok(());
        }
        let planned = &plan.columns[column];
        if let Part::Missing(n_rows) = part {
            *part = first(plan, planned, text, *n_rows, self.capacity);
        }
        match part {
            Part::Numbers(numbers) => match plan.numbers.parse(text) {
                Some(value) if plan.missing.contains_number(value) => part.push_missing(),
                Some(value) => numbers.push(value, place, plan.numbers.is_identifier(text)),
                None if planned.demanded.is_some() => {
                    part.push_missing();
                    return Err(bad_number(text));
                }
                None => again(part, planned),
            },
            Part::Times(times) => match time::iso(text) {
                Some(moment) => times.push(moment),
                None => again(part, planned),
            },
            Part::Words(words) => {
                let make = || keep(plan.scanner.bytes, field, text);
                words.push(text, make).map_err(|bad| wrong(bad, field))?;
            }
            Part::Missing(_) | Part::Again => {}
        }
        Ok(())
    }

    fn word(&mut self, words: &mut Words<'a>, field: &Field) -> Result<(), Wrong> {
        let plan = self.plan;
        let text = plan.scanner.text(field, &mut self.scratch);
        if plan.missing.contains(text) {
            words.push_missing();
            return Ok(());
        }
        let make = || keep(plan.scanner.bytes, field, text);
        words.push(text, make).map_err(|bad| wrong(bad, field))
    }
}

/// The part of a column whose first value is this.
fn first<'a>(
    plan: &Plan<'a>,
    planned: &PlannedColumn,
    text: &[u8],
    n_missing: usize,
    capacity: usize,
) -> Part<'a> {
    if planned.words.load(Ordering::Relaxed) {
        return Part::Words(Words::missing(n_missing));
    }
    if plan.numbers.parse(text).is_some() {
        let mut values = Vec::with_capacity(capacity.max(n_missing + 1));
        values.resize(n_missing, f64::NAN);
        return Part::Numbers(Numbers { values: values.into(), ..Numbers::default() });
    }
    if time::iso(text).is_some() {
        let mut values = Vec::with_capacity(capacity.max(n_missing + 1));
        values.resize(n_missing, MISSING_TIME);
        return Part::Times(Times { values, ..Times::default() });
    }
    planned.words.store(true, Ordering::Relaxed);
    Part::Words(Words::missing(n_missing))
}

fn again(part: &mut Part<'_>, planned: &PlannedColumn) {
    planned.words.store(true, Ordering::Relaxed);
    *part = Part::Again;
}

/// The text of a field as long as the file is there; a copy only where it had to be made.
fn keep<'a>(bytes: &'a [u8], field: &Field, text: &[u8]) -> Cow<'a, [u8]> {
    match field.form {
        Form::Plain | Form::Quoted => Cow::Borrowed(&bytes[field.start..field.end]),
        Form::Marked | Form::Loose => Cow::Owned(text.to_vec()),
    }
}

fn wrong(bad: BadText, field: &Field) -> Wrong {
    match bad {
        BadText::Nul => Wrong::Nul,
        // Near enough where quotes were taken out before it.
        BadText::NotUtf8(valid) => Wrong::NotUtf8 { offset: field.start + valid },
    }
}

fn bad_number(text: &[u8]) -> Wrong {
    let shown: String = String::from_utf8_lossy(text).chars().take(40).collect();
    Wrong::NotNumeric(shown)
}
