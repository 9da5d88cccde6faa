//! What is remembered of images that have been verified, within bounds.
//!
//! A key names everything that an answer rests on, so that no answer is ever given for another question: see
//! [`AuthorityKey`]. What is found in another repository, under other keys or roots, is another entry. Refusals are not
//! kept here but with the flight that has found them, for seconds, and faults nowhere.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use trustwright_core::{Digest, Repository};
use trustwright_policy::{Match, RootsKey, Signed};
use trustwright_verify::{Identity, Signer};

/// How long an answer is kept, at most: what was deleted or revoked in the meantime still counts.
const LONGEST: Duration = Duration::from_hours(1);
/// The size of everything that is kept, in bytes. Ten thousand images with a signature each take a tenth of it.
const MAX_BYTES: usize = 48 << 20;
/// Largest single answer that is kept: one of them is not to push out all the others.
const MAX_ENTRY: usize = MAX_BYTES / 8;
/// What an entry takes besides what is counted.
const OVERHEAD: usize = 512;
/// What verifies. Part of every key, so that no two versions ever share an answer.
const VERIFIER: &str = concat!("trustwright-engine/", env!("CARGO_PKG_VERSION"));

/// What the answer of an authority rests on: a hash over the repository of the evidence, the digest of the image, the
/// compiled authority, what is trusted, the verifier's version, and whether everything was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct AuthorityKey([u8; 32]);

/// Why an authority vouches for an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Voucher {
    pub(crate) found: Match,
    /// Documents that complied with the rule of an attestation, by the attestation's index; they have to comply again.
    pub(crate) documents: Vec<(usize, Arc<[u8]>)>,
    /// Until when it holds; for ever, where there is none.
    pub(crate) valid_until: Option<Timestamp>,
}

/// The configurations of an image by platform.
pub(crate) type Configs = BTreeMap<String, Value>;

/// Something that is remembered.
#[derive(Debug, Clone)]
pub(crate) enum Kept {
    Voucher(Arc<Voucher>),
    /// With their size.
    Configs(Arc<Configs>, usize),
}

/// The cache. Cheap to clone; all clones share what is in it.
#[derive(Debug, Clone)]
pub(crate) struct Cache(Arc<Mutex<Entries>>);

#[derive(Debug)]
struct Entries {
    by_key: HashMap<AuthorityKey, Entry>,
    /// The keys by when they were used last.
    by_use: BTreeMap<u64, AuthorityKey>,
    uses: u64,
    bytes: usize,
    limit: usize,
}

#[derive(Debug)]
struct Entry {
    kept: Kept,
    size: usize,
    until: Instant,
    used: u64,
}

impl AuthorityKey {
    pub(crate) fn of(
        repository: &Repository,
        digest: &Digest,
        signed: &Signed,
        roots: &RootsKey,
        is_exhaustive: bool,
    ) -> Self {
        let mut key = Builder::new("authority", repository, digest);
        key.part(&signed.id);
        for root in roots {
            key.part(root.as_ref().map_or(&[], |fingerprint| fingerprint.as_bytes().as_slice()));
        }
        key.part(&[u8::from(is_exhaustive)]);
        key.key()
    }

    /// Of the configurations of an image, which its digest names whoever may read them.
    pub(crate) fn of_configs(repository: &Repository, digest: &Digest) -> Self {
        Builder::new("configs", repository, digest).key()
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Hashes parts with their lengths, so that no two lists of parts look alike.
pub(crate) struct Builder(Sha256);

impl Builder {
    pub(crate) fn new(kind: &str, repository: &Repository, digest: &Digest) -> Self {
        let mut builder = Self(Sha256::new());
        builder.part(VERIFIER.as_bytes());
        builder.part(kind.as_bytes());
        builder.part(repository.to_string().as_bytes());
        builder.part(digest.as_bytes());
        builder
    }

    pub(crate) fn part(&mut self, part: &[u8]) {
        self.0.update((part.len() as u64).to_be_bytes());
        self.0.update(part);
    }

    pub(crate) fn key(self) -> AuthorityKey {
        AuthorityKey(self.0.finalize().into())
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self::limited(MAX_BYTES)
    }
}

impl Cache {
    /// One in which nothing is kept.
    pub(crate) fn none() -> Self {
        Self::limited(0)
    }

    fn limited(limit: usize) -> Self {
        Self(Arc::new(Mutex::new(Entries {
            by_key: HashMap::new(),
            by_use: BTreeMap::new(),
            uses: 0,
            bytes: 0,
            limit,
        })))
    }

    /// What is known, if it still holds at `now`, which is `at`.
    pub(crate) fn get(&self, key: &AuthorityKey, at: Instant, now: Timestamp) -> Option<Kept> {
        // What another thread did before it panicked is whole, but for a key that is listed in vain.
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.by_key.get(key)?;
        let holds = match &entry.kept {
            Kept::Voucher(voucher) => voucher.valid_until.is_none_or(|until| now < until),
            Kept::Configs(..) => true,
        };
        if at >= entry.until || !holds {
            entries.remove(key);
            return None;
        }
        entries.touch(key)
    }

    /// Keeps something, in place of what was used longest ago.
    pub(crate) fn put(&self, key: AuthorityKey, kept: Kept, at: Instant) {
        let size = OVERHEAD + kept.size();
        if size > MAX_ENTRY {
            return;
        }
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.remove(&key);
        while entries.bytes + size > entries.limit {
            let Some((_, oldest)) = entries.by_use.pop_first() else { return };
            entries.remove(&oldest);
        }
        entries.uses += 1;
        let used = entries.uses;
        entries.bytes += size;
        entries.by_use.insert(used, key);
        entries.by_key.insert(key, Entry { kept, size, until: at + LONGEST, used });
    }

    /// How many bytes are kept, as they are counted.
    pub(crate) fn bytes(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).bytes
    }
}

impl Entries {
    fn remove(&mut self, key: &AuthorityKey) {
        if let Some(entry) = self.by_key.remove(key) {
            self.by_use.remove(&entry.used);
            self.bytes -= entry.size;
        }
    }

