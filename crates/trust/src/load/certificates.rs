//! Certificate authorities by their certificates alone.

use jiff::Timestamp;

use super::candidate::{AuthorityInput, Candidate};
use crate::material::{Entry, Subject, TrustMaterial};
use crate::pem_text;
use crate::problem::KeyProblem;
use crate::report::Usability;
use crate::verifier;

/// Returns material that trusts the certificate authorities in `pem` and nothing else, as in `keyless.ca-cert`.
///
/// A chain, the root last, is one authority, and each certificate of it is held to the dates of those above. What is
/// no chain is so many authorities, each held to its own dates.
///
/// # Errors
///
/// The problem of a certificate: all of them have to be usable, since nobody reads a report of them.
pub fn from_certificates(pem: &[u8]) -> Result<TrustMaterial, KeyProblem> {
    let chain = pem_text::certificates(pem)?;
    match authority(chain.clone()) {
        Ok(entry) => Ok(TrustMaterial::new([entry])),
        Err(KeyProblem::ChainUnlinked { .. }) => {
            let each = chain.into_iter().map(|certificate| authority(vec![certificate]));
            Ok(TrustMaterial::new(each.collect::<Result<Vec<_>, _>>()?))
        }
        Err(problem) => Err(problem),
    }
}

fn authority(chain: Vec<Vec<u8>>) -> Result<Entry, KeyProblem> {
    let input =
        AuthorityInput { subject: Subject::default(), uri: String::new(), chain: Ok(chain), valid_for: None };
    // The time is for the report, which ends here.
    let Candidate { report, entry } = Candidate::certificate_authority(input, Timestamp::UNIX_EPOCH);
    let entry = match (entry, report.usability) {
        (Some(entry), _) => entry,
        (None, Usability::Unusable(problem)) => return Err(problem),
        // A usable authority is an entry, so this is only ever reached by a bug; it refuses all the same.
        (None, Usability::Usable) => return Err(KeyProblem::NoPemBlock),
    };
    match verifier::refusal(&entry) {
        None => Ok(entry),
        Some(problem) => Err(problem),
    }
}
