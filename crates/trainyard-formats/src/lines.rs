//! Lines of text, none of them longer than the limit of a row.

use std::io::{BufRead, BufReader, Read};

use crate::error::{FormatError, invalid};

/// The lines of a reader, with their numbers from 1 on.
pub(crate) struct Lines<R> {
    source: BufReader<R>,
    bytes: Vec<u8>,
    number: u64,
    max_bytes: usize,
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(source: R, max_bytes: usize) -> Self {
        let source = BufReader::with_capacity(128 << 10, source);
        Self { source, bytes: Vec::new(), number: 0, max_bytes }
    }

    /// The next line without its end and the space around it.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, &str)>, FormatError> {
        self.bytes.clear();
        self.number += 1;
        let most = self.max_bytes as u64 + 1;
        let n = self.source.by_ref().take(most).read_until(b'\n', &mut self.bytes)?;
        if n == 0 {
            return Ok(None);
        }
        let number = self.number;
        if n > self.max_bytes {
            return Err(invalid(
                format!("line {number} is longer than the limit of a row"),
                "one row a line",
            ));
        }
        let bytes = match number {
            1 => self.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.bytes),
            _ => &self.bytes,
        };
        let text = std::str::from_utf8(bytes).map_err(|_| {
            invalid(format!("line {number} holds bytes that are not UTF-8"), "write it as UTF-8")
        })?;
        if bytes.contains(&0) {
            return Err(invalid(format!("line {number} holds a NUL byte"), "leave it out"));
        }
        Ok(Some((number, text.trim())))
    }
}
