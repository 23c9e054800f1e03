//! Room on disk for numbers that are too many for memory, while a file is read and as long as its
//! table lives: one file without a name, in which each column has a region of its own.
//!
//! Only columns of numbers and tensors go there, and text that had to be decoded or decompressed
//! before it could be read. What else a table may hold (words by their codes, moments, texts) stays
//! in memory.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::ops::Deref;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tempfile::{SpooledData, SpooledTempFile};
use trainyard_learn::kernels::{Mapping, Numbers, Plain};

/// Where numbers go that are too many for memory. Clones are one room.
#[derive(Clone, Debug, Default)]
pub struct Room(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    directory: PathBuf,
    max_memory_bytes: usize,
    /// Bytes that a column may have.
    region_bytes: u64,
    /// Bytes that a column of tensors may have.
    tensor_bytes: u64,
    /// Bytes of numbers that are in memory, until there are too many: from then on none is kept for
    /// long.
    held: AtomicUsize,
    is_full: AtomicBool,
    file: OnceLock<File>,
    /// Where the next region begins.
    next: AtomicU64,
    failure: Mutex<Option<io::Error>>,
}

/// Numbers of a column, more and more of them.
#[derive(Debug)]
pub(crate) struct Growing<T: Plain = f64> {
    /// Those that are not written yet.
    tail: Vec<T>,
    /// Of the tail's bytes, those that the room knows of.
    known: usize,
    n_written: usize,
    /// Where they are written.
    start: Option<u64>,
    /// Bytes that there may be.
    region_bytes: u64,
    room: Room,
}

/// Bytes to be read in any order that were not there in one piece: a few in memory, many in a file
/// without a name.
#[derive(Debug)]
pub(crate) enum Bytes {
    Memory(Vec<u8>),
    Mapped(Mapping),
}

/// So many bytes are kept in memory before they go to a file.
const SPOOLED_BYTES: usize = 16 << 20;

/// Fewer numbers of a column are not worth a write.
const WRITTEN_AT_ONCE: usize = 8 << 10;

/// Regions begin where a mapping may.
const REGION_ALIGNMENT: u64 = 64 << 10;

impl Room {
    /// No room but memory.
    pub fn memory() -> Self {
        Self::default()
    }

    /// Files in a directory, for what is beyond so many bytes.
    pub fn in_directory(directory: PathBuf, max_memory_bytes: usize) -> Self {
        Self(Some(Arc::new(Inner {
            directory,
            max_memory_bytes,
            region_bytes: 0,
            tensor_bytes: 0,
            held: AtomicUsize::new(0),
            is_full: AtomicBool::new(false),
            file: OnceLock::new(),
            next: AtomicU64::new(0),
            failure: Mutex::default(),
        })))
    }

    /// A room of its own for one file, whose columns have so many rows at most, and which has so
    /// many numbers.
    pub(crate) fn for_table(&self, max_rows: usize, max_cells: usize) -> Self {
        let inner = self.0.as_ref().map(|inner| {
            let n_bytes = (max_rows as u64).saturating_add(1).saturating_mul(8);
            let tensor_bytes = (max_cells as u64).saturating_add(1).saturating_mul(4);
            Arc::new(Inner {
                directory: inner.directory.clone(),
                max_memory_bytes: inner.max_memory_bytes,
                region_bytes: n_bytes.next_multiple_of(REGION_ALIGNMENT),
                tensor_bytes: tensor_bytes.next_multiple_of(REGION_ALIGNMENT),
                held: AtomicUsize::new(0),
                is_full: AtomicBool::new(false),
                file: OnceLock::new(),
                next: AtomicU64::new(0),
                failure: Mutex::default(),
            })
        });
        Self(inner)
    }

    /// Whether so many bytes are too many for memory.
    pub(crate) fn is_wanted_for(&self, n_bytes: u64) -> bool {
        self.0.as_ref().is_some_and(|inner| n_bytes > inner.max_memory_bytes as u64)
    }

    /// Where bytes are put aside: in memory up to some megabytes, in a file beyond.
    pub(crate) fn spool(&self) -> SpooledTempFile {
        match &self.0 {
            Some(inner) => tempfile::spooled_tempfile_in(SPOOLED_BYTES, &inner.directory),
            None => tempfile::spooled_tempfile(SPOOLED_BYTES),
        }
    }

