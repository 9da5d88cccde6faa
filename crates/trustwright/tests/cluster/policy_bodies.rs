//! The texts of policies behind URLs: fetched over real HTTPS, checked, kept.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{DeleteParams, ListParams},
    core::DynamicObject,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use trustwright_testkit::{
    ControlPlane, Operator, OperatorOptions,
    certs::Authority,
    control_plane,
    front::Front,
    http::{Fault, HttpServer},
    operator::NAMESPACE,
    process::eventually,
    run_dir,
};
use trustwright_trust::tuf::Archive;

use crate::{
    fixture::{Own, SOON, options_with},
    objects::{Objects, POLICY, condition},
};

/// Bytes of the longest text.
const MAX_LENGTH: usize = 512 << 10;

/// A server of texts with TLS, whose authority is the platform's for those who are started with [`Texts::trusting`].
pub(crate) struct Texts {
    pub(crate) server: HttpServer,
    front: Front,
    authorities: String,
}

impl Texts {
    pub(crate) async fn start(name: &str) -> Result<Self> {
        let (server, authority) = (HttpServer::start(&Archive::default()).await?, Authority::new(name)?);
        let front = Front::tls(server.url(), &authority.server(&["127.0.0.1"])?).await?;
        let file = run_dir::data(name)?.join("authorities.pem");
        fs::write(&file, authority.pem())?;
        Ok(Self { server, front, authorities: file.display().to_string() })
    }

    /// The options of a Trustwright that takes the authority for the platform's.
    pub(crate) fn trusting(&self, args: &[&str]) -> OperatorOptions {
        let env = vec![("SSL_CERT_FILE".to_owned(), self.authorities.clone())];
        OperatorOptions { env, ..options_with(args) }
    }

    /// Serves a text at `path` and returns the `remote` that names it.
    pub(crate) fn serve(&self, path: &str, text: &str) -> Value {
        self.server.fail(path, Fault::Content(text.into()));
        self.remote(path, text)
    }

    fn remote(&self, path: &str, text: &str) -> Value {
        json!({"url": format!("{}/{path}", self.front.url()), "sha256sum": sum(text)})
    }

    async fn asked_for(&self, path: &str) -> Result<()> {
        eventually(&format!("asked for {path}"), SOON, async || {
            let asked = self.server.asked();
            ensure!(asked.iter().any(|asked| asked.path == path), "{asked:?}");
            Ok(())
        })
        .await
    }
}

