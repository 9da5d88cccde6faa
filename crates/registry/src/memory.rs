//! A bounded map whose entries expire.

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Values that are true for a while. Never holds more than its capacity: keys are chosen by whoever may name
/// an image, so an unbounded map could be filled at will.
pub(crate) struct Memory<K, V> {
    capacity: usize,
    entries: Mutex<HashMap<K, (Instant, V)>>,
}

impl<K: Eq + Hash + Clone, V: Clone> Memory<K, V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, entries: Mutex::new(HashMap::new()) }
    }

    /// What is remembered of `key` at the time `now`.
    pub(crate) fn get<Q>(&self, key: &Q, now: Instant) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.entries().get(key).filter(|(until, _)| now < *until).map(|(_, value)| value.clone())
    }

    /// Remembers `value` for `life` from `now`. Where there is no room, expired entries go first and then the
    /// one that would expire next.
    pub(crate) fn put(&self, key: K, value: V, now: Instant, life: Duration) {
        self.put_into(&mut self.entries(), key, value, now, life);
    }

    /// What is remembered of `key`, which is then remembered for `life` from `now`, or else what `make` makes.
    pub(crate) fn get_or_put(&self, key: K, now: Instant, life: Duration, make: impl FnOnce() -> V) -> V {
        let mut entries = self.entries();
        if let Some((until, value)) = entries.get_mut(&key).filter(|(until, _)| now < *until) {
            *until = now + life;
            return value.clone();
        }
        let value = make();
        self.put_into(&mut entries, key, value.clone(), now, life);
        value
    }

    fn put_into(
        &self,
        entries: &mut HashMap<K, (Instant, V)>,
        key: K,
        value: V,
        now: Instant,
        life: Duration,
    ) {
        if entries.len() >= self.capacity && !entries.contains_key(&key) {
            entries.retain(|_, (until, _)| now < *until);
            if entries.len() >= self.capacity {
                let next = entries.iter().min_by_key(|(_, (until, _))| *until).map(|(key, _)| key.clone());
                next.and_then(|key| entries.remove(&key));
            }
        }
        if self.capacity > 0 {
            entries.insert(key, (now + life, value));
        }
    }

    pub(crate) fn forget<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.entries().remove(key);
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<K, (Instant, V)>> {
        // Every entry is whole at all times, so a panic elsewhere leaves nothing half done.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_mins(1);

    #[test]
    fn an_entry_lives_as_long_as_it_was_given() {
        let (memory, now) = (Memory::new(2), Instant::now());
        memory.put("a", 1, now, LIFE);
        assert_eq!(memory.get("a", now + LIFE - Duration::from_nanos(1)), Some(1));
        assert_eq!(memory.get("a", now + LIFE), None);
        memory.forget("a");
        assert_eq!(memory.get("a", now), None);
    }

    #[test]
    fn a_full_memory_drops_what_expires_next() {
        let (memory, now) = (Memory::new(2), Instant::now());
        memory.put("a", 1, now, LIFE * 2);
        memory.put("b", 2, now, LIFE);
        memory.put("c", 3, now, LIFE * 2);
        assert_eq!(
            [memory.get("a", now), memory.get("b", now), memory.get("c", now)],
            [Some(1), None, Some(3)]
        );
        memory.put("a", 4, now, LIFE);
        assert_eq!([memory.get("a", now), memory.get("c", now)], [Some(4), Some(3)]);
    }

    #[test]
    fn a_full_memory_drops_what_has_expired_first() {
        let (memory, now) = (Memory::new(2), Instant::now());
        memory.put("a", 1, now, LIFE);
        memory.put("b", 2, now, LIFE * 2);
        memory.put("c", 3, now + LIFE, LIFE / 2);
        assert_eq!(memory.get("b", now + LIFE), Some(2));
    }
}
