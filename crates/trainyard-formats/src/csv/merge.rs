//! What a column is, of the types that all of its values allow.
//!
//! The type depends on the values alone: which of them came first, and where the file was divided,
//! does not matter.

use std::mem;

use trainyard_learn::problem::Problem;
use trainyard_learn::table::{ColumnType, MISSING_CODE, MISSING_TIME, Values};

use super::header::short;
use super::number::NumberFormat;
use super::options::CsvOptions;
use super::part::{Numbers, Part, Place, Times, has_fraction};
use super::problems::{CsvNote, counted};
use super::words::Words;
use super::{dates, parse_boolean};

/// Words are prose where they have at least this many bytes on average, and more than half of them
/// are there once.
const PROSE_BYTES: usize = 24;

/// Of wrong values in one column, so many are told.
const MAX_SHOWN_VALUES: usize = 5;

/// A column before it is one.
pub(super) struct Pieces<'a> {
    pub(super) name: &'a str,
    pub(super) demanded: Option<ColumnType>,
    pub(super) part: Part<'a>,
    /// Rows that are too short to have a value of it, ascending from 0, as far as they are told.
    pub(super) short: Vec<usize>,
}

/// What is the same for all columns.
pub(super) struct Context<'c> {
    pub(super) numbers: NumberFormat,
    pub(super) options: &'c CsvOptions,
    /// In which line a row begins.
    pub(super) line_of: &'c (dyn Fn(usize) -> usize + Sync),
}

/// A column with what is to be said of it.
#[derive(Default)]
pub(super) struct Merged {
    pub(super) values: Option<Values>,
    /// Whether its dates were read with the day first, where that makes a difference.
    pub(super) day_first: Option<bool>,
    pub(super) notes: Vec<CsvNote>,
    pub(super) problems: Vec<Problem>,
}

impl Pieces<'_> {
    pub(super) fn merge(self, context: &Context<'_>) -> Merged {
        let Self { name, demanded, part, short } = self;
        let mut merged = Merged::default();
        merged.values = match part {
            Part::Words(words) => {
                Column::new(words, short).values(name, demanded, context, &mut merged)
            }
            // Nothing but missing values; after an error also what was not read.
            Part::Missing(_) | Part::Again => {
                Some(Values::Numeric(vec![f64::NAN; part.len()].into()))
            }
            Part::Times(Times { mut values, any_zoned, any_local }) => {
                if any_zoned && any_local {
                    merged.notes.push(dates::mixed_zones(name));
                }
                values.shrink_to_fit();
                Some(Values::Datetime(values))
            }
            Part::Numbers(Numbers { first_infinite: Some(place), n_infinite, .. }) => {
                merged.problems.push(not_finite(name, n_infinite, place));
                None
            }
            Part::Numbers(Numbers { values, .. }) => {
                let values = values.finish();
                values.let_go();
                Some(Values::Numeric(values))
            }
        };
        merged
    }
}

/// A column of words: the distinct ones, in the order in which they came, and one index a row.
struct Column {
    codes: Vec<u32>,
    distinct: Vec<String>,
    counts: Vec<usize>,
    short: Vec<usize>,
}

impl Column {
    fn new(words: Words<'_>, short: Vec<usize>) -> Self {
        let Words { mut codes, distinct, .. } = words;
        codes.shrink_to_fit();
        let distinct: Vec<String> = distinct.into_iter().map(String::from).collect();
        let mut counts = vec![0; distinct.len()];
        for code in &codes {
            if let Some(count) = counts.get_mut(*code as usize) {
                *count += 1;
            }
        }
        Self { codes, distinct, counts, short }
    }

    /// A value a row, from one a distinct word.
    fn spread<T: Copy>(&self, of_words: &[T], missing: T) -> Vec<T> {
        let of = |code: &u32| of_words.get(*code as usize).copied().unwrap_or(missing);
        self.codes.iter().map(of).collect()
    }

    /// Where a word is first.
    fn place(&self, word: usize, context: &Context<'_>) -> Place {
        let mut row = self.codes.iter().position(|code| *code as usize == word).unwrap_or(0);
        for short in &self.short {
            row += usize::from(*short <= row);
        }
        Place { row: row + 1, line: (context.line_of)(row) }
    }

