//! One combination.

use trustwright_testkit::KeyKind;

/// Who signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signer {
    /// The holder of a key of this kind.
    Key(KeyKind),
    /// Whoever the identity token names.
    Keyless,
}

/// How it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Under a tag.
    Legacy,
    /// Among the referrers, as cosign 2 tried it.
    Experimental,
    /// As a bundle.
    Bundle,
}

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// The image.
    Signature,
    /// A statement about it, of this type.
    Attestation(String),
}

/// A combination of flags.
#[expect(clippy::struct_excessive_bools, reason = "cosign's flags are")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) signer: Signer,
    pub(crate) form: Form,
    /// With an entry in a log.
    pub(crate) log: bool,
    /// With a timestamp.
    pub(crate) stamp: bool,
    /// With a certificate for the key, and its authority's.
    pub(crate) chain: bool,
    /// In a registry with the referrers API.
    pub(crate) referrers: bool,
    pub(crate) what: What,
}

impl Row {
    /// Whether the flags go together: Fulcio's certificates come with its own chain.
    pub(crate) fn is_a_combination(&self) -> bool {
        !(self.chain && self.signer == Signer::Keyless)
    }
}
