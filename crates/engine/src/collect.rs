//! Finding the signatures of a digest in a registry.

use std::collections::BTreeMap;

use futures::{Stream, StreamExt as _, stream};
use tokio::time::Instant;
use trustwright_core::{Digest, Reason, Repository};
use trustwright_registry::{Client, Credential, Error, Reference};
use trustwright_verify::{Evidence, Form, Refusal, Signature};

/// Signatures of one digest, in one form, that are looked at. More are counted and left.
const MAX_SIGNATURES: usize = 64;
/// Largest signature payload or bundle, in bytes. Those that cosign writes have less than 20 KiB.
const MAX_EVIDENCE: u64 = 1 << 20;
/// Requests under way at once in one lookup, and so the pieces of evidence that are held at once.
const CONCURRENCY: usize = 8;

const BUNDLE_TYPE: &str = "application/vnd.dev.sigstore.bundle";
const EMPTY_CONFIG: &str = "application/vnd.oci.empty.v1+json";
const IMAGE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";
const PREDICATE_ANNOTATION: &str = "dev.sigstore.bundle.predicateType";
const SIGN_PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";

/// What to look for, and where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lookup<'a> {
    pub(crate) registry: &'a Client,
    pub(crate) repository: &'a Repository,
    pub(crate) digest: Digest,
    pub(crate) form: Form,
    pub(crate) deadline: Instant,
}

/// What a lookup comes upon.
#[derive(Debug)]
pub(crate) enum Event {
    /// A signature, unverified, or what keeps it from being read as one.
    Found(Result<Signature, Refusal>),
    /// A fault that may hide a signature.
    Fault(Reason, String),
    /// So many signatures are beyond [`MAX_SIGNATURES`], and nobody looks at them.
    Skipped(usize),
}

/// Where the registry says that a signature is.
enum Pointer {
    /// In the one layer of this manifest.
    Manifest(Digest),
    /// Over this blob.
    Payload { digest: Digest, signature: String },
}

/// Reads signatures in the registry's order, no further than it is polled.
pub(crate) fn signatures(lookup: Lookup<'_>) -> impl Stream<Item = Event> {
    stream::once(lookup.list()).flat_map(move |listed| {
        let mut pointers = match listed {
            Ok(pointers) => pointers,
            Err(error) => return stream::iter([Event::fault(&error)]).left_stream(),
        };
        let skipped = pointers.len().saturating_sub(MAX_SIGNATURES);
        pointers.truncate(MAX_SIGNATURES);
        let fetched = stream::iter(pointers)
            .map(move |pointer| lookup.fetch(pointer))
            .buffered(CONCURRENCY)
            .filter_map(async |fetched| match fetched {
                Ok(evidence) => evidence.map(|evidence| Event::Found(evidence.read())),
                Err(error) => Some(Event::fault(&error)),
            });
        let skipped = (skipped > 0).then_some(Event::Skipped(skipped));
        stream::iter(skipped).chain(fetched).right_stream()
    })
}

impl Event {
    fn fault(error: &Error) -> Self {
        Self::Fault(error.reason(), error.to_string())
    }
}

impl Lookup<'_> {
    async fn list(self) -> Result<Vec<Pointer>, Error> {
        match self.form {
            Form::Bundle => self.list_referrers().await,
            Form::Legacy => self.list_layers().await,
        }
    }

    async fn list_referrers(self) -> Result<Vec<Pointer>, Error> {
        let referrers = self
            .registry
            .referrers(self.repository, &self.digest, None, &Credential::Anonymous, self.deadline)
            .await?;
        // Annotations and types are the registry's word: they may save a request, never grant anything.
        let signatures = referrers.descriptors.into_iter().filter(|descriptor| {
            may_be_bundle(descriptor.artifact_type.as_deref()) && may_be_signature(&descriptor.annotations)
        });
        Ok(signatures.map(|descriptor| Pointer::Manifest(descriptor.digest)).collect())
    }

    async fn list_layers(self) -> Result<Vec<Pointer>, Error> {
        let tag = Reference::Tag(format!("sha256-{}.sig", self.digest.hex()));
        let Some(manifest) =
            self.registry.manifest(self.repository, &tag, &Credential::Anonymous, self.deadline).await?
        else {
            return Ok(Vec::new());
        };
        let layers = manifest.image()?.layers.into_iter().filter_map(|mut layer| {
            let signature = layer.annotations.remove(SIGNATURE_ANNOTATION)?;
            Some(Pointer::Payload { digest: layer.digest, signature })
        });
        Ok(layers.collect())
    }

    async fn fetch(self, pointer: Pointer) -> Result<Option<Evidence>, Error> {
        match pointer {
            Pointer::Manifest(digest) => self.fetch_bundle(digest).await,
            Pointer::Payload { digest, signature } => {
                let payload = self.blob(&digest).await?;
                Ok(Some(Evidence::Legacy { payload, signature }))
            }
        }
    }

    async fn fetch_bundle(self, manifest: Digest) -> Result<Option<Evidence>, Error> {
        let reference = Reference::Digest(manifest);
        let Some(manifest) = self
            .registry
            .manifest(self.repository, &reference, &Credential::Anonymous, self.deadline)
            .await?
        else {
            return Ok(None);
        };
        let manifest = manifest.image()?;
        match manifest.layers.as_slice() {
            [layer]
                if layer.media_type.starts_with(BUNDLE_TYPE) && may_be_signature(&manifest.annotations) =>
            {
                Ok(Some(Evidence::Bundle(self.blob(&layer.digest).await?)))
            }
            _ => Ok(None),
        }
    }

    async fn blob(self, digest: &Digest) -> Result<Vec<u8>, Error> {
        let blob = self
            .registry
            .blob(self.repository, digest, MAX_EVIDENCE, &Credential::Anonymous, self.deadline)
            .await?;
        Ok(blob.to_vec())
    }
}

/// Whether a referrer of this type may be a bundle. Some registries give none, or the type of the configuration
/// although there is one of the artifact: go-containerregistry's does.
fn may_be_bundle(artifact_type: Option<&str>) -> bool {
    let Some(artifact_type) = artifact_type else { return true };
    artifact_type.starts_with(BUNDLE_TYPE) || matches!(artifact_type, "" | EMPTY_CONFIG | IMAGE_CONFIG)
}

/// Whether a bundle with these annotations may be a signature, and not some attestation.
fn may_be_signature(annotations: &BTreeMap<String, String>) -> bool {
    annotations.get(PREDICATE_ANNOTATION).is_none_or(|predicate| predicate == SIGN_PREDICATE)
}
