//! Guesses how a file is written from its beginning.
//!
//! Every way that the bytes allow is tried on the first rows. The better one makes rows of one
//! length out of them, and fields that are a number, a date, a word or nothing.

use super::missing::MissingValues;
use super::number::NumberFormat;
use super::options::{CsvLimits, Given};
use super::scan::{Dialect, Form, Scanner, Stop};
use super::time;

/// Bytes that are looked at, and rows and fields of them.
const SAMPLE_BYTES: usize = 256 << 10;
const SAMPLE_ROWS: usize = 300;
const SAMPLE_FIELDS: usize = 30_000;

/// Delimiters with how likely each is before anything is seen. The last ones must also make a
/// table of numbers out of every row, because they are common in text.
const DELIMITERS: [(u8, f64, bool); 10] = [
    (b',', 1.0, true),
    (b'\t', 1.5, true),
    (b';', 1.0, true),
    (b'|', 1.0, true),
    (b' ', 0.6, false),
    (b':', 0.5, false),
    (b'^', 0.5, false),
    (b'~', 0.5, false),
    (0x01, 0.5, false),
    (0x1f, 0.5, false),
];

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
    form: Form,
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
const FORMATS: [NumberFormat; 7] = [
    NumberFormat { decimal: '.', thousands: None },
    NumberFormat { decimal: '.', thousands: Some(',') },
    NumberFormat { decimal: ',', thousands: None },
    NumberFormat { decimal: ',', thousands: Some('.') },
    NumberFormat { decimal: '.', thousands: Some('\'') },
    NumberFormat { decimal: ',', thousands: Some('\u{a0}') },
    NumberFormat { decimal: ',', thousands: Some('\u{202f}') },
];

/// How well a dialect explains the sample.
struct Score {
    value: f64,
    /// Fields with something after the closing quote.
    n_loose: usize,
    n_quoted: usize,
}

/// The dialect that explains the beginning of a file best.
pub(super) fn dialect(
    sample: &Sample<'_>,
    from: usize,
    given: &Given,
    trim: Option<bool>,
    limits: &CsvLimits,
) -> Dialect {
    let bytes = &sample.bytes[from.min(sample.bytes.len())..];
    let n_marked = comment_lines(bytes);
    let comment = given.comment.clone().unwrap_or_else(|| (n_marked > 0).then(|| b"#".to_vec()));
    let mut best: Option<(f64, Dialect)> = None;
    for (delimiter, weight, common) in DELIMITERS {
        let delimiter = given.delimiter.unwrap_or(delimiter);
        if !bytes.contains(&delimiter) {
            continue;
        }
        let base = Dialect {
            delimiter,
            quote: given.quote.unwrap_or(Some(b'"')),
            escape: given.escape.unwrap_or(None),
            comment: comment.clone(),
            trim: trim.unwrap_or_else(|| spaces_before_quotes(bytes, delimiter)),
        };
        for (index, candidate) in variants(&base, given, bytes).into_iter().enumerate() {
            let all = common || given.delimiter.is_some();
            let Some(score) = score(sample, from, &candidate, given, all, limits) else { continue };
            // Quotes that are never closed properly are no quotes; only then are they none.
            let no_quote = candidate.quote.is_none() && given.quote.is_none();
            if no_quote && (score.n_loose > 0 || !quotes_are_text(sample, from, &base, limits)) {
                continue;
            }
            let single = candidate.quote == Some(b'\'') && given.quote.is_none();
            if single && (score.n_quoted == 0 || score.n_loose > 0) {
                continue;
            }
            // What is found without assuming anything is preferred where it explains as much.
            let value = score.value * weight - 1e-9 * index as f64;
            if best.as_ref().is_none_or(|(most, _)| value > *most) {
                best = Some((value, candidate));
            }
        }
        if given.delimiter.is_some() {
            break;
        }
    }
    let fallback = || Dialect {
        delimiter: given.delimiter.unwrap_or(b','),
        quote: given.quote.unwrap_or(Some(b'"')),
        escape: given.escape.unwrap_or(None),
        comment,
        trim: trim.unwrap_or(false),
    };
    let mut dialect = best.map_or_else(fallback, |(_, dialect)| dialect);
    // One such line is a comment unless it is the header with a sign before it.
    if given.comment.is_none() && n_marked == 1 {
        let rows = sample.rows(&dialect, from, limits);
        let bare = Dialect { comment: None, ..dialect.clone() };
        let with = sample.rows(&bare, from, limits);
        let same = |a: &Row, b: &Row| a.cells.len() == b.cells.len();
        let is_header = with.first().zip(rows.first()).is_none_or(|(a, b)| same(a, b));
        if is_header {
            dialect.comment = None;
        }
    }
    dialect
}

