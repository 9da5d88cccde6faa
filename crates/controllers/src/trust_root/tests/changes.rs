//! From one state to the next: what is told, what counts as a change, and what is kept.

use trustwright_api::v1alpha1::TrustRootReason as Reason;
use trustwright_testkit::tuf_repository::Repository;

use super::support::{
    AFTER, BEFORE, KEEP, REJECT, SOON, at, change_material, failure, read, unread, with_status,
};
use super::*;

/// An object on its way through states.
struct Story {
    object: DynamicObject,
    repository: Repository,
}

impl Story {
    fn new() -> Self {
        Self { object: root(&json!({}), &json!({})), repository: Repository::new() }
    }

    /// Decides, applies, and returns what is told: `!` before a warning.
    fn next(&mut self, observed: &Observed, now: &str) -> Vec<String> {
        let decision = decide(&self.object, observed, WARNING, at(now));
        if let Some(status) = decision.status {
            self.object = with_status(&self.object, status);
        } else {
            assert_eq!(decision.events, [], "nothing is told that is not written");
        }
        let told = decision.events.into_iter();
        told.map(|event| format!("{}{}", if event.warning { "!" } else { "" }, event.reason)).collect()
    }

    fn read(&mut self, refresh: Refresh, now: &str) -> Vec<String> {
        let observed = read(&self.repository, KEEP, refresh, at(now));
        self.next(&observed, now)
    }

    fn status(&self, field: &str) -> &Value {
        self.object.data["status"].get(field).unwrap_or(&Value::Null)
    }
}

fn failed(reason: Reason) -> Refresh {
    Refresh::Failed(failure(reason))
}

#[test]
fn a_first_download_that_succeeds_is_told_as_the_keys_that_are_loaded() {
    let mut story = Story::new();
    let pending = unread(Reason::Refreshing, Refresh::Pending);
    assert_eq!(story.next(&pending, BEFORE), [""; 0]);
    assert_eq!(story.read(Refresh::UpToDate, BEFORE), ["Loaded"]);
    assert_eq!(story.read(Refresh::UpToDate, BEFORE), [""; 0]);
    // Another anchor or target starts from nothing, which takes the keys out of force.
    assert_eq!(story.next(&pending, BEFORE), ["!Refreshing"]);
}

#[test]
fn a_first_download_that_fails_is_told_once_per_cause() {
    let mut story = Story::new();
    story.next(&unread(Reason::Refreshing, Refresh::Pending), BEFORE);
    let unavailable = unread(Reason::MirrorUnavailable, failed(Reason::MirrorUnavailable));
    assert_eq!(story.next(&unavailable, BEFORE), ["!MirrorUnavailable"]);
    assert_eq!(story.next(&unavailable, SOON), [""; 0]);
    let rolled_back = unread(Reason::RolledBack, failed(Reason::RolledBack));
    assert_eq!(story.next(&rolled_back, BEFORE), ["!RolledBack"]);
    assert_eq!(story.read(Refresh::UpToDate, BEFORE), ["Loaded", "UpToDate"]);
}

#[test]
fn refreshes_that_fail_and_succeed_again_are_told_once_each() {
    let mut story = Story::new();
    story.read(Refresh::UpToDate, BEFORE);
    assert_eq!(story.read(failed(Reason::MirrorUnavailable), BEFORE), ["!MirrorUnavailable"]);
    // The same in other words is written, and not told again.
    let other =
        RefreshFailure { message: "another server fails".to_owned(), ..failure(Reason::MirrorUnavailable) };
    let before = story.object.clone();
    assert_eq!(story.read(Refresh::Failed(other), BEFORE), [""; 0]);
    assert_ne!(story.object, before);
    assert_eq!(story.read(failed(Reason::VerificationFailed), BEFORE), ["!VerificationFailed"]);
    assert_eq!(story.read(Refresh::UpToDate, BEFORE), ["UpToDate"]);
    // A new leader that has not asked yet has nothing to tell either.
    assert_eq!(story.read(Refresh::Pending, BEFORE), [""; 0]);
    assert_eq!(story.read(Refresh::UpToDate, BEFORE), [""; 0]);
}

