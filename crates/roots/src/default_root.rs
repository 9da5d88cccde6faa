//! The trust root of policies that name none.

use trustwright_api::v1alpha1::TrustRootReason;
use trustwright_trust::tuf::TRUSTED_ROOT_TARGET;
use url::Url;

use crate::{Anchor, Refusal, Remote, Source, Spec};

/// Name of the `TrustRoot` object that shows the default root.
pub const DEFAULT_NAME: &str = "trustwright-default";

/// The public Sigstore mirror.
pub const DEFAULT_MIRROR: &str = "https://tuf-repo-cdn.sigstore.dev";

/// `15.root.json` of the public Sigstore repository (sigstore/root-signing, of 2026-08-21, Apache-2.0). It has
/// expired, as the first link of a chain may; where it leads to must not have.
pub const EMBEDDED_ROOT: &[u8] = include_bytes!("../data/sigstore.root.json");

/// Where the default root comes from: our own flags or embedded bytes, whatever an object says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultRoot {
    /// Where it is read.
    pub mirror: Url,
    /// The `root.json` that trust starts from.
    pub root: Vec<u8>,
    /// Whether that is the embedded one.
    pub embedded: bool,
}

/// Returns the spec to act on. That of the default object counts for how its mirror is asked, and never for where trust
/// starts or which target is read, as whoever may write trust roots could otherwise redirect every policy that names
/// none.
///
/// # Errors
///
/// [`TrustRootReason::InvalidSpec`]: an object of that name is no mirror's, or there is no default root.
pub fn anchored(spec: Spec, name: &str, default: Option<&DefaultRoot>) -> Result<Spec, Refusal> {
    if name != DEFAULT_NAME {
        return Ok(spec);
    }
    let kind = spec.kind();
    let Some(default) = default else {
        let message = format!("{DEFAULT_NAME:?} is the name of the default root, which is disabled");
        return Err(Refusal::new(TrustRootReason::InvalidSpec, kind, message));
    };
    let Source::Remote(remote) = spec.source else {
        let message =
            format!("{DEFAULT_NAME:?} shows the default root, which is a remote one; expected spec.remote");
        return Err(Refusal::new(TrustRootReason::InvalidSpec, kind, message));
    };
    let anchor = Anchor { root: default.root.clone(), target: TRUSTED_ROOT_TARGET.to_owned() };
    let remote = Remote { anchor, mirror: default.mirror.clone(), ..*remote };
    Ok(Spec { source: Source::Remote(Box::new(remote)), rule: spec.rule })
}
