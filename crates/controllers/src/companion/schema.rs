//! Whose `TrustRoot` the API server serves.
//!
//! Read from the `OpenAPI` document, which every account may read, so that it costs no right.

use std::time::Duration;

use kube::{Client, api::GetParams, core::Request};
use serde_json::Value;

/// How long the API server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long until it is asked again because it said nothing of use.
const RETRY: Duration = Duration::from_secs(1);
/// The document follows a change of the definition a little later: what it says must be true for this long.
const SETTLE: Duration = Duration::from_secs(3);
/// How often it is looked at again.
const CHECK: Duration = Duration::from_mins(1);

/// Whose definition of `TrustRoot` is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// Ours: the status has a place for the repository.
    Ours,
    /// That of another system, which decodes strictly and refuses fields that it does not know.
    Foreign,
    /// That cannot be told: the cluster hides its API from its own accounts. It is taken for what we were started for.
    Hidden,
}

/// Waits until the API server serves a `TrustRoot`, and returns whose it is.
pub(crate) async fn served(client: &Client) -> Schema {
    loop {
        match look(client).await {
            Some(found @ (Schema::Ours | Schema::Hidden)) => return found,
            Some(Schema::Foreign) => {
                tokio::time::sleep(SETTLE).await;
                if look(client).await == Some(Schema::Foreign) {
                    return Schema::Foreign;
                }
            }
            None => tokio::time::sleep(RETRY).await,
        }
    }
}

/// Ends when another definition than `known` is served.
pub(crate) async fn changed(client: &Client, known: Schema) {
    loop {
        tokio::time::sleep(CHECK).await;
        if look(client).await.is_some_and(|found| found != known) && served(client).await != known {
            tracing::info!("Another definition of TrustRoot is served: starting anew");
            return;
        }
    }
}

/// Tells whose definition is served, now and whenever it is another's. Does not return.
pub async fn follow(client: Client, tell: impl Fn(Schema)) {
    loop {
        let found = served(&client).await;
        tell(found);
        changed(&client, found).await;
    }
}

async fn look(client: &Client) -> Option<Schema> {
    let request = Request::new("/openapi/v3/apis/policy.sigstore.dev").get("v1alpha1", &GetParams::default());
    let answer = client.request::<Value>(request.ok()?);
    match tokio::time::timeout(TIMEOUT, answer).await {
        Ok(Ok(document)) => of_document(&document),
        Ok(Err(kube::Error::Api(status))) if matches!(status.code, 401 | 403) => {
            tracing::warn!(message = status.message, "Whose TrustRoot is served cannot be told");
            Some(Schema::Hidden)
        }
        Ok(Err(_)) | Err(_) => None,
    }
}

/// Reads the `OpenAPI` v3 document of the group. `None` if it has no `TrustRoot`.
fn of_document(document: &Value) -> Option<Schema> {
    let schemas = document.pointer("/components/schemas")?.as_object()?;
    let is_trust_root = |schema: &&Value| {
        let kinds = schema.get("x-kubernetes-group-version-kind").and_then(Value::as_array);
        kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"] == "TrustRoot"))
    };
    let schema = schemas.values().find(is_trust_root)?;
    let ours = schema.pointer("/properties/status/properties/repository").is_some();
    Some(if ours { Schema::Ours } else { Schema::Foreign })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_without_a_place_for_the_repository_is_not_ours() {
        let document = |status: Value| {
            json!({"components": {"schemas": {
                "other": {"type": "object"},
                "one": {
                    "properties": {"status": {"properties": status}},
                    "x-kubernetes-group-version-kind": [
                        {"group": "policy.sigstore.dev", "kind": "TrustRoot", "version": "v1alpha1"},
                    ],
                },
            }}})
        };
        let theirs = json!({"annotations": {}, "conditions": {}, "observedGeneration": {}});
        assert_eq!(of_document(&document(theirs)), Some(Schema::Foreign));
        let ours = json!({"annotations": {}, "conditions": {}, "repository": {}});
        assert_eq!(of_document(&document(ours)), Some(Schema::Ours));
        assert_eq!(of_document(&json!({"components": {"schemas": {"other": {}}}})), None);
        assert_eq!(of_document(&json!({})), None);
    }
}
