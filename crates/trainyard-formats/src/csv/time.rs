//! Moments as they are commonly written, as microseconds since 1970 in UTC.
//!
//! Numbers alone (20240131, seconds since 1970) are numbers: nothing tells them from quantities.

/// A moment, and what was seen on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) microseconds: i64,
    /// Whether the offset from UTC was written.
    pub(super) zoned: bool,
}

/// How a text looks as a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// It is one.
    Moment(Moment),
    /// It would be one on either of two days: day and month are in an order of their own.
    Ambiguous {
        /// Read with the day first.
        day_first: Moment,
        /// Read with the month first.
        month_first: Moment,
    },
    /// Only with the day first.
    DayFirst(Moment),
    /// Only with the month first.
    MonthFirst(Moment),
    /// It is written as one, but there is no such day or hour.
    Impossible,
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

const WEEKDAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// How a text looks as a moment; `None` where it does not.
pub(super) fn read(text: &str) -> Option<Reading> {
    let text = text.trim();
    // Nothing that is a moment is longer or other than ASCII.
    if !(6..=40).contains(&text.len()) || !text.is_ascii() {
        return None;
    }
    let mut cursor = Cursor { rest: text.as_bytes() };
    let days = if text.as_bytes()[0].is_ascii_digit() {
        numbers_first(&mut cursor)?
    } else {
        month_first(&mut cursor)?
    };
    let clock = clock(&mut cursor)?;
    if !cursor.rest.is_empty() {
        return None;
    }
    let Some(clock) = clock else { return Some(Reading::Impossible) };
    let moment = |date: Date| {
        date.days().map(|days| Moment {
            microseconds: days * MICROSECONDS_PER_DAY + clock.microseconds,
            zoned: clock.zoned,
        })
    };
    Some(match days {
        Days::One(date) => moment(date).map_or(Reading::Impossible, Reading::Moment),
        Days::Either(a, b, year) => {
            let day_first = moment(Date { year, month: b, day: a });
            let month_first = moment(Date { year, month: a, day: b });
            match (day_first, month_first) {
                // The same day whichever is first.
                (Some(moment), Some(other)) if moment == other => Reading::Moment(moment),
                (Some(day_first), Some(month_first)) => {
                    Reading::Ambiguous { day_first, month_first }
                }
                (Some(moment), None) => Reading::DayFirst(moment),
                (None, Some(moment)) => Reading::MonthFirst(moment),
                (None, None) => Reading::Impossible,
            }
        }
    })
}

/// A moment by ISO 8601, which is read without knowing any other row.
pub(super) fn iso(text: &[u8]) -> Option<Moment> {
    let text = text.trim_ascii();
    if text.len() < 7 || !matches!(text[4], b'-' | b'/') {
        return None;
    }
    if let Some(moment) = usual(text) {
        return Some(moment);
    }
    match read(std::str::from_utf8(text).ok()?)? {
        Reading::Moment(moment) => Some(moment),
        _ => None,
    }
}

/// The form in which nearly all are written, read at fixed places: 2024-01-31, and with 10:11:12
/// after a space or a T, and a Z after that.
fn usual(text: &[u8]) -> Option<Moment> {
    let pair = |at: usize| {
        let (tens, ones) = (text[at].wrapping_sub(b'0'), text[at + 1].wrapping_sub(b'0'));
        (tens < 10 && ones < 10).then(|| u32::from(tens) * 10 + u32::from(ones))
    };
    let dated = text.len() >= 10 && text[4] == b'-' && text[7] == b'-';
    if !dated {
        return None;
    }
    let date = Date { year: pair(0)? * 100 + pair(2)?, month: pair(5)?, day: pair(8)? };
    let (seconds, zoned) = match text.len() {
        10 => (0, false),
        19 | 20 if matches!(text[10], b'T' | b' ') && text[13] == b':' && text[16] == b':' => {
            let (hour, minute, second) = (pair(11)?, pair(14)?, pair(17)?);
            let zoned = text.len() == 20;
            if hour > 23 || minute > 59 || second > 59 || (zoned && text[19] != b'Z') {
                return None;
            }
            (hour * 3600 + minute * 60 + second, zoned)
        }
        _ => return None,
    };
    let microseconds =
        date.days()? * MICROSECONDS_PER_DAY + i64::from(seconds) * MICROSECONDS_PER_SECOND;
    Some(Moment { microseconds, zoned })
}

