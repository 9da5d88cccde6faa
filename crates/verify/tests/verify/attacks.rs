//! What whoever may push to a registry can do to a good bundle.

use serde_json::{Value, json};
use sigstore_verify::trust_root::{SIGSTORE_PRODUCTION_TRUSTED_ROOT, SIGSTORE_STAGING_TRUSTED_ROOT};
use trustwright_core::Digest;
use trustwright_trust::{TrustMaterial, from_trusted_root_json};
use trustwright_verify::{
    Artifact, EntryProblem, Evidence, Facts, LogProof, Origin, Refusal, TimestampProblem, UnsupportedEntry,
    Verifier,
};

use crate::suite::{Case, Given, NOW, request};

/// A keyless bundle of version 0.3 whose entry has both proof and promise.
const KEYLESS: &str = "happy-path-v0.3-new-mediaType";
const ATTESTATION: &str = "happy-path-intoto-in-dsse-v3";
const V0_1: &str = "application/vnd.dev.sigstore.bundle+json;version=0.1";
/// The file that every case of the suite signs.
const FILE: &str = "a0cfc71271d6e278e57cd332ff957c3f7043fdda354c4cbb190a30d56efa01bf";

fn with(case: &Case, origin: Origin, change: impl FnOnce(&mut Value)) -> Result<Facts, Refusal> {
    let mut bundle: Value = serde_json::from_slice(&case.bundle()).unwrap();
    change(&mut bundle);
    case.verify_bundle(bundle.to_string().into_bytes(), origin, Given::Digest)
}

fn entries(bundle: &mut Value) -> &mut Vec<Value> {
    bundle["verificationMaterial"]["tlogEntries"].as_array_mut().unwrap()
}

fn remove(value: &mut Value, field: &str) {
    assert!(value.as_object_mut().unwrap().remove(field).is_some(), "{field}");
}

fn production() -> TrustMaterial {
    from_trusted_root_json(SIGSTORE_PRODUCTION_TRUSTED_ROOT.as_bytes(), NOW.parse().unwrap())
        .unwrap()
        .material
}

fn staging() -> TrustMaterial {
    from_trusted_root_json(SIGSTORE_STAGING_TRUSTED_ROOT.as_bytes(), NOW.parse().unwrap()).unwrap().material
}

#[test]
#[cfg_attr(not(shared_data), ignore = "the recorded public data is not there")]
fn an_entry_that_nothing_proves_is_refused_beside_one_that_is_proven() {
    let case = Case::named(KEYLESS);
    let add = |keep_promise: bool| {
        move |bundle: &mut Value| {
            let mut extra = entries(bundle)[0].clone();
            remove(&mut extra, "inclusionProof");
            if !keep_promise {
                remove(&mut extra, "inclusionPromise");
            }
            entries(bundle).push(extra);
        }
    };
    let unproven = Refusal::UnprovenEntry { position: 2 };
    for origin in [Origin::Registry, Origin::File] {
        assert_eq!(with(&case, origin, |_| {}).unwrap().log_entries.len(), 1);
        assert_eq!(with(&case, origin, add(false)).unwrap_err(), unproven);
    }
    assert_eq!(with(&case, Origin::Registry, add(true)).unwrap_err(), unproven);
    // By hand a promise is enough, and it is told apart.
    let facts = with(&case, Origin::File, add(true)).unwrap();
    let proofs: Vec<_> = facts.log_entries.iter().map(|entry| entry.proof).collect();
    assert_eq!(proofs, [LogProof::Inclusion, LogProof::Promise]);
}

#[test]
#[cfg_attr(not(shared_data), ignore = "the recorded public data is not there")]
fn a_bundle_that_claims_version_0_1_still_needs_its_proof_in_a_registry() {
    let downgrade = |bundle: &mut Value| bundle["mediaType"] = json!(V0_1);
    let drop_proof = |bundle: &mut Value| remove(&mut entries(bundle)[0], "inclusionProof");
    let unproven = Refusal::UnprovenEntry { position: 1 };
    for name in [KEYLESS, ATTESTATION, "happy-path-v0.1", "managed-key-and-trusted-root"] {
        let case = Case::named(name);
        // The version alone changes nothing.
        assert!(with(&case, Origin::Registry, downgrade).is_ok(), "{name}");
        let both = |bundle: &mut Value| {
            downgrade(bundle);
            drop_proof(bundle);
        };
        assert_eq!(with(&case, Origin::Registry, both).unwrap_err(), unproven, "{name}");
        let facts = with(&case, Origin::File, both).unwrap();
        assert_eq!(facts.log_entries[0].proof, LogProof::Promise, "{name}");
        // Without a promise nothing is left, wherever it comes from.
        let nothing = |bundle: &mut Value| {
            both(bundle);
            remove(&mut entries(bundle)[0], "inclusionPromise");
        };
        assert_eq!(with(&case, Origin::File, nothing).unwrap_err(), unproven, "{name}");
        let none = |bundle: &mut Value| entries(bundle).clear();
        assert_eq!(with(&case, Origin::Registry, none).unwrap_err(), Refusal::NoLogEntry, "{name}");
    }
}

