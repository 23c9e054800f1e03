//! How numbers are written, and reading them: exactly rounded, to the last bit.

/// The largest whole number up to which `f64` holds every one.
const LARGEST_EXACT_INTEGER: u64 = 1 << 53;

/// How numbers are written in one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NumberFormat {
    /// What stands before the fraction.
    pub(super) decimal: char,
    /// What stands between groups of three digits.
    pub(super) thousands: Option<char>,
}

impl Default for NumberFormat {
    fn default() -> Self {
        Self { decimal: '.', thousands: None }
    }
}

/// A number at the beginning of some bytes.
pub(super) struct Leading {
    pub(super) value: f64,
    /// How many bytes it takes.
    pub(super) length: usize,
}

/// The number at the beginning of some bytes, where it can be read without knowing where the field
/// ends and is nothing but a number: finite, and not to be kept as text.
///
/// What this does not take, [`NumberFormat::parse`] may still.
#[inline]
pub(super) fn leading(bytes: &[u8]) -> Option<Leading> {
    let first = *bytes.first()?;
    if !(first.is_ascii_digit() || matches!(first, b'-' | b'.')) {
        return None;
    }
    let (value, length) = fast_float2::parse_partial::<f64, _>(bytes).ok()?;
    let leading_zero = first == b'0' && bytes.get(1).is_some_and(u8::is_ascii_digit);
    // Also where it is not a number: then nothing is smaller.
    let small = value.abs() <= LARGEST_EXACT_INTEGER as f64;
    (small && !leading_zero).then_some(Leading { value, length })
}

impl NumberFormat {
    /// Whether numbers are written as Rust reads them.
    pub(super) fn is_plain(self) -> bool {
        self.decimal == '.'
    }

    /// Whether there is nothing between groups either.
    pub(super) fn is_default(self) -> bool {
        self == Self::default()
    }

    /// The value of a number, which may not be finite; spaces around it do not matter.
    pub(super) fn parse(self, text: &[u8]) -> Option<f64> {
        let text = std::str::from_utf8(text).ok()?.trim();
        let plain = self.is_plain() && !self.thousands.is_some_and(|c| text.contains(c));
        if plain { text.parse().ok() } else { self.normalised(text)?.parse().ok() }
    }

    /// Whether it is a number that is an identifier rather than a quantity: whole, and with
    /// leading zeros, or beyond those that `f64` holds without loss.
    pub(super) fn is_identifier(self, text: &[u8]) -> bool {
        let text = text.trim_ascii();
        let digits = match text {
            [b'+' | b'-', digits @ ..] => digits,
            [b'0', b'0'..=b'9', ..] => return text.iter().all(u8::is_ascii_digit),
            _ => text,
        };
        let separator = |byte: &u8| self.thousands == Some(char::from(*byte));
        if digits.is_empty() || !digits.iter().all(|b| b.is_ascii_digit() || separator(b)) {
            return false;
        }
        let mut value: u64 = 0;
        for digit in digits.iter().filter(|byte| byte.is_ascii_digit()) {
            value = value.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
        }
        value > LARGEST_EXACT_INTEGER
    }

    /// The same number as Rust writes it; `None` where separators stand in wrong places.
    fn normalised(self, text: &str) -> Option<String> {
        let mut plain = String::with_capacity(text.len());
        // Digits since the last separator, and whether there was one.
        let (mut n_digits, mut grouped, mut whole) = (0, false, true);
        for character in text.chars() {
            if whole && Some(character) == self.thousands {
                if n_digits == 0 || n_digits > 3 || (grouped && n_digits != 3) {
                    return None;
                }
                (n_digits, grouped) = (0, true);
                continue;
            }
            match character {
                '0'..='9' => n_digits += 1,
                '+' | '-' => {}
                _ if character == self.decimal || matches!(character, 'e' | 'E') => {
                    if whole && grouped && n_digits != 3 {
                        return None;
                    }
                    whole = false;
                }
                // "inf" and the like, which are what they are without a separator.
                _ if character.is_ascii_alphabetic() && !grouped => {}
                _ => return None,
            }
            plain.push(if character == self.decimal { '.' } else { character });
        }
        let complete = !(whole && grouped) || n_digits == 3;
        complete.then_some(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_stand_between_groups_of_three() {
        let german = NumberFormat { decimal: ',', thousands: Some('.') };
        let parse = |text: &str| german.parse(text.as_bytes());
        assert_eq!(parse("1.234.567,5"), Some(1_234_567.5));
        assert_eq!(parse(" -1.234 "), Some(-1234.0));
        assert_eq!(parse("1234,5e-3"), Some(1.2345));
        assert_eq!(parse(",5"), Some(0.5));
        for text in ["1.23", "1.2345", "1234.567", ".123", "1..234", "1.234.", "1,5,0", "1,000.5"] {
            assert_eq!(parse(text), None, "{text}");
        }
        let english = NumberFormat { decimal: '.', thousands: Some(',') };
        assert_eq!(english.parse(b"1,234.5"), Some(1234.5));
        assert_eq!(english.parse(b"1,23.5"), None);
        let narrow = NumberFormat { decimal: ',', thousands: Some('\u{202f}') };
        assert_eq!(narrow.parse("1\u{202f}234,5".as_bytes()), Some(1234.5));
        assert_eq!(NumberFormat::default().parse(b"1,234"), None);
    }

    #[test]
    fn identifiers_have_leading_zeros_or_too_many_digits() {
        let is = |text: &str| NumberFormat::default().is_identifier(text.as_bytes());
        for text in ["007", "00", "9007199254740993", "-9007199254740993", "18446744073709551616"] {
            assert!(is(text), "{text}");
        }
        for text in ["0", "10", "0.5", "00.5", "-01", "9007199254740992", "1e17", "", "-", "x"] {
            assert!(!is(text), "{text}");
        }
    }
}
