//! Every log entry of a signature: those of Rekor v1 by the library, those of Rekor v2 by ourselves.

use std::borrow::Cow;

use sigstore_verify::{
    Policy, PublicKeyVerificationPolicy, VerificationPolicy,
    bundle::{ValidationOptions, validate_bundle_with_options},
    types::{
        self, Bundle, DerPublicKey, Sha256Hash,
        bundle::{PublicKeyIdentifier, TimestampVerificationData, VerificationMaterialContent},
    },
};

use super::{Verifier, Witnessed, log::Candidate, refuse, rekor2};
use crate::{
    Artifact, CertificateProblem, EntryProblem, PublicKey, Refusal, Request, Signature, TimeSource,
    TimestampProblem, VerifiedTime,
    certificate::Leaf,
    evidence::{Content, Stamped},
    key::Scheme,
};

/// Who has to have signed.
pub(super) enum By<'a> {
    /// The holder of a certificate, which is `der`.
    Certificate { leaf: &'a Leaf<'a>, der: &'a [u8] },
    /// The holder of a key, who has signed in this way. `times` are those of the timestamps that are asked for.
    Key { key: &'a PublicKey, scheme: Scheme, times: Vec<VerifiedTime> },
}

impl By<'_> {
    fn key(&self) -> Result<Cow<'_, PublicKey>, CertificateProblem> {
        match self {
            Self::Certificate { leaf, .. } => leaf.key().map(Cow::Owned),
            Self::Key { key, .. } => Ok(Cow::Borrowed(key)),
        }
    }
}

impl Verifier {
    /// Verifies every log entry of `bundle`, and with them the signature, what it speaks of, and the timestamps of a
    /// certificate's signature. Returns them with all times that are known then.
    pub(super) fn logged(
        &self,
        signature: &Signature,
        bundle: &Bundle,
        by: &By<'_>,
        request: &Request<'_>,
    ) -> Result<Witnessed, Refusal> {
        let entries = &bundle.verification_material.tlog_entries;
        let candidates = self.logs.inspect(entries, signature.source())?;
        let mut times = match by {
            By::Key { times, .. } => times.clone(),
            By::Certificate { .. } => Vec::new(),
        };
        if candidates.iter().all(Candidate::is_v2) {
            structure(signature, bundle)?;
            if let By::Certificate { .. } = by {
                times = self.timestamps(&self.stamps(signature, bundle), signature, request.now)?;
                if times.is_empty() {
                    return Err(Refusal::NoTime);
                }
            }
        } else {
            self.by_library(signature, bundle, by, request, &candidates, &mut times)?;
        }
        by_ourselves(signature, by, request, &candidates)?;
        if let Some(VerifiedTime { at, source }) = times.iter().copied().find(|time| time.at > request.now) {
            return Err(match source {
                TimeSource::TimestampAuthority => TimestampProblem::Future { at }.into(),
                TimeSource::TransparencyLog => EntryProblem::IntegratedTime.into(),
            });
        }
        let instants: Vec<_> = times.iter().map(|time| time.at).collect();
        let entries = candidates.iter().map(|candidate| candidate.proven(&instants));
        Ok((entries.collect::<Result<_, _>>()?, times))
    }

