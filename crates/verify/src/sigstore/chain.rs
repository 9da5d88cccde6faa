//! From a signing certificate to a trusted certificate authority.

use std::time::Duration;

use jiff::Timestamp;
use pki_types::{CertificateDer, TrustAnchor, UnixTime};
use sigstore_verify::crypto::WEBPKI_VERIFICATION_ALGS;
use trustwright_trust::{Authority, Window};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::{certificate::X509Certificate, prelude::FromDer as _};

use crate::{CertificateProblem, certificate};

/// `id-kp-codeSigning` (RFC 5280, section 4.2.1.12), as the content of an OBJECT IDENTIFIER.
const CODE_SIGNING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03];

/// The certificates of trusted authorities. Fulcio's intermediates are anchors as much as its root: nobody sends
/// them along.
pub(super) struct Anchors(Vec<Anchor>);

struct Anchor {
    anchor: TrustAnchor<'static>,
    /// When it may vouch: the authority's own window, and the dates of every certificate up to the root, which an
    /// anchor is otherwise not held to.
    window: Window,
}

impl Anchors {
    /// `None` where a certificate cannot be read, which loaded material does not have.
    pub(super) fn new(authorities: &[Authority]) -> Option<Self> {
        let mut anchors = Vec::new();
        for authority in authorities {
            let mut window = authority.valid_for.clone().unwrap_or_default();
            for der in authority.chain.iter().rev() {
                let (_, parsed) = X509Certificate::from_der(der).ok()?;
                window = window.intersect(&certificate::validity(&parsed)?);
                let der = CertificateDer::from(der.as_slice());
                let anchor = anchor_from_trusted_cert(&der).ok()?.to_owned();
                anchors.push(Anchor { anchor, window: window.clone() });
            }
        }
        Some(Self(anchors))
    }

    /// Checks that `leaf` was vouched for at `at`, through `others` where it takes them, and
    /// returns the `SubjectPublicKeyInfo` of whoever issued it.
    pub(super) fn check(
        &self,
        leaf: &[u8],
        others: &[CertificateDer<'_>],
        at: Timestamp,
    ) -> Result<Vec<u8>, CertificateProblem> {
        let anchors: Vec<_> = self
            .0
            .iter()
            .filter(|anchor| anchor.window.contains(at))
            .map(|anchor| anchor.anchor.clone())
            .collect();
        if anchors.is_empty() {
            return Err(CertificateProblem::NoAuthority { at });
        }
        let seconds = u64::try_from(at.as_second()).map_err(|_| CertificateProblem::NotYetValid { at })?;
        let der = CertificateDer::from(leaf);
        let leaf = EndEntityCert::try_from(&der).map_err(|_| CertificateProblem::Malformed)?;
        let path = leaf
            .verify_for_usage(
                WEBPKI_VERIFICATION_ALGS,
                &anchors,
                others,
                UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
                // Of the leaf it is required; of those above, many private authorities say nothing.
                KeyUsage::required_if_present(CODE_SIGNING),
                None,
                None,
            )
            .map_err(|error| problem(&error, at))?;
        Ok(path.issuer_spki().as_ref().to_vec())
    }
}

fn problem(error: &webpki::Error, at: Timestamp) -> CertificateProblem {
    use webpki::Error;
    match error {
        Error::CertExpired { .. } => CertificateProblem::Expired { at },
        Error::CertNotValidYet { .. } => CertificateProblem::NotYetValid { at },
        Error::UnknownIssuer | Error::InvalidSignatureForPublicKey => CertificateProblem::UnknownAuthority,
        Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension => CertificateProblem::Usage,
        // The library's own enum, which grows: whatever else it is, the chain is refused.
        _ => CertificateProblem::Chain,
    }
}
