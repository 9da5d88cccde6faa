//! Who a certificate says has signed, and which of them an authority accepts.

use std::{collections::BTreeMap, fmt, net::IpAddr};

use regex::Regex;
use trustwright_trust::Window;

use crate::Refusal;

/// What a signing certificate says of its holder. Worth something only because its issuer is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Every subject alternative name that can name a signer, in the field's order: DNS, email, IP, URI, other.
    pub subjects: Vec<SubjectName>,
    /// The OIDC issuer: Fulcio's extension `1.3.6.1.4.1.57264.1.8`, or where that is missing the older `.1.1`.
    pub issuer: Option<String>,
    /// Fulcio's extensions by the last number of their OID (`1.3.6.1.4.1.57264.1.N`), as text.
    pub extensions: BTreeMap<u32, String>,
    /// When the certificate is valid.
    pub validity: Window,
}

/// A subject alternative name (RFC 5280, section 4.2.1.6).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubjectName {
    /// `dNSName`.
    Dns(String),
    /// `rfc822Name`.
    Email(String),
    /// `iPAddress`.
    Ip(IpAddr),
    /// `uniformResourceIdentifier`.
    Uri(String),
    /// `otherName` of Fulcio's user names (`1.3.6.1.4.1.57264.1.7`).
    UserName(String),
}

impl fmt::Display for SubjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) | Self::Email(name) | Self::Uri(name) | Self::UserName(name) => f.write_str(name),
            Self::Ip(address) => address.fmt(f),
        }
    }
}

/// An identity that an authority accepts. Both halves must match.
#[derive(Debug, Clone)]
pub struct IdentityPattern {
    /// The OIDC issuer.
    pub issuer: TextPattern,
    /// Any one of the subject names.
    pub subject: TextPattern,
}

/// What a text is held against.
#[derive(Debug, Clone)]
pub enum TextPattern {
    /// Equal, byte for byte.
    Exact(String),
    /// Matches anywhere in the text, unless the expression is anchored. The caller compiles it, in RE2's dialect.
    Regex(Regex),
}

impl TextPattern {
    /// Whether it accepts `text`.
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exact(expected) => expected == text,
            Self::Regex(expression) => expression.is_match(text),
        }
    }
}

impl fmt::Display for TextPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(text) => f.write_str(text),
            Self::Regex(expression) => write!(f, "/{expression}/"),
        }
    }
}

impl fmt::Display for IdentityPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "subject {} of issuer {}", self.subject, self.issuer)
    }
}

impl IdentityPattern {
    /// Whether it accepts `identity`.
    pub fn matches(&self, identity: &Identity) -> bool {
        // What private authorities certify mostly names no issuer, which an expression can accept, as in cosign.
        self.issuer.matches(identity.issuer.as_deref().unwrap_or_default())
            && identity.subjects.iter().any(|subject| self.subject.matches(&subject.to_string()))
    }
}

impl Identity {
    /// Checks that one of `accepted` is this identity. An empty list accepts nobody.
    ///
    /// # Errors
    ///
    /// [`Refusal::Identity`], with who signed and who was expected.
    pub fn check(&self, accepted: &[IdentityPattern]) -> Result<(), Refusal> {
        if accepted.iter().any(|pattern| pattern.matches(self)) {
            return Ok(());
        }
        Err(Refusal::Identity {
            subjects: self.subjects.iter().map(ToString::to_string).collect(),
            issuer: self.issuer.clone().unwrap_or_default(),
            expected: accepted.iter().map(ToString::to_string).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            subjects: vec![
                SubjectName::Email("a@example.com".into()),
                SubjectName::Ip("10.1.2.3".parse().unwrap()),
                SubjectName::Uri("https://example.com/b".into()),
                SubjectName::UserName("carol!example.com".into()),
            ],
            issuer: Some("https://issuer.example.com".into()),
            extensions: BTreeMap::new(),
            validity: Window::default(),
        }
    }

    fn pattern(issuer: &str, subject: &str) -> IdentityPattern {
        let text = |text: &str| match text.strip_prefix('~') {
            Some(expression) => TextPattern::Regex(Regex::new(expression).unwrap()),
            None => TextPattern::Exact(text.into()),
        };
        IdentityPattern { issuer: text(issuer), subject: text(subject) }
    }

    #[test]
    fn every_kind_of_subject_matches_by_text_and_by_expression() {
        for subject in ["a@example.com", "10.1.2.3", "https://example.com/b", "carol!example.com"] {
            identity().check(&[pattern("https://issuer.example.com", subject)]).unwrap();
            let expression = format!("~^{}$", regex::escape(subject));
            identity().check(&[pattern("~issuer", &expression)]).unwrap();
        }
    }

    #[test]
    fn a_neighbour_in_one_half_is_refused_and_any_of_several_is_enough() {
        let good = pattern("https://issuer.example.com", "a@example.com");
        let wrong = [
            pattern("https://issuer.example.com", "a@example.co"),
            pattern("https://issuer.example.org", "a@example.com"),
            pattern("~^issuer", "~example"),
            // Each half from another signer.
            pattern("https://other.example.com", "a@example.com"),
        ];
        assert!(identity().check(&wrong).is_err());
        assert!(identity().check(&[]).is_err());
        assert!(identity().check(&[wrong[0].clone(), good]).is_ok());
        let nameless = Identity { issuer: None, ..identity() };
        for wrong in ["https://issuer.example.com", "~.", "~^https://"] {
            assert!(nameless.check(&[pattern(wrong, "~")]).is_err(), "{wrong}");
        }
        for anybody in ["~", "~.*", "~^$"] {
            assert!(nameless.check(&[pattern(anybody, "~")]).is_ok(), "{anybody}");
        }
    }

    #[test]
    fn a_refusal_says_who_signed_and_who_was_expected() {
        let refusal = identity().check(&[pattern("~^https://issuer", "b@example.com")]).unwrap_err();
        let Refusal::Identity { subjects, issuer, expected } = &refusal else { panic!("{refusal}") };
        assert_eq!(subjects[1], "10.1.2.3");
        assert_eq!(issuer, "https://issuer.example.com");
        assert_eq!(expected, &["subject b@example.com of issuer /^https://issuer/"]);
        assert_eq!(
            refusal.to_string(),
            "none of the expected identities matched what was in the certificate, got subjects [a@example.com, \
             10.1.2.3, https://example.com/b, carol!example.com] with issuer https://issuer.example.com"
        );
        assert_eq!(
            refusal.hint().unwrap(),
            "signed by subject a@example.com, 10.1.2.3, https://example.com/b, carol!example.com of issuer \
             https://issuer.example.com, expected subject b@example.com of issuer /^https://issuer/"
        );
        let nobody = Identity { subjects: Vec::new(), issuer: None, ..identity() };
        let hint = nobody.check(&[]).unwrap_err().hint();
        assert_eq!(hint.unwrap(), "signed by subject (none) of issuer (none), expected (none)");
    }
}
