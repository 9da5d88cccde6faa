//! From a `ClusterImagePolicy` to what admission needs of it.

use std::{collections::BTreeSet, fmt, sync::Arc};

use serde_json::Value;
use trustwright_api::{
    decode_spec,
    v1alpha1::{self as api, ClusterImagePolicySpec},
};
use trustwright_roots::DEFAULT_NAME;
use trustwright_verify::{HashAlgorithm, PublicKey};

use crate::{Glob, Inputs, References, Scope, Workload, references::Reader, resolve};

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

/// Which part of a policy a problem is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// A key that cannot be found or read.
    Keys,
    /// The text of a policy that cannot be found.
    Policies,
    /// Anything else: what the spec says, or what this version does not do.
    Spec,
    /// A trust root that is missing, or of which nothing is in force.
    TrustRoots,
}

/// Why a policy, or one of its authorities, cannot be used. It denies (or warns about) what it matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotReady {
    /// What it is about.
    pub part: Part,
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
    /// The trust roots that it rests on, by name and in order.
    pub trust_roots: Vec<String>,
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
    /// What it was compiled from besides its spec.
    pub inputs: Inputs,
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
            problems: vec![NotReady { part: Part::Spec, field: "spec".into(), problem: problem.into() }],
            inputs: Inputs::default(),
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
pub fn compile_stored(name: &str, spec: Option<&Value>, references: &dyn References) -> Policy {
    match decode_spec(spec) {
        Ok(spec) => compile(name, &spec, references),
        Err(error) => Policy::unreadable(name, format!("cannot be decoded: {error}")),
    }
}

/// Compiles a policy, defaults included. Never fails: what cannot be compiled stays in the policy as a
/// [`NotReady`].
pub fn compile(name: &str, spec: &ClusterImagePolicySpec, references: &dyn References) -> Policy {
    let mut spec = spec.clone();
    trustwright_api::default_cluster_image_policy(&mut spec);
    let reader = Reader::new(references);
    let mut problems = Vec::new();
    let mut problem = |field: String, problem: String| {
        problems.push(NotReady { part: Part::Spec, field, problem });
    };

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
    if spec.authorities.is_empty() {
        problem("spec.authorities".into(), "no authority, so nothing can vouch for an image".into());
    }
    if let Some(policy) = &spec.policy {
        let found = resolve::body(policy, &reader);
        let (part, field, text) = if let Err((field, text)) = found {
            (Part::Policies, format!("spec.policy{field}"), text)
        } else {
            let text = "policies over the whole result are not evaluated by this version";
            (Part::Spec, "spec.policy".to_owned(), text.to_owned())
        };
        problems.push(NotReady { part, field, problem: text });
    }
    let authorities = spec
        .authorities
        .iter()
        .enumerate()
        .map(|(index, authority)| compile_authority(index, authority, &reader))
        .collect();
    let inputs = reader.inputs();
    Policy { name: name.to_owned(), mode, images, scopes, authorities, problems, inputs }
}

fn compile_authority(index: usize, authority: &api::Authority, reader: &Reader<'_>) -> Authority {
    let path = format!("spec.authorities[{index}]");
    let check = check(&path, authority, reader).unwrap_or_else(|Unusable { part, field, problem }| {
        Check::NotReady(NotReady { part, field: format!("{path}{field}"), problem })
    });
    Authority { name: authority.name.clone(), check, trust_roots: trust_roots(authority) }
}

/// The trust roots that an authority names, or means where it names none.
fn trust_roots(authority: &api::Authority) -> Vec<String> {
    let mut named = BTreeSet::new();
    if let Some(keyless) = authority.keyless.as_ref().filter(|keyless| keyless.ca_cert.is_none()) {
        let name = keyless.trust_root_ref.as_str();
        named.insert(if name.is_empty() { DEFAULT_NAME } else { name });
    }
    let log = authority.ctlog.as_ref().map(|log| log.trust_root_ref.as_str());
    let stamp = authority.rfc3161timestamp.as_ref().map(|stamp| stamp.trust_root_ref.as_str());
    named.extend([log, stamp].into_iter().flatten().filter(|name| !name.is_empty()));
    named.into_iter().map(str::to_owned).collect()
}