const MICROSECONDS_PER_SECOND: i64 = 1_000_000;
const MICROSECONDS_PER_DAY: i64 = 86_400 * MICROSECONDS_PER_SECOND;

#[derive(Clone, Copy)]
struct Date {
    year: u32,
    month: u32,
    day: u32,
}

enum Days {
    One(Date),
    /// Day and month, or month and day, and the year.
    Either(u32, u32, u32),
}

struct Clock {
    microseconds: i64,
    zoned: bool,
}

impl Date {
    /// Days since 1970; `None` where there is no such day.
    fn days(self) -> Option<i64> {
        let leap = self.year.is_multiple_of(4)
            && (!self.year.is_multiple_of(100) || self.year.is_multiple_of(400));
        let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let month = usize::try_from(self.month).ok()?.checked_sub(1)?;
        if self.year == 0 || self.day == 0 || self.day > *lengths.get(month)? {
            return None;
        }
        let before = i64::from(self.year) - 1;
        let days = before * 365 + before / 4 - before / 100 + before / 400;
        let within = lengths[..month].iter().sum::<u32>() + self.day - 1;
        Some(days + i64::from(within) - 719_162)
    }
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    /// A whole number of so many digits.
    fn digits(&mut self, least: usize, most: usize) -> Option<(u32, usize)> {
        let n = self.rest.iter().take(most + 1).take_while(|b| b.is_ascii_digit()).count();
        if n < least || n > most {
            return None;
        }
        let value = self.rest[..n].iter().fold(0, |sum, b| sum * 10 + u32::from(b - b'0'));
        self.rest = &self.rest[n..];
        Some((value, n))
    }

    fn take(&mut self, wanted: &[u8]) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        wanted.contains(first).then(|| self.rest = rest)?;
        Some(*first)
    }

    fn letters(&mut self) -> &[u8] {
        let n = self.rest.iter().take_while(|b| b.is_ascii_alphabetic()).count();
        let (word, rest) = self.rest.split_at(n);
        self.rest = rest;
        word
    }

    fn month(&mut self) -> Option<u32> {
        let word = self.letters();
        let index = MONTHS.iter().position(|name| names(word, name))?;
        Some(index as u32 + 1)
    }
}

/// Whether a word is a name or its first three letters ("sept" is as common).
fn names(word: &[u8], name: &str) -> bool {
    let name = name.as_bytes();
    word.eq_ignore_ascii_case(name)
        || word.eq_ignore_ascii_case(&name[..3])
        || (name.starts_with(b"sept") && word.eq_ignore_ascii_case(b"sept"))
}

/// 2024-01-31, 2024-01, 31/1/2024, 31.1.2024, 31 Jan 2024.
fn numbers_first(cursor: &mut Cursor<'_>) -> Option<Days> {
    let (first, width) = cursor.digits(1, 4)?;
    if width == 4 {
        let separator = cursor.take(b"-/")?;
        let (month, _) = cursor.digits(1, 2)?;
        if cursor.take(&[separator]).is_none() {
            // A month alone is written with a dash and two digits; 2024/1 may be a fraction.
            let month_alone = separator == b'-' && cursor.rest.is_empty();
            return month_alone.then_some(Days::One(Date { year: first, month, day: 1 }));
        }
        let (day, _) = cursor.digits(1, 2)?;
        return Some(Days::One(Date { year: first, month, day }));
    }
    if width > 2 {
        return None;
    }
    let separator = cursor.take(b"-/. ")?;
    if cursor.rest.first()?.is_ascii_alphabetic() {
        let month = cursor.month()?;
        cursor.take(b".");
        cursor.take(b",");
        cursor.take(b"- /")?;
        let (year, _) = cursor.digits(4, 4)?;
        return Some(Days::One(Date { year, month, day: first }));
    }
    let (second, _) = cursor.digits(1, 2)?;
    if separator == b' ' {
        return None;
    }
    cursor.take(&[separator])?;
    let (year, _) = cursor.digits(4, 4)?;
    // Points are written where days come first.
    Some(match separator {
        b'.' => Days::One(Date { year, month: second, day: first }),
        _ => Days::Either(first, second, year),
    })
}

