//! Which training rows are held out to validate on.

use super::Target;
use crate::random::stream::{Stream, derive};
use crate::splits::{ShuffleSplitError, stratified_shuffle_split};

const STREAM_HOLD_OUT: u64 = 4;

/// Divides `rows` into those to train on and those held out, `share` of them rounded up: of classes
/// in the proportions of the classes, of values at random. Both keep the order of `rows`.
///
/// # Errors
/// When the classes have too few rows for both sides.
pub fn hold_out(
    target: Target<'_>,
    rows: &[u32],
    share: f64,
    seed: u64,
) -> Result<(Vec<u32>, Vec<u32>), ShuffleSplitError> {
    if share <= 0.0 {
        return Ok((rows.to_vec(), Vec::new()));
    }
    let mut held = vec![false; rows.len()];
    match target {
        Target::Classes { classes, .. } => {
            let y: Vec<u32> = rows.iter().map(|row| classes[*row as usize]).collect();
            let seed = derive(seed, STREAM_HOLD_OUT) as u32;
            let (_, out) = stratified_shuffle_split(&y, share, seed)?;
            out.iter().for_each(|at| held[*at as usize] = true);
        }
        Target::Values { .. } | Target::Labels { .. } => {
            let mut order: Vec<u32> = (0..rows.len() as u32).collect();
            Stream::new(derive(seed, STREAM_HOLD_OUT), [0, 0]).shuffle(&mut order);
            let n = ((share * rows.len() as f64).ceil() as usize).min(rows.len());
            order[..n].iter().for_each(|at| held[*at as usize] = true);
        }
    }
    let side = |side: bool| {
        rows.iter().zip(&held).filter(|(_, held)| **held == side).map(|(row, _)| *row).collect()
    };
    Ok((side(false), side(true)))
}
