//! What was read, kept for a while.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Mutex as AsyncMutex,
    time::{Instant, error::Elapsed, timeout_at},
};

/// Values that are kept, and bytes that they were read from.
const MAX_VALUES: usize = 4096;
const MAX_BYTES: usize = 16 << 20;

/// Namespace and name.
type Key = (String, String);
type Slot<V> = Arc<AsyncMutex<Option<(Instant, V)>>>;

/// Values by namespace and name, each for the same time from when it was read. While one is being read, whoever wants
/// the same waits for it. What is not there, or could not be read, is not kept.
pub(super) struct Kept<V> {
    life: Duration,
    entries: Mutex<Entries<V>>,
}

struct Entries<V> {
    map: HashMap<Key, Entry<V>>,
    bytes: usize,
}

struct Entry<V> {
    slot: Slot<V>,
    read_at: Instant,
    bytes: usize,
}

impl<V: Clone> Kept<V> {
    pub(super) fn new(life: Duration) -> Self {
        Self { life, entries: Mutex::new(Entries { map: HashMap::new(), bytes: 0 }) }
    }

    /// The value, as kept or as `read` now says, with the bytes that it takes.
    pub(super) async fn get<E: From<Elapsed>>(
        &self,
        namespace: &str,
        name: &str,
        deadline: Instant,
        read: impl Future<Output = Result<Option<(V, usize)>, E>>,
    ) -> Result<Option<V>, E> {
        let key = (namespace.to_owned(), name.to_owned());
        let slot = self.slot(&key);
        let mut value = timeout_at(deadline, slot.lock()).await?;
        if let Some((until, value)) = &*value
            && Instant::now() < *until
        {
            return Ok(Some(value.clone()));
        }
        *value = None;
        let found = timeout_at(deadline, read).await.map_err(E::from).and_then(|read| read);
        let Ok(Some((found, bytes))) = found else {
            self.remove(&key, &slot);
            return found.map(|_| None);
        };
        *value = Some((Instant::now() + self.life, found.clone()));
        drop(value);
        self.weigh(&key, &slot, bytes);
        Ok(Some(found))
    }

    /// Forgets every value of a namespace. What is being read meanwhile is not kept.
    pub(super) fn forget(&self, namespace: &str) {
        let mut entries = self.entries();
        entries.map.retain(|(of, _), _| of != namespace);
        entries.bytes = entries.map.values().map(|entry| entry.bytes).sum();
    }

    fn slot(&self, key: &Key) -> Slot<V> {
        let mut entries = self.entries();
        if !entries.map.contains_key(key) {
            entries.make_room(MAX_VALUES - 1, MAX_BYTES, self.life);
            let entry = Entry { slot: Slot::default(), read_at: Instant::now(), bytes: 0 };
            entries.map.insert(key.clone(), entry);
        }
        entries.map.get(key).map(|entry| Arc::clone(&entry.slot)).unwrap_or_default()
    }

    /// Notes what a value weighs, where it has not been forgotten meanwhile.
    fn weigh(&self, key: &Key, slot: &Slot<V>, bytes: usize) {
        let mut entries = self.entries();
        entries.make_room(MAX_VALUES, MAX_BYTES.saturating_sub(bytes), self.life);
        if let Some(entry) = entries.map.get_mut(key).filter(|entry| Arc::ptr_eq(&entry.slot, slot)) {
            let before = std::mem::replace(&mut entry.bytes, bytes);
            entry.read_at = Instant::now();
            entries.bytes = entries.bytes + bytes - before;
        }
    }

    fn remove(&self, key: &Key, slot: &Slot<V>) {
        let mut entries = self.entries();
        if entries.map.get(key).is_some_and(|entry| Arc::ptr_eq(&entry.slot, slot)) {
            entries.remove(key);
        }
    }

    fn entries(&self) -> MutexGuard<'_, Entries<V>> {
        // Every entry is whole at all times, so a panic elsewhere leaves nothing half done.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> Entries<V> {
    /// Drops what has expired, and then what was read first, until no more is left than said.
    fn make_room(&mut self, values: usize, bytes: usize, life: Duration) {
        if self.map.len() <= values && self.bytes <= bytes {
            return;
        }
        let now = Instant::now();
        self.map.retain(|_, entry| now < entry.read_at + life);
        self.bytes = self.map.values().map(|entry| entry.bytes).sum();
        while self.map.len() > values || self.bytes > bytes {
            let first = self.map.iter().min_by_key(|(_, entry)| entry.read_at).map(|(key, _)| key.clone());
            let Some(first) = first else { return };
            self.remove(&first);
        }
    }

    fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.map.remove(key) {
            self.bytes -= entry.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_mins(1);

    type Read<V> = Result<Option<(V, usize)>, Elapsed>;

    async fn get(kept: &Kept<u8>, name: &str, read: impl Future<Output = Read<u8>>) -> Option<u8> {
        let deadline = Instant::now() + Duration::from_secs(1);
        kept.get("ns", name, deadline, read).await.unwrap()
    }

    async fn is_kept(kept: &Kept<u8>, name: &str) -> bool {
        get(kept, name, async { Ok(None) }).await.is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn a_value_is_read_once_a_minute() {
        let kept = Kept::new(LIFE);
        assert_eq!(get(&kept, "a", async { Ok(Some((1, 1))) }).await, Some(1));
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!(get(&kept, "a", async { Ok(Some((2, 1))) }).await, Some(1));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(get(&kept, "a", async { Ok(Some((2, 1))) }).await, Some(2));
        kept.forget("other");
        assert!(is_kept(&kept, "a").await);
        kept.forget("ns");
        assert!(!is_kept(&kept, "a").await);
        assert_eq!(kept.entries().bytes, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_or_is_not_there_is_not_kept() {
        let kept = Kept::<u8>::new(LIFE);
        let deadline = Instant::now() + Duration::from_secs(1);
        let late = kept.get::<Elapsed>("ns", "a", deadline, std::future::pending()).await;
        assert!(late.is_err());
        assert_eq!(get(&kept, "a", async { Ok(None) }).await, None);
        assert!(kept.entries().map.is_empty());
    }

    #[tokio::test]
    async fn whoever_wants_the_same_waits_for_it() {
        let kept = Kept::new(LIFE);
        let (open, gate) = tokio::sync::oneshot::channel();
        let first = get(&kept, "a", async {
            gate.await.unwrap();
            Ok(Some((1, 1)))
        });
        let second = get(&kept, "a", async { panic!("read twice") });
        let both = async { tokio::join!(first, second) };
        let opened = async { open.send(()).unwrap() };
        assert_eq!(tokio::join!(both, opened).0, (Some(1), Some(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn values_and_their_bytes_are_limited() {
        let kept = Kept::new(LIFE);
        for (name, bytes) in [("a", MAX_BYTES / 2), ("b", MAX_BYTES / 2), ("c", 1)] {
            get(&kept, name, async { Ok(Some((1, bytes))) }).await;
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(kept.entries().bytes, MAX_BYTES / 2 + 1);
        for (name, expected) in [("b", true), ("c", true), ("a", false)] {
            assert_eq!(is_kept(&kept, name).await, expected, "{name}");
        }
        for number in 0..MAX_VALUES {
            get(&kept, &number.to_string(), async { Ok(Some((1, 1))) }).await;
        }
        assert_eq!(kept.entries().map.len(), MAX_VALUES);
        assert_eq!(kept.entries().bytes, MAX_VALUES);
    }
}
