//! A policy text, compiled: over an attestation (`attestations[].policy`), or over what a whole policy found
//! (`spec.policy`).

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use trustwright_api::v1alpha1 as api;

use crate::{CompileError, Language, Languages, Part, Program, references::Reader, resolve};

/// A policy text, compiled. Equal to another of the same language and text.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its language.
    pub language: Language,
    /// What evaluates it.
    pub program: Arc<dyn Program>,
    /// SHA-256 of the text.
    pub text: [u8; 32],
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        (self.language, self.text) == (other.language, other.text)
    }
}

impl Eq for Rule {}

/// What a rule over a whole policy is given besides what the authorities found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a field of the API")]
pub struct Includes {
    /// The configuration of the image, of each platform (`fetchConfigFile`).
    pub config: bool,
    /// The workload's `spec` (`includeSpec`).
    pub spec: bool,
    /// The workload's `metadata` (`includeObjectMeta`).
    pub metadata: bool,
    /// The workload's `apiVersion` and `kind` (`includeTypeMeta`).
    pub type_meta: bool,
}

impl Includes {
    pub(crate) fn of(policy: &api::Policy) -> Self {
        let is_set = |field: Option<bool>| field == Some(true);
        Self {
            config: is_set(policy.fetch_config_file),
            spec: is_set(policy.include_spec),
            metadata: is_set(policy.include_object_meta),
            type_meta: is_set(policy.include_type_meta),
        }
    }

    /// Whether the workload itself is looked at.
    pub const fn workload(self) -> bool {
        self.spec || self.metadata || self.type_meta
    }
}

/// Why there is no rule: what it is about, the field below the policy (with its dot), and the problem.
pub(crate) type NoRule = (Part, &'static str, String);

/// Finds the text of `policy` and compiles it. Where the text stands elsewhere, that can be cured there.
pub(crate) fn compile(
    policy: &api::Policy,
    reader: &Reader<'_>,
    languages: &dyn Languages,
) -> Result<Rule, NoRule> {
    let text = resolve::body(policy, reader).map_err(|(field, problem)| (Part::Policies, field, problem))?;
    let language = Language::of(&policy.type_)
        .ok_or_else(|| (Part::Spec, ".type", format!("sorry Type {} is not supported yet", policy.type_)))?;
    let program = languages.compile(language, &text).map_err(|error| match error {
        CompileError::Unavailable(problem) => (Part::Spec, ".type", problem),
        CompileError::Invalid(problem) => {
            let (part, field) = if policy.config_map_ref.is_some() {
                (Part::Policies, ".configMapRef")
            } else if policy.remote.is_some() {
                (Part::Policies, ".remote")
            } else {
                (Part::Spec, ".data")
            };
            (part, field, format!("does not compile: {problem}"))
        }
    })?;
    Ok(Rule { language, program, text: Sha256::digest(&text).into() })
}
