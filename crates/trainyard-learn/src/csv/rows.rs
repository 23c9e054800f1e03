//! The rows of a reader, none of them longer than the limit.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use ::csv::ByteRecord;

use super::{CsvError, CsvLimits, invalid};

/// The records of a reader, each no longer than the limit.
pub(super) struct Rows<R> {
    reader: ::csv::Reader<Guard<R>>,
    since_row: Rc<Cell<usize>>,
}

impl<R: Read> Rows<R> {
    pub(super) fn new(reader: R, delimiter: u8, limits: &CsvLimits) -> Self {
        let since_row = Rc::new(Cell::new(0));
        let guard = Guard { reader, since_row: since_row.clone(), limit: limits.max_row_bytes };
        let reader = ::csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .from_reader(guard);
        Self { reader, since_row }
    }

    /// Reads the next row; false after the last.
    pub(super) fn next(&mut self, record: &mut ByteRecord) -> Result<bool, CsvError> {
        self.since_row.set(0);
        let line = self.reader.position().line();
        self.reader.read_byte_record(record).map_err(|error| match error.into_kind() {
            ::csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => invalid(
                format!("the row that starts at line {line} is longer than the limit of a row"),
                "close the quote that opens in it, or shorten its fields",
            ),
            ::csv::ErrorKind::Io(error) => CsvError::Io(error),
            other => CsvError::Io(io::Error::other(format!("{other:?}"))),
        })
    }

    /// Where in the file a row begins.
    pub(super) fn line(&self, record: &ByteRecord) -> u64 {
        record.position().map_or(0, ::csv::Position::line)
    }
}

/// Fails a read that would make one record longer than the limit, before its memory is taken.
struct Guard<R> {
    reader: R,
    since_row: Rc<Cell<usize>>,
    limit: usize,
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.since_row.get() > self.limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let n = self.reader.read(buffer)?;
        self.since_row.set(self.since_row.get() + n);
        Ok(n)
    }
}
