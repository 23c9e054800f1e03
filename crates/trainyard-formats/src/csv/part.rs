//! Parts of columns, and what is wrong in a part of a file.

use trainyard_learn::table::MISSING_TIME;

use super::time;
use super::words::Words;
use crate::room::Growing;

/// Of what is wrong in one part of a file, so much is told and the rest is counted.
const MAX_FAULTS: usize = 20;

/// Where something is, counted from the beginning of the part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) row: usize,
    pub(super) line: usize,
}

/// What is wrong in one place.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) place: Place,
    pub(super) column: usize,
    pub(super) what: Wrong,
}

#[derive(Debug)]
pub(super) enum Wrong {
    Ragged {
        n_fields: usize,
    },
    Nul,
    /// The first byte that is none, from the beginning of the text.
    NotUtf8 {
        offset: usize,
    },
    NotNumeric(String),
}

/// How the reading of a part ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Complete,
    /// A quote is open at the end of the file.
    Open(Place),
    TooLong(Place),
    /// There are more rows than the limit.
    TooMany,
}

/// A part of a file.
pub(super) struct Chunk<'a> {
    pub(super) start: usize,
    /// No row of it begins here or later.
    pub(super) bound: usize,
    /// Where its last row ends.
    pub(super) end: usize,
    pub(super) n_rows: usize,
    pub(super) n_lines: usize,
    pub(super) parts: Vec<Part<'a>>,
    pub(super) faults: Faults,
    pub(super) ending: Ending,
}

#[derive(Default)]
pub(super) struct Faults {
    pub(super) found: Vec<Fault>,
    pub(super) n_more: usize,
}

/// A part of a column.
pub(super) enum Part<'a> {
    /// So many missing values.
    Missing(usize),
    Numbers(Numbers),
    Times(Times),
    Words(Words<'a>),
    /// To be read again, as words.
    Again,
}

#[derive(Default)]
pub(super) struct Numbers {
    pub(super) values: Growing,
    pub(super) n_infinite: usize,
    pub(super) first_infinite: Option<Place>,
    /// Whether one of them has leading zeros or more digits than can be held.
    pub(super) any_identifier: bool,
}

#[derive(Default)]
pub(super) struct Times {
    pub(super) values: Vec<i64>,
    pub(super) any_zoned: bool,
    pub(super) any_local: bool,
}

impl Faults {
    pub(super) fn push(&mut self, fault: Fault) {
        if self.found.len() < MAX_FAULTS {
            self.found.push(fault);
        } else {
            self.n_more += 1;
        }
    }
}

impl Numbers {
    /// Whether these are to be kept as text. Where one has a fraction, all are quantities, and the
    /// long ones are only written with more digits than they have.
    pub(super) fn are_identifiers(&self) -> bool {
        self.any_identifier && !self.values.any(has_fraction)
    }

    pub(super) fn push(&mut self, value: f64, place: Place, identifier: bool) {
        self.values.push(value);
        self.any_identifier |= identifier;
        if !value.is_finite() {
            self.n_infinite += 1;
            self.first_infinite.get_or_insert(place);
        }
    }
}

/// Whether a number is not whole.
pub(super) fn has_fraction(value: f64) -> bool {
    value.is_finite() && value.fract() != 0.0
}

impl Times {
    pub(super) fn push(&mut self, moment: time::Moment) {
        self.values.push(moment.microseconds);
        self.any_zoned |= moment.zoned;
        self.any_local |= !moment.zoned;
    }
}

impl Part<'_> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Missing(n_rows) => *n_rows,
            Self::Numbers(numbers) => numbers.values.len(),
            Self::Times(times) => times.values.len(),
            Self::Words(words) => words.codes.len(),
            Self::Again => 0,
        }
    }

    pub(super) fn push_missing(&mut self) {
        match self {
            Self::Missing(n_rows) => *n_rows += 1,
            Self::Numbers(numbers) => numbers.values.push(f64::NAN),
            Self::Times(times) => times.values.push(MISSING_TIME),
            Self::Words(words) => words.push_missing(),
            Self::Again => {}
        }
    }
}
