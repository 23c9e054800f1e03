//! A fit's state between two steps as bytes, from which it goes on as if nothing had happened.

use serde::{Deserialize, Serialize};

use super::History;
use super::batches::Batches;
use super::learner::{self, Learner};
use super::record::Record;
use super::stopping::{self, Stopping};
use crate::schedule::Progress;

/// The first of the bytes: their layout's version. It changes with any type that is part of them.
const VERSION: u32 = 1;

/// The step that comes next.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Place {
    /// From 1.
    pub(super) epoch: u32,
    /// Of the epoch, from 0.
    pub(super) step: usize,
}

pub(super) fn save(
    place: Place,
    learner: &Learner<'_>,
    stopping: &Stopping<'_>,
    history: &History,
) -> Vec<u8> {
    let (memory, schedule) = learner.memory();
    let state = (VERSION, place, memory, schedule, stopping.memory(), history);
    // It fails on maps of unknown length and the like, of which there are none; nothing is no state.
    postcard::to_stdvec(&state).unwrap_or_default()
}

/// Puts everybody where they were; says where that is, or changes nothing where the bytes are no state
/// of this fit.
pub(super) fn resume(
    bytes: &[u8],
    batches: &Batches,
    learner: &mut Learner<'_>,
    stopping: &mut Stopping<'_>,
    record: &mut Record,
) -> Option<Place> {
    let (version, rest): (u32, _) = postcard::take_from_bytes(bytes).ok()?;
    if version != VERSION {
        return None;
    }
    let state: (Place, learner::Memory, Progress, stopping::Memory, History) =
        postcard::from_bytes(rest).ok()?;
    let (place, memory, schedule, judged, history) = state;
    let fits = place.epoch >= 1
        && place.step < batches.n_steps()
        && history.names() == record.history.names()
        && history.is_whole()
        && learner.is_like(judged.kept())
        && learner.resume(memory, schedule, batches.n_before(place.step));
    if !fits {
        return None;
    }
    stopping.resume(judged);
    record.history = history;
    Some(place)
}