    fn values(
        self,
        name: &str,
        demanded: Option<ColumnType>,
        context: &Context<'_>,
        merged: &mut Merged,
    ) -> Option<Values> {
        match demanded {
            Some(ColumnType::Categorical) => return Some(self.categorical()),
            Some(ColumnType::Text) => return Some(self.text()),
            Some(ColumnType::Boolean) => {
                let read: Vec<Option<bool>> =
                    self.distinct.iter().map(|word| spelled_boolean(word)).collect();
                self.refuse((name, demanded), "no boolean", &read, context, merged);
                return Some(Values::Boolean(self.spread(&read, None)));
            }
            Some(ColumnType::Datetime) => {
                let read = dates::read(&self.distinct, context.options.day_first_of(name));
                merged.day_first = read.day_first;
                self.refuse(
                    (name, demanded),
                    "no date that exists",
                    &read.moments,
                    context,
                    merged,
                );
                merged.notes.extend(read.notes(name));
                let moments: Vec<i64> =
                    read.moments.iter().map(|moment| moment.unwrap_or(MISSING_TIME)).collect();
                return Some(Values::Datetime(self.spread(&moments, MISSING_TIME)));
            }
            _ => {}
        }
        if self.distinct.is_empty() {
            return Some(Values::Numeric(vec![f64::NAN; self.codes.len()].into()));
        }
        let booleans: Option<Vec<Option<bool>>> =
            self.distinct.iter().map(|word| parse_boolean(word).map(Some)).collect();
        if let Some(booleans) = booleans {
            return Some(Values::Boolean(self.spread(&booleans, None)));
        }
        let number = |word: &String| context.numbers.parse(word.as_bytes());
        let numbers: Option<Vec<f64>> = self.distinct.iter().map(number).collect();
        if let Some(numbers) = numbers {
            let identifier = |word: &String| context.numbers.is_identifier(word.as_bytes());
            let quantities = numbers.iter().copied().any(has_fraction);
            if let Some(first) = self.distinct.iter().find(|word| identifier(word))
                && !quantities
            {
                merged.notes.push(kept_as_text(name, first));
                return Some(self.words());
            }
            let infinite = |word: usize| !numbers[word].is_finite();
            if let Some(first) = (0..numbers.len()).find(|word| infinite(*word)) {
                let n = (0..numbers.len()).filter(|word| infinite(*word));
                let n = n.map(|word| self.counts[word]).sum();
                merged.problems.push(not_finite(name, n, self.place(first, context)));
                return None;
            }
            return Some(Values::Numeric(self.spread(&numbers, f64::NAN).into()));
        }
        if dates::may_be(&self.distinct) {
            let read = dates::read(&self.distinct, context.options.day_first_of(name));
            if read.should_be(&self.counts) {
                self.refuse(
                    (name, demanded),
                    "no date that exists",
                    &read.moments,
                    context,
                    merged,
                );
                return None;
            }
            merged.notes.extend(read.notes(name));
            if let Some(moments) = read.all() {
                merged.day_first = read.day_first;
                return Some(Values::Datetime(self.spread(&moments, MISSING_TIME)));
            }
        }
        merged.notes.extend(self.mixed(name, context.numbers));
        Some(self.words())
    }

    /// Problems of words that are not of the type that was demanded.
    fn refuse<T>(
        &self,
        (name, demanded): (&str, Option<ColumnType>),
        what: &str,
        read: &[Option<T>],
        context: &Context<'_>,
        merged: &mut Merged,
    ) {
        let wrong: Vec<usize> = (0..read.len()).filter(|word| read[*word].is_none()).collect();
        for word in wrong.iter().take(MAX_SHOWN_VALUES) {
            let Place { row, line } = self.place(*word, context);
            let shown = short(&self.distinct[*word]);
            let detail =
                format!("row {row} (line {line}), column {:?}: {shown:?} is {what}", short(name));
            let mut problem = Problem::new("/file", detail);
            if demanded.is_none() {
                problem = problem.suggest(format!(
                    "correct it, or keep the column as text: options {{\"types\": {{{:?}: \"text\"}}}}",
                    short(name)
                ));
            }
            merged.problems.push(problem);
        }
        if wrong.len() > MAX_SHOWN_VALUES {
            let n = counted(wrong.len() - MAX_SHOWN_VALUES, "other value");
            let detail = format!("column {:?}: {n} of it {what}", short(name));
            merged.problems.push(Problem::new("/file", detail));
        }
    }

