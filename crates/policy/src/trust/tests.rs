use serde_json::{Value, json};
use trustwright_roots::Root;
use trustwright_trust::tuf::RoleState;
use trustwright_verify::Requirements;

use super::*;
use crate::{NoReferences, compile};

fn policy(authority: &Value) -> Policy {
    let spec = json!({"images": [{"glob": "**"}], "authorities": [authority]});
    compile("p", &serde_json::from_value(spec).unwrap(), &NoReferences, &crate::NoLanguages)
}

fn keyless(root: &str, more: &Value) -> Value {
    let mut authority =
        json!({"keyless": {"trustRootRef": root, "identities": [{"issuer": "i", "subject": "s"}]}});
    authority.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    authority
}

/// Keyless by an authority of its own.
fn own(root: &str, ignores_scts: bool, more: &Value) -> Value {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let mut authority = keyless(root, more);
    authority["keyless"]["ca-cert"] = json!({"data": params.self_signed(&key).unwrap().pem()});
    authority["keyless"]["insecureIgnoreSCT"] = json!(ignores_scts);
    authority
}

fn key(more: &Value) -> Value {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let mut authority = json!({"key": {"data": key.public_key_pem()}});
    authority.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    authority
}

fn signed(policy: &Policy) -> &Signed {
    let Check::Signed(signed) = &policy.authorities[0].check else { panic!("{:?}", policy.authorities[0]) };
    signed
}

/// The public-good root as it comes with a crate, whole or without what stands under `field`.
fn root(without: Option<&str>) -> Arc<Root> {
    let text = sigstore_verify::trust_root::SIGSTORE_PRODUCTION_TRUSTED_ROOT;
    let mut document: Value = serde_json::from_str(text).unwrap();
    if let Some(field) = without {
        document.as_object_mut().unwrap().remove(field).unwrap();
    }
    Arc::new(Root::of_text(&document.to_string(), "2026-08-22T12:00:00Z".parse().unwrap()))
}

#[test]
fn each_purpose_has_the_root_that_is_named_for_it_and_asks_for_no_more_than_the_spec() {
    let default = Some(DEFAULT_NAME);
    let asks = |log_entry, timestamp, sct| Requirements { log_entry, timestamp, sct };
    for (authority, certificates, log, timestamps, requirements) in [
        (key(&json!({})), None, None, None, asks(false, false, false)),
        (key(&json!({"ctlog": {}, "rfc3161timestamp": {}})), None, None, None, asks(false, false, false)),
        (key(&json!({"ctlog": {"url": "https://r"}})), None, default, None, asks(true, false, false)),
        (
            key(&json!({"ctlog": {"url": "https://r", "trustRootRef": "l"}})),
            None,
            Some("l"),
            None,
            asks(true, false, false),
        ),
        (
            key(&json!({"rfc3161timestamp": {"trustRootRef": "t"}})),
            None,
            None,
            Some("t"),
            asks(false, true, false),
        ),
        (keyless("", &json!({})), default, default, None, asks(true, false, true)),
        (keyless("", &json!({"ctlog": {}})), default, None, None, asks(false, false, true)),
        (
            keyless("", &json!({"ctlog": {"trustRootRef": "l"}})),
            default,
            Some("l"),
            None,
            asks(true, false, true),
        ),
        (
            keyless("", &json!({"rfc3161timestamp": {"trustRootRef": "t"}})),
            default,
            None,
            Some("t"),
            asks(false, true, true),
        ),
        (keyless("c", &json!({})), Some("c"), None, None, asks(false, false, true)),
        (
            keyless("c", &json!({"ctlog": {"url": "https://r"}})),
            Some("c"),
            default,
            None,
            asks(true, false, true),
        ),
        (
            keyless("c", &json!({"ctlog": {"trustRootRef": "l"}, "rfc3161timestamp": {"trustRootRef": "t"}})),
            Some("c"),
            Some("l"),
            Some("t"),
            asks(true, true, true),
        ),
        // Certificates of its own change nothing of that.
        (own("", false, &json!({})), default, default, None, asks(true, false, true)),
        (own("c", false, &json!({})), Some("c"), None, None, asks(false, false, true)),
        (
            own("", false, &json!({"rfc3161timestamp": {"trustRootRef": "t"}})),
            default,
            None,
            Some("t"),
            asks(false, true, true),
        ),
        // But for the root that nobody names, where nothing of it is needed.
        (own("", true, &json!({})), None, default, None, asks(true, false, false)),
        (own("", true, &json!({"ctlog": {}})), None, None, None, asks(false, false, false)),
        (own("c", true, &json!({"ctlog": {}})), Some("c"), None, None, asks(false, false, false)),
    ] {
        let policy = policy(&authority);
        let signed = signed(&policy);
        let name = |reference: &Option<TrustRef>| reference.as_ref().map(|reference| reference.name.clone());
        let found = [&signed.trust.certificates, &signed.trust.log, &signed.trust.timestamps].map(name);
        assert_eq!(found, [certificates, log, timestamps].map(|name| name.map(str::to_owned)), "{authority}");
        assert_eq!(signed.requirements, requirements, "{authority}");
    }
    let mut ignoring = keyless("", &json!({}));
    ignoring["keyless"]["insecureIgnoreSCT"] = json!(true);
    assert!(!signed(&policy(&ignoring)).requirements.sct);
}

