//! From what a trust root rests on to what it comes to: a pure function, and the only expensive step.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use jiff::Timestamp;
use trustwright_api::v1alpha1::TrustRootReason;
use trustwright_roots::{
    Anchor, Artifact, ArtifactError, Refusal, Remote, Root, Rule, Source, SourceKind, Spec, Text,
};
use trustwright_trust::tuf::{Floor, TufError};

use super::{
    inputs::{Inputs, StoredFloor, missing},
    verified::Verified,
};

/// The last repository of a status that was accepted.
#[derive(Debug)]
pub(super) struct Held {
    owner: Arc<str>,
    anchor: Anchor,
    /// What it was restored from.
    packed: Arc<str>,
    /// The repository, without its packed form.
    artifact: Arc<Artifact>,
    /// The versions below which nothing is accepted any more.
    floor: Floor,
}

/// What a trust root comes to.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) inputs: Inputs,
    /// The time that it was settled with.
    pub(super) at: Timestamp,
    pub(super) root: Arc<Root>,
    pub(super) held: Option<Arc<Held>>,
    /// Why the status is not accepted while what was accepted before stays in force.
    pub(super) problem: Option<Refusal>,
}

/// What this replica knows already.
#[derive(Debug)]
pub(super) struct Memory {
    /// The last repository of this trust root.
    pub(super) held: Option<Arc<Held>>,
    /// Those of all trust roots.
    pub(super) verified: Arc<Verified>,
}

/// Settles a trust root. A bug on the way puts nothing in force, and leaves what was accepted before.
pub(super) fn settle(inputs: Inputs, memory: &Memory, now: Timestamp) -> Settled {
    guarded(outcome, inputs, memory, now)
}

fn guarded(
    outcome: impl Fn(&Inputs, &Memory, Timestamp) -> Outcome,
    inputs: Inputs,
    memory: &Memory,
    now: Timestamp,
) -> Settled {
    let attempt = |inputs: &Inputs| catch_unwind(AssertUnwindSafe(|| outcome(inputs, memory, now))).ok();
    let Outcome { root, held, problem } = attempt(&inputs).unwrap_or_else(|| {
        let source = inputs.spec.as_ref().as_ref().map_or(SourceKind::Remote, Spec::kind);
        let message = format!("{source}: an internal error; please report it");
        let bug = Refusal::new(TrustRootReason::VerificationFailed, source, message);
        let before = Inputs { packed: None, ..inputs.clone() };
        let outcome = attempt(&before).filter(|outcome| outcome.root.trusted.is_ok());
        let outcome = outcome.unwrap_or_else(|| Outcome {
            held: memory.held.clone(),
            ..Outcome::plain(Root::refused(source, bug.clone()))
        });
        Outcome { problem: Some(bug), ..outcome }
    });
    Settled { inputs, at: now, root: Arc::new(root), held, problem }
}

struct Outcome {
    root: Root,
    held: Option<Arc<Held>>,
    problem: Option<Refusal>,
}

impl Outcome {
    fn plain(root: Root) -> Self {
        Self { root, held: None, problem: None }
    }
}

fn outcome(inputs: &Inputs, memory: &Memory, now: Timestamp) -> Outcome {
    let spec = match inputs.spec.as_ref() {
        Ok(spec) => spec,
        Err(refusal) => {
            let source = refusal.source_kind.unwrap_or(SourceKind::Remote);
            return Outcome::plain(Root::refused(source, refusal.clone()));
        }
    };
    match &spec.source {
        Source::Remote(remote) => of_status(inputs, remote, spec.rule, memory, now),
        Source::TrustedRoot(text) => Outcome::plain(of_text(inputs, text, now)),
        Source::Repository(_) | Source::SigstoreKeys(_) => {
            let kind = spec.kind();
            Outcome::plain(Root::of_spec(spec, now).unwrap_or_else(|| {
                let message = format!("{kind}: nothing was built");
                Root::refused(kind, Refusal::new(TrustRootReason::InvalidSpec, kind, message))
            }))
        }
    }
}

fn of_text(inputs: &Inputs, text: &Text, now: Timestamp) -> Root {
    let kind = SourceKind::TrustedRoot;
    match text {
        Text::Inline(text) => Root::of_text(text, now),
        Text::Entry(entry) => match inputs.text.as_deref().map(std::str::from_utf8) {
            Some(Ok(text)) => Root::of_text(text, now),
            Some(Err(error)) => {
                let message = format!("{kind}: {entry} is no text: {error}");
                Root::refused(kind, Refusal::new(TrustRootReason::InvalidReference, kind, message))
            }
            None => Root::refused(kind, missing(entry)),
        },
    }
}

