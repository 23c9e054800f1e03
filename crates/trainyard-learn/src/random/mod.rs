//! The random numbers of scikit-learn: numpy's legacy `RandomState`, bit for bit.
//!
//! scikit-learn draws everything random from `numpy.random.RandomState(seed)`, whose stream numpy
//! has frozen. The generator underneath is MT19937 (Matsumoto and Nishimura, "Mersenne Twister: a
//! 623-dimensionally equidistributed uniform pseudo-random number generator", 1998); the
//! distributions are the ones numpy calls legacy, on a platform whose `long` has 64 bits. Every
//! method here consumes exactly the words that its numpy namesake consumes, so calls can be
//! interleaved as a scikit-learn estimator interleaves them.
//!
//! It is deliberately not numpy's newer `Generator`, offers no entropy (a seed is always given) and
//! is of no use in cryptography.

pub mod stream;

use std::fmt;

/// Words in the state of the Mersenne Twister.
const STATE_WORDS: usize = 624;
/// Distance between the words that the recurrence combines.
const SHIFT_WORDS: usize = 397;

/// numpy's legacy `RandomState`, seeded as `RandomState(seed)` seeds it.
///
/// A clone continues with the same numbers as its original.
#[derive(Clone)]
pub struct RandomState {
    state: [u32; STATE_WORDS],
    /// Index of the next word of `state` to hand out; at the end of `state`, a new block is due.
    position: usize,
    /// The second value of the last pair of Gaussians, if nobody has taken it yet.
    spare_normal: Option<f64>,
}

impl RandomState {
    /// The generator that `numpy.random.RandomState(seed)` gives, for every `u32`.
    pub fn new(seed: u32) -> Self {
        let mut state = [0; STATE_WORDS];
        let mut word = seed;
        for (following, slot) in (1..).zip(state.iter_mut()) {
            *slot = word;
            word = (word ^ (word >> 30)).wrapping_mul(1_812_433_253).wrapping_add(following);
        }
        Self { state, position: STATE_WORDS, spare_normal: None }
    }

