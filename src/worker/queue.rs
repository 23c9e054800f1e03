//! What the dispatcher, the training threads and the renewer share: claimed tasks that wait for a
//! thread, and a signal for each claimed task that says when to stop.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::store::tasks::{ClaimedTask, Holding};

/// A claimed task with its signal.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) task: ClaimedTask,
    pub(super) signal: Arc<Signal>,
}

/// Says to a running task whether to go on.
#[derive(Debug, Default)]
pub(super) struct Signal(AtomicU8);

/// Why a task should stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Its job is being cancelled.
    Cancelled,
    /// The lease is lost: whatever it does will be refused.
    LeaseLost,
    /// The worker is going away.
    Shutdown,
    /// Its job is to rest.
    Paused,
}

impl Signal {
    /// Raises the signal; the first reason stays.
    pub(super) fn raise(&self, stop: Stop) {
        let _ = self.0.compare_exchange(0, stop as u8 + 1, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Why to stop, if at all. Cheap enough to ask after every epoch.
    pub(super) fn stop(&self) -> Option<Stop> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(Stop::Cancelled),
            2 => Some(Stop::LeaseLost),
            3 => Some(Stop::Shutdown),
            _ => Some(Stop::Paused),
        }
    }
}

/// Claimed tasks that wait for a training thread, and for memory.
#[derive(Debug)]
pub(super) struct Queue {
    /// What the tasks that run may need together.
    memory_bytes: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Flight>,
    /// What the tasks that run may need, by estimate.
    used_bytes: u64,
    closed: bool,
}

impl Queue {
    pub(super) fn new(memory_bytes: u64) -> Self {
        Self { memory_bytes, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Adds tasks for the threads to take.
    pub(super) fn put(&self, flights: impl IntoIterator<Item = Flight>) {
        self.lock().waiting.extend(flights);
        self.changed.notify_all();
    }

    /// Takes the first task once its memory is free, or waits for that; a task runs alone that needs
    /// more than all. `None` once the queue is closed and empty. What is taken is to be
    /// [`released`](Self::release).
    pub(super) fn take(&self) -> Option<Flight> {
        let mut state = self.lock();
        loop {
            let needed = state.waiting.front().map(|flight| flight.task.memory_bytes);
            let fits = |needed| state.used_bytes.saturating_add(needed) <= self.memory_bytes;
            if needed.is_some_and(|needed| state.used_bytes == 0 || fits(needed)) {
                let flight = state.waiting.pop_front()?;
                state.used_bytes += flight.task.memory_bytes;
                return Some(flight);
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Frees the memory of a task that was taken.
    pub(super) fn release(&self, memory_bytes: u64) {
        self.lock().used_bytes -= memory_bytes;
        self.changed.notify_all();
    }

    /// Whether no task waits.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().waiting.is_empty()
    }

    /// Lets the threads end, and returns what none of them has taken.
    pub(super) fn close(&self) -> Vec<Flight> {
        let mut state = self.lock();
        state.closed = true;
        self.changed.notify_all();
        state.waiting.drain(..).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All claimed tasks, with their signals.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<HashMap<i64, InFlight>>);

#[derive(Debug)]
struct InFlight {
    held: Holding,
    memory_bytes: u64,
    is_last_try: bool,
    signal: Arc<Signal>,
}

impl Flights {
    pub(super) fn add(&self, task: ClaimedTask) -> Flight {
        let signal = Arc::new(Signal::default());
        let (held, memory_bytes) = (task.holding(), task.memory_bytes);
        let (is_last_try, own) = (task.is_last_try(), Arc::clone(&signal));
        self.lock().insert(task.id, InFlight { held, memory_bytes, is_last_try, signal: own });
        Flight { task, signal }
    }

    pub(super) fn remove(&self, task: i64) {
        self.lock().remove(&task);
    }

    /// What all of them may need, by estimate.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.lock().values().map(|flight| flight.memory_bytes).sum()
    }

    /// Whether one of them is not tried again should this process end.
    pub(super) fn have_last_try(&self) -> bool {
        self.lock().values().any(|flight| flight.is_last_try)
    }

    /// By what they are held.
    pub(super) fn held(&self) -> Vec<Holding> {
        self.lock().values().map(|flight| flight.held.clone()).collect()
    }

    /// The leases that hold any task.
    pub(super) fn leases(&self) -> Vec<Arc<str>> {
        let mut leases: Vec<_> =
            self.lock().values().map(|flight| Arc::clone(&flight.held.lease_token)).collect();
        leases.sort_unstable();
        leases.dedup();
        leases
    }

    /// Every task's signal with its lease.
    pub(super) fn signals(&self) -> Vec<(i64, Arc<str>, Arc<Signal>)> {
        let of = |flight: &InFlight| {
            let InFlight { held, signal, .. } = flight;
            (held.task, Arc::clone(&held.lease_token), Arc::clone(signal))
        };
        self.lock().values().map(of).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, InFlight>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
