//! The rows of a reader, none of them longer than the limit.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use ::csv::ByteRecord;

use super::{CsvError, CsvLimits, clean_text, invalid};

/// What the guard adds to the end of a file: a row of its own, unless a quote is still open there.
/// Its bytes are in no UTF-8 text and in no delimiter, so that it is never split.
const END: &[u8] = b"\n\xff\xfe\xff";

/// The records of a reader, each no longer than the limit.
pub(super) struct Rows<R> {
    reader: ::csv::Reader<Guard<R>>,
    progress: Rc<Progress>,
}

/// What the guard, which the CSV reader owns, and [`Rows`] tell each other.
#[derive(Default)]
struct Progress {
    /// Bytes read since the last row was asked for.
    since_row: Cell<usize>,
    /// Whether all was read, [`END`] included. Only the record that holds the end has to read on
    /// to get here: every other record ends with a newline that is there already.
    drained: Cell<bool>,
}

impl<R: Read> Rows<R> {
    pub(super) fn new(reader: R, delimiter: u8, limits: &CsvLimits) -> Self {
        let progress = Rc::new(Progress::default());
        let guard =
            Guard { reader, progress: progress.clone(), limit: limits.max_row_bytes, end: None };
        let reader = ::csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .from_reader(guard);
        Self { reader, progress }
    }

    /// Reads the first row that is more than a line of spaces; false when there is none.
    pub(super) fn first(&mut self, record: &mut ByteRecord) -> Result<bool, CsvError> {
        while self.next(record)? {
            if !is_blank_line(record) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads the next row; false after the last.
    pub(super) fn next(&mut self, record: &mut ByteRecord) -> Result<bool, CsvError> {
        self.progress.since_row.set(0);
        let line = self.reader.position().line();
        let more =
            self.reader.read_byte_record(record).map_err(|error| match error.into_kind() {
                ::csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                    invalid(
                        format!(
                            "the row that starts at line {line} is longer than the limit of a row"
                        ),
                        "close the quote that opens in it, or shorten its fields",
                    )
                }
                ::csv::ErrorKind::Io(error) => CsvError::Io(error),
                other => CsvError::Io(io::Error::other(format!("{other:?}"))),
            })?;
        if !more || !self.progress.drained.get() {
            return Ok(more);
        }
        let swallowed = record.len() > 1 || record.get(0) != END.get(1..);
        // Where the reader was before the row is no help: it may still have had newlines to skip.
        let newlines = record.iter().flatten().filter(|byte| **byte == b'\n').count() as u64;
        let line = self.reader.position().line().saturating_sub(newlines);
        record.clear();
        if swallowed {
            return Err(invalid(
                format!("a quote that opens in the row at line {line} is never closed"),
                "close it, or write a quote that belongs to the text as \"\" in a quoted field",
            ));
        }
        Ok(false)
    }

    /// Where in the file a row begins.
    pub(super) fn line(&self, record: &ByteRecord) -> u64 {
        record.position().map_or(0, ::csv::Position::line)
    }
}

/// An empty field alone is not blank: only a pair of quotes makes one, and it is a value.
fn is_blank_line(record: &ByteRecord) -> bool {
    record.len() == 1
        && record.iter().all(|field| {
            !field.is_empty() && clean_text(field).is_ok_and(|text| text.trim().is_empty())
        })
}

/// Fails a read that would make one record longer than the limit, before its memory is taken, and
/// adds [`END`] to what it reads.
struct Guard<R> {
    reader: R,
    progress: Rc<Progress>,
    limit: usize,
    /// How much of [`END`] is still to be read, once the reader has no more.
    end: Option<&'static [u8]>,
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.end.is_none() {
            let since_row = &self.progress.since_row;
            if since_row.get() > self.limit {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            let n = self.reader.read(buffer)?;
            since_row.set(since_row.get() + n);
            if n > 0 {
                return Ok(n);
            }
        }
        let n = self.end.get_or_insert(END).read(buffer)?;
        self.progress.drained.set(n == 0);
        Ok(n)
    }
}
