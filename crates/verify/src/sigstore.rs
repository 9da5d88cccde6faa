//! Evidence against trust material. The only module that calls the verification library; a new version of it changes
//! this and what lies below.
//!
//! The library verifies timestamps and the log entries of Rekor v1, and that these speak of the signature. Certificates
//! and SCTs are verified here: the library takes one SCT only, needs a time that others state, and does not hold the
//! authorities' own certificates to their dates. So are the entries of Rekor v2, of which it takes those of P-256 keys.

mod chain;
pub(crate) mod der;
mod log;
mod logged;
mod merkle;
mod refuse;
mod rekor2;
mod sct;
mod timestamp;

use jiff::Timestamp;
use pki_types::CertificateDer;
use sigstore_verify::types::{self, Bundle, TimestampToken, bundle::VerificationMaterialContent};
use trustwright_trust::{Fingerprint, TrustMaterial, VerifierFormError, to_trusted_root};

use crate::{
    CertificateProblem, Facts, LogEntry, PublicKey, Refusal, Request, Signature, Signer, TimeSource,
    TimestampProblem, VerifiedTime, certificate::Leaf,
};
use chain::Anchors;
use log::Logs;
use logged::By;
use sct::CtLogs;
use timestamp::TimestampAuthorities;

/// Trust material, ready to verify with. Made once per material (some 50 µs) and shared.
pub struct Verifier {
    library: sigstore_verify::Verifier,
    anchors: Anchors,
    ct_logs: CtLogs,
    logs: Logs,
    timestamp_authorities: TimestampAuthorities,
    fingerprint: Fingerprint,
}

