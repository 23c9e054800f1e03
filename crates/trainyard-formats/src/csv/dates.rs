//! Columns whose words are moments.

use super::problems::CsvNote;
use super::time::{self, Moment, Reading};

/// From this share of real moments on, one that does not exist is an error.
const MOSTLY: f64 = 0.9;

/// The moments of distinct words, and what was seen in finding them.
pub(super) struct Dates {
    /// One a word; `None` where it is none.
    pub(super) moments: Vec<Option<i64>>,
    /// Whether the day was taken to be first, where a word has day and month in an order of its own.
    pub(super) day_first: Option<bool>,
    /// A word that is written as a moment and is none.
    impossible: Option<String>,
    /// A word that could as well be read the other way round, where no other settles it.
    ambiguous: Option<String>,
    contradictory: bool,
    mixed_zones: bool,
}

/// Whether the words look like moments: a look at the first saves looking at all.
pub(super) fn may_be(words: &[String]) -> bool {
    words.first().is_some_and(|word| time::read(word).is_some())
        && words.iter().all(|word| time::read(word).is_some())
}

/// Reads words as moments, all with the day before the month or all after it.
pub(super) fn read(words: &[String], day_first: Option<bool>) -> Dates {
    let readings: Vec<Option<Reading>> = words.iter().map(|word| time::read(word)).collect();
    let any = |test: fn(&Reading) -> bool| readings.iter().flatten().any(test);
    let only_day = any(|reading| matches!(reading, Reading::DayFirst(_)));
    let only_month = any(|reading| matches!(reading, Reading::MonthFirst(_)));
    let any_order = any(|reading| !matches!(reading, Reading::Moment(_) | Reading::Impossible));
    let unsettled = day_first.is_none() && !only_day && !only_month;
    // As pandas reads them where nothing else is said.
    let chosen = day_first.unwrap_or(only_day);
    let mut dates = Dates {
        moments: Vec::with_capacity(words.len()),
        day_first: any_order.then_some(chosen),
        impossible: None,
        ambiguous: None,
        contradictory: day_first.is_none() && only_day && only_month,
        mixed_zones: false,
    };
    let (mut zoned, mut local) = (false, false);
    for (word, reading) in words.iter().zip(readings) {
        let moment: Option<Moment> = match reading {
            None => None,
            Some(Reading::Moment(moment)) => Some(moment),
            Some(Reading::DayFirst(moment)) => chosen.then_some(moment),
            Some(Reading::MonthFirst(moment)) => (!chosen).then_some(moment),
            Some(Reading::Ambiguous { day_first, month_first }) => {
                if unsettled && dates.ambiguous.is_none() {
                    dates.ambiguous = Some(word.clone());
                }
                Some(if chosen { day_first } else { month_first })
            }
            Some(Reading::Impossible) => {
                dates.impossible.get_or_insert_with(|| word.clone());
                None
            }
        };
        zoned |= moment.is_some_and(|moment| moment.zoned);
        local |= moment.is_some_and(|moment| !moment.zoned);
        dates.moments.push(moment.map(|moment| moment.microseconds));
    }
    dates.mixed_zones = zoned && local;
    dates
}

/// One moment that is written as in a file; `None` where it is none, or could be either of two and
/// nothing says which.
pub fn parse_moment(text: &str, day_first: Option<bool>) -> Option<i64> {
    let moment = match (time::read(text)?, day_first) {
        (Reading::Moment(moment), _)
        | (Reading::DayFirst(moment), None | Some(true))
        | (Reading::MonthFirst(moment), None | Some(false)) => moment,
        (Reading::Ambiguous { day_first, .. }, Some(true)) => day_first,
        (Reading::Ambiguous { month_first, .. }, Some(false)) => month_first,
        _ => return None,
    };
    Some(moment.microseconds)
}

impl Dates {
    /// The moments, where every word is one.
    pub(super) fn all(&self) -> Option<Vec<i64>> {
        self.moments.iter().copied().collect()
    }

    /// Whether these are dates and some of them a slip: a date that does not exist, in a column
    /// where nearly every row has one that does.
    pub(super) fn should_be(&self, counts: &[usize]) -> bool {
        let n_rows: usize = counts.iter().sum();
        let real = self.moments.iter().zip(counts).filter(|(moment, _)| moment.is_some());
        let n_real: usize = real.map(|(_, count)| *count).sum();
        self.impossible.is_some() && n_real as f64 >= MOSTLY * n_rows as f64
    }

    /// What to say of them.
    pub(super) fn notes(&self, name: &str) -> Vec<CsvNote> {
        let mut notes = Vec::new();
        if let Some(word) = &self.impossible {
            let detail = format!("{word:?} does not exist, so the dates are kept as text");
            notes.push(CsvNote::about("impossible_date", name, &detail));
        } else if self.contradictory {
            let detail = "some dates have the day first and some the month, so they are kept as \
                          text";
            notes.push(CsvNote::about("contradictory_dates", name, detail));
        } else if self.all().is_none() {
            return notes;
        }
        if let (Some(word), None) = (&self.ambiguous, &self.impossible) {
            let detail = format!(
                "{word:?} was read with the month first, and nothing says that it is; if the day \
                 is, say so: options {{\"day_first\": true}}"
            );
            notes.push(CsvNote::about("ambiguous_dates", name, &detail));
        }
        if self.mixed_zones {
            notes.push(mixed_zones(name));
        }
        notes
    }
}

pub(super) fn mixed_zones(name: &str) -> CsvNote {
    let detail = "some moments have an offset from UTC and some have none, which were read as UTC";
    CsvNote::about("mixed_zones", name, detail)
}