    /// Whether all that was to be written is.
    ///
    /// # Errors
    /// What went wrong first.
    pub(crate) fn check(&self) -> io::Result<()> {
        let Some(inner) = &self.0 else { return Ok(()) };
        let failure = inner.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        failure.map_or(Ok(()), Err)
    }
}

impl Inner {
    fn file(&self) -> io::Result<&File> {
        if let Some(file) = self.file.get() {
            return Ok(file);
        }
        let file = tempfile::tempfile_in(&self.directory)?;
        Ok(self.file.get_or_init(|| file))
    }

    fn fail(&self, error: io::Error) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert(error);
    }
}

impl<T: Plain> Growing<T> {
    /// None yet.
    pub(crate) fn new(room: &Room) -> Self {
        Self::with_capacity(room, 0)
    }

    /// None yet, and memory for so many.
    pub(crate) fn with_capacity(room: &Room, n_rows: usize) -> Self {
        let n_rows = if room.0.is_some() { n_rows.min(WRITTEN_AT_ONCE) } else { n_rows };
        let region_bytes = room.0.as_ref().map_or(0, |inner| inner.region_bytes);
        let tail = Vec::with_capacity(n_rows);
        Self { tail, known: 0, n_written: 0, start: None, region_bytes, room: room.clone() }
    }

    /// None yet, of which there may be many a row.
    pub(crate) fn of_tensors(room: &Room) -> Self {
        let region_bytes = room.0.as_ref().map_or(0, |inner| inner.tensor_bytes);
        Self { region_bytes, ..Self::new(room) }
    }

    pub(crate) fn len(&self) -> usize {
        self.n_written + self.tail.len()
    }

    /// Adds one. Whoever adds many calls [`settle`](Self::settle) now and then.
    #[inline(always)]
    pub(crate) fn push(&mut self, value: T) {
        self.tail.push(value);
    }

    /// Adds what is added to a vector.
    pub(crate) fn extend_by<R>(&mut self, add: impl FnOnce(&mut Vec<T>) -> R) -> R {
        let added = add(&mut self.tail);
        self.settle();
        added
    }

    /// Adds all of these.
    pub(crate) fn append(&mut self, mut values: Vec<T>) {
        if self.len() == 0 {
            self.tail = std::mem::take(&mut values);
        }
        self.extend_by(|tail| tail.extend_from_slice(&values));
    }

    /// Adds so many times the same.
    pub(crate) fn fill(&mut self, mut n: usize, value: T) {
        while n > 0 {
            let some = if self.room.0.is_some() { n.min(WRITTEN_AT_ONCE) } else { n };
            self.extend_by(|tail| tail.resize(tail.len() + some, value));
            n -= some;
        }
    }

    /// Leaves out what was added after so many, and not settled since.
    pub(crate) fn truncate(&mut self, n: usize) {
        self.tail.truncate(n.saturating_sub(self.n_written));
    }

    /// [`settle`](Self::settle), where there is something to write.
    #[inline(always)]
    pub(crate) fn settle_now_and_then(&mut self) {
        if self.tail.len().is_multiple_of(WRITTEN_AT_ONCE) {
            self.settle();
        }
    }

    /// Writes what is in memory, if all columns together have too much there.
    pub(crate) fn settle(&mut self) {
        let Some(inner) = &self.room.0 else { return };
        let n_bytes = size_of_val(self.tail.as_slice()).max(self.known);
        let held = inner.held.fetch_add(n_bytes - self.known, Ordering::Relaxed);
        let held = held + (n_bytes - self.known);
        self.known = n_bytes;
        if held > inner.max_memory_bytes {
            inner.is_full.store(true, Ordering::Relaxed);
        }
        if inner.is_full.load(Ordering::Relaxed) && self.tail.len() >= WRITTEN_AT_ONCE {
            self.write();
        }
    }

    fn write(&mut self) {
        let Some(inner) = &self.room.0 else { return };
        let start = *self
            .start
            .get_or_insert_with(|| inner.next.fetch_add(self.region_bytes, Ordering::Relaxed));
        let n_bytes = size_of_val(self.tail.as_slice()) as u64;
        let before = (self.n_written * size_of::<T>()) as u64;
        let written = if before + n_bytes > self.region_bytes {
            Err(io::Error::other("a column has more rows than was said"))
        } else {
            let numbers = Numbers::from(std::mem::take(&mut self.tail));
            self.n_written += numbers.len();
            inner.file().and_then(|file| file.write_all_at(numbers.bytes(), start + before))
        };
        if let Err(error) = written {
            inner.fail(error);
        }
        self.tail = Vec::with_capacity(WRITTEN_AT_ONCE);
        inner.held.fetch_sub(self.known, Ordering::Relaxed);
        self.known = 0;
    }

