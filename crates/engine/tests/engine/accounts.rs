//! What a verdict rests on: the same verdict as without asking, and everything that was found.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;
use trustwright_core::{Decision, Reason, Verdict};
use trustwright_engine::{Anonymous, Explanation, ImageField, Judging, Piece, Review};
use trustwright_policy::{Language, Outcome, Snapshot, Workload};
use trustwright_testkit::{KeyKind, Registry, Signer};
use trustwright_verify::Signer as SignedBy;

use crate::{
    PATIENCE, Subject, key, only,
    private::{CHECK, private},
    snapshot,
};

impl Subject {
    async fn explain(&self, snapshot: &Snapshot, image: impl std::fmt::Display) -> Result<Explanation> {
        let labels = BTreeMap::new();
        let workload = Workload { group: "", version: "v1", resource: "pods", labels: &labels };
        let path = "spec.containers[0].image".to_owned();
        let images = [ImageField { path, image: image.to_string() }];
        let review = Review {
            workload: &workload,
            images: &images,
            object: None,
            credentials: &Anonymous,
            now: Timestamp::now(),
            deadline: Instant::now() + PATIENCE,
        };
        let explained = self.engine.explain(snapshot, &review).await.pop().context("no explanation")?;
        assert_eq!(explained.verdict, self.judge(snapshot, &images[0].image).await, "explained otherwise");
        Ok(explained)
    }
}

fn pieces(explained: &Explanation, policy: usize, authority: usize) -> &[Piece] {
    &explained.policies[policy].authorities[authority].trace.pieces
}

fn reason(piece: &Piece) -> Option<Reason> {
    match &piece.judging {
        Judging::Refused(cause) => Some(cause.reason),
        Judging::NotAskedFor | Judging::Verified(..) => None,
    }
}

#[tokio::test]
async fn everything_is_looked_at_also_once_an_authority_vouches() -> Result<()> {
    let (signer, other) = (Signer::new(KeyKind::EcdsaP256).await?, Signer::new(KeyKind::EcdsaP256).await?);
    let registry = Registry::with_referrers().await?;
    let image = registry.push_image("app", "v1").await?;
    signer.sign_bundle(&image).await?;
    other.sign_legacy(&image).await?;
    signer.attest_bundle(&image, CHECK, r#"{"passed":true}"#).await?;
    let [ours, theirs] = [&signer, &other].map(|signer| key("a", signer.public_key_pem()));
    let mut second = theirs.clone();
    second["name"] = json!("b");
    let both = snapshot([(
        "p",
        json!({"authorities": [ours, second, {"name": "s", "static": {"action": "pass"}}]}),
    )]);
    let explained = Subject::new().explain(&both, &image).await?;
    assert_eq!(explained.verdict, Verdict::Allow);
    let authorities = &explained.policies[0].authorities;
    assert!(authorities.iter().all(|authority| matches!(authority.outcome, Outcome::Vouched(_))));
    for (index, in_bundle) in [(0, true), (1, false)] {
        let found = pieces(&explained, 0, index);
        assert_eq!(found.len(), 3, "{found:?}");
        for piece in found {
            assert_eq!(piece.manifest.is_some(), piece.place.tag.is_none(), "{piece:?}");
            assert!(piece.size > 0, "{piece:?}");
            if piece.declared.as_deref() == Some(CHECK) {
                assert_eq!(piece.judging, Judging::NotAskedFor);
            } else if piece.place.tag.is_none() == in_bundle {
                let Judging::Verified(facts, judged) = &piece.judging else { panic!("{piece:?}") };
                assert!(matches!(facts.signer, SignedBy::Key(_)) && judged.is_empty());
            } else {
                assert_eq!(reason(piece), Some(Reason::NoMatchingSignatures), "{piece:?}");
            }
        }
    }
    assert_eq!(pieces(&explained, 0, 2), &[]);

    // What the neighbour is denied for is told of each piece of evidence.
    let stranger = Signer::new(KeyKind::EcdsaP256).await?;
    let explained = Subject::new().explain(&only(&key("a", stranger.public_key_pem())), &image).await?;
    assert_eq!(explained.verdict.decision(), Decision::Deny);
    let reasons: Vec<_> = pieces(&explained, 0, 0).iter().filter_map(reason).collect();
    assert_eq!(reasons, [Reason::NoMatchingSignatures; 2]);
    Ok(())
}

#[tokio::test]
async fn each_entry_says_of_each_statement_of_its_type_what_its_policy_says() -> Result<()> {
    let signer = Signer::new(KeyKind::EcdsaP256).await?;
    let registry = Registry::with_referrers().await?;
    let image = registry.push_image("app", "v1").await?;
    signer.attest_bundle(&image, CHECK, r#"{"passed":false}"#).await?;
    signer.attest_bundle(&image, CHECK, r#"{"passed":true}"#).await?;
    let script = json!({"expect": {"/predicate/passed": true}}).to_string();
    let mut authority: Value = key("a", signer.public_key_pem());
    authority["attestations"] = json!([
        {"name": "ruled", "predicateType": CHECK, "policy": {"type": "rego", "data": script}},
        {"name": "free", "predicateType": CHECK},
    ]);
    let explained = Subject::new().explain(&only(&authority), &image).await?;
    assert_eq!(explained.verdict, Verdict::Allow);
    let mut refused = 0;
    for piece in pieces(&explained, 0, 0) {
        let Judging::Verified(facts, judged) = &piece.judging else { panic!("{piece:?}") };
        assert_eq!(facts.statement.as_ref().map(|statement| statement.predicate_type.as_str()), Some(CHECK));
        let [ruled, free] = judged.as_slice() else { panic!("{judged:?}") };
        assert_eq!((ruled.name.as_str(), ruled.language), ("ruled", Some(Language::Rego)));
        assert_eq!((free.name.as_str(), free.language, &free.refused), ("free", None, &None));
        refused += usize::from(ruled.refused.is_some());
    }
    assert_eq!(refused, 1);
    Ok(())
}

#[tokio::test]
async fn what_vouches_for_a_signature_besides_its_certificate_is_told() -> Result<()> {
    let private = private().await?;
    let policy = private.trusted(only(&private.keyless()));
    let explained = Subject::new().explain(&policy, &private.bundle).await?;
    let [piece] = pieces(&explained, 0, 0) else { panic!("{explained:?}") };
    let Judging::Verified(facts, _) = &piece.judging else { panic!("{piece:?}") };
    let SignedBy::Certificate(identity) = &facts.signer else { panic!("{facts:?}") };
    assert_eq!(identity.issuer.as_deref(), Some(private.issuer.as_str()));
    assert_eq!((facts.log_entries.len(), facts.times.len()), (1, 1));
    Ok(())
}
