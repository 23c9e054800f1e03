//! A table whose numbers have no room in memory is the same table, with its numbers in a file.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Seek, Write};

use trainyard_formats::{Limits, Loaded, ReadOptions, Room, read};
use trainyard_learn::table::Values;

/// More rows than are written at once.
const N_ROWS: usize = 30_000;

fn read_with(bytes: &[u8], room: Room) -> Loaded {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    let limits = Limits { room, ..Limits::default() };
    read::<File>(file, None, &ReadOptions::default(), &limits).unwrap()
}

/// Reads both ways; how many columns lie in a file.
fn n_stored(bytes: &[u8]) -> usize {
    let directory = tempfile::tempdir().unwrap();
    let in_memory = read_with(bytes, Room::memory());
    let stored = read_with(bytes, Room::in_directory(directory.path().to_owned(), 100_000));
    // With NaN as text, so that it equals itself.
    assert!(format!("{stored:?}") == format!("{in_memory:?}"));
    let mapped = |values: &Values| match values {
        Values::Numeric(rows) => rows.is_mapped(),
        Values::Tensor { values, .. } => values.is_mapped(),
        _ => false,
    };
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "files without a name");
    stored.table.columns().iter().filter(|column| mapped(&column.values)).count()
}

#[test]
fn csv_with_gaps_words_and_identifiers() {
    let mut text = "late,whole,number,id,word,mixed\n".to_owned();
    for row in 0..N_ROWS {
        let late = if row < 9_500 { String::new() } else { (row * 3).to_string() };
        let number = (row as f64 / 7.0).sin();
        let mixed = if row == 25_000 { "x".to_owned() } else { row.to_string() };
        let word = ["a", "b"][row % 2];
        writeln!(text, "{late},{row},{number},{row:06},{word},{mixed}").unwrap();
    }
    assert!(text.len() > 1 << 20, "large enough to be mapped");
    // Identifiers are found at the end, and a word after many numbers.
    assert_eq!(n_stored(text.as_bytes()), 3);
}

#[test]
fn numpy_arrays() {
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({N_ROWS}, 5), }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    for value in 0..N_ROWS * 5 {
        bytes.extend((value as f32 * 0.5).to_le_bytes());
    }
    assert_eq!(n_stored(&bytes), 5);
}

#[test]
fn text_that_is_decompressed_or_decoded_first() {
    let mut text = "ä,b\n".to_owned();
    for row in 0..N_ROWS {
        writeln!(text, "{row},{}", row % 7).unwrap();
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    assert_eq!(n_stored(&gzip.finish().unwrap()), 2);
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(n_stored(&[&b"\xff\xfe"[..], &utf16].concat()), 2);
}

#[test]
fn records_attributes_and_sparse_rows() {
    let mut json = String::new();
    let mut arff = "@relation r\n@attribute a numeric\n@attribute b {x,y}\n@data\n".to_owned();
    let mut sparse = String::new();
    for row in 0..N_ROWS {
        let late = if row > 20_000 { format!(", \"late\": {row}") } else { String::new() };
        writeln!(json, "{{\"a\": {row}.5, \"t\": [[{row}, 1], [2, 3]]{late}}}").unwrap();
        writeln!(arff, "{row},x").unwrap();
        writeln!(sparse, "{} 1:{row} {}:0.5", row % 2, 2 + row % 3).unwrap();
    }
    assert_eq!(n_stored(json.as_bytes()), 3);
    assert_eq!(n_stored(arff.as_bytes()), 1);
    assert_eq!(n_stored(sparse.as_bytes()), 5, "four columns and the label");
}

/// In both orders of their elements.
#[test]
fn tensors() {
    for order in ["True", "False"] {
        let header =
            format!("{{'descr': '<f4', 'fortran_order': {order}, 'shape': ({N_ROWS}, 2, 3), }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        for value in 0..N_ROWS * 6 {
            bytes.extend((value as f32 * 0.5).to_le_bytes());
        }
        assert_eq!(n_stored(&bytes), 1);
    }
}

#[test]
fn no_room_on_disk_is_an_error_of_the_machine() {
    let text: String = (0..N_ROWS).map(|row| format!("{row}\n")).collect();
    let gone = tempfile::tempdir().unwrap().path().join("gone");
    let limits = Limits { room: Room::in_directory(gone, 1_000), ..Limits::default() };
    let source = std::io::Cursor::new(text);
    let error = read(source, None, &ReadOptions::default(), &limits).unwrap_err();
    assert!(matches!(error, trainyard_formats::FormatError::Io(_)), "{error}");
}
