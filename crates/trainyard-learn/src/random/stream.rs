//! The random numbers of networks: streams that are named by what they are for, not by when they
//! are drawn.
//!
//! The generator is Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy
//! as 1, 2, 3", SC 2011): a block cipher over a counter. So the stream of epoch 7 of fold 3 needs
//! nothing of what came before it, and training goes on after a crash with the same bits.

use crate::kernels::math::{ln, sin_cos};
use crate::kernels::simd::simd;

/// Words that one application of the cipher makes.
const BLOCK_WORDS: usize = 4;

/// Blocks that are computed side by side, and the words of them.
const LANES: usize = 16;
const AT_ONCE: usize = LANES * BLOCK_WORDS;

/// A seed for a part of something that has a seed: a fold of a job, a layer of a network.
///
/// Each label gives another seed, and no two parts share a stream (the finalizer of SplitMix64,
/// Steele, Lea and Flood, OOPSLA 2014).
#[must_use]
pub fn derive(seed: u64, label: u64) -> u64 {
    let mut z = seed ^ label.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Stream {
    key: [u32; 2],
    path: [u32; 2],
    next_block: u64,
    words: [u32; BLOCK_WORDS],
    n_used: usize,
}

impl Stream {
    /// The stream of `seed` that belongs to `path`, such as (purpose, epoch).
    pub fn new(seed: u64, path: [u32; 2]) -> Self {
        let key = [seed as u32, (seed >> 32) as u32];
        Self { key, path, next_block: 0, words: [0; BLOCK_WORDS], n_used: BLOCK_WORDS }
    }

    /// The next 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.n_used == BLOCK_WORDS {
            self.words = self.block(self.next_block);
            self.next_block += 1;
            self.n_used = 0;
        }
        let word = self.words[self.n_used];
        self.n_used += 1;
        word
    }

    /// A uniform number in [0, 1) with 24 random bits.
    pub fn uniform(&mut self) -> f32 {
        unit(self.next_u32())
    }

    /// Fills a slice as so many calls of [`uniform`](Self::uniform) would, several blocks at once.
    pub fn fill_uniform(&mut self, values: &mut [f32]) {
        let n_begun = (BLOCK_WORDS - self.n_used).min(values.len());
        let (begun, rest) = values.split_at_mut(n_begun);
        begun.iter_mut().for_each(|value| *value = self.uniform());
        let (whole, rest) = rest.split_at_mut(rest.len() / AT_ONCE * AT_ONCE);
        uniforms(whole, self.next_block, self.path, self.key);
        self.next_block += (whole.len() / BLOCK_WORDS) as u64;
        rest.iter_mut().for_each(|value| *value = self.uniform());
    }

    /// A uniform number in [0, 1) with 53 random bits.
    pub fn uniform_f64(&mut self) -> f64 {
        let high = u64::from(self.next_u32() >> 5);
        let low = u64::from(self.next_u32() >> 6);
        ((high << 26) | low) as f64 / 9_007_199_254_740_992.0
    }

    /// A standard normal number (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        // 1 - u is never zero, so its logarithm is finite.
        let radius = (-2.0 * (1.0 - self.uniform_f64()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform_f64()).cos()
    }

    /// Fills a slice with standard normal numbers in single precision, many at once; not those of
    /// [`normal`](Self::normal). None is farther from 0 than 5.8.
    pub fn fill_normal(&mut self, values: &mut [f32]) {
        for values in values.chunks_mut(AT_ONCE) {
            let mut drawn = [0.0; AT_ONCE];
            self.fill_uniform(&mut drawn);
            normals(&mut drawn);
            values.copy_from_slice(&drawn[..values.len()]);
        }
    }

    /// A uniform whole number below `n` (Lemire, "Fast random integer generation in an interval",
    /// 2019, which draws again where the product would favour some).
    pub fn below(&mut self, n: u32) -> u32 {
        let mut product = u64::from(self.next_u32()) * u64::from(n);
        if (product as u32) < n {
            let least = n.wrapping_neg() % n.max(1);
            while (product as u32) < least {
                product = u64::from(self.next_u32()) * u64::from(n);
            }
        }
        (product >> 32) as u32
    }

    /// Puts the items into a random order, each equally likely (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u32 + 1) as usize);
        }
    }

    /// The words of the given block of the stream.
    fn block(&self, index: u64) -> [u32; BLOCK_WORDS] {
        let counter = [index as u32, (index >> 32) as u32, self.path[0], self.path[1]];
        philox(counter, self.key)
    }
}

/// The 24 upper bits as a number in [0, 1).
#[inline(always)]
fn unit(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / 16_777_216.0)
}

simd! {
    /// The uniform numbers of whole blocks, in [`AT_ONCE`]s.
    fn uniforms(values: &mut [f32], first: u64, path: [u32; 2], key: [u32; 2]) {
        for (index, values) in values.chunks_exact_mut(AT_ONCE).enumerate() {
            let first = first + (index * LANES) as u64;
            // Word by word, so that a vector holds the same word of all blocks.
            let mut words = [[0; LANES]; BLOCK_WORDS];
            let [w0, w1, w2, w3] = &mut words;
            for (lane, (((w0, w1), w2), w3)) in w0.iter_mut().zip(w1).zip(w2).zip(w3).enumerate() {
                let block = first + lane as u64;
                let counter = [block as u32, (block >> 32) as u32, path[0], path[1]];
                [*w0, *w1, *w2, *w3] = philox(counter, key);
            }
            for (lane, values) in values.chunks_exact_mut(BLOCK_WORDS).enumerate() {
                for (value, words) in values.iter_mut().zip(&words) {
                    *value = unit(words[lane]);
                }
            }
        }
    }
}

