//! Findings about fields, and the text that users see.
//!
//! The texts are those of knative's `FieldError`, which users and tests of the Policy Controller match on:
//! `<message>: <path>, <path>`, then the details on a line of their own. Findings stay values until
//! [`FieldErrors::render`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Whether a finding refuses the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The object is refused.
    Error,
    /// The object is accepted and the user is told.
    Warning,
}

/// One finding about one or several fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// What is wrong, for example `missing field(s)`.
    pub message: String,
    /// The fields, for example `spec.images[0].glob`.
    pub paths: Vec<String>,
    /// Why, where the message alone does not tell; may be empty.
    pub details: String,
    /// Whether the object is refused.
    pub level: Level,
}

/// Findings in no particular order; [`FieldErrors::merged`] gives them their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldError {
    /// Fields that must be given.
    pub fn missing<P: Into<String>>(paths: impl IntoIterator<Item = P>) -> Self {
        Self::new("missing field(s)", paths, "")
    }

    /// Fields of which one must be given.
    pub fn missing_one_of<P: Into<String>>(paths: impl IntoIterator<Item = P>) -> Self {
        Self::new("expected exactly one, got neither", paths, "")
    }

    /// Fields of which only one may be given.
    pub fn multiple_one_of<P: Into<String>>(paths: impl IntoIterator<Item = P>) -> Self {
        Self::new("expected exactly one, got both", paths, "")
    }

    /// Fields that have no place here.
    pub fn disallowed<P: Into<String>>(paths: impl IntoIterator<Item = P>) -> Self {
        Self::new("must not set the field(s)", paths, "")
    }

    /// A field with a value that cannot be. The value is printed whole.
    pub fn invalid_value(
        value: impl fmt::Display,
        path: impl Into<String>,
        details: impl Into<String>,
    ) -> Self {
        Self::new(format!("invalid value: {value}"), [path], details)
    }

    /// Makes the finding a warning.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.level = Level::Warning;
        self
    }

    fn new<P: Into<String>>(
        message: impl Into<String>,
        paths: impl IntoIterator<Item = P>,
        details: impl Into<String>,
    ) -> Self {
        let paths = paths.into_iter().map(Into::into).collect();
        Self { message: message.into(), paths, details: details.into(), level: Level::Error }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.message, self.paths.join(", "))?;
        if self.details.is_empty() { Ok(()) } else { write!(f, "\n{}", self.details) }
    }
}

impl std::error::Error for FieldError {}

impl FieldErrors {
    /// Returns a collection without findings.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a finding.
    pub fn push(&mut self, error: FieldError) {
        self.0.push(error);
    }

    /// Returns whether there is no finding, not even a warning.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the findings that refuse the object.
    #[must_use]
    pub fn errors(&self) -> Self {
        self.at(Level::Error)
    }

    /// Returns the findings that only warn.
    #[must_use]
    pub fn warnings(&self) -> Self {
        self.at(Level::Warning)
    }

    /// Returns the findings as they came.
    pub fn iter(&self) -> std::slice::Iter<'_, FieldError> {
        self.0.iter()
    }

    /// Returns the findings with those of equal message, details and level joined into one, its paths sorted
    /// and without duplicates. They are ordered by message, then details, then level.
    #[must_use]
    pub fn merged(&self) -> Self {
        let mut merged: BTreeMap<(&str, &str, Level), BTreeSet<&str>> = BTreeMap::new();
        for error in &self.0 {
            let paths = merged.entry((&error.message, &error.details, error.level)).or_default();
            paths.extend(error.paths.iter().map(String::as_str));
        }
        let errors = merged.into_iter().map(|((message, details, level), paths)| FieldError {
            level,
            ..FieldError::new(message, paths, details)
        });
        errors.collect()
    }

    /// Returns the text of all findings, one after the other on lines of their own; empty without findings.
    ///
    /// Warnings are part of it: take [`errors`](Self::errors) or [`warnings`](Self::warnings) first.
    pub fn render(&self) -> String {
        let lines: Vec<String> = self.merged().0.iter().map(ToString::to_string).collect();
        lines.join("\n")
    }

    fn at(&self, level: Level) -> Self {
        self.0.iter().filter(|error| error.level == level).cloned().collect()
    }
}

impl Extend<FieldError> for FieldErrors {
    fn extend<I: IntoIterator<Item = FieldError>>(&mut self, errors: I) {
        self.0.extend(errors);
    }
}

impl FromIterator<FieldError> for FieldErrors {
    fn from_iter<I: IntoIterator<Item = FieldError>>(errors: I) -> Self {
        Self(errors.into_iter().collect())
    }
}

impl IntoIterator for FieldErrors {
    type Item = FieldError;
    type IntoIter = std::vec::IntoIter<FieldError>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a FieldErrors {
    type Item = &'a FieldError;
    type IntoIter = std::slice::Iter<'a, FieldError>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl fmt::Display for FieldErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_findings_are_joined_and_ordered() {
        let warning = FieldError::missing(["z"]).warning();
        let errors: FieldErrors = [
            FieldError::missing(["b", "a"]),
            warning.clone(),
            FieldError::invalid_value("x", "p", "why"),
            FieldError::missing(["c", "a"]),
            FieldError::invalid_value("x", "q", ""),
            FieldError::disallowed(["d"]),
        ]
        .into_iter()
        .collect();
        let expected = "invalid value: x: q\ninvalid value: x: p\nwhy\nmissing field(s): a, b, c\n\
                        must not set the field(s): d";
        assert_eq!(errors.errors().render(), expected);
        assert_eq!(errors.warnings().iter().collect::<Vec<_>>(), [&warning]);
        assert_eq!(FieldErrors::new().render(), "");
    }
}
