//! Pull secrets of a real API server, with the rights of the manifests and no others.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::{fs, time::Duration};

use anyhow::Result;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::json;
use tokio::time::Instant;
use trustwright_core::Reason;
use trustwright_engine::{CredentialError, Credentials as _};
use trustwright_registry::Credential;
use trustwright_testkit::{
    ControlPlane,
    control_plane::{self, client},
    operator::{self, manifests_folder},
    process::eventually,
};
use trustwright_webhook::{PullSecrets, Puller};

const TEAM: &str = "pulling-team";

async fn apply_manifests(control_plane: &ControlPlane) -> Result<()> {
    for file in ["10-namespace.yaml", "20-rbac.yaml", "25-pull-secrets.yaml"] {
        control_plane.apply(&fs::read_to_string(manifests_folder().join(file))?).await?;
    }
    Ok(())
}

async fn create_secret(control_plane: &ControlPlane, name: &str, kind: &str, key: &str) -> Result<()> {
    let entry = json!({"ghcr.io": {"username": name, "password": "p"}});
    let document = if key == ".dockercfg" { entry } else { json!({ "auths": entry }) };
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": TEAM, "name": name}, "type": kind,
        "data": {key: BASE64_STANDARD.encode(document.to_string())},
    });
    control_plane.apply(&secret.to_string()).await.map(drop)
}

/// The user for an image of `ghcr.io`, read anew; none for anonymous.
async fn user(
    secrets: &PullSecrets,
    account: &str,
    names: &[&str],
) -> Result<Option<String>, CredentialError> {
    let pull_secrets = names.iter().map(|&name| name.to_owned()).collect();
    let puller = Puller { namespace: TEAM.into(), service_account: account.into(), pull_secrets };
    let credentials = secrets.of(puller, Instant::now() + Duration::from_secs(20));
    credentials.forget();
    match credentials.credential(&"ghcr.io/a/b".parse().unwrap(), None).await? {
        Credential::Basic { username, .. } => Ok(Some(username)),
        Credential::Anonymous => Ok(None),
        Credential::IdentityToken(token) => Ok(Some(format!("token {token}"))),
    }
}

#[tokio::test]
async fn pull_secrets_are_read_with_the_rights_of_their_own_role_and_not_without() -> Result<()> {
    let control_plane = control_plane::shared().await?;
    apply_manifests(control_plane).await?;
    control_plane.create_namespace(TEAM).await?;
    for (name, kind, key) in [
        ("new", "kubernetes.io/dockerconfigjson", ".dockerconfigjson"),
        ("old", "kubernetes.io/dockercfg", ".dockercfg"),
        ("other", "Opaque", ".dockerconfigjson"),
    ] {
        create_secret(control_plane, name, kind, key).await?;
    }
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": TEAM, "name": "builder"},
        "imagePullSecrets": [{"name": "missing"}, {"name": "other"}, {"name": "old"}],
    });
    control_plane.apply(&account.to_string()).await?;
    let kubeconfig = operator::credentials(control_plane).await?;
    let secrets = PullSecrets::new(client(&kubeconfig).await?);
    eventually("the rights to be in force", Duration::from_secs(20), async || {
        let found = user(&secrets, "builder", &["new"]).await?;
        anyhow::ensure!(found.as_deref() == Some("new"), "{found:?}");
        Ok(())
    })
    .await?;
    assert_eq!(user(&secrets, "builder", &[]).await?.as_deref(), Some("old"));
    assert_eq!(user(&secrets, "builder", &["other"]).await?.as_deref(), Some("old"));
    assert_eq!(user(&secrets, "nobody", &["missing"]).await?, None);

    // What an operator has who leaves the role out.
    control_plane.kubectl(&["delete", "clusterrolebinding", "trustwright-pull-secrets"]).await?;
    eventually("the rights to be gone", Duration::from_secs(20), async || {
        let refused = user(&secrets, "builder", &["new"]).await;
        anyhow::ensure!(refused.is_err(), "still there: {refused:?}");
        let refused = refused.unwrap_err();
        assert_eq!(refused.reason, Reason::PullSecretUnusable);
        assert!(refused.text.contains("ClusterRole trustwright-pull-secrets"), "{refused}");
        Ok(())
    })
    .await?;
    assert_eq!(user(&secrets, "builder", &[]).await?, None);
    Ok(())
}
