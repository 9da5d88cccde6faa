//! Manifests that people have, applied as they are.

use anyhow::Result;
use serde_json::{Value, json};

use crate::{
    fixture::{Space, refusal},
    objects::{POLICY, why},
};

/// As Stackable's tutorial on signed images has it.
const TUTORIAL: &str = r#"---
apiVersion: policy.sigstore.dev/v1beta1
kind: ClusterImagePolicy
metadata:
  name: verify-stackable-images
spec:
  images:
    - glob: "**.stackable.tech/**"
  authorities:
    - keyless:
        url: https://fulcio.sigstore.dev
        identities:
          - issuer: "https://token.actions.githubusercontent.com"
            subjectRegExp: "https://github.com/stackabletech/.+/.github/workflows/build.yml@refs.+"
      ctlog:
        url: https://rekor.sigstore.dev
"#;

#[tokio::test]
async fn the_tutorials_policy_applies_unchanged_and_denies_where_there_is_no_default_root() -> Result<()> {
    let space = Space::new("tutorial").await?;
    let terminal = space.cluster.control_plane.apply(TUTORIAL).await?;
    assert!(!terminal.stderr.contains("Warning"), "{}", terminal.stderr);

    let name = "verify-stackable-images";
    let object = space.objects.wait_for_ready(POLICY, name, "False").await?;
    let stored: Value = json!({
        "mode": "enforce",
        "images": [{"glob": "**.stackable.tech/**"}],
        "authorities": [{
            "name": "authority-0",
            "keyless": {
                "url": "https://fulcio.sigstore.dev",
                "identities": [{
                    "issuer": "https://token.actions.githubusercontent.com",
                    "subjectRegExp": "https://github.com/stackabletech/.+/.github/workflows/build.yml@refs.+",
                }],
            },
            "ctlog": {"url": "https://rekor.sigstore.dev"},
        }],
    });
    assert_eq!(object.data["spec"], stored);
    let (reason, message) = why(&object, "Ready");
    assert_eq!(reason, "TrustRootNotReady");
    assert!(message.contains("trustRootRef trustwright-default not found"), "{message}");

    // By digest, so no registry is asked.
    space.objects.wait_for_condition(POLICY, name, "Enforced").await?;
    let digest = "0".repeat(64);
    let image = format!("oci.stackable.tech/sdp/hello-world@sha256:{digest}");
    let said = space.run("app", &image).await.unwrap_err();
    assert!(said.starts_with(&refusal(name, "spec.containers[0].image", &image)), "{said}");
    for words in [
        "constructing checkOpts for authority-0: getting Fulcio certs: authority-0: trustRootRef trustwright-default not \
         found",
        "\nauthority authority-0 cannot be used: spec.authorities[0].keyless: ",
        "there is no default trust root here; name one",
    ] {
        assert!(said.contains(words), "{said}");
    }

    let elsewhere = format!("stackable.example/sdp/hello-world@sha256:{digest}");
    let said = space.run("app", &elsewhere).await.unwrap_err();
    assert!(said.contains("no matching policies"), "{said}");
    Ok(())
}