/// Other ways to quote that the bytes give reason to try.
fn variants(base: &Dialect, given: &Given, bytes: &[u8]) -> Vec<Dialect> {
    let mut variants = vec![base.clone()];
    let contains = |needle: &[u8]| memchr::memmem::find(bytes, needle).is_some();
    if given.escape.is_none() && base.quote.is_some_and(|quote| contains(&[b'\\', quote])) {
        variants.push(Dialect { escape: Some(b'\\'), ..base.clone() });
    }
    if given.quote.is_none() {
        let opens = contains(&[base.delimiter, b'\'']) || contains(b"\n'");
        if opens || bytes.first() == Some(&b'\'') {
            variants.push(Dialect { quote: Some(b'\''), ..base.clone() });
        }
        if bytes.contains(&b'"') {
            variants.push(Dialect { quote: None, ..base.clone() });
        }
    }
    variants
}

/// Whether fields begin with quotes that do not end them.
fn quotes_are_text(sample: &Sample<'_>, from: usize, base: &Dialect, limits: &CsvLimits) -> bool {
    let rows = sample.rows(base, from, limits);
    let forms = || rows.iter().flat_map(|row| &row.cells).map(|cell| cell.form);
    rows.iter().all(|row| row.last != Stop::Open)
        && forms().any(|form| form == Form::Loose)
        && forms().all(|form| matches!(form, Form::Loose | Form::Plain))
}

fn spaces_before_quotes(bytes: &[u8], delimiter: u8) -> bool {
    delimiter != b' ' && memchr::memmem::find(bytes, &[delimiter, b' ', b'"']).is_some()
}

fn comment_lines(bytes: &[u8]) -> usize {
    bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
        .take_while(|line| line.starts_with(b"#"))
        .count()
}

/// `None` where the dialect makes no table of the sample.
fn score(
    sample: &Sample<'_>,
    from: usize,
    dialect: &Dialect,
    given: &Given,
    common: bool,
    limits: &CsvLimits,
) -> Option<Score> {
    let rows = sample.rows(dialect, from, limits);
    let rows = &rows[preamble(&rows, &given.missing)..];
    let n_columns = usual_length(rows);
    if n_columns < 2 {
        return None;
    }
    let first = rows.first()?.cells.len();
    let n_even = rows
        .iter()
        .enumerate()
        .filter(|(index, row)| {
            let n = row.cells.len();
            n == n_columns || (*index == 0 && n + 1 == n_columns && n > 1)
        })
        .count();
    let even = n_even as f64 / rows.len() as f64;
    let (mut n_known, mut n_numbers, mut n_cells) = (0, 0, 0);
    let (mut n_loose, mut n_quoted) = (0, 0);
    for cell in rows.iter().flat_map(|row| &row.cells) {
        n_cells += 1;
        n_loose += usize::from(cell.form == Form::Loose);
        n_quoted += usize::from(matches!(cell.form, Form::Quoted | Form::Marked));
        match kind(&cell.text, &given.missing, &FORMATS) {
            Kind::Other => {}
            Kind::Number => {
                n_known += 1;
                n_numbers += 1;
            }
            _ => n_known += 1,
        }
    }
    let below_header = n_cells - first;
    if !common && (n_even < rows.len() || rows.len() < 2 || n_numbers * 2 < below_header) {
        return None;
    }
    let known = n_known as f64 / n_cells as f64;
    let loose = n_loose as f64 / n_cells as f64;
    let header_fits = first == n_columns || (first + 1 == n_columns && first > 1);
    let value = even * even * (0.2 + known) * (1.0 - loose) * if header_fits { 1.0 } else { 0.5 };
    Some(Score { value, n_loose, n_quoted })
}

