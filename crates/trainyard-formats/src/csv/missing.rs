//! Which texts stand for a missing value.

/// Texts that stand for a missing value, as pandas reads them.
const USUAL: [&[u8]; 19] = [
    b"",
    b"#N/A",
    b"#N/A N/A",
    b"#NA",
    b"-1.#IND",
    b"-1.#QNAN",
    b"-NaN",
    b"-nan",
    b"1.#IND",
    b"1.#QNAN",
    b"<NA>",
    b"N/A",
    b"NA",
    b"NULL",
    b"NaN",
    b"None",
    b"n/a",
    b"nan",
    b"null",
];

const LONGEST_USUAL: usize = 8;

/// The texts that stand for a missing value in one file.
#[derive(Clone, Debug)]
pub(super) struct MissingValues {
    usual: bool,
    texts: Vec<Vec<u8>>,
    numbers: Vec<f64>,
}

impl MissingValues {
    pub(super) fn new(usual: bool, more: &[String]) -> Self {
        let texts: Vec<Vec<u8>> = more.iter().map(|text| text.trim().as_bytes().to_vec()).collect();
        // A number is missing however it is written: -999 and -999.0 are one value.
        let numbers = more.iter().filter_map(|text| text.trim().parse().ok()).collect();
        Self { usual, texts, numbers }
    }

    /// Whether a text stands for a missing value; spaces around it do not matter.
    pub(super) fn contains(&self, text: &[u8]) -> bool {
        let text = text.trim_ascii();
        (self.usual && is_usual(text)) || self.texts.iter().any(|missing| missing == text)
    }

    /// Whether a number stands for a missing value.
    #[inline]
    pub(super) fn contains_number(&self, value: f64) -> bool {
        self.numbers.contains(&value)
    }
}

fn is_usual(text: &[u8]) -> bool {
    // Nearly every value is told apart by how it begins.
    match text.first() {
        None => true,
        Some(b'#' | b'-' | b'1' | b'<' | b'N' | b'n') => {
            text.len() <= LONGEST_USUAL && USUAL.contains(&text)
        }
        Some(_) => false,
    }
}

/// Whether a text usually stands for a missing value.
pub fn is_missing(text: &str) -> bool {
    is_usual(text.trim().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_text_is_known_and_others_are_added() {
        let usual = MissingValues::new(true, &[]);
        for text in USUAL {
            assert!(usual.contains(text) && usual.contains(&[b" ", text, b"\t"].concat()));
        }
        assert!(!usual.contains(b"na") && !usual.contains(b"-") && !usual.contains(b"?"));
        let other = MissingValues::new(false, &["?".into(), " -999 ".into()]);
        assert!(other.contains(b"?") && other.contains(b"-999") && !other.contains(b"NA"));
        assert!(other.contains_number(-999.0) && !other.contains_number(999.0));
        assert!(!other.contains(b""));
    }
}
