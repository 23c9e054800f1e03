//! Categories as the mean of the target in their rows.
//!
//! Micci-Barreca, "A preprocessing scheme for high-cardinality categorical attributes in
//! classification and prediction problems" (SIGKDD Explorations 3, 2001), as scikit-learn's
//! `TargetEncoder`. With a fixed smoothing m, a category of n rows is encoded as
//! (sum of its targets + m · mean) / (n + m); without, as λ · (its mean) + (1 − λ) · mean with
//! λ = n·v / (n·v + s), v the variance of the target and s its variance inside the category.

use serde::{Deserialize, Serialize};

use crate::optim::fields::fields;
use crate::preprocess::PreprocessTarget;
use crate::splits::{SplitRows, SplitSpec};

fields! {
    /// Categories as means of the target.
    pub struct TargetSpec {
        /// How many rows the mean of all counts as in each category; `null` finds it by the
        /// variance inside the category.
        pub smooth: Option<f64> = None [minimum = 0.0],
        /// The folds of the training rows, of which each is encoded by the others.
        pub cv: u32 = 5 [minimum = 2, maximum = 1000],
    }
}

/// The target of the training rows as numbers: one output, or one for each of several classes.
#[derive(Debug)]
pub(super) struct Outcomes<'a> {
    target: PreprocessTarget<'a>,
    rows: &'a [u32],
}

impl<'a> Outcomes<'a> {
    pub(super) fn of(target: PreprocessTarget<'a>, rows: &'a [u32]) -> Self {
        Self { target, rows }
    }

    fn n_outputs(&self) -> usize {
        match self.target {
            PreprocessTarget::Classes { n_classes, .. } if n_classes > 2 => n_classes,
            PreprocessTarget::Classes { .. } | PreprocessTarget::Values(_) => 1,
        }
    }

    /// What tells several outputs apart.
    pub(super) fn names(&self) -> Vec<String> {
        match self.n_outputs() {
            1 => Vec::new(),
            n => (0..n).map(|class| class.to_string()).collect(),
        }
    }

    /// An output of the row at this place among the training rows.
    #[inline]
    fn at(&self, output: usize, place: usize) -> f64 {
        let row = self.rows[place] as usize;
        match self.target {
            PreprocessTarget::Values(values) => values[row],
            PreprocessTarget::Classes { classes, n_classes } => {
                let class = if n_classes > 2 { output } else { 1 };
                f64::from(u8::from(classes[row] as usize == class))
            }
        }
    }

    /// The fold of each training row.
    fn folds(&self, n_splits: u32, seed: u32) -> Vec<Vec<u32>> {
        let (shuffle, random_state) = (true, Some(seed));
        let folds = match self.target {
            PreprocessTarget::Values(_) => SplitSpec::Kfold { n_splits, shuffle, random_state }
                .assign(&SplitRows::new(self.rows.len(), None)),
            PreprocessTarget::Classes { classes, .. } => {
                let classes: Vec<u32> = self.rows.iter().map(|&r| classes[r as usize]).collect();
                SplitSpec::StratifiedKfold { n_splits, shuffle, random_state }
                    .assign(&SplitRows::new(classes.len(), Some(&classes)))
            }
        };
        folds.iter().map(|fold| fold.test).collect()
    }
}

/// What each category is encoded as.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Encoding {
    /// Groups × outputs.
    of_groups: Vec<f64>,
    /// The mean of each output: what stands for all other categories.
    means: Vec<f64>,
}

impl Encoding {
    pub(super) fn n_outputs(&self) -> usize {
        self.means.len()
    }

    pub(super) fn of(&self, group: u32) -> &[f64] {
        let n = self.means.len();
        self.of_groups.chunks_exact(n).nth(group as usize).unwrap_or(&self.means)
    }
}

impl TargetSpec {
    /// The encoding by the training rows at the places that `counts`, whose groups are given.
    pub(super) fn fit(
        &self,
        groups: &[u32],
        n_groups: usize,
        outcomes: &Outcomes<'_>,
        counts: impl Fn(usize) -> bool,
    ) -> Encoding {
        let n_outputs = outcomes.n_outputs();
        let mut encoding =
            Encoding { of_groups: vec![0.0; n_groups * n_outputs], means: vec![0.0; n_outputs] };
        let places: Vec<usize> = (0..groups.len()).filter(|place| counts(*place)).collect();
        let n = places.len().max(1) as f64;
        for output in 0..n_outputs {
            let at = |place: usize| outcomes.at(output, place);
            let mean = places.iter().map(|&place| at(place)).sum::<f64>() / n;
            let variance = places.iter().map(|&p| (at(p) - mean) * (at(p) - mean)).sum::<f64>() / n;
            let (mut sums, mut sizes) = (vec![0.0; n_groups], vec![0.0; n_groups]);
            for &place in &places {
                if let Some(sum) = sums.get_mut(groups[place] as usize) {
                    *sum += at(place);
                    sizes[groups[place] as usize] += 1.0;
                }
            }
            let mut squares = vec![0.0; n_groups];
            for &place in &places {
                let group = groups[place] as usize;
                if let Some(square) = squares.get_mut(group) {
                    let deviation = at(place) - sums[group] / sizes[group];
                    *square += deviation * deviation;
                }
            }
            encoding.means[output] = mean;
            for group in 0..n_groups {
                let (sum, size) = (sums[group], sizes[group]);
                encoding.of_groups[group * n_outputs + output] = match self.smooth {
                    _ if size == 0.0 => mean,
                    Some(smooth) => (sum + smooth * mean) / (size + smooth),
                    None => {
                        let (between, within) = (variance * size, squares[group] / size);
                        let share = between / (between + within);
                        if share.is_nan() {
                            mean
                        } else {
                            share * (sum / size) + (1.0 - share) * mean
                        }
                    }
                };
            }
        }
        encoding
    }

    /// What each training row is encoded as by the folds that it is not in: rows × outputs.
    pub(super) fn out_of_fold(
        &self,
        groups: &[u32],
        n_groups: usize,
        outcomes: &Outcomes<'_>,
        seed: u32,
    ) -> Vec<f64> {
        let n_outputs = outcomes.n_outputs();
        let mut encoded = vec![0.0; groups.len() * n_outputs];
        let n_splits = self.cv.min(groups.len() as u32);
        let folds = if n_splits < 2 {
            // One row has no others: the mean of all is all there is.
            vec![(0..groups.len() as u32).collect()]
        } else {
            outcomes.folds(n_splits, seed)
        };
        let mut fold_of = vec![0; groups.len()];
        for (fold, places) in folds.iter().enumerate() {
            places.iter().for_each(|&place| fold_of[place as usize] = fold);
        }
        for (fold, places) in folds.iter().enumerate() {
            let is_other = |place: usize| folds.len() < 2 || fold_of[place] != fold;
            let encoding = self.fit(groups, n_groups, outcomes, is_other);
            for &place in places {
                let place = place as usize;
                encoded[place * n_outputs..][..n_outputs]
                    .copy_from_slice(encoding.of(groups[place]));
            }
        }
        encoded
    }
}