#[test]
fn other_keys_are_told_and_other_versions_are_not() {
    let mut story = Story::new();
    story.read(Refresh::UpToDate, BEFORE);
    story.repository.advance();
    let metadata = story.status("metadata").clone();
    assert_eq!(story.read(Refresh::UpToDate, BEFORE), [""; 0]);
    assert_ne!(*story.status("metadata"), metadata);
    change_material(&mut story.repository);
    assert_eq!(story.read(Refresh::UpToDate, BEFORE), ["MaterialChanged"]);
}

#[test]
fn the_way_to_the_end_is_told_step_by_step() {
    let mut story = Story::new();
    story.read(Refresh::UpToDate, BEFORE);
    assert_eq!(story.read(Refresh::UpToDate, SOON), ["!ExpiresSoon"]);
    // More roles are near their end: the same news.
    assert_eq!(story.read(Refresh::UpToDate, "2026-09-27T00:00:00Z"), [""; 0]);
    assert_eq!(story.read(failed(Reason::Expired), AFTER), ["!ExpiredKept", "!Expired"]);
    story.repository = story.repository.clone().until("2027-09-30T00:00:00Z");
    assert_eq!(story.read(Refresh::UpToDate, BEFORE), ["Loaded", "UpToDate"]);
}

#[test]
fn keys_that_go_out_of_force_are_told_with_one_warning() {
    let mut story = Story::new();
    story.read(Refresh::UpToDate, BEFORE);
    let rejected = read(&story.repository, REJECT, failed(Reason::Expired), at(AFTER));
    assert_eq!(story.next(&rejected, AFTER), ["!Expired"]);

    let mut story = Story::new();
    story.read(Refresh::UpToDate, BEFORE);
    let invalid = observed(&root(&json!({}), &json!({})), at(BEFORE));
    assert_eq!(story.next(&invalid, BEFORE), ["!InvalidSpec"]);
}

#[test]
fn keys_without_tuf_are_told_with_a_warning() {
    let pem = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap().public_key_pem();
    let known = observed(&root(&keys(&[log(&pem)]), &json!({})), at(BEFORE));
    let mut story = Story::new();
    assert_eq!(story.next(&known, BEFORE), ["Loaded", "!NotProtectedByTuf"]);
    assert_eq!(story.next(&known, SOON), [""; 0]);
}

#[test]
fn last_change_time_is_that_of_the_keys() {
    let mut story = Story::new();
    story.next(&unread(Reason::Refreshing, Refresh::Pending), "2026-08-22T12:00:00Z");
    assert_eq!(*story.status("lastChangeTime"), Value::Null, "nothing was trusted yet");
    story.read(Refresh::UpToDate, "2026-08-22T12:01:00Z");
    assert_eq!(*story.status("lastChangeTime"), "2026-08-22T12:01:00Z");
    story.repository.advance();
    story.read(Refresh::UpToDate, "2026-08-22T12:02:00Z");
    story.read(failed(Reason::MirrorUnavailable), "2026-08-22T12:03:00Z");
    assert_eq!(*story.status("lastChangeTime"), "2026-08-22T12:01:00Z", "the same keys");
    change_material(&mut story.repository);
    story.read(Refresh::UpToDate, "2026-08-22T12:04:00Z");
    assert_eq!(*story.status("lastChangeTime"), "2026-08-22T12:04:00Z", "other keys");
    let rejected = |now: &str| read(&Repository::new(), REJECT, Refresh::UpToDate, at(now));
    story.next(&rejected("2026-10-01T00:00:00Z"), "2026-10-01T00:00:00Z");
    assert_eq!(*story.status("lastChangeTime"), "2026-10-01T00:00:00Z", "no keys");
    story.next(&rejected("2026-10-02T00:00:00Z"), "2026-10-02T00:00:00Z");
    assert_eq!(*story.status("lastChangeTime"), "2026-10-01T00:00:00Z", "still none");
}

#[test]
fn a_condition_keeps_its_time_while_its_status_does() {
    let mut story = Story::new();
    story.read(Refresh::UpToDate, "2026-08-22T12:00:00Z");
    story.read(failed(Reason::MirrorUnavailable), "2026-08-22T12:01:00Z");
    story.read(failed(Reason::VerificationFailed), "2026-08-22T12:02:00Z");
    let conditions = story.status("conditions");
    let time = |at: usize| conditions[at]["lastTransitionTime"].clone();
    assert_eq!([time(0), time(1)], ["2026-08-22T12:00:00Z", "2026-08-22T12:01:00Z"]);
}