/// What cannot be compiled: the field below the authority (with its dot), and the problem.
struct Unusable {
    part: Part,
    field: String,
    problem: String,
}

impl Unusable {
    fn new(part: Part, field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { part, field: field.into(), problem: problem.into() }
    }
}

fn check(path: &str, authority: &api::Authority, reader: &Reader<'_>) -> Result<Check, Unusable> {
    let refused = |field: &str, problem: String| Err(Unusable::new(Part::Spec, field, problem));
    let unsupported =
        |field: &str, what: &str| refused(field, format!("{what} not verified by this version"));
    match (&authority.static_, &authority.key, &authority.keyless) {
        (Some(fixed), None, None) => match fixed.action.as_str() {
            "pass" => Ok(Check::Pass),
            "fail" => Ok(Check::Fail(fixed.message.clone())),
            other => {
                refused(".static.action", format!("unsupported action {other:?}, expected pass or fail"))
            }
        },
        (None, Some(key), None) => {
            // Read first: what is missing is worth more than what this version does not do.
            let key = public_key(key, reader)?;
            resolve_attestations(authority, reader)?;
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
            Ok(Check::Key(Arc::new(key), formats(&authority.signature_format)?))
        }
        (None, None, Some(keyless)) => {
            if let Some(key) = &keyless.ca_cert {
                resolve::key(key, reader).map_err(|(field, problem)| {
                    Unusable::new(Part::Keys, format!(".keyless.ca-cert{field}"), problem)
                })?;
            }
            resolve_attestations(authority, reader)?;
            unsupported(".keyless", "keyless signatures are")
        }
        (None, None, None) => {
            refused("", "expected exactly one of key, keyless and static, got neither".into())
        }
        _ => refused("", format!("expected exactly one of {path}.key, keyless and static, got several")),
    }
}

fn resolve_attestations(authority: &api::Authority, reader: &Reader<'_>) -> Result<(), Unusable> {
    for (index, attestation) in authority.attestations.iter().enumerate() {
        if let Some(policy) = &attestation.policy {
            resolve::body(policy, reader).map_err(|(field, problem)| {
                Unusable::new(Part::Policies, format!(".attestations[{index}].policy{field}"), problem)
            })?;
        }
    }
    Ok(())
}

fn public_key(key: &api::KeyRef, reader: &Reader<'_>) -> Result<PublicKey, Unusable> {
    let unusable = |field: &str, problem: String| Unusable::new(Part::Keys, format!(".key{field}"), problem);
    let pem = resolve::key(key, reader).map_err(|(field, problem)| unusable(field, problem))?;
    let hash = match key.hash_algorithm.trim() {
        "" => None,
        text => Some(
            text.parse::<HashAlgorithm>().map_err(|error| unusable(".hashAlgorithm", error.to_string()))?,
        ),
    };
    PublicKey::from_pem(&pem, hash).map_err(|error| match &key.secret_ref {
        None => unusable(".data", error.to_string()),
        Some(secret) => unusable(
            ".secretRef",
            format!("secret {:?} contains an invalid public key: {error}", secret.name),
        ),
    })
}

fn formats(signature_format: &str) -> Result<Formats, Unusable> {
    match signature_format {
        "" => Ok(Formats { legacy: true, bundle: true }),
        "legacy" => Ok(Formats { legacy: true, bundle: false }),
        "bundle" => Ok(Formats { legacy: false, bundle: true }),
        other => Err(Unusable::new(
            Part::Spec,
            ".signatureFormat",
            format!("unsupported format {other:?}, expected legacy or bundle"),
        )),
    }
}

#[cfg(test)]
mod tests;