#[test]
#[cfg_attr(not(shared_data), ignore = "the recorded public data is not there")]
fn a_bundle_speaks_of_its_own_artifact_only() {
    let of_another = Artifact::Digest(Digest::from_bytes([7; 32]));
    for (name, refusal) in [
        (ATTESTATION, Refusal::Subject { actual: Vec::new(), expected: of_another.digest() }),
        // Said once everything else holds, so that it may be quoted.
        (
            "rekor2-dsse-happy-path",
            Refusal::Subject { actual: vec![FILE.into()], expected: of_another.digest() },
        ),
        (KEYLESS, Refusal::MessageDigest),
        ("managed-key-happy-path", Refusal::MessageDigest),
    ] {
        let case = Case::named(name);
        let signature = Evidence::Bundle(case.bundle()).read().unwrap();
        let request = request(&signature, of_another);
        let verifier = case.verifier();
        let result = match case.key() {
            Some(key) => verifier.verify_key(&signature, &key.unwrap(), &request),
            None => verifier.verify_certificate(&signature, &request),
        };
        assert_eq!(result.unwrap_err(), refusal, "{name}");
        assert!(case.verify_signature(&signature, &verifier, Given::Digest).is_ok(), "{name}");
    }
}

#[test]
#[cfg_attr(not(shared_data), ignore = "the recorded public data is not there")]
fn an_envelope_with_two_signatures_is_refused_whichever_comes_first() {
    let case = Case::named(ATTESTATION);
    let other = json!({ "sig": "AAAA", "keyid": "" });
    let signatures = |bundle: &mut Value| bundle["dsseEnvelope"]["signatures"].as_array().unwrap().clone();
    for at in [0, 1] {
        let two = |bundle: &mut Value| {
            let mut both = signatures(bundle);
            both.insert(at, other.clone());
            bundle["dsseEnvelope"]["signatures"] = json!(both);
        };
        assert_eq!(with(&case, Origin::Registry, two).unwrap_err(), Refusal::SignatureCount(2));
    }
    let one = |bundle: &mut Value| bundle["dsseEnvelope"]["signatures"] = json!(signatures(bundle));
    assert!(with(&case, Origin::Registry, one).is_ok());
}

#[test]
#[cfg_attr(not(shared_data), ignore = "the recorded public data is not there")]
fn each_purpose_is_held_against_its_own_root() {
    let case = Case::named(KEYLESS);
    let signature = Evidence::Bundle(case.bundle()).read().unwrap();
    let verify = |material: &TrustMaterial| {
        case.verify_signature(&signature, &Verifier::new(material).unwrap(), Given::Digest)
    };
    let (production, staging) = (production(), staging());
    assert!(verify(&production).is_ok());
    let mixed = production.clone().with_transparency_logs_of(&staging);
    assert!(matches!(verify(&mixed), Err(Refusal::UnknownLog { .. })));
    let mixed = staging.clone().with_transparency_logs_of(&production);
    assert!(matches!(verify(&mixed), Err(Refusal::Certificate(_))), "{:?}", verify(&mixed));
    let mixed = staging.with_transparency_logs_of(&production);
    let again = production.clone().with_timestamp_authorities_of(&mixed);
    assert!(verify(&again).is_ok(), "the bundle has no timestamp");
    assert!(verify(&TrustMaterial::default()).is_err());
}

#[test]
#[cfg_attr(not(shared_data), ignore = "the recorded public data is not there")]
fn every_timestamp_that_is_there_must_be_over_the_signature() {
    let case = Case::named("rekor2-happy-path");
    let times = |bundle: &mut Value| {
        bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"].clone()
    };
    let mut other: Value =
        serde_json::from_slice(&Case::named("rekor2-timestamp-with-embedded-cert").bundle()).unwrap();
    let borrowed = times(&mut other)[0].clone();
    let add = |bundle: &mut Value| {
        let list = json!([times(bundle)[0], borrowed]);
        bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"] = list;
    };
    assert_eq!(with(&case, Origin::Registry, add).unwrap_err(), TimestampProblem::Mismatch.into());
    let twice = |bundle: &mut Value| {
        let list = json!([times(bundle)[0], times(bundle)[0]]);
        bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"] = list;
    };
    assert_eq!(with(&case, Origin::Registry, twice).unwrap().times.len(), 2);
}