/// What was downloaded comes from the status, if at all, and never without being verified from the anchor.
fn of_status(inputs: &Inputs, remote: &Remote, rule: Rule, memory: &Memory, now: Timestamp) -> Outcome {
    // Whatever target was read from it: what a repository has shown, it must not take back.
    let of_same_root =
        |held: &&Arc<Held>| held.owner == inputs.owner && held.anchor.root == remote.anchor.root;
    let known = memory.held.as_ref().filter(of_same_root);
    let in_force = known.filter(|held| held.anchor == remote.anchor);
    let read = match &inputs.packed {
        None => Err(Refusal::new(
            TrustRootReason::Refreshing,
            SourceKind::Remote,
            "status.repository: there is none; the leader writes it once the mirror has been read",
        )),
        Some(packed) => in_force.filter(|held| held.packed == *packed).cloned().map_or_else(
            || {
                let floor = known.map(|held| &held.floor);
                restore(inputs, remote, packed, floor, &memory.verified, now)
            },
            Ok,
        ),
    };
    match read {
        Ok(held) => {
            let root = Root::of_artifact(&held.artifact, rule, now);
            Outcome { root, held: Some(held), problem: None }
        }
        Err(problem) => {
            let root = match in_force {
                Some(held) => Root::of_artifact(&held.artifact, rule, now),
                None => Root::refused(SourceKind::Remote, problem.clone()),
            };
            Outcome { root, held: known.cloned(), problem: Some(problem) }
        }
    }
}

fn restore(
    inputs: &Inputs,
    remote: &Remote,
    packed: &Arc<str>,
    known: Option<&Floor>,
    verified: &Verified,
    now: Timestamp,
) -> Result<Arc<Held>, Refusal> {
    let refused = |reason, message: String| Refusal::new(reason, SourceKind::Remote, message);
    let floor = match (&inputs.floor, known) {
        (StoredFloor::Damaged(cause), _) => {
            let message = format!("status.repository: its floor cannot be read: {cause}");
            return Err(refused(TrustRootReason::VerificationFailed, message));
        }
        (StoredFloor::At(stored), Some(known)) => Some(stored.max(known)),
        (StoredFloor::At(stored), None) => Some(stored.clone()),
        (StoredFloor::None, known) => known.cloned(),
    };
    let artifact = verified
        .restore(packed, &remote.anchor, floor.as_ref(), now)
        .map_err(|error| refused(reason(&error), format!("status.repository: {error}")))?;
    let floor = known.map_or_else(|| artifact.floor.clone(), |known| known.max(&artifact.floor));
    let (owner, anchor) = (inputs.owner.clone(), remote.anchor.clone());
    Ok(Arc::new(Held { owner, anchor, packed: packed.clone(), artifact, floor }))
}

fn reason(error: &ArtifactError) -> TrustRootReason {
    match error {
        ArtifactError::TooLarge(_) => TrustRootReason::TooLarge,
        ArtifactError::Base64(_) | ArtifactError::Archive(_) => TrustRootReason::VerificationFailed,
        ArtifactError::Verification(failure) => {
            if matches!(failure.error, TufError::Expired { .. }) {
                TrustRootReason::Expired
            } else if matches!(failure.error, TufError::Rollback { .. } | TufError::RoleRemoved { .. }) {
                TrustRootReason::RolledBack
            } else {
                TrustRootReason::VerificationFailed
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde_json::json;
    use trustwright_testkit::tuf_repository::Repository;

    use super::*;
    use crate::trust_index::{Entries, inputs::Object};

    struct Nothing;

    impl Entries for Nothing {
        fn entry(&self, _: trustwright_roots::EntryKind, _: &str, _: &str) -> Option<Vec<u8>> {
            None
        }
    }

    fn inputs(repository: &Repository) -> Inputs {
        let root = STANDARD.encode(repository.first_root());
        let packed = STANDARD.encode(repository.publish().pack(1 << 20).unwrap());
        let object = serde_json::from_value(json!({
            "metadata": {"name": "r", "uid": "uid", "generation": 1},
            "spec": {"remote": {"mirror": "https://mirror.invalid", "root": root}},
            "status": {"repository": packed},
        }));
        Object::read(&object.unwrap(), None, None).gather(&Nothing)
    }

    #[test]
    fn a_bug_leaves_what_was_accepted_before_and_puts_nothing_in_force() {
        let now = "2026-08-22T12:00:00Z".parse().unwrap();
        let repository = Repository::new();
        let mut next = repository.clone();
        next.advance();
        let bug = |inputs: &Inputs, memory: &Memory, now: Timestamp| {
            assert!(inputs.packed.is_none(), "a bug");
            outcome(inputs, memory, now)
        };
        let nothing = Memory { held: None, verified: Arc::default() };
        let settled = guarded(bug, inputs(&next), &nothing, now);
        let internal =
            |refusal: &Refusal| refusal.message == "spec.remote: an internal error; please report it";
        assert!(settled.root.trusted.as_ref().is_err_and(internal), "{:?}", settled.root);

        let held = settle(inputs(&repository), &nothing, now).held;
        assert!(held.is_some());
        let memory = Memory { held, ..nothing };
        let settled = guarded(bug, inputs(&next), &memory, now);
        assert!(settled.problem.as_ref().is_some_and(internal));
        let versions = |root: &Root| root.metadata.iter().map(|role| role.version).collect::<Vec<_>>();
        assert_eq!((settled.root.trusted.is_ok(), versions(&settled.root)), (true, vec![1, 1, 1, 1]));
        let settled = settle(inputs(&next), &memory, now);
        assert_eq!((settled.problem.is_some(), versions(&settled.root)), (false, vec![1, 2, 2, 2]));
    }
}
