//! Categories as numbers.
//!
//! A row's value is found among the levels of the training rows (`levels`), rare levels are one
//! group (`groups`), and a group is encoded. Start reading at [`Category`].

mod groups;
mod levels;
mod spec;
mod target;

use serde::{Deserialize, Serialize};

use super::hash::bucket;
use super::impute::CategoricalImpute;
use super::slots::{Slots, Tally};
use super::spec::{CategoricalSpec, UnseenCategory};
use super::{FitProblem, PreprocessTarget};
use crate::named::Named;
use crate::table::Values;
use groups::Groups;
pub(super) use levels::Finder;
use levels::{Levels, MISSING, UNSEEN};
pub use spec::{DropCategory, EncodeSpec, HashingSpec, OneHotSpec};
pub use target::TargetSpec;
use target::{Encoding, Outcomes};

/// How the categories of a column become numbers, as found in its training rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Category {
    levels: Levels,
    /// The level of a missing value: that of a category, or one more than there are categories.
    fill: Option<u32>,
    groups: Groups,
    encoder: Encoder,
    unseen: UnseenCategory,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Encoder {
    OneHot { dropped: Option<u32> },
    Ordinal,
    Target { encoding: Encoding, names: Vec<String> },
    Frequency { shares: Vec<f64> },
    Hashing { n_features: u32, fill: Option<String> },
}

/// The encodings of the training rows, each by rows of which it is none: rows × features.
#[derive(Debug)]
pub(super) struct TrainingRows(Vec<f64>);

impl Category {
    /// Finds the categories of the training rows, and what they become.
    pub(super) fn fit(
        spec: &CategoricalSpec,
        (name, values): (&str, &Values),
        rows: &[u32],
        target: Option<PreprocessTarget<'_>>,
    ) -> Result<Self, FitProblem> {
        let mut levels = Levels::of(values, rows);
        let mut found = levels_of(values, &levels, rows, MISSING);
        let has_missing = found.contains(&MISSING);
        let fill = match &*spec.impute {
            CategoricalImpute::MostFrequent => most_frequent(&found, levels.len()),
            CategoricalImpute::Constant { value } => {
                if has_missing {
                    levels.insert(value);
                }
                levels.find(value)
            }
            CategoricalImpute::None => {
                let is_level = has_missing && !matches!(*spec.encode, EncodeSpec::Ordinal);
                is_level.then_some(levels.len() as u32)
            }
        };
        if let EncodeSpec::Hashing(HashingSpec { n_features }) = &*spec.encode {
            let fill = match &*spec.impute {
                CategoricalImpute::Constant { value } => Some(value.clone()),
                CategoricalImpute::MostFrequent => fill.map(|level| levels.name(level as usize)),
                CategoricalImpute::None => None,
            };
            return Ok(Self {
                levels: Levels::Texts(Vec::new()),
                fill: None,
                groups: Groups::new(&[], 0, None, None),
                encoder: Encoder::Hashing { n_features: *n_features, fill },
                unseen: spec.unseen,
            });
        }
        if has_missing {
            found = levels_of(values, &levels, rows, fill.unwrap_or(MISSING));
        }
        let n_levels = levels.len().max(fill.map_or(0, |fill| fill as usize + 1));
        let counts = counts(&found, n_levels);
        let groups = Groups::new(&counts, rows.len(), spec.min_frequency, spec.max_categories);
        found.iter_mut().for_each(|level| *level = groups.of(*level));
        let encoder = match &*spec.encode {
            EncodeSpec::OneHot(OneHotSpec { drop }) => {
                let drops = match drop {
                    Some(DropCategory::First) => groups.n_groups > 0,
                    Some(DropCategory::IfBinary) => groups.n_groups == 2,
                    None => false,
                };
                Encoder::OneHot { dropped: drops.then_some(0) }
            }
            EncodeSpec::Ordinal => Encoder::Ordinal,
            EncodeSpec::Target(spec) => {
                let target =
                    target.ok_or_else(|| FitProblem::NeedsTarget { column: name.to_owned() })?;
                let outcomes = Outcomes::of(target, rows);
                let encoding = spec.fit(&found, groups.n_groups, &outcomes, |_| true);
                Encoder::Target { encoding, names: outcomes.names() }
            }
            EncodeSpec::Frequency => {
                let n = rows.len().max(1) as f64;
                let counts = self::counts(&found, groups.n_groups);
                Encoder::Frequency { shares: counts.iter().map(|c| *c as f64 / n).collect() }
            }
            EncodeSpec::Hashing(_) => unreachable!("was taken care of above"),
        };
        Ok(Self { levels, fill, groups, encoder, unseen: spec.unseen })
    }

    /// What the training rows are encoded as where that differs from what others are.
    pub(super) fn fit_training_rows(
        &self,
        spec: &Named<EncodeSpec>,
        values: &Values,
        rows: &[u32],
        target: Option<PreprocessTarget<'_>>,
        seed: u32,
    ) -> Option<TrainingRows> {
        let (EncodeSpec::Target(spec), Some(target)) = (&**spec, target) else { return None };
        let mut found = levels_of(values, &self.levels, rows, self.fill.unwrap_or(MISSING));
        found.iter_mut().for_each(|level| *level = self.groups.of(*level));
        let outcomes = Outcomes::of(target, rows);
        Some(TrainingRows(spec.out_of_fold(&found, self.groups.n_groups, &outcomes, seed)))
    }

    pub(super) fn n_features(&self) -> usize {
        match &self.encoder {
            Encoder::OneHot { dropped } => self.groups.n_groups - usize::from(dropped.is_some()),
            Encoder::Ordinal | Encoder::Frequency { .. } => 1,
            Encoder::Target { encoding, .. } => encoding.n_outputs(),
            Encoder::Hashing { n_features, .. } => *n_features as usize,
        }
    }

