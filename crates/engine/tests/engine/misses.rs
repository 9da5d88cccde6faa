//! What a trust root does not know is told of, once a minute.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::Result;
use serde_json::json;
use trustwright_core::Reason;
use trustwright_engine::Misses;

use crate::{
    Subject, assert_allowed,
    memory::wait,
    only, only_cause,
    private::{ROOT, private, trusting, with_other_log},
};

#[derive(Debug, Default)]
struct Heard(Mutex<Vec<String>>);

impl Misses for Heard {
    fn missed(&self, root: &str) {
        self.0.lock().unwrap().push(root.to_owned());
    }
}

#[tokio::test]
async fn a_root_that_does_not_know_an_authority_is_told_of_once_a_minute_and_other_refusals_are_not()
-> Result<()> {
    let (private, heard) = (private().await?, Arc::new(Heard::default()));
    let Subject { engine, client } = Subject::new();
    let subject = Subject { engine: engine.telling(heard.clone()), client };
    let told = || std::mem::take(&mut *heard.0.lock().unwrap());
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
