//! What a broken registry makes of a verdict: never consent that the evidence does not carry.

use std::{net::TcpListener, time::Duration};

use anyhow::Result;
use serde_json::json;
use tokio::time::Instant;
use trustwright_core::{Decision, Reason, Verdict};
use trustwright_policy::Snapshot;
use trustwright_testkit::{KeyKind, Registry, Signer};
use trustwright_verify::Form;

use crate::{
    Subject, assert_allowed, assert_contains, denied,
    fake::{Fake, Fault, Key, tag},
    key, only, only_cause, snapshot,
};

/// What a deadline may be missed by on a busy machine.
const MARGIN: Duration = Duration::from_secs(2);

const STATUSES: [(Fault, Reason, &str); 4] = [
    (Fault::Status(401, "UNAUTHORIZED"), Reason::RegistryUnauthorized, "UNAUTHORIZED"),
    (Fault::Status(403, "DENIED"), Reason::RegistryUnauthorized, "DENIED"),
    (Fault::Status(500, "UNKNOWN"), Reason::RegistryUnavailable, "UNKNOWN"),
    (Fault::Status(503, "UNAVAILABLE"), Reason::RegistryUnavailable, "UNAVAILABLE"),
];

/// A fake registry whose image has one signature in one form, and a policy that admits it.
struct Signed {
    fake: Fake,
    subject: Subject,
    policy: Snapshot,
    /// The path of the signature's own bytes.
    blob: String,
}

impl Signed {
    async fn new(form: Form) -> Self {
        let (fake, signer, subject) = (Fake::start().await, Key::new(), Subject::new());
        let digests = match form {
            Form::Legacy => fake.publish_layers(&[signer.layer(0)]),
            Form::Bundle => fake.publish_bundles(&[signer.bundle(0)]),
        };
        let policy = only(&key("a", &signer.pem()));
        let blob = format!("blobs/{}", digests[0]);
        assert_allowed(&subject.judge(&policy, fake.image()).await, "without fault");
        Self { fake, subject, policy, blob }
    }

    /// The path of the manifest that leads to the signature.
    fn manifest(form: Form) -> String {
        match form {
            Form::Legacy => tag(),
            Form::Bundle => "manifests/sha256:".into(),
        }
    }

    /// Checks that a fault at `path` denies with the reason, names the registry and holds the text, and that
    /// without it the same image is admitted.
    async fn denies(&self, path: &str, fault: Fault, reason: Reason, text: &str) {
        self.fake.fail(path, fault);
        let verdict = self.subject.judge(&self.policy, self.fake.image()).await;
        let cause = only_cause(&verdict);
        assert_eq!(cause.reason, reason, "{path} {fault:?}: {}", cause.text);
        let prefix =
            format!("signature key validation failed for authority a for {}: GET ", self.fake.image());
        assert!(cause.text.starts_with(&prefix), "{path} {fault:?}: {}", cause.text);
        assert_contains(&cause.text, format!("http://{}/v2/app/{path}", self.fake.host()));
        assert_contains(&cause.text, text);
        let wanted = if reason == Reason::RegistryUnauthorized { "wants a login" } else { "has to answer" };
        assert_contains(
            cause.hint.as_deref().unwrap(),
            format!("the registry {} {wanted}", self.fake.host()),
        );
        assert!(!format!("{verdict:?}").contains("internal-secret-text"), "{verdict:?}");
        self.fake.fail("nothing", fault);
        assert_allowed(&self.subject.judge(&self.policy, self.fake.image()).await, path);
    }
}

