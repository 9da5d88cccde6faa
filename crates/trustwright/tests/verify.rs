//! `trustwright verify`, as it is built: images of real registries and layouts, signed by cosign. No cluster is needed.

// A panic is how a test fails, also in what tests share.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use trustwright_testkit::{Image, KeyKind, Registry, Signer, signer::cosign};

const CHECK: &str = "https://example.com/check/v1";

/// What came of a run.
struct Run {
    status: i32,
    out: String,
    err: String,
}

impl Run {
    fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.out).with_context(|| format!("{} {}", self.out, self.err))
    }
}

/// Runs the command; no setting of the caller's shell bends it.
fn verify(arguments: &[&str]) -> Result<Run> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trustwright"));
    command.arg("verify").args(arguments).arg("--disable-tuf").env_remove("KUBECONFIG");
    for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(proxy).env_remove(proxy.to_ascii_lowercase());
    }
    let output = command.output()?;
    let status = output.status.code().context("it was killed")?;
    Ok(Run { status, out: String::from_utf8(output.stdout)?, err: String::from_utf8(output.stderr)? })
}

/// An empty folder of the test called `name`.
fn folder(name: &str) -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("verify").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn policy(name: &str, spec: &Value) -> Value {
    let mut policy = json!({
        "apiVersion": "policy.sigstore.dev/v1beta1", "kind": "ClusterImagePolicy", "metadata": {"name": name},
        "spec": {"images": [{"glob": "**/app**"}]},
    });
    policy["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    policy
}

fn keyed(name: &str, signer: &Signer) -> Value {
    policy(name, &json!({"authorities": [{"name": "builder", "key": {"data": signer.public_key_pem()}}]}))
}

/// Writes objects into one file, and returns its path.
fn write(folder: &Path, name: &str, objects: &[Value]) -> Result<String> {
    let path = folder.join(name);
    let documents: Vec<String> = objects.iter().map(ToString::to_string).collect();
    fs::write(&path, documents.join("\n---\n"))?;
    Ok(path.to_str().context("the path is no text")?.to_owned())
}

#[tokio::test]
async fn a_signed_image_is_admitted_and_another_key_refuses_it_and_says_why() -> Result<()> {
    let folder = folder("keys")?;
    let registry = Registry::with_referrers().await?;
    let (signer, other) = (Signer::new(KeyKind::EcdsaP256).await?, Signer::new(KeyKind::EcdsaP384).await?);
    let image = registry.push_image("shop/app", "v1").await?;
    signer.sign_bundle(&image).await?;
    let file = write(&folder, "policy.yaml", &[keyed("shop", &signer)])?;
    let tagged = format!("{}/shop/app:v1", registry.host());

    let run = verify(&[&tagged, "-f", &file])?;
    assert_eq!(run.status, 0, "{} {}", run.out, run.err);
    let first = format!("{}/shop/app:v1@{}: Admitted.", registry.host(), image.digest());
    assert_eq!(run.out.lines().next(), Some(first.as_str()));
    for part in [
        "ClusterImagePolicy shop (enforce) admits it",
        "authority builder: vouches",
        "signed by the key sha256:",
    ] {
        assert!(run.out.contains(part), "no {part:?} in {}", run.out);
    }
    assert!(!run.out.contains("looked into"), "only --explain tells of places: {}", run.out);

    let file = write(&folder, "rotated.yaml", &[keyed("shop", &other)])?;
    let run = verify(&[&tagged, "-f", &file, "--explain"])?;
    assert_eq!(run.status, 1, "{} {}", run.out, run.err);
    for part in [
        "Refused.",
        "authority builder: does not vouch",
        "signature key validation failed for authority builder for ",
        "(no_matching_signatures)",
        "looked into the referrers in ",
        "does not count",
    ] {
        assert!(run.out.contains(part), "no {part:?} in {}", run.out);
    }

    // Where nobody speaks of it, and where nobody answers, nobody can be said to refuse it.
    let elsewhere = policy(
        "shop",
        &json!({
            "images": [{"glob": "registry.example/**"}], "authorities": [{"static": {"action": "pass"}}],
        }),
    );
    let file = write(&folder, "elsewhere.yaml", &[elsewhere])?;
    let run = verify(&[&tagged, "-f", &file])?;
    assert_eq!(
        (run.status, run.out.contains("No policy speaks of it.")),
        (3, true),
        "{} {}",
        run.out,
        run.err
    );
    let file = write(&folder, "policy.yaml", &[keyed("shop", &signer)])?;
    registry.process().stop();
    let run = verify(&[&image.to_string(), "-f", &file])?;
    assert_eq!((run.status, run.out.contains("Undecided")), (2, true), "{} {}", run.out, run.err);
    Ok(())
}

#[tokio::test]
async fn what_each_policy_says_of_an_attestation_is_told_to_people_and_programs() -> Result<()> {
    let folder = folder("attested")?;
    let registry = Registry::with_referrers().await?;
    let signer = Signer::new(KeyKind::EcdsaP256).await?;
    let text = "import \"list\"\npredicate: {passed: true, findings: list.MaxItems(1)}";
    let authority = json!({"name": "scanner", "key": {"data": signer.public_key_pem()}, "attestations": [{
        "name": "scan", "predicateType": CHECK, "policy": {"type": "cue", "data": text},
    }]});
    let whole = "size(input.authorityMatches.scanner.attestations.scan) == 1";
    let spec = json!({"authorities": [authority], "policy": {"type": "cel", "data": whole}});
    let file = write(&folder, "policy.yaml", &[policy("scanned", &spec)])?;
    let cases = [
        ("clean", r#"{"passed": true, "findings": []}"#, 0),
        ("dirty", r#"{"passed": true, "findings": [1, 2]}"#, 1),
    ];
    for (tag, predicate, status) in cases {
        let image = registry.push_image("shop/app", tag).await?;
        signer.attest_bundle(&image, CHECK, predicate).await?;
        let run = verify(&[&image.to_string(), "-f", &file, "-o", "json", "--explain"])?;
        assert_eq!(run.status, status, "{} {}", run.out, run.err);
        let report = run.json()?;
        let outcome = if status == 0 { "Admitted" } else { "Refused" };
        assert_eq!((&report["outcome"], &report["resolved"]), (&json!(outcome), &json!(image.to_string())));
        let policy = &report["policies"][0];
        assert_eq!((&policy["name"], &policy["mode"]), (&json!("scanned"), &json!("enforce")));
        let authority = &policy["authorities"][0];
        assert_eq!(authority["vouches"], json!(status == 0));
        let evidence = authority["explanation"]["evidence"].as_array().context("no evidence")?;
        assert_eq!(evidence.len(), 1, "{report}");
        let verified = &evidence[0]["verified"];
        assert_eq!((&verified["predicateType"], &verified["form"]), (&json!(CHECK), &json!("bundle")));
        let said = &verified["attestations"][0];
        assert_eq!((&said["name"], &said["language"]), (&json!("scan"), &json!("cue")));
        let refused = said["refused"]["message"].as_str();
        if status == 0 {
            assert_eq!((refused, &policy["rule"]["language"]), (None, &json!("cel")));
            assert_eq!(authority["counted"].as_array().map(Vec::len), Some(1));
        } else {
            assert!(refused.context("it says nothing")?.contains("predicate.findings: invalid value [1,2]"));
            assert_eq!(authority["counted"], json!([]));
            let text = verify(&[&image.to_string(), "-f", &file])?.out;
            assert!(text.contains("predicate.findings: invalid value [1,2]"), "{text}");
        }
    }
    Ok(())
}

/// Copies an image and what lies beside it into a layout: its tags, and everything that refers to it.
async fn laid_out(registry: &Registry, image: &Image, tags: &[&str], layout: &str) -> Result<()> {
    let of = |reference: &str| format!("{}/{}{reference}", image.host(), image.repository());
    let mut all = vec![of(&format!("@{}", image.digest()))];
    all.extend(tags.iter().map(|tag| of(&format!(":{tag}"))));
    // The fallback tag lists what refers to it.
    let listed = registry.crane(&["manifest", &of(&format!(":{}", image.digest().replace(':', "-")))]).await;
    let listed: Value = listed.ok().map(|text| serde_json::from_str(&text)).transpose()?.unwrap_or_default();
    for one in listed["manifests"].as_array().into_iter().flatten() {
        all.push(of(&format!("@{}", one["digest"].as_str().context("no digest")?)));
    }
    for reference in all {
        registry.crane(&["pull", "--format=oci", "--annotate-ref", &reference, layout]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_image_in_a_layout_is_judged_without_its_registry() -> Result<()> {
    let folder = folder("layout")?;
    let registry = Registry::without_referrers().await?;
    let (signer, other) = (Signer::new(KeyKind::EcdsaP256).await?, Signer::new(KeyKind::EcdsaP256).await?);
    let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (bundle, legacy, saved) = (at("bundle"), at("legacy"), at("saved"));
    let image = registry.push_image("shop/app", "v1").await?;
    signer.sign_bundle(&image).await?;
    laid_out(&registry, &image, &[], &bundle).await?;
    let image = registry.push_image("shop/app", "v2").await?;
    signer.sign_legacy(&image).await?;
    let tag = format!("{}.sig", image.digest().replace(':', "-"));
    laid_out(&registry, &image, &["v2", &tag], &legacy).await?;
    cosign(image.env(), &["save", "--dir", &saved, &image.to_string()]).await?;
    registry.process().stop();

    let (good, bad) = (
        write(&folder, "good.yaml", &[keyed("shop", &signer)])?,
        write(&folder, "bad.yaml", &[keyed("shop", &other)])?,
    );
    let name = format!("{}/shop/app", registry.host());
    // `cosign save` does not say whose image it is.
    let cases = [
        (&bundle, &[][..], name.as_str()),
        (&legacy, &[], &name),
        (&saved, &["--as", "me.example/app"], "me.example/app"),
    ];
    for (layout, named, repository) in cases {
        let image = format!("oci:{layout}");
        let run = verify(&[&[image.as_str(), "-f", &good, "-o", "json"], named].concat())?;
        assert_eq!(run.status, 0, "{} {}", run.out, run.err);
        let resolved = run.json()?["resolved"].as_str().context("not resolved")?.to_owned();
        assert!(resolved.starts_with(repository), "{resolved}");
        let run = verify(&[&[image.as_str(), "-f", &bad], named].concat())?;
        assert_eq!(
            (run.status, run.out.contains("no_matching_signatures")),
            (1, true),
            "{} {}",
            run.out,
            run.err
        );
    }
    let run = verify(&[&format!("oci:{saved}"), "-f", &good])?;
    assert_eq!((run.status, run.err.contains("say it with --as")), (3, true), "{} {}", run.out, run.err);
    // By tag, as another repository, and what is not there.
    let run =
        verify(&[&format!("oci:{legacy}:v2"), "-f", &good, "--as", "registry.example/app", "-o", "json"])?;
    assert_eq!(run.json()?["resolved"], json!(format!("registry.example/app:v2@{}", image.digest())));
    for (named, said) in [
        (format!("oci:{legacy}:v3"), "no tag \"v3\" in the layout; it has ["),
        (format!("oci:{legacy}@sha256:{}", "0".repeat(64)), "no manifest sha256:0000"),
        (format!("oci:{}", folder.display()), "is no OCI image layout: it has no file oci-layout"),
    ] {
        let run = verify(&[&named, "-f", &good])?;
        assert_eq!((run.status, run.err.contains(said)), (2, true), "{named}: {}", run.err);
    }
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_used_is_named_by_file_object_and_field() -> Result<()> {
    let folder = folder("wrong")?;
    let image = format!("registry.example/app@sha256:{}", "0".repeat(64));
    let wrong =
        policy("p", &json!({"images": [{"glob": "$FOO*"}], "authorities": [{"static": {"action": "pass"}}]}));
    let right = policy("p", &json!({"authorities": [{"static": {"action": "pass"}}]}));
    let (wrong, right) = (write(&folder, "wrong.yaml", &[wrong])?, write(&folder, "right.yaml", &[right])?);
    assert_eq!(verify(&[&image, "-f", &right])?.status, 0);
    for (arguments, said) in [
        (
            vec![image.as_str(), "-f", &wrong],
            "wrong.yaml: ClusterImagePolicy p: invalid value: $FOO*: spec.images[0].glob",
        ),
        (vec![&image, "-f", "nowhere.yaml"], "cannot read nowhere.yaml"),
        (vec![&image, "-f", &right, "--policy", "q"], "there is no ClusterImagePolicy \"q\""),
        (vec!["registry.example/A", "-f", &right], "IMAGE: could not parse reference: registry.example/A"),
        (vec![&image, "-f", &right, "--as", "x.example/y"], "--as: "),
    ] {
        let run = verify(&arguments)?;
        assert_eq!((run.status, run.out.as_str()), (2, ""), "{arguments:?}: {} {}", run.out, run.err);
        assert!(run.err.contains(said), "{arguments:?}: {}", run.err);
    }
    Ok(())
}
