//! Every state that a trust root can be in, what its conditions say of it, and what tools make of that.

use trustwright_api::v1alpha1::TrustRootReason as Reason;
use trustwright_roots::{Rule, Source, Text};
use trustwright_testkit::kstatus::Status;
use trustwright_testkit::tuf_repository::Repository;

use super::support::{
    AFTER, BEFORE, KEEP, REJECT, SOON, at, empty_material, failure, lines, read, unread, with_status,
};
use super::*;
use crate::judges::{Judged, assert_argo_cd, assert_kstatus};

struct State {
    name: String,
    observed: Observed,
    now: Timestamp,
    conditions: Vec<String>,
    kstatus: Status,
}

fn state(name: &str, observed: Observed, now: &str, conditions: &[&str], kstatus: Status) -> State {
    let mut conditions: Vec<String> = conditions.iter().map(ToString::to_string).collect();
    conditions.sort();
    State { name: name.to_owned(), observed, now: at(now), conditions, kstatus }
}

const STALENESS: SignedDuration = SignedDuration::from_hours(1);

fn stale() -> Rule {
    Rule { max_staleness: Some(STALENESS), ..KEEP }
}

/// Why a mirror's repository may not be accepted, other than by the spec.
const FAILURES: [Reason; 7] = [
    Reason::MirrorUnavailable,
    Reason::VerificationFailed,
    Reason::Expired,
    Reason::RolledBack,
    Reason::TooLarge,
    Reason::NoUsableKeys,
    Reason::InvalidReference,
];

fn of_mirrors() -> Vec<State> {
    let repository = Repository::new();
    let mut empty = repository.clone();
    empty_material(&mut empty);
    let pending = || Refresh::Pending;
    let expired = || Refresh::Failed(failure(Reason::Expired));
    let seen = |rule, refresh, now| read(&repository, rule, refresh, at(now));
    let mut states = vec![
        state(
            "the mirror has not answered yet",
            unread(Reason::Refreshing, pending()),
            BEFORE,
            &["Ready=False Refreshing", "Reconciling=True Refreshing"],
            Status::InProgress,
        ),
        state(
            "the mirror's URL is none",
            unread(Reason::InvalidSpec, Refresh::Failed(failure(Reason::InvalidSpec))),
            BEFORE,
            &["Ready=False InvalidSpec", "Stalled=True InvalidSpec", "Refreshed=False InvalidSpec"],
            Status::Failed,
        ),
        state(
            "restored from the status, the mirror not asked yet",
            seen(KEEP, pending(), BEFORE),
            BEFORE,
            &["Ready=True Loaded"],
            Status::Current,
        ),
        state(
            "up to date",
            seen(KEEP, Refresh::UpToDate, BEFORE),
            BEFORE,
            &["Ready=True Loaded", "Refreshed=True UpToDate"],
            Status::Current,
        ),
        state(
            "up to date and near its end",
            seen(KEEP, Refresh::UpToDate, SOON),
            SOON,
            &["Ready=True Loaded", "Refreshed=True UpToDate", "Expiring=True ExpiresSoon"],
            Status::Current,
        ),
        state(
            "expired and kept",
            seen(KEEP, expired(), AFTER),
            AFTER,
            &["Ready=True ExpiredKept", "Refreshed=False Expired", "Expired=True ExpiredKept"],
            Status::Current,
        ),
        state(
            "expired and kept, within the staleness",
            seen(Rule { max_staleness: Some(SignedDuration::from_hours(1_000)), ..KEEP }, expired(), AFTER),
            AFTER,
            &["Ready=True ExpiredKept", "Refreshed=False Expired", "Expired=True ExpiredKept"],
            Status::Current,
        ),
        state(
            "expired and rejected",
            seen(REJECT, expired(), AFTER),
            AFTER,
            &[
                "Ready=False Expired",
                "Reconciling=True Expired",
                "Refreshed=False Expired",
                "Expired=True Expired",
            ],
            Status::InProgress,
        ),
        state(
            "expired longer ago than is kept",
            seen(stale(), expired(), AFTER),
            AFTER,
            &["Ready=False Stale", "Reconciling=True Stale", "Refreshed=False Expired", "Expired=True Stale"],
            Status::InProgress,
        ),
        state(
            "what is in force has no key that this version can use",
            read(&empty, KEEP, Refresh::UpToDate, at(BEFORE)),
            BEFORE,
            &["Ready=False NoUsableKeys", "Reconciling=True NoUsableKeys", "Refreshed=True UpToDate"],
            Status::InProgress,
        ),
    ];
    for reason in FAILURES {
        let refresh = || Refresh::Failed(failure(reason));
        let [not_ready, reconciling, refreshed] =
            ["Ready=False", "Reconciling=True", "Refreshed=False"].map(|start| format!("{start} {reason}"));
        states.push(state(
            &format!("the first download failed: {reason}"),
            unread(reason, refresh()),
            BEFORE,
            &[&not_ready, &reconciling, &refreshed],
            Status::InProgress,
        ));
        states.push(state(
            &format!("refreshing fails with last good keys in force: {reason}"),
            seen(KEEP, refresh(), BEFORE),
            BEFORE,
            &["Ready=True Loaded", &refreshed],
            Status::Current,
        ));
    }
    states
}

