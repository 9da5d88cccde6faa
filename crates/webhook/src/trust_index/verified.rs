//! Equal repositories, verified once.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use jiff::Timestamp;
use trustwright_roots::{Anchor, Artifact, ArtifactError};
use trustwright_trust::tuf::Floor;

/// The repositories that were verified here, as long as somebody holds them: many trust roots may name one mirror, and
/// verifying takes a hundred times as long as comparing.
#[derive(Debug, Default)]
pub(super) struct Verified(Mutex<Vec<Known>>);

/// Everything that the result rests on, and the result.
#[derive(Debug)]
struct Known {
    packed: Arc<str>,
    anchor: Anchor,
    floor: Option<Floor>,
    now: Timestamp,
    artifact: Weak<Artifact>,
}

impl Verified {
    /// Does what [`Artifact::restore`] does, unless that was done with the same; leaves out the packed form.
    pub(super) fn restore(
        &self,
        packed: &Arc<str>,
        anchor: &Anchor,
        floor: Option<&Floor>,
        now: Timestamp,
    ) -> Result<Arc<Artifact>, ArtifactError> {
        let known = |known: &Known| {
            let same = known.packed == *packed && known.anchor == *anchor && known.floor.as_ref() == floor;
            let artifact = known.artifact.upgrade().filter(|_| same)?;
            // Where one role had expired then, the others may have by now; where none had, none must have.
            let expired_at = |at| artifact.metadata.iter().any(|role| role.is_expired(at));
            (expired_at(known.now) || !expired_at(now)).then_some(artifact)
        };
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().find_map(known);
        if let Some(artifact) = found {
            return Ok(artifact);
        }
        let restored = Artifact::restore(packed, anchor, floor, now)?;
        let artifact = Arc::new(Artifact { packed: String::new(), ..restored });
        let (packed, anchor, floor) = (packed.clone(), anchor.clone(), floor.cloned());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|known| known.artifact.strong_count() > 0);
        all.push(Known { packed, anchor, floor, now, artifact: Arc::downgrade(&artifact) });
        Ok(artifact)
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use trustwright_testkit::tuf_repository::Repository;
    use trustwright_trust::tuf::TRUSTED_ROOT_TARGET;

    use super::*;

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    #[test]
    fn a_repository_is_verified_again_where_anything_that_it_rests_on_is_another() {
        let repository = Repository::new();
        let mut other = repository.clone();
        other.advance();
        let packed =
            |repository: &Repository| STANDARD.encode(repository.publish().pack(1 << 20).unwrap()).into();
        let (first, second): (Arc<str>, Arc<str>) = (packed(&repository), packed(&other));
        let root = repository.first_root().to_vec();
        let anchor = Anchor { root, target: TRUSTED_ROOT_TARGET.to_owned() };
        let stranger = Anchor { root: Repository::new().first_root().to_vec(), ..anchor.clone() };
        let at_one = Floor { root: 1, ..Floor::default() };
        let above = Floor { timestamp: 9, ..at_one.clone() };
        let (early, late) = (at("2026-08-22T12:00:00Z"), at("2026-10-22T12:00:00Z"));

        let verified = Verified::default();
        let one = verified.restore(&first, &anchor, None, early).unwrap();
        let again = verified.restore(&first.to_string().into(), &anchor, None, early).unwrap();
        assert!(Arc::ptr_eq(&one, &again));
        assert!(verified.restore(&first, &stranger, None, early).is_err());
        assert!(verified.restore(&first, &anchor, Some(&above), early).is_err());
        assert!(verified.restore(&first, &anchor, None, late).is_err(), "it has expired since");
        let floored = verified.restore(&first, &anchor, Some(&at_one), early).unwrap();
        let newer = verified.restore(&second, &anchor, None, early).unwrap();
        assert!(!Arc::ptr_eq(&one, &floored) && !Arc::ptr_eq(&one, &newer));
        // What was accepted although it had expired is shared at once, as there is nothing left to expire.
        let kept = verified.restore(&first, &anchor, Some(&at_one), late).unwrap();
        assert!(!Arc::ptr_eq(&floored, &kept));
        assert!(Arc::ptr_eq(&kept, &verified.restore(&first, &anchor, Some(&at_one), late).unwrap()));

        drop((one, again, floored, kept));
        let held = verified.restore(&first, &anchor, None, early).unwrap();
        assert_eq!(verified.0.lock().unwrap().len(), 2, "what nobody holds is forgotten");
        drop((held, newer));
    }
}
