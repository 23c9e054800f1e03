//! Tables and damage at random: what was written is read, whoever reads it, and nothing panics.

use trainyard_learn::table::{ColumnType, MISSING_CODE, MISSING_TIME, Values, time_text};

use super::*;

/// Marsaglia's xorshift, which is random enough to find what nobody thought of.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }

    pub(super) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// What a reader makes of bytes, as text, so that NaN equals itself.
pub(super) fn outcome(
    bytes: &[u8],
    options: &CsvOptions,
    limits: &CsvLimits,
    n_threads: usize,
    chunk_bytes: usize,
) -> String {
    format!("{:?}", in_chunks(bytes, options, limits, n_threads, chunk_bytes))
}

struct Writer {
    delimiter: char,
    quote: char,
    escape: Option<char>,
    newline: &'static str,
    decimal: char,
}

impl Writer {
    fn field(&self, text: &str, random: &mut Random) -> String {
        let special = |c: char| {
            c == self.delimiter
                || c == self.quote
                || Some(c) == self.escape
                || matches!(c, '\n' | '\r' | '#')
        };
        if !text.contains(special) && !text.is_empty() && random.below(4) > 0 {
            return text.to_owned();
        }
        let mut written = String::from(self.quote);
        for character in text.chars() {
            if character == self.quote {
                written.push(self.escape.unwrap_or(self.quote));
            } else if Some(character) == self.escape {
                written.push(character);
            }
            written.push(character);
        }
        written.push(self.quote);
        written
    }
}

fn word(random: &mut Random) -> String {
    let letters = ['a', 'b', 'z', ',', ';', '\t', '|', '"', '\'', '\\', '\n', '\r', ' ', 'é', '#'];
    let n = 1 + random.below(6);
    // Never a number, a boolean, a date or a missing value.
    std::iter::once('w').chain((0..n).map(|_| random.of(&letters))).collect()
}

fn value(column: usize, row: usize, random: &mut Random) -> Option<String> {
    if random.below(10) == 0 {
        return None;
    }
    Some(match column % 4 {
        0 => {
            let value = f64::from_bits(random.0 ^ random.below(1 << 40) as u64);
            let value = if value.is_finite() { value } else { row as f64 };
            format!("{value:?}")
        }
        1 => word(random),
        2 => random.of(&["true", "FALSE", "True"]).to_owned(),
        _ => {
            let seconds = random.below(4_000_000_000) as i64 - 2_000_000_000;
            time_text(seconds * 1_000_000).unwrap()
        }
    })
}

fn expected(column: usize, value: Option<&str>) -> Option<String> {
    let value = value?;
    Some(match column % 4 {
        0 => trainyard_learn::table::number_text(value.parse().unwrap()),
        2 => value.to_ascii_lowercase(),
        _ => value.to_owned(),
    })
}

