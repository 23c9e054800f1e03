//! The first rows of a file, and what their fields look like.

use super::missing::MissingValues;
use super::number::NumberFormat;
use super::options::CsvLimits;
use super::scan::{Dialect, Form, Scanner, Stop};
use super::time;

/// Bytes that are looked at, and rows and fields of them.
const SAMPLE_BYTES: usize = 256 << 10;
const SAMPLE_ROWS: usize = 300;
const SAMPLE_FIELDS: usize = 30_000;

/// The first rows of a file.
pub(super) struct Sample<'a> {
    pub(super) bytes: &'a [u8],
    /// Whether there is nothing after it.
    complete: bool,
}

impl<'a> Sample<'a> {
    /// The beginning of a text: whole lines, and a few of them even where they are long.
    pub(super) fn of(text: &'a [u8], limits: &CsvLimits) -> Self {
        let most = limits.max_row_bytes.saturating_mul(4).max(SAMPLE_BYTES).min(text.len());
        let few = memchr::memchr_iter(b'\n', &text[..most]).nth(4).map_or(most, |end| end + 1);
        let end = few.max(SAMPLE_BYTES.min(text.len()));
        if end == text.len() {
            return Self { bytes: text, complete: true };
        }
        let end = memchr::memrchr2(b'\n', b'\r', &text[..end]).map_or(end, |last| last + 1);
        Self { bytes: &text[..end], complete: false }
    }

    /// The fields of the first rows, as their texts.
    pub(super) fn rows(&self, dialect: &Dialect, from: usize, limits: &CsvLimits) -> Vec<Row> {
        let scanner = Scanner { bytes: self.bytes, dialect, max_row_bytes: limits.max_row_bytes };
        let mut rows: Vec<Row> = Vec::new();
        let (mut position, mut n_lines, mut n_fields) = (from, 0, 0);
        let mut scratch = Vec::new();
        let end = self.bytes.len();
        while rows.len() < SAMPLE_ROWS
            && n_fields < SAMPLE_FIELDS
            && scanner.row_start(&mut position, end, &mut n_lines)
        {
            let (fields, next) = scanner.row(position, limits.max_columns.saturating_add(1));
            let last = fields.last().map_or(Stop::File, |field| field.stop);
            let cut = matches!(last, Stop::Open | Stop::TooLong);
            if cut && !self.complete && !rows.is_empty() {
                break;
            }
            let line = n_lines;
            n_lines += 1 + fields.iter().map(|f| scanner.lines_within(f)).sum::<usize>();
            n_fields += fields.len();
            let cells = fields
                .iter()
                .map(|field| Cell {
                    text: scanner.text(field, &mut scratch).to_vec(),
                    form: field.form,
                })
                .collect();
            let row = Row { line, start: position, end: next, cells, last };
            position = next;
            // Lines of spaces before the first row are no rows.
            if !rows.is_empty() || !row.is_blank() {
                rows.push(row);
            }
            if cut {
                break;
            }
        }
        rows
    }
}

/// A row of the sample.
pub(super) struct Row {
    /// Lines before it.
    pub(super) line: usize,
    pub(super) start: usize,
    /// Where the next line begins.
    pub(super) end: usize,
    pub(super) cells: Vec<Cell>,
    pub(super) last: Stop,
}

pub(super) struct Cell {
    pub(super) text: Vec<u8>,
    pub(super) form: Form,
}

impl Row {
    /// An empty field alone is not blank: only a pair of quotes makes one, and it is a value.
    fn is_blank(&self) -> bool {
        let [cell] = self.cells.as_slice() else { return false };
        cell.form == Form::Plain && cell.text.trim_ascii().is_empty()
    }
}

/// What a text looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Missing,
    Number,
    Date,
    Boolean,
    Word,
    Other,
}

pub(super) fn kind(text: &[u8], missing: &MissingValues, formats: &[NumberFormat]) -> Kind {
    let trimmed = text.trim_ascii();
    if missing.contains(trimmed) {
        return Kind::Missing;
    }
    let has_digit = trimmed.iter().any(u8::is_ascii_digit);
    if has_digit && formats.iter().any(|format| format.parse(trimmed).is_some()) {
        return Kind::Number;
    }
    let Ok(text) = std::str::from_utf8(trimmed) else { return Kind::Word };
    if has_digit && time::read(text).is_some() {
        return Kind::Date;
    }
    if super::parse_boolean(text).is_some() {
        return Kind::Boolean;
    }
    let mut before = ' ';
    for character in text.chars() {
        // A comma between two words that is followed by a space is one of a sentence.
        let allowed = character.is_alphanumeric()
            || " _-.'/()%$€£&!?*#@+=\n".contains(character)
            || !character.is_ascii()
            || character == ','
            || (character == ':' && before.is_alphanumeric());
        if !allowed || (before == ',' && character != ' ') {
            return Kind::Other;
        }
        before = character;
    }
    Kind::Word
}

/// The ways in which numbers may be written, the plain one first.
pub(super) const FORMATS: [NumberFormat; 7] = [
    NumberFormat { decimal: '.', thousands: None },
    NumberFormat { decimal: '.', thousands: Some(',') },
    NumberFormat { decimal: ',', thousands: None },
    NumberFormat { decimal: ',', thousands: Some('.') },
    NumberFormat { decimal: '.', thousands: Some('\'') },
    NumberFormat { decimal: ',', thousands: Some('\u{a0}') },
    NumberFormat { decimal: ',', thousands: Some('\u{202f}') },
];
