//! What every epoch of a fit was like: losses, scores, learning rate, and per layer the norms that
//! tell whether gradients vanish or explode.

use serde::{Deserialize, Serialize};

/// A table of one row an epoch; cheap enough to be kept for every fit.
///
/// Of very long fits every second epoch, every fourth and so on is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    names: Vec<String>,
    epochs: Vec<u32>,
    /// Epochs × names; NaN where there is no value.
    values: Vec<f64>,
    stride: u32,
}

/// At most so many epochs are kept.
const MAX_POINTS: usize = 4096;

/// The first bytes of a packed history: its layout's version.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Head {
    names: Vec<String>,
    n_points: usize,
}

impl History {
    /// An empty history of these series.
    pub fn new(names: Vec<String>) -> Self {
        Self { names, stride: 1, ..Self::default() }
    }

    /// The series' names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The epochs, from 1, that are kept.
    pub fn epochs(&self) -> &[u32] {
        &self.epochs
    }

    /// The values of an epoch, in the order of the names; NaN where there is none.
    pub fn row(&self, index: usize) -> &[f64] {
        &self.values[index * self.names.len()..(index + 1) * self.names.len()]
    }

    /// A series' values by epoch, or `None` if there is no such series.
    pub fn series(&self, name: &str) -> Option<Vec<f64>> {
        let column = self.names.iter().position(|known| known == name)?;
        Some((0..self.epochs.len()).map(|index| self.row(index)[column]).collect())
    }

    /// Adds an epoch after the others, with a value for each name. The latest is always there; of the
    /// others, those on the stride.
    pub fn push(&mut self, epoch: u32, row: &[f64]) {
        let width = self.names.len();
        if self.epochs.last().is_some_and(|last| !last.is_multiple_of(self.stride)) {
            self.epochs.pop();
            self.values.truncate(self.epochs.len() * width);
        }
        self.epochs.push(epoch);
        self.values.extend_from_slice(row);
        if self.epochs.len() > MAX_POINTS {
            self.stride *= 2;
            let n = self.epochs.len();
            let kept: Vec<usize> = (0..n)
                .filter(|i| i + 1 == n || self.epochs[*i].is_multiple_of(self.stride))
                .collect();
            self.values = kept.iter().flat_map(|i| self.row(*i).to_vec()).collect();
            self.epochs = kept.iter().map(|i| self.epochs[*i]).collect();
        }
    }

    /// Whether each epoch has all of its values.
    pub(super) fn is_whole(&self) -> bool {
        self.stride >= 1 && self.values.len() == self.epochs.len() * self.names.len()
    }

    /// As bytes: version, length of a JSON head, the head, epochs, values; all little-endian.
    pub fn pack(&self) -> Vec<u8> {
        self.pack_thinned(usize::MAX)
    }

    /// The same with at most so many values, or those of two epochs: of every second epoch, every
    /// fourth and so on, and of the latest.
    pub fn pack_thinned(&self, most_values: usize) -> Vec<u8> {
        let n = self.epochs.len();
        let most = (most_values / self.names.len().max(1)).max(2);
        let mut stride = self.stride.max(1);
        let mut kept: Vec<usize> = (0..n).collect();
        while kept.len() > most {
            stride = stride.saturating_mul(2);
            kept.retain(|i| i + 1 == n || self.epochs[*i].is_multiple_of(stride));
        }
        let head = Head { names: self.names.clone(), n_points: kept.len() };
        let head = serde_json::to_vec(&head).unwrap_or_default();
        let row_bytes = 4 + 8 * self.names.len();
        let mut bytes = Vec::with_capacity(8 + head.len() + row_bytes * kept.len());
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend((head.len() as u32).to_le_bytes());
        bytes.extend(head);
        bytes.extend(kept.iter().flat_map(|i| self.epochs[*i].to_le_bytes()));
        for value in kept.iter().flat_map(|i| self.row(*i)) {
            bytes.extend(value.to_le_bytes());
        }
        bytes
    }

    /// From bytes, or `None` where they are no history that this version can read.
    pub fn unpack(bytes: &[u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        if u32::from_le_bytes(*version) != VERSION {
            return None;
        }
        let (head, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let Head { names, n_points } = serde_json::from_slice(head).ok()?;
        let (epochs, values) = rest.split_at_checked(n_points.checked_mul(4)?)?;
        let epochs = epochs.as_chunks().0.iter().map(|e| u32::from_le_bytes(*e)).collect();
        let values: Vec<f64> =
            values.as_chunks().0.iter().map(|v| f64::from_le_bytes(*v)).collect();
        let fits = values.len() == n_points.checked_mul(names.len())?;
        fits.then_some(Self { names, epochs, values, stride: 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(n_epochs: u32) -> History {
        let mut history = History::new(vec!["train_loss".into(), "val_loss".into()]);
        (1..=n_epochs).for_each(|epoch| history.push(epoch, &[f64::from(epoch), f64::NAN]));
        history
    }

    #[test]
    fn a_packed_history_reads_back() {
        let history = of(3);
        let read = History::unpack(&history.pack()).unwrap();
        assert_eq!(read.series("train_loss"), Some(vec![1.0, 2.0, 3.0]));
        assert!(read.series("val_loss").unwrap().iter().all(|value| value.is_nan()));
        assert_eq!(read.series("absent"), None);
        let bytes = history.pack();
        assert!((0..bytes.len()).all(|n| History::unpack(&bytes[..n]).is_none()));
    }

    #[test]
    fn a_thinned_history_ends_in_the_last_epoch_too() {
        for (n_epochs, epochs) in [(3, vec![1, 2, 3]), (5, vec![2, 4, 5]), (9, vec![4, 8, 9])] {
            let read = History::unpack(&of(n_epochs).pack_thinned(2 * 4)).unwrap();
            assert_eq!(read.epochs(), epochs);
            let losses: Vec<f64> = epochs.iter().map(|epoch| f64::from(*epoch)).collect();
            assert_eq!(read.series("train_loss"), Some(losses));
        }
        let long = History::unpack(&of(100_001).pack_thinned(0)).unwrap();
        assert_eq!(long.epochs(), [65_536, 100_001]);
    }

    #[test]
    fn the_epoch_that_a_history_is_thinned_at_is_not_lost() {
        for n_epochs in [4096, 4097, 4098, 8193, 8194, 16_385] {
            let history = of(n_epochs);
            assert_eq!(history.epochs().last(), Some(&n_epochs));
            assert!(history.epochs().len() <= MAX_POINTS);
        }
    }

    #[test]
    fn a_long_history_is_thinned_and_ends_in_the_last_epoch() {
        let history = of(100_001);
        assert!(history.epochs().len() <= MAX_POINTS);
        assert!(history.epochs().len() >= MAX_POINTS / 2);
        assert_eq!(history.epochs().last(), Some(&100_001));
        let spaced = history.epochs()[..history.epochs().len() - 1].windows(2);
        assert!(spaced.clone().all(|pair| pair[1] - pair[0] == 32));
        for (index, epoch) in history.epochs().iter().enumerate() {
            assert_eq!(history.row(index)[0], f64::from(*epoch));
        }
    }
}