    /// All of them, where none was written: a part of a column is in memory.
    pub(crate) fn into_vec(self) -> Vec<T> {
        self.tail
    }

    /// Whether that holds of any.
    pub(crate) fn any(&self, mut holds: impl FnMut(T) -> bool) -> bool {
        self.written().iter().any(|value| holds(*value))
            || self.tail.iter().any(|value| holds(*value))
    }

    /// Those that are written, in place.
    fn written(&self) -> Numbers<T> {
        let (Some(inner), Some(start), true) = (&self.room.0, self.start, self.n_written > 0)
        else {
            return Numbers::default();
        };
        let n_bytes = self.n_written * size_of::<T>();
        let mapped = inner.file().and_then(|file| Mapping::of_range(file, start, n_bytes));
        match mapped {
            Ok(mapping) => {
                Numbers::mapped(Arc::new(mapping), 0, self.n_written).unwrap_or_default()
            }
            Err(error) => {
                inner.fail(error);
                Numbers::default()
            }
        }
    }

    /// All of them, as [`finish`](Self::finish) gives them.
    ///
    /// # Errors
    /// When some could not be written.
    pub(crate) fn checked(self) -> io::Result<Numbers<T>> {
        let room = self.room.clone();
        let numbers = self.finish();
        room.check().map(|()| numbers)
    }

    /// All of them, in memory or where they were written; whether that went well, the room says.
    pub(crate) fn finish(mut self) -> Numbers<T> {
        if self.n_written == 0 {
            let mut values = std::mem::take(&mut self.tail);
            values.shrink_to_fit();
            return values.into();
        }
        self.write();
        self.written()
    }
}

impl<T: Plain> Default for Growing<T> {
    fn default() -> Self {
        Self::new(&Room::memory())
    }
}

impl<T: Plain> From<Vec<T>> for Growing<T> {
    fn from(tail: Vec<T>) -> Self {
        Self { tail, ..Self::default() }
    }
}

impl Bytes {
    /// What was put aside.
    ///
    /// # Errors
    /// When it could not be written, or is not mapped.
    pub(crate) fn of(mut spooled: SpooledTempFile) -> io::Result<Self> {
        spooled.flush()?;
        spooled.rewind()?;
        Ok(match spooled.into_inner() {
            SpooledData::InMemory(bytes) => Self::Memory(bytes.into_inner()),
            SpooledData::OnDisk(file) => Self::Mapped(Mapping::new(&file)?),
        })
    }

    /// Gives a stretch that is not needed soon back to the system.
    pub(crate) fn let_go(&self, start: usize, n_bytes: usize) {
        if let Self::Mapped(mapping) = self {
            mapping.let_go(start, n_bytes);
        }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Memory(bytes) => bytes,
            Self::Mapped(mapping) => mapping.bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_beyond_memory_come_back_from_their_regions() {
        let directory = tempfile::tempdir().unwrap();
        let room =
            Room::in_directory(directory.path().to_owned(), 100_000).for_table(50_000, 150_000);
        let mut columns: Vec<Growing<f64>> = (0..3).map(|_| Growing::new(&room)).collect();
        for part in 0..5 {
            for (number, column) in columns.iter_mut().enumerate() {
                column.append(
                    (0..9_000).map(|row| f64::from(part * 9_000 + row + number as i32)).collect(),
                );
            }
        }
        assert!(columns[1].any(|value| value == 3.0) && !columns[1].any(|value| value < 1.0));
        for (number, column) in columns.into_iter().enumerate() {
            assert_eq!(column.len(), 45_000);
            let numbers = column.finish();
            assert!(numbers.is_mapped());
            assert!(numbers.iter().enumerate().all(|(row, v)| *v == (row + number) as f64));
        }
        room.check().unwrap();
    }

    #[test]
    fn more_rows_than_said_are_an_error_and_few_numbers_stay_in_memory() {
        let directory = tempfile::tempdir().unwrap();
        let room = Room::in_directory(directory.path().to_owned(), 0).for_table(10, 10);
        let mut column = Growing::new(&room);
        column.append(vec![1.0; 5]);
        assert!(!column.finish().is_mapped());
        let mut column = Growing::new(&room);
        column.append(vec![1.0; 20_000]);
        let _ = column.finish();
        assert!(room.check().is_err());
    }
}