simd! {
    /// Makes uniform numbers normal (Box and Muller 1958): each of the first half is a radius, each of the
    /// second an angle in turns, and a pair becomes the two coordinates.
    fn normals(values: &mut [f32; AT_ONCE]) {
        let (xs, ys) = values.split_at_mut(AT_ONCE / 2);
        for (x, y) in xs.iter_mut().zip(ys) {
            // 1 - u is never zero, so its logarithm is finite.
            let radius = (-2.0 * ln(1.0 - *x)).sqrt();
            let turned = 4.0 * *y;
            let quarter = turned.floor();
            let (sin, cos) = sin_cos((turned - quarter - 0.5) * std::f32::consts::FRAC_PI_2);
            let is_odd = quarter == 1.0 || quarter == 3.0;
            let (a, b) = if is_odd { (-sin, cos) } else { (cos, sin) };
            let sign = if quarter >= 2.0 { -radius } else { radius };
            (*x, *y) = (sign * a, sign * b);
        }
    }
}

/// Ten rounds of Philox4x32.
#[inline(always)]
fn philox(mut x: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let left = u64::from(x[0]) * 0xd251_1f53;
        let right = u64::from(x[2]) * 0xcd9e_8d57;
        x = [
            (right >> 32) as u32 ^ x[1] ^ key[0],
            right as u32,
            (left >> 32) as u32 ^ x[3] ^ key[1],
            left as u32,
        ];
        key = [key[0].wrapping_add(0x9e37_79b9), key[1].wrapping_add(0xbb67_ae85)];
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers_of_random123() {
        // From the `kat_vectors` of the paper's own library.
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(
            philox([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox(
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn many_uniforms_are_those_of_one_after_the_other() {
        for n_before in [0, 1, 3, 4] {
            for n in [0, 2, 63, 64, 65, 1000] {
                let [mut one, mut many] = [(); 2].map(|()| Stream::new(7, [1, u32::MAX]));
                // Past a block whose number needs more than 32 bits.
                for stream in [&mut one, &mut many] {
                    stream.next_block = u64::from(u32::MAX) - 5;
                }
                (0..n_before).for_each(|_| assert_eq!(one.next_u32(), many.next_u32()));
                let mut values = vec![0.0; n];
                many.fill_uniform(&mut values);
                assert!(values.iter().all(|value| *value == one.uniform()), "{n_before} {n}");
                assert_eq!(one.next_u32(), many.next_u32(), "{n_before} {n}");
            }
        }
    }

    #[test]
    fn a_shuffle_moves_every_item_everywhere() {
        let mut counts = [[0; 5]; 5];
        for seed in 0..10_000 {
            let mut items = [0, 1, 2, 3, 4];
            Stream::new(seed, [0, 0]).shuffle(&mut items);
            items.iter().enumerate().for_each(|(at, &item)| counts[at][item] += 1);
        }
        // 2,000 expected of each; five standard deviations are 200.
        assert!(counts.iter().flatten().all(|n| (1800..2200).contains(n)), "{counts:?}");
    }

    #[test]
    fn normals_have_the_moments_of_the_standard_normal() {
        let mut stream = Stream::new(1, [2, 3]);
        let values: Vec<f64> = (0..100_000).map(|_| stream.normal()).collect();
        let moment = |p: i32| values.iter().map(|v| v.powi(p)).sum::<f64>() / values.len() as f64;
        assert!(moment(1).abs() < 0.02 && (moment(2) - 1.0).abs() < 0.03);
        assert!(moment(3).abs() < 0.1 && (moment(4) - 3.0).abs() < 0.2);
    }

    #[test]
    fn many_normals_are_normal_and_what_their_uniforms_come_to() {
        let n = 100_000;
        let [mut uniforms, mut normals] = [(); 2].map(|()| vec![0.0; n]);
        Stream::new(5, [2, 3]).fill_uniform(&mut uniforms);
        Stream::new(5, [2, 3]).fill_normal(&mut normals);
        for (u, z) in uniforms.chunks_exact(AT_ONCE).zip(normals.chunks_exact(AT_ONCE)) {
            for i in 0..AT_ONCE / 2 {
                let radius = (-2.0 * (1.0 - f64::from(u[i])).ln()).sqrt();
                // The pairs lie an eighth of a turn before the angle.
                let angle = std::f64::consts::TAU * (f64::from(u[i + AT_ONCE / 2]) - 0.125);
                for (found, expected) in
                    [(z[i], radius * angle.cos()), (z[i + AT_ONCE / 2], radius * angle.sin())]
                {
                    assert!(
                        (f64::from(found) - expected).abs() < 2e-6,
                        "{found} is not {expected}"
                    );
                }
            }
        }
        let values: Vec<f64> = normals.iter().map(|v| f64::from(*v)).collect();
        let moment = |p: i32| values.iter().map(|v| v.powi(p)).sum::<f64>() / n as f64;
        assert!(moment(1).abs() < 0.02 && (moment(2) - 1.0).abs() < 0.03);
        assert!(moment(3).abs() < 0.1 && (moment(4) - 3.0).abs() < 0.2);
        let mut few = [0.0; 7];
        Stream::new(5, [2, 3]).fill_normal(&mut few);
        assert_eq!(few, normals[..7]);
    }

    #[test]
    fn streams_of_other_names_differ() {
        let first = |seed, path| Stream::new(seed, path).next_u32();
        let all = [first(1, [0, 0]), first(2, [0, 0]), first(1, [1, 0]), first(1, [0, 1])];
        assert!(all.iter().enumerate().all(|(i, a)| !all[..i].contains(a)), "{all:?}");
        assert_ne!(derive(1, 0), derive(0, 1));
    }
}