#[tokio::test]
async fn a_registry_that_refuses_or_fails_denies_naming_the_request_and_the_cause() {
    for form in [Form::Legacy, Form::Bundle] {
        let signed = Signed::new(form).await;
        for (fault, reason, text) in STATUSES {
            for path in ["referrers/", &Signed::manifest(form), &signed.blob] {
                if (form, path) != (Form::Legacy, "referrers/") {
                    signed.denies(path, fault, reason, text).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn content_that_is_not_what_was_asked_for_denies() {
    use Fault::{Endless, Html, Large, OtherBytes};
    let invalid = Reason::RegistryInvalid;
    let signed = Signed::new(Form::Legacy).await;
    for (path, fault, text) in [
        (tag(), Html, "body is not a valid image manifest"),
        (tag(), Large, "answer is larger than the limit of 4194304 bytes"),
        (tag(), Endless, "answer is larger than the limit of 4194304 bytes"),
        (signed.blob.clone(), OtherBytes, "digest mismatch: expected sha256:"),
        (signed.blob.clone(), Html, "digest mismatch: expected sha256:"),
        (signed.blob.clone(), Large, "answer is larger than the limit of 1048576 bytes"),
        (signed.blob.clone(), Endless, "answer is larger than the limit of 1048576 bytes"),
    ] {
        signed.denies(&path, fault, invalid, text).await;
    }
    let signed = Signed::new(Form::Bundle).await;
    for (path, fault, text) in [
        ("referrers/", Html, "answer is not an image index"),
        ("referrers/", Large, "answer is larger than the limit of 4194304 bytes"),
        ("manifests/sha256:", OtherBytes, "digest mismatch: expected sha256:"),
        ("manifests/sha256:", Html, "digest mismatch: expected sha256:"),
        ("manifests/sha256:", Large, "answer is larger than the limit of 4194304 bytes"),
        (&signed.blob, OtherBytes, "digest mismatch: expected sha256:"),
        (&signed.blob, Endless, "answer is larger than the limit of 1048576 bytes"),
    ] {
        signed.denies(path, fault, invalid, text).await;
    }
}

#[tokio::test]
async fn a_registry_that_is_down_denies_and_the_same_one_up_admits() -> Result<()> {
    let signer = Signer::new(KeyKind::EcdsaP256).await?;
    let policy = only(&key("a", signer.public_key_pem()));
    let (host, digest) = {
        let registry = Registry::with_referrers().await?;
        let image = registry.push_image("app", "v1").await?;
        signer.sign_bundle(&image).await?;
        assert_allowed(&Subject::new().judge(&policy, &image).await, "up");
        (registry.host().to_owned(), image.digest().to_owned())
    };
    let cause = only_cause(&Subject::new().judge(&policy, format!("{host}/app@{digest}")).await);
    assert_eq!(cause.reason, Reason::RegistryUnavailable);
    assert_contains(&cause.text, format!("://{host}/v2/app/referrers/{digest}: connection failed"));
    Ok(())
}

#[tokio::test]
async fn a_registry_that_wants_a_password_or_is_not_trusted_denies_saying_so() -> Result<()> {
    let registry = Registry::with_auth_tls("alice").await?;
    let signer = Signer::new(KeyKind::EcdsaP256).await?;
    let image = registry.push_image("app", "v1").await?;
    signer.sign_legacy(&image).await?;
    let policy = only(&key("a", signer.public_key_pem()));
    let trusting = registry.ca_pem().map(str::to_owned).into_iter().collect();
    for (roots, reason, text) in [
        (trusting, Reason::RegistryUnauthorized, "UNAUTHORIZED"),
        (Vec::new(), Reason::RegistryUnavailable, "certificate is not trusted"),
    ] {
        let cause = only_cause(&Subject::trusting(roots).judge(&policy, &image).await);
        assert_eq!(cause.reason, reason, "{}", cause.text);
        assert_contains(&cause.text, format!(": GET https://{}/v2/app/", image.host()));
        assert!(cause.text.ends_with(text), "{}", cause.text);
    }
    // One thing away: the same repository where nobody is asked for a password.
    let open = Registry::without_referrers().await?;
    let image = open.push_image("app", "v1").await?;
    signer.sign_legacy(&image).await?;
    assert_allowed(&Subject::new().judge(&policy, &image).await, "an open registry");
    Ok(())
}

#[tokio::test]
async fn a_policy_in_warn_mode_only_warns_of_a_fault_and_one_that_enforces_never_admits() {
    let signed = Signed::new(Form::Legacy).await;
    signed.fake.fail("", Fault::Status(500, "UNKNOWN"));
    let spec = |mode: &str| json!({"mode": mode, "authorities": [key("a", &Key::new().pem())]});
    for (mode, decision) in [("warn", Decision::Warn), ("enforce", Decision::Deny)] {
        let verdict = signed.subject.judge(&snapshot([("p", spec(mode))]), signed.fake.image()).await;
        assert_eq!(verdict.decision(), decision);
    }
    let both = snapshot([("a", spec("warn")), ("b", spec("enforce"))]);
    let verdict = signed.subject.judge(&both, signed.fake.image()).await;
    let Verdict::Deny { findings, warnings } = &verdict else { panic!("{verdict:?}") };
    assert_eq!((findings.iter().count(), warnings.len()), (1, 1));
}

#[tokio::test]
async fn a_registry_that_does_not_answer_denies_when_the_deadline_passes() {
    let patience = Duration::from_millis(600);
    for form in [Form::Legacy, Form::Bundle] {
        let signed = Signed::new(form).await;
        for path in ["", &Signed::manifest(form), &signed.blob] {
            signed.fake.fail(path, Fault::Silent);
            let start = Instant::now();
            let images = [signed.fake.image()];
            let verdict = signed.subject.judge_all(&signed.policy, &images, patience).await;
            let took = start.elapsed();
            assert!((patience..patience + MARGIN).contains(&took), "{path}: {took:?}");
            let cause = only_cause(&verdict);
            assert_eq!(cause.reason, Reason::DeadlineExceeded, "{}", cause.text);
            assert_contains(&cause.text, "no answer in time");
            signed.fake.fail("nothing", Fault::Silent);
            // What hangs still hangs, and half of the time is given to it.
            let patience = Duration::from_secs(2);
            let verdict = signed.subject.judge_all(&signed.policy, &images, patience).await;
            assert_allowed(&verdict, path);
        }
    }
}

#[tokio::test]
async fn an_address_that_accepts_and_says_nothing_denies_when_the_deadline_passes() {
    // Neither TLS nor HTTP: connections wait in the backlog for ever.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let image = format!("{}/app@{}", listener.local_addr().unwrap(), crate::fake::IMAGE);
    let patience = Duration::from_millis(600);
    let start = Instant::now();
    let policy = only(&key("a", &Key::new().pem()));
    let verdict = Subject::new().judge_all(&policy, &[image], patience).await;
    assert!(start.elapsed() < patience + MARGIN, "{:?}", start.elapsed());
    assert_eq!(only_cause(&verdict).reason, Reason::DeadlineExceeded);
}

#[tokio::test]
async fn a_fault_where_bundles_are_hides_no_good_legacy_signature() {
    let signed = Signed::new(Form::Legacy).await;
    for fault in [
        Fault::Status(401, "UNAUTHORIZED"),
        Fault::Status(403, "DENIED"),
        Fault::Status(500, "UNKNOWN"),
        Fault::Html,
        Fault::Large,
    ] {
        signed.fake.fail("referrers/", fault);
        assert_allowed(
            &signed.subject.judge(&signed.policy, signed.fake.image()).await,
            format!("{fault:?}"),
        );
        // One field away: another key, for which the bundles that cannot be read might have been.
        let policy = only(&key("a", &Key::new().pem()));
        let verdict = signed.subject.judge(&policy, signed.fake.image()).await;
        let cause = only_cause(&verdict);
        assert_ne!(cause.reason, Reason::NoMatchingSignatures);
        assert_contains(&cause.text, "/v2/app/referrers/");
        assert_contains(cause.hint.as_deref().unwrap(), "1 signature(s) found");
    }
}

#[tokio::test]
async fn bundles_that_hang_leave_half_of_the_time_for_a_legacy_signature() {
    let signed = Signed::new(Form::Legacy).await;
    signed.fake.fail("referrers/", Fault::Silent);
    let patience = Duration::from_secs(4);
    let start = Instant::now();
    // Who has not seen the repository before asks for bundles first.
    let verdict = Subject::new().judge_all(&signed.policy, &[signed.fake.image()], patience).await;
    assert_allowed(&verdict, "the legacy signature");
    assert!((patience / 2..patience).contains(&start.elapsed()), "{:?}", start.elapsed());
    // Who has need not wait for what has brought nothing before.
    let start = Instant::now();
    let verdict = signed.subject.judge_all(&signed.policy, &[signed.fake.image()], patience).await;
    assert_allowed(&verdict, "the legacy signature");
    assert!(start.elapsed() < patience / 2, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_fault_with_nothing_else_found_is_never_called_a_missing_signature() {
    let (fake, subject) = (Fake::start().await, Subject::new());
    let policy = only(&key("a", &Key::new().pem()));
    let verdict = subject.judge(&policy, fake.image()).await;
    assert_eq!(only_cause(&verdict).reason, Reason::NoSignatures);
    for path in ["referrers/".to_owned(), tag()] {
        fake.fail(path.as_str(), Fault::Status(500, "UNKNOWN"));
        let verdict = subject.judge(&policy, fake.image()).await;
        let cause = only_cause(&verdict);
        assert_eq!(cause.reason, Reason::RegistryUnavailable);
        assert!(!format!("{verdict:?}").contains("no signatures found"), "{}", cause.text);
        assert_contains(&cause.text, path);
    }
}

#[tokio::test]
async fn a_fault_of_one_signature_hides_no_good_one_beside_it() {
    let (fake, signer, other, subject) = (Fake::start().await, Key::new(), Key::new(), Subject::new());
    let digests = fake.publish_layers(&[other.layer(0), signer.layer(1)]);
    fake.fail(format!("blobs/{}", digests[0]), Fault::Status(500, "UNKNOWN"));
    assert_allowed(&subject.judge(&only(&key("a", &signer.pem())), fake.image()).await, "the second");
    let verdict = subject.judge(&only(&key("a", &other.pem())), fake.image()).await;
    assert_eq!(only_cause(&verdict).reason, Reason::RegistryUnavailable);
    assert_eq!(denied(&verdict).len(), 1);
}
