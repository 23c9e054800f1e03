//! Parts of moments, in UTC.

use std::f64::consts::TAU;

use chrono::{DateTime, Datelike, Timelike, Utc};
use serde::{Deserialize, Serialize};

use super::FitProblem;
use super::impute::DatetimeImpute;
use super::scale::{ScaleSpec, Scaler};
use super::slots::{Slots, Tally};
use crate::named::Named;
use crate::optim::fields::{Field, Range, fields, unlimited};
use crate::problem::Problem;
use crate::table::MISSING_TIME;

fields! {
    /// How moments become features.
    pub struct DatetimeSpec {
        /// The parts, each a feature.
        pub parts: Vec<DatetimePart> = (vec![
            DatetimePart::Year,
            DatetimePart::Month,
            DatetimePart::Day,
            DatetimePart::Weekday,
            DatetimePart::Hour,
        ]),
        /// Whether a part that comes round again becomes two features, the sine and the cosine of
        /// its place in its round.
        pub cyclic: bool = false,
        /// What stands for a missing moment.
        pub impute: DatetimeImpute = (DatetimeImpute::Median),
        /// Whether a column with missing moments in the training rows gets one more feature, 1
        /// where they are missing.
        pub indicator: bool = false,
        /// How parts are brought to a scale, sines and cosines excepted; `null` leaves it to the
        /// model.
        pub scale: Option<Named<ScaleSpec>> = None,
    }
}

impl DatetimeSpec {
    /// All parts, by every imputer.
    pub fn examples() -> Vec<Self> {
        let parts = DatetimePart::ALL.to_vec();
        let of = |impute, cyclic, indicator| Self {
            parts: parts.clone(),
            cyclic,
            impute,
            indicator,
            scale: None,
        };
        vec![
            of(DatetimeImpute::Median, false, true),
            of(DatetimeImpute::MostFrequent, true, false),
            of(DatetimeImpute::None, false, false),
        ]
    }
}

/// A part of a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DatetimePart {
    /// The year.
    Year,
    /// 1 to 4.
    Quarter,
    /// 1 to 12.
    Month,
    /// The week by ISO 8601, 1 to 53.
    Week,
    /// The day of the month, 1 to 31.
    Day,
    /// Monday is 0.
    Weekday,
    /// 1 to 366.
    DayOfYear,
    /// 0 to 23.
    Hour,
    /// 0 to 59.
    Minute,
    /// 0 to 59.
    Second,
    /// 1 on Saturdays and Sundays.
    IsWeekend,
    /// Days since 1970, with their fraction.
    EpochDays,
}

unlimited!(DatetimePart);

impl Field for Vec<DatetimePart> {
    fn check(&self, name: &str, _: Range, problems: &mut Vec<Problem>) {
        if self.is_empty() {
            let way_out = "name a part such as \"year\", or drop the column";
            problems.push(Problem::new(format!("/{name}"), "there is no part").suggest(way_out));
        }
        for (i, part) in self.iter().enumerate() {
            if self[..i].contains(part) {
                let detail = format!("{} is there twice", part.name());
                problems.push(Problem::new(format!("/{name}/{i}"), detail));
            }
        }
    }
}

impl DatetimePart {
    /// All parts, from the longest to the shortest and then the others.
    pub const ALL: [Self; 12] = [
        Self::Year,
        Self::Quarter,
        Self::Month,
        Self::Week,
        Self::Day,
        Self::Weekday,
        Self::DayOfYear,
        Self::Hour,
        Self::Minute,
        Self::Second,
        Self::IsWeekend,
        Self::EpochDays,
    ];

    /// Its name in a spec and in the names of features.
    pub fn name(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::Quarter => "quarter",
            Self::Month => "month",
            Self::Week => "week",
            Self::Day => "day",
            Self::Weekday => "weekday",
            Self::DayOfYear => "day_of_year",
            Self::Hour => "hour",
            Self::Minute => "minute",
            Self::Second => "second",
            Self::IsWeekend => "is_weekend",
            Self::EpochDays => "epoch_days",
        }
    }

    /// Where its round begins and how long it is, if it comes round.
    fn round(self) -> Option<(f64, f64)> {
        match self {
            Self::Quarter => Some((1.0, 4.0)),
            Self::Month => Some((1.0, 12.0)),
            Self::Week => Some((1.0, 53.0)),
            Self::Day => Some((1.0, 31.0)),
            Self::Weekday => Some((0.0, 7.0)),
            Self::DayOfYear => Some((1.0, 366.0)),
            Self::Hour => Some((0.0, 24.0)),
            Self::Minute | Self::Second => Some((0.0, 60.0)),
            Self::Year | Self::IsWeekend | Self::EpochDays => None,
        }
    }

    fn of(self, time: DateTime<Utc>) -> f64 {
        let weekday = time.weekday().num_days_from_monday();
        let whole = match self {
            Self::Year => return f64::from(time.year()),
            Self::EpochDays => return time.timestamp_micros() as f64 / 86_400e6,
            Self::Quarter => time.month0() / 3 + 1,
            Self::Month => time.month(),
            Self::Week => time.iso_week().week(),
            Self::Day => time.day(),
            Self::Weekday => weekday,
            Self::DayOfYear => time.ordinal(),
            Self::Hour => time.hour(),
            Self::Minute => time.minute(),
            Self::Second => time.second(),
            Self::IsWeekend => u32::from(weekday >= 5),
        };
        f64::from(whole)
    }
}

