//! Room on disk for what is too large for memory while a task runs: files without a name, which are
//! gone when their task is, however it ends.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use trainyard_learn::kernels::Numbers;
use trainyard_learn::training::{Rows, StoredRows};

/// Where large matrices are put, and which are large.
#[derive(Clone, Debug)]
pub struct Scratch {
    directory: PathBuf,
    max_memory_bytes: u64,
}

/// A matrix that is being written, row after row.
#[derive(Debug)]
pub enum MatrixWriter {
    /// In memory.
    Memory(Vec<f32>),
    /// In a file.
    File(BufWriter<File>),
}

/// A matrix, row-major.
#[derive(Debug)]
pub enum Matrix {
    /// In memory.
    Memory(Vec<f32>),
    /// In a file.
    Stored(StoredMatrix),
}

/// A matrix in a file.
#[derive(Debug)]
pub struct StoredMatrix {
    file: File,
    /// Why it could not be read, once it could not.
    failure: OnceLock<String>,
}

const WRITE_BUFFER_BYTES: usize = 1 << 20;

impl Scratch {
    /// Files in a directory, which is made; what needs more than so many bytes goes there.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn new(directory: &Path, max_memory_bytes: u64) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self { directory: directory.to_owned(), max_memory_bytes })
    }

    /// A matrix of so many numbers, to be written.
    ///
    /// # Errors
    /// When no file can be made.
    pub fn matrix(&self, n_values: usize) -> io::Result<MatrixWriter> {
        if (n_values * size_of::<f32>()) as u64 <= self.max_memory_bytes {
            return Ok(MatrixWriter::Memory(Vec::with_capacity(n_values)));
        }
        let file = tempfile::tempfile_in(&self.directory)?;
        Ok(MatrixWriter::File(BufWriter::with_capacity(WRITE_BUFFER_BYTES, file)))
    }
}

impl MatrixWriter {
    /// Adds rows.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn extend(&mut self, rows: impl Iterator<Item = f32>) -> io::Result<()> {
        match self {
            Self::Memory(values) => values.extend(rows),
            Self::File(file) => file.write_all(Numbers::from_iter(rows).bytes())?,
        }
        Ok(())
    }

    /// All rows are written.
    ///
    /// # Errors
    /// When the last of them cannot be.
    pub fn finish(self) -> io::Result<Matrix> {
        Ok(match self {
            Self::Memory(values) => Matrix::Memory(values),
            Self::File(file) => {
                let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
                Matrix::Stored(StoredMatrix { file, failure: OnceLock::new() })
            }
        })
    }
}

impl Matrix {
    /// Its rows, as a fit takes them.
    pub fn rows(&self) -> Rows<'_> {
        match self {
            Self::Memory(values) => values.into(),
            Self::Stored(stored) => Rows::Stored(stored),
        }
    }

    /// Why some row could not be read; what was computed from it is worthless then.
    pub fn failure(&self) -> Option<&str> {
        match self {
            Self::Memory(_) => None,
            Self::Stored(stored) => stored.failure.get().map(String::as_str),
        }
    }
}

impl StoredRows for StoredMatrix {
    fn copy(&self, rows: &[u32], width: usize, to: &mut [f32]) {
        let mut to = to;
        // Neighbours are read at once: all of them where rows are not shuffled.
        for run in rows.chunk_by(|row, next| row.wrapping_add(1) == *next) {
            let (numbers, rest) = to.split_at_mut(run.len() * width);
            to = rest;
            let start = u64::from(run[0]) * (width * size_of::<f32>()) as u64;
            let bytes = bytemuck::cast_slice_mut(numbers);
            if let Err(error) = self.file.read_exact_at(bytes, start) {
                let _ = self.failure.set(error.to_string());
                numbers.fill(f32::NAN);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_matrix_gives_the_rows_that_were_written() {
        let directory = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(&directory.path().join("scratch"), 8).unwrap();
        let mut writer = scratch.matrix(40).unwrap();
        for row in 0..10_u8 {
            writer.extend((0..4).map(|column| f32::from(row * 10 + column))).unwrap();
        }
        let matrix = writer.finish().unwrap();
        let Matrix::Stored(stored) = &matrix else { panic!("it is too large for memory") };
        let mut found = vec![0.0; 16];
        stored.copy(&[7, 8, 2, 0], 4, &mut found);
        let firsts: Vec<f32> = found.chunks_exact(4).map(|row| row[0]).collect();
        assert_eq!((firsts, found[15]), (vec![70.0, 80.0, 20.0, 0.0], 3.0));
        assert!(matrix.failure().is_none());
        stored.copy(&[10], 4, &mut found[..4]);
        assert!(found[0].is_nan() && matrix.failure().is_some(), "beyond its end");
        assert!(matches!(scratch.matrix(2).unwrap(), MatrixWriter::Memory(_)));
    }
}
