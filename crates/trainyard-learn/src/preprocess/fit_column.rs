//! What is found in the training rows of one column.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::datetime;
use super::encode::Category;
use super::fit::PreprocessTarget;
use super::impute::NumericImpute;
use super::report::FitProblem;
use super::scale::{Moments, ScaleSpec, Scaler, moments_of};
use super::slots::{Element, gather, gather_or_lend};
use super::spec::NumericSpec;
use super::text::Texts;
use super::treatment::Treatment;
use crate::table::{Column, ColumnType, Values, has_nan};

/// One column, and what was found in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct FittedColumn {
    pub(super) name: String,
    pub(super) column_type: ColumnType,
    pub(super) kind: Kind,
    /// Whether the last feature says where values are missing.
    pub(super) indicator: bool,
    /// Whether every training row has a value, though something would stand for one that is missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_whole: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Dropped,
    Number {
        fill: Option<f64>,
        scaler: Scaler,
    },
    Category(Category),
    Moment(datetime::Moments),
    Text(Texts),
    /// A scaler for each number, or none.
    Tensor {
        width: usize,
        scalers: Vec<Scaler>,
    },
}

impl Kind {
    /// Whether something stands for a missing value.
    fn fills(&self) -> bool {
        match self {
            Self::Number { fill, .. } => fill.is_some(),
            Self::Category(category) => category.fills(),
            Self::Moment(moments) => moments.fills(),
            Self::Dropped | Self::Text(_) | Self::Tensor { .. } => false,
        }
    }
}

impl FittedColumn {
    pub(super) fn fit(
        column: &Column,
        treatment: &Treatment,
        rows: &[u32],
        target: Option<PreprocessTarget<'_>>,
        known: Option<Moments>,
    ) -> Result<Self, FitProblem> {
        let (name, values) = (&column.name, &column.values);
        let has_gap = || has_gap(values, rows);
        let (mut indicator, mut known_whole) = (false, false);
        let kind = match (treatment, values) {
            (Treatment::Number(spec), Values::Numeric(numbers)) => {
                if let Some(plain) = known.and_then(|known| of_moments(spec, known)) {
                    known_whole = true;
                    plain
                } else {
                    indicator = spec.indicator && has_gap();
                    number(spec, name, gather_or_lend(numbers, rows))?
                }
            }
            (Treatment::Number(spec), Values::Boolean(flags)) => {
                indicator = spec.indicator && has_gap();
                number(spec, name, Cow::Owned(gather(&flags[..], rows)))?
            }
            (Treatment::Category(spec), _) => {
                Kind::Category(Category::fit(spec, (name, values), rows, target)?)
            }
            (Treatment::Moment(spec), Values::Datetime(times)) => {
                indicator = spec.indicator && has_gap();
                Kind::Moment(datetime::Moments::fit(spec, (name, times), rows)?)
            }
            (Treatment::Text(spec), _) => Kind::Text(Texts::fit(spec, values, rows)),
            (Treatment::Tensor(spec), Values::Tensor { shape, values }) => {
                tensor(&spec.scale, name, (shape.iter().product(), values), rows)?
            }
            (Treatment::Passthrough, Values::Numeric(_) | Values::Boolean(_)) => {
                Kind::Number { fill: None, scaler: Scaler::None }
            }
            (Treatment::Passthrough, Values::Tensor { shape, .. }) => {
                Kind::Tensor { width: shape.iter().product(), scalers: Vec::new() }
            }
            // What a check refuses has no features.
            _ => Kind::Dropped,
        };
        let is_whole = kind.fills() && (known_whole || !has_gap());
        Ok(Self {
            name: name.clone(),
            column_type: values.column_type(),
            kind,
            indicator,
            is_whole,
        })
    }

    pub(super) fn n_features(&self) -> usize {
        let n_features = match &self.kind {
            Kind::Dropped => 0,
            Kind::Number { .. } => 1,
            Kind::Category(category) => category.n_features(),
            Kind::Moment(moments) => moments.n_features(),
            Kind::Text(texts) => texts.n_features(),
            Kind::Tensor { width, .. } => *width,
        };
        n_features + usize::from(self.indicator)
    }

    pub(super) fn feature_names(&self) -> Vec<String> {
        let mut names = match &self.kind {
            Kind::Dropped => Vec::new(),
            Kind::Number { .. } => vec![self.name.clone()],
            Kind::Category(category) => category.feature_names(&self.name),
            Kind::Moment(moments) => moments.feature_names(&self.name),
            Kind::Text(texts) => texts.feature_names(&self.name),
            Kind::Tensor { width, .. } => {
                (0..*width).map(|place| format!("{}_{place}", self.name)).collect()
            }
        };
        if self.indicator {
            names.push(format!("missingindicator_{}", self.name));
        }
        names
    }
}

