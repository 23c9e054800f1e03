//! The bytes of one record after the other, none of them longer than the limit: lines, or what is
//! between the commas of an array. It finds where a record ends and knows nothing of what is in it.

use std::io::Read;

use crate::error::{FormatError, invalid};

const CHUNK_BYTES: usize = 256 << 10;

/// The records of a reader.
pub(super) struct Records<R> {
    source: R,
    buffer: Vec<u8>,
    /// What of the buffer is still to come.
    start: usize,
    at_end: bool,
    line: u64,
    max_bytes: usize,
    array: Option<Array>,
}

/// Where in an array the reader is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Array {
    Before,
    /// After the bracket: a record or the end.
    Open,
    /// After a record: a comma or the end.
    Next,
    /// After a comma: a record.
    Comma,
}

impl<R: Read> Records<R> {
    pub(super) fn new(source: R, is_array: bool, max_bytes: usize) -> Self {
        Self {
            source,
            buffer: Vec::new(),
            start: 0,
            at_end: false,
            line: 1,
            max_bytes,
            array: is_array.then_some(Array::Before),
        }
    }

    /// The next record and the line at which it begins.
    pub(super) fn next(&mut self) -> Result<Option<(u64, &[u8])>, FormatError> {
        let length = match self.array {
            None => self.next_line()?,
            Some(_) => self.next_element()?,
        };
        let Some(length) = length else { return Ok(None) };
        let line = self.line;
        let record = self.start..self.start + length;
        self.line += count_newlines(&self.buffer[record.clone()]);
        self.start = record.end;
        Ok(Some((line, &self.buffer[record])))
    }

    fn next_line(&mut self) -> Result<Option<usize>, FormatError> {
        if !self.skip_space()? {
            return Ok(None);
        }
        let mut seen = 0;
        loop {
            let rest = &self.buffer[self.start + seen..];
            if let Some(end) = memchr::memchr(b'\n', rest) {
                return Ok(Some(seen + end));
            }
            seen += rest.len();
            if !self.fill(seen)? {
                return Ok(Some(seen));
            }
        }
    }

    fn next_element(&mut self) -> Result<Option<usize>, FormatError> {
        loop {
            let state = self.array.unwrap_or(Array::Before);
            if !self.skip_space()? {
                return Err(match state {
                    Array::Before => invalid("the file is empty", "upload at least one record"),
                    _ => invalid("the array is never closed", "upload the file again, whole"),
                });
            }
            let next = match (state, self.buffer[self.start]) {
                (Array::Before, b'[') => Array::Open,
                (Array::Open | Array::Next, b']') => {
                    self.start += 1;
                    if self.skip_space()? {
                        return Err(self.unexpected("after the array"));
                    }
                    return Ok(None);
                }
                (Array::Next, b',') => Array::Comma,
                (Array::Open | Array::Comma, b'{') => {
                    self.array = Some(Array::Next);
                    return self.object().map(Some);
                }
                (Array::Before, _) => return Err(self.unexpected("where the array begins")),
                (Array::Open | Array::Comma, _) => {
                    return Err(self.unexpected("where a record begins"));
                }
                (Array::Next, _) => return Err(self.unexpected("after a record")),
            };
            self.array = Some(next);
            self.start += 1;
        }
    }

    fn unexpected(&self, place: &str) -> FormatError {
        let found = char::from(self.buffer[self.start]).escape_default().to_string();
        invalid(
            format!("line {}: \"{found}\" {place}", self.line),
            "[{\"a\": 1, \"b\": \"x\"}, {\"a\": 2, \"b\": null}]",
        )
    }

    /// How long the object is that begins here.
    fn object(&mut self) -> Result<usize, FormatError> {
        let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
        let mut seen = 0;
        loop {
            for (offset, byte) in self.buffer[self.start + seen..].iter().enumerate() {
                if in_text {
                    match byte {
                        _ if escaped => escaped = false,
                        b'\\' => escaped = true,
                        b'"' => in_text = false,
                        _ => {}
                    }
                    continue;
                }
                match byte {
                    b'"' => in_text = true,
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => {
                        depth -= 1;
                        if depth == 0 {
                            return Ok(seen + offset + 1);
                        }
                    }
                    _ => {}
                }
            }
            seen = self.buffer.len() - self.start;
            if !self.fill(seen)? {
                return Err(invalid(
                    format!("the record at line {} is never closed", self.line),
                    "upload the file again, whole",
                ));
            }
        }
    }

    /// Whether something comes after the space.
    fn skip_space(&mut self) -> Result<bool, FormatError> {
        loop {
            let rest = &self.buffer[self.start..];
            match rest.iter().position(|byte| !byte.is_ascii_whitespace()) {
                Some(n) => {
                    self.line += count_newlines(&rest[..n]);
                    self.start += n;
                    return Ok(true);
                }
                None => {
                    self.line += count_newlines(rest);
                    self.start = self.buffer.len();
                    if !self.fill(0)? {
                        return Ok(false);
                    }
                }
            }
        }
    }

    /// Reads on, given how much of the present record is there; false at the end.
    fn fill(&mut self, seen: usize) -> Result<bool, FormatError> {
        if seen > self.max_bytes {
            return Err(invalid(
                format!("the record at line {} is longer than the limit of a row", self.line),
                "one record a line, or all of them in one array",
            ));
        }
        if self.at_end {
            return Ok(false);
        }
        let first = self.buffer.is_empty();
        self.buffer.drain(..self.start);
        self.start = 0;
        let before = self.buffer.len();
        let read = self.source.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut self.buffer)?;
        if first && self.buffer.starts_with(b"\xef\xbb\xbf") {
            self.start = 3;
        }
        self.at_end = read < CHUNK_BYTES;
        Ok(self.buffer.len() > before)
    }
}

fn count_newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}
