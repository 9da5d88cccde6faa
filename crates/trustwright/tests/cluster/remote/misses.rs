//! Images that speak of what a root does not know: the mirror is asked, within a budget.

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, ResourceExt as _, api::ListParams};
use trustwright_testkit::{
    PrivateSigstore,
    operator::NAMESPACE,
    private_sigstore::{AUDIENCE, subject},
};

use super::*;
use crate::{
    fixture::{Space, admitted_soon, dry_run, pod},
    keyless::keyless,
};

const NAME: &str = "missed";
/// What is said of a certificate by an authority that the root does not have.
const UNKNOWN: &str = "cert verification failed: ";
/// How often a mirror is asked for misses.
const EVERY: Duration = Duration::from_mins(1);
/// Images by authorities that nobody knows, and how often each is tried.
const MANY: usize = 4;
const ROUNDS: usize = 5;

/// How often the mirror was asked for its next root: once in every refresh, and once more where that finds news.
fn asked_for_root(mirror: &Mirrored) -> usize {
    mirror.server.asked().iter().filter(|asked| asked.path.ends_with(".root.json")).count()
}

fn trust(mirror: &mut Mirrored, sigstore: &PrivateSigstore) {
    let file = sigstore.trusted_root_json().as_bytes().to_vec();
    mirror.repository.files.insert("trusted_root.json".to_owned(), file);
}

/// The Lease of the replica that has noted a miss of the root with this fingerprint: what it says, and its time.
async fn noted(space: &Space, fingerprint: &str) -> Result<Lease> {
    let leases = Api::<Lease>::namespaced(space.client.clone(), NAMESPACE);
    eventually("the miss on the Lease of the replica", SOON, async || {
        let all = leases.list(&ListParams::default().labels("trustwright.dev/replica=webhook")).await?;
        let has_noted = |lease: &Lease| {
            let note = lease.annotations().get("trustwright.dev/misses");
            note.is_some_and(|note| note.contains(NAME) && note.contains(fingerprint))
        };
        all.items.into_iter().find(has_noted).context("no such note")
    })
    .await
}

#[tokio::test]
async fn an_image_of_unknown_keys_has_the_mirror_asked_at_once_and_many_of_them_not_more_often() -> Result<()>
{
    let (space, roots) = (Space::new("misses").await?, shared().await?);
    let control_plane = space.cluster.control_plane;
    let mut sigstore = PrivateSigstore::start(control_plane).await?;
    let token = control_plane.service_account_token(&space.name, "default", &[AUDIENCE]).await?;
    let registry = &space.cluster.registry;
    let before = registry.push_image(&space.repository("app"), "before").await?;
    sigstore.sign_keyless(&before, &token).await?;

    let mut mirror = Mirrored::start().await?;
    trust(&mut mirror, &sigstore);
    mirror.repository.advance();
    mirror.publish();
    roots.ready(NAME, &mirror.seldom()).await?;
    let signer = subject(&space.name, "default");
    let authorities = keyless(NAME, sigstore.issuer(), &signer);
    space.policy("policy", json!({"authorities": authorities})).await?;
    admitted_soon(&space.pods(), &before.to_string()).await?;

    // Rotated, and nobody tells Trustwright.
    sigstore.rotate_fulcio(control_plane).await?;
    trust(&mut mirror, &sigstore);
    mirror.repository.advance();
    mirror.publish();
    let after = registry.push_image(&space.repository("app"), "after").await?;
    sigstore.sign_keyless(&after, &token).await?;
    mirror.forget();
    let start = Instant::now();
    let said = space.run("after", &after.to_string()).await.unwrap_err();
    let refused = start.elapsed();
    assert!(said.contains(UNKNOWN), "{said}");
    admitted_soon(&space.pods(), &after.to_string()).await?;
    println!("refused after {refused:?}, admitted after {:?}", start.elapsed());
    assert!(start.elapsed() < INTERVAL, "{:?}", start.elapsed());
    assert_eq!(asked_for_root(&mirror), 2, "one refresh, with news");

    // Unknown again, and this time the mirror knows no better.
    sigstore.rotate_fulcio(control_plane).await?;
    let mut unknown = vec![before];
    for number in 0..MANY {
        let image = registry.push_image(&space.repository("app"), &format!("unknown-{number}")).await?;
        sigstore.sign_keyless(&image, &token).await?;
        unknown.push(image);
    }
    for image in std::iter::repeat_n(&unknown, ROUNDS).flatten() {
        let said = space.pods().create(&dry_run(), &pod("unknown", &image.to_string())).await.unwrap_err();
        assert!(said.to_string().contains(UNKNOWN), "{said}");
    }
    let object = roots.get(NAME).await?;
    let told = noted(&space, fingerprint(&object)).await?;
    // The leader has seen that by the time that it sees the next report.
    eventually("the next report", SOON, async || {
        let next = noted(&space, fingerprint(&object)).await?;
        ensure!(next.spec != told.spec, "still the same");
        Ok(())
    })
    .await?;
    let minutes = usize::try_from(start.elapsed().as_secs() / EVERY.as_secs())?;
    let asked = asked_for_root(&mirror);
    assert!(asked <= minutes, "asked {asked} times more within {:?}", start.elapsed());
    let misses = format!("trustwright_webhook_trustroot_misses_total{{trustroot=\"{NAME}\"}}");
    let misses = metric(roots.operator, &misses).await?.context("no such series")?;
    // Of either fingerprint, however many images there were.
    assert!((2..=2 + minutes).any(|expected| misses.to_string() == expected.to_string()), "{misses}");
    let refreshed =
        "trustwright_trustroot_refreshes_total{result=\"success\",reason=\"UpToDate\",cause=\"miss\"}";
    assert!(metric(roots.operator, refreshed).await?.is_some_and(|count| count >= 1.0));
    Ok(())
}