/// The moments of columns of numbers that are scaled by theirs, where no number is missing.
pub(super) fn known_moments(
    columns: &[&Column],
    treatments: &[Treatment],
    rows: &[u32],
) -> Vec<Option<Moments>> {
    /// So many sums are added to while one addition takes place.
    const SIDE_BY_SIDE: usize = 8;
    let mut known = vec![None; columns.len()];
    let plain: Vec<(usize, &[f64])> = columns
        .iter()
        .zip(treatments)
        .enumerate()
        .filter_map(|(place, (column, treatment))| match (treatment, &column.values) {
            (Treatment::Number(spec), Values::Numeric(numbers)) => {
                let is_plain = matches!(spec.scale.as_deref(), Some(ScaleSpec::Standard(_)));
                is_plain.then_some((place, &numbers[..]))
            }
            _ => None,
        })
        .collect();
    for group in plain.chunks(SIDE_BY_SIDE) {
        let lanes: [&[f64]; SIDE_BY_SIDE] =
            std::array::from_fn(|lane| group[lane.min(group.len() - 1)].1);
        let found = moments_of(lanes, rows.len(), |place| rows[place] as usize);
        for ((place, _), found) in group.iter().zip(found) {
            known[*place] = (found.n == rows.len()).then_some(found);
            columns[*place].values.let_go();
        }
    }
    known
}

/// A column without gaps whose moments are all that its spec needs.
fn of_moments(spec: &NumericSpec, moments: Moments) -> Option<Kind> {
    let fill = match *spec.impute {
        NumericImpute::Mean => Some(moments.mean),
        NumericImpute::Constant { value } => Some(value),
        NumericImpute::None => None,
        NumericImpute::Median | NumericImpute::MostFrequent => return None,
    };
    let scaler = spec.scale.as_deref()?.of_moments(moments)?;
    Some(Kind::Number { fill, scaler })
}

fn number(spec: &NumericSpec, name: &str, mut values: Cow<'_, [f64]>) -> Result<Kind, FitProblem> {
    let fill = spec.impute.fit(&values);
    if fill.is_some_and(|fill| !fill.is_finite()) {
        return Err(FitProblem::TooLarge { column: name.to_owned() });
    }
    let scaler = match spec.scale.as_deref() {
        None | Some(ScaleSpec::None) => Scaler::None,
        Some(scale) => {
            if let Some(fill) = fill
                && has_nan(&values)
            {
                values.to_mut().iter_mut().filter(|x| x.is_nan()).for_each(|x| *x = fill);
            }
            scale.fit(&values, name)?
        }
    };
    Ok(Kind::Number { fill, scaler })
}

fn tensor(
    scale: &ScaleSpec,
    name: &str,
    (width, values): (usize, &[f32]),
    rows: &[u32],
) -> Result<Kind, FitProblem> {
    let fit = |index| scale.fit(&gather(Element { values, width, index }, rows), name);
    let scalers = match scale {
        ScaleSpec::None => Vec::new(),
        _ => (0..width).map(fit).collect::<Result<_, _>>()?,
    };
    Ok(Kind::Tensor { width, scalers })
}

/// Whether one of the rows has no value.
fn has_gap(values: &Values, rows: &[u32]) -> bool {
    match values {
        Values::Numeric(numbers) => {
            rows.chunks(1024).any(|rows| has_nan(&gather_or_lend(numbers, rows)))
        }
        _ => rows.iter().any(|&row| is_missing(values, row as usize)),
    }
}

/// Whether a row has no value.
pub(super) fn is_missing(values: &Values, row: usize) -> bool {
    match values {
        Values::Numeric(numbers) => numbers[row].is_nan(),
        Values::Boolean(flags) => flags[row].is_none(),
        Values::Categorical { codes, .. } => codes[row] == crate::table::MISSING_CODE,
        Values::Datetime(times) => times[row] == crate::table::MISSING_TIME,
        Values::Text(texts) => texts[row].is_none(),
        Values::Tensor { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_found_wherever_it_is() {
        for n in [1_u32, 1023, 1024, 1025, 2049] {
            let mut numbers = vec![1.0; n as usize];
            let in_order: Vec<u32> = (0..n).collect();
            let backwards: Vec<u32> = (0..n).rev().collect();
            let whole = Values::Numeric(numbers.clone().into());
            assert!(!whole.has_gaps() && !has_gap(&whole, &in_order));
            for place in [0, n as usize / 2, n as usize - 1] {
                numbers[place] = f64::NAN;
                let values = Values::Numeric(numbers.clone().into());
                numbers[place] = 1.0;
                assert!(values.has_gaps(), "{place} of {n}");
                assert!(has_gap(&values, &in_order) && has_gap(&values, &backwards));
                let others: Vec<u32> = (0..n).filter(|row| *row as usize != place).collect();
                assert!(!has_gap(&values, &others), "{place} of {n}");
            }
        }
    }
}
