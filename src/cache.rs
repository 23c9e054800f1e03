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

/// A value and how much of the limit it takes, at least 1.
#[derive(Debug)]
pub struct Weighed<V> {
    /// The value.
    pub value: V,
    /// Its weight.
    pub weight: usize,
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
        Self { max_weight, entries: Mutex::new(Vec::new()) }
    }

    /// The value of a key, made and weighed by `make` unless it is there. Blocks while another thread
    /// makes it.
    ///
    /// # Errors
    /// What `make` says; a failure is told to all who wait for it and then forgotten.
    pub fn get(&self, key: K, make: impl FnOnce() -> Result<Weighed<V>, E>) -> Result<Arc<V>, E> {
        let slot = self.slot(key);
        let mut found = None;
        // Outside the lock, so that other keys need not wait for this one.
        let value = slot
            .get_or_init(|| {
                make().map(|Weighed { value, weight }| {
                    found = Some(weight);
                    Arc::new(value)
                })
            })
            .clone();
        if let Some(weight) = found {
            self.make_room(&slot, weight);
        }
        if value.is_err() {
            self.lock().retain(|entry| !Arc::ptr_eq(&entry.slot, &slot));
        }
        value
    }

    /// Keeps a value that was made elsewhere, unless the key has one.
    pub fn put(&self, key: K, value: Weighed<V>) {
        // It cannot fail, and whoever made the same first is no worse.
        let _ = self.get(key, || Ok(value));
    }

    fn slot(&self, key: K) -> Slot<V, E> {
        let mut entries = self.lock();
        let entry = match entries.iter().position(|entry| entry.key == key) {
            Some(position) => entries.remove(position),
            None => Entry { key, weight: 0, slot: Arc::default() },
        };
        let slot = Arc::clone(&entry.slot);
        entries.push(entry);
        slot
    }

    /// Notes what a value weighs, and lets go of others until the limit is kept.
    fn make_room(&self, slot: &Slot<V, E>, weight: usize) {
        let mut entries = self.lock();
        for entry in entries.iter_mut().filter(|entry| Arc::ptr_eq(&entry.slot, slot)) {
            entry.weight = weight;
        }
        let mut total: usize = entries.iter().map(|entry| entry.weight).sum();
        while total > self.max_weight {
            // What is still being made weighs nothing yet, and others wait for it.
            let oldest = entries
                .iter()
                .position(|entry| entry.weight > 0 && !Arc::ptr_eq(&entry.slot, slot));
            let Some(oldest) = oldest else { break };
            total -= entries.remove(oldest).weight;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Entry<K, V, E>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn one<V>(value: V) -> Weighed<V> {
        Weighed { value, weight: 1 }
    }

    #[test]
    fn a_value_is_made_once_for_many_threads() {
        let cache: SharedCache<&str, usize, ()> = SharedCache::new(10);
        let n_made = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| cache.get("a", || Ok(one(n_made.fetch_add(1, Ordering::SeqCst)))));
            }
        });
        assert_eq!(n_made.into_inner(), 1);
    }

    #[test]
    fn the_least_recently_used_makes_room() {
        let cache: SharedCache<&str, &str, ()> = SharedCache::new(2);
        for key in ["a", "b", "a", "c"] {
            cache.get(key, || Ok(one(key))).unwrap();
        }
        assert_eq!(*cache.get("a", || Ok(one("again"))).unwrap(), "a");
        assert_eq!(*cache.get("b", || Ok(one("again"))).unwrap(), "again");
    }

    #[test]
    fn a_failure_is_forgotten() {
        let cache: SharedCache<&str, &str, &str> = SharedCache::new(2);
        assert_eq!(cache.get("a", || Err("no")).unwrap_err(), "no");
        assert_eq!(*cache.get("a", || Ok(one("yes"))).unwrap(), "yes");
    }
}
