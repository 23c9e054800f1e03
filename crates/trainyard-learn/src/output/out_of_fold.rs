//! What models of folds said of rows that they had not seen, and a calibration that has not seen them
//! either.

use crate::calibration::{CalibrationError, CalibrationSpec, Calibrator, Scores};
use crate::model::{Predicted, Truth};

/// Calibrations that are fitted beside the model's own, at most.
const MAX_PARTS: usize = 32;

/// Parts that the rows of a single fold are dealt into.
const N_DEALT: usize = 10;

/// Predictions of rows by models that had not seen them, fold after fold.
#[derive(Clone, Copy, Debug)]
pub struct OutOfFold<'a> {
    /// Which rows; one that several folds tested is there as often.
    pub rows: &'a [u32],
    /// Where the rows of each fold end.
    pub ends: &'a [usize],
    /// What the rows really are.
    pub truth: &'a Truth,
    /// What was said of them.
    pub predicted: &'a Predicted,
}

impl OutOfFold<'_> {
    /// The places where rows are tested for the first time, fold by fold.
    ///
    /// A row that is tested again says nothing new of how far the truth is from a prediction.
    fn first_tests(&self) -> Vec<Vec<usize>> {
        let mut is_known = vec![false; self.n_numbers()];
        let mut start = 0;
        let mut folds = Vec::with_capacity(self.ends.len());
        for end in self.ends {
            let is_first =
                |place: &usize| !std::mem::replace(&mut is_known[self.rows[*place] as usize], true);
            folds.push((start..*end).filter(is_first).collect::<Vec<usize>>());
            start = *end;
        }
        folds.retain(|fold| !fold.is_empty());
        folds
    }

    /// The same, all together.
    pub(super) fn firsts(&self) -> Vec<usize> {
        self.first_tests().concat()
    }

    /// The scores of the first tests, calibrated by fits that have seen nothing of the same rows, in
    /// the order of [`firsts`](Self::firsts).
    ///
    /// Rows that a fold tests are one part, since a split may keep together what belongs together;
    /// many folds make larger parts. Where a class is in one fold only, rows are dealt out in turn.
    pub(super) fn cross_calibrated(
        &self,
        spec: CalibrationSpec,
        scores: Scores<'_>,
        target: &[u32],
    ) -> Result<Vec<f64>, CalibrationError> {
        let folds = self.first_tests();
        let a_part = folds.len().div_ceil(MAX_PARTS).max(1);
        let parts: Vec<Vec<usize>> = folds.chunks(a_part).map(<[Vec<usize>]>::concat).collect();
        let places = parts.concat();
        self.calibrated_apart(spec, scores, target, &parts).or_else(|_| {
            let dealt = |part: usize| places.iter().skip(part).step_by(N_DEALT).copied().collect();
            let parts: Vec<Vec<usize>> = (0..N_DEALT.min(places.len())).map(dealt).collect();
            let dealt = self.calibrated_apart(spec, scores, target, &parts)?;
            // From the order of the parts back to that of the places.
            let width = scores.n_columns;
            let mut found = vec![0.0; dealt.len()];
            let order = (0..parts.len()).flat_map(|part| (part..places.len()).step_by(N_DEALT));
            for (place, row) in order.zip(dealt.chunks_exact(width)) {
                found[place * width..][..width].copy_from_slice(row);
            }
            Ok(found)
        })
    }

    fn calibrated_apart(
        &self,
        spec: CalibrationSpec,
        scores: Scores<'_>,
        target: &[u32],
        parts: &[Vec<usize>],
    ) -> Result<Vec<f64>, CalibrationError> {
        let mut is_held = vec![false; self.n_numbers()];
        let mut found = Vec::with_capacity(scores.values.len());
        for part in parts {
            part.iter().for_each(|place| is_held[self.rows[*place] as usize] = true);
            let others: Vec<usize> =
                (0..self.rows.len()).filter(|at| !is_held[self.rows[*at] as usize]).collect();
            part.iter().for_each(|place| is_held[self.rows[*place] as usize] = false);
            let values = pick(scores.values, &others, scores.n_columns);
            let classes = pick(target, &others, 1);
            let calibrator =
                Calibrator::fit(spec, Scores { values: &values, ..scores }, &classes, None)?;
            found.extend(calibrator.calibrate(&pick(scores.values, part, scores.n_columns))?);
        }
        Ok(found)
    }

    /// One more than the largest number of a row.
    fn n_numbers(&self) -> usize {
        self.rows.iter().max().map_or(0, |row| *row as usize + 1)
    }
}

/// What is at these places, `width` values each.
pub(super) fn pick<T: Copy>(values: &[T], places: &[usize], width: usize) -> Vec<T> {
    places.iter().flat_map(|place| &values[place * width..][..width]).copied().collect()
}
