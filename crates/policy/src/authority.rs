//! What an authority of a policy asks for.

use std::sync::Arc;

use trustwright_core::Repository;
use trustwright_verify::{IdentityPattern, PublicKey, Requirements};

use crate::{NotReady, Rule, Trust};

/// Where evidence is looked for (`signatureFormat`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Formats {
    /// Cosign's `sha256-<hex>.sig` and `.att` tags.
    pub legacy: bool,
    /// Sigstore bundles among the image's referrers.
    pub bundle: bool,
}

/// In which repository evidence is looked for, and by whose credentials (`source`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The repository; the image's own where there is none.
    pub repository: Option<Repository>,
    /// What stands before the names of legacy tags; mostly nothing.
    pub tag_prefix: String,
    /// Secrets of the workload's namespace that take the place of its own pull secrets (`signaturePullSecrets`); none
    /// leaves it at those.
    pub pull_secrets: Vec<String>,
}

/// What an authority checks.
#[derive(Debug, Clone)]
pub enum Check {
    /// Nothing: every image passes.
    Pass,
    /// Nothing: every image fails, with this message.
    Fail(String),
    /// Somebody has signed the image, or attested to it.
    Signed(Arc<Signed>),
    /// It cannot check anything.
    NotReady(NotReady),
}

/// Who must have signed what, and what else has to vouch for it.
#[derive(Debug, Clone)]
pub struct Signed {
    /// Who.
    pub signatory: Signatory,
    /// What.
    pub wanted: Wanted,
    /// The forms that count.
    pub formats: Formats,
    /// Where it is looked for.
    pub place: Place,
    /// What else has to vouch for each piece of evidence.
    pub requirements: Requirements,
    /// Where what vouches is trusted from.
    pub trust: Trust,
    /// SHA-256 over all that the authority was compiled from: its part of the spec, its key, and the texts of its
    /// policies. Authorities of one id ask the same.
    pub id: [u8; 32],
}

/// Who must have signed.
#[derive(Debug, Clone)]
pub enum Signatory {
    /// The holder of this key.
    Key(Arc<PublicKey>),
    /// One of these, by a certificate. Never empty.
    Keyless(Vec<IdentityPattern>),
}

/// What must have been signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The image.
    Signature,
    /// A statement about the image for each of these. Never empty.
    Attestations(Vec<Attestation>),
}

/// An attestation that has to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attestation {
    /// Its name in the policy.
    pub name: String,
    /// `predicateType` as it is written, which messages quote.
    pub predicate_type: String,
    /// The predicate type that the statement must have.
    pub uri: String,
    /// What its statement has to comply with.
    pub rule: Option<Rule>,
}

impl Attestation {
    /// An attestation of this type: a URI, or one of cosign's names for one. `rule` is what its statement has to comply
    /// with.
    pub fn new(name: &str, predicate_type: &str, rule: Option<Rule>) -> Self {
        let uri = match predicate_type {
            "custom" => "https://cosign.sigstore.dev/attestation/v1",
            "slsaprovenance" | "slsaprovenance02" => "https://slsa.dev/provenance/v0.2",
            "slsaprovenance1" => "https://slsa.dev/provenance/v1",
            "spdx" | "spdxjson" => "https://spdx.dev/Document",
            "cyclonedx" => "https://cyclonedx.org/bom",
            "link" => "https://in-toto.io/Link/v1",
            "vuln" => "https://cosign.sigstore.dev/attestation/vuln/v1",
            "openvex" => "https://openvex.dev/ns",
            other => other,
        };
        Self { name: name.to_owned(), predicate_type: predicate_type.to_owned(), uri: uri.to_owned(), rule }
    }
}

/// A compiled authority.
#[derive(Debug, Clone)]
pub struct Authority {
    /// Its name, or `authority-<index>`.
    pub name: String,
    /// What it checks.
    pub check: Check,
    /// The trust roots that it rests on, by name and in order.
    pub trust_roots: Vec<String>,
}
