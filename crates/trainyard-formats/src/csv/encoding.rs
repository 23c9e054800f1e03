//! Bytes become UTF-8 text: as they lie where they are that already, else put aside.

use std::io::{self, Write};
use std::ops::Deref;

use serde::{Deserialize, Serialize};

use crate::room::{Bytes, Room};

/// How bytes are to be read as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark.
    #[serde(rename = "utf-8", alias = "utf8")]
    Utf8,
    /// UTF-16 with the low byte first.
    #[serde(rename = "utf-16le", alias = "utf-16")]
    Utf16Le,
    /// UTF-16 with the high byte first.
    #[serde(rename = "utf-16be")]
    Utf16Be,
    /// Windows-1252, which is Latin-1 with signs where that has none.
    #[serde(rename = "latin-1", alias = "latin1", alias = "iso-8859-1", alias = "windows-1252")]
    Latin1,
}

/// How much of a file is looked at.
const HEAD: usize = 256 << 10;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A file's text, which is not yet known to be UTF-8 where the encoding is.
pub(super) struct Decoded<'a> {
    pub(super) text: Text<'a>,
    pub(super) encoding: Encoding,
    /// Where the text begins in the file.
    pub(super) offset: usize,
    /// Whether the encoding was a guess that could be wrong.
    pub(super) uncertain: bool,
}

/// Text as it lies in the file, or decoded.
pub(super) enum Text<'a> {
    AsItLies(&'a [u8]),
    Decoded(Bytes),
}

impl Deref for Text<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::AsItLies(bytes) => bytes,
            Self::Decoded(bytes) => bytes,
        }
    }
}

/// Why there is no text.
#[derive(Debug)]
pub(super) enum Undecodable {
    /// It could not be put aside.
    Io(io::Error),
    /// There are bytes that are not of the encoding.
    NotOf {
        encoding: &'static str,
        /// Of the byte in the file.
        offset: usize,
        /// How many lines begin before it.
        line: usize,
    },
}

impl From<io::Error> for Undecodable {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Text that is decoded at a time.
const PIECE: usize = 64 << 10;

/// Decodes a file. `done` hears of each stretch of it that was decoded.
pub(super) fn decode<'a>(
    bytes: &'a [u8],
    given: Option<Encoding>,
    room: &Room,
    done: &dyn Fn(usize, usize),
) -> Result<Decoded<'a>, Undecodable> {
    let (guessed, uncertain) = guess(&bytes[..bytes.len().min(HEAD)]);
    let (encoding, uncertain) = given.map_or((guessed, uncertain), |encoding| (encoding, false));
    let (mark, codec, name): (&[u8], _, _) = match encoding {
        Encoding::Utf8 => {
            let offset = if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
            let text = Text::AsItLies(&bytes[offset..]);
            return Ok(Decoded { text, encoding, offset, uncertain });
        }
        Encoding::Utf16Le => (b"\xff\xfe", encoding_rs::UTF_16LE, "UTF-16"),
        Encoding::Utf16Be => (b"\xfe\xff", encoding_rs::UTF_16BE, "UTF-16"),
        Encoding::Latin1 => (b"", encoding_rs::WINDOWS_1252, "Latin-1"),
    };
    let offset = if bytes.starts_with(mark) { mark.len() } else { 0 };
    let body = &bytes[offset..];
    let mut decoder = codec.new_decoder_without_bom_handling();
    let mut text = room.spool();
    let mut piece = String::with_capacity(PIECE);
    let (mut read, mut n_lines) = (0, 0);
    loop {
        piece.clear();
        let (result, n) =
            decoder.decode_to_string_without_replacement(&body[read..], &mut piece, true);
        done(offset + read, n);
        read += n;
        n_lines += memchr::memchr_iter(b'\n', piece.as_bytes()).count();
        text.write_all(piece.as_bytes())?;
        match result {
            encoding_rs::DecoderResult::InputEmpty => break,
            encoding_rs::DecoderResult::OutputFull => {}
            encoding_rs::DecoderResult::Malformed(length, after) => {
                return Err(Undecodable::NotOf {
                    encoding: name,
                    offset: offset + read.saturating_sub(usize::from(length) + usize::from(after)),
                    line: n_lines + 1,
                });
            }
        }
    }
    Ok(Decoded { text: Text::Decoded(Bytes::of(text)?), encoding, offset, uncertain })
}