#[test]
fn what_was_written_is_read() {
    let mut random = Random(7);
    for _ in 0..400 {
        let writer = Writer {
            delimiter: random.of(&[',', ';', '\t', '|', '^']),
            quote: random.of(&['"', '\'']),
            escape: random.of(&[None, Some('\\')]),
            newline: random.of(&["\n", "\r\n", "\r"]),
            decimal: random.of(&['.', ',']),
        };
        let (n_rows, n_columns) = (1 + random.below(30), 1 + random.below(7));
        let rows: Vec<Vec<Option<String>>> = (0..n_rows)
            .map(|row| (0..n_columns).map(|column| value(column, row, &mut random)).collect())
            .collect();
        let mut text = (0..n_columns)
            .map(|column| format!("name {column}"))
            .collect::<Vec<_>>()
            .join(&writer.delimiter.to_string());
        for row in &rows {
            text.push_str(writer.newline);
            if random.below(5) == 0 {
                text.push_str(random.of(&["", "# a comment", "#", "#'\""]));
                text.push_str(writer.newline);
            }
            let fields: Vec<String> = row
                .iter()
                .enumerate()
                .map(|(column, value)| {
                    let missing = random.of(&["", "NA", "null"]);
                    let text = value.as_deref().unwrap_or(missing).to_owned();
                    let text = if column % 4 == 0 && value.is_some() {
                        text.replace('.', &writer.decimal.to_string())
                    } else {
                        text
                    };
                    // A line without anything in it is no row.
                    let text = if text.is_empty() && n_columns == 1 { "NA".into() } else { text };
                    writer.field(&text, &mut random)
                })
                .collect();
            text.push_str(&fields.join(&writer.delimiter.to_string()));
        }
        if random.below(2) == 0 {
            text.push_str(writer.newline);
        }
        let (encoding, bytes) = encoded(&text, random.below(5));
        let types = [
            ColumnType::Numeric,
            ColumnType::Categorical,
            ColumnType::Boolean,
            ColumnType::Datetime,
        ];
        let options = CsvOptions {
            header: Some(true),
            delimiter: Some(writer.delimiter.into()),
            quote: Some(writer.quote.into()),
            escape: Some(writer.escape.map(String::from).unwrap_or_default()),
            decimal: Some(writer.decimal.into()),
            thousands: Some(String::new()),
            comment: Some("#".into()),
            trim: Some(false),
            encoding: Some(encoding),
            types: Some(
                (0..n_columns)
                    .filter(|_| random.below(2) == 0)
                    .map(|column| (format!("name {column}"), types[column % 4]))
                    .collect(),
            ),
            ..CsvOptions::default()
        };
        let limits = CsvLimits::default();
        let chunk_bytes = 1 + random.below(200);
        let found = in_chunks(&bytes, &options, &limits, 2, chunk_bytes)
            .unwrap_or_else(|error| panic!("{error:?} in {text:?} by {options:?}"));
        assert_eq!(found.table.n_rows(), n_rows, "{text:?} by {options:?}");
        for (index, column) in found.table.columns().iter().enumerate() {
            for (row, values) in rows.iter().enumerate() {
                let wanted = expected(index, values[index].as_deref());
                assert_eq!(column.values.text(row), wanted, "{text:?} by {options:?}");
            }
        }
        // What was found is a way to say it.
        let again = read(&bytes, &found.options, &limits, 1).unwrap();
        assert_eq!(format!("{found:?}"), format!("{again:?}"));
    }
}

fn encoded(text: &str, choice: usize) -> (Encoding, Vec<u8>) {
    let units = || text.encode_utf16();
    match choice {
        0 => (Encoding::Utf16Le, units().flat_map(u16::to_le_bytes).collect()),
        1 => (Encoding::Utf16Be, units().flat_map(u16::to_be_bytes).collect()),
        2 => (Encoding::Latin1, text.chars().map(|c| c as u8).collect()),
        3 => (Encoding::Utf8, format!("\u{feff}{text}").into_bytes()),
        _ => (Encoding::Utf8, text.as_bytes().to_vec()),
    }
}

/// Files with what makes readers stumble.
const SEEDS: [&str; 9] = [
    "a,b,c\n1,x,true\n2.5,y,false\n,z,\n",
    "a,b\n\"1\n2\",\"x \"\"y\"\" z\"\n\"3\",w\n5\" pipe,\"q\"r\n",
    "a;b\r\n1,5;2.000,25\r\n-3,5;1.234.567,5\r\n",
    "id\twhen\n007\t2024-02-29\n008\t2024-03-01 10:00:00Z\n",
    "# one\n# two\nx y\n1 2\n 3  4 \n",
    "name,n\n'a, b',1\n'c',2\n'd''e',3\n",
    "title of it\n\nname,n\n\"say \\\"hi\\\"\",1\nb,2\n",
    "d,e\n1/2/2024,Jan 1 2000\n3/4/2024,Feb 2 2001\n",
    "n,w\n9007199254740993,inf\n1,2\nword,3\n\n\n4,5\n",
];

