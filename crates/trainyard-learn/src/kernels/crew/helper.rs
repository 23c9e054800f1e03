//! Handing one job to helper threads, and getting it back.
//!
//! Each helper has one atomic word. It holds a state (waiting, asleep, at work, to stop) or the
//! address of a job that the caller offers. Who changes an offer to another value owns what comes
//! next: the helper begins ([`AT_WORK`]), or the caller takes the offer back ([`WAITING`]). So the
//! caller waits for those that have begun and for nobody else, and no helper touches a job that its
//! caller has left.
#![expect(unsafe_code, reason = "a job lives on the caller's stack, which waits for it")]

use std::any::Any;
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::without_provenance_mut;
use std::sync::atomic::AtomicPtr;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::Buffer;

type Panic = Box<dyn Any + Send>;
type Work<'a> = dyn Fn(usize, &mut Buffer) + Sync + 'a;

const WAITING: *mut Job<'static> = without_provenance_mut(0);
const ASLEEP: *mut Job<'static> = without_provenance_mut(1);
const AT_WORK: *mut Job<'static> = without_provenance_mut(2);
const TO_STOP: *mut Job<'static> = without_provenance_mut(3);

/// Parts to work on, taken one after the other by whoever is free.
pub(super) struct Job<'a> {
    work: &'a Work<'a>,
    n_parts: usize,
    next_part: AtomicUsize,
    /// The first panic in a part.
    panic: Mutex<Option<Panic>>,
}

impl<'a> Job<'a> {
    pub(super) fn new(n_parts: usize, work: &'a Work<'a>) -> Self {
        Self { work, n_parts, next_part: AtomicUsize::new(0), panic: Mutex::new(None) }
    }

    /// Works on the parts together with these helpers, until every part is done.
    pub(super) fn work_on(self, helpers: &[Helper], buffer: &mut Buffer) -> Result<(), Panic> {
        for helper in helpers {
            helper.offer(&self);
        }
        self.take_parts(buffer);
        for helper in helpers {
            helper.await_end(&self);
        }
        self.panic.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    /// Works on parts until none is left. Does not panic: the caller must not leave before the
    /// helpers, nor a helper without saying so.
    fn take_parts(&self, buffer: &mut Buffer) {
        let work = AssertUnwindSafe(|| {
            loop {
                let part = self.next_part.fetch_add(1, Relaxed);
                if part >= self.n_parts {
                    break;
                }
                (self.work)(part, buffer);
            }
        });
        if let Err(panic) = catch_unwind(work) {
            self.next_part.store(self.n_parts, Relaxed);
            self.panic.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(panic);
        }
    }
}

/// A thread that waits for jobs until it is dropped.
#[derive(Debug)]
pub(super) struct Helper {
    mailbox: Arc<Mailbox>,
    thread: Option<JoinHandle<()>>,
}

/// On a cache line (and its neighbour, which the processor may fetch along) of its own, because
/// both sides spin on it.
#[derive(Debug)]
#[repr(align(128))]
struct Mailbox(AtomicPtr<Job<'static>>);

impl Helper {
    /// A new helper, or none when the system gives no thread: the others do its work.
    pub(super) fn start() -> Option<Self> {
        let mailbox = Arc::new(Mailbox(AtomicPtr::new(WAITING)));
        let its = Arc::clone(&mailbox);
        let thread = thread::Builder::new().name("crew".into()).spawn(move || its.serve()).ok()?;
        Some(Self { mailbox, thread: Some(thread) })
    }

    fn offer(&self, job: &Job<'_>) {
        let job = std::ptr::from_ref(job).cast_mut().cast();
        // Release: the helper sees the job's fields, and all that was written before.
        if self.mailbox.0.swap(job, Release) == ASLEEP {
            self.wake();
        }
    }

    /// Returns when the helper has left the job, or before it has begun.
    fn await_end(&self, job: &Job<'_>) {
        let job = std::ptr::from_ref(job).cast_mut().cast();
        if self.mailbox.0.compare_exchange(job, WAITING, Relaxed, Relaxed).is_ok() {
            return;
        }
        // Acquire: the caller sees what the helper has written.
        let mut patience = Patience::default();
        while self.mailbox.0.load(Acquire) == AT_WORK {
            patience.spin_or_yield();
        }
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.mailbox.0.store(TO_STOP, Release);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // It does not panic: every part's panic was caught.
            let _ = thread.join();
        }
    }
}

impl Mailbox {
    /// What a helper does all its life.
    fn serve(&self) {
        let mut buffer = Buffer::default();
        let mut patience = Patience::default();
        loop {
            match self.0.load(Relaxed) {
                TO_STOP => return,
                WAITING if patience.spin_or_yield() => {}
                WAITING => {
                    // An offer that comes first makes this fail; one that comes later wakes it.
                    let _ = self.0.compare_exchange(WAITING, ASLEEP, Relaxed, Relaxed);
                }
                ASLEEP => thread::park(),
                job => {
                    if self.0.compare_exchange(job, AT_WORK, Acquire, Relaxed).is_ok() {
                        // SAFETY: the caller that offered the job keeps it until the word is no
                        // longer `AT_WORK`.
                        unsafe { &*job }.take_parts(&mut buffer);
                        self.0.store(WAITING, Release);
                    }
                    patience = Patience::default();
                }
            }
        }
    }
}

/// How long a thread has waited in vain.
#[derive(Default)]
struct Patience {
    n_tries: u32,
}

impl Patience {
    /// Waits a moment: at first without leaving the processor, as the next phase is a microsecond
    /// away, then letting other threads run. False when that was long enough to sleep instead.
    fn spin_or_yield(&mut self) -> bool {
        const N_SPINS: u32 = 1000;
        const N_YIELDS: u32 = 50;
        self.n_tries = self.n_tries.saturating_add(1);
        if self.n_tries <= N_SPINS {
            spin_loop();
        } else {
            thread::yield_now();
        }
        self.n_tries <= N_SPINS + N_YIELDS
    }
}
