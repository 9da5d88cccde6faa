//! Verification of a `TrustRoot`: the result of the operator.

use anyhow::Context as _;
use jiff::Timestamp;
use trustwright_roots::sigstore_keys_source;
use trustwright_trust::tuf::{self, Archive, Expiry, Floor, Limits, Request, Verified};
use trustwright_trust::{Loaded, SourceError, from_sigstore_keys, from_trusted_root_json};

use super::{Anchor, Checked, first_root, legacy_note};
use crate::trust::files::Files;
use crate::trust::manifest::{Manifest, Place, Tuf};
use crate::trust::source::Origin;

/// Verifies what a `TrustRoot` holds, or names.
pub(super) async fn check(origin: Origin, manifest: Manifest, now: Timestamp) -> anyhow::Result<Checked> {
    match manifest {
        Manifest::Keys(keys) => {
            let loaded = from_sigstore_keys(&sigstore_keys_source(&keys), now);
            Ok(without_tuf(origin, "spec.sigstoreKeys", loaded, now))
        }
        Manifest::TrustedRoot(json) => {
            Ok(without_tuf(origin, "spec.trustedRoot", from_trusted_root_json(&json, now), now))
        }
        Manifest::Tuf(tuf) => of_tuf(origin, *tuf, now).await,
    }
}

fn without_tuf(origin: Origin, field: &str, loaded: Result<Loaded, SourceError>, now: Timestamp) -> Checked {
    let notes = vec![format!("{field} is not protected by TUF: nothing in it expires")];
    Checked { origin, now, anchor: None, verified: None, loaded, notes }
}

async fn of_tuf(origin: Origin, tuf: Tuf, now: Timestamp) -> anyhow::Result<Checked> {
    let Tuf { root, root_field, target, rejects_expired, place } = tuf;
    let mut notes = Vec::new();
    let (is_first, verified) = match place {
        Place::Spec(packed) => (false, in_object(&root, &packed, &target, now, "spec.repository.mirrorFS")),
        Place::Status(packed) => {
            notes.push(format!(
                "the repository is that of status.repository, verified again from {root_field}"
            ));
            (false, in_object(&root, &packed, &target, now, "status.repository"))
        }
        Place::Mirror(mirror) => {
            let url = mirror.base().to_string();
            notes.push(format!(
                "the repository is that of spec.remote.mirror, {url}: status.repository has none"
            ));
            let (limits, floor) = (Limits::default(), Floor::default());
            let request = Request {
                target: &target,
                expiry: Expiry::Keep,
                ..Request::new(&root, &floor, &limits, now)
            };
            let read = tuf::update(&request, &Files::over_http(mirror)).await;
            let failed = || format!("spec.remote: {url} cannot be verified from {root_field}");
            (true, read.map_err(|failure| failure.error).with_context(failed))
        }
    };
    let verified = verified.with_context(|| format!("{origin}"))?;
    notes.extend(legacy_note(&verified, &target));
    if !verified.expired.is_empty() {
        let expired = verified.expired.join(", ");
        if is_first {
            notes.push(format!(
                "the operator takes nothing from it: {expired} expired before the first download"
            ));
        } else if rejects_expired {
            notes.push(format!(
                "the operator takes nothing from it: spec.onExpiry is Reject, and {expired} expired"
            ));
        }
    }
    let anchor = Anchor { version: first_root(&verified.archive), given_by: Some(root_field.to_owned()) };
    let loaded = tuf::load(&verified, now);
    Ok(Checked { origin, now, anchor: Some(anchor), verified: Some(verified), loaded, notes })
}

/// Verifies what a `spec.repository` holds, as the operator does.
pub(in crate::trust) fn of_packed(
    root: &[u8],
    packed: &[u8],
    target: &str,
    now: Timestamp,
) -> anyhow::Result<Verified> {
    in_object(root, packed, target, now, "spec.repository.mirrorFS")
}

fn in_object(
    root: &[u8],
    packed: &[u8],
    target: &str,
    now: Timestamp,
    field: &'static str,
) -> anyhow::Result<Verified> {
    let (limits, floor) = (Limits::default(), Floor::default());
    let archive = Archive::unpack(packed, &limits).context(field)?;
    let request = Request { target, expiry: Expiry::Keep, ..Request::new(root, &floor, &limits, now) };
    tuf::verify(&request, &archive).map_err(|failure| failure.error).context(field)
}
