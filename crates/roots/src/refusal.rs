//! Why nothing of a trust root is in force.

use trustwright_api::v1alpha1::TrustRootReason;

use crate::SourceKind;

/// Why nothing of a trust root is in force, in the words of its conditions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The reason of the condition.
    pub reason: TrustRootReason,
    /// The source, where the spec has just one.
    pub source_kind: Option<SourceKind>,
    /// The field and the cause.
    pub message: String,
}

impl Refusal {
    /// A refusal of what stands in `spec.<source>`.
    pub fn new(reason: TrustRootReason, source: SourceKind, message: impl Into<String>) -> Self {
        Self { reason, source_kind: Some(source), message: message.into() }
    }

    /// A spec that says nothing that could be used.
    pub(crate) fn spec(source_kind: Option<SourceKind>, message: impl Into<String>) -> Self {
        Self { reason: TrustRootReason::InvalidSpec, source_kind, message: message.into() }
    }
}

/// An error with what caused it, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut texts: Vec<String> = Vec::new();
    for text in causes.map(ToString::to_string) {
        // Some errors say their cause themselves.
        if !texts.last().is_some_and(|last| last.contains(&text)) {
            texts.push(text);
        }
    }
    texts.join(": ")
}
