//! What is done to weights and their gradients: an optimizer's step, penalties, noise, norms, an average.

use crate::kernels::simd::simd;
use crate::kernels::{Crew, Values};
use crate::optim::{MAX_SLOTS, Update};
use crate::random::stream::Stream;

/// Parameters are updated in blocks of so many.
pub(super) const BLOCK: usize = 4096;

/// Lets the optimizer change the parameters, block by block. With `keep_changes`, the gradients are
/// replaced by what the parameters changed by.
pub(super) fn apply(
    update: Update,
    w: &mut [f32],
    g: &mut [f32],
    slots: &mut [Values; MAX_SLOTS],
    keep_changes: bool,
    crew: &mut Crew,
) {
    let change = |w: &mut [f32], g: &mut [f32], slots: [&mut [f32]; MAX_SLOTS]| {
        if !keep_changes {
            return update.apply(w, g, slots);
        }
        let mut before = [0.0; BLOCK];
        let before = &mut before[..w.len()];
        before.copy_from_slice(w);
        update.apply(w, g, slots);
        g.iter_mut().zip(w).zip(before).for_each(|((g, w), before)| *g = *w - *before);
    };
    let [s0, s1, s2] = slots;
    // A crew's slices are of one length, so unused slots are left out.
    if s0.is_empty() {
        crew.for_blocks([w, g], BLOCK, |_, [w, g]| change(w, g, [&mut [], &mut [], &mut []]));
    } else if s1.is_empty() {
        crew.for_blocks([w, g, s0], BLOCK, |_, [w, g, s0]| change(w, g, [s0, &mut [], &mut []]));
    } else if s2.is_empty() {
        crew.for_blocks([w, g, s0, s1], BLOCK, |_, [w, g, s0, s1]| change(w, g, [s0, s1, &mut []]));
    } else {
        crew.for_blocks([w, g, s0, s1, s2], BLOCK, |_, [w, g, s0, s1, s2]| {
            change(w, g, [s0, s1, s2]);
        });
    }
}

/// Scales down the columns of `w`, rows × `width`, whose norm is above `most`.
pub fn shrink_columns(w: &mut [f32], width: usize, most: f64) {
    const COLUMNS: usize = 256;
    for start in (0..width).step_by(COLUMNS) {
        let n = COLUMNS.min(width - start);
        let mut squares = [0.0_f64; COLUMNS];
        for row in w.chunks_exact(width) {
            for (square, w) in squares.iter_mut().zip(&row[start..start + n]) {
                *square += f64::from(*w) * f64::from(*w);
            }
        }
        let factors = squares.map(|square| {
            let norm = square.sqrt();
            if norm > most { (most / norm) as f32 } else { 1.0 }
        });
        for row in w.chunks_exact_mut(width) {
            for (w, factor) in row[start..start + n].iter_mut().zip(&factors) {
                *w *= factor;
            }
        }
    }
}

/// Adds a normal number of this standard deviation to each gradient, block by block; the numbers of a block
/// are those of the stream that `stream` gives it.
pub fn add_noise(
    g: &mut [f32],
    deviation: f32,
    stream: impl Fn(u64) -> Stream + Sync,
    crew: &mut Crew,
) {
    crew.for_blocks([g], BLOCK, |index, [g]| {
        let mut stream = stream(index as u64);
        let mut noise = [0.0; 256];
        for g in g.chunks_mut(noise.len()) {
            let noise = &mut noise[..g.len()];
            stream.fill_normal(noise);
            g.iter_mut().zip(noise).for_each(|(g, noise)| *g += deviation * *noise);
        }
    });
}

/// Σ x², in blocks whose sums are added in `f64`.
pub fn squares(x: &[f32]) -> f64 {
    x.chunks(BLOCK).map(|block| f64::from(block_squares(block))).sum()
}

simd! {
    fn block_squares(x: &[f32]) -> f32 {
        let mut lanes = [0.0_f32; 32];
        let (chunks, rest) = x.as_chunks::<32>();
        for chunk in chunks {
            for (lane, x) in lanes.iter_mut().zip(chunk) {
                *lane = x.mul_add(*x, *lane);
            }
        }
        lanes.iter().sum::<f32>() + rest.iter().map(|x| x * x).sum::<f32>()
    }

    /// g += l1·sign(w) + l2·w
    pub fn penalize(g: &mut [f32], w: &[f32], l1: f32, l2: f32) {
        for (g, w) in g.iter_mut().zip(w) {
            let sign = if *w > 0.0 { l1 } else if *w < 0.0 { -l1 } else { 0.0 };
            *g += l2.mul_add(*w, sign);
        }
    }

    /// average = decay·average + (1 − decay)·w
    pub fn blend(average: &mut [f32], w: &[f32], decay: f32) {
        for (average, w) in average.iter_mut().zip(w) {
            *average = decay.mul_add(*average - w, *w);
        }
    }
}
