//! Products of features, in the order of scikit-learn's `PolynomialFeatures`.

use serde::{Deserialize, Serialize};

use crate::optim::fields::fields;

fields! {
    /// Products of features up to a degree: first those of one feature, then those of two, and so
    /// on, each degree in the order of the features.
    pub struct PolynomialSpec {
        /// The most factors of a product.
        pub degree: u32 = 2 [minimum = 1, maximum = 10],
        /// Whether no feature is a factor more than once.
        pub interaction_only: bool = false,
        /// Whether the product of nothing, 1, is the first feature.
        pub include_bias: bool = true,
    }
}

impl PolynomialSpec {
    /// How many products there are of so many features; the largest number if more than that.
    pub(super) fn n_products(&self, n_inputs: usize) -> usize {
        let mut total = usize::from(self.include_bias);
        let mut of_degree = 1_usize;
        for k in 1..=self.degree as usize {
            // One more factor: n choose k, or n + k − 1 choose k with repetition.
            let choices = if self.interaction_only {
                (n_inputs + 1).saturating_sub(k)
            } else {
                n_inputs.saturating_add(k - 1)
            };
            let Some(product) = of_degree.checked_mul(choices) else { return usize::MAX };
            of_degree = product / k;
            total = total.saturating_add(of_degree);
        }
        total
    }

    /// Every product as an earlier one times one more input.
    pub(super) fn products(&self, n_inputs: usize) -> Products {
        let mut terms: Vec<(u32, u32)> = Vec::new();
        // The products of one degree less, and the last factor of each.
        let mut shorter = 0..0;
        for degree in 1..=self.degree {
            let start = terms.len();
            if degree == 1 {
                terms.extend((0..n_inputs as u32).map(|input| (NONE, input)));
            }
            for parent in shorter {
                let last = terms[parent].1 + u32::from(self.interaction_only);
                terms.extend((last..n_inputs as u32).map(|input| (parent as u32, input)));
            }
            shorter = start..terms.len();
        }
        Products { include_bias: self.include_bias, terms }
    }
}

const NONE: u32 = u32::MAX;

/// Products of the first numbers of a row.
#[derive(Debug)]
pub(super) struct Products {
    include_bias: bool,
    /// The product that is multiplied, and the input that it is multiplied by.
    terms: Vec<(u32, u32)>,
}

impl Products {
    /// Writes the products of `inputs`.
    pub(super) fn write(&self, inputs: &[f64], out: &mut [f64]) {
        let out = if self.include_bias {
            out[0] = 1.0;
            &mut out[1..]
        } else {
            out
        };
        for (i, &(parent, input)) in self.terms.iter().enumerate() {
            let before = if parent == NONE { 1.0 } else { out[parent as usize] };
            out[i] = before * inputs[input as usize];
        }
    }

    /// The names of the products: `1`, `a`, `a^2`, `a b`.
    pub(super) fn names(&self, inputs: &[String]) -> Vec<String> {
        let bias = self.include_bias.then(|| "1".to_owned());
        bias.into_iter().chain((0..self.terms.len()).map(|term| self.name(term, inputs))).collect()
    }

    fn name(&self, term: usize, inputs: &[String]) -> String {
        let mut factors = Vec::new();
        let mut at = term as u32;
        while at != NONE {
            let (parent, input) = self.terms[at as usize];
            factors.push(input);
            at = parent;
        }
        factors.reverse();
        let power = |run: &[u32]| match run.len() {
            1 => inputs[run[0] as usize].clone(),
            n => format!("{}^{n}", inputs[run[0] as usize]),
        };
        let powers: Vec<String> = factors.chunk_by(|a, b| a == b).map(power).collect();
        powers.join(" ")
    }
}

/// The products of the numeric features of a preparation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Polynomial {
    pub(super) spec: PolynomialSpec,
    /// The features that are multiplied, by their places before.
    pub(super) inputs: Vec<u32>,
}
