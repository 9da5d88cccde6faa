//! Policies in every language, as a user meets them.

use anyhow::Result;
use serde_json::{Value, json};

use crate::{
    fixture::Space,
    objects::{POLICY, why},
};

/// The spec of a policy that passes every image whose workload is as `text` wants it.
fn spec(language: &str, text: &str) -> Value {
    json!({
        "authorities": [{"name": "a", "static": {"action": "pass"}}],
        "policy": {"type": language, "data": text, "includeObjectMeta": true},
    })
}

/// The same in each language: the pod has a name that starts with `good`.
const SAME: [(&str, &str, &str); 3] = [
    (
        "cue",
        "metadata: name: =~\"^good\"",
        "failed evaluating cue policy for ClusterImagePolicy: failed to evaluate the \
                                            policy with error: metadata.name: invalid value \"bad\"",
    ),
    (
        "rego",
        "package sigstore\ndefault isCompliant = false\nisCompliant { startswith(input.metadata.name, \"good\") }",
        "failed evaluating rego policy for type ClusterImagePolicy: policy is not compliant for query \
         'isCompliant = data.sigstore.isCompliant'",
    ),
    (
        "cel",
        "input.metadata.name.startsWith('good')",
        "failed evaluating cel policy for ClusterImagePolicy: ",
    ),
];

#[tokio::test]
async fn a_policy_in_each_language_admits_what_is_as_it_says_and_refuses_its_neighbour_with_the_cause()
-> Result<()> {
    for (language, text, refused) in SAME {
        let space = Space::new(&format!("language-{language}")).await?;
        let policy = space.policy("name", spec(language, text)).await?;
        let image = space.nowhere("app");
        space.run("good", &image).await.map_err(anyhow::Error::msg)?;
        let said = space.run("bad", &image).await.unwrap_err();
        assert!(said.contains(&format!("failed policy: {policy}: spec.containers[0].image")), "{said}");
        assert!(said.contains(refused), "{language}: {said}");
    }
    Ok(())
}

#[tokio::test]
async fn a_text_that_does_not_compile_is_not_ready_says_why_and_denies() -> Result<()> {
    let space = Space::new("language-broken").await?;
    for (language, text) in [("cue", "a: {"), ("rego", "package sigstore\nisCompliant {"), ("cel", "input.")]
    {
        let mut spec = spec(language, text);
        spec["images"] = json!([{"glob": format!("registry.example/{}/{language}@*", space.name)}]);
        let policy = space.policy_that_is("False", language, spec).await?;
        let object = space.objects.api(POLICY).get(&policy).await?;
        let (_, message) = why(&object, "Ready");
        assert!(message.contains("spec.policy"), "{language}: {message}");
        let said = space.run("app", &space.nowhere(language)).await.unwrap_err();
        assert!(said.contains(&format!("failed policy: {policy}")) && said.contains("spec.policy"), "{said}");
    }
    Ok(())
}

#[tokio::test]
async fn what_an_attestation_says_is_judged_by_cue_in_either_form_of_evidence() -> Result<()> {
    let space = Space::new("language-attested").await?;
    let (signer, registry) = (&space.cluster.signer, &space.cluster.registry);
    let text = "import \"list\"\npredicateType: \"https://example.com/check/v1\"\n\
                predicate: {passed: true, findings: list.MaxItems(1)}";
    let policy = space
        .policy(
            "check",
            json!({"authorities": [{
                "name": "builder", "key": {"data": signer.public_key_pem()},
                "attestations": [{
                    "name": "check", "predicateType": "https://example.com/check/v1",
                    "policy": {"type": "cue", "data": text},
                }],
            }]}),
        )
        .await?;
    let cases = [
        ("good", r#"{"passed": true, "findings": []}"#, None),
        (
            "failed",
            r#"{"passed": false, "findings": []}"#,
            Some("predicate.passed: conflicting values false and true"),
        ),
        ("many", r#"{"passed": true, "findings": [1, 2]}"#, Some("predicate.findings: invalid value [1,2]")),
    ];
    for (name, predicate, refused) in cases {
        for form in ["bundle", "legacy"] {
            let tag = format!("{name}-{form}");
            let image = registry.push_image(&space.repository("app"), &tag).await?;
            let kind = "https://example.com/check/v1";
            match form {
                "bundle" => signer.attest_bundle(&image, kind, predicate).await?,
                _ => signer.attest_legacy(&image, kind, predicate).await?,
            }
            let answer = space.run(&tag, &image.to_string()).await;
            let Some(refused) = refused else {
                answer.map_err(anyhow::Error::msg)?;
                continue;
            };
            let said = answer.unwrap_err();
            assert!(said.contains(&format!("failed policy: {policy}")), "{said}");
            let start = "failed evaluating cue policy for check: failed to evaluate the policy with error: ";
            assert!(said.contains(start) && said.contains(refused), "{said}");
        }
    }
    Ok(())
}
