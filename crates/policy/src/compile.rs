//! From a `ClusterImagePolicy` to what admission needs of it.

use std::{fmt, sync::Arc};

use serde_json::Value;
use trustwright_api::{
    decode_spec,
    v1alpha1::{self as api, ClusterImagePolicySpec},
};
use trustwright_verify::{HashAlgorithm, PublicKey};

use crate::{Glob, Scope, Workload};

/// What a failure of the policy does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// It denies.
    Enforce,
    /// It warns.
    Warn,
}

/// The images that a policy speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Images {
    /// Those that match one of the patterns.
    Globs(Vec<Glob>),
    /// All: a pattern of the policy cannot be read, so nobody knows which it leaves out.
    Every,
}

/// Where a key authority looks for signatures (`signatureFormat`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Formats {
    /// Cosign's `sha256-<hex>.sig` tag.
    pub legacy: bool,
    /// Sigstore bundles among the image's referrers.
    pub bundle: bool,
}

/// Why a policy, or one of its authorities, cannot be used. It denies (or warns about) what it matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotReady {
    /// The field at fault, such as `spec.authorities[0].key.data`.
    pub field: String,
    /// What is wrong with it, in words for a person.
    pub problem: String,
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}

/// What an authority checks.
#[derive(Debug, Clone)]
pub enum Check {
    /// Nothing: every image passes.
    Pass,
    /// Nothing: every image fails, with this message.
    Fail(String),
    /// A signature under this key.
    Key(Arc<PublicKey>, Formats),
    /// It cannot check anything.
    NotReady(NotReady),
}

/// A compiled authority.
#[derive(Debug, Clone)]
pub struct Authority {
    /// Its name, or `authority-<index>`.
    pub name: String,
    /// What it checks.
    pub check: Check,
}

/// A compiled policy.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The object's name.
    pub name: String,
    /// What a failure does.
    pub mode: Mode,
    /// The images it speaks of.
    pub images: Images,
    /// The workloads it speaks of; none means all.
    pub scopes: Vec<Scope>,
    /// Its authorities, of which one has to vouch for the image.
    pub authorities: Vec<Authority>,
    /// What keeps the policy as a whole from working. Where there is anything, the policy fails.
    pub problems: Vec<NotReady>,
}

impl Policy {
    /// A policy of which nothing but its name can be read: it denies everything.
    pub fn unreadable(name: &str, problem: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            mode: Mode::Enforce,
            images: Images::Every,
            scopes: Vec::new(),
            authorities: Vec::new(),
            problems: vec![NotReady { field: "spec".into(), problem: problem.into() }],
        }
    }

    /// Whether the policy speaks of `image` (its full name) in `workload`.
    pub fn speaks_of(&self, workload: &Workload<'_>, image: &str) -> bool {
        let images = match &self.images {
            Images::Every => true,
            Images::Globs(globs) => globs.iter().any(|glob| glob.matches(image)),
        };
        images && (self.scopes.is_empty() || self.scopes.iter().any(|scope| scope.selects(workload)))
    }

    /// Everything in the policy that cannot be used, the authorities' problems included.
    pub fn not_ready(&self) -> impl Iterator<Item = &NotReady> {
        self.problems.iter().chain(self.authorities.iter().filter_map(|authority| match &authority.check {
            Check::NotReady(problem) => Some(problem),
            Check::Pass | Check::Fail(_) | Check::Key(..) => None,
        }))
    }
}

/// Compiles a policy from its object's `spec` as it is stored. One that does not decode is a policy that denies
/// everything: it may match anything.
pub fn compile_stored(name: &str, spec: Option<&Value>) -> Policy {
    match decode_spec(spec) {
        Ok(spec) => compile(name, &spec),
        Err(error) => Policy::unreadable(name, format!("cannot be decoded: {error}")),
    }
}

