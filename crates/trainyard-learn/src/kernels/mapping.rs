//! Numbers that lie in a file and are looked at in place.
#![expect(unsafe_code, reason = "a file's bytes are seen as numbers")]

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use memmap2::{Mmap, MmapOptions, UncheckedAdvice};

/// A file's bytes, in memory as far as they were looked at.
///
/// The file is expected to be the caller's own, and never to change or shrink again: one without a
/// name, or one that is written once.
pub struct Mapping(Mmap);

impl Mapping {
    /// Maps a file that nothing will write to again.
    ///
    /// # Errors
    /// When the system does not map it.
    pub fn new(file: &File) -> io::Result<Self> {
        // SAFETY: the caller says that nobody writes to the file again; bytes are read as integers
        // or numbers, of which every pattern is one.
        unsafe { Mmap::map(file) }.map(Self)
    }

    /// Maps so many bytes of a file, from a multiple of 64 KiB on, to which nothing will be written
    /// again.
    ///
    /// # Errors
    /// When the system does not map it.
    pub fn of_range(file: &File, start: u64, n_bytes: usize) -> io::Result<Self> {
        // SAFETY: as for `new`.
        unsafe { MmapOptions::new().offset(start).len(n_bytes).map(file) }.map(Self)
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Gives what was looked at in a range back to the system, so that it does not count as this
    /// program's memory; looked at again, it is read again.
    pub fn let_go(&self, start: usize, n_bytes: usize) {
        if start.saturating_add(n_bytes) > self.0.len() {
            return;
        }
        // SAFETY: the pages are those of a file that does not change, so that a page that comes
        // back is the page that went.
        let advised =
            unsafe { self.0.unchecked_advise_range(UncheckedAdvice::DontNeed, start, n_bytes) };
        // It was a hint; the system takes pages back by itself where it needs them.
        let _ = advised;
    }
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mapping").field("n_bytes", &self.0.len()).finish()
    }
}

/// A number of which every pattern of bits is one, in the machine's own order.
pub trait Plain: Copy + Send + Sync + 'static + sealed::Sealed {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

impl Plain for f32 {}
impl Plain for f64 {}

/// Numbers in memory of their own, or in a mapped file.
#[derive(Clone)]
pub struct Numbers<T: Plain>(Place<T>);

#[derive(Clone)]
enum Place<T> {
    Own(Vec<T>),
    Mapped { mapping: Arc<Mapping>, start: usize, len: usize },
}

impl<T: Plain> Numbers<T> {
    /// The `len` numbers that begin at the byte `start` of a mapping; `None` where they are not
    /// within it, or do not begin where such a number may.
    pub fn mapped(mapping: Arc<Mapping>, start: usize, len: usize) -> Option<Self> {
        let end = len.checked_mul(size_of::<T>())?.checked_add(start)?;
        let bytes = mapping.bytes().get(start..end)?;
        if cfg!(target_endian = "big") || bytes.as_ptr().align_offset(align_of::<T>()) != 0 {
            return None;
        }
        Some(Self(Place::Mapped { mapping, start, len }))
    }

    /// Whether they lie in a file.
    pub fn is_mapped(&self) -> bool {
        matches!(self.0, Place::Mapped { .. })
    }

    /// Copies them to memory of their own, if they are not there.
    pub fn take_to_memory(&mut self) {
        if self.is_mapped() {
            self.0 = Place::Own(self.to_vec());
        }
    }

    /// What [`Mapping::let_go`] does, where they lie in a file.
    pub fn let_go(&self) {
        if let Place::Mapped { mapping, start, len } = &self.0 {
            mapping.let_go(*start, len * size_of::<T>());
        }
    }

    /// Their bytes, as the machine orders them.
    pub fn bytes(&self) -> &[u8] {
        let numbers: &[T] = self;
        // SAFETY: numbers have no padding, and every byte is one.
        unsafe { std::slice::from_raw_parts(numbers.as_ptr().cast(), size_of_val(numbers)) }
    }
}

impl<T: Plain> Deref for Numbers<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.0 {
            Place::Own(numbers) => numbers,
            Place::Mapped { mapping, start, len } => {
                let first = mapping.bytes()[*start..].as_ptr().cast();
                // SAFETY: `mapped` saw that so many lie within the mapping, which lives as long as
                // this, from an address on that suits them; every pattern of bits is a number.
                unsafe { std::slice::from_raw_parts(first, *len) }
            }
        }
    }
}

impl<T: Plain> DerefMut for Numbers<T> {
    /// Takes them to memory of their own first, if they are not there.
    fn deref_mut(&mut self) -> &mut [T] {
        self.take_to_memory();
        match &mut self.0 {
            Place::Own(numbers) => numbers,
            Place::Mapped { .. } => &mut [],
        }
    }
}

impl<T: Plain> From<Vec<T>> for Numbers<T> {
    fn from(numbers: Vec<T>) -> Self {
        Self(Place::Own(numbers))
    }
}

impl<T: Plain> FromIterator<T> for Numbers<T> {
    fn from_iter<I: IntoIterator<Item = T>>(numbers: I) -> Self {
        Vec::from_iter(numbers).into()
    }
}

impl<'a, T: Plain> IntoIterator for &'a Numbers<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: Plain> Default for Numbers<T> {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl<T: Plain + PartialEq> PartialEq for Numbers<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Plain + fmt::Debug> fmt::Debug for Numbers<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn mapped_numbers_are_those_of_the_file_before_and_after_letting_go() {
        let mut file = tempfile::tempfile().unwrap();
        let numbers = [1.5_f64, f64::NAN, -0.0, 7.25];
        file.write_all(Numbers::from(numbers.to_vec()).bytes()).unwrap();
        let mapping = Arc::new(Mapping::new(&file).unwrap());
        let mut mapped: Numbers<f64> = Numbers::mapped(Arc::clone(&mapping), 8, 3).unwrap();
        for _ in 0..2 {
            let bits: Vec<u64> = mapped.iter().map(|number| number.to_bits()).collect();
            assert_eq!(bits, numbers[1..].iter().map(|n| n.to_bits()).collect::<Vec<_>>());
            mapped.let_go();
        }
        mapped[2] = 1.0;
        assert!(!mapped.is_mapped() && mapped[2] == 1.0);
        assert!(Numbers::<f64>::mapped(Arc::clone(&mapping), 8, 4).is_none(), "beyond the end");
        assert!(Numbers::<f64>::mapped(mapping, 4, 1).is_none(), "between two numbers");
    }
}