/// How many fields most rows have.
pub(super) fn usual_length(rows: &[Row]) -> usize {
    let mut lengths: Vec<usize> = rows.iter().map(|row| row.cells.len()).collect();
    lengths.sort_unstable();
    let runs = lengths.chunk_by(usize::eq);
    runs.max_by_key(|run| (run.len(), run[0])).map_or(0, |run| run[0])
}

/// How many rows at the beginning are no part of the table: a title of rows of one field, where all
/// rows after them are of another length and begin with one that can only be a header; or one row
/// of counts, which is far shorter than all the others and holds a number.
pub(super) fn preamble(rows: &[Row], missing: &MissingValues) -> usize {
    let kind = |cell: &Cell| kind(&cell.text, missing, &FORMATS);
    let even = |rows: &[Row], length: usize| rows.iter().all(|row| row.cells.len() == length);
    if let [first, second, _, _, ..] = rows
        && first.cells.len() + 2 <= second.cells.len()
        && first.cells.iter().any(|cell| kind(cell) == Kind::Number)
        && even(&rows[1..], second.cells.len())
    {
        return 1;
    }
    let n = rows.iter().take_while(|row| row.cells.len() == 1).count();
    let [header, body @ ..] = &rows[n..] else { return 0 };
    let named = header.cells.iter().all(|cell| kind(cell) == Kind::Word);
    let is_title = n <= 20 && named && !body.is_empty() && even(body, header.cells.len());
    if is_title { n } else { 0 }
}

/// How numbers are written, and whether they could as well be written another way.
pub(super) fn numbers(rows: &[Row], delimiter: u8, given: &Given) -> (NumberFormat, bool) {
    let allowed = |format: &NumberFormat| {
        given.decimal.is_none_or(|decimal| decimal == format.decimal)
            && given.thousands.is_none_or(|thousands| thousands == format.thousands)
    };
    let mut formats: Vec<NumberFormat> = FORMATS.into_iter().filter(allowed).collect();
    if formats.len() <= 1 || given.decimal.is_some() && given.thousands.is_some() {
        let decimal = given.decimal.unwrap_or('.');
        return (NumberFormat { decimal, thousands: given.thousands.flatten() }, false);
    }
    // Files whose fields are divided by semicolons are so because commas are taken.
    let semicolon = delimiter == b';';
    if semicolon {
        formats.sort_by_key(|format| (!format.is_default(), format.decimal != ','));
    }
    let n_columns = usual_length(rows);
    let mut fitting = vec![0; formats.len()];
    for column in 0..n_columns {
        let texts = || {
            let cells = rows.iter().skip(1).filter_map(|row| row.cells.get(column));
            cells.map(|cell| &*cell.text).filter(|text| !given.missing.contains(text))
        };
        if texts().next().is_none() {
            continue;
        }
        for (format, n) in formats.iter().zip(&mut fitting) {
            *n += usize::from(texts().all(|text| format.parse(text).is_some()));
        }
    }
    let most = fitting.iter().copied().max().unwrap_or(0);
    let mut best = formats.iter().zip(&fitting).filter(|(_, n)| **n == most).map(|(f, _)| *f);
    let chosen = best.next().unwrap_or_default();
    let ambiguous = !chosen.is_default() && best.any(|other| other.decimal != chosen.decimal);
    (chosen, ambiguous)
}