    /// Has the library verify the signature, the entries of Rekor v1, and the timestamps of a certificate's signature.
    fn by_library(
        &self,
        signature: &Signature,
        bundle: &Bundle,
        by: &By<'_>,
        request: &Request<'_>,
        candidates: &[Candidate<'_>],
        times: &mut Vec<VerifiedTime>,
    ) -> Result<(), Refusal> {
        let bundle = self.for_library(bundle, by);
        let policy: Box<dyn Policy> = match by {
            By::Certificate { .. } => Box::new(VerificationPolicy::any_identity().skip_certificate_chain()),
            By::Key { key, .. } => {
                Box::new(PublicKeyVerificationPolicy::new(DerPublicKey::from_bytes(key.spki())))
            }
        };
        if let (By::Certificate { .. }, Stamped::Envelope) = (by, signature.stamped()) {
            times.extend(self.timestamps(&self.stamps(signature, &bundle), signature, request.now)?);
        }
        let result = match (signature.content(), request.artifact) {
            // The payload is what was signed, and the claim in it is checked afterwards.
            (Content::Simple { payload, .. }, _) => {
                self.library.verify(payload.as_slice(), &bundle, policy.as_ref())
            }
            (_, Artifact::Bytes(bytes)) => self.library.verify(bytes, &bundle, policy.as_ref()),
            (_, Artifact::Digest(digest)) => {
                let digest = types::Artifact::from(Sha256Hash::new(*digest.as_bytes()));
                self.library.verify(digest, &bundle, policy.as_ref())
            }
        };
        let result = result.map_err(|error| self.explain(signature, &bundle, by, request, &error))?;
        let mut log_times: Vec<_> = candidates.iter().filter_map(Candidate::integrated_time).collect();
        // Of the library's times, those that are no log's are the tokens'.
        for at in result.verified_timestamps() {
            let source = match log_times.iter().position(|time| time == at) {
                Some(position) => {
                    log_times.swap_remove(position);
                    TimeSource::TransparencyLog
                }
                None => TimeSource::TimestampAuthority,
            };
            times.push(VerifiedTime { at: *at, source });
        }
        Ok(())
    }

    /// The bundle as the library takes it: without the entries that it is not asked about, and without the tokens where
    /// it would insist on them and nobody asks. With a key it takes none that has a certificate.
    fn for_library<'b>(&self, bundle: &'b Bundle, by: &By<'_>) -> Cow<'b, Bundle> {
        let by_key = matches!(by, By::Key { .. });
        let mut out = Cow::Borrowed(bundle);
        let material = &bundle.verification_material;
        if material.tlog_entries.iter().any(super::log::is_v2) {
            out.to_mut().verification_material.tlog_entries.retain(|entry| !super::log::is_v2(entry));
        }
        let stamps = &material.timestamp_verification_data.rfc3161_timestamps;
        if !stamps.is_empty() && (by_key || self.timestamp_authorities.is_empty()) {
            out.to_mut().verification_material.timestamp_verification_data =
                TimestampVerificationData::default();
        }
        if by_key && !matches!(material.content, VerificationMaterialContent::PublicKey(_)) {
            out.to_mut().verification_material.content =
                VerificationMaterialContent::PublicKey(PublicKeyIdentifier::new(""));
        }
        out
    }

    /// Says in our words why the library refuses.
    fn explain(
        &self,
        signature: &Signature,
        bundle: &Bundle,
        by: &By<'_>,
        request: &Request<'_>,
        error: &sigstore_verify::Error,
    ) -> Refusal {
        let key = match by.key() {
            Ok(key) => key,
            Err(problem) => return problem.into(),
        };
        let context = refuse::Context { signature, request, algorithm: key.algorithm() };
        match context.explain(error) {
            // The library's word for it is text; ours is found by looking again.
            Refusal::Timestamp(TimestampProblem::Untrusted) => {
                let problem = self.timestamps(&self.stamps(signature, bundle), signature, request.now).err();
                problem.unwrap_or(TimestampProblem::Untrusted).into()
            }
            // The library goes by the key's own hash and padding.
            Refusal::Signature if signature.content().verify_for(&key, &request.artifact).is_ok() => {
                Refusal::KeyKind(key.algorithm().as_str())
            }
            refusal => refusal,
        }
    }
}

/// Verifies the signature, and the entries of Rekor v2: that the log holds them, and that they speak of it.
fn by_ourselves(
    signature: &Signature,
    by: &By<'_>,
    request: &Request<'_>,
    candidates: &[Candidate<'_>],
) -> Result<(), Refusal> {
    let mut ours = candidates.iter().filter(|candidate| candidate.is_v2()).peekable();
    if ours.peek().is_none() {
        return Ok(());
    }
    let key = by.key()?;
    let (scheme, verifier) = match by {
        By::Certificate { der, .. } => {
            let scheme = signature.content().verify_for(&key, &request.artifact)?;
            (scheme, rekor2::Verifier::Certificate(der))
        }
        By::Key { key, scheme, .. } => (*scheme, rekor2::Verifier::Key(key.spki())),
    };
    let signed = rekor2::Signed { signature, artifact: &request.artifact, key: &key, scheme, verifier };
    ours.try_for_each(|candidate| {
        let body = candidate.included(request.now)?;
        signed.check(body)
    })
}

/// Checks what a bundle of its version has to have, as the library does before it verifies.
fn structure(signature: &Signature, bundle: &Bundle) -> Result<(), Refusal> {
    let options = ValidationOptions::new().with_require_inclusion_proof(true).with_require_timestamp(false);
    validate_bundle_with_options(bundle, &options).map_err(|error| refuse::structure(signature, &error))
}
