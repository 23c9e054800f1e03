//! What a file is, by its content first and its name second. It decides between formats; what is
//! inside, delimiters and types, is found by each format's own reader.

use serde::{Deserialize, Serialize};

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Text, a row a line, with fields between delimiters.
    Csv,
    /// The same with tabs.
    Tsv,
    /// A JSON object a line.
    JsonLines,
    /// One JSON array of objects.
    Json,
    /// Apache Parquet.
    Parquet,
    /// Apache Arrow: a file, a stream, or Feather of the second version.
    Arrow,
    /// One array as NumPy saves it.
    Npy,
    /// Several of them in a ZIP archive.
    Npz,
    /// Weka's attribute-relation file.
    Arff,
    /// Sparse rows, each a label and `index:value` pairs.
    Svmlight,
}

impl Format {
    /// As the API names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::JsonLines => "json_lines",
            Self::Json => "json",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
            Self::Npy => "npy",
            Self::Npz => "npz",
            Self::Arff => "arff",
            Self::Svmlight => "svmlight",
        }
    }
}

/// What is around a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Nothing.
    #[default]
    None,
    /// Gzip, of one member or many.
    Gzip,
    /// Zstandard.
    Zstd,
}

/// How much of the content [`format()`] wants to see.
pub const HEAD_BYTES: usize = 64 << 10;

/// What the first bytes are compressed with.
pub fn compression(head: &[u8]) -> Compression {
    match head {
        [0x1f, 0x8b, 8, ..] => Compression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
        // A frame that decoders skip may come first.
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
        _ => Compression::None,
    }
}

/// What the first [`HEAD_BYTES`] of the decompressed content are, given the file's name. Text that is
/// nothing else is CSV.
pub fn format(head: &[u8], name: Option<&str>) -> Format {
    by_magic(head).unwrap_or_else(|| by_text(head, name.and_then(by_name)))
}

fn by_magic(head: &[u8]) -> Option<Format> {
    match head {
        [b'P', b'A', b'R', b'1' | b'E', ..] => Some(Format::Parquet),
        [b'A', b'R', b'R', b'O', b'W', b'1', ..] => Some(Format::Arrow),
        // A stream: the mark, and the length of the schema that comes first.
        [0xff, 0xff, 0xff, 0xff, _, _, _, 0, ..] => Some(Format::Arrow),
        // Feather of the first version, which its reader then refuses by name.
        [b'F', b'E', b'A', b'1', ..] => Some(Format::Arrow),
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Some(Format::Npy),
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Format::Npz),
        _ => None,
    }
}

/// Which format the file's name ends in, whatever compression comes after.
fn by_name(name: &str) -> Option<Format> {
    let name = name.to_ascii_lowercase();
    let name = name.trim_end_matches(".gz").trim_end_matches(".zst").trim_end_matches(".zstd");
    Some(match name.rsplit_once('.')?.1 {
        "csv" => Format::Csv,
        "tsv" | "tab" => Format::Tsv,
        "jsonl" | "ndjson" => Format::JsonLines,
        "json" => Format::Json,
        "parquet" | "pq" => Format::Parquet,
        "arrow" | "arrows" | "feather" | "ipc" => Format::Arrow,
        "npy" => Format::Npy,
        "npz" => Format::Npz,
        "arff" => Format::Arff,
        "svm" | "svmlight" | "libsvm" => Format::Svmlight,
        _ => return None,
    })
}

