//! The `CustomResourceDefinition` manifests.
//!
//! The schema of `spec` checks types and nothing else, as the Policy Controller's does: what may be missing, and
//! which values are legal, is for [`validation`](crate::validation) to say with texts of its own. Both versions of
//! `ClusterImagePolicy` carry the same schema, so that the API server converts without a webhook.

mod schema;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceConversion, CustomResourceDefinition,
    CustomResourceDefinitionNames, CustomResourceDefinitionSpec, CustomResourceDefinitionVersion,
    CustomResourceSubresourceStatus, CustomResourceSubresources, CustomResourceValidation,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::names::{GROUP, V1ALPHA1, V1BETA1};
use crate::spec::cluster_image_policy::ClusterImagePolicySpec;
use crate::spec::trust_root::TrustRootSpec;
use crate::status::{ClusterImagePolicyStatus, TrustRootStatus};
use crate::v1alpha1::{ClusterImagePolicy, TrustRoot};

/// Why no manifest can be made: the schema of a type is not one that Kubernetes can hold. A bug in this crate.
#[derive(Debug, thiserror::Error)]
#[error("the schema of {kind} does not fit a CustomResourceDefinition")]
pub struct SchemaError {
    /// The kind with the schema.
    pub kind: &'static str,
    /// What the conversion found.
    #[source]
    pub source: serde_json::Error,
}

/// Returns the manifests of all kinds, in the order of their names.
///
/// # Errors
///
/// [`SchemaError`]; the crate's tests show that it does not happen.
pub fn crds() -> Result<Vec<CustomResourceDefinition>, SchemaError> {
    Ok(vec![cluster_image_policy_crd()?, trust_root_crd()?])
}

/// Returns the manifest of `ClusterImagePolicy`: v1alpha1 (stored) and v1beta1.
///
/// # Errors
///
/// [`SchemaError`]; the crate's tests show that it does not happen.
pub fn cluster_image_policy_crd() -> Result<CustomResourceDefinition, SchemaError> {
    let columns = vec![
        column("Ready", r#".status.conditions[?(@.type=="Ready")].status"#, "Whether the policy is in force"),
        column("Mode", ".spec.mode", "What an unsatisfied policy does"),
        column("Images", ".spec.images[*].glob", "Patterns of the images that the policy covers"),
        column("Authorities", ".spec.authorities[*].name", "Who may vouch for the images"),
        age(),
    ];
    let schema = schema::object::<ClusterImagePolicySpec, ClusterImagePolicyStatus>(
        "ClusterImagePolicy says which signatures and attestations images must carry.",
    )
    .map_err(|source| SchemaError { kind: ClusterImagePolicy::KIND, source })?;
    let versions = vec![
        version(V1ALPHA1, true, schema.clone(), columns.clone()),
        version(V1BETA1, false, schema, columns),
    ];
    Ok(definition(names(ClusterImagePolicy::KIND, ClusterImagePolicy::PLURAL, &["cip"]), versions))
}

/// Returns the manifest of `TrustRoot`: v1alpha1.
///
/// # Errors
///
/// [`SchemaError`]; the crate's tests show that it does not happen.
pub fn trust_root_crd() -> Result<CustomResourceDefinition, SchemaError> {
    let fingerprint = column("Fingerprint", ".status.fingerprint", "Digest of what is trusted");
    let reason =
        column("Reason", r#".status.conditions[?(@.type=="Ready")].reason"#, "Why it is ready or not");
    let changed = column("Changed", ".status.lastChangeTime", "Time since what is trusted changed");
    let columns = vec![
        column(
            "Ready",
            r#".status.conditions[?(@.type=="Ready")].status"#,
            "Whether policies can rest on it",
        ),
        column("Source", ".status.source", "Which part of the spec the keys come from"),
        column(
            "Root",
            r#".status.metadata[?(@.role=="root")].version"#,
            "Version of the TUF root, where there is one",
        ),
        column("Expires", ".status.expires", "When its TUF metadata ends, unless somebody signs it again"),
        CustomResourceColumnDefinition { type_: "date".to_owned(), ..changed },
        CustomResourceColumnDefinition { priority: Some(1), ..reason },
        CustomResourceColumnDefinition { priority: Some(1), ..fingerprint },
        age(),
    ];
    let schema = schema::object::<TrustRootSpec, TrustRootStatus>(
        "TrustRoot says where the keys and certificates come from that policies trust.",
    )
    .map_err(|source| SchemaError { kind: TrustRoot::KIND, source })?;
    let versions = vec![version(V1ALPHA1, true, schema, columns)];
    Ok(definition(names(TrustRoot::KIND, TrustRoot::PLURAL, &[]), versions))
}

fn definition(
    names: CustomResourceDefinitionNames,
    versions: Vec<CustomResourceDefinitionVersion>,
) -> CustomResourceDefinition {
    let name = format!("{}.{GROUP}", names.plural);
    CustomResourceDefinition {
        metadata: ObjectMeta { name: Some(name), ..ObjectMeta::default() },
        spec: CustomResourceDefinitionSpec {
            conversion: Some(CustomResourceConversion { strategy: "None".to_owned(), webhook: None }),
            group: GROUP.to_owned(),
            names,
            preserve_unknown_fields: None,
            scope: "Cluster".to_owned(),
            versions,
        },
        status: None,
    }
}

fn names(kind: &str, plural: &str, short: &[&str]) -> CustomResourceDefinitionNames {
    CustomResourceDefinitionNames {
        categories: Some(vec!["all".to_owned(), "sigstore".to_owned()]),
        kind: kind.to_owned(),
        list_kind: Some(format!("{kind}List")),
        plural: plural.to_owned(),
        short_names: (!short.is_empty()).then(|| short.iter().map(ToString::to_string).collect()),
        singular: Some(kind.to_ascii_lowercase()),
    }
}

fn version(
    name: &str,
    storage: bool,
    schema: CustomResourceValidation,
    columns: Vec<CustomResourceColumnDefinition>,
) -> CustomResourceDefinitionVersion {
    CustomResourceDefinitionVersion {
        additional_printer_columns: Some(columns),
        name: name.to_owned(),
        schema: Some(schema),
        served: true,
        storage,
        subresources: Some(CustomResourceSubresources {
            status: Some(CustomResourceSubresourceStatus(serde_json::json!({}))),
            ..CustomResourceSubresources::default()
        }),
        ..CustomResourceDefinitionVersion::default()
    }
}

fn column(name: &str, json_path: &str, description: &str) -> CustomResourceColumnDefinition {
    CustomResourceColumnDefinition {
        description: Some(description.to_owned()),
        json_path: json_path.to_owned(),
        name: name.to_owned(),
        type_: "string".to_owned(),
        ..CustomResourceColumnDefinition::default()
    }
}

fn age() -> CustomResourceColumnDefinition {
    let age = column("Age", ".metadata.creationTimestamp", "Time since creation");
    CustomResourceColumnDefinition { type_: "date".to_owned(), ..age }
}

#[cfg(test)]
mod tests;
