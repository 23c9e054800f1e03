//! What the first row says: whether it names the columns, and how.

use std::collections::HashSet;

use super::missing::MissingValues;
use super::number::NumberFormat;
use super::problems::Problems;
use super::sample::{Cell, Kind, Row, kind};

/// Names longer than this are refused, since a name is repeated in every model and message.
const MAX_NAME_BYTES: usize = 1_000;

/// Of a name in a message, at most this many characters are shown.
const MAX_SHOWN_CHARACTERS: usize = 40;

/// Whether the first row names the columns.
///
/// It does where nothing in it is a number, a boolean or a date above dates, and something is a
/// name. It also does where it has numbers, but a word stands above numbers, or they are years
/// that follow each other.
pub(super) fn looks_like_header(
    rows: &[Row],
    missing: &MissingValues,
    numbers: NumberFormat,
) -> bool {
    let [first, body @ ..] = rows else { return false };
    let formats = [NumberFormat::default(), numbers];
    let kinds: Vec<Kind> =
        first.cells.iter().map(|cell| kind(&cell.text, missing, &formats)).collect();
    let all_below = |column: usize, wanted: Kind| {
        let cells = body.iter().filter_map(|row| row.cells.get(column));
        let mut kinds =
            cells.map(|cell| kind(&cell.text, missing, &formats)).filter(|k| *k != Kind::Missing);
        kinds.next() == Some(wanted) && kinds.all(|kind| kind == wanted)
    };
    let is_word = |column: usize| {
        let letter = first.cells[column].text.trim_ascii().first();
        matches!(kinds[column], Kind::Word | Kind::Other)
            && letter.is_some_and(|byte| byte.is_ascii_alphabetic() || *byte >= 0x80)
    };
    let columns = 0..kinds.len();
    if columns.clone().any(|column| is_word(column) && all_below(column, Kind::Number)) {
        return true;
    }
    if kinds.iter().any(|kind| matches!(kind, Kind::Number | Kind::Boolean)) {
        return !kinds.contains(&Kind::Boolean)
            && columns.clone().any(is_word)
            && are_years(&first.cells);
    }
    let date_above_dates =
        |column: usize| kinds[column] == Kind::Date && all_below(column, Kind::Date);
    if columns.clone().any(date_above_dates) {
        return false;
    }
    first.cells.iter().any(|cell| !cell.text.trim_ascii().is_empty())
}

/// Whether the numbers in a row are two years or more, each after the one before.
fn are_years(cells: &[Cell]) -> bool {
    let texts = cells.iter().filter_map(|cell| std::str::from_utf8(&cell.text).ok());
    let numbers: Vec<f64> = texts.filter_map(|text| text.trim().parse().ok()).collect();
    numbers.len() >= 2
        && numbers.iter().all(|year| (1800.0..2200.0).contains(year))
        && numbers.windows(2).all(|pair| pair[1] == pair[0] + 1.0)
}

/// The names in a header, and those of them that were empty and are made from the position.
pub(super) fn header_names(cells: &[Cell], problems: &mut Problems) -> (Vec<String>, Vec<String>) {
    let mut names = Vec::with_capacity(cells.len());
    let mut unnamed = Vec::new();
    let mut seen = HashSet::new();
    for (index, cell) in cells.iter().enumerate() {
        let name = match clean_text(&cell.text) {
            Ok(text) if !text.trim().is_empty() => text.trim().to_owned(),
            Ok(_) => {
                let name = format!("unnamed_{index}");
                unnamed.push(name.clone());
                name
            }
            Err(what) => {
                problems.push(format!("the header, column {}: {what}", index + 1));
                format!("unnamed_{index}")
            }
        };
        if name.len() > MAX_NAME_BYTES {
            problems.push(format!(
                "the header, column {}: the name {:?} is longer than {MAX_NAME_BYTES} bytes",
                index + 1,
                short(&name),
            ));
        }
        if !seen.insert(name.clone()) {
            problems.push(format!("two columns are named {:?}", short(&name)));
        }
        names.push(name);
    }
    (names, unnamed)
}

pub(super) fn numbered_names(n_columns: usize) -> Vec<String> {
    (0..n_columns).map(|index| format!("x{index}")).collect()
}

fn clean_text(field: &[u8]) -> Result<&str, &'static str> {
    let text = std::str::from_utf8(field).map_err(|_| "bytes that are not UTF-8")?;
    if field.contains(&0) { Err("a NUL byte") } else { Ok(text) }
}

/// A name as a message shows it: whole, or its beginning and an ellipsis.
pub(super) fn short(name: &str) -> String {
    match name.char_indices().nth(MAX_SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}