    pub(super) fn feature_names(&self, column: &str) -> Vec<String> {
        match &self.encoder {
            Encoder::Ordinal | Encoder::Frequency { .. } => vec![column.to_owned()],
            Encoder::Target { names, .. } if names.is_empty() => vec![column.to_owned()],
            Encoder::Target { names, .. } => {
                names.iter().map(|class| format!("{column}_{class}")).collect()
            }
            Encoder::Hashing { n_features, .. } => {
                (0..*n_features).map(|i| format!("{column}_hash{i}")).collect()
            }
            Encoder::OneHot { dropped } => {
                let n_levels = self.levels.len().max(self.fill.map_or(0, |fill| fill as usize + 1));
                let rare = self.groups.rare().map(|group| group as usize);
                let name = |(group, members): (usize, &Vec<usize>)| match members[..] {
                    _ if Some(group) == rare => format!("{column}_infrequent"),
                    [level] if level < self.levels.len() => {
                        format!("{column}_{}", self.levels.name(level))
                    }
                    _ => format!("{column}_nan"),
                };
                let members = self.groups.members(n_levels);
                members.iter().enumerate().skip(usize::from(dropped.is_some())).map(name).collect()
            }
        }
    }

    /// Whether something stands for a missing value.
    pub(super) fn fills(&self) -> bool {
        match &self.encoder {
            Encoder::Hashing { fill, .. } => fill.is_some(),
            _ => self.fill.is_some(),
        }
    }

    /// Whether an unseen category is to be refused.
    pub(super) fn refuses_unseen(&self) -> bool {
        self.unseen == UnseenCategory::Error
    }

    /// What finds the levels of a column's rows.
    pub(super) fn finder<'a>(&'a self, values: &'a Values, n_rows: usize) -> Finder<'a> {
        Finder::new(values, &self.levels, n_rows)
    }

    /// Writes the features of the given rows, of which the first is at `position` in the training
    /// rows if they are such.
    pub(super) fn write(
        &self,
        (values, finder): (&Values, &Finder<'_>),
        rows: &[u32],
        training: Option<(&TrainingRows, usize)>,
        out: &mut Slots<'_>,
        tally: &mut Tally,
    ) {
        if let Encoder::Hashing { n_features, fill } = &self.encoder {
            return write_hashes(values, rows, *n_features as usize, fill.as_deref(), out);
        }
        let mut groups = finder.find(rows, self.fill.unwrap_or(MISSING), tally);
        let unseen = match self.unseen {
            UnseenCategory::Rare => self.groups.rare().unwrap_or(UNSEEN),
            UnseenCategory::Ignore | UnseenCategory::Error => UNSEEN,
        };
        for group in &mut groups {
            *group = if *group == UNSEEN { unseen } else { self.groups.of(*group) };
        }
        let of_rows = out.rows().zip(groups);
        match &self.encoder {
            Encoder::OneHot { dropped } => {
                let n = self.n_features();
                for (out, group) in of_rows {
                    out[..n].fill(0.0);
                    let at = group as usize;
                    if let Some(place) = at.checked_sub(usize::from(dropped.is_some()))
                        && place < n
                    {
                        out[place] = 1.0;
                    }
                }
            }
            Encoder::Ordinal => {
                for (out, group) in of_rows {
                    out[0] = match group {
                        UNSEEN => -1.0,
                        MISSING => f64::NAN,
                        group => f64::from(group),
                    };
                }
            }
            Encoder::Frequency { shares } => {
                for (out, group) in of_rows {
                    out[0] = shares.get(group as usize).copied().unwrap_or(0.0);
                }
            }
            Encoder::Target { encoding, .. } => {
                let n = encoding.n_outputs();
                if let Some((TrainingRows(of_training), position)) = training {
                    let known = of_training.chunks_exact(n).skip(position);
                    of_rows
                        .zip(known)
                        .for_each(|((out, _), known)| out[..n].copy_from_slice(known));
                } else {
                    of_rows.for_each(|(out, group)| out[..n].copy_from_slice(encoding.of(group)));
                }
            }
            Encoder::Hashing { .. } => {}
        }
    }
}

fn write_hashes(
    values: &Values,
    rows: &[u32],
    n_features: usize,
    fill: Option<&str>,
    out: &mut Slots<'_>,
) {
    for (out, &row) in out.rows().zip(rows) {
        let out = &mut out[..n_features];
        out.fill(0.0);
        let add = |text: &str| {
            let (place, sign) = bucket(text.as_bytes(), n_features);
            out[place] = sign;
        };
        match values {
            Values::Categorical { codes, categories } => {
                categories.get(codes[row as usize] as usize).map(String::as_str).or(fill).map(add)
            }
            Values::Text(texts) => texts[row as usize].as_deref().or(fill).map(add),
            _ => values.text(row as usize).as_deref().or(fill).map(add),
        };
    }
}

fn levels_of(values: &Values, levels: &Levels, rows: &[u32], fill: u32) -> Vec<u32> {
    Finder::new(values, levels, rows.len()).find(rows, fill, &mut Tally::default())
}

/// How many rows each level has.
fn counts(found: &[u32], n_levels: usize) -> Vec<usize> {
    let mut counts = vec![0; n_levels];
    for level in found {
        if let Some(count) = counts.get_mut(*level as usize) {
            *count += 1;
        }
    }
    counts
}

/// The level with most rows, the first of several.
fn most_frequent(found: &[u32], n_levels: usize) -> Option<u32> {
    let counts = counts(found, n_levels);
    let most = counts.iter().max()?;
    counts.iter().position(|count| count == most).map(|level| level as u32)
}
