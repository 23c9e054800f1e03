//! Apache Arrow's own files: those with a footer (which Feather of the second version is) and
//! streams. Both are read from front to end, a message at a time: what a message claims of sizes,
//! rows and places is held against its bytes and the limits before the library decodes it.

pub(crate) mod convert;
pub(crate) mod tensors;

use std::io::{Chain, Cursor, Read};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::FileDecoder;
use arrow_ipc::{Block, Message, MessageHeader, root_as_message};
use trainyard_learn::table::{Column, Table};

use crate::column::{TextBudget, check_names};
use crate::error::{FormatError, Limits, Problems, contained, invalid};
use crate::read::Notes;
use convert::Builder;

const MAGIC: &[u8] = b"ARROW1";

/// What comes before a message's length, but for files of before 2019.
const CONTINUATION: [u8; 4] = [0xff; 4];

/// Longer than any schema that is within the limit of columns.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// No buffer that a writer compresses is nearly as large.
const MAX_BUFFER_BYTES: u64 = 2 << 30;

/// Memory that is taken at once on a message's word; more only as the bytes come.
const TRUSTED_BYTES: usize = 1 << 20;

/// Reads a file or a stream. `n_bytes` is how long the source is, where it is known.
///
/// # Errors
/// [`FormatError::Invalid`] for what is damaged, beyond the limits or no table, all columns that are
/// none at once; [`FormatError::Io`] when the source fails.
pub(crate) fn read(
    source: impl Read,
    n_bytes: Option<u64>,
    limits: &Limits,
) -> Result<(Table, Notes), FormatError> {
    contained("Arrow", || {
        let mut messages = Messages::new(source, n_bytes, limits)?;
        let (schema, version) = match messages.next()? {
            Some(bytes) => {
                let message = message(&bytes)?;
                let schema = message.header_as_schema().ok_or_else(|| damaged("no schema"))?;
                if !schema.endianness().equals_to_target_endianness() {
                    return Err(invalid(
                        "the numbers are big-endian",
                        "write it on another machine",
                    ));
                }
                (try_fb_to_schema(schema).map_err(damaged)?, message.version())
            }
            None => return Err(damaged("no schema")),
        };
        limits.check_columns(schema.fields().len())?;
        let (names, unnamed) =
            check_names(schema.fields().iter().map(|field| field.name().clone()))?;
        let mut problems = Problems::default();
        let mut builders = Vec::with_capacity(names.len());
        let max_rows = limits.max_rows.min(limits.max_cells / names.len().max(1));
        let room = limits.room(max_rows);
        let texts = TextBudget::of_file(n_bytes.unwrap_or(u64::MAX), limits);
        for (name, field) in names.iter().zip(schema.fields()) {
            match Builder::new(name, field, &room, &texts) {
                Ok(builder) => builders.push(builder),
                Err((what, way)) => problems.push(what, way),
            }
        }
        problems.finish()?;
        let mut decoder = FileDecoder::new(Arc::new(schema), version);
        let mut n_rows = 0;
        while let Some(bytes) = messages.next()? {
            if let Some(batch) = messages.decode(&mut decoder, bytes, n_rows, names.len())? {
                n_rows += batch.num_rows();
                extend(&mut builders, &batch, limits)?;
            }
        }
        messages.check_end()?;
        if names.is_empty() || n_rows == 0 {
            return Err(invalid("the file has no columns or no rows", "at least one row"));
        }
        let mut notes = Notes { unnamed, ..Notes::default() };
        let mut columns = Vec::with_capacity(names.len());
        for (name, builder) in names.into_iter().zip(builders) {
            columns.push(Column { name, values: builder.finish(&mut notes)? });
        }
        Ok((Table::new(columns), notes))
    })
}

fn extend(
    builders: &mut [Builder],
    batch: &RecordBatch,
    limits: &Limits,
) -> Result<(), FormatError> {
    for (builder, array) in builders.iter_mut().zip(batch.columns()) {
        builder.extend(array.as_ref())?;
        limits.check(builder.n_rows(), builder.width())?;
    }
    Ok(())
}

fn damaged(what: impl std::fmt::Display) -> FormatError {
    invalid(format!("the file is damaged: {what}"), "write it anew, and upload it again, whole")
}

/// A message with its body behind it.
struct Bytes {
    bytes: Vec<u8>,
    /// Where the body begins.
    body: usize,
    /// Where the message itself begins, behind its length.
    start: usize,
}

fn message(bytes: &Bytes) -> Result<Message<'_>, FormatError> {
    root_as_message(&bytes.bytes[bytes.start..bytes.body]).map_err(damaged)
}

struct Messages<'a, R> {
    source: Chain<Cursor<Vec<u8>>, R>,
    /// What of the source is left, where it is known.
    left: Option<u64>,
    is_file: bool,
    /// What compressed buffers may still become.
    budget: u64,
    limits: &'a Limits,
}

impl<'a, R: Read> Messages<'a, R> {
    fn new(mut source: R, n_bytes: Option<u64>, limits: &'a Limits) -> Result<Self, FormatError> {
        let mut start = [0; 8];
        source.read_exact(&mut start)?;
        let budget = limits.max_decompressed_bytes;
        if start.starts_with(b"FEA1") {
            return Err(invalid(
                "Feather of the first version",
                "df.to_feather(\"x.feather\"), by any pandas since 1.1",
            ));
        }
        let is_file = start.starts_with(MAGIC);
        // Of a stream, these eight bytes are the first message's length.
        let first: &[u8] = if is_file { &[] } else { &start };
        let left = n_bytes.map(|n| n.saturating_sub(8 - first.len() as u64));
        let source = Cursor::new(first.to_vec()).chain(source);
        Ok(Self { source, left, is_file, budget, limits })
    }