fn of_spec(spec: &Value, now: &str) -> Observed {
    observed(&root(spec, &json!({})), at(now))
}

fn packed(repository: &Repository, change: impl FnOnce(&mut Value)) -> Value {
    let packed = repository.publish().pack(512 << 10).unwrap();
    let mut spec = json!({"repository": {
        "root": Base64Data::encode(repository.first_root()), "mirrorFS": Base64Data::encode(&packed),
    }});
    change(&mut spec);
    spec
}

fn of_repositories() -> Vec<State> {
    let (repository, other) = (Repository::new(), Repository::new());
    let mut empty = repository.clone();
    empty_material(&mut empty);
    let good = packed(&repository, |_| ());
    let foreign = packed(&repository, |spec| {
        spec["repository"]["root"] = json!(Base64Data::encode(other.first_root()));
    });
    let damaged = packed(&repository, |spec| spec["repository"]["mirrorFS"] = json!("e30="));
    let refused = ["Ready=False VerificationFailed", "Stalled=True VerificationFailed"];
    vec![
        state("packed", of_spec(&good, BEFORE), BEFORE, &["Ready=True Loaded"], Status::Current),
        state(
            "packed and near its end",
            of_spec(&good, SOON),
            SOON,
            &["Ready=True Loaded", "Expiring=True ExpiresSoon"],
            Status::Current,
        ),
        state(
            "packed, expired and kept",
            of_spec(&good, AFTER),
            AFTER,
            &["Ready=True ExpiredKept", "Expired=True ExpiredKept"],
            Status::Current,
        ),
        state(
            "packed, expired and rejected",
            of_spec(&packed(&repository, |spec| spec["onExpiry"] = json!("Reject")), AFTER),
            AFTER,
            &["Ready=False Expired", "Stalled=True Expired", "Expired=True Expired"],
            Status::Failed,
        ),
        state(
            "packed and expired longer ago than is kept",
            of_spec(&packed(&repository, |spec| spec["maxStaleness"] = json!("1h")), AFTER),
            AFTER,
            &["Ready=False Stale", "Stalled=True Stale", "Expired=True Stale"],
            Status::Failed,
        ),
        state("packed and damaged", of_spec(&damaged, BEFORE), BEFORE, &refused, Status::Failed),
        state("packed below another root", of_spec(&foreign, BEFORE), BEFORE, &refused, Status::Failed),
        state(
            "packed without a key that can be used",
            of_spec(&packed(&empty, |_| ()), BEFORE),
            BEFORE,
            &["Ready=False NoUsableKeys", "Stalled=True NoUsableKeys"],
            Status::Failed,
        ),
    ]
}

