//! A fit's state between two steps as bytes, from which it goes on as if nothing had happened.

use postcard::ser_flavors::Size;
use serde::{Deserialize, Serialize};

use super::History;
use super::batches::Batches;
use super::learner::{self, Learner};
use super::record::Record;
use super::stopping::{self, Stopping};
use crate::schedule::Progress;

/// The first of the bytes: their layout's version. It changes with any type that is part of them.
const VERSION: u32 = 2;

/// Bytes for which there is room behind a state.
const ROOM: usize = 64;

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
    let n_bytes = postcard::serialize_with_flavor(&state, Size::default()).unwrap_or_default();
    let bytes = Vec::with_capacity(n_bytes + ROOM);
    postcard::to_io(&state, bytes).unwrap_or_default()
}

/// What a fit was when it was saved.
pub(super) type Saved = (Place, learner::Memory, Progress, stopping::Memory, History);

/// From bytes, or nothing where they are of another version.
pub(super) fn read(bytes: &[u8]) -> Option<Saved> {
    let (version, rest): (u32, _) = postcard::take_from_bytes(bytes).ok()?;
    if version != VERSION {
        return None;
    }
    postcard::from_bytes(rest).ok()
}

/// Puts everybody where they were; says where that is, or changes nothing where it was another fit.
pub(super) fn resume(
    (place, memory, schedule, judged, history): Saved,
    batches: &Batches,
    learner: &mut Learner<'_>,
    stopping: &mut Stopping<'_>,
    record: &mut Record,
) -> Option<Place> {
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
