//! What is to come of a combination, where it is not that both accept it.

use trustwright_testkit::KeyKind;

use crate::{Form, Row, Signer, What};

/// What is to be said of the right signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accepted,
    /// With a text that contains this.
    Refused(&'static str),
}

/// A part of the error with which cosign v3.1.3 does not sign.
pub(crate) fn cannot(row: &Row) -> Option<&'static str> {
    let is_ed25519 = row.signer == Signer::Key(KeyKind::Ed25519);
    match row.form {
        // `attest` has no such flag.
        Form::Experimental if row.what != What::Signature => Some("unknown flag: --registry-referrers-mode"),
        // Legacy signatures go to Rekor v1, and the log here is version 2.
        Form::Legacy | Form::Experimental if row.log => Some("/api/v1/log/entries"),
        // The log takes no certificate of an authority that is not Fulcio in the form in which cosign sends it.
        Form::Bundle if row.log && row.chain => Some("invalid hashedrekord request"),
        Form::Bundle if row.log && !row.stamp && row.signer == Signer::Keyless => {
            Some("a timestamp authority must be provided")
        }
        // Cosign signs with Ed25519ph, verifies what it is about to write as Ed25519, and stops.
        Form::Bundle if is_ed25519 && (row.log || row.stamp) => Some("could not verify envelope"),
        Form::Legacy | Form::Experimental | Form::Bundle => None,
    }
}

/// What cosign says, and what we say.
pub(crate) fn verdicts(row: &Row) -> (Verdict, Verdict) {
    use Verdict::{Accepted, Refused};
    let is_attestation = row.what != What::Signature;
    match row.signer {
        // Cosign writes Ed25519ph and does not verify it; nor do we.
        Signer::Key(KeyKind::Ed25519) => (Refused(""), Refused("")),
        // Cosign stamps the signature of a legacy attestation, and looks for a stamp of the envelope, as the field does.
        _ if row.form == Form::Legacy && is_attestation && row.stamp => {
            (Refused("unable to verify RFC3161 timestamp bundle"), Refused("hashed messages don't match"))
        }
        // A difference: cosign puts the text of the document into the statement, and does not read back a predicate that
        // is no object.
        _ if row.what == What::Attestation("spdx".into()) => (Refused(""), Accepted),
        // A difference: cosign signs with the hash of the curve, and holds a certificate's signature outside of bundles
        // against SHA-256, whatever `--signature-digest-algorithm` says.
        Signer::Key(KeyKind::EcdsaP384 | KeyKind::EcdsaP521) if row.chain && row.form != Form::Bundle => {
            (Refused(""), Accepted)
        }
        Signer::Key(_) | Signer::Keyless => (Accepted, Accepted),
    }
}