#[test]
fn a_private_root_without_its_log_is_noted_and_nothing_else_is() {
    let notes = |authority: Value| policy(&authority).notes;
    for quiet in [
        key(&json!({})),
        keyless("", &json!({})),
        keyless("c", &json!({"ctlog": {"trustRootRef": "l"}})),
        keyless(DEFAULT_NAME, &json!({})),
        own("", true, &json!({})),
        own("", true, &json!({"rfc3161timestamp": {"trustRootRef": "t"}})),
    ] {
        assert_eq!(notes(quiet), Vec::<String>::new());
    }
    assert_eq!(
        notes(keyless("c", &json!({}))),
        [
            "spec.authorities[0].ctlog.trustRootRef: missing beside keyless.trustRootRef; no log is asked for, so that a \
          signature counts with a timestamp of trust root \"c\" only, or while its certificate is valid"
        ]
    );
    assert_eq!(
        notes(own("", true, &json!({"ctlog": {}}))),
        [
            "spec.authorities[0].keyless.ca-cert: neither a log nor a timestamp authority is asked when it was signed, so \
             that a signature counts while its certificate is valid"
        ]
    );
    assert_eq!(
        notes(keyless("c", &json!({"ctlog": {"url": "https://r"}}))),
        [
            "spec.authorities[0].ctlog.trustRootRef: missing beside keyless.trustRootRef; the logs are those of the \
          default trust root"
        ]
    );
}

#[test]
fn a_root_that_is_missing_or_lacks_what_is_asked_of_it_is_a_problem_of_its_field() {
    let now = "2026-08-22T12:00:00Z".parse().unwrap();
    let authority =
        keyless("c", &json!({"ctlog": {"trustRootRef": "l"}, "rfc3161timestamp": {"trustRootRef": "t"}}));
    let policy = policy(&authority);
    assert_eq!(policy.not_ready().count(), 0);
    let problems = |trust: [(&str, Arc<Root>); 3]| -> Vec<String> {
        let trust = trust.map(|(name, root)| (name.to_owned(), root)).into();
        let problems = trust_problems(&policy, &trust);
        assert!(problems.iter().all(|problem| problem.part == Part::TrustRoots));
        problems.iter().map(ToString::to_string).collect()
    };
    let whole = || root(None);
    assert_eq!(problems([("c", whole()), ("l", whole()), ("t", whole())]), Vec::<String>::new());
    let at =
        |field: &str, problem: &str| vec![format!("spec.authorities[0].{field}.trustRootRef: {problem}")];
    assert_eq!(
        problems([("c", whole()), ("other", whole()), ("t", whole())]),
        at("ctlog", "trustRootRef l not found")
    );
    assert_eq!(
        problems([("c", root(Some("certificateAuthorities"))), ("l", whole()), ("t", whole())]),
        at("keyless", "trust root \"c\" has no certificate authority")
    );
    assert_eq!(
        problems([("c", root(Some("ctlogs"))), ("l", whole()), ("t", whole())]),
        at("keyless", "trust root \"c\" has no log of certificates, and insecureIgnoreSCT is not set")
    );
    assert_eq!(
        problems([("c", whole()), ("l", root(Some("tlogs"))), ("t", whole())]),
        at("ctlog", "trust root \"l\" has no transparency log")
    );
    assert_eq!(
        problems([("c", whole()), ("l", whole()), ("t", root(Some("timestampAuthorities")))]),
        at("rfc3161timestamp", "trust root \"t\" has no timestamp authority")
    );
    let broken = Arc::new(Root::of_text("{}", now));
    let found = problems([("c", broken), ("l", whole()), ("t", whole())]);
    assert!(
        found[0].contains(".keyless.trustRootRef: nothing of trust root \"c\" is in force: "),
        "{found:?}"
    );
}