#[test]
fn a_repository_stays_in_the_status_until_there_is_a_better_one_or_another_source() {
    let mut story = Story::new();
    story.read(Refresh::UpToDate, BEFORE);
    let first = story.status("repository").clone();
    assert!(first.as_str().is_some_and(|text| text.len() > 1_000));
    // One that we cannot put in force is all that is left while the mirror is dead or the spec is broken.
    story.next(&unread(Reason::MirrorUnavailable, failed(Reason::MirrorUnavailable)), BEFORE);
    assert_eq!(*story.status("repository"), first);
    assert_eq!(*story.status("fingerprint"), Value::Null);
    for spec in [json!({}), json!({"remote": {"mirror": "https://m"}})] {
        let invalid = observed(&root(&spec, &json!({})), at(BEFORE));
        story.next(&invalid, BEFORE);
        assert_eq!(*story.status("repository"), first, "{spec}");
    }
    story.repository.advance();
    story.read(Refresh::UpToDate, BEFORE);
    assert_ne!(*story.status("repository"), first);
    // The keys of another source never stand beside the repository of this one.
    let pem = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap().public_key_pem();
    story.next(&observed(&root(&keys(&[log(&pem)]), &json!({})), at(BEFORE)), BEFORE);
    assert_eq!(*story.status("repository"), Value::Null);
    assert_eq!(*story.status("source"), "sigstoreKeys");
}

#[test]
fn what_another_writer_changes_or_wipes_is_written_again() {
    let mut story = Story::new();
    story.read(Refresh::UpToDate, BEFORE);
    let ours = story.object.data["status"].clone();
    let observed = read(&story.repository, KEEP, Refresh::UpToDate, at(BEFORE));
    let again = |status: Value| {
        let object = with_status(&story.object, status);
        decide(&object, &observed, WARNING, at(BEFORE)).status
    };
    for field in
        ["fingerprint", "repository", "metadata", "conditions", "keys", "source", "observedGeneration"]
    {
        let mut forged = ours.clone();
        forged[field] = match field {
            "fingerprint" => json!("sha256:00"),
            "repository" => json!("Zm9yZ2Vk"),
            "source" => json!("sigstoreKeys"),
            "observedGeneration" => json!(9),
            _ => json!([]),
        };
        let written = again(forged).unwrap_or_else(|| panic!("{field} is left as it is"));
        assert_eq!(written[field], ours[field], "{field}");
        let mut wiped = ours.clone();
        wiped.as_object_mut().unwrap().remove(field);
        assert_eq!(again(wiped).unwrap()[field], ours[field], "{field}");
    }
    assert_eq!(again(json!({})).unwrap(), ours);
    // A status that no version of ours could have written is no reason to write nothing.
    assert_eq!(again(json!({"conditions": 3})).unwrap(), ours);
    let mut annotated = ours.clone();
    annotated["annotations"] = json!({"another.example/writer": "was here"});
    assert_eq!(again(annotated), None, "what is another's is left to it");
}

#[test]
fn what_refreshing_extends_by_itself_does_not_count_as_the_end() {
    let mut repository = Repository::new();
    repository.timestamp.expires = "2026-08-25T00:00:00Z";
    repository.snapshot.expires = "2026-08-26T00:00:00Z";
    let status = |observed: &Observed| {
        decide(&root(&json!({}), &json!({})), observed, WARNING, at(BEFORE)).status.unwrap()
    };
    let remote = status(&read(&repository, KEEP, Refresh::UpToDate, at(BEFORE)));
    assert_eq!(remote["expires"], "2026-09-30T00:00:00Z");
    let spec = json!({"repository": {
        "root": Base64Data::encode(repository.first_root()),
        "mirrorFS": Base64Data::encode(repository.publish().pack(512 << 10).unwrap()),
    }});
    let packed = status(&observed(&root(&spec, &json!({})), at(BEFORE)));
    assert_eq!(packed["expires"], "2026-08-25T00:00:00Z");
}
