//! Files as people write them: how they are written is guessed, told, and can be said instead.

use trainyard_learn::table::{Values, time_text};

use super::*;

fn guess(bytes: impl AsRef<[u8]>) -> CsvTable {
    let bytes = bytes.as_ref();
    let found = read(bytes, &CsvOptions::default(), &CsvLimits::default(), 1);
    found.unwrap_or_else(|error| panic!("{error:?} in {:?}", String::from_utf8_lossy(bytes)))
}

/// All columns as text, a gap as a dash.
fn cells(found: &CsvTable) -> Vec<String> {
    let of = |column: &Column| {
        let cell = |row| column.values.text(row).unwrap_or_else(|| "-".into());
        let rows: Vec<String> = (0..found.table.n_rows()).map(cell).collect();
        format!("{}: {}", column.name, rows.join(" "))
    };
    found.table.columns().iter().map(of).collect()
}

fn codes(found: &CsvTable) -> Vec<&str> {
    found.notes.iter().map(|note| note.code).collect()
}

fn problems(text: impl AsRef<[u8]>, options: &CsvOptions) -> Vec<Problem> {
    match read(text.as_ref(), options, &CsvLimits::default(), 1) {
        Err(CsvError::Invalid(problems)) => problems,
        other => panic!("expected problems, got {other:?}"),
    }
}

fn options(json: &str) -> CsvOptions {
    serde_json::from_str(json).unwrap()
}

#[test]
fn the_same_table_is_read_from_every_dialect_and_encoding() {
    let wanted = ["name: Zoë Bob - Åsa, B.", "n: 1.5 -2 1000.25 0", "ok: true false true true"];
    for delimiter in [",", ";", "\t", "|", "^", "~"] {
        for (quote, newline) in [("\"", "\n"), ("\"", "\r\n"), ("'", "\n"), ("\"", "\r")] {
            for decimal in [".", ","] {
                let n = |text: &str| {
                    let text = text.replace('.', decimal);
                    let quoted = text.contains(delimiter);
                    if quoted { format!("{quote}{text}{quote}") } else { text }
                };
                let rows = [
                    ["name".into(), "n".into(), "ok".into()],
                    ["Zoë".into(), n("1.5"), "true".into()],
                    ["Bob".into(), n("-2"), "false".into()],
                    [String::new(), n("1000.25"), "True".into()],
                    [format!("{quote}Åsa, B.{quote}"), n("0"), "TRUE".into()],
                ];
                let rows: Vec<String> = rows.iter().map(|row| row.join(delimiter)).collect();
                let text = rows.join(newline);
                let utf16 = || text.encode_utf16();
                let encodings: [(Vec<u8>, Encoding); 5] = [
                    (text.clone().into_bytes(), Encoding::Utf8),
                    (format!("\u{feff}{text}").into_bytes(), Encoding::Utf8),
                    (utf16().flat_map(u16::to_le_bytes).collect(), Encoding::Utf16Le),
                    (utf16().flat_map(u16::to_be_bytes).collect(), Encoding::Utf16Be),
                    (text.chars().map(|c| c as u8).collect(), Encoding::Latin1),
                ];
                for (bytes, encoding) in encodings {
                    let found = guess(&bytes);
                    assert_eq!(cells(&found), wanted, "{text:?} {encoding:?}");
                    let options = &found.options;
                    assert_eq!(options.delimiter.as_deref(), Some(delimiter), "{text:?}");
                    assert_eq!(options.quote.as_deref(), Some(quote), "{text:?}");
                    assert_eq!(options.decimal.as_deref(), Some(decimal), "{text:?}");
                    assert_eq!(options.encoding, Some(encoding), "{text:?}");
                }
            }
        }
    }
}

