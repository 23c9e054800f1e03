use super::*;

fn schema(text: &str) -> Result<CsvSchema, CsvError> {
    infer(text.as_bytes(), &CsvOptions::default(), &CsvLimits::default())
}

fn details(result: Result<CsvSchema, CsvError>) -> Vec<String> {
    match result {
        Err(CsvError::Invalid(problems)) => problems.into_iter().map(|p| p.detail).collect(),
        other => panic!("expected problems, got {other:?}"),
    }
}

#[test]
fn types_and_header_are_found() {
    let text = "a,b,c\n1,true,x\n,False,y\n2.5,,x\n";
    let schema = schema(text).unwrap();
    assert!(schema.header);
    assert_eq!(schema.types, [ColumnType::Numeric, ColumnType::Boolean, ColumnType::Categorical]);
    let table = read(text.as_bytes(), &schema, &CsvLimits::default()).unwrap();
    assert_eq!(table.n_rows(), 3);
    let cells = |name: &str| -> Vec<Option<String>> {
        (0..3).map(|row| table.column(name).unwrap().values.text(row)).collect()
    };
    assert_eq!(cells("a"), [Some("1".into()), None, Some("2.5".into())]);
    assert_eq!(cells("b"), [Some("true".into()), Some("false".into()), None]);
    assert_eq!(cells("c"), [Some("x".into()), Some("y".into()), Some("x".into())]);
}

#[test]
fn a_first_row_with_a_number_is_no_header() {
    let found = schema("5.1,3.5,setosa\n4.9,3.0,setosa\n").unwrap();
    assert_eq!(found.names, ["x0", "x1", "x2"]);
    assert_eq!(found.n_rows, 2);
}

#[test]
fn the_caller_can_say_what_is_a_header_and_a_delimiter() {
    let options = CsvOptions { header: Some(true), delimiter: Some(";".into()) };
    let found = infer("2019;2020\n1;2\n".as_bytes(), &options, &CsvLimits::default()).unwrap();
    assert_eq!((found.names.as_slice(), found.n_rows), (&["2019".into(), "2020".into()][..], 1));
}

#[test]
fn a_byte_order_mark_and_quoted_newlines_are_understood() {
    let found = schema("\u{feff}a,b\n\"x\ny\",1\n").unwrap();
    assert_eq!((found.names[0].as_str(), found.n_rows), ("a", 1));
}

#[test]
fn every_ragged_row_is_named() {
    let found = details(schema("a,b\n1,2\n3\n4,5\n6,7,8\n"));
    assert_eq!(
        found,
        [
            "row 2 (line 3) has 1 field, where the header has 2",
            "row 4 (line 5) has 3 fields, where the header has 2",
        ]
    );
}

#[test]
fn many_problems_are_counted() {
    let text = format!("a,b\n{}", "1\n".repeat(50));
    let found = details(schema(&text));
    assert_eq!(found.len(), 21);
    assert_eq!(found[20], "and 30 more like these");
}

#[test]
fn infinities_are_refused_among_numbers_and_words_among_words() {
    assert_eq!(
        details(schema("a\n1\ninf\n1e999\n")),
        ["column \"a\" holds 2 values beyond the finite numbers, first in row 2 (line 3)"]
    );
    assert_eq!(schema("a\ninf\nword\n").unwrap().types, [ColumnType::Categorical]);
}

#[test]
fn what_is_no_table_is_refused() {
    assert_eq!(details(schema("")), ["the file is empty"]);
    assert_eq!(details(schema("a,b\n")), ["the file has a header and no rows"]);
    assert_eq!(details(schema("a,a\n1,2\n")), ["two columns are named \"a\""]);
    assert_eq!(details(schema("a\n\0\n")), ["row 1 (line 2), column \"a\": a NUL byte"]);
    let bytes = infer(&b"a\n\xff\n"[..], &CsvOptions::default(), &CsvLimits::default());
    assert_eq!(details(bytes), ["row 1 (line 2), column \"a\": bytes that are not UTF-8"]);
}

#[test]
fn limits_hold_before_memory_is_taken() {
    let limits = CsvLimits { max_columns: 3, max_rows: 2, ..CsvLimits::default() };
    let run = |text: &str| details(infer(text.as_bytes(), &CsvOptions::default(), &limits));
    assert!(run("a,b,c,d\n")[0].contains("4 columns"));
    assert!(run("a\n1\n2\n3\n")[0].contains("more than 2 rows"));
    // An endless field: the guard stops reading soon after the limit.
    let limits = CsvLimits { max_row_bytes: 1 << 16, ..CsvLimits::default() };
    let endless = Read::chain(&b"a\n\""[..], io::repeat(b'x'));
    let found = details(infer(endless, &CsvOptions::default(), &limits));
    assert_eq!(found, ["the row that starts at line 2 is longer than the limit of a row"]);
}

#[test]
fn a_changed_file_is_noticed() {
    let found = schema("a\n1\n").unwrap();
    assert!(read("a\nword\n".as_bytes(), &found, &CsvLimits::default()).is_err());
    assert!(read("a\n1\n2\n".as_bytes(), &found, &CsvLimits::default()).is_err());
}
