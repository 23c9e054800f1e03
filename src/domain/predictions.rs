//! A fold's out-of-fold predictions, packed for storage: a header and little-endian arrays.
//!
//! Packed because a million rows of JSON would be twenty times as large and slow a claim's one
//! transaction down.

use trainyard_learn::model::{Predicted, Truth};

/// What a model said of rows that it had not seen.
#[derive(Clone, Debug, PartialEq)]
pub struct FoldPredictions {
    /// Which rows of the dataset, ascending.
    pub rows: Vec<u32>,
    /// What they really are.
    pub truth: Truth,
    /// What was said of them.
    pub predicted: Predicted,
}

/// What the values of each row are; the first number of the packed form.
const DECISIONS: u32 = 0;
const PROBABILITIES: u32 = 1;
const VALUES: u32 = 2;
const LABELS: u32 = 3;

impl FoldPredictions {
    /// The packed form: kind, rows, values a row; then the rows and the parts of the kind.
    pub fn pack(&self) -> Vec<u8> {
        let (kind, n_values) = match &self.predicted {
            Predicted::Decisions { n_values, .. } => (DECISIONS, *n_values),
            Predicted::Probabilities { n_classes, .. } => (PROBABILITIES, *n_classes),
            Predicted::Values { n_outputs, .. } => (VALUES, *n_outputs),
            Predicted::Labels { n_labels, .. } => (LABELS, *n_labels),
        };
        let n = self.rows.len();
        let mut bytes = Vec::with_capacity(12 + n * (12 + 12 * n_values));
        for number in [kind, n as u32, n_values as u32] {
            bytes.extend(number.to_le_bytes());
        }
        put(&mut bytes, &self.rows, u32::to_le_bytes);
        match &self.truth {
            Truth::Classes(target) => put(&mut bytes, target, u32::to_le_bytes),
            Truth::Values(target) => put(&mut bytes, target, f64::to_le_bytes),
        }
        match &self.predicted {
            Predicted::Decisions { prediction, decision, .. } => {
                put(&mut bytes, prediction, u32::to_le_bytes);
                put(&mut bytes, decision, f64::to_le_bytes);
            }
            Predicted::Probabilities { prediction, probabilities, .. } => {
                put(&mut bytes, prediction, u32::to_le_bytes);
                put(&mut bytes, probabilities, f32::to_le_bytes);
            }
            Predicted::Values { values, .. } | Predicted::Labels { probabilities: values, .. } => {
                put(&mut bytes, values, f32::to_le_bytes);
            }
        }
        bytes
    }

    /// Reads the packed form; `None` when it is not one.
    pub fn unpack(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let head = take(&mut rest, 3, u32::from_le_bytes)?;
        let (kind, n, n_values) = (head[0], head[1] as usize, head[2] as usize);
        let n_all = n.checked_mul(n_values)?;
        let rows = take(&mut rest, n, u32::from_le_bytes)?;
        let (truth, predicted) = if kind == VALUES || kind == LABELS {
            let truth = Truth::Values(take(&mut rest, n_all, f64::from_le_bytes)?);
            let values = take(&mut rest, n_all, f32::from_le_bytes)?;
            let predicted = if kind == VALUES {
                Predicted::Values { values, n_outputs: n_values }
            } else {
                Predicted::Labels { probabilities: values, n_labels: n_values }
            };
            (truth, predicted)
        } else {
            let truth = Truth::Classes(take(&mut rest, n, u32::from_le_bytes)?);
            let prediction = take(&mut rest, n, u32::from_le_bytes)?;
            let predicted = match kind {
                DECISIONS => {
                    let decision = take(&mut rest, n_all, f64::from_le_bytes)?;
                    Predicted::Decisions { prediction, decision, n_values }
                }
                PROBABILITIES => {
                    let probabilities = take(&mut rest, n_all, f32::from_le_bytes)?;
                    Predicted::Probabilities { prediction, probabilities, n_classes: n_values }
                }
                _ => return None,
            };
            (truth, predicted)
        };
        rest.is_empty().then_some(Self { rows, truth, predicted })
    }
}

fn put<T: Copy, const N: usize>(bytes: &mut Vec<u8>, values: &[T], encode: fn(T) -> [u8; N]) {
    bytes.extend(values.iter().flat_map(|value| encode(*value)));
}

/// Takes `n` values off the front.
fn take<T, const N: usize>(
    bytes: &mut &[u8],
    n: usize,
    decode: fn([u8; N]) -> T,
) -> Option<Vec<T>> {
    let (values, rest) = bytes.split_at_checked(n.checked_mul(N)?)?;
    *bytes = rest;
    Some(values.as_chunks::<N>().0.iter().map(|chunk| decode(*chunk)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples() -> [FoldPredictions; 4] {
        let (rows, prediction) = (vec![3, 7], vec![1, 2]);
        let truth = Truth::Classes(vec![0, 2]);
        let decision = vec![0.5, -1.0, 2.0, 1e-300, 0.0, -0.0];
        let probabilities = vec![0.5, 0.25, 0.25, 1e-30, 0.0, 1.0];
        [
            FoldPredictions {
                rows: rows.clone(),
                truth: truth.clone(),
                predicted: Predicted::Decisions {
                    prediction: prediction.clone(),
                    decision,
                    n_values: 3,
                },
            },
            FoldPredictions {
                rows: rows.clone(),
                truth,
                predicted: Predicted::Probabilities { prediction, probabilities, n_classes: 3 },
            },
            FoldPredictions {
                rows: rows.clone(),
                truth: Truth::Values(vec![0.0, 1.0]),
                predicted: Predicted::Labels { probabilities: vec![0.25, 0.75], n_labels: 1 },
            },
            FoldPredictions {
                rows,
                truth: Truth::Values(vec![0.1, 0.2, 0.3, 0.4]),
                predicted: Predicted::Values { values: vec![1.0, 2.0, 3.0, 4.0], n_outputs: 2 },
            },
        ]
    }

    #[test]
    fn what_is_packed_is_unpacked_and_nothing_else() {
        for predictions in examples() {
            let bytes = predictions.pack();
            assert_eq!(FoldPredictions::unpack(&bytes), Some(predictions));
            assert_eq!(FoldPredictions::unpack(&[&bytes, &[0_u8][..]].concat()), None);
            assert!((0..bytes.len()).all(|n| FoldPredictions::unpack(&bytes[..n]).is_none()));
        }
    }
}
