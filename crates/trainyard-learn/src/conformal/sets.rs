//! Sets of classes.

use super::{ConformalError, ConformalSpec};
use crate::calibration::first_row_without_probabilities;
use crate::random::stream::derive;

/// How little a class conforms to a row's probabilities.
#[derive(Clone, Copy)]
pub(super) enum Measure {
    Lac,
    /// With the seed of its random shares, if it has them.
    Aps(Option<u32>),
}

impl Measure {
    /// `None` of values.
    pub(super) fn new(spec: ConformalSpec) -> Option<Self> {
        match spec {
            ConformalSpec::Lac => Some(Self::Lac),
            ConformalSpec::Aps { randomized, random_state } => {
                Some(Self::Aps(randomized.then_some(random_state)))
            }
            ConformalSpec::AbsoluteResidual | ConformalSpec::NormalizedResidual => None,
        }
    }

    /// The score of one class of a row.
    pub(super) fn of(self, row: &[f64], class: u32) -> f64 {
        let scored = self.scored(row);
        scored.into_iter().find(|(other, _)| *other == class).map_or(f64::INFINITY, |of| of.1)
    }

    /// The classes of a row that score no more than `highest`, the most likely one first.
    pub(super) fn up_to(self, row: &[f64], highest: f64) -> Vec<u32> {
        let scored = self.scored(row).into_iter().take_while(|(_, score)| *score <= highest);
        scored.map(|(class, _)| class).collect()
    }

    /// The classes of a row with their scores, the most likely one first, and of equally likely ones
    /// the first; the scores do not fall.
    fn scored(self, row: &[f64]) -> Vec<(u32, f64)> {
        let mut by_probability: Vec<(u32, f64)> = (0..).zip(row.iter().copied()).collect();
        by_probability.sort_by(|a, b| b.1.total_cmp(&a.1));
        let Self::Aps(seed) = self else {
            return by_probability.into_iter().map(|(class, p)| (class, 1.0 - p)).collect();
        };
        let share = seed.map_or(0.0, |seed| share_of(row, seed));
        let before = by_probability.iter().scan(0.0, |sum, (_, p)| {
            let before = *sum;
            *sum += p;
            Some(before)
        });
        let scores: Vec<f64> =
            before.zip(&by_probability).map(|(before, (_, p))| before + share * p).collect();
        by_probability.into_iter().zip(scores).map(|((class, _), score)| (class, score)).collect()
    }
}

/// The random share of a row, uniform in [0, 1), from its probabilities alone.
fn share_of(row: &[f64], seed: u32) -> f64 {
    // Adding 0 makes −0 the 0 that it equals.
    let of_row = |seed, p: &f64| derive(seed, (p + 0.0).to_bits());
    let bits = row.iter().fold(derive(u64::from(seed), row.len() as u64), of_row);
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// What is wrong with probabilities of that many classes.
pub(super) fn check(probabilities: &[f64], n_classes: usize) -> Result<(), ConformalError> {
    let n_values = probabilities.len();
    if n_classes < 2 || !n_values.is_multiple_of(n_classes) {
        return Err(ConformalError::Shape { n_values, n_classes });
    }
    match first_row_without_probabilities(probabilities, n_classes) {
        Some(row) => Err(ConformalError::Probabilities { row }),
        None => Ok(()),
    }
}
