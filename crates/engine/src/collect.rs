//! Finding the signatures and attestations of a digest in a registry.

mod pointer;

use std::collections::BTreeSet;

use futures::{Stream, StreamExt as _, stream};
use tokio::time::Instant;
use trustwright_core::{Digest, Reason, Repository};
use trustwright_registry::{Client, Credential, Error, ImageManifest, Reference};
use trustwright_verify::{Evidence, Refusal, Signature, plain_payload};

use crate::{CredentialError, judgement::Subject};
use pointer::{Pointer, SIGN_PREDICATE, annotations, declared, is_experimental, may_be_bundle};

/// Pieces of evidence of one digest, in one place, that are looked at. More are counted and left.
const MAX_EVIDENCE: usize = 64;
/// Largest signature payload or bundle, in bytes. Those that cosign writes have less than 20 KiB.
const MAX_SIGNATURE: u64 = 1 << 20;
/// Largest attestation, in bytes: lists of what is in an image take megabytes.
const MAX_ATTESTATION: u64 = 16 << 20;
/// Requests under way at once in one lookup, and so the pieces of evidence that are held at once.
const CONCURRENCY: usize = 8;
/// The same where attestations are among them.
const CONCURRENCY_OF_ATTESTATIONS: usize = 2;
/// Layers of one of cosign's experimental signatures that are looked at.
const MAX_LAYERS: usize = 8;

const BUNDLE_TYPE: &str = "application/vnd.dev.sigstore.bundle";
const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";

/// A place in which evidence of a digest may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) repository: Repository,
    pub(crate) shelf: Shelf,
    /// The Secrets that a policy names for it; empty where it names none.
    pub(crate) pull_secrets: Vec<String>,
}

/// Where in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shelf {
    /// Among the referrers of the digest.
    Referrers,
    /// Under this tag, of cosign's legacy signatures.
    Signatures(String),
    /// Under this tag, of cosign's legacy attestations.
    Attestations(String),
}

/// What anybody wants of a source: everything else is not fetched.
#[derive(Debug, Clone, Default)]
pub(crate) struct Appetite {
    /// Signatures.
    pub(crate) signatures: bool,
    /// Attestations of these types.
    pub(crate) predicates: BTreeSet<String>,
}

/// What to look for, and where.
#[derive(Debug, Clone)]
pub(crate) struct Lookup<'a> {
    pub(crate) registry: &'a Client,
    pub(crate) source: &'a Source,
    pub(crate) credential: &'a Result<Credential, CredentialError>,
    pub(crate) subject: &'a Subject,
    pub(crate) appetite: Appetite,
    pub(crate) deadline: Instant,
}

/// What a lookup comes upon.
#[derive(Debug)]
pub(crate) enum Event {
    /// A piece of evidence, unverified, or what keeps it from being read as one.
    Found {
        /// What the registry says of it.
        listing: Listing,
        /// What it is.
        signature: Result<Box<Signature>, Refusal>,
    },
    /// A fault that may hide evidence.
    Fault(Reason, String),
    /// So many pieces are beyond [`MAX_EVIDENCE`], and nobody looks at them.
    Skipped(usize),
    /// These are listed as of another type than anybody asks for, and nobody looks at them.
    Unwanted(Vec<Listing>),
}

/// What a registry says of a piece of evidence.
#[derive(Debug, Clone)]
pub(crate) struct Listing {
    /// As what it is listed: an attestation's predicate type. Nobody has signed that.
    pub(crate) declared: Option<String>,
    /// The digest of the layer that it is; where nobody has looked, of what is known of it.
    pub(crate) digest: Digest,
    /// The manifest that holds it, where that was found by its subject.
    pub(crate) manifest: Option<Digest>,
    /// Its size in bytes, as the registry claims.
    pub(crate) size: u64,
}

/// A piece of evidence, with what the registry says of it.
type Piece = (Listing, Evidence);

/// Why nothing can be read.
enum Failure {
    Registry(Error),
    Credential(CredentialError),
}