/// What `TrustRoots::of_text` makes of a text, and of a reference to nothing.
fn of_text(text: &str) -> Observed {
    let spec = trustwright_roots::read(Some(&json!({"trustedRoot": {"data": text}}))).unwrap();
    let Source::TrustedRoot(Text::Inline(text)) = &spec.source else { panic!("{spec:?}") };
    Observed::of(Ok(Root::of_text(text, at(BEFORE))))
}

fn without_tuf() -> Vec<State> {
    let pem = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap().public_key_pem();
    let missing = Refusal::new(Reason::InvalidReference, SourceKind::TrustedRoot, "it does not exist");
    let missing = Observed::of(Ok(Root::refused(SourceKind::TrustedRoot, missing)));
    let trusted_root = Repository::new().files["trusted_root.json"].clone();
    let unprotected = "Unprotected=True NotProtectedByTuf";
    let (good, useless) =
        (["Ready=True Loaded", unprotected], ["Ready=False NoUsableKeys", "Stalled=True NoUsableKeys"]);
    let useless = [useless[0], useless[1], unprotected];
    let listed = |name: &str, logs: &[Value], conditions: &[&str], kstatus| {
        state(name, of_spec(&keys(logs), BEFORE), BEFORE, conditions, kstatus)
    };
    let text = |name: &str, text: &str, conditions: &[&str], kstatus| {
        state(name, of_text(text), BEFORE, conditions, kstatus)
    };
    vec![
        listed("keys", &[log(&pem)], &good, Status::Current),
        listed("keys, one unusable", &[log(&pem), log("garbage")], &good, Status::Current),
        listed("keys, none usable", &[log("garbage")], &useless, Status::Failed),
        text("trusted root", std::str::from_utf8(&trusted_root).unwrap(), &good, Status::Current),
        text("trusted root without keys", "{}", &useless, Status::Failed),
        text("trusted root that is none", "<html>", &useless, Status::Failed),
        state(
            "trusted root in an object that is missing",
            missing,
            BEFORE,
            &["Ready=False InvalidReference", "Reconciling=True InvalidReference", unprotected],
            Status::InProgress,
        ),
    ]
}

fn of_specs() -> Vec<State> {
    let invalid = ["Ready=False InvalidSpec", "Stalled=True InvalidSpec"];
    [json!({}), json!(null), json!({"sigstoreKeys": 3}), json!({"remote": {"mirror": "https://m"}})]
        .iter()
        .map(|spec| state(&format!("spec {spec}"), of_spec(spec, BEFORE), BEFORE, &invalid, Status::Failed))
        .collect()
}

fn states() -> Vec<State> {
    [of_mirrors(), of_repositories(), without_tuf(), of_specs()].into_iter().flatten().collect()
}

fn object() -> DynamicObject {
    let mut object = root(&json!({}), &json!({}));
    object.metadata.generation = Some(7);
    object
}

fn decided(state: &State, object: &DynamicObject, now: Timestamp) -> Decision {
    decide(object, &state.observed, WARNING, now)
}

fn first(state: &State) -> Value {
    decided(state, &object(), state.now).status.unwrap_or_else(|| panic!("{}: nothing to write", state.name))
}

#[test]
fn every_state_has_its_conditions() {
    for state in states() {
        assert_eq!(lines(&first(&state)), state.conditions, "{}", state.name);
    }
}

/// Each state's object, for other tools to read.
fn judged() -> Vec<Judged> {
    let of = |state: &State| {
        let object = with_status(&object(), first(state));
        Judged { name: state.name.clone(), object, kstatus: state.kstatus }
    };
    states().iter().map(of).collect()
}

#[test]
fn kstatus_reads_every_state_as_it_is_meant() {
    assert_kstatus(&judged());
}

#[test]
fn argo_cd_reads_every_state_as_kstatus_does() {
    assert_argo_cd(&judged());
}

