//! Images admitted and refused, as a user sees it.

use anyhow::Result;
use serde_json::json;

use crate::fixture::{Space, image};

mod changes;
mod kinds;
mod modes;
mod scope;

#[tokio::test]
async fn a_signed_image_is_admitted_with_its_digest_and_an_unsigned_one_is_refused_with_the_reason()
-> Result<()> {
    let space = Space::new("signed").await?;
    let signer = &space.cluster.signer;
    let policy =
        space.policy("key", json!({"authorities": [{"key": {"data": signer.public_key_pem()}}]})).await?;
    for registry in [&space.cluster.registry, &space.cluster.plain_registry] {
        let repository = space.repository("app");
        let bundle = registry.push_image(&repository, "bundle").await?;
        signer.sign_bundle(&bundle).await?;
        let legacy = registry.push_image(&repository, "legacy").await?;
        signer.sign_legacy(&legacy).await?;
        let unsigned = registry.push_image(&repository, "unsigned").await?;

        for (tag, signed) in [("bundle", &bundle), ("legacy", &legacy)] {
            let tagged = format!("{}/{repository}:{tag}", registry.host());
            let pod = space.run(tag, &tagged).await.map_err(anyhow::Error::msg)?;
            assert_eq!(image(&pod), format!("{tagged}@{}", signed.digest()));
            space.delete_pod(tag).await?;
        }

        let refusal = space.run("unsigned", &unsigned.to_string()).await.unwrap_err();
        assert!(
            refusal.starts_with(&format!(
                "admission webhook \"policy.sigstore.dev\" denied the request: validation failed: \
                 failed policy: {policy}: spec.containers[0].image\n{unsigned} signature key validation failed \
                 for authority authority-0 for {unsigned}: no signatures found\nauthority authority-0: looked for "
            )),
            "{refusal}"
        );
    }
    Ok(())
}