/// Reads evidence in the registry's order, no further than it is polled.
pub(crate) fn evidence(lookup: Lookup<'_>) -> impl Stream<Item = Event> + Send + '_ {
    stream::once(async move {
        let listed = lookup.list().await;
        (lookup, listed)
    })
    .flat_map(|(lookup, listed)| {
        let pointers = match listed {
            Ok(pointers) => pointers,
            Err(failure) => return stream::iter([Event::fault(&failure)]).left_stream(),
        };
        let (mut wanted, unwanted): (Vec<_>, Vec<_>) =
            pointers.into_iter().partition(|pointer| lookup.wants(pointer));
        let unwanted: Vec<_> = unwanted.into_iter().map(Pointer::listing).collect();
        let skipped = wanted.len().saturating_sub(MAX_EVIDENCE);
        wanted.truncate(MAX_EVIDENCE);
        let unwanted = (!unwanted.is_empty()).then_some(Event::Unwanted(unwanted));
        let counts = unwanted.into_iter().chain((skipped > 0).then_some(Event::Skipped(skipped)));
        let concurrency =
            if lookup.appetite.predicates.is_empty() { CONCURRENCY } else { CONCURRENCY_OF_ATTESTATIONS };
        let fetched = stream::iter(wanted)
            .map(move |pointer| {
                let lookup = lookup.clone();
                async move { lookup.fetch(pointer).await }
            })
            .buffered(concurrency)
            .flat_map(|fetched| {
                stream::iter(match fetched {
                    Ok(pieces) => pieces.into_iter().map(Event::found).collect(),
                    Err(failure) => vec![Event::fault(&failure)],
                })
            });
        stream::iter(counts).chain(fetched).right_stream()
    })
}

impl Event {
    fn fault(failure: &Failure) -> Self {
        match failure {
            Failure::Registry(error) => Self::Fault(error.reason(), error.to_string()),
            Failure::Credential(error) => Self::Fault(error.reason, error.to_string()),
        }
    }

    fn found((listing, evidence): Piece) -> Self {
        Self::Found { listing, signature: evidence.read().map(Box::new) }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Registry(error)
    }
}

impl Source {
    /// Whether it holds Sigstore bundles.
    pub(crate) fn is_referrers(&self) -> bool {
        self.shelf == Shelf::Referrers
    }
}

impl Appetite {
    /// Whether evidence that is listed like this could be of use. The registry's word may save a request, and never
    /// grants anything.
    pub(crate) fn accepts(&self, declared: Option<&str>) -> bool {
        match declared {
            None => true,
            Some(SIGN_PREDICATE) => self.signatures || self.predicates.contains(SIGN_PREDICATE),
            Some(predicate) => self.predicates.contains(predicate),
        }
    }

    /// How large a bundle may be that is listed like this.
    fn limit(&self, declared: Option<&str>) -> u64 {
        if declared == Some(SIGN_PREDICATE) || self.predicates.is_empty() {
            MAX_SIGNATURE
        } else {
            MAX_ATTESTATION
        }
    }

    pub(crate) fn extend(&mut self, other: &Self) {
        self.signatures |= other.signatures;
        self.predicates.extend(other.predicates.iter().cloned());
    }
}

impl Lookup<'_> {
    fn wants(&self, pointer: &Pointer) -> bool {
        match pointer {
            Pointer::Manifest { declared, .. } | Pointer::Attestation { declared, .. } => {
                self.appetite.accepts(declared.as_deref())
            }
            Pointer::Experimental { .. } | Pointer::Payload { .. } => self.appetite.signatures,
        }
    }

    async fn list(&self) -> Result<Vec<Pointer>, Failure> {
        match &self.source.shelf {
            Shelf::Referrers => self.list_referrers().await,
            Shelf::Signatures(tag) => {
                let layers = self.layers(Reference::Tag(tag.clone())).await?;
                Ok(layers.map(payloads).unwrap_or_default())
            }
            Shelf::Attestations(tag) => {
                let layers = self.layers(Reference::Tag(tag.clone())).await?;
                Ok(layers.map(attestations).unwrap_or_default())
            }
        }
    }

    async fn list_referrers(&self) -> Result<Vec<Pointer>, Failure> {
        let referrers = self
            .registry
            .referrers(&self.source.repository, &self.subject.digest, None, self.credential()?, self.deadline)
            .await?;
        let pointer = |mut descriptor: trustwright_registry::Descriptor| {
            let artifact_type = descriptor.artifact_type.as_deref();
            if is_experimental(artifact_type) {
                return Some(Pointer::Experimental { digest: descriptor.digest, size: descriptor.size });
            }
            may_be_bundle(artifact_type).then(|| Pointer::Manifest {
                digest: descriptor.digest,
                size: descriptor.size,
                declared: declared(&mut descriptor.annotations),
            })
        };
        Ok(referrers.descriptors.into_iter().filter_map(pointer).collect())
    }

    /// The manifest at `reference`, if there is one.
    async fn layers(&self, reference: Reference) -> Result<Option<ImageManifest>, Failure> {
        let (repository, deadline) = (&self.source.repository, self.deadline);
        let found = self.registry.manifest(repository, &reference, self.credential()?, deadline).await?;
        Ok(found.map(|manifest| manifest.image()).transpose()?)
    }

    async fn fetch(&self, pointer: Pointer) -> Result<Vec<Piece>, Failure> {
        match pointer {
            Pointer::Manifest { digest, declared, size: _ } => self.fetch_bundle(digest, declared).await,
            Pointer::Payload { digest, size, signature, annotations } => {
                let payload = self.payload(&digest, size).await?;
                let listing = Listing { declared: None, digest, manifest: None, size };
                Ok(vec![(listing, Evidence::LegacySignature { payload, signature, annotations })])
            }
            Pointer::Attestation { digest, size, declared, annotations } => {
                let envelope = self.blob(&digest, MAX_ATTESTATION).await?;
                let listing = Listing { declared, digest, manifest: None, size };
                Ok(vec![(listing, Evidence::LegacyAttestation { envelope, annotations })])
            }
            Pointer::Experimental { digest: found_in, size: _ } => {
                let Some(manifest) = self.layers(Reference::Digest(found_in)).await? else {
                    return Ok(Vec::new());
                };
                let mut pieces = Vec::new();
                for pointer in payloads(manifest).into_iter().take(MAX_LAYERS) {
                    if let Pointer::Payload { digest, size, signature, annotations } = pointer {
                        let payload = self.payload(&digest, size).await?;
                        let evidence = Evidence::LegacySignature { payload, signature, annotations };
                        let listing = Listing { declared: None, digest, manifest: Some(found_in), size };
                        pieces.push((listing, evidence));
                    }
                }
                Ok(pieces)
            }
        }
    }

    async fn fetch_bundle(&self, digest: Digest, listed: Option<String>) -> Result<Vec<Piece>, Failure> {
        let Some(mut manifest) = self.layers(Reference::Digest(digest)).await? else {
            return Ok(Vec::new());
        };
        let declared = declared(&mut manifest.annotations).or(listed);
        let [layer] = manifest.layers.as_slice() else { return Ok(Vec::new()) };
        if !layer.media_type.starts_with(BUNDLE_TYPE) || !self.appetite.accepts(declared.as_deref()) {
            return Ok(Vec::new());
        }
        let limit = self.appetite.limit(declared.as_deref());
        let bundle = self.blob(&layer.digest, limit).await?;
        let listing = Listing { declared, digest: layer.digest, manifest: Some(digest), size: layer.size };
        Ok(vec![(listing, Evidence::Bundle(bundle))])
    }

    /// A legacy signature's payload. Most say nothing but the image's name and digest: what has the digest of that text is
    /// that text, and is not fetched.
    async fn payload(&self, digest: &Digest, size: u64) -> Result<Vec<u8>, Failure> {
        let plain = plain_payload(self.subject.image.repository(), &self.subject.digest);
        let is_plain = u64::try_from(plain.len()) == Ok(size) && *digest == Digest::of(&plain);
        if is_plain { Ok(plain.into_bytes()) } else { self.blob(digest, MAX_SIGNATURE).await }
    }

    async fn blob(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, Failure> {
        let (repository, credential) = (&self.source.repository, self.credential()?);
        Ok(self.registry.blob(repository, digest, limit, credential, self.deadline).await?.to_vec())
    }

    fn credential(&self) -> Result<&Credential, Failure> {
        self.credential.as_ref().map_err(|error| Failure::Credential(error.clone()))
    }
}

fn payloads(manifest: ImageManifest) -> Vec<Pointer> {
    let payload = |mut layer: trustwright_registry::Descriptor| {
        let signature = layer.annotations.remove(SIGNATURE_ANNOTATION)?;
        let annotations = annotations(&mut layer.annotations);
        Some(Pointer::Payload { digest: layer.digest, size: layer.size, signature, annotations })
    };
    manifest.layers.into_iter().filter_map(payload).collect()
}

fn attestations(manifest: ImageManifest) -> Vec<Pointer> {
    let attestation = |mut layer: trustwright_registry::Descriptor| Pointer::Attestation {
        digest: layer.digest,
        size: layer.size,
        declared: layer.annotations.remove("predicateType").filter(|predicate| !predicate.is_empty()),
        annotations: annotations(&mut layer.annotations),
    };
    manifest.layers.into_iter().map(attestation).collect()
}
