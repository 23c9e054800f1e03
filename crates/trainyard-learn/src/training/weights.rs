//! What is done to weights besides an optimizer's step: penalties, a greatest norm, an average.

use crate::kernels::simd::simd;

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

simd! {
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
