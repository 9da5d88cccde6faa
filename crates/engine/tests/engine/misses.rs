//! What a trust root does not know is told of, once a minute.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::Result;
use serde_json::{Value, json};
use trustwright_core::Reason;
use trustwright_engine::Misses;
use trustwright_policy::{Fingerprint, Snapshot};

use crate::{
    Subject, assert_allowed,
    memory::wait,
    only, only_cause,
    private::{ROOT, private, trusting, with_other_log},
};

#[derive(Debug, Default)]
struct Heard(Mutex<Vec<(String, String)>>);

impl Misses for Heard {
    fn missed(&self, root: &str, fingerprint: Fingerprint) {
        self.0.lock().unwrap().push((root.to_owned(), fingerprint.to_string()));
    }
}

impl Heard {
    /// The names since the last time.
    fn names(&self) -> Vec<String> {
        self.take().into_iter().map(|(name, _)| name).collect()
    }

    fn take(&self) -> Vec<(String, String)> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[tokio::test]
async fn a_root_that_does_not_know_an_authority_is_told_of_once_a_minute_and_other_refusals_are_not()
-> Result<()> {
    let (private, heard) = (private().await?, Arc::new(Heard::default()));
    let Subject { engine, client } = Subject::new();
    let subject = Subject { engine: engine.telling(heard.clone()), client };
    let told = || heard.names();
    let policy = private.trusted(only(&private.keyless()));
    assert_allowed(&subject.judge(&policy, &private.bundle).await, "known");
    let mut other = private.keyless();
    other["keyless"]["identities"][0]["subject"] = json!("other");
    let cause = only_cause(&subject.judge(&private.trusted(only(&other)), &private.bundle).await);
    assert_eq!((cause.reason, told().len()), (Reason::WrongIdentity, 0));
    // Of an authority that this root does not have yet.
    for expected in [1, 0] {
        let cause = only_cause(&subject.judge(&policy, &private.renewed).await);
        assert_eq!(cause.reason, Reason::UntrustedCertificate);
        assert_eq!(told(), vec![ROOT; expected]);
    }
    wait(Duration::from_mins(1)).await;
    subject.judge(&policy, &private.renewed).await;
    assert_eq!(told(), [ROOT]);
    // Of a log, and only of the root that is asked for logs.
    let other_log = with_other_log(&private.root, "tlogs");
    let mut logged = private.keyless();
    logged["ctlog"] = json!({"trustRootRef": "logs"});
    let policy = trusting(only(&logged), &[(ROOT, &private.root), ("logs", &other_log)]);
    let cause = only_cause(&subject.judge(&policy, &private.bundle).await);
    assert_eq!((cause.reason, told()), (Reason::UntrustedLogEntry, vec!["logs".to_owned()]));
    Ok(())
}

#[tokio::test]
async fn what_a_root_did_not_know_is_admitted_at_once_under_the_root_that_does() -> Result<()> {
    let (private, heard) = (private().await?, Arc::new(Heard::default()));
    let Subject { engine, client } = Subject::new();
    let subject = Subject { engine: engine.telling(heard.clone()), client };
    let policy = |root| trusting(only(&private.keyless()), &[(ROOT, root)]);
    let (before, after) = (policy(&private.root), policy(&private.rotated));
    // Nothing waits until the refusal is forgotten.
    let cause = only_cause(&subject.judge(&before, &private.renewed).await);
    assert_eq!(cause.reason, Reason::UntrustedCertificate);
    assert_allowed(&subject.judge(&after, &private.renewed).await, "under the new root");
    assert_eq!(heard.take(), [(ROOT.to_owned(), fingerprint(&before))]);
    // What is missed in the new one is told within the same minute, and once.
    for expected in [vec![(ROOT.to_owned(), fingerprint(&after))], Vec::new()] {
        let cause = only_cause(&subject.judge(&after, &private.bundle).await);
        assert_eq!(cause.reason, Reason::UntrustedCertificate);
        assert_eq!(heard.take(), expected);
    }
    Ok(())
}

#[tokio::test]
async fn authorities_that_a_policy_brings_itself_are_missed_by_no_root() -> Result<()> {
    let (private, heard) = (private().await?, Arc::new(Heard::default()));
    let Subject { engine, client } = Subject::new();
    let subject = Subject { engine: engine.telling(heard.clone()), client };
    let mut authority = private.keyless();
    for (root, missed) in [(&private.root, &private.renewed), (&private.rotated, &private.bundle)] {
        authority["keyless"]["ca-cert"] = json!({"data": chain(root)});
        // For the logs, which are the same.
        let policy = trusting(only(&authority), &[(ROOT, &private.root)]);
        let cause = only_cause(&subject.judge(&policy, missed).await);
        assert_eq!((cause.reason, heard.names()), (Reason::UntrustedCertificate, Vec::new()));
    }
    Ok(())
}

/// What `snapshot` trusts.
fn fingerprint(snapshot: &Snapshot) -> String {
    snapshot.trust[ROOT].trusted.as_ref().unwrap().fingerprint().to_string()
}

/// The chain of the first authority of a `trusted_root.json`, in PEM.
fn chain(root: &Value) -> String {
    let certificates = root["certificateAuthorities"][0]["certChain"]["certificates"].as_array().unwrap();
    let pem = |one: &Value| {
        let der = one["rawBytes"].as_str().unwrap();
        format!("-----BEGIN CERTIFICATE-----\n{der}\n-----END CERTIFICATE-----\n")
    };
    certificates.iter().map(pem).collect()
}
