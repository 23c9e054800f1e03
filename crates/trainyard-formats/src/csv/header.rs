//! What the first row says: whether it names the columns, and how.

use std::collections::HashSet;

use ::csv::ByteRecord;

use super::{Problems, clean_text, parse_boolean};

/// Names longer than this are refused, since a name is repeated in every model and message.
const MAX_NAME_BYTES: usize = 1_000;

/// Of a name in a message, at most this many characters are shown.
const MAX_SHOWN_CHARACTERS: usize = 40;

/// A header has no number and no boolean in it, and some name.
pub(super) fn looks_like_header(record: &ByteRecord) -> bool {
    let texts: Vec<&str> = record.iter().filter_map(|field| clean_text(field).ok()).collect();
    texts.iter().all(|text| !is_number(text) && parse_boolean(text).is_none())
        && texts.iter().any(|text| !text.trim().is_empty())
}

/// "inf" and "nan" parse as numbers, but a column may well be named so.
fn is_number(text: &str) -> bool {
    text.contains(|c: char| c.is_ascii_digit()) && text.trim().parse::<f64>().is_ok()
}

/// The names in a header, and those of them that were empty and are made from the position.
pub(super) fn header_names(
    record: &ByteRecord,
    problems: &mut Problems,
) -> (Vec<String>, Vec<String>) {
    let mut names = Vec::with_capacity(record.len());
    let mut unnamed = Vec::new();
    let mut seen = HashSet::new();
    for (index, field) in record.iter().enumerate() {
        let name = match clean_text(field) {
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

pub(super) fn numbered_names(n_columns: usize) -> (Vec<String>, Vec<String>) {
    ((0..n_columns).map(|index| format!("x{index}")).collect(), Vec::new())
}

/// A name as a message shows it: whole, or its beginning and an ellipsis.
pub(super) fn short(name: &str) -> String {
    match name.char_indices().nth(MAX_SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}
