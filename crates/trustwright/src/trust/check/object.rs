//! Verification of a `TrustRoot`: the result of the operator.

use anyhow::Context as _;
use jiff::Timestamp;
use trustwright_roots::{self as roots, OnExpiry, Rule, Source};
use trustwright_trust::tuf::{self, Archive, Expiry, Floor, Limits, Request, Verified};
use trustwright_trust::{Loaded, SourceError, from_sigstore_keys, from_trusted_root_json};

use super::{Anchor, Checked, first_root, legacy_note};
use crate::trust::files::Files;
use crate::trust::manifest::{Manifest, inline, mirror};
use crate::trust::source::Origin;

/// Where a `TrustRoot` has its repository.
enum Place {
    /// In an object, as tar.gz, in this field.
    Object(Vec<u8>, &'static str),
    /// At `spec.remote.mirror`.
    Mirror(Box<Files>, String),
}

/// Verifies what a `TrustRoot` holds, or names.
pub(super) async fn check(origin: Origin, manifest: Manifest, now: Timestamp) -> anyhow::Result<Checked> {
    let Manifest { spec, kept } = manifest;
    let mut notes = Vec::new();
    let (anchor, root_field, place) = match spec.source {
        Source::SigstoreKeys(keys) => {
            let loaded = from_sigstore_keys(&keys, now);
            return Ok(without_tuf(origin, "spec.sigstoreKeys", loaded, now));
        }
        Source::TrustedRoot(text) => {
            let json = inline(&text, "spec.trustedRoot")?;
            let loaded = from_trusted_root_json(json.as_bytes(), now);
            return Ok(without_tuf(origin, "spec.trustedRoot", loaded, now));
        }
        Source::Repository(repository) => {
            let place = Place::Object(repository.packed, "spec.repository.mirrorFS");
            (repository.anchor, "spec.repository.root", place)
        }
        Source::Remote(remote) => {
            let root_field = "spec.remote.root";
            // What was verified before is what is in force, so that is what is read where it is there.
            let place = if let Some(kept) = kept {
                notes.push(format!(
                    "the repository is that of status.repository, verified again from {root_field}"
                ));
                Place::Object(kept.decode("status.repository")?, "status.repository")
            } else {
                let mirror = mirror(&remote)?;
                let url = mirror.base().to_string();
                notes.push(format!(
                    "the repository is that of spec.remote.mirror, {url}: status.repository has none"
                ));
                Place::Mirror(Box::new(Files::over_http(mirror)), url)
            };
            (remote.anchor, root_field, place)
        }
    };
    of_tuf(origin, Tuf { anchor, root_field, place, rule: spec.rule, notes }, now).await
}

fn without_tuf(origin: Origin, field: &str, loaded: Result<Loaded, SourceError>, now: Timestamp) -> Checked {
    let notes = vec![format!("{field} is not protected by TUF: nothing in it expires")];
    Checked { origin, now, anchor: None, verified: None, loaded, notes }
}

/// A TUF repository and the root that it is verified from.
struct Tuf {
    anchor: roots::Anchor,
    /// The field that the root stands in.
    root_field: &'static str,
    place: Place,
    rule: Rule,
    notes: Vec<String>,
}

async fn of_tuf(origin: Origin, tuf: Tuf, now: Timestamp) -> anyhow::Result<Checked> {
    let Tuf { anchor: roots::Anchor { root, target }, root_field, place, rule, mut notes } = tuf;
    let (is_first, verified) = match place {
        Place::Object(packed, field) => (false, in_object(&root, &packed, &target, now, field)),
        Place::Mirror(files, url) => {
            let (limits, floor) = (Limits::default(), Floor::default());
            let request = Request {
                target: &target,
                expiry: Expiry::Keep,
                ..Request::new(&root, &floor, &limits, now)
            };
            let read = tuf::update(&request, &*files).await;
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
        } else if rule.on_expiry == OnExpiry::Reject {
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
