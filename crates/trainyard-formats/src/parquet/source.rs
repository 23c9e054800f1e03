//! A source that can be read in any order, as the Parquet library wants to see one.

use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

/// What is read at once where a page's head is: it is seldom longer.
const HEAD_BYTES: usize = 512;

/// One source for all who read it, one after the other.
pub(super) struct Shared<R> {
    source: Arc<Mutex<R>>,
    n_bytes: u64,
}

impl<R: Read + Seek> Shared<R> {
    pub(super) fn new(mut source: R) -> io::Result<Self> {
        let n_bytes = source.seek(SeekFrom::End(0))?;
        Ok(Self { source: Arc::new(Mutex::new(source)), n_bytes })
    }
}

impl<R> Length for Shared<R> {
    fn len(&self) -> u64 {
        self.n_bytes
    }
}

impl<R: Read + Seek + Send> ChunkReader for Shared<R> {
    type T = BufReader<From<R>>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        let from = From { source: self.source.clone(), position: start };
        Ok(BufReader::with_capacity(HEAD_BYTES, from))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.n_bytes) {
            return Err(ParquetError::EOF("a part of it is beyond the end of the file".to_owned()));
        }
        let mut bytes = vec![0; length];
        let mut source = lock(&self.source);
        source.seek(SeekFrom::Start(start))?;
        source.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

/// The source from some position on.
pub(super) struct From<R> {
    source: Arc<Mutex<R>>,
    position: u64,
}

impl<R: Read + Seek> Read for From<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut source = lock(&self.source);
        source.seek(SeekFrom::Start(self.position))?;
        let n = source.read(buffer)?;
        self.position += n as u64;
        Ok(n)
    }
}

/// Whoever panicked left at most another position, and each reader sets its own.
fn lock<R>(source: &Mutex<R>) -> MutexGuard<'_, R> {
    source.lock().unwrap_or_else(PoisonError::into_inner)
}
