//! Objects and repositories that the tests are about.

use trustwright_roots::{Anchor, Artifact, OnExpiry, Rule};
use trustwright_testkit::tuf_repository::Repository;
use trustwright_trust::tuf::{self, Floor, Limits, Request};

use super::*;

/// Long before any role of a new repository ends.
pub(super) const BEFORE: &str = "2026-08-22T12:00:00Z";
/// Within the thirty days before all of them do.
pub(super) const SOON: &str = "2026-09-10T00:00:00Z";
/// After all of them have.
pub(super) const AFTER: &str = "2026-10-01T00:00:00Z";

pub(super) const KEEP: Rule = Rule { on_expiry: OnExpiry::Keep, max_staleness: None };
pub(super) const REJECT: Rule = Rule { on_expiry: OnExpiry::Reject, max_staleness: None };

pub(super) fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

pub(super) fn anchor(repository: &Repository) -> Anchor {
    Anchor { root: repository.first_root().to_vec(), target: tuf::TRUSTED_ROOT_TARGET.to_owned() }
}

/// What a first download of `repository` brings.
pub(super) fn artifact(repository: &Repository) -> Artifact {
    let (floor, limits) = (Floor::default(), Limits::default());
    let request = Request::new(repository.first_root(), &floor, &limits, at(BEFORE));
    Artifact::of(tuf::verify(&request, &repository.publish()).unwrap()).unwrap()
}

/// Puts other keys into the trusted root: fewer logs than there were.
pub(super) fn change_material(repository: &mut Repository) {
    let file = repository.files.get_mut("trusted_root.json").unwrap();
    let mut document: Value = serde_json::from_slice(file).unwrap();
    assert!(document["tlogs"].as_array_mut().unwrap().pop().is_some());
    *file = document.to_string().into_bytes();
    repository.advance();
}

/// Leaves nothing in the trusted root that could be used.
pub(super) fn empty_material(repository: &mut Repository) {
    let media_type = "application/vnd.dev.sigstore.trustedroot+json;version=0.1";
    let document = json!({ "mediaType": media_type });
    repository.files.insert("trusted_root.json".to_owned(), document.to_string().into_bytes());
    repository.advance();
}

pub(super) fn failure(reason: TrustRootReason) -> RefreshFailure {
    RefreshFailure { reason, message: format!("the cause of {reason}") }
}

/// A root with a mirror that was read.
pub(super) fn read(repository: &Repository, rule: Rule, refresh: Refresh, now: Timestamp) -> Observed {
    let artifact = artifact(repository);
    Observed {
        refresh: Some(refresh),
        packed: Some(artifact.packed.as_str().into()),
        ..Observed::of(Ok(Root::of_artifact(&artifact, rule, now)))
    }
}

/// A root with a mirror that nothing was had of, because of `reason`.
pub(super) fn unread(reason: TrustRootReason, refresh: Refresh) -> Observed {
    let refusal = Refusal::new(reason, SourceKind::Remote, format!("the cause of {reason}"));
    Observed { refresh: Some(refresh), ..Observed::of(Ok(Root::refused(SourceKind::Remote, refusal))) }
}

/// `type=status reason`, in the order of types.
pub(super) fn lines(status: &Value) -> Vec<String> {
    let conditions = status["conditions"].as_array().unwrap();
    let text = |condition: &Value, key: &str| condition[key].as_str().unwrap_or_default().to_owned();
    let line = |condition: &Value| {
        let [type_, status, reason] = ["type", "status", "reason"].map(|key| text(condition, key));
        format!("{type_}={status} {reason}")
    };
    let mut lines: Vec<String> = conditions.iter().map(line).collect();
    lines.sort();
    lines
}

/// The object as the API server has it once the status is applied.
pub(super) fn with_status(object: &DynamicObject, status: Value) -> DynamicObject {
    let mut object = object.clone();
    object.data["status"] = status;
    object
}
