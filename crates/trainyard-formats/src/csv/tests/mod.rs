use trainyard_learn::table::ColumnType;

use super::*;

mod dialects;
mod numbers;
mod random;
mod schema;

use schema::{CsvSchema, infer, read_as};

fn in_chunks(
    bytes: &[u8],
    options: &CsvOptions,
    limits: &CsvLimits,
    n_threads: usize,
    chunk_bytes: usize,
) -> Result<CsvTable, CsvError> {
    let done: &Done<'_> = &|_, _| {};
    read_in_chunks(bytes, options, limits, n_threads, (&Room::memory(), done), chunk_bytes)
}

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
    let table = read_as(text.as_bytes(), &schema, &CsvLimits::default()).unwrap();
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
    let options =
        CsvOptions { header: Some(true), delimiter: Some(";".into()), ..CsvOptions::default() };
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
    let CsvError::Invalid(problems) = bytes.unwrap_err() else { panic!("no problems") };
    assert_eq!(
        problems[0].detail,
        "row 1 (line 2), column \"a\": bytes that are not UTF-8, at byte 2 of the file"
    );
    assert!(problems[0].suggestion.as_ref().unwrap().contains("{\"encoding\": \"latin-1\"}"));
}

#[test]
fn limits_hold_before_memory_is_taken() {
    let limits = CsvLimits { max_columns: 3, max_rows: 2, ..CsvLimits::default() };
    let run = |text: &str| details(infer(text.as_bytes(), &CsvOptions::default(), &limits));
    assert!(run("a,b,c,d\n")[0].contains("4 columns"));
    assert!(run("a\n1\n2\n3\n")[0].contains("more than 2 rows"));
    // A field without an end is looked at up to the limit only.
    let limits = CsvLimits { max_row_bytes: 1 << 16, ..CsvLimits::default() };
    let endless = format!("a\n\"{}", "x".repeat(1 << 20));
    let found = details(infer(endless.as_bytes(), &CsvOptions::default(), &limits));
    assert_eq!(found, ["the row that starts at line 2 is longer than the limit of a row"]);
}

#[test]
fn a_changed_file_is_noticed() {
    let found = schema("a\n1\n").unwrap();
    assert!(read_as("a\nword\n".as_bytes(), &found, &CsvLimits::default()).is_err());
    assert!(read_as("a\n1\n2\n".as_bytes(), &found, &CsvLimits::default()).is_err());
}

#[test]
fn a_quote_that_never_closes_is_reported() {
    let open =
        |line: u64| [format!("a quote that opens in the row at line {line} is never closed")];
    assert_eq!(details(schema("a,b\n1,\"2\n3,4\n5,6\n")), open(2));
    assert_eq!(details(schema("a,b\n1,\"2\n3,4\n5,6")), open(2));
    assert_eq!(details(schema("a,b\n1,2\n\"3,4\n5,6\n")), open(3));
    assert_eq!(details(schema("a,b\n1,\"2\"\"")), open(2));
    assert_eq!(details(schema("a,b\n1,\"")), open(2));
    assert_eq!(details(schema("a,\"b\n1,2\n")), open(1));
    assert_eq!(details(schema("\"")), open(1));
    assert_eq!(details(schema("a,b\r\n1,\"2\r\n3,4\r\n")), open(2));
    assert_eq!(details(schema("\n\na,b\n\n1,\"2\n\n3,4\n")), open(5));
    // Longer than the buffer that is read at a time.
    assert_eq!(details(schema(&format!("a,b\n1,\"2\n{}", "3,4\n".repeat(10_000)))), open(2));
    let found = schema("a,b\n1,2\n").unwrap();
    let error = read_as("a,b\n1,\"2\n".as_bytes(), &found, &CsvLimits::default()).unwrap_err();
    assert_eq!(details(Err(error)), open(2));
}

#[test]
fn a_quote_that_closes_at_the_end_of_the_file_is_none_that_never_closes() {
    for text in [
        "a,b\n1,\"2\"",
        "a,b\n1,\"2\"\n",
        "a,b\r\n1,\"2\"\r\n",
        "a,b\r\n1,\"2\"\r",
        "a,b\n1,\"x\"\"\"",
        "a,b\n1,\"x\ny\"",
        "a,b\n1,\"\"",
        "a,b\n1,",
        "a,b\n1,2\n\n\n",
        "\n\r\na,b\n1,2\"",
    ] {
        let found = schema(text).unwrap();
        assert_eq!((found.names.len(), found.n_rows), (2, 1), "{text:?}");
        let table = read_as(text.as_bytes(), &found, &CsvLimits::default()).unwrap();
        assert_eq!(table.n_rows(), 1, "{text:?}");
    }
    for text in ["", "\n", "\r\n\n", "\u{feff}"] {
        assert_eq!(details(schema(text)), ["the file is empty"], "{text:?}");
    }
    for text in ["a,b", "a,\"b\"", "a,b\r\n"] {
        assert_eq!(details(schema(text)), ["the file has a header and no rows"], "{text:?}");
    }
}

