//! Moments, as they are written and as they are not.

use trainyard_learn::table::time_text;

use super::*;

fn shown(text: &str) -> Option<String> {
    match read(text)? {
        Reading::Moment(moment) => time_text(moment.microseconds),
        other => Some(format!("{other:?}").split([' ', '(']).next().unwrap().to_owned()),
    }
}

#[test]
fn common_forms_are_read() {
    for (text, expected) in [
        ("2024-02-29", "2024-02-29T00:00:00Z"),
        ("2024/2/9", "2024-02-09T00:00:00Z"),
        ("2024-02", "2024-02-01T00:00:00Z"),
        ("0001-01-01", "0001-01-01T00:00:00Z"),
        ("9999-12-31 23:59:59.999999", "9999-12-31T23:59:59.999999Z"),
        ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.500Z"),
        ("2024-01-31T12:00:00+02:00", "2024-01-31T10:00:00Z"),
        ("2024-01-31 00:30-0530", "2024-01-31T06:00:00Z"),
        ("2024-01-31 12:00:00 UTC", "2024-01-31T12:00:00Z"),
        ("2024-01-31 1:05 PM", "2024-01-31T13:05:00Z"),
        ("31.1.2024", "2024-01-31T00:00:00Z"),
        ("Jan 1 2000", "2000-01-01T00:00:00Z"),
        ("January 31, 2024", "2024-01-31T00:00:00Z"),
        ("31-Jan-2024", "2024-01-31T00:00:00Z"),
        ("Wed, 31 Jan 2024 10:11:12 GMT", "2024-01-31T10:11:12Z"),
        ("5/5/2024", "2024-05-05T00:00:00Z"),
        ("3/4/2024", "Ambiguous"),
        ("31/1/2024", "DayFirst"),
        ("1/31/2024", "MonthFirst"),
        ("2023-02-30", "Impossible"),
        ("2023-02-29", "Impossible"),
        ("1900-02-29", "Impossible"),
        ("31/31/2024", "Impossible"),
        ("2024-01-31 24:00", "Impossible"),
        ("2024-01-31 13:00 pm", "Impossible"),
    ] {
        assert_eq!(shown(text).as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn what_is_no_moment_is_none() {
    for text in [
        "20240131",
        "2024",
        "12:30:00",
        "1.5.2",
        "2024-1-",
        "2024-01-31x",
        "2024-01-31 12",
        "2024-01-31T",
        "may",
        "mayor 5",
        "1-2-3",
        "Jan 2000",
        "2024/1",
        "2024-01/31",
        "1/2/24",
        "2024-01-31 12:00 ",
        "١٢/٣/٢٠٢٤",
        "2024-01-31 12:00 EST",
    ] {
        let text = format!("{text}{}", if text.ends_with(' ') { "x" } else { "" });
        assert_eq!(read(&text), None, "{text}");
    }
}

#[test]
fn the_usual_form_is_read_as_the_others_are() {
    let mut n_usual = 0;
    for text in [
        "2024-02-29",
        "2023-02-29",
        "2024-02-29T23:59:59",
        "2024-02-29 23:59:59Z",
        "2024-02-29 24:00:00",
        "2024-02-29 23:60:00",
        "2024-02-29T23:59:60",
        "2024-02-29T23:59:59z",
        "2024-02-29T2a:59:59",
        "2024-13-01",
        "0000-01-01",
        "2024-02/29",
        "2024-02-29T23:59:59X",
        "2024-1-1",
        "202x-01-01",
        "2024-02-29x",
    ] {
        if let Some(found) = usual(text.as_bytes()) {
            assert_eq!(read(text), Some(Reading::Moment(found)), "{text}");
            n_usual += 1;
        }
    }
    assert_eq!(n_usual, 3);
}

#[test]
fn every_day_of_the_calendar_is_itself() {
    let first = Date { year: 1, month: 1, day: 1 }.days().unwrap();
    let last = Date { year: 9999, month: 12, day: 31 }.days().unwrap();
    for day in first..=last {
        let text = time_text(day * MICROSECONDS_PER_DAY).unwrap();
        assert_eq!(iso(text.as_bytes()).unwrap().microseconds, day * MICROSECONDS_PER_DAY);
    }
}