    /// What to say of a column that is numbers but for a few words.
    fn mixed(&self, name: &str, numbers: NumberFormat) -> Option<CsvNote> {
        let is_number = |word: &usize| numbers.parse(self.distinct[*word].as_bytes()).is_some();
        let (with, without): (Vec<usize>, Vec<usize>) =
            (0..self.distinct.len()).partition(is_number);
        let rows = |words: &[usize]| words.iter().map(|word| self.counts[*word]).sum::<usize>();
        let (n_numbers, n_words) = (rows(&with), rows(&without));
        if n_numbers < 2 * n_words || n_numbers < 3 {
            return None;
        }
        let mut words = without;
        words.sort_by_key(|word| std::cmp::Reverse(self.counts[*word]));
        words.truncate(3);
        let shown: Vec<String> = words.iter().map(|w| short(&self.distinct[*w])).collect();
        let detail = format!(
            "{} beside {}, so all are words; if these stand for missing values, say so: options \
             {{\"na_values\": {shown:?}}}",
            counted(n_numbers, "number"),
            counted(n_words, "other value"),
        );
        Some(CsvNote::about("mixed_types", name, &detail))
    }

    /// Words that are no numbers: categories, or prose.
    fn words(self) -> Values {
        let n_present: usize = self.counts.iter().sum();
        let lengths = self.distinct.iter().zip(&self.counts).map(|(word, n)| word.len() * n);
        let long = lengths.sum::<usize>() >= PROSE_BYTES * n_present;
        if long && self.distinct.len() * 2 > n_present { self.text() } else { self.categorical() }
    }

    fn text(self) -> Values {
        let Self { codes, distinct, counts, .. } = self;
        let mut words: Vec<(Option<Box<str>>, usize)> =
            distinct.into_iter().map(|word| Some(word.into_boxed_str())).zip(counts).collect();
        let mut take = |code: u32| {
            let (word, left) = words.get_mut(code as usize)?;
            *left -= 1;
            // The last row that has it gets the word itself.
            if *left == 0 { word.take() } else { word.clone() }
        };
        Values::Text(codes.into_iter().map(&mut take).collect())
    }

    fn categorical(self) -> Values {
        let Self { mut codes, distinct, .. } = self;
        let mut order: Vec<u32> = (0..distinct.len() as u32).collect();
        order.sort_unstable_by(|a, b| distinct[*a as usize].cmp(&distinct[*b as usize]));
        let mut sorted_code = vec![0; order.len()];
        for (sorted, code) in order.iter().enumerate() {
            sorted_code[*code as usize] = sorted as u32;
        }
        for code in codes.iter_mut().filter(|code| **code != MISSING_CODE) {
            *code = sorted_code[*code as usize];
        }
        let mut distinct = distinct;
        let categories =
            order.into_iter().map(|code| mem::take(&mut distinct[code as usize])).collect();
        Values::Categorical { codes, categories }
    }
}

/// Booleans in the words that a demand for them allows.
fn spelled_boolean(text: &str) -> Option<bool> {
    let text = text.trim();
    let is = |words: [&str; 4]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(["true", "yes", "t", "y"]) || matches!(text, "1" | "1.0") {
        Some(true)
    } else if is(["false", "no", "f", "n"]) || matches!(text, "0" | "0.0") {
        Some(false)
    } else {
        None
    }
}

fn not_finite(name: &str, n: usize, place: Place) -> Problem {
    let detail = format!(
        "column {:?} holds {} beyond the finite numbers, first in row {} (line {})",
        short(name),
        counted(n, "value"),
        place.row,
        place.line,
    );
    Problem::new("/file", detail).suggest(
        "replace them, or name their text as a missing value: options {\"na_values\": [\"inf\"]}",
    )
}

fn kept_as_text(name: &str, first: &str) -> CsvNote {
    let why = if first.trim_start().starts_with('0') {
        "numbers with leading zeros would lose them"
    } else {
        "whole numbers beyond 2^53 would lose digits"
    };
    CsvNote::about("kept_as_text", name, &format!("{why}, so they are kept as text"))
}