#[test]
#[cfg_attr(not(shared_data), ignore = "the recorded public data is not there")]
fn a_borrowed_entry_and_a_type_that_is_not_verified_are_refused() {
    let case = Case::named(KEYLESS);
    let mut other: Value = serde_json::from_slice(&Case::named("happy-path-v0.1").bundle()).unwrap();
    let entry = entries(&mut other)[0].clone();
    // A good, proven entry of another signature, beside the right one and in its place.
    let beside = |bundle: &mut Value| entries(bundle).push(entry.clone());
    let refusal = with(&case, Origin::Registry, beside).unwrap_err();
    assert_eq!(refusal, EntryProblem::IntegratedTime.into());
    let instead = |bundle: &mut Value| entries(bundle)[0] = entry.clone();
    let refusal = with(&case, Origin::Registry, instead).unwrap_err();
    assert_eq!(refusal, EntryProblem::IntegratedTime.into());
    for (kind, version, named) in [
        ("intoto", "0.0.1", Some(UnsupportedEntry::IntotoV001)),
        ("rekord", "0.0.1", Some(UnsupportedEntry::RekordV001)),
        ("dsse", "0.0.2", Some(UnsupportedEntry::DsseV002)),
        ("rekord", "0.0.9", None),
    ] {
        let retype = |bundle: &mut Value| {
            entries(bundle)[0]["kindVersion"] = json!({ "kind": kind, "version": version });
        };
        let refusal = with(&case, Origin::Registry, retype).unwrap_err();
        match named {
            Some(named) => assert_eq!(refusal, Refusal::EntryType(named)),
            None => assert!(matches!(refusal, Refusal::Unreadable(..)), "{refusal}"),
        }
    }
}

#[test]
#[cfg_attr(not(shared_data), ignore = "the recorded public data is not there")]
fn a_bundle_has_no_more_entries_and_timestamps_than_are_worth_verifying() {
    let case = Case::named("rekor2-happy-path");
    let repeat = |pointer: &'static str, count: usize| {
        move |bundle: &mut Value| {
            let list = bundle.pointer_mut(pointer).unwrap().as_array_mut().unwrap();
            *list = vec![list[0].clone(); count];
        }
    };
    for pointer in [
        "/verificationMaterial/tlogEntries",
        "/verificationMaterial/timestampVerificationData/rfc3161Timestamps",
    ] {
        assert!(with(&case, Origin::Registry, repeat(pointer, 32)).is_ok(), "{pointer}");
        let refusal = with(&case, Origin::Registry, repeat(pointer, 33)).unwrap_err();
        assert_eq!(refusal, Refusal::TooMany { limit: 32 }, "{pointer}");
    }
}

/// A deterministic stand-in for a fuzzer: every outcome is a refusal, or the facts of the bundle as it was.
#[test]
#[cfg_attr(not(shared_data), ignore = "the recorded public data is not there")]
fn a_changed_byte_never_changes_who_signed_what() {
    for name in [KEYLESS, ATTESTATION, "rekor2-happy-path", "managed-key-happy-path"] {
        let case = Case::named(name);
        let verifier = case.verifier();
        let original = case.bundle();
        let good = case.verify(Given::Digest).unwrap();
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % u64::try_from(below).unwrap()).unwrap()
        };
        let mut refused = 0;
        for _ in 0..400 {
            let mut bytes = original.clone();
            match random(3) {
                0 => bytes.truncate(random(original.len())),
                1 => drop(bytes.remove(random(original.len()))),
                _ => bytes[random(original.len())] = b"0aA/{}[]\",:9\xff"[random(13)],
            }
            let outcome = Evidence::Bundle(bytes)
                .read()
                .and_then(|signature| case.verify_signature(&signature, &verifier, Given::Digest));
            match outcome {
                Ok(facts) => {
                    assert_eq!((&facts.signer, &facts.statement), (&good.signer, &good.statement));
                    assert_eq!(facts.times, good.times);
                }
                Err(_) => refused += 1,
            }
        }
        assert!(refused > 200, "{name}: {refused}");
    }
}