/// Compiles a policy, defaults included. Never fails: what cannot be compiled stays in the policy as a
/// [`NotReady`].
pub fn compile(name: &str, spec: &ClusterImagePolicySpec) -> Policy {
    let mut spec = spec.clone();
    trustwright_api::default_cluster_image_policy(&mut spec);
    let mut problems = Vec::new();
    let mut problem = |field: String, problem: String| problems.push(NotReady { field, problem });

    let mode = match spec.mode.as_str() {
        "enforce" => Mode::Enforce,
        "warn" => Mode::Warn,
        other => {
            problem("spec.mode".into(), format!("unsupported mode {other:?}, treated as enforce"));
            Mode::Enforce
        }
    };
    let globs: Result<Vec<_>, _> = spec
        .images
        .iter()
        .enumerate()
        .map(|(index, image)| Glob::new(&image.glob).map_err(|error| (index, error)))
        .collect();
    let images = match globs {
        Ok(globs) if globs.is_empty() => {
            problem("spec.images".into(), "no image pattern, so every image is matched".into());
            Images::Every
        }
        Ok(globs) => Images::Globs(globs),
        Err((index, error)) => {
            problem(format!("spec.images[{index}].glob"), format!("{error}, so every image is matched"));
            Images::Every
        }
    };
    let mut scopes = Vec::new();
    for (index, entry) in spec.match_resources.iter().enumerate() {
        let (scope, error) = Scope::new(entry);
        scopes.push(scope);
        if let Some(error) = error {
            problem(
                format!("spec.match[{index}].selector"),
                format!("{error}, so every object of its kind is matched"),
            );
        }
    }
    if spec.policy.is_some() {
        problem(
            "spec.policy".into(),
            "policies over the whole result are not evaluated by this version".into(),
        );
    }
    if spec.authorities.is_empty() {
        problem("spec.authorities".into(), "no authority, so nothing can vouch for an image".into());
    }
    let authorities = spec
        .authorities
        .iter()
        .enumerate()
        .map(|(index, authority)| compile_authority(index, authority))
        .collect();
    Policy { name: name.to_owned(), mode, images, scopes, authorities, problems }
}

fn compile_authority(index: usize, authority: &api::Authority) -> Authority {
    let path = format!("spec.authorities[{index}]");
    let check = check(&path, authority).unwrap_or_else(|(field, problem)| {
        Check::NotReady(NotReady { field: format!("{path}{field}"), problem })
    });
    Authority { name: authority.name.clone(), check }
}

/// What cannot be compiled: the field below the authority (with its dot), and the problem.
type Unusable = (&'static str, String);

fn check(path: &str, authority: &api::Authority) -> Result<Check, Unusable> {
    let unsupported = |field, what: &str| Err((field, format!("{what} not verified by this version")));
    match (&authority.static_, &authority.key, &authority.keyless) {
        (Some(fixed), None, None) => match fixed.action.as_str() {
            "pass" => Ok(Check::Pass),
            "fail" => Ok(Check::Fail(fixed.message.clone())),
            other => Err((".static.action", format!("unsupported action {other:?}, expected pass or fail"))),
        },
        (None, Some(key), None) => {
            if !authority.attestations.is_empty() {
                return unsupported(".attestations", "attestations are");
            }
            if authority.ctlog.as_ref().is_some_and(|log| log.url.is_some() || !log.trust_root_ref.is_empty())
            {
                return unsupported(".ctlog", "transparency log entries are");
            }
            if authority.rfc3161timestamp.as_ref().is_some_and(|stamp| !stamp.trust_root_ref.is_empty()) {
                return unsupported(".rfc3161timestamp", "timestamps are");
            }
            if !authority.source.is_empty() {
                return unsupported(".source", "signatures in other repositories are");
            }
            Ok(Check::Key(Arc::new(public_key(key)?), formats(&authority.signature_format)?))
        }
        (None, None, Some(_)) => unsupported(".keyless", "keyless signatures are"),
        (None, None, None) => {
            Err(("", "expected exactly one of key, keyless and static, got neither".into()))
        }
        _ => Err(("", format!("expected exactly one of {path}.key, keyless and static, got several"))),
    }
}

fn public_key(key: &api::KeyRef) -> Result<PublicKey, Unusable> {
    if key.secret_ref.is_some() {
        return Err((".key.secretRef", "keys in Secrets are not read by this version".into()));
    }
    if !key.kms.is_empty() {
        return Err((".key.kms", "keys of a KMS are not fetched by this version".into()));
    }
    let hash = match key.hash_algorithm.trim() {
        "" => None,
        text => {
            Some(text.parse::<HashAlgorithm>().map_err(|error| (".key.hashAlgorithm", error.to_string()))?)
        }
    };
    PublicKey::from_pem(&key.data, hash).map_err(|error| (".key.data", error.to_string()))
}

fn formats(signature_format: &str) -> Result<Formats, Unusable> {
    match signature_format {
        "" => Ok(Formats { legacy: true, bundle: true }),
        "legacy" => Ok(Formats { legacy: true, bundle: false }),
        "bundle" => Ok(Formats { legacy: false, bundle: true }),
        other => {
            Err((".signatureFormat", format!("unsupported format {other:?}, expected legacy or bundle")))
        }
    }
}

#[cfg(test)]
mod tests;