/// The encoding that the beginning of a file suggests, and whether it is more than a mark that
/// says so.
fn guess(head: &[u8]) -> (Encoding, bool) {
    let zeros = |at: usize| head.iter().skip(at).step_by(2).filter(|byte| **byte == 0).count();
    let (high, low) = (zeros(0), zeros(1));
    match head {
        [0xff, 0xfe, ..] if low > high => return (Encoding::Utf16Le, false),
        [0xfe, 0xff, ..] if high > low => return (Encoding::Utf16Be, false),
        _ => {}
    }
    // Text in most languages has separators, digits and newlines, whose other byte is zero; a few
    // bytes of zero in other text are damage.
    let many = |n: usize| n >= 4 && n * 16 >= head.len();
    if many(low) && high == 0 {
        return (Encoding::Utf16Le, true);
    }
    if many(high) && low == 0 {
        return (Encoding::Utf16Be, true);
    }
    if is_latin1(head) { (Encoding::Latin1, true) } else { (Encoding::Utf8, false) }
}

/// Whether bytes beyond ASCII are all what Latin-1 has there in writing, and none of them UTF-8.
///
/// A single sequence that is UTF-8 makes the others broken UTF-8, and a byte that stands alone or
/// is a rare sign is more likely damage than a letter; then it is better to ask than to guess.
fn is_latin1(head: &[u8]) -> bool {
    let mut any_letter = false;
    let mut rest = head;
    loop {
        let error = match std::str::from_utf8(rest) {
            Ok(text) => return any_letter && text.is_ascii(),
            Err(error) => error,
        };
        let (valid, broken) = rest.split_at(error.valid_up_to());
        if !valid.is_ascii() {
            return false;
        }
        let before = head.len() - broken.len();
        let neighbours = [before.checked_sub(1).map(|i| head[i]), broken.get(1).copied()];
        let beside = |test: fn(&u8) -> bool| neighbours.iter().flatten().any(test);
        match broken[0] {
            0xd7 | 0xf7 => return false,
            0xc0..=0xff if beside(u8::is_ascii_alphabetic) => any_letter = true,
            0xc0..=0xff if beside(|byte| *byte >= 0xc0) => {}
            // Signs that stand beside numbers and words: € ‘ ’ “ ” – — £ § © « ° ± ² ³ ´ µ · » ¿.
            0x80
            | 0x85
            | 0x91..=0x97
            | 0xa0
            | 0xa1
            | 0xa3
            | 0xa7
            | 0xa9
            | 0xab
            | 0xae
            | 0xb0..=0xb5
            | 0xb7
            | 0xb9..=0xbf => {}
            _ => return false,
        }
        rest = &broken[1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guessed(bytes: &[u8]) -> Encoding {
        guess(bytes).0
    }

    #[test]
    fn latin1_is_guessed_only_where_it_is_plausible() {
        assert_eq!(guessed(b"name\nM\xfcller\n"), Encoding::Latin1);
        assert_eq!(guessed(b"name\n\xc5ngstr\xf6m, 5 \x80\n"), Encoding::Latin1);
        for bytes in [
            &b"a\n\xff\n"[..],
            b"a\n\xff\xfe\xff\n",
            b"\xe8\xec\xff,n\n1,2\n",
            b"a\n\0\n",
            b"a\n1 \x80\n",
            b"M\xc3\xbcller\nM\xfcller",
            b"M\xfcller\nM\xc3\xbcller",
            b"M\x81ller",
            b"plain",
            "Müller".as_bytes(),
        ] {
            assert_eq!(guessed(bytes), Encoding::Utf8, "{bytes:?}");
        }
    }

    #[test]
    fn utf16_is_known_with_and_without_its_mark() {
        let units = |text: &str| text.encode_utf16().collect::<Vec<u16>>();
        for text in ["a,b\n1,ü\n", "имя,n\n1,2\n3,4\n5,6\n"] {
            let le: Vec<u8> = units(text).iter().flat_map(|unit| unit.to_le_bytes()).collect();
            let be: Vec<u8> = units(text).iter().flat_map(|unit| unit.to_be_bytes()).collect();
            for (bytes, mark, encoding) in
                [(le, b"\xff\xfe", Encoding::Utf16Le), (be, b"\xfe\xff", Encoding::Utf16Be)]
            {
                for bytes in [bytes.clone(), [&mark[..], &bytes].concat()] {
                    let decoded = decode(&bytes, None, &Room::memory(), &|_, _| {}).unwrap();
                    assert_eq!((decoded.encoding, &*decoded.text), (encoding, text.as_bytes()));
                }
            }
        }
    }

    #[test]
    fn half_a_character_is_no_utf16() {
        let bytes = b"\xff\xfea\0\n\0b\0\x00\xd8c\0";
        let decoded = decode(bytes, None, &Room::memory(), &|_, _| {});
        let Err(Undecodable::NotOf { encoding, offset, line }) = decoded else {
            panic!("it is UTF-16")
        };
        assert_eq!((encoding, line), ("UTF-16", 2));
        assert!((8..=10).contains(&offset), "{offset}");
    }
}
