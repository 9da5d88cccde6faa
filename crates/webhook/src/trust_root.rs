//! Trust roots as they are written: what only verifying shows.

use jiff::Timestamp;
use trustwright_api::{FieldError, v1alpha1::TrustRootReason};
use trustwright_roots::{Root, Source, Text, read};

use crate::review::Request;

const ARCHIVE: &str = "spec.repository.mirrorFS";
const TEXT: &str = "spec.trustedRoot.data";

/// Returns what speaks against the repository or trusted root in a spec that is well-formed otherwise, and warns of
/// what is well-formed and yet no good.
pub(crate) fn check(request: &Request, now: Timestamp) -> Option<FieldError> {
    let spec = request.object.as_ref().and_then(|object| object.data.get("spec"));
    // What the spec alone shows is said already.
    let spec = read(spec).ok()?;
    match &spec.source {
        Source::Repository(_) => check_repository(&Root::of_spec(&spec, now)?, now),
        Source::TrustedRoot(text) => Some(check_text(text, now)),
        Source::Remote(_) | Source::SigstoreKeys(_) => None,
    }
}

fn check_repository(root: &Root, now: Timestamp) -> Option<FieldError> {
    // Its author vouches for it, expired or not.
    let expired = |effect: &str| {
        let expired = root.expired(now)?;
        Some(warning(format!("{expired}; {effect}"), ARCHIVE))
    };
    match &root.trusted {
        Ok(_) => expired("it stays in force"),
        Err(refusal) => match refusal.reason {
            TrustRootReason::Expired => expired("nothing of it is in force, as spec.onExpiry is Reject"),
            TrustRootReason::Stale => {
                expired("nothing of it is in force, as that is longer ago than spec.maxStaleness")
            }
            // The words of the field for whatever is wrong with an archive.
            _ => Some(FieldError::invalid_value(
                "failed to construct a TUF client",
                ARCHIVE,
                &*refusal.message,
            )),
        },
    }
}

fn check_text(text: &Text, now: Timestamp) -> FieldError {
    if let Text::Inline(text) = text
        && let Err(refusal) = Root::of_text(text, now).trusted
    {
        return FieldError::invalid_value("no trusted root", TEXT, refusal.message);
    }
    let message = "not protected by TUF, so that it never expires and nobody notices when it goes back";
    warning(message.to_owned(), "spec.trustedRoot")
}

fn warning(message: String, path: &str) -> FieldError {
    FieldError { message, ..FieldError::missing([path]).warning() }
}
