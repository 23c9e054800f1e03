//! Vectors whose place in memory suits the kernels.
#![expect(unsafe_code, reason = "memory of other types is seen as f32")]

use std::fmt;
use std::ops::{Deref, DerefMut};

use memmap2::MmapMut;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A vector of a fixed length that begins at the start of a cache line, so that no load of a whole
/// vector register straddles two; a large one lies on huge pages where the system has them, so that
/// walking down a column of weights does not miss the processor's table of pages at every row.
///
/// A large one takes up to 2 MiB more than its values, and goes back to the system when dropped.
#[derive(Default)]
pub struct Values {
    memory: Memory,
    len: usize,
}

enum Memory {
    Lines(Vec<Line>),
    Pages(MmapMut),
}

/// A cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

const LINE: usize = 16;
const HUGE_PAGE_BYTES: usize = 2 << 20;
/// From this size on, what is lost at the end of the last huge page does not matter.
const LARGE_BYTES: usize = 2 * HUGE_PAGE_BYTES;

impl Values {
    /// So many zeros.
    pub fn zeros(len: usize) -> Self {
        Self { memory: Memory::new(len), len }
    }
}

impl Memory {
    fn new(len: usize) -> Self {
        let n_bytes = len * size_of::<f32>();
        if n_bytes >= LARGE_BYTES
            && let Ok(pages) = MmapMut::map_anon(n_bytes.next_multiple_of(HUGE_PAGE_BYTES))
        {
            // A system that has none refuses, and the pages are small.
            #[cfg(target_os = "linux")]
            let _ = pages.advise(memmap2::Advice::HugePage);
            return Self::Pages(pages);
        }
        Self::Lines(vec![Line([0.0; LINE]); len.div_ceil(LINE)])
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::Lines(Vec::new())
    }
}

impl Deref for Values {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        let start = match &self.memory {
            Memory::Lines(lines) => lines.as_ptr().cast(),
            Memory::Pages(pages) => pages.as_ptr().cast(),
        };
        // SAFETY: the memory holds at least `len` values, is aligned for more than them, began as
        // zeros, and every pattern of bits is a value.
        unsafe { std::slice::from_raw_parts(start, self.len) }
    }
}

impl DerefMut for Values {
    fn deref_mut(&mut self) -> &mut [f32] {
        let start = match &mut self.memory {
            Memory::Lines(lines) => lines.as_mut_ptr().cast(),
            Memory::Pages(pages) => pages.as_mut_ptr().cast(),
        };
        // SAFETY: as for `deref`, and the borrow is unique.
        unsafe { std::slice::from_raw_parts_mut(start, self.len) }
    }
}

impl From<&[f32]> for Values {
    fn from(values: &[f32]) -> Self {
        let mut copy = Self::zeros(values.len());
        copy.copy_from_slice(values);
        copy
    }
}

impl Clone for Values {
    fn clone(&self) -> Self {
        Self::from(&**self)
    }

    fn clone_from(&mut self, source: &Self) {
        if self.len == source.len {
            self.copy_from_slice(source);
        } else {
            *self = source.clone();
        }
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl PartialEq for Values {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Serialize for Values {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ValuesVisitor)
    }
}

/// Reads values to where they stay: large ones are not in memory twice.
struct ValuesVisitor;

impl<'de> Visitor<'de> for ValuesVisitor {
    type Value = Values;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of numbers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Values, A::Error> {
        let Some(len) = list.size_hint() else {
            let mut values = Vec::new();
            while let Some(value) = list.next_element()? {
                values.push(value);
            }
            return Ok(Values::from(values.as_slice()));
        };
        let mut values = Values::zeros(len);
        for (at, value) in values.iter_mut().enumerate() {
            *value = list.next_element()?.ok_or_else(|| A::Error::invalid_length(at, &self))?;
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_zeros_on_a_line_whatever_their_number() {
        for len in [0, 1, 15, 16, 17, LARGE_BYTES / 4 - 1, LARGE_BYTES / 4, LARGE_BYTES / 4 + 1] {
            let mut values = Values::zeros(len);
            assert_eq!(values.len(), len);
            assert_eq!(values.as_ptr().align_offset(64), 0);
            assert!(values.iter().all(|value| *value == 0.0));
            if let Some(last) = values.last_mut() {
                *last = 3.5;
            }
            assert_eq!(values.clone(), values);
        }
    }
}
