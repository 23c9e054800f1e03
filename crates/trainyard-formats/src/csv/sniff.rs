//! Guesses how a file is written from its beginning.
//!
//! Every way that the bytes allow is tried on the first rows. The better one makes rows of one
//! length out of them, and fields that are a number, a date, a word or nothing.

use super::missing::MissingValues;
use super::number::NumberFormat;
use super::options::{CsvLimits, Given};
use super::sample::{Cell, FORMATS, Kind, Row, Sample, kind};
use super::scan::{Dialect, Form, Stop};

/// Delimiters with how likely each is before anything is seen, and what it has to make of the rows.
/// A colon is none of them: times are far more common.
const DELIMITERS: [(u8, f64, Needs); 9] = [
    (b',', 1.0, Needs::Most),
    (b'\t', 1.5, Needs::Most),
    (b';', 1.0, Needs::Most),
    (b'|', 1.0, Needs::Most),
    (b'^', 0.5, Needs::All),
    (b'~', 0.5, Needs::All),
    (0x01, 0.5, Needs::All),
    (0x1f, 0.5, Needs::All),
    (b' ', 0.6, Needs::Numbers),
];

/// What a delimiter has to make of the rows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// Most of them of one length.
    Most,
    /// All of them.
    All,
    /// All of them, and half of what is in them numbers, because it is common in text.
    Numbers,
}

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
    for (delimiter, weight, needs) in DELIMITERS {
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
            let needs = if given.delimiter.is_some() { Needs::Most } else { needs };
            let Some(score) = score(sample, from, &candidate, given, needs, limits) else {
                continue;
            };
            // Quotes that are never closed properly are no quotes; only then are they none.
            let no_quote = candidate.quote.is_none() && given.quote.is_none();
            if no_quote && !quotes_are_text(sample, from, &base, limits) {
                continue;
            }
            let single = candidate.quote == Some(b'\'') && given.quote.is_none();
            if single && (score.n_quoted == 0 || score.n_loose > 0) {
                continue;
            }
            // What is found without assuming anything is preferred where it explains as much; but
            // where single quotes enclose fields, always as a pair, that is no chance.
            let order = if single { 1.0 } else { -(index as f64) };
            let value = score.value * weight + 1e-9 * order;
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
        let fits =
            with.first().zip(rows.first()).is_none_or(|(a, b)| a.cells.len() == b.cells.len());
        let is_header = fits && !has_names_above_numbers(&rows, &given.missing);
        if is_header {
            dialect.comment = None;
        }
    }
    dialect
}

fn has_names_above_numbers(rows: &[Row], missing: &MissingValues) -> bool {
    let [names, values, ..] = rows else { return false };
    let kind = |cell: &Cell| kind(&cell.text, missing, &FORMATS);
    names
        .cells
        .iter()
        .zip(&values.cells)
        .any(|(name, value)| kind(name) == Kind::Word && kind(value) == Kind::Number)
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
    needs: Needs,
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
    if needs != Needs::Most && (n_even < rows.len() || rows.len() < 2) {
        return None;
    }
    if needs == Needs::Numbers && n_numbers * 2 < below_header {
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
