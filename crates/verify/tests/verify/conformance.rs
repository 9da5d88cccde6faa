//! The verification cases of the public conformance suite (sigstore/sigstore-conformance), in the suite's layout.

use trustwright_verify::{
    CertificateProblem, EntryProblem, Evidence, Form, KeyError, Origin, Refusal, SctProblem, TimestampProblem,
};

use crate::suite::{Case, Given, Refused};

/// How each case that must fail is refused. A case that is not here must verify.
fn expected(case: &str) -> Option<Refused> {
    let unreadable = || Refusal::Unreadable(Form::Bundle, "not a Sigstore bundle".into());
    let at = |text: &str| text.parse().unwrap();
    let refusal = match case {
        "managed-key-wrong-key_fail" => return Some(Refused::Key(KeyError::NotPem)),
        "bundle-empty-certificate-chain_fail" | "managed-key-no-key_fail" => Refusal::NoCertificate,
        "bundle-invalid-base64-signature_fail"
        | "bundle-malformed-json_fail"
        | "bundle-negative-log-index_fail"
        | "bundle-unknown-version_fail"
        | "rekor2-checkpoint-missing-log-signature_fail"
        | "rekor2-checkpoint-missing-origin_fail"
        | "rekor2-checkpoint-missing-root-hash_fail"
        | "rekor2-checkpoint-missing-size_fail"
        | "rekor2-timestamp-with-incorrect-time_fail" => unreadable(),
        "message-digest-mismatch_fail" | "wrong-material_fail" => Refusal::MessageDigest,
        "dsse-invalid-sig_fail" | "rekor2-dsse-invalid-sig_fail" | "signature-mismatch_fail" => {
            Refusal::Signature
        }
        "bundle-from-wrong-instance_fail" => Refusal::UnknownLog { log: "d32f30a3".into() },
        "checkpoint-bad-keyhint_fail" => Refusal::UnknownLog { log: "c4d23d6a".into() },
        "trust-root-tlog-missing-validity-start_fail" => Refusal::UnknownLog { log: "f30d5a99".into() },
        "intoto-missing-inclusion-proof_fail" | "rekor2-no-inclusion-proof_fail" => {
            Refusal::UnprovenEntry { position: 1 }
        }
        "bundle-with-root-cert_fail"
        | "checkpoint-wrong-roothash_fail"
        | "invalid-checkpoint-signature_fail"
        | "invalid-inclusion-proof_fail"
        | "rekor2-checkpoint-no-matching-signature_fail" => EntryProblem::Checkpoint.into(),
        "inclusion-proof-corrupted-hash_fail" => EntryProblem::Inclusion.into(),
        "incorrect-public-key_fail" | "set-invalid-signature_fail" => EntryProblem::Promise.into(),
        "integrated-time-in-future_fail"
        | "intoto-expired-certificate_fail"
        | "intoto-set-outside-signing-cert-validity_fail" => EntryProblem::IntegratedTime.into(),
        "dsse-mismatch-envelope_fail"
        | "dsse-mismatch-sig_fail"
        | "wrong-hashedrekord-artifact_fail"
        | "wrong-hashedrekord-cert-and-sig_fail"
        | "wrong-hashedrekord-entry_fail" => EntryProblem::Mismatch.into(),
        // Both have the entry of another signature.
        "rekor2-dsse-mismatch-envelope_fail" | "rekor2-dsse-mismatch-sig_fail" => {
            EntryProblem::Signature.into()
        }
        "intoto-log-entry-mismatch_fail" => EntryProblem::Malformed.into(),
        "invalid-ct-key_fail" => SctProblem::UnknownLog.into(),
        "intoto-tsa-timestamp-outside-cert-validity_fail" => {
            CertificateProblem::Expired { at: at("2023-02-02T00:00:00Z") }.into()
        }
        "rekor2-no-timestamp_fail" => Refusal::NoTime,
        "rekor2-timestamp-outside-trust-root-tsa-validity_fail" => {
            TimestampProblem::OutsideAuthorityValidity { at: at("2025-06-12T12:02:20Z") }.into()
        }
        "rekor2-timestamp-payload-mismatch_fail" => TimestampProblem::Mismatch.into(),
        "rekor2-timestamp-outside-tsa-cert-validity_fail"
        | "rekor2-timestamp-untrusted-tsa-with-embedded-cert_fail"
        | "rekor2-timestamp-untrusted-tsa-without-embedded-cert_fail" => TimestampProblem::Untrusted.into(),
        _ => return None,
    };
    Some(Refused::Evidence(refusal))
}

#[test]
#[cfg_attr(not(shared_data), ignore = "the recorded public data is not there")]
fn every_case_of_the_suite_ends_as_it_must_and_for_its_own_reason() {
    let cases = Case::all();
    assert_eq!(cases.len(), 70);
    assert_eq!(cases.iter().filter(|case| case.name.ends_with("_fail")).count(), 49);
    for case in cases {
        for given in [Given::Digest, Given::Bytes] {
            let outcome = case.verify(given);
            let name = &case.name;
            assert_eq!(outcome.is_err(), name.ends_with("_fail"), "{name} {given:?}: {outcome:?}");
            assert_eq!(outcome.err(), expected(name), "{name} {given:?}");
        }
    }
}

#[test]
#[cfg_attr(not(shared_data), ignore = "the recorded public data is not there")]
fn good_bundles_count_from_a_registry_as_well_and_none_verifies_against_another_root() {
    let of_another = Case::named("intoto-with-custom-trust-root");
    for case in Case::all().into_iter().filter(|case| !case.name.ends_with("_fail")) {
        let facts = case.verify_bundle(case.bundle(), Origin::Registry, Given::Digest).unwrap();
        assert_eq!(facts.log_entries.len(), 1, "{}", case.name);
        assert_eq!(facts, case.verify(Given::Digest).unwrap());
        if case.name != of_another.name {
            let signature = Evidence::Bundle(case.bundle()).read().unwrap();
            let refusal = case.verify_signature(&signature, &of_another.verifier(), Given::Digest);
            assert!(matches!(refusal, Err(Refusal::UnknownLog { .. })), "{}: {refusal:?}", case.name);
        }
    }
}
