//! Who listens to a training, and keeps its state.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::Epoch;
use super::descent::State;

/// Hears how a training goes, may end it, and may keep its state to go on from later. A function that
/// hears of epochs is one.
pub trait Observer {
    /// After every epoch; breaking ends the training.
    fn epoch(&mut self, epoch: Epoch) -> ControlFlow<()>;

    /// Asked once, at the start: the state that an earlier training of the same rows by the same spec
    /// has given to [`checkpoint`](Self::checkpoint). What is none of this training is passed over:
    /// it begins at its beginning, and says so to [`began_anew`](Self::began_anew).
    fn resume(&mut self) -> Option<Vec<u8>> {
        None
    }

    /// What [`resume`](Self::resume) has given is no state of this training, and so nothing that was done
    /// before is part of it.
    fn began_anew(&mut self) {}

    /// Asked after every epoch that does not end the training by itself, before it may be ended:
    /// whether to be given the state.
    fn wants_checkpoint(&mut self) -> bool {
        false
    }

    /// The state after an epoch; a training that goes on from it ends with the same bits as this one.
    fn checkpoint(&mut self, _after: Epoch, _state: Vec<u8>) {}
}

impl<F: FnMut(Epoch) -> ControlFlow<()>> Observer for F {
    fn epoch(&mut self, epoch: Epoch) -> ControlFlow<()> {
        self(epoch)
    }
}

/// The first of the bytes: their layout's version. It changes with any type that is part of them.
const VERSION: u32 = 2;

/// A training between two epochs.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Saved {
    /// The weight vectors that are done, one after the other.
    pub(super) coef: Vec<f64>,
    pub(super) intercept: Vec<f64>,
    pub(super) n_iter: usize,
    /// The one that comes next.
    pub(super) descent: State,
}

impl Saved {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        // It fails on maps of unknown length and the like, of which there are none; nothing is no state.
        postcard::to_stdvec(&(VERSION, self)).unwrap_or_default()
    }

    /// The state, where it is one of a training with so many weight vectors, rows and features.
    pub(super) fn from_bytes(
        bytes: &[u8],
        (n_problems, n_rows, n_features): (usize, usize, usize),
    ) -> Option<Self> {
        let (version, rest): (u32, _) = postcard::take_from_bytes(bytes).ok()?;
        if version != VERSION {
            return None;
        }
        let saved: Self = postcard::from_bytes(rest).ok()?;
        let n_done = saved.intercept.len();
        let fits = n_done < n_problems
            && saved.coef.len() == n_done * n_features
            && saved.descent.fits(n_rows, n_features);
        fits.then_some(saved)
    }
}
