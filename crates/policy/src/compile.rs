//! From a `ClusterImagePolicy` to what admission needs of it.

mod authority;

use std::fmt;

use serde_json::Value;
use trustwright_api::{decode_spec, v1alpha1::ClusterImagePolicySpec};

use crate::{
    Authority, Check, Glob, Includes, Inputs, Languages, References, Rule, Scope, Workload,
    references::Reader, rule,
};

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

/// Which part of a policy a problem is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// A key that cannot be found or read.
    Keys,
    /// The text of a policy that cannot be found, or that does not compile and stands in another object.
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
    /// What the result as a whole has to comply with, once an authority vouches for the image.
    pub rule: Option<Rule>,
    /// What that rule is given besides what the authorities found.
    pub includes: Includes,
    /// What keeps the policy as a whole from working. Where there is anything, the policy fails.
    pub problems: Vec<NotReady>,
    /// What its author should know although it works: the field, and what follows.
    pub notes: Vec<String>,
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
            rule: None,
            includes: Includes::default(),
            problems: vec![NotReady { part: Part::Spec, field: "spec".into(), problem: problem.into() }],
            notes: Vec::new(),
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

    /// Everything in the policy that cannot be used, the authorities' problems included. Trust roots are not among
    /// them: see [`crate::trust_problems`].
    pub fn not_ready(&self) -> impl Iterator<Item = &NotReady> {
        self.problems.iter().chain(self.authorities.iter().filter_map(|authority| match &authority.check {
            Check::NotReady(problem) => Some(problem),
            Check::Pass | Check::Fail(_) | Check::Signed(_) => None,
        }))
    }
}

/// Compiles a policy from its object's `spec` as it is stored. One that does not decode is a policy that denies
/// everything: it may match anything.
pub fn compile_stored(
    name: &str,
    spec: Option<&Value>,
    references: &dyn References,
    languages: &dyn Languages,
) -> Policy {
    match decode_spec(spec) {
        Ok(spec) => compile(name, &spec, references, languages),
        Err(error) => Policy::unreadable(name, format!("cannot be decoded: {error}")),
    }
}

/// Compiles a policy, defaults included. Never fails: what cannot be compiled stays in the policy as a
/// [`NotReady`].
///
/// `languages` compile the texts that the policy has or names, which blocks; whoever compiles often remembers them, see
/// [`CompiledOnce`](crate::CompiledOnce).
pub fn compile(
    name: &str,
    spec: &ClusterImagePolicySpec,
    references: &dyn References,
    languages: &dyn Languages,
) -> Policy {
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
    let rule = spec.policy.as_ref().map(|policy| rule::compile(policy, &reader, languages)).transpose();
    let rule = rule.unwrap_or_else(|(part, field, problem)| {
        problems.push(NotReady { part, field: format!("spec.policy{field}"), problem });
        None
    });
    let includes = spec.policy.as_ref().map(Includes::of).unwrap_or_default();
    let authorities = spec
        .authorities
        .iter()
        .enumerate()
        .map(|(index, authority)| authority::compile(index, authority, &reader, languages))
        .collect();
    let notes = spec.authorities.iter().enumerate().filter_map(authority::note).collect();
    let inputs = reader.inputs();
    let name = name.to_owned();
    Policy { name, mode, images, scopes, authorities, rule, includes, problems, notes, inputs }
}

#[cfg(test)]
mod tests;
