//! `spec.repository`: a TUF repository in the object, for clusters without network.
//!
//! Everything is built from the spec, whose author vouches for it: there is no older state that a floor would have
//! to protect, and expired metadata is a choice of the spec's (`onExpiry`).

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use trustwright_api::spec::Base64Data;
use trustwright_api::v1alpha1::{Repository, RoleStatus, TrustRootReason};
use trustwright_trust::tuf::{self, Archive, Expiry, Floor, Limits, Request, RoleState, Verified};

use super::Loaded;

const SOURCE: &str = "repository";

/// What becomes of expired metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnExpiry {
    Keep,
    Reject,
}

/// Verifies the repository from its root, and loads the keys of its trusted root.
pub(super) fn load(repository: &Repository, on_expiry: &str, now: Timestamp) -> Loaded {
    let refused = |(reason, message)| Loaded::refused(reason, Some(SOURCE), message);
    let on_expiry = match on_expiry {
        "" | "Keep" => OnExpiry::Keep,
        "Reject" => OnExpiry::Reject,
        other => {
            let message = format!("spec.onExpiry: unsupported value {other:?}, expected Keep or Reject");
            return refused((TrustRootReason::InvalidSpec, message));
        }
    };
    match verify(repository, now) {
        Ok(verified) => settle(&verified, on_expiry, now),
        Err(refusal) => refused(refusal),
    }
}

type Refusal = (TrustRootReason, String);

fn verify(repository: &Repository, now: Timestamp) -> Result<Verified, Refusal> {
    let limits = Limits::default();
    let root = bytes(repository.root.as_ref(), "spec.repository.root")?;
    let mirror = bytes(repository.mirror_fs.as_ref(), "spec.repository.mirrorFS")?;
    let failed = |message| (TrustRootReason::VerificationFailed, message);
    let archive = Archive::unpack(&mirror, &limits)
        .map_err(|error| failed(format!("spec.repository.mirrorFS: {}", chain(&error))))?;
    let target = match repository.trusted_root_target.as_str() {
        "" => tuf::TRUSTED_ROOT_TARGET,
        target => target,
    };
    let floor = Floor::default();
    let request = Request { target, expiry: Expiry::Keep, ..Request::new(&root, &floor, &limits, now) };
    tuf::verify(&request, &archive)
        .map_err(|failure| failed(format!("spec.repository: {}", chain(&failure.error))))
}

fn settle(verified: &Verified, on_expiry: OnExpiry, now: Timestamp) -> Loaded {
    let metadata = verified.metadata.iter().map(role).collect();
    let expired: Vec<String> = verified
        .metadata
        .iter()
        .filter(|role| role.is_expired(now))
        .map(|role| format!("{} version {} expired at {}", role.role, role.version, role.expires))
        .collect();
    let expired = (!expired.is_empty()).then(|| expired.join(", "));
    let mut loaded = match (&expired, on_expiry) {
        (Some(expired), OnExpiry::Reject) => Loaded::refused(
            TrustRootReason::Expired,
            Some(SOURCE),
            format!("{expired}; spec.onExpiry is Reject: pack the repository anew"),
        ),
        _ => Loaded::of(SOURCE, tuf::load(verified, now)),
    };
    if let (Some(expired), true) = (&expired, loaded.finding.ready) {
        loaded.finding.reason = TrustRootReason::ExpiredKept.as_str();
        loaded.finding.message =
            format!("{}; {expired}, and stays in force: pack the repository anew", loaded.finding.message);
    }
    loaded.finding.expired = expired;
    Loaded { metadata, ..loaded }
}

fn role(role: &RoleState) -> RoleStatus {
    RoleStatus {
        role: role.role.clone(),
        version: i64::try_from(role.version).unwrap_or(i64::MAX),
        expires: Time(role.expires),
    }
}

fn bytes(data: Option<&Base64Data>, path: &str) -> Result<Vec<u8>, Refusal> {
    let refused = |message: String| (TrustRootReason::InvalidSpec, message);
    let data = data.filter(|data| !data.is_empty());
    let data = data.ok_or_else(|| refused(format!("missing field(s): {path}")))?;
    data.decode(path).map_err(|error| refused(error.to_string()))
}

/// An error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut texts: Vec<String> = Vec::new();
    for text in causes.map(ToString::to_string) {
        // Some errors say their cause themselves.
        if !texts.last().is_some_and(|last| last.contains(&text)) {
            texts.push(text);
        }
    }
    texts.join(": ")
}
