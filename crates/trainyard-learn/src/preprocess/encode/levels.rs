//! The categories of a column: which there are in the training rows, and which one a row has.

use serde::{Deserialize, Serialize};

use crate::preprocess::slots::Tally;
use crate::table::{MISSING_CODE, Values, number_text};

/// The level of a row whose category the training rows do not have.
pub(super) const UNSEEN: u32 = u32::MAX - 1;
/// The level of a row without a value.
pub(super) const MISSING: u32 = MISSING_CODE;

/// Distinct categories in ascending order, found by bisection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::preprocess) enum Levels {
    Texts(Vec<String>),
    Numbers(Vec<f64>),
}

impl Levels {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Texts(levels) => levels.len(),
            Self::Numbers(levels) => levels.len(),
        }
    }

    /// How a level is shown.
    pub(super) fn name(&self, level: usize) -> String {
        match self {
            Self::Texts(levels) => levels[level].clone(),
            Self::Numbers(levels) => number_text(levels[level]),
        }
    }

    /// The level of a category by its text, if it is one.
    pub(super) fn find(&self, text: &str) -> Option<u32> {
        match self {
            Self::Texts(levels) => {
                let found = levels.binary_search_by(|level| level.as_str().cmp(text));
                found.ok().map(|level| level as u32)
            }
            Self::Numbers(_) => text.parse().ok().and_then(|number| self.find_number(number)),
        }
    }

    fn find_number(&self, number: f64) -> Option<u32> {
        let Self::Numbers(levels) = self else { return self.find(&number_text(number)) };
        // Adding zero gives zero one sign.
        let found = levels.binary_search_by(|level| level.total_cmp(&(number + 0.0)));
        found.ok().map(|level| level as u32)
    }

    /// One more level.
    pub(super) fn insert(&mut self, text: &str) {
        match self {
            Self::Texts(levels) => {
                if let Err(at) = levels.binary_search_by(|level| level.as_str().cmp(text)) {
                    levels.insert(at, text.to_owned());
                }
            }
            Self::Numbers(levels) => {
                let Ok(number) = text.parse::<f64>() else { return };
                if let Err(at) = levels.binary_search_by(|l| l.total_cmp(&(number + 0.0))) {
                    levels.insert(at, number + 0.0);
                }
            }
        }
    }

    /// The distinct categories of the given rows.
    pub(super) fn of(values: &Values, rows: &[u32]) -> Self {
        match values {
            Values::Categorical { codes, categories } => {
                let mut is_used = vec![false; categories.len()];
                for &row in rows {
                    if let Some(used) = is_used.get_mut(codes[row as usize] as usize) {
                        *used = true;
                    }
                }
                let used = categories.iter().zip(is_used).filter(|(_, used)| *used);
                Self::texts(used.map(|(category, _)| category.as_str()).collect())
            }
            Values::Text(texts) => {
                Self::texts(rows.iter().filter_map(|&row| texts[row as usize].as_deref()).collect())
            }
            Values::Boolean(flags) => Self::texts(
                ["false", "true"]
                    .into_iter()
                    .filter(|name| rows.iter().any(|&row| flag(flags[row as usize]) == Some(*name)))
                    .collect(),
            ),
            Values::Numeric(numbers) => {
                let present = rows.iter().map(|&row| numbers[row as usize] + 0.0);
                let mut levels: Vec<f64> = present.filter(|x| !x.is_nan()).collect();
                levels.sort_unstable_by(f64::total_cmp);
                levels.dedup();
                Self::Numbers(levels)
            }
            Values::Datetime(_) | Values::Tensor { .. } => Self::Texts(Vec::new()),
        }
    }

    fn texts(mut texts: Vec<&str>) -> Self {
        texts.sort_unstable();
        texts.dedup();
        Self::Texts(texts.into_iter().map(str::to_owned).collect())
    }
}

/// A boolean as a category.
fn flag(value: Option<bool>) -> Option<&'static str> {
    value.map(|value| if value { "true" } else { "false" })
}

/// What finds the levels of a column's rows: each of its categories is looked up once where rows
/// are many, and only those that are met where rows are few.
#[derive(Debug)]
pub(in crate::preprocess) struct Finder<'a> {
    values: &'a Values,
    levels: &'a Levels,
    known: Option<Vec<u32>>,
}

impl<'a> Finder<'a> {
    pub(super) fn new(values: &'a Values, levels: &'a Levels, n_rows: usize) -> Self {
        let known = match values {
            Values::Categorical { categories, .. } if categories.len() <= n_rows => {
                let find = |category: &String| levels.find(category).unwrap_or(UNSEEN);
                Some(categories.iter().map(find).collect())
            }
            Values::Boolean(_) => {
                Some(["false", "true"].map(|name| levels.find(name).unwrap_or(UNSEEN)).to_vec())
            }
            _ => None,
        };
        Self { values, levels, known }
    }

    /// The level of each of the given rows, `fill` for a missing one.
    pub(super) fn find(&self, rows: &[u32], fill: u32, tally: &mut Tally) -> Vec<u32> {
        let levels: Vec<u32> = rows
            .iter()
            .map(|&row| match self.level(row as usize) {
                MISSING => fill,
                level => level,
            })
            .collect();
        for (&level, &row) in levels.iter().zip(rows) {
            if level == UNSEEN {
                if tally.unseen.count == 0 {
                    tally.unseen_value = self.values.text(row as usize);
                }
                tally.unseen.add(row);
            } else if level == MISSING {
                tally.missing.add(row);
            }
        }
        levels
    }

    fn level(&self, row: usize) -> u32 {
        let level = match self.values {
            Values::Categorical { codes, categories } => match (codes[row], &self.known) {
                (MISSING_CODE, _) => return MISSING,
                (code, Some(known)) => return known[code as usize],
                (code, None) => self.levels.find(&categories[code as usize]),
            },
            Values::Boolean(flags) => match (flags[row], &self.known) {
                (None, _) => return MISSING,
                (Some(flag), Some(known)) => return known[usize::from(flag)],
                (Some(flag), None) => self.levels.find(if flag { "true" } else { "false" }),
            },
            Values::Text(texts) => match &texts[row] {
                None => return MISSING,
                Some(text) => self.levels.find(text),
            },
            Values::Numeric(numbers) if numbers[row].is_nan() => return MISSING,
            Values::Numeric(numbers) => self.levels.find_number(numbers[row]),
            Values::Datetime(_) | Values::Tensor { .. } => return MISSING,
        };
        level.unwrap_or(UNSEEN)
    }
}
