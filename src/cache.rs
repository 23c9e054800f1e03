//! Values that are made once, however many threads ask for them at the same time, and kept until
//! others need their room.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A cache with a limit on the total weight of its values; one value is kept whatever it weighs.
#[derive(Debug)]
pub struct SharedCache<K, V, E> {
    max_weight: usize,
    /// Least recently used first. Entries are few, so a list is as quick as a map.
    entries: Mutex<Vec<Entry<K, V, E>>>,
}

type Slot<V, E> = Arc<OnceLock<Result<Arc<V>, E>>>;

#[derive(Debug)]
struct Entry<K, V, E> {
    key: K,
    weight: usize,
    slot: Slot<V, E>,
}

impl<K: PartialEq, V, E: Clone> SharedCache<K, V, E> {
    /// An empty cache.
    pub fn new(max_weight: usize) -> Self {
        Self {
            max_weight,
            entries: Mutex::new(Vec::new()),
        }
    }

    /// The value of a key, made by `make` unless it is there. Blocks while another thread makes it.
    ///
    /// # Errors
    /// What `make` says; a failure is told to all who wait for it and then forgotten.
    pub fn get(
        &self,
        key: K,
        weight: usize,
        make: impl FnOnce() -> Result<V, E>,
    ) -> Result<Arc<V>, E> {
        let slot = self.slot(key, weight);
        // Outside the lock, so that other keys need not wait for this one.
        let value = slot.get_or_init(|| make().map(Arc::new)).clone();
        if value.is_err() {
            self.lock().retain(|entry| !Arc::ptr_eq(&entry.slot, &slot));
        }
        value
    }

    fn slot(&self, key: K, weight: usize) -> Slot<V, E> {
        let mut entries = self.lock();
        let entry = match entries.iter().position(|entry| entry.key == key) {
            Some(position) => entries.remove(position),
            None => Entry {
                key,
                weight,
                slot: Arc::default(),
            },
        };
        let slot = Arc::clone(&entry.slot);
        entries.push(entry);
        let mut total: usize = entries.iter().map(|entry| entry.weight).sum();
        while entries.len() > 1 && total > self.max_weight {
            total -= entries.remove(0).weight;
        }
        slot
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Entry<K, V, E>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_value_is_made_once_for_many_threads() {
        let cache: SharedCache<&str, usize, ()> = SharedCache::new(10);
        let n_made = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| cache.get("a", 1, || Ok(n_made.fetch_add(1, Ordering::SeqCst))));
            }
        });
        assert_eq!(n_made.into_inner(), 1);
    }

    #[test]
    fn the_least_recently_used_makes_room() {
        let cache: SharedCache<&str, &str, ()> = SharedCache::new(2);
        for key in ["a", "b", "a", "c"] {
            cache.get(key, 1, || Ok(key)).unwrap();
        }
        assert_eq!(*cache.get("a", 1, || Ok("again")).unwrap(), "a");
        assert_eq!(*cache.get("b", 1, || Ok("again")).unwrap(), "again");
    }

    #[test]
    fn a_failure_is_forgotten() {
        let cache: SharedCache<&str, &str, &str> = SharedCache::new(2);
        assert_eq!(cache.get("a", 1, || Err("no")).unwrap_err(), "no");
        assert_eq!(*cache.get("a", 1, || Ok("yes")).unwrap(), "yes");
    }
}