/// The material cannot be used, which would be a defect: every entry of it was tried when it was loaded.
#[derive(Debug, thiserror::Error)]
pub enum MaterialError {
    /// It does not fit the library's form.
    #[error(transparent)]
    Form(#[from] VerifierFormError),
    /// The library refuses it.
    #[error("the verifier refuses the trust material")]
    Library(#[source] Box<sigstore_verify::Error>),
    /// A certificate authority or a log of certificates has become unreadable.
    #[error("the trust material has an authority or a log that cannot be read")]
    Unreadable,
}

/// What log entries and timestamps say of a signature.
type Witnessed = (Vec<LogEntry>, Vec<VerifiedTime>);

impl Verifier {
    /// Makes `material` ready.
    pub fn new(material: &TrustMaterial) -> Result<Self, MaterialError> {
        let library = sigstore_verify::Verifier::new(&to_trusted_root(material)?)
            .map_err(|error| MaterialError::Library(Box::new(error)))?;
        Ok(Self {
            library,
            anchors: Anchors::new(material.certificate_authorities()).ok_or(MaterialError::Unreadable)?,
            ct_logs: CtLogs::new(material.ct_logs()).ok_or(MaterialError::Unreadable)?,
            logs: Logs::new(material.transparency_logs()),
            timestamp_authorities: TimestampAuthorities::new(material.timestamp_authorities()),
            fingerprint: material.fingerprint(),
        })
    }

    /// The fingerprint of the material.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Verifies a signature that was made under a certificate (`keyless`). Who may have signed is not asked here:
    /// [`crate::Identity::check`] holds the facts against any number of authorities.
    ///
    /// The certificate must have been valid, and vouched for, at every time that is verified. Where no log entry is
    /// asked for and no timestamp is there, it must be at [`Request::now`], and [`Facts::valid_until`] is set.
    pub fn verify_certificate(&self, signature: &Signature, request: &Request<'_>) -> Result<Facts, Refusal> {
        let bundle = signature.bundle()?.ok_or(Refusal::NoCertificate)?;
        let der = bundle.signing_certificate().ok_or(Refusal::NoCertificate)?;
        let leaf = Leaf::read(der.as_bytes())?;
        let required = request.requirements;
        if required.timestamp {
            self.may_find_timestamps()?;
        }
        let (log_entries, times) = if required.log_entry {
            self.logged(signature, bundle, &By::Certificate { leaf: &leaf, der: der.as_bytes() }, request)?
        } else {
            signature.content().verify_for(&leaf.key()?, &request.artifact)?;
            let stamps = self.stamps(signature, bundle);
            (Vec::new(), self.timestamps(&stamps, signature, request.now)?)
        };
        let by_authority = |time: &VerifiedTime| time.source == TimeSource::TimestampAuthority;
        if required.timestamp && !times.iter().any(by_authority) {
            return Err(Refusal::NoTimestamp);
        }
        let issuer = self.vouched(&leaf, bundle, &times, request.now)?;
        if required.sct {
            self.ct_logs.check(&leaf.parsed, &issuer)?;
        }
        let statement = signature.claim(&request.artifact.digest(), request.claim)?;
        let valid_until = leaf.identity.validity.end.filter(|_| times.is_empty());
        Ok(Facts {
            form: signature.form(),
            signer: Signer::Certificate(Box::new(leaf.identity)),
            log_entries,
            times,
            statement,
            valid_until,
        })
    }

    /// Verifies a signature under `key`, with the log entry and the timestamp that are asked for. Those that are not
    /// asked for are not looked at.
    pub fn verify_key(
        &self,
        signature: &Signature,
        key: &PublicKey,
        request: &Request<'_>,
    ) -> Result<Facts, Refusal> {
        let scheme = signature.content().verify_for(key, &request.artifact)?;
        let required = request.requirements;
        let (mut log_entries, mut times) = Witnessed::default();
        if required.timestamp {
            self.may_find_timestamps()?;
            let bundle = signature.bundle()?.ok_or(Refusal::NoTimestamp)?;
            times = self.timestamps(&self.stamps(signature, bundle), signature, request.now)?;
            if times.is_empty() {
                return Err(Refusal::NoTimestamp);
            }
        }
        if required.log_entry {
            let bundle = signature.bundle()?.ok_or(Refusal::NoLogEntry)?;
            (log_entries, times) =
                self.logged(signature, bundle, &By::Key { key, scheme, times }, request)?;
        }
        let statement = signature.claim(&request.artifact.digest(), request.claim)?;
        let signer = Signer::Key(key.fingerprint());
        Ok(Facts { form: signature.form(), signer, log_entries, times, statement, valid_until: None })
    }

    fn may_find_timestamps(&self) -> Result<(), TimestampProblem> {
        if self.timestamp_authorities.is_empty() { Err(TimestampProblem::NoAuthority) } else { Ok(()) }
    }

    /// The tokens that are there to be verified. Where no authority is trusted there is nothing to hold them
    /// against, and whoever asks for a timestamp will not find one.
    fn stamps<'a>(&self, signature: &'a Signature, bundle: &'a Bundle) -> Vec<&'a TimestampToken> {
        if self.timestamp_authorities.is_empty() {
            return Vec::new();
        }
        let in_bundle = &bundle.verification_material.timestamp_verification_data.rfc3161_timestamps;
        let in_bundle = in_bundle.iter().map(|timestamp| &timestamp.signed_timestamp);
        in_bundle.chain(signature.envelope_timestamp()).collect()
    }

    fn timestamps(
        &self,
        tokens: &[&TimestampToken],
        signature: &Signature,
        now: Timestamp,
    ) -> Result<Vec<VerifiedTime>, TimestampProblem> {
        let times = self.timestamp_authorities.check(tokens, signature.stamped_bytes(), now)?;
        let time = |at| VerifiedTime { at, source: TimeSource::TimestampAuthority };
        Ok(times.into_iter().map(time).collect())
    }

    /// Checks that the certificate is for signing code, and was vouched for at each of `times`, or is now where there
    /// is none. Returns the key of whoever issued it.
    fn vouched(
        &self,
        leaf: &Leaf<'_>,
        bundle: &Bundle,
        times: &[VerifiedTime],
        now: Timestamp,
    ) -> Result<Vec<u8>, Refusal> {
        let (der, others) = certificates(bundle);
        let der = der.ok_or(Refusal::NoCertificate)?;
        if !leaf.identity.validity.contains(now) && times.is_empty() {
            return Err(Refusal::NoTime);
        }
        if !leaf.is_for_code() {
            return Err(CertificateProblem::Usage.into());
        }
        let mut instants: Vec<_> = times.iter().map(|time| time.at).collect();
        instants.sort_unstable();
        instants.dedup();
        if instants.is_empty() {
            instants.push(now);
        }
        let mut issuer = Err(CertificateProblem::NoAuthority { at: now });
        for at in instants {
            issuer = Ok(self.anchors.check(der, &others, at)?);
        }
        Ok(issuer?)
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

/// The signing certificate, and those that came with it.
fn certificates(bundle: &Bundle) -> (Option<&[u8]>, Vec<CertificateDer<'_>>) {
    let others = match &bundle.verification_material.content {
        VerificationMaterialContent::X509CertificateChain { certificates } => certificates.get(1..),
        // The library's own enum, which grows.
        _ => None,
    };
    let others = others.unwrap_or_default().iter();
    let others = others.map(|other| CertificateDer::from(other.raw_bytes.as_bytes())).collect();
    (bundle.signing_certificate().map(types::DerCertificate::as_bytes), others)
}
