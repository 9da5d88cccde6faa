//! PEM text (RFC 7468) to DER.

use crate::key::PublicKey;
use crate::problem::KeyProblem;

const BEGIN: &[u8] = b"-----BEGIN ";

/// Returns the certificates of a PEM chain as DER, in their order; at least one.
///
/// Any other block refuses the whole chain: dropping it would trust less, or something else, than was written.
pub(crate) fn certificates(text: &[u8]) -> Result<Vec<Vec<u8>>, KeyProblem> {
    blocks(text)?
        .into_iter()
        .map(|block| match block.tag() {
            "CERTIFICATE" => Ok(block.into_contents()),
            found => Err(wrong_type("CERTIFICATE", found)),
        })
        .collect()
}

/// Returns the public key in the first PEM block.
pub(crate) fn public_key(text: &[u8]) -> Result<PublicKey, KeyProblem> {
    let first = blocks(text)?.into_iter().next().ok_or(KeyProblem::NoPemBlock)?;
    match first.tag() {
        "PUBLIC KEY" => PublicKey::from_spki(first.contents()),
        "RSA PUBLIC KEY" => PublicKey::from_pkcs1(first.contents()),
        found => Err(wrong_type("PUBLIC KEY", found)),
    }
}

/// Returns `der` as one PEM block with line feeds.
pub(crate) fn encode(tag: &str, der: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(tag, der), config)
}

/// Returns all blocks, at least one. The parser stops silently at a block without an end, so that they are counted.
fn blocks(text: &[u8]) -> Result<Vec<pem::Pem>, KeyProblem> {
    let begun = text.windows(BEGIN.len()).filter(|window| *window == BEGIN).count();
    if begun == 0 {
        return Err(KeyProblem::NoPemBlock);
    }
    let blocks = pem::parse_many(text).map_err(|_| KeyProblem::MalformedPem)?;
    if blocks.len() == begun { Ok(blocks) } else { Err(KeyProblem::MalformedPem) }
}

/// Block types are quoted in status, so they are held to the alphabet and length that real ones have.
fn wrong_type(expected: &'static str, found: &str) -> KeyProblem {
    let found = found.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(40).collect();
    KeyProblem::WrongPemType { expected, found }
}
