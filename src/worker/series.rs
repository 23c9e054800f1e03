//! How far a search's task is, which trains one model after the other: what the fits that have ended
//! gave, and from where the one that runs goes on. A task of one fit has none of this.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use super::checkpoint::State;
use super::observe::{Context, Pace};

/// The first of what is told behind a fit's state: its layout's version. It changes with any type that is
/// part of it, and with the order of the fits.
const VERSION: u32 = 1;

/// The fits of a search's task: the inner ones, in an order that never changes, and then the last.
#[derive(Debug)]
pub(super) struct Series {
    n_inner: usize,
    /// What the inner fits that have ended gave.
    scores: Vec<Option<f64>>,
    /// How long earlier attempts of the task had taken.
    spent: Cell<Duration>,
    /// The state of the fit that comes next and how long it had taken, until that goes on from it.
    next: RefCell<Option<(State, Duration)>>,
    /// When the task began or was last saved.
    saved: Cell<Instant>,
    /// When the task reports.
    pace: Pace,
}

impl Series {
    /// Where an earlier attempt of the task has left it, or its beginning.
    pub(super) fn resume(context: Context<'_>, n_inner: usize) -> Self {
        let loaded = context.checkpoints.load(context.task);
        let found = loaded.and_then(|(state, spent)| Some((unpack(state, n_inner)?, spent)));
        let ((scores, next), spent) = found.unwrap_or_default();
        let (spent, next, saved) = (Cell::new(spent), RefCell::new(next), Cell::new(context.begun));
        Self { n_inner, scores, spent, next, saved, pace: Pace::default() }
    }

    /// What the inner fits that have ended gave.
    pub(super) fn scores(&self) -> &[Option<f64>] {
        &self.scores
    }

    /// An inner fit has ended; that is reported, and the task is saved, where that is due.
    pub(super) fn add(&mut self, score: Option<f64>, context: Context<'_>) {
        self.scores.push(score);
        if self.pace.is_due(context.begun.elapsed()) {
            context.report(self.span().0, None);
        }
        if context.is_saving_due(self.saved.get().elapsed()) {
            let told = self.told(Duration::ZERO);
            let spent = self.spent.get() + context.begun.elapsed();
            let Context { task, signal, checkpoints, .. } = context;
            checkpoints.save((task, signal), |to| to.write_all(&told), (spent, None));
            self.saved.set(Instant::now());
        }
    }

    /// Whether the last fit is the one that runs.
    pub(super) fn is_at_its_last(&self) -> bool {
        self.scores.len() == self.n_inner
    }

    /// The share of the task that is done before the fit that comes next, and the share that it is.
    pub(super) fn span(&self) -> (f64, f64) {
        let n_fits = (self.n_inner + 1) as f64;
        (self.scores.len() as f64 / n_fits, 1.0 / n_fits)
    }

    /// When the task reports.
    pub(super) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// How long earlier attempts of the task had taken.
    pub(super) fn spent(&self) -> Duration {
        self.spent.get()
    }

    /// The fit that comes next had taken so long for nothing.
    pub(super) fn forget(&self, taken: Duration) {
        self.spent.set(self.spent.get().saturating_sub(taken));
    }

    /// From where the fit that begins goes on, and how long it had taken.
    pub(super) fn take(&self) -> Option<(State, Duration)> {
        self.next.take()
    }

    /// When the task began or was last saved.
    pub(super) fn saved(&self) -> Instant {
        self.saved.get()
    }

    /// The task is saved now.
    pub(super) fn set_saved(&self, now: Instant) {
        self.saved.set(now);
    }

    /// What is told behind the state of the fit that runs, which has taken so long; between two there is none.
    pub(super) fn told(&self, taken: Duration) -> Vec<u8> {
        // It fails on maps of unknown length and the like, of which there are none; nothing is no state.
        let told = postcard::to_stdvec(&(VERSION, self.n_inner, &self.scores, taken));
        let mut told = told.unwrap_or_default();
        told.extend((told.len() as u32).to_le_bytes());
        told
    }
}

type Unpacked = (Vec<Option<f64>>, Option<(State, Duration)>);

/// A fit's state and what [`Series::told`] has told behind it, or nothing where that was of another version or
/// of another search.
fn unpack(state: State, n_inner: usize) -> Option<Unpacked> {
    let (rest, length) = state.split_last(size_of::<u32>())?;
    let (state, told) = rest.split_last(u32::from_le_bytes(length.try_into().ok()?) as usize)?;
    let (version, told): (u32, _) = postcard::take_from_bytes(&told).ok()?;
    if version != VERSION {
        return None;
    }
    let ((n, scores, taken), left): ((usize, Vec<Option<f64>>, Duration), _) =
        postcard::take_from_bytes(told).ok()?;
    if n != n_inner || scores.len() > n_inner || !left.is_empty() {
        return None;
    }
    let next = (!state.is_empty()).then_some((state, taken));
    Some((scores, next))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::checkpoint::tests::state;
    use super::*;

    /// One of four inner fits, of which some have ended.
    pub(in crate::worker) fn series(scores: Vec<Option<f64>>) -> Series {
        let (next, saved) = (RefCell::default(), Cell::new(Instant::now()));
        let (spent, pace) = (Cell::default(), Pace::default());
        Series { n_inner: 4, scores, spent, next, saved, pace }
    }

    #[test]
    fn what_is_no_state_of_the_search_is_passed_over() {
        let scores = vec![Some(0.1 + 0.2), None, Some(-0.0)];
        let taken = Duration::from_millis(1_234);
        let packed = [vec![7; 100], series(scores.clone()).told(taken)].concat();
        let unpack = |bytes: &[u8], n_inner| unpack(state(bytes), n_inner);
        let (found, next) = unpack(&packed, 4).unwrap();
        let bits = |scores: &[Option<f64>]| -> Vec<_> {
            scores.iter().map(|score| score.map(f64::to_bits)).collect()
        };
        let next = next.map(|(state, taken)| (state.into_bytes().unwrap(), taken));
        assert_eq!((bits(&found), next), (bits(&scores), Some((vec![7; 100], taken))));
        let (_, next) = unpack(&series(scores).told(Duration::ZERO), 4).unwrap();
        assert!(next.is_none(), "between two fits there is no state");

        assert!(unpack(&packed, 5).is_none(), "of another search");
        assert!(unpack(&series(vec![None; 5]).told(taken), 4).is_none(), "too many");
        for n in [0, 1, 3, 4, 99, 100, packed.len() - 1] {
            assert!(unpack(&packed[..n], 4).is_none(), "{n} bytes");
        }
        for at in 100..packed.len() {
            for bit in 0..8 {
                let mut damaged = packed.clone();
                damaged[at] ^= 1 << bit;
                // Numbers may be others; nothing panics, and there are never more than there are fits.
                assert!(unpack(&damaged, 4).is_none_or(|(scores, _)| scores.len() <= 4));
            }
        }
        let mut other = packed;
        other[100] += 1;
        assert!(unpack(&other, 4).is_none(), "of another version");
    }
}