#[test]
fn without_a_default_root_a_policy_that_names_none_says_so() {
    let policy = policy(&keyless("", &json!({})));
    let problems = trust_problems(&policy, &BTreeMap::new());
    let text = problems[0].to_string();
    assert_eq!(
        text,
        "spec.authorities[0].keyless: trustRootRef trustwright-default not found: there is no default trust root here; \
         name one"
    );
    let trust = [(DEFAULT_NAME.to_owned(), root(None))].into();
    assert_eq!(trust_problems(&policy, &trust), Vec::new());
}

#[test]
fn a_verifier_takes_each_purpose_from_its_root() {
    let whole = root(None);
    let trust: BTreeMap<_, _> = [
        ("c".to_owned(), root(Some("tlogs"))),
        ("l".to_owned(), root(Some("certificateAuthorities"))),
        ("whole".to_owned(), Arc::clone(&whole)),
    ]
    .into();
    let verifier = |authority: Value| {
        let policy = policy(&authority);
        let roots = signed(&policy).roots(&trust).unwrap().unwrap();
        (roots.key(), roots.verifier().unwrap().unwrap().fingerprint())
    };
    let (split_key, split) = verifier(keyless("c", &json!({"ctlog": {"trustRootRef": "l"}})));
    let (whole_key, one) = verifier(keyless("whole", &json!({"ctlog": {"trustRootRef": "whole"}})));
    assert_eq!(split, one);
    assert_ne!(split_key, whole_key);
    let policy = policy(&key(&json!({})));
    assert!(signed(&policy).roots(&trust).unwrap().is_none());
}

#[test]
fn certificates_of_its_own_stand_for_those_of_the_root_and_need_none() {
    let no_authorities = root(Some("certificateAuthorities"));
    let trust: BTreeMap<_, _> = [
        ("none".to_owned(), Arc::clone(&no_authorities)),
        ("whole".to_owned(), root(None)),
        ("no-log".to_owned(), root(Some("ctlogs"))),
    ]
    .into();
    let verifier = |policy: &Policy| {
        let roots = signed(policy).roots(&trust).map_err(|problems| problems[0].to_string())?.unwrap();
        let fingerprint = roots.verifier().unwrap().unwrap().fingerprint();
        Ok::<_, String>((roots.key(), roots.addresses(), fingerprint))
    };
    let mut named = own("none", false, &json!({}));
    let of_none = verifier(&policy(&named)).unwrap();
    named["keyless"]["trustRootRef"] = json!("whole");
    // Held, as its address tells it from the other.
    let whole = policy(&named);
    let of_whole = verifier(&whole).unwrap();
    assert_eq!(of_none.2, of_whole.2, "the root's own authorities are not among them");
    assert_ne!(of_none.0, of_whole.0);
    // Another authority, with the same roots.
    let other = verifier(&policy(&own("whole", false, &json!({})))).unwrap();
    assert!(other.0 != of_whole.0 && other.1 != of_whole.1 && other.2 != of_whole.2);

    // SCTs are asked for as with any other authority.
    named["keyless"]["trustRootRef"] = json!("no-log");
    assert_eq!(
        verifier(&policy(&named)).unwrap_err(),
        "spec.authorities[0].keyless.trustRootRef: trust root \"no-log\" has no log of certificates, and \
         insecureIgnoreSCT is not set"
    );
    named["keyless"]["insecureIgnoreSCT"] = json!(true);
    assert!(verifier(&policy(&named)).is_ok());
    // Nothing else of a root: the certificates alone.
    let alone = policy(&own("", true, &json!({"ctlog": {}})));
    assert!(
        trust_problems(&alone, &BTreeMap::new()).is_empty() && alone.authorities[0].trust_roots.is_empty()
    );
    assert!(verifier(&alone).is_ok());
}

#[test]
fn a_root_says_how_it_keeps_up_for_each_purpose() {
    let policy = policy(&keyless("by-hand", &json!({"ctlog": {"trustRootRef": "read"}})));
    let until = "2026-08-29T12:00:00Z".parse().unwrap();
    let mut read = Root::clone(&root(None));
    read.metadata =
        ["root", "timestamp"].map(|role| RoleState { role: role.into(), version: 12, expires: until }).into();
    let trust = BTreeMap::from([("by-hand".to_owned(), root(None)), ("read".to_owned(), Arc::new(read))]);
    let freshness = signed(&policy).roots(&trust).unwrap().unwrap().freshness();
    let told = freshness.map(|one| one.map(|one| one.to_string()));
    let by_hand = "spec.trustedRoot, which changes by hand only".to_owned();
    let read = "timestamp version 12, until 2026-08-29T12:00:00Z".to_owned();
    assert_eq!(told, [Some(by_hand), Some(read), None]);
}
