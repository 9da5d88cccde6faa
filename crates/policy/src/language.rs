//! The languages of policies over attestations, and over what a whole policy found. What compiles and runs them is a
//! port: see [`Languages`].

mod memory;

use std::{fmt, sync::Arc, time::Duration};

pub use memory::CompiledOnce;

/// A language that policies are written in (`policy.type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// CUE (`cue`).
    Cue,
    /// Rego (`rego`): of OPA v0, unless the module imports `rego.v1`.
    Rego,
    /// Common Expression Language (`cel`).
    Cel,
}

/// Compiles texts of every language.
pub trait Languages: fmt::Debug + Send + Sync {
    /// Compiles `text`. Blocks, for some milliseconds in the case of CUE.
    fn compile(&self, language: Language, text: &str) -> Result<Arc<dyn Program>, CompileError>;
}

/// A compiled text.
pub trait Program: fmt::Debug + Send + Sync {
    /// Evaluates the text over `input`, a JSON document. Blocks for no longer than `limit`.
    ///
    /// The texts of what comes out are the Policy Controller's, without the prefix that names language and policy (see
    /// [`Language::prefix`]).
    fn evaluate(&self, input: &[u8], limit: Duration) -> Answer;
}

/// What an evaluation comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The document is as the policy wants it.
    Compliant,
    /// The policy says so and warns; this counts as a refusal, as it does with the Policy Controller. Without the word
    /// `warning`.
    Warned(String),
    /// The document is not as the policy wants it, or cannot be evaluated.
    Refused(String),
    /// Time, memory or depth of the evaluation ran out, or it broke off: a refusal that may be another one tomorrow.
    Exhausted(String),
}

/// Why a text cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// The text is wrong.
    #[error("{0}")]
    Invalid(String),
    /// Nothing here evaluates that language.
    #[error("{0}")]
    Unavailable(String),
}

impl Language {
    /// The language of a `policy.type`.
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "cue" => Self::Cue,
            "rego" => Self::Rego,
            "cel" => Self::Cel,
            _ => return None,
        })
    }

    /// Its `policy.type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cue => "cue",
            Self::Rego => "rego",
            Self::Cel => "cel",
        }
    }

    /// What stands before the text of a refusal by the policy of that name: an attestation's, or `ClusterImagePolicy`.
    pub fn prefix(self, name: &str) -> String {
        match self {
            Self::Cue => format!("failed evaluating cue policy for {name}: "),
            Self::Rego => format!("failed evaluating rego policy for type {name}: "),
            Self::Cel => format!("failed evaluating cel policy for {name}: "),
        }
    }
}

/// No language at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLanguages;

impl Languages for NoLanguages {
    fn compile(&self, language: Language, _: &str) -> Result<Arc<dyn Program>, CompileError> {
        Err(CompileError::Unavailable(format!("policies in {} are not evaluated here", language.as_str())))
    }
}