#[test]
fn bytes_that_are_not_utf8_are_found_at_the_end_and_whatever_divides_fields() {
    for end in [&b"\n"[..], b"", b"\n2\n", b"\r\n"] {
        let bytes = [&b"a\n1\n\xff\xfe\xff"[..], end].concat();
        let found = infer(bytes.as_slice(), &CsvOptions::default(), &CsvLimits::default());
        assert_eq!(
            details(found),
            ["row 2 (line 3), column \"a\": bytes that are not UTF-8, at byte 4 of the file"]
        );
    }
    // No delimiter splits a character, NUL included.
    for delimiter in (0..128).map(char::from).filter(|c| !"\"\n\r".contains(*c)) {
        let options = CsvOptions {
            header: Some(false),
            delimiter: Some(delimiter.into()),
            ..CsvOptions::default()
        };
        let found = infer("é\nè".as_bytes(), &options, &CsvLimits::default()).unwrap();
        assert_eq!(found.n_rows, 2, "{delimiter:?}");
    }
}

#[test]
fn a_row_is_too_long_before_its_quote_is_never_closed() {
    let run = |text: &str, max_row_bytes| {
        let limits = CsvLimits { max_row_bytes, ..CsvLimits::default() };
        infer(text.as_bytes(), &CsvOptions::default(), &limits)
    };
    assert_eq!(run("a\n1", 2).unwrap().n_rows, 1);
    assert_eq!(run("a\n1\n", 2).unwrap().n_rows, 1);
    let too_long = |line: u64| {
        [format!("the row that starts at line {line} is longer than the limit of a row")]
    };
    assert_eq!(details(run("a\n12\n", 2)), too_long(2));
    assert_eq!(details(run("ab\n1\n", 2)), too_long(1));
    assert_eq!(details(run("a\n1\n\"x\"\n", 3)), too_long(3));
    let open = format!("a\n\"{}", "x".repeat(50_000));
    assert_eq!(details(run(&open, 10_000)), too_long(2));
    assert_eq!(
        details(run(&open, 60_000)),
        ["a quote that opens in the row at line 2 is never closed"]
    );
}

#[test]
fn whole_numbers_that_would_lose_digits_stay_text() {
    let text = "id,near,float,word\n9007199254740993,9007199254740992,9007199254740993.0,a\n\
                -1,-9007199254740992,1e300,99999999999999999999\n";
    let found = schema(text).unwrap();
    assert_eq!(found.kept_as_text, ["id"]);
    let categorical = ColumnType::Categorical;
    let numeric = ColumnType::Numeric;
    assert_eq!(found.types, [categorical, numeric, numeric, categorical]);
    let table = read_as(text.as_bytes(), &found, &CsvLimits::default()).unwrap();
    let id = &table.column("id").unwrap().values;
    assert_eq!(id.text(0).as_deref(), Some("9007199254740993"));

    let inexact = |token: &str| !schema(&format!("a\n{token}\n")).unwrap().kept_as_text.is_empty();
    for token in [
        "007",
        "00000000000000000000000001",
        "-9007199254740993",
        "+18446744073709551616",
        &"9".repeat(400),
        " 1234567890123456789",
    ] {
        assert!(inexact(token), "{token}");
    }
    for token in ["0", "+9007199254740992", "-01", "00.5", "1e17", "NA", "true"] {
        assert!(!inexact(token), "{token}");
    }
    // Among identifiers, infinity is a word as it is among words.
    assert_eq!(schema("a\n9007199254740993\ninf\n").unwrap().kept_as_text, ["a"]);
}

#[test]
fn names_that_parse_as_numbers_without_digits_are_names() {
    let found = schema("nan,Inf,-INFINITY\n1,2,3\n").unwrap();
    assert!(found.header);
    assert_eq!(found.names, ["nan", "Inf", "-INFINITY"]);
    assert!(!schema("nan,1e5\n1,2\n").unwrap().header);
}

