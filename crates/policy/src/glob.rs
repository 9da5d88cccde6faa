//! Image patterns, with the meaning that `images[].glob` has in the field: `*` stays within one path segment,
//! `**` does not, everything else is literal, and the whole name has to match.

use std::fmt;

/// The pattern holds a character that no image name can hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidGlob(pub String);

impl fmt::Display for InvalidGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid glob {:?}", self.0)
    }
}

impl std::error::Error for InvalidGlob {}

/// A compiled image pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Literal(u8),
    /// Any characters but `/`.
    Star,
    /// Any characters.
    DoubleStar,
}

impl Glob {
    /// Compiles `text`. The exact patterns `*` and `*/*` stand for Docker Hub's, as in the field.
    pub fn new(text: &str) -> Result<Self, InvalidGlob> {
        let expanded = match text {
            "*/*" => "index.docker.io/*/*",
            "*" => "index.docker.io/library/*",
            other => other,
        };
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"-_:/*.@".contains(&b);
        if expanded.is_empty() || !expanded.bytes().all(legal) {
            return Err(InvalidGlob(text.to_owned()));
        }
        let mut tokens = Vec::with_capacity(expanded.len());
        let mut bytes = expanded.bytes().peekable();
        while let Some(byte) = bytes.next() {
            tokens.push(match byte {
                b'*' if bytes.next_if_eq(&b'*').is_some() => Token::DoubleStar,
                b'*' => Token::Star,
                literal => Token::Literal(literal),
            });
        }
        Ok(Self { tokens })
    }

    /// Whether the full image name `name` (see [`trustwright_core::ImageRef::name`]) matches.
    ///
    /// Two places to come back to are enough: a later wildcard makes any earlier one of its kind needless,
    /// and a `*` that would have to cross a `/` hands over to the last `**`.
    pub fn matches(&self, name: &str) -> bool {
        let name = name.as_bytes();
        let (mut token, mut at) = (0, 0);
        let mut last_star: Option<(usize, usize)> = None;
        let mut last_double_star: Option<(usize, usize)> = None;
        loop {
            match self.tokens.get(token) {
                Some(Token::Star) => {
                    token += 1;
                    last_star = Some((token, at));
                    continue;
                }
                Some(Token::DoubleStar) => {
                    token += 1;
                    last_double_star = Some((token, at));
                    last_star = None;
                    continue;
                }
                Some(Token::Literal(literal)) if name.get(at) == Some(literal) => {
                    token += 1;
                    at += 1;
                    continue;
                }
                None if at == name.len() => return true,
                _ => {}
            }
            match (last_star, last_double_star) {
                (Some((after, from)), _) if from < name.len() && name[from] != b'/' => {
                    last_star = Some((after, from + 1));
                    (token, at) = (after, from + 1);
                }
                (_, Some((after, from))) if from < name.len() => {
                    last_double_star = Some((after, from + 1));
                    last_star = None;
                    (token, at) = (after, from + 1);
                }
                _ => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(glob: &str, name: &str) -> bool {
        Glob::new(glob).unwrap().matches(name)
    }

    #[test]
    fn full_names_match_as_the_field_knows_it() {
        for (name, globs) in [
            (
                "index.docker.io/library/foo:latest",
                &[
                    "index.docker.io/library/foo:*",
                    "index.docker.io/*/*",
                    "index.docker.**",
                    "inde**",
                    "**",
                    "*",
                ][..],
            ),
            ("index.docker.io/myuser/myapp:latest", &["index.docker.io/*/*:latest", "*/*", "**"]),
            ("ghcr.io/foo/bar:latest", &["ghcr.io/*/*", "ghcr.io/**", "**.io/**"]),
            ("ghcr.io/foo:latest", &["ghcr.io/**", "ghc**", "**", "ghcr.io/foo*", "ghcr.io/foo**"]),
            (
                "oci.stackable.tech/sdp/kafka@sha256:00",
                &["**.stackable.tech/**", "oci.stackable.tech/sdp/kafka@*"],
            ),
        ] {
            for glob in globs {
                assert!(matches(glob, name), "{glob} {name}");
            }
        }
        for (name, glob) in [
            ("ghcr.io/foo:latest", "ghcr.io/*/*"),
            ("prefix-ghcr.io/foo:latest", "ghcr.io/foo**"),
            ("ghcr.io/foo-suffix:latest", "ghcr.io/foo"),
            ("ghcrxio/foo:latest", "ghcr.io/**"),
            ("ghcr.io/foo/bar:latest", "ghcr.io/*"),
            ("index.docker.io/myuser/myapp:latest", "*"),
            ("stackable.tech.evil.io/a", "**.stackable.tech/**"),
        ] {
            assert!(!matches(glob, name), "{glob} {name}");
        }
    }

    #[test]
    fn characters_outside_of_image_names_are_refused() {
        for text in ["", "$FOO*", ".+", "[a-z]*", "a b", "a?b", "é", "a\\b"] {
            assert_eq!(Glob::new(text), Err(InvalidGlob(text.into())));
        }
    }

    proptest! {
        #[test]
        fn a_glob_is_the_regular_expression_that_the_field_makes_of_it(
            glob in "[ab/*]{1,12}", name in "[ab/]{0,16}",
        ) {
            prop_assume!(glob != "*" && glob != "*/*");
            let expression = glob.replace("**", "\u{1}").replace('*', "[^/]*").replace('\u{1}', ".*");
            let expected = regex::Regex::new(&format!("^{expression}$")).unwrap().is_match(&name);
            prop_assert_eq!(matches(&glob, &name), expected, "{} {}", glob, name);
        }
    }
}