#[test]
fn the_result_does_not_depend_on_threads_and_parts() {
    let mut random = Random(11);
    let limits = CsvLimits { max_row_bytes: 300, ..CsvLimits::default() };
    for seed in SEEDS {
        for _ in 0..60 {
            let text = damaged(&seed.repeat(1 + random.below(4)).into_bytes(), &mut random);
            let options = CsvOptions::default();
            let whole = outcome(&text, &options, &limits, 1, usize::MAX);
            for n_threads in 1..=3 {
                let chunk_bytes = 1 + random.below(40);
                let found = outcome(&text, &options, &limits, n_threads, chunk_bytes);
                let shown = String::from_utf8_lossy(&text);
                assert_eq!(found, whole, "{shown:?} in parts of {chunk_bytes}");
            }
        }
    }
}

/// The same bytes, cut off, or with a few of them other ones.
fn damaged(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if random.below(3) == 0 {
        bytes.truncate(random.below(bytes.len() + 1));
    }
    for _ in 0..random.below(4) {
        if bytes.is_empty() {
            break;
        }
        let at = random.below(bytes.len());
        bytes[at] = if random.below(2) == 0 {
            random.of(b"\",;\n\r\t'\\\0#. 1e-\xff\xc3")
        } else {
            random.below(256) as u8
        };
    }
    bytes
}

#[test]
fn damage_never_panics() {
    let mut random = Random(13);
    let limits = CsvLimits { max_row_bytes: 100, max_columns: 20, max_rows: 50, max_cells: 200 };
    let mut n_read = 0;
    for seed in SEEDS {
        let latin1: Vec<u8> = seed.chars().map(|c| c as u8).chain(*b"M\xfcller\n").collect();
        let wide: Vec<u8> = seed.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for bytes in [seed.as_bytes(), &latin1, &wide] {
            for end in 0..=bytes.len() {
                outcome(&bytes[..end], &CsvOptions::default(), &limits, 1, 1 << 20);
            }
            for _ in 0..150 {
                let options = some_options(&mut random);
                let bytes = damaged(bytes, &mut random);
                let chunk_bytes = 1 + random.below(60);
                let found = in_chunks(&bytes, &options, &limits, 2, chunk_bytes);
                n_read += usize::from(found.is_ok_and(|found| well_formed(&found.table)));
            }
        }
    }
    // Otherwise nothing but errors was tried.
    assert!(n_read > 200, "{n_read}");
}

fn some_options(random: &mut Random) -> CsvOptions {
    let mut maybe = |choices: &[&str]| -> Option<String> {
        (random.below(3) == 0).then(|| random.of(choices).to_owned())
    };
    CsvOptions {
        delimiter: maybe(&[",", ";", "\t", " ", "1", "-", "."]),
        quote: maybe(&["", "\"", "'", "a"]),
        escape: maybe(&["", "\\", "\"", "x"]),
        comment: maybe(&["", "#", "a", "\""]),
        decimal: maybe(&[".", ","]),
        thousands: maybe(&["", ",", ".", "'"]),
        ..CsvOptions::default()
    }
}

fn well_formed(table: &Table) -> bool {
    for column in table.columns() {
        match &column.values {
            Values::Numeric(rows) => assert!(rows.iter().all(|v| v.is_finite() || v.is_nan())),
            Values::Categorical { codes, categories } => {
                assert!(categories.is_sorted() && codes.len() == table.n_rows());
                let mut used = vec![false; categories.len()];
                codes.iter().filter(|c| **c != MISSING_CODE).for_each(|c| used[*c as usize] = true);
                assert!(used.iter().all(|used| *used));
            }
            Values::Datetime(rows) => {
                assert!(rows.iter().all(|t| *t == MISSING_TIME || time_text(*t).is_some()));
            }
            _ => {}
        }
    }
    table.n_rows() > 0
}
