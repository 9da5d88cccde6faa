//! What cosign v3 writes, in pairwise combinations of its flags, judged by us and by cosign.
//!
//! What cosign cannot write stands in [`expected::cannot`], what both refuse and where we differ in
//! [`expected::verdicts`], each with its reason. All of it is tried, so that neither outlives its reason;
//! `docs/compatibility.md` has the differences for people.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod expected;
mod images;
mod key;
mod pairs;
mod row;
mod stage;
mod verifiers;

use anyhow::Result;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use trustwright_testkit::KeyKind;

use expected::{Verdict, cannot, verdicts};
use row::{Form, Row, Signer, What};
use stage::{Outcome, Stage};
use verifiers::Against;

/// Rows that are worked on at once: cosign is a process of its own, and slow at its keys.
const CONCURRENCY: usize = 4;

async fn try_all(rows: Vec<Row>, against: Against) -> Result<Vec<(Row, Outcome)>> {
    let stage = Stage::get().await?;
    let outcomes =
        stream::iter(rows).map(|row| async move { Ok((row.clone(), stage.run(&row, against).await?)) });
    outcomes.buffered(CONCURRENCY).try_collect().await
}

/// Checks that each row is signed, accepted and refused as it should be, by cosign and by us.
fn assert_expected(outcomes: &[(Row, Outcome)]) {
    let mut wrong = Vec::new();
    for (row, outcome) in outcomes {
        let Outcome::Signed { cosign, ours } = outcome else {
            wrong.push(format!("{row:?}\n    {outcome:?}"));
            continue;
        };
        let (of_cosign, of_ours) = verdicts(row);
        for (who, found, expected) in [("cosign", cosign, of_cosign), ("we", ours, of_ours)] {
            let is_right = match (&found.right, expected) {
                (None, Verdict::Accepted) => true,
                (Some(text), Verdict::Refused(part)) => text.contains(part),
                (None, Verdict::Refused(_)) | (Some(_), Verdict::Accepted) => false,
            };
            if !is_right {
                wrong.push(format!("{row:?}\n    {who}: {:?}, expected {expected:?}", found.right));
            }
            if found.other.is_none() {
                wrong.push(format!("{row:?}\n    {who}: accepted for somebody else, or for something else"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn what_cosign_signs_is_accepted_and_refused_as_cosign_does() -> Result<()> {
    let rows = pairs::rows(|row| row.is_a_combination() && cannot(row).is_none());
    assert!(rows.len() > 20, "{}", rows.len());
    assert_expected(&try_all(rows, Against::AnotherSigner).await?);
    Ok(())
}

#[tokio::test]
async fn attestations_of_each_type_count_as_what_they_are() -> Result<()> {
    let types = [
        "custom",
        "slsaprovenance",
        "slsaprovenance02",
        "slsaprovenance1",
        "spdx",
        "spdxjson",
        "cyclonedx",
        "link",
        "vuln",
        "openvex",
        "https://example.com/check/v1",
    ];
    let row = |(at, kind): (usize, &str)| Row {
        signer: Signer::Key(KeyKind::EcdsaP256),
        form: if at < types.len() { Form::Bundle } else { Form::Legacy },
        log: false,
        stamp: false,
        chain: false,
        referrers: at % 2 == 0,
        what: What::Attestation(kind.to_owned()),
    };
    let rows: Vec<_> = types.into_iter().chain(types).enumerate().map(row).collect();
    assert_expected(&try_all(rows, Against::AnotherType).await?);
    Ok(())
}

#[tokio::test]
async fn what_cosign_cannot_write_it_refuses_to() -> Result<()> {
    let mut reasons = Vec::new();
    let mut rows = Vec::new();
    for row in pairs::everything().into_iter().filter(Row::is_a_combination) {
        // One of each reason, form and kind of signer, for signatures and attestations.
        let Some(reason) = cannot(&row) else { continue };
        let like = (reason, row.form, row.what.clone(), row.signer == Signer::Keyless);
        if !reasons.contains(&like) {
            reasons.push(like);
            rows.push(row);
        }
    }
    assert!(rows.len() >= 10, "{rows:?}");
    for (row, outcome) in try_all(rows, Against::AnotherSigner).await? {
        let Outcome::Unsigned(error) = outcome else { panic!("signed: {row:?}") };
        let reason = cannot(&row).unwrap();
        assert!(error.contains(reason), "{row:?}: {error}, expected {reason}");
    }
    Ok(())
}

#[tokio::test]
async fn an_index_is_judged_by_its_own_digest_and_its_images_by_theirs() -> Result<()> {
    let stage = Stage::get().await?;
    for form in [Form::Legacy, Form::Bundle] {
        let row = Row {
            signer: Signer::Key(KeyKind::EcdsaP256),
            form,
            log: false,
            stamp: false,
            chain: false,
            referrers: true,
            what: What::Signature,
        };
        let (index, image) = stage.push_index().await?;
        for (signed, other) in [(&index, &image), (&image, &index)] {
            // Whichever comes first, the other is not signed yet.
            if stage.judge(&row, signed, Against::Nothing).await.is_some() {
                stage.sign(&row, signed).await?;
                let verdicts = stage.verdicts(&row, signed, Against::AnotherSigner).await;
                assert!(
                    verdicts.iter().all(|one| one.right.is_none() && one.other.is_some()),
                    "{verdicts:?}"
                );
            }
            if std::ptr::eq(signed, &raw const index) {
                let verdicts = stage.verdicts(&row, other, Against::AnotherSigner).await;
                assert!(verdicts.iter().all(|one| one.right.is_some()), "{verdicts:?}");
            }
        }
    }
    Ok(())
}