/// Jan 31 2024, January 31, 2024, Wed, 31 Jan 2024.
fn month_first(cursor: &mut Cursor<'_>) -> Option<Days> {
    let word = cursor.letters();
    if WEEKDAYS.iter().any(|name| names(word, name)) {
        cursor.take(b",");
        cursor.take(b" ")?;
        if cursor.rest.first()?.is_ascii_digit() {
            return numbers_first(cursor);
        }
        return month_first(cursor);
    }
    let month = MONTHS.iter().position(|name| names(word, name))? as u32 + 1;
    cursor.take(b".");
    cursor.take(b" -")?;
    let (day, _) = cursor.digits(1, 2)?;
    let comma = cursor.take(b",").is_some();
    if cursor.take(b" -").is_none() && !comma {
        return None;
    }
    let (year, _) = cursor.digits(4, 4)?;
    Some(Days::One(Date { year, month, day }))
}

/// What follows the day: nothing, or an hour with its minute and all that may come after.
/// `Some(None)` where there is no such hour.
fn clock(cursor: &mut Cursor<'_>) -> Option<Option<Clock>> {
    if cursor.rest.is_empty() {
        return Some(Some(Clock { microseconds: 0, zoned: false }));
    }
    cursor.take(b"Tt ")?;
    let (mut hour, _) = cursor.digits(1, 2)?;
    cursor.take(b":")?;
    let (minute, _) = cursor.digits(2, 2)?;
    let mut second = 0;
    let mut micro = 0;
    if cursor.take(b":").is_some() {
        (second, _) = cursor.digits(2, 2)?;
        if cursor.take(b".,").is_some() {
            micro = fraction(cursor)?;
        }
    }
    let spaced = cursor.take(b" ").is_some();
    let mut possible = hour < 24 && minute < 60 && second < 60;
    if let Some(half) = cursor.take(b"AaPp") {
        cursor.take(b"Mm")?;
        possible &= (1..=12).contains(&hour);
        hour = hour % 12 + if half.eq_ignore_ascii_case(&b'p') { 12 } else { 0 };
    } else if spaced && cursor.rest.is_empty() {
        return None;
    }
    cursor.take(b" ");
    let offset = offset(cursor)?;
    let seconds = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second)
        - offset.unwrap_or(0) * 60;
    let microseconds = seconds * MICROSECONDS_PER_SECOND + i64::from(micro);
    Some(possible.then_some(Clock { microseconds, zoned: offset.is_some() }))
}

/// Microseconds; digits beyond are dropped.
fn fraction(cursor: &mut Cursor<'_>) -> Option<u32> {
    let n = cursor.rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, rest) = cursor.rest.split_at(n);
    cursor.rest = rest;
    let digit = |place: usize| digits.get(place).map_or(0, |b| u32::from(b - b'0'));
    (n > 0).then(|| (0..6).fold(0, |sum, place| sum * 10 + digit(place)))
}

/// Minutes east of UTC, where they are written: `Z`, `UTC`, `GMT`, `+02`, `+0200` or `+02:00`.
fn offset(cursor: &mut Cursor<'_>) -> Option<Option<i64>> {
    if cursor.rest.is_empty() {
        return Some(None);
    }
    if let Some(sign) = cursor.take(b"+-") {
        let (hours, minutes) = match cursor.digits(2, 4)? {
            (value, 4) => (value / 100, value % 100),
            (value, 2) => {
                cursor.take(b":");
                (value, if cursor.rest.is_empty() { 0 } else { cursor.digits(2, 2)?.0 })
            }
            _ => return None,
        };
        let total = i64::from(hours * 60 + minutes);
        let valid = hours < 24 && minutes < 60;
        return valid.then_some(Some(if sign == b'-' { -total } else { total }));
    }
    let word = cursor.letters();
    let utc = [&b"z"[..], b"utc", b"gmt"].iter().any(|name| word.eq_ignore_ascii_case(name));
    utc.then_some(Some(0))
}

#[cfg(test)]
#[path = "tests/time.rs"]
mod tests;