    /// The next message with its body; nothing after the last.
    fn next(&mut self) -> Result<Option<Bytes>, FormatError> {
        let mut bytes = Vec::new();
        self.take(4, &mut bytes)?;
        if bytes.is_empty() && !self.is_file {
            // A stream may end without saying so.
            return Ok(None);
        }
        let mut start = 4;
        if bytes == CONTINUATION {
            self.take(4, &mut bytes)?;
            start = 8;
        }
        let length = bytes.get(start - 4..).and_then(|b| b.try_into().ok());
        let length = u32::from_le_bytes(length.ok_or_else(cut)?) as usize;
        if length == 0 {
            return Ok(None);
        }
        if length > MAX_MESSAGE_BYTES {
            return Err(damaged(format!("a message of {length} bytes")));
        }
        self.take(length, &mut bytes)?;
        if bytes.len() < start + length {
            return Err(cut());
        }
        let found = Bytes { body: bytes.len(), bytes, start };
        let body = message(&found)?.bodyLength();
        let mut found = found;
        let n = usize::try_from(body).map_err(damaged)?;
        self.take(n, &mut found.bytes)?;
        if found.bytes.len() - found.body < n {
            return Err(cut());
        }
        Ok(Some(found))
    }

    /// Reads up to so many bytes.
    fn take(&mut self, n: usize, bytes: &mut Vec<u8>) -> Result<(), FormatError> {
        if self.left.is_some_and(|left| left < n as u64) && n > TRUSTED_BYTES {
            return Err(cut());
        }
        bytes.reserve(if self.left.is_some() { n } else { n.min(TRUSTED_BYTES) });
        let read = self.source.by_ref().take(n as u64).read_to_end(bytes)?;
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(read as u64);
        }
        Ok(())
    }

    /// A batch of rows, or nothing for a dictionary, which the decoder keeps.
    fn decode(
        &mut self,
        decoder: &mut FileDecoder,
        bytes: Bytes,
        n_rows: usize,
        n_columns: usize,
    ) -> Result<Option<RecordBatch>, FormatError> {
        let message = message(&bytes)?;
        let kind = message.header_type();
        let batch = match kind {
            MessageHeader::RecordBatch => message.header_as_record_batch(),
            MessageHeader::DictionaryBatch => {
                message.header_as_dictionary_batch().and_then(|batch| batch.data())
            }
            other => return Err(damaged(format!("a message of kind {other:?}"))),
        };
        let batch = batch.ok_or_else(|| damaged("a message without content"))?;
        let length = usize::try_from(batch.length()).map_err(damaged)?;
        let rows = if kind == MessageHeader::RecordBatch { n_rows } else { 0 };
        self.limits.check(rows.saturating_add(length), n_columns)?;
        self.check_buffers(&batch, &bytes.bytes[bytes.body..])?;
        let block = Block::new(
            0,
            i32::try_from(bytes.body).map_err(damaged)?,
            (bytes.bytes.len() - bytes.body) as i64,
        );
        let buffer = Buffer::from_vec(bytes.bytes);
        if kind == MessageHeader::DictionaryBatch {
            return decoder.read_dictionary(&block, &buffer).map_err(damaged).map(|()| None);
        }
        decoder.read_record_batch(&block, &buffer).map_err(damaged)
    }

    /// Whether each buffer is within the body, and what it says it becomes within the limit.
    fn check_buffers(
        &mut self,
        batch: &arrow_ipc::RecordBatch<'_>,
        body: &[u8],
    ) -> Result<(), FormatError> {
        for buffer in batch.buffers().iter().flatten() {
            let start = usize::try_from(buffer.offset()).map_err(damaged)?;
            let length = usize::try_from(buffer.length()).map_err(damaged)?;
            let bytes = start
                .checked_add(length)
                .and_then(|end| body.get(start..end))
                .ok_or_else(|| damaged("values beyond the end of their message"))?;
            if batch.compression().is_none() || bytes.is_empty() {
                continue;
            }
            let claimed = bytes.first_chunk::<8>().map(|size| i64::from_le_bytes(*size));
            let claimed = claimed.ok_or_else(|| damaged("a compressed buffer without its size"))?;
            if claimed == -1 {
                continue;
            }
            let claimed = u64::try_from(claimed).map_err(damaged)?;
            if claimed > MAX_BUFFER_BYTES || claimed > self.budget {
                return Err(invalid(
                    format!(
                        "more than {} bytes once decompressed, which is the limit",
                        self.limits.max_decompressed_bytes
                    ),
                    "upload a sample of the rows",
                ));
            }
            self.budget -= claimed;
        }
        Ok(())
    }

    /// Whether what comes after the last message is what ends such a file.
    fn check_end(&mut self) -> Result<(), FormatError> {
        let mut rest = Vec::new();
        self.source.by_ref().take(MAX_MESSAGE_BYTES as u64).read_to_end(&mut rest)?;
        if self.is_file && !rest.ends_with(MAGIC) { Err(cut()) } else { Ok(()) }
    }
}

fn cut() -> FormatError {
    invalid("the file ends before its content does", "upload it again, whole")
}