    /// The next 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.position == STATE_WORDS {
            self.refill();
        }
        let mut word = self.state[self.position];
        self.position += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    /// A uniform number in `[0, 1)` with 53 random bits, as `random_sample()`.
    pub fn random_sample(&mut self) -> f64 {
        let high = f64::from(self.next_u32() >> 5);
        let low = f64::from(self.next_u32() >> 6);
        (high * 67_108_864.0 + low) / 9_007_199_254_740_992.0
    }

    /// A uniform number in `[low, high)`, as `uniform(low, high)`.
    ///
    /// Rounding can make the result equal to `high`. The bounds are not checked: with `high < low`
    /// the result lies in `(high, low]`, and non-finite bounds give non-finite numbers.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.random_sample()
    }

    /// A draw from the standard normal distribution, as `standard_normal()`.
    ///
    /// This is Marsaglia's polar method. It makes two values at a time and keeps one for the next
    /// call.
    pub fn standard_normal(&mut self) -> f64 {
        if let Some(value) = self.spare_normal.take() {
            return value;
        }
        loop {
            let first = 2.0 * self.random_sample() - 1.0;
            let second = 2.0 * self.random_sample() - 1.0;
            let squared_radius = first * first + second * second;
            if squared_radius < 1.0 && squared_radius != 0.0 {
                let factor = (-2.0 * squared_radius.ln() / squared_radius).sqrt();
                self.spare_normal = Some(factor * first);
                return factor * second;
            }
        }
    }

    /// A uniform integer in `[low, high)`, as `randint(low, high)` with its default dtype.
    ///
    /// A range of one value consumes nothing. numpy refuses an empty range; here it gives `low` and
    /// consumes nothing, so the caller checks `low < high` where that matters.
    pub fn randint(&mut self, low: i64, high: i64) -> i64 {
        if high <= low {
            return low;
        }
        // The width of the range always fits in 64 unsigned bits, where the sum wraps as numpy's.
        let largest_offset = high.wrapping_sub(low).wrapping_sub(1).cast_unsigned();
        low.wrapping_add(self.interval(largest_offset).cast_signed())
    }

    /// A uniform integer in `[0, max]`, both ends included, by masking and rejection.
    ///
    /// It consumes nothing for `max == 0`, one word a try up to `u32::MAX` and two words a try
    /// above.
    pub fn interval(&mut self, max: u64) -> u64 {
        if max == 0 {
            return 0;
        }
        let mask = u64::MAX >> max.leading_zeros();
        loop {
            let word = if max <= u64::from(u32::MAX) {
                u64::from(self.next_u32())
            } else {
                let high = u64::from(self.next_u32());
                (high << 32) | u64::from(self.next_u32())
            };
            if word & mask <= max {
                return word & mask;
            }
        }
    }

    /// Reorders `items` in place, as `shuffle(items)`.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index_up_to(last));
        }
    }

    /// The integers `0..n` in random order, as `permutation(n)`.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        self.shuffle(&mut order);
        order
    }

    /// `size` independent draws from `0..n`, as `choice(n, size)`.
    ///
    /// The result is empty for `n == 0`, from which nothing can be drawn.
    pub fn choice(&mut self, n: usize, size: usize) -> Vec<usize> {
        match n.checked_sub(1) {
            Some(last) => (0..size).map(|_| self.index_up_to(last)).collect(),
            None => Vec::new(),
        }
    }

    /// `size` different draws from `0..n`, as `choice(n, size, replace=False)`.
    ///
    /// At most `n` of them: a larger `size`, which numpy refuses, gives all of `0..n`.
    pub fn choice_without_replacement(&mut self, n: usize, size: usize) -> Vec<usize> {
        let mut order = self.permutation(n);
        order.truncate(size);
        order
    }

    /// `size` independent draws from `0..n` where `i` has probability `p[i]`, as
    /// `choice(n, size, p=p)`.
    ///
    /// The probabilities should be non-negative, finite and not all zero. They are divided by their
    /// sum; numpy asks for a sum near 1 and then divides as well. Only the first `n` entries of `p`
    /// count, and values beyond the end of `p` are never drawn. The result is empty where there is
    /// nothing to draw from.
    pub fn choice_weighted(&mut self, n: usize, size: usize, p: &[f64]) -> Vec<usize> {
        let mut cumulative: Vec<f64> = p
            .iter()
            .take(n)
            .scan(0.0, |sum, &probability| {
                *sum += probability;
                Some(*sum)
            })
            .collect();
        let Some(&total) = cumulative.last() else {
            return Vec::new();
        };
        for value in &mut cumulative {
            *value /= total;
        }
        let last = cumulative.len() - 1;
        (0..size)
            .map(|_| {
                let sample = self.random_sample();
                // The last entry is 1 and a sample is below 1; `min` only guards unusable weights.
                cumulative.partition_point(|&value| value <= sample).min(last)
            })
            .collect()
    }

    fn index_up_to(&mut self, last: usize) -> usize {
        // `last` is an index and the draw is at most `last`, so neither conversion loses anything.
        self.interval(last as u64) as usize
    }

    fn refill(&mut self) {
        for i in 0..STATE_WORDS {
            let upper = self.state[i] & 0x8000_0000;
            let lower = self.state[(i + 1) % STATE_WORDS] & 0x7fff_ffff;
            let joined = upper | lower;
            let twist = if joined & 1 == 0 { 0 } else { 0x9908_b0df };
            self.state[i] = self.state[(i + SHIFT_WORDS) % STATE_WORDS] ^ (joined >> 1) ^ twist;
        }
        self.position = 0;
    }
}

impl fmt::Debug for RandomState {
    /// Says where the generator stands; the 624 words of state would drown everything around them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RandomState")
            .field("position", &self.position)
            .field("spare_normal", &self.spare_normal)
            .finish_non_exhaustive()
    }
}
