//! Texts as counts of their n-grams, which a hash assigns to features: scikit-learn's
//! `HashingVectorizer`, and with `idf` or `sublinear_tf` its `TfidfTransformer` after it.

mod tokens;

use serde::{Deserialize, Serialize};

use super::hash::bucket;
use super::slots::Slots;
use crate::optim::fields::{fields, unlimited};
use crate::problem::Problem;
use crate::table::Values;
use tokens::tokens;

fields! {
    /// How texts become features.
    pub struct TextSpec {
        /// The features of each column.
        pub n_features: u32 = 256 [minimum = 1, maximum = 65536],
        /// The least and the most words or characters of an n-gram.
        pub ngram_range: [u32; 2] = [1, 1] [minimum = 1, maximum = 20]
            schema(min_items = 2, max_items = 2),
        /// What an n-gram is made of.
        pub analyzer: Analyzer = (Analyzer::Word),
        /// Whether case makes no difference.
        pub lowercase: bool = true,
        /// What is brought to 1 in every row that has an n-gram.
        pub norm: Norm = (Norm::L2),
        /// Whether an n-gram counts the less the more training rows have it: times
        /// ln((1 + rows) / (1 + rows that have it)) + 1.
        pub idf: bool = true,
        /// Whether a count c becomes 1 + ln c.
        pub sublinear_tf: bool = false,
        /// Whether the hash also chooses a sign, so that n-grams that share a feature cancel out
        /// on average; `null` is yes, unless `sublinear_tf`, which needs counts.
        pub alternate_sign: Option<bool> = None,
    }
}

/// What an n-gram is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Analyzer {
    /// Words of two and more characters.
    Word,
    /// Characters, spaces as well.
    Char,
    /// Characters of one word, with a space before and after it.
    CharWb,
}

/// What is brought to 1 in every row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// The sum of the absolute values.
    L1,
    /// The root of the sum of the squares.
    L2,
    /// Nothing.
    None,
}

unlimited!(Analyzer, Norm);

impl TextSpec {
    /// Every analyzer and norm, with and without what is found in training rows.
    pub fn examples() -> Vec<Self> {
        let of = |analyzer, ngram_range, norm, idf| Self {
            n_features: 32,
            ngram_range,
            analyzer,
            norm,
            idf,
            ..Self::default()
        };
        vec![
            of(Analyzer::Word, [1, 2], Norm::L2, true),
            of(Analyzer::Char, [2, 3], Norm::L1, true),
            of(Analyzer::CharWb, [2, 4], Norm::None, true),
            of(Analyzer::Word, [1, 1], Norm::None, false),
            Self { sublinear_tf: true, ..of(Analyzer::Word, [1, 1], Norm::L2, true) },
        ]
    }

    pub(super) fn check_all(&self) -> Vec<Problem> {
        let mut problems = self.check();
        let [least, most] = self.ngram_range;
        if least > most {
            let detail = format!("the range begins with {least} and ends with {most}");
            let way_out = "put the smaller number first";
            problems.push(Problem::new("/ngram_range", detail).suggest(way_out));
        }
        if self.sublinear_tf && self.alternate_sign == Some(true) {
            let detail = "counts with alternating signs have no logarithm";
            let way_out = "set alternate_sign to false, or leave it out";
            problems.push(Problem::new("/alternate_sign", detail).suggest(way_out));
        }
        problems
    }
}

/// What was found in the training rows of a column of texts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Texts {
    spec: TextSpec,
    /// What each feature is multiplied by.
    weights: Option<Vec<f64>>,
}

impl Texts {
    pub(super) fn fit(spec: &TextSpec, values: &Values, rows: &[u32]) -> Self {
        let n_features = spec.n_features as usize;
        let weights = spec.idf.then(|| {
            let mut n_rows_with = vec![0_usize; n_features];
            let mut seen_in = vec![0_usize; n_features];
            for (number, &row) in (1..).zip(rows) {
                let Some(text) = text_of(values, row as usize) else { continue };
                tokens(text, spec, |token| {
                    let (feature, _) = bucket(token.as_bytes(), n_features);
                    if std::mem::replace(&mut seen_in[feature], number) != number {
                        n_rows_with[feature] += 1;
                    }
                });
            }
            let n = rows.len() as f64;
            n_rows_with.iter().map(|with| ((1.0 + n) / (1.0 + *with as f64)).ln() + 1.0).collect()
        });
        Self { spec: spec.clone(), weights }
    }

    pub(super) fn n_features(&self) -> usize {
        self.spec.n_features as usize
    }

    pub(super) fn feature_names(&self, column: &str) -> Vec<String> {
        (0..self.spec.n_features).map(|i| format!("{column}_hash{i}")).collect()
    }

    /// A missing text has no n-gram: its row is zeros.
    pub(super) fn write(&self, values: &Values, rows: &[u32], out: &mut Slots<'_>) {
        let n_features = self.n_features();
        let is_signed = self.spec.alternate_sign.unwrap_or(!self.spec.sublinear_tf);
        for (out, &row) in out.rows().zip(rows) {
            let out = &mut out[..n_features];
            out.fill(0.0);
            let Some(text) = text_of(values, row as usize) else { continue };
            tokens(text, &self.spec, |token| {
                let (feature, sign) = bucket(token.as_bytes(), n_features);
                out[feature] += if is_signed { sign } else { 1.0 };
            });
            if self.spec.sublinear_tf {
                let counts = out.iter_mut().filter(|count| **count > 0.0);
                counts.for_each(|count| *count = count.ln() + 1.0);
            }
            if let Some(weights) = &self.weights {
                out.iter_mut().zip(weights).for_each(|(value, weight)| *value *= weight);
            }
            let norm = match self.spec.norm {
                Norm::L1 => out.iter().map(|value| value.abs()).sum(),
                Norm::L2 => out.iter().map(|value| value * value).sum::<f64>().sqrt(),
                Norm::None => 1.0,
            };
            if norm > 0.0 {
                out.iter_mut().for_each(|value| *value /= norm);
            }
        }
    }
}

fn text_of(values: &Values, row: usize) -> Option<&str> {
    match values {
        Values::Text(texts) => texts[row].as_deref(),
        Values::Categorical { codes, categories } => {
            categories.get(codes[row] as usize).map(String::as_str)
        }
        Values::Numeric(_) | Values::Boolean(_) | Values::Datetime(_) | Values::Tensor { .. } => {
            None
        }
    }
}
