use trainyard_learn::table::{MISSING_CODE, MISSING_TIME, Values};

use super::*;

fn lines(text: &str) -> Result<(Table, Notes), FormatError> {
    read(text.as_bytes(), false, &Limits::default())
}

fn array(text: &str) -> Result<(Table, Notes), FormatError> {
    read(text.as_bytes(), true, &Limits::default())
}

#[track_caller]
fn wrong(result: Result<(Table, Notes), FormatError>, expected: &str) {
    match result {
        Err(FormatError::Invalid(problems)) => {
            let details: Vec<&str> = problems.iter().map(|p| p.detail.as_str()).collect();
            assert!(details.iter().any(|detail| detail.contains(expected)), "{details:#?}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn records_become_columns_in_order_of_appearance() {
    let text = "{\"b\": 1.5, \"a\": \"x\"}\n\n{\"c\": true, \"a\": null}\r\n{\"b\": -2e0}";
    let as_array = format!("\u{feff}[{}]\n", text.replace("\n{", ",\n{"));
    for (table, _) in [lines(text).unwrap(), array(&as_array).unwrap()] {
        let names: Vec<&str> = table.columns().iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["b", "a", "c"]);
        let Values::Numeric(b) = &table.columns()[0].values else { panic!() };
        assert!(b[0] == 1.5 && b[1].is_nan() && b[2] == -2.0);
        assert_eq!(
            table.columns()[1].values,
            Values::Categorical {
                codes: vec![0, MISSING_CODE, MISSING_CODE],
                categories: vec!["x".into()]
            }
        );
        assert_eq!(table.columns()[2].values, Values::Boolean(vec![None, Some(true), None]));
    }
}

#[test]
fn kinds_are_united() {
    let (table, _) = lines("{\"a\": 1}\n{\"a\": \"x\\u0041\"}\n{\"a\": true}\n{\"a\": 1}").unwrap();
    let a = &table.columns()[0].values;
    let texts: Vec<String> = (0..4).map(|row| a.text(row).unwrap()).collect();
    assert_eq!(texts, ["1", "xA", "true", "1"]);
}

#[test]
fn whole_numbers_that_doubles_do_not_hold_are_kept_as_text() {
    let text = "{\"id\": 1, \"x\": 1e300}\n{\"id\": 9007199254740993, \"x\": 9007199254740992}";
    let (table, notes) = lines(text).unwrap();
    assert_eq!(notes.kept_as_text, ["id"]);
    assert_eq!(table.columns()[0].values.text(1).unwrap(), "9007199254740993");
    assert_eq!(table.columns()[1].values, Values::Numeric(vec![1e300, 9007199254740992.0].into()));
    let (_, notes) = lines("{\"id\": 9007199254740993}\n{\"id\": \"x\"}").unwrap();
    assert!(notes.kept_as_text.is_empty());
}

#[test]
fn texts_that_are_all_moments_are_moments() {
    let (table, _) =
        lines("{\"t\": \"1970-01-01T00:00:01Z\"}\n{}\n{\"t\": \"1970-01-02\"}").unwrap();
    assert_eq!(
        table.columns()[0].values,
        Values::Datetime(vec![1_000_000, MISSING_TIME, 86_400_000_000])
    );
    wrong(lines("{\"t\": \"2023-02-28\"}\n{\"t\": \"2023-02-30\"}"), "row 2, column \"t\"");
}

#[test]
fn arrays_of_one_shape_are_tensors() {
    let (table, _) = lines("{\"x\": [[1,2],[3,4.5]]}\n{\"x\": [[0, -1], [1e2, 0]]}").unwrap();
    assert_eq!(
        table.columns()[0].values,
        Values::Tensor {
            shape: vec![2, 2],
            values: vec![1., 2., 3., 4.5, 0., -1., 100., 0.].into()
        }
    );
    for (value, expected) in [
        ("[1]", "shape [1]"),
        ("[[1,2],[3]]", "differ in length"),
        ("[[1],[2,3]]", "differ in length"),
        ("[[1,2],3]", "differ in depth"),
        ("[[1,2],[[3],4]]", "differ in depth"),
        ("[]", "empty array"),
        ("[[],[]]", "empty array"),
        ("[[1,2],[3,null]]", "within an array"),
        ("[[1,2],[3,1e99]]", "within an array"),
        ("[[1,2],[3,\"x\"]]", "array of texts"),
        ("[[1,2],[3,{}]]", "array of texts"),
        ("[[[[[[[[[1]]]]]]]]]", "deeper than 8"),
        ("3", "arrays and other values"),
        ("\"x\"", "arrays and other values"),
        ("true", "no array"),
    ] {
        wrong(lines(&format!("{{\"x\": [[1,2],[3,4]]}}\n{{\"x\": {value}}}")), expected);
    }
    wrong(lines("{\"x\": [1]}\n{}"), "1 rows have no array");
}

#[test]
fn what_is_no_record_is_named_by_its_place() {
    wrong(lines("{\"a\": 1}\n{\"a\": }\n"), "row 2 (line 2): expected value");
    wrong(lines("{\"a\": 1}\n\n[1]\n"), "row 2 (line 3): invalid type");
    wrong(lines("{\"a\": 1} {\"a\": 2}\n"), "trailing characters");
    wrong(lines("{\"a\": NaN}\n"), "row 1 (line 1)");
    wrong(lines("{\"a\": 1e999}\n"), "finite");
    wrong(lines("{\"a\": {\"b\": 1}}\n"), "object within a record");
    wrong(lines("{\"a\": 1, \"b\": 2, \"a\": 3}"), "\"a\" is there twice");
    wrong(lines("{\"a\": 1, \"a \": 2}"), "two columns are named");
    wrong(lines("{\"a\": \"x\\u0000\"}"), "NUL");
    wrong(lines(""), "no records");
    wrong(lines("\n \n"), "no records");
    wrong(lines("{}\n{}"), "no record has a key");
    wrong(array("[{\"a\": 1}"), "never closed");
    wrong(array("[{\"a\": 1}, {\"a\""), "never closed");
    wrong(array("[{\"a\": 1} {\"a\": 2}]"), "after a record");
    wrong(array("[{\"a\": 1},]"), "where a record begins");
    wrong(array("[1]"), "where a record begins");
    wrong(array("[{\"a\": 1}] x"), "after the array");
    wrong(array("{\"a\": 1}"), "where the array begins");
    wrong(array("[]"), "no records");
    wrong(array("[{\"a\":\n1},\n{\"a\":}]"), "row 2 (line 3)");
}

#[test]
fn bytes_that_are_no_utf_8_are_named_by_their_row() {
    let bytes = b"{\"a\": \"x\"}\n{\"a\": \"\xff\"}\n".as_slice();
    wrong(read(bytes, false, &Limits::default()), "row 2 (line 2)");
}

#[test]
fn more_than_the_limits_is_refused() {
    let few = Limits {
        max_rows: 2,
        max_columns: 2,
        max_cells: 3,
        max_row_bytes: 300_000,
        ..Limits::default()
    };
    let read = |text: &str, is_array| read(text.as_bytes(), is_array, &few);
    wrong(read("{\"a\":1}\n{\"a\":1}\n{\"a\":1}\n", false), "more than 2 rows");
    wrong(read("{\"a\":1,\"b\":1,\"c\":1}", false), "3 columns");
    wrong(read("{\"a\":1,\"b\":1}\n{}", false), "3 cells");
    wrong(read("{\"a\":[1,1,1,1]}", false), "3 cells");
    let long = format!("{{\"a\": \"{}\"}}", "x".repeat(600_000));
    wrong(read(&long, false), "longer than the limit of a row");
    wrong(read(&format!("[{long}]"), true), "longer than the limit of a row");
    let deep = format!("{{\"a\": {}", "[".repeat(200_000));
    wrong(read(&deep, false), "row 1");
}

#[test]
fn a_cut_or_a_flipped_byte_never_panics() {
    let text = "[{\"a\": 1.5, \"b\": \"x\\\"\\u00e9\"},\n {\"t\": [[1, 2]], \"c\": false}]";
    for bytes in [text.as_bytes(), text.trim_matches(['[', ']']).as_bytes()] {
        for end in 0..bytes.len() {
            for is_array in [false, true] {
                let _ = read(&bytes[..end], is_array, &Limits::default());
                for bit in 0..8 {
                    let mut flipped = bytes.to_vec();
                    flipped[end] ^= 1 << bit;
                    let _ = read(&flipped[..], is_array, &Limits::default());
                }
            }
        }
    }
}
