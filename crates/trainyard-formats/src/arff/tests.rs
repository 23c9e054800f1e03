use trainyard_learn::table::{MISSING_CODE, MISSING_TIME, Values};

use super::*;

fn load(text: &str) -> Result<(Table, Notes), FormatError> {
    read(text.as_bytes(), &Limits::default())
}

#[track_caller]
fn wrong(text: &str, expected: &str) {
    match load(text) {
        Err(FormatError::Invalid(problems)) => {
            let found = format!("{problems:?}");
            assert!(found.contains(expected), "{found}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn sparse_rows_have_zeros_and_first_values() {
    let text = "@relation r\n@attribute n numeric\n@attribute c{a,'b c'}\n\
                @attribute s string\n@attribute d date 'dd.MM.yyyy'\n@data\n\
                {1 'b c', 2 \"it's\"}\n{}\n{0 2.5,3 02.01.1970}\n{0 ?}\n";
    let (table, _) = load(text).unwrap();
    let values: Vec<&Values> = table.columns().iter().map(|column| &column.values).collect();
    let Values::Numeric(n) = values[0] else { panic!() };
    assert!(n[..3] == [0.0, 0.0, 2.5] && n[3].is_nan());
    let Values::Categorical { codes, categories } = values[1] else { panic!() };
    assert_eq!(
        (&codes[..], &categories[..]),
        (&[1, 0, 0, 0][..], &["a".to_owned(), "b c".into()][..])
    );
    assert_eq!(values[2].text(0).unwrap(), "it's");
    let Values::Categorical { codes, .. } = values[2] else { panic!() };
    assert_eq!(codes[1], MISSING_CODE);
    let day = 86_400_000_000;
    assert_eq!(*values[3], Values::Datetime(vec![MISSING_TIME, MISSING_TIME, day, MISSING_TIME]));
}

#[test]
fn quotes_and_escapes_are_undone() {
    let text =
        "@relation r\n@attribute 'it\\'s' string\n@data\n'a \\'b\\', c'\n\"?\"\n?\n plain text \n";
    let (table, _) = load(text).unwrap();
    assert_eq!(table.columns()[0].name, "it's");
    let values = &table.columns()[0].values;
    let texts: Vec<Option<String>> = (0..4).map(|row| values.text(row)).collect();
    let expected = [Some("a 'b', c"), Some("?"), None, Some("plain text")];
    assert_eq!(texts, expected.map(|text| text.map(str::to_owned)));
}

#[test]
fn what_is_wrong_is_named_by_its_line() {
    let head = "@relation r\n@attribute a numeric\n@attribute b {x,y}\n";
    wrong(&format!("{head}@data\n1,x\n1\n"), "row 2 (line 6): 1 values");
    wrong(&format!("{head}@data\nz,x\n"), "column \\\"a\\\": \\\"z\\\" is no number");
    wrong(&format!("{head}@data\n1,z\n"), "none of the attribute's values");
    wrong(&format!("{head}@data\n1,'x\n"), "never closed");
    wrong(&format!("{head}@data\n{{0 1\n"), "never closed");
    wrong(&format!("{head}@data\n{{0}}\n"), "no pair");
    wrong(&format!("{head}@data\n{{5 1}}\n"), "index 5");
    wrong(&format!("{head}@data\n{{1 x, 0 1}}\n"), "index 0");
    wrong(&format!("{head}@data\n1e999,x\n"), "finite");
    wrong(&format!("{head}@data\n"), "no rows");
    wrong(head, "no @data");
    wrong("@relation r\n@data\n1\n", "no attributes");
    wrong("@relation r\n@attribute a relational\n", "relational");
    wrong("@relation r\n@attribute a complex\n", "of type");
    wrong("@relation r\n@attribute a date 'EEE'\n@data\n", "\\\"EEE\\\" is not read");
    wrong("@relation r\n@attribute a date\n@data\n2023-02-29T00:00:00\n", "no date");
    wrong("@relation r\n@attribute a numeric\n@attribute a numeric\n@data\n1,2\n", "two columns");
    wrong("@relation r\nx\n", "where an attribute is expected");
    wrong("@relation r\n@attribute a string\n@data\na\0b\n", "line 4 holds a NUL");
}

#[test]
fn rows_that_are_none_count_as_rows() {
    let head = "@relation r\n@attribute a numeric\n@data\n";
    wrong(&format!("{head}x\n1\ny\n"), "row 3 (line 6), column \\\"a\\\": \\\"y\\\"");
    let few = Limits { max_rows: 10, ..Limits::default() };
    let text = format!("{head}{}", "x\n".repeat(11));
    let Err(FormatError::Invalid(problems)) = read(text.as_bytes(), &few) else { panic!() };
    assert!(problems[0].detail.contains("more than 10 rows"), "{problems:?}");
}