#[test]
fn lines_of_spaces_before_the_first_row_are_skipped() {
    let text = "  \n\t\n\na,b\n1,2\n";
    let found = schema(text).unwrap();
    assert_eq!((found.names.as_slice(), found.n_rows), (&["a".into(), "b".into()][..], 1));
    assert_eq!(read_as(text.as_bytes(), &found, &CsvLimits::default()).unwrap().n_rows(), 1);
    let found = schema(" \n1,2\n").unwrap();
    assert_eq!((found.header, found.n_rows), (false, 1));
    assert_eq!(read_as(" \n1,2\n".as_bytes(), &found, &CsvLimits::default()).unwrap().n_rows(), 1);
    assert_eq!(details(schema(" \n \n")), ["the file is empty"]);
    assert_eq!(
        details(schema("a,b\n1,2\n  \n")),
        ["row 2 (line 3) has 1 field, where the header has 2"]
    );
    // Quotes around nothing are a missing value, and so are spaces after the first row.
    assert_eq!(schema("\"\"\n1\n \n").unwrap().n_rows, 3);
}

#[test]
fn long_names_are_refused_and_shown_in_part() {
    let (fits, long) = ("é".repeat(500), "é".repeat(501));
    let shown = format!("{}…", "é".repeat(40));
    assert_eq!(schema(&format!("{fits}\n1\n")).unwrap().names[0], fits);
    assert_eq!(
        details(schema(&format!("a,{long}\n1,2\n"))),
        [format!("the header, column 2: the name \"{shown}\" is longer than 1000 bytes")]
    );
    assert_eq!(
        details(schema(&format!("{fits},{fits}\n1,2\n"))),
        [format!("two columns are named \"{shown}\"")]
    );
    assert_eq!(
        details(schema(&format!("{fits}\n\0\n"))),
        [format!("row 1 (line 2), column \"{shown}\": a NUL byte")]
    );
    assert_eq!(
        details(schema(&format!("{fits}\n1e999\n"))),
        [format!(
            "column \"{shown}\" holds 1 value beyond the finite numbers, first in row 1 (line 2)"
        )]
    );
    let name = "é".repeat(40);
    assert_eq!(
        details(schema(&format!("{name},{name}\n1,2\n"))),
        [format!("two columns are named {name:?}")]
    );
}

/// A slip among dates is an error with its place; a column that is half of such is not of dates.
#[test]
fn a_date_that_does_not_exist_is_refused_among_dates() {
    let day = |row: usize| format!("2024-02-{:02}\n", 1 + row % 28);
    let with = |n_real: usize| {
        let days: String = (0..n_real).map(day).collect();
        let text = format!("when\n{days}2023-02-30\n");
        read(text.as_bytes(), &CsvOptions::default(), &CsvLimits::default(), 1)
    };
    let Err(CsvError::Invalid(problems)) = with(9) else { panic!("9 of 10 are dates") };
    assert_eq!(problems.len(), 1);
    let detail = "row 10 (line 11), column \"when\": \"2023-02-30\" is no date that exists";
    assert_eq!(problems[0].detail, detail);
    let way_out = problems[0].suggestion.as_deref().unwrap();
    assert!(way_out.contains("{\"types\": {\"when\": \"text\"}}"), "{way_out}");
    let found = with(8).unwrap();
    assert_eq!(found.notes[0].code, "impossible_date");
    assert_ne!(found.table.columns()[0].values.column_type(), ColumnType::Datetime);
}

/// After one quote that is never closed, every part of a file would look for its first row up to the
/// end of the file.
#[test]
fn no_part_looks_for_its_first_row_beyond_itself() {
    let text = format!("a,b\n\"x,1\n{}", "y,2\n".repeat(100));
    let dialect = scan::Dialect::default();
    let scanner =
        scan::Scanner { bytes: text.as_bytes(), dialect: &dialect, max_row_bytes: 1 << 20 };
    assert_eq!(scanner.guess_row_start(40, 80, true), 80);
    assert_eq!(scanner.guess_row_start(42, 80, false), 45);
    let Err(CsvError::Invalid(problems)) =
        in_chunks(text.as_bytes(), &CsvOptions::default(), &CsvLimits::default(), 2, 40)
    else {
        panic!("the quote is never closed")
    };
    assert!(problems[0].detail.contains("at line 2 is never closed"), "{problems:?}");
}