#[test]
fn conditions_keep_the_rules_of_kubernetes_in_every_state() {
    for state in states() {
        let (name, status) = (&state.name, first(&state));
        assert_eq!(status["observedGeneration"], 7, "{name}");
        let conditions = status["conditions"].as_array().unwrap();
        let has = |type_: &str| conditions.iter().any(|condition| condition["type"] == type_);
        assert_eq!(conditions[0]["type"], "Ready", "{name}");
        assert!(!(has("Reconciling") && has("Stalled")), "{name}");
        let is_ready = conditions[0]["status"] == "True";
        assert_eq!(has("Reconciling") || has("Stalled"), !is_ready, "{name}");
        assert_eq!(status["fingerprint"].is_string(), is_ready, "{name}");
        assert_eq!(status["lastChangeTime"].is_string(), is_ready, "{name}");
        for condition in conditions {
            let type_ = condition["type"].as_str().unwrap();
            assert_eq!(condition["observedGeneration"], 7, "{name} {type_}");
            assert_eq!(condition["lastTransitionTime"], state.now.to_string(), "{name} {type_}");
            assert!(!condition["message"].as_str().unwrap().is_empty(), "{name} {type_}");
            let reason = condition["reason"].as_str().unwrap();
            assert!(Reason::ALL.iter().any(|known| known.as_str() == reason), "{name} {type_} {reason}");
            // What says something bad by being there is not there otherwise.
            if !matches!(type_, "Ready" | "Refreshed") {
                assert_eq!(condition["status"], "True", "{name} {type_}");
            }
        }
    }
}

#[test]
fn the_status_that_the_api_server_fills_in_is_none() {
    for state in states() {
        let unseen = with_status(&object(), json!({"observedGeneration": -1}));
        let decision = decided(&state, &unseen, state.now);
        assert_eq!(decision, decided(&state, &object(), state.now), "{}", state.name);
        assert!(decision.status.is_some(), "{}", state.name);
    }
}

#[test]
fn a_state_that_stays_is_neither_written_nor_told_again() {
    for state in states() {
        let written = with_status(&object(), first(&state));
        for minutes in [0, 1, 10] {
            let now = state.now + SignedDuration::from_mins(minutes);
            let again = decided(&state, &written, now);
            assert_eq!((again.status, again.events), (None, Vec::new()), "{} +{minutes} min", state.name);
        }
    }
}

#[test]
fn time_alone_changes_a_state_no_earlier_than_was_said() {
    let repository = Repository::new();
    for rule in [KEEP, REJECT, stale()] {
        let mut now = at(BEFORE);
        let mut object = object();
        let mut phases = Vec::new();
        loop {
            let observed = |now| read(&repository, rule, Refresh::UpToDate, now);
            let decision = decide(&object, &observed(now), WARNING, now);
            let status = decision.status.expect("another phase is another status");
            phases.push(format!("{now} {}", lines(&status).join(", ")));
            object = with_status(&object, status);
            let Some(again) = decision.again else { break };
            let short_of = again - SignedDuration::from_secs(1);
            assert_eq!(decide(&object, &observed(short_of), WARNING, short_of).status, None);
            now = again;
        }
        // The roles of people are warned about at 30 days, those of machines at 5, which the message says.
        let last = match (rule.on_expiry, rule.max_staleness) {
            (trustwright_roots::OnExpiry::Reject, _) => "2026-09-30T00:00:00Z Expired=True Expired",
            (_, Some(_)) => "2026-09-30T01:00:00Z Expired=True Stale",
            (_, None) => "2026-09-30T00:00:00Z Expired=True ExpiredKept",
        };
        assert!(phases.last().unwrap().starts_with(last), "{phases:#?}");
        assert!(phases[1].starts_with("2026-08-31T00:00:00Z Expiring=True ExpiresSoon"), "{phases:#?}");
        assert!(phases[2].starts_with("2026-09-25T00:00:00Z Expiring=True ExpiresSoon"), "{phases:#?}");
    }
}
