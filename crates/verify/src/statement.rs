//! What signed payloads claim: which image digests they speak of.

use serde::Deserialize;
use trustwright_core::{Digest, Repository};

/// `critical.type` of a simple-signing payload (cosign's `SIGNATURE_SPEC`).
const SIMPLE_SIGNING_TYPE: &str = "cosign container image signature";
/// The predicate type under which cosign v3 writes an image signature as an in-toto statement.
const SIGN_PREDICATE_TYPE: &str = "https://sigstore.dev/cosign/sign/v1";

#[derive(Deserialize)]
struct SimpleSigning {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: Image,
    r#type: String,
}

#[derive(Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    docker_manifest_digest: String,
}

/// Why a payload that verified does not speak of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ClaimError {
    /// Not the document that it has to be.
    Unreadable(String),
    /// Of another type.
    Type(String),
    /// It speaks of something else: of these.
    Digest(Vec<String>),
}

/// Checks that a simple-signing payload is a signature of `image`.
pub(crate) fn simple_signing(payload: &[u8], image: &Digest) -> Result<(), ClaimError> {
    let document: SimpleSigning =
        serde_json::from_slice(payload).map_err(|error| ClaimError::Unreadable(short(&error.to_string())))?;
    if document.critical.r#type != SIMPLE_SIGNING_TYPE {
        return Err(ClaimError::Type(short(&document.critical.r#type)));
    }
    if document.critical.image.docker_manifest_digest != image.to_string() {
        return Err(ClaimError::Digest(vec![short(&document.critical.image.docker_manifest_digest)]));
    }
    Ok(())
}

/// The simple-signing payload that cosign writes for an image of `repository` where nobody has it sign annotations or
/// another name. Every byte follows from the arguments, so that whoever has its digest need not read it.
pub fn plain_payload(repository: &Repository, image: &Digest) -> String {
    format!(
        r#"{{"critical":{{"identity":{{"docker-reference":"{repository}"}},"image":{{"docker-manifest-digest":"{image}"}},"type":"{SIMPLE_SIGNING_TYPE}"}},"optional":null}}"#
    )
}

#[derive(Deserialize)]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    subject: Vec<Subject>,
}

#[derive(Deserialize)]
struct Subject {
    digest: std::collections::BTreeMap<String, String>,
}

/// Checks that an in-toto statement is cosign's signature of `image` (and not some attestation about it), and returns
/// its predicate type.
pub(crate) fn sign_statement(payload: &[u8], image: &Digest) -> Result<String, ClaimError> {
    let statement = read(payload)?;
    if statement.predicate_type != SIGN_PREDICATE_TYPE {
        return Err(ClaimError::Type(short(&statement.predicate_type)));
    }
    speaks_of(statement, image)
}

/// Checks that an in-toto statement is about `image`, and returns its predicate type.
pub(crate) fn attestation(payload: &[u8], image: &Digest) -> Result<String, ClaimError> {
    speaks_of(read(payload)?, image)
}

fn read(payload: &[u8]) -> Result<Statement, ClaimError> {
    let statement: Statement =
        serde_json::from_slice(payload).map_err(|error| ClaimError::Unreadable(short(&error.to_string())))?;
    if !statement.kind.starts_with("https://in-toto.io/Statement/v") {
        return Err(ClaimError::Type(short(&statement.kind)));
    }
    Ok(statement)
}

fn speaks_of(statement: Statement, image: &Digest) -> Result<String, ClaimError> {
    let digest = image.hex();
    let subjects = || statement.subject.iter().filter_map(|subject| subject.digest.get("sha256"));
    if subjects().any(|subject| *subject == digest) {
        return Ok(statement.predicate_type);
    }
    Err(ClaimError::Digest(subjects().take(3).map(|subject| short(subject)).collect()))
}

/// A foreign text cut to a length that is fit for a message.
pub(crate) fn short(text: &str) -> String {
    text.chars().take(200).collect()
}