/// One feature of a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Shape {
    Plain,
    Sine,
    Cosine,
}

/// The parts of a column of moments, and what was found in its training rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Moments {
    fill: Option<i64>,
    features: Vec<(DatetimePart, Shape, Scaler)>,
}

impl Moments {
    pub(super) fn fit(
        spec: &DatetimeSpec,
        (name, times): (&str, &[i64]),
        rows: &[u32],
    ) -> Result<Self, FitProblem> {
        let mut present: Vec<i64> =
            rows.iter().map(|&row| times[row as usize]).filter(|t| *t != MISSING_TIME).collect();
        present.sort_unstable();
        let fill = match spec.impute {
            DatetimeImpute::Median => Some(present.len().saturating_sub(1) / 2),
            DatetimeImpute::MostFrequent => {
                let mut best = (0, 0);
                let mut start = 0;
                for run in present.chunk_by(|a, b| a == b) {
                    if run.len() > best.1 {
                        best = (start, run.len());
                    }
                    start += run.len();
                }
                Some(best.0)
            }
            DatetimeImpute::None => None,
        };
        let fill = fill.map(|at| present.get(at).copied().unwrap_or(0));
        let mut moments = Self { fill, features: Vec::new() };
        for &part in &spec.parts {
            if spec.cyclic && part.round().is_some() {
                moments.features.push((part, Shape::Sine, Scaler::None));
                moments.features.push((part, Shape::Cosine, Scaler::None));
                continue;
            }
            let scaler = match &spec.scale {
                None => Scaler::None,
                Some(scale) => {
                    let of = |&row: &u32| moments.value(times[row as usize], part, Shape::Plain);
                    scale.fit(&rows.iter().map(of).collect::<Vec<f64>>(), name)?
                }
            };
            moments.features.push((part, Shape::Plain, scaler));
        }
        Ok(moments)
    }

    /// Whether something stands for a missing moment.
    pub(super) fn fills(&self) -> bool {
        self.fill.is_some()
    }

    pub(super) fn n_features(&self) -> usize {
        self.features.len()
    }

    pub(super) fn feature_names(&self, column: &str) -> Vec<String> {
        let name = |(part, shape, _): &(DatetimePart, Shape, Scaler)| {
            let suffix = match shape {
                Shape::Plain => "",
                Shape::Sine => "_sin",
                Shape::Cosine => "_cos",
            };
            format!("{column}_{}{suffix}", part.name())
        };
        self.features.iter().map(name).collect()
    }

    pub(super) fn write(
        &self,
        times: &[i64],
        rows: &[u32],
        out: &mut Slots<'_>,
        tally: &mut Tally,
    ) {
        let places: Vec<u32> = (0..rows.len() as u32).collect();
        for (i, (part, shape, scaler)) in self.features.iter().enumerate() {
            let of = |&row: &u32| self.value(times[row as usize], *part, *shape);
            let values: Vec<f64> = rows.iter().map(of).collect();
            if i == 0 {
                let missing = rows.iter().zip(&values).filter(|(_, value)| value.is_nan());
                missing.for_each(|(row, _)| tally.missing.add(*row));
            }
            let (mut out, mut seen) = (out.skip(i), Tally::default());
            scaler.write(&values[..], &places, f64::NAN, &mut out, &mut seen);
        }
    }

    /// NaN of a missing moment, and of one beyond the calendar.
    fn value(&self, time: i64, part: DatetimePart, shape: Shape) -> f64 {
        let time = if time == MISSING_TIME { self.fill } else { Some(time) };
        let Some(time) = time.and_then(DateTime::from_timestamp_micros) else { return f64::NAN };
        let value = part.of(time);
        let Some((first, length)) = part.round() else { return value };
        let angle = TAU * (value - first) / length;
        match shape {
            Shape::Plain => value,
            Shape::Sine => angle.sin(),
            Shape::Cosine => angle.cos(),
        }
    }
}