    fn touch(&mut self, key: &AuthorityKey) -> Option<Kept> {
        self.uses += 1;
        let used = self.uses;
        let entry = self.by_key.get_mut(key)?;
        self.by_use.remove(&entry.used);
        self.by_use.insert(used, *key);
        entry.used = used;
        Some(entry.kept.clone())
    }
}

impl Kept {
    /// In bytes, about.
    fn size(&self) -> usize {
        match self {
            Self::Configs(_, size) => *size,
            Self::Voucher(voucher) => {
                let documents: usize =
                    voucher.documents.iter().map(|(_, document)| document.len() + 64).sum();
                let found: usize = match &voucher.found {
                    Match::Static => 0,
                    Match::Signatures(signatures) => signatures.iter().map(|by| signer(&by.signer)).sum(),
                    Match::Attestations(named) => named
                        .iter()
                        .map(|(name, attested)| {
                            let each = |one: &trustwright_policy::Attested| {
                                one.predicate_type.len() + signer(&one.by.signer) + 64
                            };
                            name.len() + attested.iter().map(each).sum::<usize>()
                        })
                        .sum(),
                };
                documents + found
            }
        }
    }
}

/// The size of who signed, with the identifier beside it.
fn signer(signer: &Signer) -> usize {
    let identity = |identity: &Identity| {
        let subjects: usize = identity.subjects.iter().map(|subject| subject.to_string().len() + 64).sum();
        let extensions: usize = identity.extensions.values().map(|text| text.len() + 64).sum();
        subjects + extensions + 256
    };
    192 + match signer {
        Signer::Key(_) => 0,
        Signer::Certificate(one) => identity(one),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: Digest = Digest::from_bytes([7; 32]);

    fn key(n: u32) -> AuthorityKey {
        let mut builder = Builder::new("test", &"ghcr.io/a/b".parse().unwrap(), &DIGEST);
        builder.part(&n.to_be_bytes());
        builder.key()
    }

    fn voucher(bytes: usize, valid_until: Option<Timestamp>) -> Kept {
        let documents = vec![(0, vec![0; bytes].into())];
        Kept::Voucher(Arc::new(Voucher { found: Match::Static, documents, valid_until }))
    }

    #[tokio::test]
    async fn an_answer_is_kept_for_an_hour_and_no_longer_than_what_it_rests_on() {
        let (cache, at, now) = (Cache::default(), Instant::now(), Timestamp::UNIX_EPOCH);
        let soon = now + Duration::from_mins(1);
        cache.put(key(1), voucher(0, None), at);
        cache.put(key(2), voucher(0, Some(soon)), at);
        let just_before = soon - Duration::from_nanos(1);
        assert!(cache.get(&key(1), at + LONGEST - Duration::from_nanos(1), soon).is_some());
        assert!(cache.get(&key(2), at, just_before).is_some());
        assert!(cache.get(&key(1), at + LONGEST, soon).is_none());
        assert!(cache.get(&key(2), at, soon).is_none());
        assert!(cache.get(&key(2), at, just_before).is_none(), "what has ended stays away");
        assert_eq!(cache.bytes(), 0);
    }

    #[tokio::test]
    async fn what_was_used_longest_ago_makes_room_and_the_bound_holds() {
        let (at, now) = (Instant::now(), Timestamp::UNIX_EPOCH);
        let each = 10_000;
        let cache = Cache::limited(10 * (each + OVERHEAD + 64));
        let there = |n: u32| cache.get(&key(n), at, now).is_some();
        for n in 0..10 {
            cache.put(key(n), voucher(each, None), at);
        }
        assert!(there(0));
        cache.put(key(10), voucher(each, None), at);
        assert!(there(0) && !there(1) && there(2) && there(10));
        for n in 11..1000 {
            cache.put(key(n), voucher(each, None), at);
        }
        assert_eq!(cache.bytes(), 10 * (each + OVERHEAD + 64));
        // The same again takes no more, and what is too large for the bound pushes nothing out.
        cache.put(key(999), voucher(each, None), at);
        cache.put(key(5000), voucher(MAX_ENTRY, None), at);
        assert_eq!(cache.bytes(), 10 * (each + OVERHEAD + 64));
        assert!(there(999) && !there(5000));
    }

    #[test]
    fn ten_thousand_keyless_answers_have_room() {
        let identity = Identity {
            subjects: vec![trustwright_verify::SubjectName::Uri("x".repeat(120))],
            issuer: Some("x".repeat(60)),
            extensions: (1..25).map(|n| (n, "x".repeat(60))).collect(),
            validity: trustwright_trust::Window::default(),
        };
        let signer = Signer::Certificate(Box::new(identity));
        let by = trustwright_policy::SignedBy { id: "0".repeat(64), signer };
        let found = Match::Signatures(vec![by]);
        let kept = Kept::Voucher(Arc::new(Voucher { found, documents: Vec::new(), valid_until: None }));
        assert!(10_000 * (kept.size() + OVERHEAD) < MAX_BYTES, "{}", kept.size());
    }
}