#[test]
fn options_are_what_they_were_and_make_the_same_table() {
    let found = guess("# by hand\n# twice\nname;n\n'a; b';1.234,5\n'c';2\n");
    assert_eq!(cells(&found), ["name: a; b c", "n: 1234.5 2"]);
    let json = serde_json::to_string(&found.options).unwrap();
    assert_eq!(
        json,
        r##"{"header":true,"delimiter":";","skip_rows":0,"quote":"'","escape":"","trim":false,"##
            .to_owned()
            + r##""comment":"#","decimal":",","thousands":".","encoding":"utf-8","##
            + r##""na_values":[],"default_na":true}"##
    );
    let again = read(b"name;n\n'x';1\n", &options(&json), &CsvLimits::default(), 1);
    assert_eq!(cells(&again.unwrap()), ["name: x", "n: 1"]);
    assert!(serde_json::from_str::<CsvOptions>(r#"{"delimeter": ";"}"#).is_err());
}

#[test]
fn spaces_divide_where_every_row_is_numbers() {
    let found = guess("  x   y\n 1.5  2 \n3 -4\n");
    assert_eq!(cells(&found), ["x: 1.5 3", "y: 2 -4"]);
    // Otherwise they are in the text.
    for text in ["city\nNew York\nSan Francisco\n", "a\nto be\nor not to be\n"] {
        assert_eq!(guess(text).table.columns().len(), 1, "{text:?}");
    }
    let found = guess("when\n2024-01-01 10:00:00\n2024-01-02 11:00:00\n");
    assert_eq!(cells(&found), ["when: 2024-01-01T10:00:00Z 2024-01-02T11:00:00Z"]);
}

#[test]
fn quotes_escapes_and_spaces_before_quotes() {
    let found = guess("a,b\n\"say \\\"hi\\\", you\",1\n\"c:\\\\d\",2\n");
    assert_eq!(cells(&found), ["a: say \"hi\", you c:\\d", "b: 1 2"]);
    assert_eq!(found.options.escape.as_deref(), Some("\\"));

    let found = guess("a, b, c\n1, \"x, y\", 2\n3, \"z\", 4\n");
    assert_eq!(cells(&found), ["a: 1 3", "b: x, y z", "c: 2 4"]);
    assert_eq!(found.options.trim, Some(true));

    let found = guess("a\tb\n\"Weird Al\" Yankovic\t1\nplain\t2\n");
    assert_eq!(cells(&found), ["a: \"Weird Al\" Yankovic plain", "b: 1 2"]);
    assert_eq!(found.options.quote.as_deref(), Some(""));

    // A path that ends with a backslash is no escaped quote.
    let found = guess("a,b\n\"c:\\\",1\n\"d\",2\n");
    assert_eq!(cells(&found), ["a: c:\\ d", "b: 1 2"]);
    assert_eq!(guess("a,b\nit's,1\n'tis,2\n").options.quote.as_deref(), Some("\""));
}

#[test]
fn headers_titles_and_comments() {
    let header = |text: &str| guess(text).options.header.unwrap();
    assert!(header("country,2019,2020\nA,1.5,2\n"));
    assert!(header("a,b\nx,y\n"));
    assert!(header("x1,10\n5,6\n7,8\n"));
    assert!(!header("2019,2020\n1,2\n"));
    assert!(!header("2024-01-01,x\n2024-01-02,y\n"));
    assert!(!header("true,x\nfalse,y\n"));

    let found = guess("Sales of 2024\nby region\n\nregion,n\nnorth,1\nsouth,2\n");
    assert_eq!(cells(&found), ["region: north south", "n: 1 2"]);
    assert_eq!((found.options.skip_rows, codes(&found)), (Some(3), vec!["skipped_rows"]));
    let text = "x\ny,z\n1,2\n";
    let found = read(text.as_bytes(), &options(r#"{"skip_rows": 1}"#), &CsvLimits::default(), 1);
    assert_eq!(cells(&found.unwrap()), ["y: 1", "z: 2"]);
    let found = guess("3,2,yes,no\n1,2,3,4,5,0\n1,2,3,4,5,1\n1,2,3,4,5,1\n");
    assert_eq!((found.table.n_rows(), found.options.header), (3, Some(false)));
    assert_eq!(codes(&found), ["skipped_rows"]);

    // One line with a sign before it may be the header, and is a comment where it does not fit.
    assert_eq!(cells(&guess("#id,n\n1,2\n3,4\n")), ["#id: 1 3", "n: 2 4"]);
    assert_eq!(cells(&guess("# made by x, y and z\nid,n\n1,2\n")), ["id: 1", "n: 2"]);

    let found = guess("\"a\",\"b\"\n\"1\",1.5,x\n\"2\",2.5,y\n");
    assert_eq!(cells(&found), ["unnamed_0: 1 2", "a: 1.5 2.5", "b: x y"]);
    assert_eq!(codes(&found), ["unnamed_column"]);
    let found = guess("a,b\n1,2,\n3,4,\n");
    assert_eq!(cells(&found), ["a: 1 3", "b: 2 4", "unnamed_2: - -"]);
}

#[test]
fn numbers_that_can_be_read_in_two_ways_are_told() {
    let found = guess("a\tb\n1,234\tx\n5,678\ty\n");
    assert_eq!(
        (cells(&found)[0].as_str(), codes(&found)),
        ("a: 1234 5678", vec!["ambiguous_numbers"])
    );
    let found = guess("a;b\n1,234;x\n5,678;y\n");
    assert_eq!(
        (cells(&found)[0].as_str(), codes(&found)),
        ("a: 1.234 5.678", vec!["ambiguous_numbers"])
    );
    let found = guess("a,b\n\"1,234.5\",1\n\"12\",2\n");
    assert_eq!((cells(&found)[0].as_str(), codes(&found)), ("a: 1234.5 12", vec![]));
    let said = options(r#"{"thousands": ","}"#);
    let found = read(b"a;b\n1,234;x\n5,678;y\n", &said, &CsvLimits::default(), 1).unwrap();
    assert_eq!((cells(&found)[0].as_str(), codes(&found)), ("a: 1234 5678", vec![]));
    // What is not grouped by three is no number.
    assert_eq!(cells(&guess("a|b\n1,23,4|1\n2|2\n"))[0], "a: 1,23,4 2");
}

#[test]
fn missing_values_are_the_usual_and_those_that_are_said() {
    let found = guess("a,b\n1,x\nNA,null\n<NA>,n/a\n\"\",\"\"\n2,-nan\n");
    assert_eq!(cells(&found), ["a: 1 - - - 2", "b: x - - - -"]);
    // The number is missing before there is a number in the column, and after.
    let text = b"a,b\n-999,?\n1,x\n-999.0,NA\n";
    let found = guess(text);
    assert_eq!(cells(&found), ["a: -999 1 -999", "b: ? x -"]);
    let said = options(r#"{"na_values": ["-999", "?"], "default_na": false}"#);
    let found = read(text, &said, &CsvLimits::default(), 1).unwrap();
    assert_eq!(cells(&found), ["a: - 1 -", "b: - x NA"]);

    let found = guess("a\n1\n2\n3\n4\n?\n");
    assert_eq!(codes(&found), ["mixed_types"]);
    assert!(found.notes[0].detail.contains(r#"{"na_values": ["?"]}"#), "{:?}", found.notes);
    assert_eq!(codes(&guess("a\n1\n2\nx\ny\nz\n")), Vec::<&str>::new());
}

#[test]
fn dates_are_moments_when_they_all_are() {
    let found = guess("d,t\n2024-02-29,2024-01-01T00:00:00Z\n,2024-01-01T01:00:00+01:00\n");
    assert_eq!(
        cells(&found),
        ["d: 2024-02-29T00:00:00Z -", "t: 2024-01-01T00:00:00Z 2024-01-01T00:00:00Z"]
    );
    let day = |text: &str, said: &str| {
        let found = read(text.as_bytes(), &options(said), &CsvLimits::default(), 1).unwrap();
        let Values::Datetime(rows) = &found.table.columns()[0].values else {
            return (cells(&found)[0].clone(), codes(&found).join(" "));
        };
        let shown: Vec<String> =
            rows.iter().map(|time| time_text(*time).unwrap()[..10].to_owned()).collect();
        (shown.join(" "), codes(&found).join(" "))
    };
    let is = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(day("d\n3/4/2024\n31/1/2024\n", "{}"), is("2024-04-03 2024-01-31", ""));
    assert_eq!(day("d\n3/4/2024\n1/31/2024\n", "{}"), is("2024-03-04 2024-01-31", ""));
    assert_eq!(
        day("d\n3/4/2024\n5/6/2024\n", "{}"),
        is("2024-03-04 2024-05-06", "ambiguous_dates")
    );
    let said = r#"{"day_first": true}"#;
    assert_eq!(day("d\n3/4/2024\n5/6/2024\n", said), is("2024-04-03 2024-06-05", ""));
    let (both, other) = ("d\n31/1/2024\n1/31/2024\n", "d: 31/1/2024 1/31/2024");
    assert_eq!(day(both, "{}"), is(other, "contradictory_dates"));
    assert_eq!(
        day("d\n2024-01-31\n2023-02-30\n", "{}"),
        is("d: 2024-01-31 2023-02-30", "impossible_date")
    );
    assert_eq!(
        day("d\n2024-01-31 10:00\n2024-01-31 10:00Z\n", "{}"),
        is("2024-01-31 2024-01-31", "mixed_zones")
    );
    // A word that comes late makes words of all that were moments, and of numbers as well.
    let late = format!("d\n{}soon\n", "2024-01-31\n".repeat(100));
    assert_eq!(guess(late).table.columns()[0].values.text(0).unwrap(), "2024-01-31");
}

#[test]
fn a_demanded_type_is_kept_to() {
    let with = |text: &str, types: &str| {
        let said = options(&format!("{{\"types\": {types}}}"));
        read(text.as_bytes(), &said, &CsvLimits::default(), 1)
    };
    let text = "zip,flag,long,n\n01234,1,short,007\n98765,no,words,9007199254740993\n";
    let types = r#"{"zip": "categorical", "flag": "boolean", "long": "text", "n": "numeric"}"#;
    let found = with(text, types).unwrap();
    assert_eq!(
        cells(&found),
        ["zip: 01234 98765", "flag: true false", "long: short words", "n: 7 9007199254740992"]
    );
    assert!(matches!(found.table.columns()[2].values, Values::Text(_)));
    assert_eq!(found.notes, []);

    let text = "n,b,d\n1,true,2024-01-31\nx,maybe,2023-02-30\ny,false,soon\n";
    let types = r#"{"n": "numeric", "b": "boolean", "d": "datetime", "z": "text"}"#;
    let found: Vec<String> = problems(text, &options(&format!("{{\"types\": {types}}}")))
        .into_iter()
        .map(|problem| format!("{} {}", problem.pointer, problem.detail))
        .collect();
    assert_eq!(
        found,
        [
            "/options/types/z no column is named \"z\"",
            "/file row 2 (line 3), column \"n\": \"x\" is no number",
            "/file row 3 (line 4), column \"n\": \"y\" is no number",
            "/file row 2 (line 3), column \"b\": \"maybe\" is no boolean",
            "/file row 2 (line 3), column \"d\": \"2023-02-30\" is no date that exists",
            "/file row 3 (line 4), column \"d\": \"soon\" is no date that exists",
        ]
    );
}

#[test]
fn prose_is_text_and_what_comes_again_is_categories() {
    let kind = |text: &str| guess(text).table.columns()[0].values.column_type();
    let sentence = |i: usize| format!("the {i}th sentence of a longer text\n");
    let prose: String = (0..10).map(sentence).collect();
    assert_eq!(kind(&format!("a\n{prose}")), ColumnType::Text);
    let again: String = (0..10).map(|i| sentence(i / 2)).collect();
    assert_eq!(kind(&format!("a\n{again}")), ColumnType::Categorical);
    assert_eq!(kind("a\nx\ny\nz\n"), ColumnType::Categorical);
}

#[test]
fn leading_zeros_are_kept_unless_there_are_fractions() {
    let found = guess("zip,n,m\n01234,01,1\n98765,0.5,2\n");
    assert_eq!(cells(&found), ["zip: 01234 98765", "n: 1 0.5", "m: 1 2"]);
    assert_eq!(codes(&found), ["kept_as_text"]);
    assert!(found.notes[0].detail.contains("leading zeros"));
    // Late, too.
    let late = format!("a\n{}007\n", "1\n".repeat(1000));
    let found = in_chunks(late.as_bytes(), &CsvOptions::default(), &CsvLimits::default(), 2, 64);
    assert_eq!(found.unwrap().table.columns()[0].values.text(1000).unwrap(), "007");
}

#[test]
fn bytes_that_are_not_of_the_encoding_are_placed() {
    // Long enough for the guess to be made before it.
    let mut bytes = b"a,b\n".to_vec();
    bytes.extend(b"1,Mueller\n".repeat(40_000));
    let at = bytes.len() + 3;
    bytes.extend(b"2,M\xfcller\n");
    let found = problems(&bytes, &CsvOptions::default());
    let place = "row 40001 (line 40002), column \"b\"";
    assert_eq!(
        found[0].detail,
        format!("{place}: bytes that are not UTF-8, at byte {at} of the file")
    );
    assert!(found[0].suggestion.as_ref().unwrap().contains("latin-1"));
    let said = options(r#"{"encoding": "latin-1"}"#);
    let found = read(&bytes, &said, &CsvLimits::default(), 2).unwrap();
    assert_eq!(found.table.columns()[1].values.text(40_000).unwrap(), "Müller");
    assert_eq!(codes(&guess(b"a\nM\xfcller\nb\n")), ["encoding_guessed"]);
}

#[test]
fn wrong_options_are_told_all_at_once() {
    let said = options(
        r##"{"delimiter": ",,", "quote": "é", "escape": "\"", "decimal": ";", "thousands": "1",
            "comment": "a\n", "types": {"a": "tensor"}}"##,
    );
    let pointers: Vec<String> = problems("a\n1\n", &said).into_iter().map(|p| p.pointer).collect();
    assert_eq!(
        pointers,
        ["delimiter", "quote", "escape", "comment", "decimal", "thousands", "types"]
            .map(|field| format!("/options/{field}"))
    );
    let said = options(r#"{"delimiter": "\""}"#);
    assert_eq!(problems("a\n1\n", &said)[0].pointer, "/options/delimiter");
    let said = options(r#"{"delimiter": "\"", "quote": ""}"#);
    let found = read(b"a\"b\n1\"2\n", &said, &CsvLimits::default(), 1).unwrap();
    assert_eq!(cells(&found), ["a: 1", "b: 2"]);
}

#[test]
fn very_wide_and_very_long_rows_are_refused_quickly() {
    let wide = vec![b','; 3_000_000];
    let found = problems(&wide, &CsvOptions::default());
    assert_eq!(found[0].detail, "3000001 columns, more than the limit of 10000");
    let wide = vec![b','; 10_000_000];
    let found = problems(&wide, &CsvOptions::default());
    assert!(found[0].detail.contains("more than the limit of 10000"), "{found:?}");
    let long = [b"a\n\"".to_vec(), vec![b'x'; 64 << 20]].concat();
    let found = problems(&long, &CsvOptions::default());
    assert_eq!(found[0].detail, "the row that starts at line 2 is longer than the limit of a row");
}
