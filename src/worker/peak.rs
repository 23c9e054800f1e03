//! How much the process's memory grew while each task ran, by the system's own count.
//!
//! The system counts by process, so what tasks beside it took is part of a task's growth: never too
//! little, and exact where one runs alone. On a system without `/proc` nothing is measured.

use std::collections::HashMap;
use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Tasks that need less, by estimate, drown in what the rest of the process does.
const WORTH_MEASURING: u64 = 8 << 20;

/// The tasks that are measured now.
#[derive(Debug, Default)]
pub(super) struct Peaks(Mutex<HashMap<i64, Growth>>);

#[derive(Clone, Copy, Debug)]
struct Growth {
    before: u64,
    most: u64,
}

impl Peaks {
    /// Begins to measure a task, if it is large enough.
    pub(super) fn begin(&self, task: i64, estimated_bytes: u64) {
        if estimated_bytes < WORTH_MEASURING {
            return;
        }
        let mut running = self.lock();
        let Some(before) = note(&mut running) else { return };
        running.insert(task, Growth { before, most: before });
    }

    /// Ends it; by how many bytes the process grew, where that was measured.
    pub(super) fn end(&self, task: i64) -> Option<u64> {
        let mut running = self.lock();
        running.contains_key(&task).then(|| note(&mut running))?;
        running.remove(&task).map(|growth| growth.most - growth.before)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, Growth>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes for all tasks the most memory since the last note, from where the system counts anew, and
/// says how much there is now.
fn note(running: &mut HashMap<i64, Growth>) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let most = bytes(&status, "VmHWM:")?;
    for growth in running.values_mut() {
        growth.most = growth.most.max(most);
    }
    fs::write("/proc/self/clear_refs", "5").ok()?;
    bytes(&status, "VmRSS:")
}

fn bytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes << 10)
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    #[test]
    fn what_a_task_took_is_seen_and_what_was_there_before_is_not() {
        let peaks = Peaks::default();
        let before = black_box(vec![1_u8; 64 << 20]);
        peaks.begin(1, 1 << 30);
        drop(black_box(vec![1_u8; 32 << 20]));
        peaks.begin(2, 1 << 30);
        let small = peaks.end(2).unwrap();
        let large = peaks.end(1).unwrap();
        assert!((32 << 20..60 << 20).contains(&large), "{large}");
        assert!(small < 16 << 20, "{small}");
        drop(before);
        peaks.begin(3, 1_000);
        assert_eq!((peaks.end(3), peaks.end(1)), (None, None));
    }
}