fn sum(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

/// A cluster of one test, whose Trustwright trusts these texts' authority.
async fn start(texts: &Texts) -> Result<Own> {
    let control_plane = ControlPlane::start(control_plane::Options::default()).await?;
    let operator = Operator::start(&control_plane, texts.trusting(&["--shutdown-grace=0"])).await?;
    let client = control_plane.client().await?;
    Ok(Own { operator, control_plane, objects: Objects::new(client.clone()), client })
}

pub(crate) fn spec(remote: &Value) -> Value {
    json!({
        "images": [{"glob": "registry.example/bodies/**"}],
        "authorities": [{"static": {"action": "pass"}}],
        "policy": {"type": "rego", "remote": remote},
    })
}

pub(crate) async fn create(objects: &Objects, name: &str, remote: &Value) -> Result<()> {
    objects.create(POLICY, name, &spec(remote)).await.map_err(anyhow::Error::msg).map(drop)
}

/// Waits until `PoliciesResolved` is `status` with a message that contains `words`.
pub(crate) async fn resolved(
    objects: &Objects,
    name: &str,
    status: &str,
    words: &str,
) -> Result<DynamicObject> {
    eventually(&format!("PoliciesResolved={status} of {name}"), SOON, async || {
        let object = objects.api(POLICY).get(name).await?;
        let found = condition(&object, "PoliciesResolved").context("no condition")?;
        ensure!(found["status"] == status, "{found}");
        let message = found["message"].as_str().context("no message")?;
        ensure!(message.contains(words), "{message}");
        Ok(object)
    })
    .await
}

/// A text as long as one may be, in lines of the length that one may have.
fn longest() -> String {
    let mut text = "package longest\n".to_owned();
    while text.len() < MAX_LENGTH {
        let left = MAX_LENGTH - text.len();
        text.push_str(&"#".repeat(left.min(1_000) - 1));
        text.push('\n');
    }
    text
}

fn kept(own: &Own) -> Api<ConfigMap> {
    Api::namespaced(own.client.clone(), NAMESPACE)
}

#[tokio::test]
async fn a_text_is_fetched_over_https_within_bounds_and_only_the_right_one_is_kept() -> Result<()> {
    let (texts, others) = (Texts::start("bodies").await?, Texts::start("bodies-elsewhere").await?);
    let both =
        format!("{}{}", fs::read_to_string(&texts.authorities)?, fs::read_to_string(&others.authorities)?);
    fs::write(&texts.authorities, both)?;
    let own = start(&texts).await?;
    let objects = &own.objects;

    // One that does not answer holds up no other.
    texts.server.fail("slow", Fault::Hang);
    create(objects, "slow", &texts.remote("slow", "slow")).await?;
    texts.asked_for("slow").await?;
    let right = texts.serve("right", "package right");
    create(objects, "right", &right).await?;
    resolved(objects, "right", "True", "").await?;
    resolved(objects, "slow", "False", "spec.policy.remote: https://").await?;
    resolved(objects, "slow", "False", "/slow has not been fetched").await?;

    let right_sum = sum("package right");
    let map = kept(&own).get(&format!("trustwright-policy-{right_sum}")).await?;
    assert_eq!(map.data.context("no data")?["policy"], "package right");
    assert_eq!(map.immutable, Some(true));

    let longest = longest();
    others.serve("moved", "package moved");
    let signed = texts.serve("signed?signature=hunter2", "package signed");
    for (name, remote) in [
        ("right-in-capitals", json!({"url": right["url"], "sha256sum": right_sum.to_uppercase()})),
        ("signed", signed),
        ("longest", texts.serve("longest", &longest)),
        ("moved", {
            texts.server.fail("moved", Fault::Redirect(others.front.url().to_owned()));
            texts.remote("moved", "package moved")
        }),
    ] {
        create(objects, name, &remote).await?;
        resolved(objects, name, "True", "").await?;
    }
    let asked: Vec<_> = texts.server.asked().into_iter().map(|asked| asked.path).collect();
    assert_eq!(asked, ["right", "signed?signature=hunter2", "longest", "moved"], "each once");

    let mut attested = spec(&Value::Null);
    attested["policy"].take();
    attested["authorities"] = json!([{"keyless": {
        "url": "https://fulcio.sigstore.dev", "identities": [{"issuer": "i", "subject": "s"}],
    }, "attestations": [{"name": "a", "predicateType": "custom", "policy": {
        "type": "rego", "remote": texts.serve("attested", "package attested"),
    }}]}]);
    objects.create(POLICY, "attested", &attested).await.map_err(anyhow::Error::msg)?;
    resolved(objects, "attested", "True", "").await?;

    let too_long = format!("{longest}#");
    others.serve("downgraded", "package downgraded");
    let wrong = format!("{} got {right_sum}", sum("package wrong"));
    for (name, remote, words) in [
        (
            "wrong",
            json!({"url": right["url"], "sha256sum": sum("package wrong")}),
            format!("failed to check sha256sum from policy remote: {wrong}"),
        ),
        (
            "no-sum",
            json!({"url": right["url"], "sha256sum": "0"}),
            "expected 64 hexadecimal digits".to_owned(),
        ),
        ("too-long", texts.serve("too-long", &too_long), "larger than the limit of 524288 bytes".to_owned()),
        (
            "downgraded",
            {
                texts.server.fail("downgraded", Fault::Redirect(others.server.url().to_owned()));
                texts.remote("downgraded", "package downgraded")
            },
            "refused a redirect from https to http".to_owned(),
        ),
        ("absent", texts.remote("absent", "package absent"), "there is no such file".to_owned()),
    ] {
        create(objects, name, &remote).await?;
        let object = resolved(objects, name, "False", &words).await?;
        let said = condition(&object, "PoliciesResolved").context("no condition")?["message"].to_string();
        assert!(said.starts_with("\"spec.policy.remote: failed to "), "{said}");
    }
    assert!(others.server.asked().iter().all(|asked| asked.path != "downgraded"));

    let plain = json!({"url": format!("{}/right", texts.server.url()), "sha256sum": right_sum});
    let said = objects.create(POLICY, "plain", &spec(&plain)).await.unwrap_err();
    assert!(said.contains("host and https scheme are expected"), "{said}");

    // The right text heals a policy by itself; and of all that came, only right texts are kept.
    texts.serve("absent", "package absent");
    resolved(objects, "absent", "True", "").await?;
    let maps = kept(&own).list(&ListParams::default()).await?;
    let bodies =
        maps.iter().filter_map(|map| map.metadata.name.as_deref()?.strip_prefix("trustwright-policy-"));
    let mut expected =
        ["package right", "package signed", &longest, "package moved", "package absent", "package attested"]
            .map(sum);
    expected.sort();
    assert_eq!(bodies.collect::<Vec<_>>(), expected);
    Ok(())
}

#[tokio::test]
async fn what_was_fetched_outlives_its_source_and_a_restart_and_what_is_deleted_is_fetched_again()
-> Result<()> {
    let texts = Texts::start("bodies-restart").await?;
    let mut own = start(&texts).await?;
    let remote = texts.serve("kept", "package kept");
    create(&own.objects, "kept", &remote).await?;
    resolved(&own.objects, "kept", "True", "").await?;

    texts.server.heal();
    texts.server.fail_everywhere(Fault::Closed);
    own.operator.process().signal("TERM")?;
    own.operator.process_mut().wait(SOON).await?;
    texts.server.asked();
    let port = own.operator.webhook_port();
    own.operator = Operator::spawn(&own.control_plane, texts.trusting(&[]), port).await?.ready().await?;
    // What the new leader says of policies that it has not seen before.
    create(&own.objects, "away", &texts.remote("away", "package away")).await?;
    resolved(&own.objects, "away", "False", "failed to fetch content from policy url: GET https://").await?;
    create(&own.objects, "second", &remote).await?;
    resolved(&own.objects, "second", "True", "").await?;
    resolved(&own.objects, "kept", "True", "").await?;
    assert!(texts.server.asked().iter().all(|asked| asked.path == "away"));

    // Without what is kept, the source is what there is.
    let name = format!("trustwright-policy-{}", sum("package kept"));
    kept(&own).delete(&name, &DeleteParams::default()).await?;
    resolved(&own.objects, "kept", "False", "failed to fetch content from policy url: GET https://").await?;
    texts.server.heal();
    texts.serve("kept", "package kept");
    resolved(&own.objects, "kept", "True", "").await?;
    Ok(())
}
