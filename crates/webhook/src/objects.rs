//! `/defaulting` and `/validating`: policies and trust roots as they are written.

use std::sync::Arc;

use jiff::Timestamp;
use kube::core::{
    DynamicObject, GroupVersionKind,
    admission::{AdmissionResponse, Operation},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::task::JoinSet;
use trustwright_api::{
    FieldErrors, ValidationSettings, decode_spec, default_cluster_image_policy, default_trust_root,
    v1alpha1::{ClusterImagePolicySpec, TrustRootSpec},
    validate_cluster_image_policy, validate_trust_root,
};
use trustwright_policy::{Languages, NoReferences, compile};

use crate::{
    App,
    mutation::with_patch,
    review::{self, Request},
    trust_root,
};

/// Fills in the defaults of the API.
pub(crate) fn default(request: &Request) -> AdmissionResponse {
    let response = AdmissionResponse::from(request);
    if is_none_of_ours(request) {
        return response;
    }
    let operations = match our_kind(request) {
        Some("ClusterImagePolicy") => additions(request, default_cluster_image_policy),
        Some("TrustRoot") => additions(request, default_trust_root),
        _ => Err(format!("unhandled kind: {}", group_version_kind(request))),
    };
    match operations {
        Ok(operations) => with_patch(response, operations),
        Err(error) => review::deny(response, &format!("mutation failed: {error}")),
    }
}

/// Checks what the schema cannot, with the texts that the field knows.
///
/// What a trust root holds is verified as of now.
pub(crate) async fn validate(app: &App, request: &Request) -> AdmissionResponse {
    let languages = Arc::clone(&app.languages);
    check(&app.namespace, languages, request, (app.clock)()).await
}

async fn check(
    namespace: &str,
    languages: Arc<dyn Languages>,
    request: &Request,
    now: Timestamp,
) -> AdmissionResponse {
    let response = AdmissionResponse::from(request);
    if is_none_of_ours(request) {
        return response;
    }
    let settings =
        ValidationSettings { system_namespace: Some(namespace.to_owned()), ..ValidationSettings::default() };
    let found = match our_kind(request) {
        Some("ClusterImagePolicy") => match spec(request) {
            Err(error) => Err(error),
            Ok(spec) => {
                let spec: ClusterImagePolicySpec = spec;
                let errors = validate_cluster_image_policy(&spec, &settings);
                Ok((errors, notes(request.name.clone(), spec, languages).await))
            }
        },
        Some("TrustRoot") => spec(request).map(|spec: TrustRootSpec| {
            // A label must not be refused because of what time or a fault did to a repository.
            if keeps_its_spec(request) {
                return (FieldErrors::new(), Vec::new());
            }
            let mut errors = validate_trust_root(&spec);
            if errors.errors().is_empty() {
                errors.extend(trust_root::check(request, now));
            }
            (errors, Vec::new())
        }),
        _ => Err(format!("unhandled kind: {}", group_version_kind(request))),
    };
    match found {
        Err(error) => review::deny(response, &format!("decoding request failed: {error}")),
        Ok((errors, notes)) => answer(response, &errors, notes),
    }
}

/// What does not keep a policy from being written, and what its author should know.
async fn notes(name: String, spec: ClusterImagePolicySpec, languages: Arc<dyn Languages>) -> Vec<String> {
    // Texts are compiled, which blocks.
    let mut compiling = JoinSet::new();
    compiling.spawn_blocking(move || compile(&name, &spec, &NoReferences, &*languages));
    let Some(Ok(policy)) = compiling.join_next().await else {
        return vec![
            "spec: compiling the policy broke off; images that only it could admit are denied".into(),
        ];
    };
    policy
        .not_ready()
        // What stands in other objects may come after the policy; its status tells.
        .filter(|problem| !problem.field.ends_with("Ref") && !problem.field.ends_with(".remote"))
        .map(|problem| format!("{problem}; images that only this could admit are denied"))
        .chain(policy.notes.iter().cloned())
        .collect()
}

fn answer(response: AdmissionResponse, found: &FieldErrors, notes: Vec<String>) -> AdmissionResponse {
    let errors = found.errors();
    let warnings = found.warnings().merged().iter().map(ToString::to_string).collect::<Vec<_>>();
    if errors.is_empty() {
        return review::warn(response, warnings.into_iter().chain(notes));
    }
    review::warn(review::deny(response, &format!("validation failed: {}", errors.render())), warnings)
}

/// Whether an update leaves the spec as it is.
fn keeps_its_spec(request: &Request) -> bool {
    let spec = |object: &Option<DynamicObject>| object.as_ref()?.data.get("spec").cloned();
    request.operation == Operation::Update && spec(&request.object) == spec(&request.old_object)
}

/// Deletions, status writes and objects on their way out pass: nothing here may keep them from going.
fn is_none_of_ours(request: &Request) -> bool {
    match request.operation {
        Operation::Delete | Operation::Connect => true,
        Operation::Create => false,
        Operation::Update => {
            request.sub_resource.as_deref() == Some("status")
                || request.object.as_ref().is_some_and(|object| object.metadata.deletion_timestamp.is_some())
        }
    }
}

fn spec<T: DeserializeOwned + Default>(request: &Request) -> Result<T, String> {
    decode_spec(review::object(request)?.data.get("spec")).map_err(|error| format!("spec: {error}"))
}

/// The JSON patch that adds what `default` adds to the spec.
fn additions<T>(request: &Request, default: impl Fn(&mut T)) -> Result<Vec<Value>, String>
where
    T: DeserializeOwned + Default + serde::Serialize,
{
    let mut value: T = spec(request)?;
    let written = |value: &T| serde_json::to_value(value).map_err(|error| error.to_string());
    let before = written(&value)?;
    default(&mut value);
    let patch = json_patch::diff(&before, &written(&value)?);
    // Where there is no spec at all there is nothing to add to; validation refuses it.
    if request.object.as_ref().is_none_or(|object| !object.data.get("spec").is_some_and(Value::is_object)) {
        return Ok(Vec::new());
    }
    let operations = serde_json::to_value(patch).map_err(|error| error.to_string())?;
    let Value::Array(mut operations) = operations else { return Ok(Vec::new()) };
    for operation in &mut operations {
        let below = operation.get("path").and_then(Value::as_str).unwrap_or_default();
        operation["path"] = Value::from(format!("/spec{below}"));
        // Also where the field is there and empty; in a patch, adding replaces.
        operation["op"] = Value::from("add");
    }
    Ok(operations)
}

/// The request's kind where it is one of ours, in a version that we serve.
fn our_kind(request: &Request) -> Option<&str> {
    let kind = &request.kind;
    let served = match kind.kind.as_str() {
        "ClusterImagePolicy" => &["v1alpha1", "v1beta1"][..],
        "TrustRoot" => &["v1alpha1"],
        _ => return None,
    };
    (kind.group == trustwright_api::GROUP && served.contains(&kind.version.as_str())).then_some(&kind.kind)
}

fn group_version_kind(request: &Request) -> String {
    let GroupVersionKind { group, version, kind } = &request.kind;
    format!("{group}/{version}, Kind={kind}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;
    use trustwright_policy::{Answer, CompileError, Language, Program};

    use super::*;

    fn request(kind: &str, spec: &Value) -> Request {
        serde_json::from_value(json!({
            "uid": "u", "operation": "CREATE", "userInfo": {}, "name": "n",
            "kind": {"group": "policy.sigstore.dev", "version": "v1alpha1", "kind": kind},
            "resource": {"group": "policy.sigstore.dev", "version": "v1alpha1", "resource": "x"},
            "object": {"apiVersion": "policy.sigstore.dev/v1alpha1", "kind": kind, "metadata": {"name": "n"},
                "spec": spec},
        }))
        .unwrap()
    }

    /// CUE in which every text compiles that is not called bad.
    #[derive(Debug)]
    struct Lenient;

    impl Languages for Lenient {
        fn compile(&self, _: Language, text: &str) -> Result<Arc<dyn Program>, CompileError> {
            match text {
                "bad" => Err(CompileError::Invalid("bad text".into())),
                "panic" => panic!("a bug"),
                _ => Ok(Arc::new(Self)),
            }
        }
    }

    impl Program for Lenient {
        fn evaluate(&self, _: &[u8], _: Duration) -> Answer {
            Answer::Compliant
        }
    }

    async fn validate_now(request: &Request) -> AdmissionResponse {
        check("ns", Arc::new(Lenient), request, "2026-08-22T12:00:00Z".parse().unwrap()).await
    }

    fn defaulted(kind: &str, spec: &Value) -> Value {
        let response = default(&request(kind, spec));
        let mut object = json!({"spec": spec});
        if let Some(patch) = response.patch {
            let patch: json_patch::Patch = serde_json::from_slice(&patch).unwrap();
            json_patch::patch(&mut object, &patch).unwrap();
        }
        object["spec"].clone()
    }

    #[test]
    fn defaults_are_added_and_nothing_else_is_touched() {
        assert_eq!(
            defaulted(
                "ClusterImagePolicy",
                &json!({"mode": "", "unknown": [1], "images": [{"glob": "**"}],
                    "authorities": [{"name": "", "keyless": {"identities": []}}, {"static": {"action": "pass"}}]})
            ),
            json!({"mode": "enforce", "unknown": [1], "images": [{"glob": "**"}], "authorities": [
                {"name": "authority-0", "keyless": {"identities": [], "url": "https://fulcio.sigstore.dev"}},
                {"name": "authority-1", "static": {"action": "pass"}}]})
        );
        let complete = json!({"mode": "warn", "images": [], "authorities": []});
        assert!(default(&request("ClusterImagePolicy", &complete)).patch.is_none());
        assert_eq!(
            defaulted("TrustRoot", &json!({"remote": {"mirror": "https://m"}})),
            json!({"remote": {"mirror": "https://m", "targets": "targets"}})
        );
    }

    #[tokio::test]
    async fn a_bad_policy_is_refused_with_field_and_cause_and_its_neighbour_is_not() {
        let policy = |glob: &str| {
            json!({"mode": "enforce", "images": [{"glob": glob}],
                "authorities": [{"name": "a", "static": {"action": "pass"}}]})
        };
        assert!(validate_now(&request("ClusterImagePolicy", &policy("ghcr.io/**"))).await.allowed);
        let response = validate_now(&request("ClusterImagePolicy", &policy("$FOO*"))).await;
        assert!(!response.allowed);
        assert_eq!(
            response.result.message,
            "validation failed: invalid value: $FOO*: spec.images[0].glob\nglob is invalid: invalid glob \"$FOO*\""
        );
    }

    #[tokio::test]
    async fn a_text_that_does_not_compile_is_admitted_with_a_warning_and_one_that_does_without() {
        let attested = |text: &str| {
            json!({"mode": "enforce", "images": [{"glob": "**"}], "authorities": [{"name": "a",
            "keyless": {"url": "https://fulcio.sigstore.dev", "identities": [{"issuer": "i", "subject": "s"}]},
            "attestations": [{"name": "b", "predicateType": "https://example.com/v1",
                "policy": {"type": "cue", "data": text}}]}]})
        };
        for (text, warning) in [
            (
                "bad",
                "spec.authorities[0].attestations[0].policy.data: does not compile: bad text; images that",
            ),
            ("panic", "spec: compiling the policy broke off"),
        ] {
            let response = validate_now(&request("ClusterImagePolicy", &attested(text))).await;
            assert!(response.allowed, "{}", response.result.message);
            let warnings = response.warnings.unwrap();
            assert!(warnings[0].starts_with(warning), "{warnings:?}");
        }
        let response = validate_now(&request("ClusterImagePolicy", &attested("good"))).await;
        assert!(response.allowed && response.warnings.is_none(), "{:?}", response.warnings);
    }

    #[tokio::test]
    async fn a_private_certificate_authority_without_its_log_is_admitted_with_a_warning_and_with_it_without()
    {
        let keyless = |ctlog: &Value| {
            json!({"mode": "enforce", "images": [{"glob": "**"}], "authorities": [{"name": "a", "ctlog": ctlog,
                "keyless": {"url": "https://fulcio.example", "trustRootRef": "private",
                    "identities": [{"issuer": "i", "subject": "s"}]}}]})
        };
        let response = validate_now(&request("ClusterImagePolicy", &keyless(&json!({})))).await;
        assert!(response.allowed, "{}", response.result.message);
        let warnings = response.warnings.unwrap();
        assert!(
            warnings[0]
                .starts_with("spec.authorities[0].ctlog.trustRootRef: missing beside keyless.trustRootRef"),
            "{warnings:?}"
        );
        let response =
            validate_now(&request("ClusterImagePolicy", &keyless(&json!({"trustRootRef": "private"})))).await;
        assert!(response.allowed && response.warnings.is_none());
    }

    #[tokio::test]
    async fn wrong_types_and_unknown_kinds_are_refused_and_objects_on_their_way_out_pass() {
        let response = validate_now(&request("ClusterImagePolicy", &json!({"images": 3}))).await;
        assert!(
            response.result.message.starts_with("decoding request failed: spec: "),
            "{}",
            response.result.message
        );
        assert!(!validate_now(&request("Secret", &json!({}))).await.allowed);
        assert!(!default(&request("Secret", &json!({}))).allowed);
        let mut going = request("ClusterImagePolicy", &json!({"images": 3}));
        going.operation = Operation::Update;
        going.object.as_mut().unwrap().metadata.deletion_timestamp =
            serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
        assert!(validate_now(&going).await.allowed);
        going.operation = Operation::Create;
        assert!(!validate_now(&going).await.allowed);
    }
}