fn by_text(head: &[u8], named: Option<Format>) -> Format {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let mut start = head.trim_ascii_start();
    match start {
        [b'{', ..] => return Format::JsonLines,
        // A list of records, or nothing: a row of CSV may begin with a bracket too.
        [b'[', rest @ ..] if matches!(rest.trim_ascii_start(), [] | [b'{' | b']', ..]) => {
            return Format::Json;
        }
        _ => {}
    }
    while let [b'%', ..] = start {
        start = match start.iter().position(|byte| *byte == b'\n') {
            Some(end) => start[end..].trim_ascii_start(),
            None => &[],
        };
    }
    if start.len() > 9
        && start[..9].eq_ignore_ascii_case(b"@relation")
        && start[9].is_ascii_whitespace()
    {
        return Format::Arff;
    }
    match named {
        Some(text @ (Format::Csv | Format::Tsv | Format::Arff | Format::Svmlight)) => text,
        // Its reader says what is wrong with it, where the CSV reader would find a strange table.
        Some(Format::Json) => Format::Json,
        Some(Format::JsonLines) => Format::JsonLines,
        Some(binary @ (Format::Parquet | Format::Arrow | Format::Npy | Format::Npz)) => binary,
        None if looks_like_svmlight(head) => Format::Svmlight,
        None if has_tabs(head) => Format::Tsv,
        None => Format::Csv,
    }
}

/// The lines that are there whole, without comments and empty ones.
fn whole_lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let cut = head.len() >= HEAD_BYTES;
    let whole = match head.iter().rposition(|byte| *byte == b'\n') {
        Some(end) if cut => &head[..end],
        _ => head,
    };
    whole
        .split(|byte| *byte == b'\n')
        .map(|line| line.split(|byte| *byte == b'#').next().unwrap_or_default().trim_ascii())
        .filter(|line| !line.is_empty())
        .take(20)
}

/// Every line is a label and pairs, at least one of them with a pair.
fn looks_like_svmlight(head: &[u8]) -> bool {
    let is_number =
        |text: &[u8]| std::str::from_utf8(text).is_ok_and(|text| text.parse::<f64>().is_ok());
    let is_pair = |text: &[u8]| {
        text.iter().position(|byte| *byte == b':').is_some_and(|colon| {
            let (index, value) = (&text[..colon], &text[colon + 1..]);
            (index == b"qid" || !index.is_empty() && index.iter().all(u8::is_ascii_digit))
                && is_number(value)
        })
    };
    let mut any_pair = false;
    let all = whole_lines(head).all(|line| {
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let label = words.next().is_some_and(|word| word.split(|b| *b == b',').all(is_number));
        label
            && words.all(|word| {
                any_pair = true;
                is_pair(word)
            })
    });
    all && any_pair
}

/// As many tabs in each line, and no comma.
fn has_tabs(head: &[u8]) -> bool {
    let tabs = |line: &[u8]| line.iter().filter(|byte| **byte == b'\t').count();
    let mut lines = whole_lines(head);
    let Some(first) = lines.next() else { return false };
    tabs(first) > 0 && !first.contains(&b',') && lines.all(|line| tabs(line) == tabs(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_goes_before_the_name() {
        assert_eq!(format(b"PAR1....", Some("a.csv")), Format::Parquet);
        assert_eq!(format(b"{\"a\": 1}\n", Some("a.csv")), Format::JsonLines);
        assert_eq!(format(b" [\n {\"a\": 1}]", None), Format::Json);
        assert_eq!(format(b"% note\n@RELATION x\n", Some("x.txt")), Format::Arff);
    }

    #[test]
    fn text_is_told_apart_by_its_lines_and_its_name() {
        assert_eq!(format(b"a,b\n1,2\n", None), Format::Csv);
        assert_eq!(format(b"[a],b\n1,2\n", None), Format::Csv);
        assert_eq!(format(b"a\tb\n1\t2\n", None), Format::Tsv);
        assert_eq!(format(b"a,b\n1,2\n", Some("a.tsv.gz")), Format::Tsv);
        assert_eq!(format(b"# c\n1 1:0.5 7:2\n-1 2:1e3 # x\n", None), Format::Svmlight);
        assert_eq!(format(b"1 2\n3 4\n", None), Format::Csv);
        assert_eq!(format(b"a:1 b:2\n", None), Format::Csv);
        assert_eq!(format(b"", None), Format::Csv);
    }

    #[test]
    fn compression_is_by_magic_bytes() {
        assert_eq!(compression(&[0x1f, 0x8b, 8, 0]), Compression::Gzip);
        assert_eq!(compression(&[0x28, 0xb5, 0x2f, 0xfd]), Compression::Zstd);
        assert_eq!(compression(b"a,b"), Compression::None);
    }
}
