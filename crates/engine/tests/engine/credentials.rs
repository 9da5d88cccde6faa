//! What is shown to registries on behalf of a workload.

use std::sync::{Arc, Mutex};

use anyhow::Result;
use futures::{FutureExt as _, future::BoxFuture};
use serde_json::json;
use trustwright_core::{ImageRef, Reason, Repository, Verdict};
use trustwright_engine::{CredentialError, Credentials, Engine, ResolveError};
use trustwright_policy::{Check, Signed, Snapshot};
use trustwright_registry::Credential;
use trustwright_testkit::{KeyKind, Registry, Signer};

use crate::{
    Circumstances, PATIENCE, Subject, assert_allowed, assert_contains, key, only, only_cause, snapshot,
};

/// The same for every registry, and a list of what was asked for.
pub(crate) struct Same {
    credential: Result<Credential, CredentialError>,
    asked: Mutex<Vec<(String, Option<Vec<String>>)>>,
}

impl Same {
    pub(crate) fn new(credential: Result<Credential, CredentialError>) -> Self {
        Self { credential, asked: Mutex::default() }
    }

    fn basic(password: &str) -> Self {
        Self::new(Ok(Credential::Basic { username: "alice".into(), password: password.into() }))
    }

    fn asked(&self) -> Vec<(String, Option<Vec<String>>)> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

impl Credentials for Same {
    fn credential<'a>(
        &'a self,
        repository: &'a Repository,
        pull_secrets: Option<&'a [String]>,
    ) -> BoxFuture<'a, Result<Credential, CredentialError>> {
        let asked = (repository.to_string(), pull_secrets.map(<[String]>::to_vec));
        self.asked.lock().unwrap().push(asked);
        async { self.credential.clone() }.boxed()
    }
}

async fn judge(subject: &Subject, policy: &Snapshot, image: &str, credentials: &Same) -> Verdict {
    let circumstances = Circumstances { credentials, ..Circumstances::default() };
    subject.judge_in(policy, &[image.to_owned()], circumstances).await
}

struct Closed {
    registry: Registry,
    image: String,
    policy: Snapshot,
    subject: Subject,
}

/// A registry that wants a password, with a signed image in it.
async fn closed() -> Result<Closed> {
    let registry = Registry::with_auth_tls("alice").await?;
    let signer = Signer::new(KeyKind::EcdsaP256).await?;
    let image = registry.push_image("app", "v1").await?;
    signer.sign_legacy(&image).await?;
    let trusting = Subject::trusting(registry.ca_pem().map(str::to_owned).into_iter().collect());
    let subject = Subject { engine: Engine::new(trusting.client.clone()), client: trusting.client };
    let policy = only(&key("a", signer.public_key_pem()));
    Ok(Closed { image: image.to_string(), registry, policy, subject })
}

#[tokio::test]
async fn a_refusal_for_one_tenant_is_none_for_another_who_has_the_password() -> Result<()> {
    let Closed { registry, image, policy, subject } = closed().await?;
    let (_, password) = registry.credentials().unwrap();
    let (stranger, owner) = (Same::basic("wrong"), Same::basic(password));
    let cause = only_cause(&judge(&subject, &policy, &image, &stranger).await);
    assert_eq!(cause.reason, Reason::RegistryUnauthorized);
    let hint = "wants a login, or another one than that of the workload's pull secrets";
    assert_contains(&cause.hint.unwrap(), format!("the registry {} {hint}", registry.host()));
    assert_allowed(&judge(&subject, &policy, &image, &owner).await, "the owner");
    let repository = image.split_once('@').unwrap().0.to_owned();
    assert_eq!(owner.asked(), [(repository, None)], "once for both places of one repository");
    // What is remembered needs neither registry nor Secret.
    assert_allowed(&judge(&subject, &policy, &image, &owner).await, "again");
    assert_eq!(owner.asked(), []);
    Ok(())
}

#[tokio::test]
async fn credentials_that_cannot_be_read_deny_with_their_text_where_they_are_needed() -> Result<()> {
    let Closed { image, policy, subject, registry } = closed().await?;
    let error = CredentialError {
        reason: Reason::PullSecretUnusable,
        text: "secret \"s\" is no docker config".into(),
    };
    let broken = Same::new(Err(error.clone()));
    let cause = only_cause(&judge(&subject, &policy, &image, &broken).await);
    assert_eq!(cause.reason, error.reason);
    assert_contains(&cause.text, "signature key validation failed for authority a for ");
    assert_contains(&cause.text, &error.text);
    assert_contains(&cause.hint.unwrap(), "is not asked before the workload's pull secrets can be used");
    broken.asked();
    let pass = only(&json!({"name": "s", "static": {"action": "pass"}}));
    assert_allowed(&judge(&subject, &pass, &image, &broken).await, "needs no registry");
    assert_eq!(broken.asked(), []);
    let ruled = snapshot([(
        "p",
        json!({
            "authorities": [{"name": "s", "static": {"action": "pass"}}],
            "policy": {"type": "cue", "data": "{}", "fetchConfigFile": true},
        }),
    )]);
    let cause = only_cause(&judge(&subject, &ruled, &image, &broken).await);
    assert_eq!((cause.reason, &cause.text), (error.reason, &error.text));
    let owner = Same::basic(registry.credentials().unwrap().1);
    assert_allowed(&judge(&subject, &ruled, &image, &owner).await, "the owner's configuration");

    let tag: ImageRef = format!("{}/app:v1", registry.host()).parse()?;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let found = subject.engine.resolve(&tag, &broken, deadline).await;
    assert!(matches!(found, Err(ResolveError::Credential(found)) if found == error));
    let digest = subject.engine.resolve(&tag, &owner, deadline).await?;
    assert!(image.ends_with(&digest.to_string()));
    Ok(())
}

#[tokio::test]
async fn the_secrets_that_a_policy_names_are_asked_for_by_name() -> Result<()> {
    let Closed { image, mut policy, subject, registry } = closed().await?;
    let names = vec!["one".to_owned(), "two".to_owned()];
    let mut changed = (*policy.policies["p"]).clone();
    let Check::Signed(signed) = &changed.authorities[0].check else { panic!("no evidence wanted") };
    let mut signed = Signed::clone(signed);
    signed.place.pull_secrets.clone_from(&names);
    changed.authorities[0].check = Check::Signed(Arc::new(signed));
    policy.policies.insert("p".into(), Arc::new(changed));
    let stranger = Same::basic("wrong");
    let cause = only_cause(&judge(&subject, &policy, &image, &stranger).await);
    assert_contains(&cause.hint.unwrap(), "than that of the policy's signaturePullSecrets one, two");
    let owner = Same::basic(registry.credentials().unwrap().1);
    assert_allowed(&judge(&subject, &policy, &image, &owner).await, "the owner");
    assert_eq!(owner.asked()[0].1, Some(names));
    Ok(())
}
