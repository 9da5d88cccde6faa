//! Where a registry says that evidence is, in its own words.

use std::collections::BTreeMap;

use trustwright_core::Digest;
use trustwright_verify::Annotations;

use super::{BUNDLE_TYPE, Listing};

const EMPTY_CONFIG: &str = "application/vnd.oci.empty.v1+json";
const IMAGE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Signatures as referrers, as cosign 2 wrote them with `COSIGN_EXPERIMENTAL=1`.
const EXPERIMENTAL_TYPE: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";
const PREDICATE_ANNOTATION: &str = "dev.sigstore.bundle.predicateType";
/// The predicate type under which cosign v3 writes an image signature as a statement.
pub(super) const SIGN_PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";

/// Where the registry says that a piece of evidence is.
pub(super) enum Pointer {
    /// A bundle in the one layer of this manifest.
    Manifest { digest: Digest, size: u64, declared: Option<String> },
    /// Signatures over the layers of this manifest.
    Experimental { digest: Digest, size: u64 },
    /// A signature over this blob.
    Payload { digest: Digest, size: u64, signature: String, annotations: Annotations },
    /// An envelope in this blob.
    Attestation { digest: Digest, size: u64, declared: Option<String>, annotations: Annotations },
}

impl Pointer {
    /// What the registry says of it; nothing of it has been read.
    pub(super) fn listing(self) -> Listing {
        let (digest, size, declared, manifest) = match self {
            Self::Manifest { digest, size, declared } => (digest, size, declared, Some(digest)),
            Self::Experimental { digest, size } => (digest, size, None, Some(digest)),
            Self::Payload { digest, size, .. } => (digest, size, None, None),
            Self::Attestation { digest, size, declared, .. } => (digest, size, declared, None),
        };
        Listing { declared, digest, manifest, size }
    }
}

/// Whether a referrer of this type may be a bundle. Some registries give none, or the type of the configuration
/// although there is one of the artifact: go-containerregistry's does.
pub(super) fn may_be_bundle(artifact_type: Option<&str>) -> bool {
    let Some(artifact_type) = artifact_type else { return true };
    artifact_type.starts_with(BUNDLE_TYPE) || matches!(artifact_type, "" | EMPTY_CONFIG | IMAGE_CONFIG)
}

pub(super) fn is_experimental(artifact_type: Option<&str>) -> bool {
    artifact_type == Some(EXPERIMENTAL_TYPE)
}

/// The predicate type with which cosign marks a bundle.
pub(super) fn declared(annotations: &mut BTreeMap<String, String>) -> Option<String> {
    annotations.remove(PREDICATE_ANNOTATION)
}

/// What cosign puts beside a legacy layer.
pub(super) fn annotations(annotations: &mut BTreeMap<String, String>) -> Annotations {
    let mut take = |name: &str| annotations.remove(&format!("dev.sigstore.cosign/{name}"));
    Annotations {
        certificate: take("certificate"),
        chain: take("chain"),
        bundle: take("bundle"),
        timestamp: take("rfc3161timestamp"),
    }
}
