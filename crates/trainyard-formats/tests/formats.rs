//! Files as pandas, pyarrow, NumPy, SciPy and scikit-learn write them are read as these read them
//! back (`golden/make_formats.py`), and what is no table is refused by name. A file that is cut or
//! has flipped bits is an error or another table, and never a panic.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use serde_json::Value;
use trainyard_formats::{FormatError, Limits, Loaded, ReadOptions, read};
use trainyard_learn::table::{Column, MISSING_TIME, Values};

fn golden() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/formats.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/formats").join(name)
}

fn load(bytes: Vec<u8>, name: Option<&str>) -> Result<Loaded, FormatError> {
    read(Cursor::new(bytes), name, &ReadOptions::default(), &Limits::default())
}

fn problems(error: FormatError) -> String {
    match error {
        FormatError::Invalid(problems) => format!("{problems:?}"),
        FormatError::Io(error) => panic!("{error}"),
    }
}

#[test]
fn files_are_read_as_their_own_libraries_read_them() {
    let golden = golden();
    for case in golden["read"].as_array().unwrap() {
        let name = case["file"].as_str().unwrap();
        let file = fs::File::open(path(name)).unwrap();
        let loaded = read(file, Some(name), &ReadOptions::default(), &Limits::default());
        let loaded = loaded.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(serde_json::to_value(loaded.format).unwrap(), case["format"], "{name}");
        assert_eq!(
            serde_json::to_value(loaded.compression).unwrap(),
            case["compression"],
            "{name}"
        );
        let expected = case["columns"].as_array().unwrap();
        let names: Vec<&str> = loaded.table.columns().iter().map(|c| c.name.as_str()).collect();
        let wanted: Vec<&str> = expected.iter().map(|c| c["name"].as_str().unwrap()).collect();
        assert_eq!(names, wanted, "{name}");
        for (column, expected) in loaded.table.columns().iter().zip(expected) {
            assert_same(name, column, expected);
        }
        // What was understood decides all of it, whatever the name.
        let options: ReadOptions =
            serde_json::from_value(serde_json::to_value(&loaded.options_used).unwrap()).unwrap();
        let again = read(fs::File::open(path(name)).unwrap(), None, &options, &Limits::default());
        let again = again.unwrap();
        assert_eq!(again.options_used, loaded.options_used, "{name}");
        assert_eq!(format!("{:?}", again.table), format!("{:?}", loaded.table), "{name}");
    }
}

fn assert_same(file: &str, column: &Column, expected: &Value) {
    let place = format!("{file}, column {:?}", column.name);
    let kind = serde_json::to_value(column.values.column_type()).unwrap();
    assert_eq!(kind, expected["type"], "{place}");
    let wanted = expected["values"].as_array().unwrap();
    if let Values::Tensor { shape, values } = &column.values {
        assert_eq!(serde_json::to_value(shape).unwrap(), expected["shape"], "{place}");
        let wanted: Vec<f32> = wanted.iter().map(|v| v.as_f64().unwrap() as f32).collect();
        assert_eq!(**values, wanted, "{place}");
        return;
    }
    assert_eq!(column.values.len(), wanted.len(), "{place}");
    for (row, wanted) in wanted.iter().enumerate() {
        let place = format!("{place}, row {row}");
        match &column.values {
            Values::Numeric(rows) => match wanted.as_f64() {
                Some(wanted) => assert_eq!(rows[row], wanted, "{place}"),
                None => assert!(rows[row].is_nan(), "{place}: {}", rows[row]),
            },
            Values::Boolean(rows) => assert_eq!(rows[row], wanted.as_bool(), "{place}"),
            Values::Datetime(rows) => {
                assert_eq!(rows[row], wanted.as_i64().unwrap_or(MISSING_TIME), "{place}");
            }
            texts => assert_eq!(texts.text(row).as_deref(), wanted.as_str(), "{place}"),
        }
    }
}

#[test]
fn what_is_no_table_is_refused_by_name() {
    let golden = golden();
    for case in golden["refused"].as_array().unwrap() {
        let name = case["file"].as_str().unwrap();
        let says = format!("{:?}", case["says"].as_str().unwrap());
        let error = load(fs::read(path(name)).unwrap(), Some(name)).unwrap_err();
        let found = problems(error);
        assert!(found.contains(says.trim_matches('"')), "{name}: {says} is not in {found}");
    }
}

/// Up to here a file is cut at each of its bytes, and beyond at some of them.
const SMALL: usize = 1_800;

fn small_files() -> impl Iterator<Item = (String, Vec<u8>)> {
    fs::read_dir(path("")).unwrap().filter_map(|entry| {
        let entry = entry.unwrap();
        let bytes = fs::read(entry.path()).unwrap();
        let name = entry.file_name().into_string().unwrap();
        (bytes.len() < 12_000).then_some((name, bytes))
    })
}

#[test]
fn a_file_cut_anywhere_never_panics() {
    for (name, bytes) in small_files() {
        let binary = [".parquet", ".feather", ".arrow", ".npy", ".npz", ".gz", ".zst"]
            .iter()
            .any(|end| name.ends_with(end));
        let step = if bytes.len() <= SMALL { 1 } else { 131 };
        for length in (0..bytes.len()).step_by(step) {
            let cut = load(bytes[..length].to_vec(), Some(&name));
            // Text may well be a smaller table.
            assert!(!binary || cut.is_err(), "{name} is read when cut to {length} bytes");
            if let Err(error) = cut {
                problems(error);
            }
        }
    }
}

#[test]
fn flipped_bits_never_panic() {
    // A generator of Lehmer's, so that each run does the same.
    let mut state = 1_u64;
    let mut below = |n: usize| {
        state = state * 48_271 % 0x7fff_ffff;
        state as usize % n
    };
    for (name, bytes) in small_files() {
        for _ in 0..100 {
            let mut broken = bytes.clone();
            for _ in 0..=below(3) {
                let at = below(broken.len());
                broken[at] ^= 1 << below(8);
            }
            if let Err(error) = load(broken, Some(&name)) {
                problems(error);
            }
        }
    }
}
