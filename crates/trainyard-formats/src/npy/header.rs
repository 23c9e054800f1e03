//! What the head of an NPY file says: the type of its elements, their order, and the shape. It is
//! a Python literal of three known keys, and nothing else of Python is understood.

use std::io::Read;

use crate::error::{FormatError, invalid, short};

/// Longer than NumPy itself reads unless it is told to trust the file.
const MAX_HEADER_BYTES: usize = 10_000;

/// More dimensions than NumPy has.
const MAX_DIMENSIONS: usize = 64;

/// The head of a file.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) element: Element,
    pub(super) fortran_order: bool,
    pub(super) shape: Vec<usize>,
}

/// How one element is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) kind: Kind,
    pub(super) n_bytes: usize,
    pub(super) big_endian: bool,
}

/// What an element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Boolean,
    Signed,
    Unsigned,
    Float,
    /// Characters of four bytes, padded with zeros.
    Unicode,
    /// Characters of one byte, padded with zeros.
    Bytes,
    /// Microseconds to multiply with, or to divide by.
    Datetime {
        multiply: i64,
        divide: i64,
    },
}

impl Header {
    pub(super) fn read(source: &mut impl Read) -> Result<Self, FormatError> {
        let mut start = [0; 8];
        source.read_exact(&mut start)?;
        if !start.starts_with(b"\x93NUMPY") {
            return Err(invalid(
                "the file does not begin as NumPy's do",
                "numpy.save(\"x.npy\", x)",
            ));
        }
        let length = match start[6] {
            1 => {
                let mut length = [0; 2];
                source.read_exact(&mut length)?;
                usize::from(u16::from_le_bytes(length))
            }
            2 | 3 => {
                let mut length = [0; 4];
                source.read_exact(&mut length)?;
                u32::from_le_bytes(length) as usize
            }
            other => return Err(invalid(format!("version {other} of the NPY format"), "")),
        };
        if length > MAX_HEADER_BYTES {
            return Err(invalid(
                format!("a header of {length} bytes, more than the limit of {MAX_HEADER_BYTES}"),
                "one plain array",
            ));
        }
        let mut text = vec![0; length];
        source.read_exact(&mut text)?;
        let text = String::from_utf8_lossy(&text);
        Parser { rest: &text }.header()
    }

    /// How many elements there are; `None` beyond what can be counted.
    pub(super) fn n_elements(&self) -> Option<usize> {
        self.shape.iter().try_fold(1_usize, |n, length| n.checked_mul(*length))
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn header(mut self) -> Result<Header, FormatError> {
        let (mut element, mut fortran_order, mut shape) = (None, None, None);
        self.expect("{")?;
        while !self.take("}") {
            let key = self.text()?;
            self.expect(":")?;
            match key {
                "descr" => element = Some(self.element()?),
                "fortran_order" => {
                    fortran_order = Some(self.take("True"));
                    if fortran_order == Some(false) {
                        self.expect("False")?;
                    }
                }
                "shape" => shape = Some(self.shape()?),
                _ => return Err(self.unexpected()),
            }
            if !self.take(",") {
                self.expect("}")?;
                break;
            }
        }
        match (element, fortran_order, shape) {
            (Some(element), Some(fortran_order), Some(shape)) if self.rest.trim().is_empty() => {
                Ok(Header { element, fortran_order, shape })
            }
            _ => Err(self.unexpected()),
        }
    }

    fn shape(&mut self) -> Result<Vec<usize>, FormatError> {
        let mut shape = Vec::new();
        self.expect("(")?;
        while !self.take(")") {
            let rest = self.rest.trim_start();
            let n_digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let length = rest[..n_digits].parse().map_err(|_| self.unexpected())?;
            self.rest = &rest[n_digits..];
            // Python 2 wrote long integers so.
            self.take("L");
            shape.push(length);
            if shape.len() > MAX_DIMENSIONS {
                return Err(invalid(format!("more than {MAX_DIMENSIONS} dimensions"), ""));
            }
            if !self.take(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(shape)
    }

    fn element(&mut self) -> Result<Element, FormatError> {
        if self.rest.trim_start().starts_with('[') {
            return Err(invalid(
                "an array of records with fields of their own",
                "save each field in an NPZ file: numpy.savez(\"x.npz\", X=…, y=…)",
            ));
        }
        let text = self.text()?;
        let refuse =
            |what: &str, way: &str| invalid(format!("elements of type {text:?}: {what}"), way);
        let unknown = || refuse("none that is read", "x.astype(\"float64\")");
        let mut characters = text.chars();
        let order = characters.next().filter(|c| matches!(c, '<' | '>' | '|' | '='));
        let plain = if order.is_some() { characters.as_str() } else { text };
        if !plain.is_ascii() || plain.is_empty() {
            return Err(unknown());
        }
        let (code, size) = plain.split_at(1);
        if code == "O" {
            return Err(refuse(
                "pickled Python objects, which can run code as they are read",
                "x.astype(\"float64\"), or x.astype(str) for text",
            ));
        }
        let (size, unit) = size.split_at(size.find('[').unwrap_or(size.len()));
        let size: usize = size.parse().map_err(|_| unknown())?;
        let (kind, n_bytes) = match (code, size) {
            ("b", 1) => (Kind::Boolean, 1),
            ("i", 1 | 2 | 4 | 8) => (Kind::Signed, size),
            ("u", 1 | 2 | 4 | 8) => (Kind::Unsigned, size),
            ("f", 2 | 4 | 8) => (Kind::Float, size),
            ("M", 8) => (datetime(unit).ok_or_else(unknown)?, 8),
            ("U", 1..) => (Kind::Unicode, size.checked_mul(4).ok_or_else(unknown)?),
            ("S", 1..) => (Kind::Bytes, size),
            ("c", _) => {
                return Err(refuse("complex numbers", "save x.real and x.imag as columns"));
            }
            _ => return Err(unknown()),
        };
        Ok(Element { kind, n_bytes, big_endian: order == Some('>') })
    }

    fn text(&mut self) -> Result<&'a str, FormatError> {
        let rest = self.rest.trim_start();
        let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'));
        let quote = quote.ok_or_else(|| self.unexpected())?;
        let (text, rest) = rest[1..].split_once(quote).ok_or_else(|| self.unexpected())?;
        self.rest = rest;
        Ok(text)
    }

    fn take(&mut self, token: &str) -> bool {
        let rest = self.rest.trim_start().strip_prefix(token);
        if let Some(rest) = rest {
            self.rest = rest;
        }
        rest.is_some()
    }

    fn expect(&mut self, token: &str) -> Result<(), FormatError> {
        if self.take(token) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn unexpected(&self) -> FormatError {
        invalid(
            format!("the header of the array cannot be understood at {:?}", short(self.rest)),
            "numpy.save(\"x.npy\", x)",
        )
    }
}

fn datetime(unit: &str) -> Option<Kind> {
    let (multiply, divide) = match unit {
        "[D]" => (86_400_000_000, 1),
        "[h]" => (3_600_000_000, 1),
        "[m]" => (60_000_000, 1),
        "[s]" => (1_000_000, 1),
        "[ms]" => (1_000, 1),
        "[us]" => (1, 1),
        "[ns]" => (1, 1_000),
        _ => return None,
    };
    Some(Kind::Datetime { multiply, divide })
}
