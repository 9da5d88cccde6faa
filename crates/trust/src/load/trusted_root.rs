//! A `trusted_root.json`: `TrustedRoot` of Sigstore's protobuf-specs in its JSON form.

mod document;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::candidate::{AuthorityInput, Candidate, LogInput};
use super::{Loaded, SourceError, assemble};
use crate::key::{KeyAlgorithm, PublicKey};
use crate::log_id::LogId;
use crate::material::{HashAlgorithm, Subject, Window};
use crate::problem::KeyProblem;
use crate::report::KeyKind;
use document::{AuthorityEntry, Document, LogEntry, Range};

/// Opens every media type of the format, in both spellings that are in use (`…+json;version=0.1`, `….v0.2+json`).
const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.trustedroot";

/// Loads a `trusted_root.json`.
///
/// A log ID that the document states is kept, since its origin need not be the base URL's host; a missing one is
/// computed. A missing media type is accepted, unknown fields are ignored. `now` is for the reports only.
///
/// # Guarantees
///
/// An unusable or malformed entry is reported and left out; the others are trusted as if it had not been there.
///
/// # Assumptions
///
/// The caller has authenticated the bytes and bounded their number.
///
/// # Errors
///
/// [`SourceError::Malformed`] when the document as a whole does not decode, [`SourceError::UnexpectedMediaType`] when
/// it is another kind of document, [`SourceError::NothingUsable`] when nothing is left.
pub fn from_trusted_root_json(json: &[u8], now: Timestamp) -> Result<Loaded, SourceError> {
    let document: Document = serde_json::from_slice(json).map_err(SourceError::Malformed)?;
    if let Some(found) =
        document.media_type.filter(|found| !found.is_empty() && !found.starts_with(MEDIA_TYPE))
    {
        return Err(SourceError::UnexpectedMediaType { found: found.chars().take(80).collect() });
    }
    let mut candidates = Vec::new();
    for value in document.certificate_authorities.unwrap_or_default() {
        let parsed = read::<AuthorityEntry>(&value).and_then(authority);
        candidates.push(judge(
            parsed,
            KeyKind::CertificateAuthority,
            &value,
            now,
            Candidate::certificate_authority,
        ));
    }
    for value in document.timestamp_authorities.unwrap_or_default() {
        let parsed = read::<AuthorityEntry>(&value).and_then(authority);
        candidates.push(judge(
            parsed,
            KeyKind::TimestampAuthority,
            &value,
            now,
            Candidate::timestamp_authority,
        ));
    }
    for value in document.tlogs.unwrap_or_default() {
        let parsed = read::<LogEntry>(&value).and_then(log);
        candidates.push(judge(parsed, KeyKind::TransparencyLog, &value, now, Candidate::transparency_log));
    }
    for value in document.ctlogs.unwrap_or_default() {
        let parsed = read::<LogEntry>(&value).and_then(log);
        candidates.push(judge(parsed, KeyKind::CtLog, &value, now, Candidate::ct_log));
    }
    assemble(candidates)
}

fn judge<T>(
    parsed: Result<T, KeyProblem>,
    kind: KeyKind,
    value: &Value,
    now: Timestamp,
    candidate: fn(T, Timestamp) -> Candidate,
) -> Candidate {
    match parsed {
        Ok(input) => candidate(input, now),
        Err(problem) => {
            let name =
                ["baseUrl", "uri"].iter().find_map(|field| value.get(field)?.as_str()).unwrap_or_default();
            Candidate::unreadable(kind, name.to_owned(), problem)
        }
    }
}

fn read<T: DeserializeOwned>(value: &Value) -> Result<T, KeyProblem> {
    T::deserialize(value).map_err(|error| KeyProblem::MalformedEntry { detail: error.to_string() })
}

fn authority(entry: AuthorityEntry) -> Result<AuthorityInput, KeyProblem> {
    let chain = entry.chain()?;
    let subject = entry.subject.unwrap_or_default();
    Ok(AuthorityInput {
        subject: Subject {
            organization: subject.organization.unwrap_or_default(),
            common_name: subject.common_name.unwrap_or_default(),
        },
        uri: entry.uri.unwrap_or_default(),
        chain: Ok(chain),
        valid_for: entry.valid_for.as_ref().map(window).transpose()?,
    })
}

fn log(entry: LogEntry) -> Result<LogInput, KeyProblem> {
    let public_key = entry.public_key.unwrap_or_default();
    let der = public_key.raw_bytes()?;
    let key = match public_key.key_details.as_deref().unwrap_or_default() {
        // Signs another message than plain Ed25519 with the same kind of key.
        "PKIX_ED25519_PH" => Err(KeyProblem::UnsupportedKeyAlgorithm { algorithm: KeyAlgorithm::Ed25519Ph }),
        details if details.starts_with("PKCS1_") => PublicKey::from_pkcs1(&der),
        _ => PublicKey::from_spki(&der),
    };
    let log_id = match entry.log_id.map(|log_id| log_id.key_id()).transpose()? {
        None => None,
        Some(bytes) if bytes.is_empty() => None,
        Some(bytes) => {
            let length = bytes.len();
            let bytes = bytes.try_into().map_err(|_| KeyProblem::MalformedLogId { length })?;
            Some(LogId::new(bytes))
        }
    };
    Ok(LogInput {
        base_url: entry.base_url.unwrap_or_default(),
        hash_algorithm: HashAlgorithm::parse(entry.hash_algorithm.as_deref().unwrap_or_default()),
        key,
        log_id,
        valid_for: public_key.valid_for.as_ref().map(window).transpose()?,
    })
}

/// A window that lost its start must not become one without bounds.
fn window(range: &Range) -> Result<Window, KeyProblem> {
    let Range { start, end } = *range;
    if start.is_none() {
        return Err(KeyProblem::MissingWindowStart);
    }
    Ok(Window { start, end })
}
