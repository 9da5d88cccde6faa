//! What a trust root comes to at one moment.

use std::sync::Arc;

use jiff::Timestamp;
use trustwright_api::v1alpha1::TrustRootReason;
use trustwright_trust::tuf::{self, Archive, Content, Expiry, Floor, Limits, Request, RoleState, Verified};
use trustwright_trust::{
    KeyReport, Loaded, SourceError, TrustMaterial, from_sigstore_keys, from_trusted_root_json,
};

use crate::{Artifact, Refusal, Repository, Rule, Source, SourceKind, Spec, Standing, chain};

/// What a trust root comes to at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Which part of the spec it comes from.
    pub source: SourceKind,
    /// What is in force, or why nothing is.
    pub trusted: Result<Arc<TrustMaterial>, Refusal>,
    /// What became of each key.
    pub reports: Vec<KeyReport>,
    /// The roles that were verified; none without TUF.
    pub metadata: Vec<RoleState>,
    /// Whether these have expired.
    pub standing: Standing,
    /// When time alone takes it out of force.
    pub until: Option<Timestamp>,
}

impl Root {
    /// Builds what the spec holds all by itself: `spec.sigstoreKeys` and `spec.repository`. `None` for the others.
    pub fn of_spec(spec: &Spec, now: Timestamp) -> Option<Self> {
        match &spec.source {
            Source::SigstoreKeys(keys) => {
                Some(Self::without_tuf(SourceKind::SigstoreKeys, from_sigstore_keys(keys, now)))
            }
            Source::Repository(repository) => Some(match verify(repository, now) {
                Ok(verified) => Self::settled(
                    SourceKind::Repository,
                    &verified.content,
                    verified.metadata,
                    spec.rule,
                    now,
                ),
                Err(refusal) => Self::refused(SourceKind::Repository, refusal),
            }),
            Source::Remote(_) | Source::TrustedRoot(_) => None,
        }
    }

    /// Builds `spec.trustedRoot` from its text.
    pub fn of_text(text: &str, now: Timestamp) -> Self {
        Self::without_tuf(SourceKind::TrustedRoot, from_trusted_root_json(text.as_bytes(), now))
    }

    /// Builds `spec.remote` from the repository that was read.
    pub fn of_artifact(artifact: &Artifact, rule: Rule, now: Timestamp) -> Self {
        Self::settled(SourceKind::Remote, &artifact.content, artifact.metadata.clone(), rule, now)
    }

    /// A trust root of which nothing is in force.
    pub fn refused(source: SourceKind, refusal: Refusal) -> Self {
        Self {
            source,
            trusted: Err(refusal),
            reports: Vec::new(),
            metadata: Vec::new(),
            standing: Standing::Current,
            until: None,
        }
    }

    /// Returns the keys that cannot be used, each with its cause.
    pub fn complaints(&self) -> Vec<String> {
        complaints(&self.reports)
    }

    /// Returns the expired roles in a sentence, where there are any.
    pub fn expired(&self, now: Timestamp) -> Option<String> {
        expired(&self.metadata, now)
    }

    fn without_tuf(source: SourceKind, loaded: Result<Loaded, SourceError>) -> Self {
        let (trusted, reports) = match loaded {
            Ok(Loaded { material, reports }) => (Ok(Arc::new(material)), reports),
            Err(error) => {
                let reports = match &error {
                    SourceError::NothingUsable { reports } => reports.clone(),
                    SourceError::Malformed(_) | SourceError::UnexpectedMediaType { .. } => Vec::new(),
                };
                let causes: Vec<String> =
                    std::iter::once(chain(&error)).chain(complaints(&reports)).collect();
                let message = format!("{source}: {}", causes.join("; "));
                (Err(Refusal::new(TrustRootReason::NoUsableKeys, source, message)), reports)
            }
        };
        Self { trusted, reports, ..Self::refused(source, Refusal::spec(None, "")) }
    }

    fn settled(
        source: SourceKind,
        content: &Content,
        metadata: Vec<RoleState>,
        rule: Rule,
        now: Timestamp,
    ) -> Self {
        let standing = rule.standing(&metadata, now);
        let until = rule.until(&metadata).filter(|until| *until > now);
        let expired = || expired(&metadata, now).unwrap_or_default();
        let out_of_force = match standing {
            Standing::Current | Standing::Kept => None,
            Standing::Rejected => {
                Some((TrustRootReason::Expired, format!("{}; spec.onExpiry is Reject", expired())))
            }
            Standing::Stale => Some((
                TrustRootReason::Stale,
                format!("{}; that is longer ago than spec.maxStaleness allows", expired()),
            )),
        };
        let root = match out_of_force {
            Some((reason, message)) => Self::refused(source, Refusal::new(reason, source, message)),
            None => Self::without_tuf(source, content.load(now)),
        };
        Self { metadata, standing, until, ..root }
    }
}

fn complaints(reports: &[KeyReport]) -> Vec<String> {
    let of = |report: &KeyReport| Some(format!("{} {:?}: {}", report.kind, report.name, report.problem()?));
    reports.iter().filter_map(of).collect()
}

fn expired(roles: &[RoleState], now: Timestamp) -> Option<String> {
    let ended: Vec<String> = roles
        .iter()
        .filter(|role| role.is_expired(now))
        .map(|role| format!("{} version {} expired at {}", role.role, role.version, role.expires))
        .collect();
    (!ended.is_empty()).then(|| ended.join(", "))
}

/// Verifies a repository whose author vouches for it by writing it into the spec, expired or not. There is no older
/// state that a floor would have to protect.
fn verify(repository: &Repository, now: Timestamp) -> Result<Verified, Refusal> {
    let failed = |message| Refusal::new(TrustRootReason::VerificationFailed, SourceKind::Repository, message);
    let (limits, floor) = (Limits::default(), Floor::default());
    let archive = Archive::unpack(&repository.packed, &limits)
        .map_err(|error| failed(format!("spec.repository.mirrorFS: {}", chain(&error))))?;
    let anchor = &repository.anchor;
    let request = Request {
        target: &anchor.target,
        expiry: Expiry::Keep,
        ..Request::new(&anchor.root, &floor, &limits, now)
    };
    tuf::verify(&request, &archive)
        .map_err(|failure| failed(format!("spec.repository: {}", chain(&failure.error))))
}
