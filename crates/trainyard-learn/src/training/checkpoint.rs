//! A fit's state between two steps as bytes, from which it goes on as if nothing had happened.
//!
//! A state is nearly as large as its fit, so it goes to a writer and comes from a reader piece by piece, and
//! is in memory only once.

use std::fmt;
use std::io::{self, BufReader, BufWriter, Read, Write};

use postcard::de_flavors::Flavor;
use postcard::{Deserializer, Error};
use serde::{Deserialize, Serialize};

use super::batches::Batches;
use super::learner::Learner;
use super::record::Record;
use super::state::Memory;
use super::stopping::{self, Stopping};
use super::{Examples, Fit, History};
use crate::schedule::Progress;

/// The first of the bytes: their layout's version. It changes with any type that is part of them.
const VERSION: u32 = 3;

/// The step that comes next.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Place {
    /// From 1.
    pub(super) epoch: u32,
    /// Of the epoch, from 0.
    pub(super) step: usize,
}

/// The state of a fit between two steps, to be written down.
#[derive(Debug)]
pub struct FitState<'a> {
    place: Place,
    memory: &'a Memory,
    schedule: &'a Progress,
    judged: &'a stopping::Memory,
    history: &'a History,
}

impl<'a> FitState<'a> {
    pub(super) fn new(
        place: Place,
        learner: &'a Learner<'_>,
        stopping: &'a Stopping<'_>,
        history: &'a History,
    ) -> Self {
        let (memory, schedule) = learner.memory();
        Self { place, memory, schedule, judged: stopping.memory(), history }
    }

    /// Writes what [`Observer::resume`](super::Observer::resume) may give later.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn write_to(&self, to: &mut dyn Write) -> io::Result<()> {
        let Self { place, memory, schedule, judged, history } = self;
        // It has texts, which are not read piece by piece.
        let history = postcard::to_stdvec(history).map_err(io::Error::other)?;
        let mut to = BufWriter::new(Noting { to, error: None });
        let state = (VERSION, place, memory, schedule, judged, history);
        let written = postcard::to_io(&state, &mut to).map_err(io::Error::other).map(drop);
        // Why the writer failed is not what postcard says.
        let flushed = to.flush();
        match to.get_mut().error.take() {
            Some(error) => Err(error),
            None => written.and(flushed),
        }
    }
}

/// Keeps the error of a writer from whoever would replace it.
struct Noting<'a> {
    to: &'a mut dyn Write,
    error: Option<io::Error>,
}

impl Write for Noting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(bytes).map_err(|error| {
            let kind = error.kind();
            // One who is only interrupted is asked again.
            if kind != io::ErrorKind::Interrupted {
                self.error.get_or_insert(error);
            }
            kind.into()
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// What a [`FitState`] has written: where it is read from, and how many bytes there are.
pub struct SavedFit {
    /// From their first on.
    pub bytes: Box<dyn Read>,
    /// As many as will be read; a part of a state that claims to be larger is none.
    pub n_bytes: u64,
}

impl fmt::Debug for SavedFit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SavedFit").field("n_bytes", &self.n_bytes).finish_non_exhaustive()
    }
}

/// What a fit was when it was saved.
#[derive(Debug)]
pub(super) struct Saved {
    pub(super) place: Place,
    pub(super) memory: Memory,
    pub(super) schedule: Progress,
    pub(super) judged: stopping::Memory,
    pub(super) history: History,
}

impl Saved {
    /// From what was written, or nothing where that is of another version, or no state.
    pub(super) fn read(from: SavedFit) -> Option<Self> {
        let pieces =
            Pieces { from: BufReader::new(from.bytes), n_left: from.n_bytes, piece: [0; 16] };
        let mut pieces = Deserializer::from_flavor(pieces);
        if u32::deserialize(&mut pieces).ok()? != VERSION {
            return None;
        }
        let (place, memory, schedule, judged, history): (_, _, _, _, Vec<u8>) =
            Deserialize::deserialize(&mut pieces).ok()?;
        let history = postcard::from_bytes(&history).ok()?;
        Some(Self { place, memory, schedule, judged, history })
    }

    /// Whether it is of this fit.
    pub(super) fn is_of(
        &self,
        (fit, examples): (&Fit<'_>, &Examples<'_>),
        batches: &Batches,
        record: &Record,
    ) -> bool {
        let Self { place, memory, judged, history, .. } = self;
        place.epoch >= 1
            && place.step < batches.n_steps()
            && history.names() == record.history.names()
            && history.is_whole()
            && memory.is_of(fit, examples)
            && memory.has_kept(judged.kept())
            && batches.n_before(place.step).is_none_or(|n_seen| memory.has_seen(n_seen))
    }
}

/// Reads piece by piece. Nothing is borrowed from it, so a state has no texts.
struct Pieces<R> {
    from: R,
    n_left: u64,
    piece: [u8; 16],
}

impl<'de, R: Read + 'de> Flavor<'de> for Pieces<R> {
    type Remainder = ();
    type Source = ();

    fn pop(&mut self) -> Result<u8, Error> {
        Ok(self.try_take_n_temp(1)?[0])
    }

    fn size_hint(&self) -> Option<usize> {
        usize::try_from(self.n_left).ok()
    }

    fn try_take_n(&mut self, _: usize) -> Result<&'de [u8], Error> {
        Err(Error::WontImplement)
    }

    fn try_take_n_temp<'a>(&'a mut self, n: usize) -> Result<&'a [u8], Error>
    where
        'de: 'a,
    {
        let piece = self.piece.get_mut(..n).ok_or(Error::WontImplement)?;
        self.n_left = self.n_left.checked_sub(n as u64).ok_or(Error::DeserializeUnexpectedEnd)?;
        self.from.read_exact(piece).map_err(|_| Error::DeserializeUnexpectedEnd)?;
        Ok(piece)
    }

    fn finalize(self) -> Result<(), Error> {
        Ok(())
    }
}
