//! A fold's out-of-fold predictions, packed for storage: a header and four little-endian arrays.
//!
//! Packed because a million rows of JSON would be twenty times as large and slow a claim's one
//! transaction down.

/// What a model said of rows that it had not seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FoldPredictions {
    /// Which rows of the dataset, ascending.
    pub rows: Vec<u32>,
    /// The true class of each, as an index.
    pub target: Vec<u32>,
    /// The predicted class of each, as an index.
    pub prediction: Vec<u32>,
    /// The decision values of each, `n_values` a row: one for two classes, else one a class.
    pub decision: Vec<f64>,
}

impl FoldPredictions {
    /// Decision values a row.
    pub fn n_values(&self) -> usize {
        self.decision
            .len()
            .checked_div(self.rows.len())
            .unwrap_or(0)
    }

    /// The packed form.
    pub fn pack(&self) -> Vec<u8> {
        let n = self.rows.len();
        let mut bytes = Vec::with_capacity(8 + n * 12 + self.decision.len() * 8);
        bytes.extend((n as u32).to_le_bytes());
        bytes.extend((self.n_values() as u32).to_le_bytes());
        for part in [&self.rows, &self.target, &self.prediction] {
            part.iter()
                .for_each(|value| bytes.extend(value.to_le_bytes()));
        }
        self.decision
            .iter()
            .for_each(|value| bytes.extend(value.to_le_bytes()));
        bytes
    }

    /// Reads the packed form; `None` when it is not one.
    pub fn unpack(bytes: &[u8]) -> Option<Self> {
        let (header, rest) = bytes.split_at_checked(8)?;
        let (n, n_values) = header.split_at(4);
        let n = u32::from_le_bytes(n.try_into().ok()?) as usize;
        let n_values = u32::from_le_bytes(n_values.try_into().ok()?) as usize;
        let expected = n
            .checked_mul(12)?
            .checked_add(n.checked_mul(n_values)?.checked_mul(8)?)?;
        if rest.len() != expected {
            return None;
        }
        let (codes, decision) = rest.split_at(n * 12);
        let codes: Vec<u32> = codes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|bytes| u32::from_le_bytes(*bytes))
            .collect();
        Some(Self {
            rows: codes[..n].to_vec(),
            target: codes[n..2 * n].to_vec(),
            prediction: codes[2 * n..].to_vec(),
            decision: decision
                .as_chunks()
                .0
                .iter()
                .map(|bytes| f64::from_le_bytes(*bytes))
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked_and_nothing_else() {
        let predictions = FoldPredictions {
            rows: vec![3, 7],
            target: vec![0, 2],
            prediction: vec![1, 2],
            decision: vec![0.5, -1.0, 2.0, 1e-300, 0.0, -0.0],
        };
        let bytes = predictions.pack();
        assert_eq!(FoldPredictions::unpack(&bytes), Some(predictions));
        assert_eq!(FoldPredictions::unpack(&bytes[..bytes.len() - 1]), None);
        assert_eq!(FoldPredictions::unpack(&[]), None);
        assert_eq!(
            FoldPredictions::unpack(&FoldPredictions::default().pack()),
            Some(FoldPredictions::default())
        );
    }
}
