//! How a mirror is asked: certificates and credentials from our namespace.

use trustwright_testkit::{certs::Authority, front::Front, operator::NAMESPACE};

use super::*;

/// A mirror with TLS and an authority of its own.
struct Private {
    mirror: Mirrored,
    front: Front,
    authority: Authority,
}

impl Private {
    async fn start() -> Result<Self> {
        let (mirror, authority) = (Mirrored::start().await?, Authority::new("private mirror")?);
        let front = Front::tls(mirror.server.url(), &authority.server(&["127.0.0.1"])?).await?;
        Ok(Self { mirror, front, authority })
    }

    fn spec(&self, ca_bundle: &Value) -> Value {
        let mut spec = spec(&self.mirror.repository, self.front.url());
        spec["remote"]["caBundle"] = ca_bundle.clone();
        spec
    }
}

async fn apply(roots: &Roots<'_>, kind: &str, name: &str, annotations: Value, data: Value) -> Result<()> {
    let field = if kind == "Secret" { "stringData" } else { "data" };
    let object = json!({"apiVersion": "v1", "kind": kind, field: data,
        "metadata": {"name": name, "namespace": NAMESPACE, "annotations": annotations}});
    roots.control_plane.apply(&object.to_string()).await.map(drop)
}

#[tokio::test]
async fn a_mirror_with_its_own_authority_is_trusted_by_the_bundle_and_by_no_other() -> Result<()> {
    let (roots, private) = (shared().await?, Private::start().await?);
    let (pem, stranger) = (private.authority.pem(), Authority::new("stranger")?.pem());
    apply(&roots, "ConfigMap", "private-ca", json!({}), json!({"ca.crt": pem, "b": stranger})).await?;
    apply(&roots, "Secret", "private-ca", json!({}), json!({"ca.crt": pem})).await?;
    for (name, bundle) in [
        ("ca-inline", json!({"data": pem})),
        ("ca-of-a-map", json!({"configMapRef": {"name": "private-ca"}})),
        ("ca-of-a-secret", json!({"secretRef": {"name": "private-ca"}})),
    ] {
        roots.ready(name, &private.spec(&bundle)).await?;
    }
    for (name, bundle, reason, words) in [
        ("ca-none", Value::Null, "MirrorUnavailable", "certificate is not trusted"),
        (
            "ca-strange",
            json!({"configMapRef": {"name": "private-ca", "key": "b"}}),
            "MirrorUnavailable",
            "certificate is not trusted",
        ),
        (
            "ca-no-entry",
            json!({"configMapRef": {"name": "private-ca", "key": "c"}}),
            "InvalidReference",
            "key \"c\" of ConfigMap \"private-ca\"",
        ),
        ("ca-no-pem", json!({"data": "none"}), "InvalidReference", "spec.remote.caBundle"),
    ] {
        roots.objects.create(ROOT, name, &private.spec(&bundle)).await.map_err(anyhow::Error::msg)?;
        let object = roots.until_is(name, "Ready", "False", reason).await?;
        assert!(message(&object, "Ready").contains(words), "{}", message(&object, "Ready"));
        is(&object, "Reconciling", "True", reason)?;
    }
    // What the entry says later counts.
    apply(&roots, "ConfigMap", "private-ca", json!({}), json!({"ca.crt": pem, "c": pem})).await?;
    roots.objects.wait_for_ready(ROOT, "ca-no-entry", "True").await?;
    Ok(())
}

#[tokio::test]
async fn a_secret_is_shown_to_the_host_that_its_annotation_names_and_to_no_other() -> Result<()> {
    let (roots, private) = (shared().await?, Private::start().await?);
    let host = json!({"trustwright.dev/mirror": private.front.host()});
    let login = json!({"username": "u", "password": "p"});
    apply(&roots, "Secret", "mirror-login", host.clone(), login.clone()).await?;
    apply(&roots, "Secret", "mirror-token", host.clone(), json!({"token": "t"})).await?;
    apply(&roots, "Secret", "mirror-both", host, json!({"token": "t", "username": "u"})).await?;
    apply(&roots, "Secret", "mirror-unmarked", json!({}), login.clone()).await?;
    let other = json!({"trustwright.dev/mirror": "tuf.example"});
    apply(&roots, "Secret", "mirror-of-another", other, login).await?;
    let spec = |secret: &str| {
        let mut spec = private.spec(&json!({"data": private.authority.pem()}));
        spec["remote"]["credentials"] = json!({"secretRef": {"name": secret}});
        spec
    };
    for (secret, header) in [("mirror-login", "Basic dTpw"), ("mirror-token", "Bearer t")] {
        roots.ready(secret, &spec(secret)).await?;
        let shown = private.front.credentials();
        assert!(!shown.is_empty() && shown.iter().all(|shown| shown == header), "{shown:?}");
        roots.delete(secret).await?;
        drop(private.front.credentials());
    }
    private.mirror.forget();
    for (secret, words) in [
        ("mirror-unmarked", "has no annotation trustwright.dev/mirror"),
        ("mirror-of-another", "credential is for tuf.example"),
        ("mirror-both", "either token, or username and password"),
        ("mirror-missing", "does not exist"),
    ] {
        let object = roots.create(secret, &spec(secret), "False").await?;
        is(&object, "Ready", "False", "InvalidReference")?;
        assert!(message(&object, "Ready").contains(words), "{}", message(&object, "Ready"));
    }
    assert_eq!(private.mirror.server.asked(), []);
    // The annotation alone is what was missing.
    let annotate = format!("trustwright.dev/mirror={}", private.front.host());
    let secret = ["annotate", "-n", NAMESPACE, "secret", "mirror-unmarked", &annotate];
    roots.control_plane.kubectl(&secret).await?;
    roots.objects.wait_for_ready(ROOT, "mirror-unmarked", "True").await?;
    // Another password is used at once.
    drop(private.front.credentials());
    let changed = json!({"username": "u", "password": "q"});
    let host = json!({"trustwright.dev/mirror": private.front.host()});
    apply(&roots, "Secret", "mirror-unmarked", host, changed).await?;
    eventually("the other password", SOON, async || {
        let shown = private.front.credentials();
        ensure!(shown.last().is_some_and(|shown| shown == "Basic dTpx"), "{shown:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn credentials_over_http_are_refused_and_link_local_addresses_are_not_asked() -> Result<()> {
    let roots = shared().await?;
    let repository = Repository::new().until(FOREVER);
    let mut plain = spec(&repository, "http://127.0.0.1:9");
    plain["remote"]["credentials"] = json!({"secretRef": {"name": "s"}});
    let said = roots.objects.create(ROOT, "plain-login", &plain).await.unwrap_err();
    assert!(said.contains("spec.remote.mirror") && said.contains("https only"), "{said}");
    plain["remote"]["mirror"] = json!("https://127.0.0.1:9");
    roots.create("plain-login", &plain, "False").await?;

    for (name, url, words) in [
        ("link-local", "http://169.254.169.254/latest", "link-local"),
        ("loopback", "http://127.0.0.1:9/latest", "connection failed"),
    ] {
        roots.create(name, &spec(&repository, url), "False").await?;
        let object = roots.until_is(name, "Ready", "False", "MirrorUnavailable").await?;
        assert!(message(&object, "Ready").contains(words), "{}", message(&object, "Ready"));
    }
    Ok(())
}
