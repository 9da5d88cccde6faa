//! The URL of a file of a mirror.

use url::Url;

use crate::error::{Error, PathProblem};

/// Bytes of the longest path.
const MAX_PATH: usize = 1024;

/// The URL of `path` below `base`, which is a folder whether or not it ends with a slash.
///
/// `path` is relative, its parts separated by `/`. What a URL cannot hold as it is gets encoded; what is encoded
/// already stays so (`1.a%2Fb.json`, as TUF clients name the metadata of a role `a/b`).
///
/// Guarantee: the result is below `base`, also for a server that decodes once before it splits.
pub(crate) fn url(base: &Url, path: &str) -> Result<Url, Error> {
    let refuse = |problem| Error::Path { path: quoted(path), problem };
    let segments = segments(path).map_err(refuse)?;
    let mut url = base.clone();
    match url.path_segments_mut() {
        Ok(mut all) => all.pop_if_empty().extend(&segments),
        Err(()) => return Err(refuse(PathProblem::Base)),
    };
    Ok(url)
}

/// The parts, decoded.
fn segments(path: &str) -> Result<Vec<String>, PathProblem> {
    if path.is_empty() {
        return Err(PathProblem::Empty);
    }
    if path.len() > MAX_PATH {
        return Err(PathProblem::TooLong { limit: MAX_PATH });
    }
    path.split('/').map(segment).collect()
}

fn segment(text: &str) -> Result<String, PathProblem> {
    if text.is_empty() {
        // A slash in front, at the end, or two in a row, as in an absolute URL.
        return Err(PathProblem::EmptyPart);
    }
    let decoded = decode(text).ok_or(PathProblem::Encoding)?;
    if decoded.contains('\\') {
        return Err(PathProblem::Backslash);
    }
    if decoded.chars().any(char::is_control) {
        return Err(PathProblem::Control);
    }
    if decoded.split('/').any(|part| matches!(part, "." | "..")) {
        return Err(PathProblem::Dots);
    }
    Ok(decoded)
}

/// Decodes `%2F` and the like once; a percent sign that starts no escape stays. `None` if that is not UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = match (first, tail) {
            (b'%', [high, low, after @ ..]) => {
                hex(*high).zip(hex(*low)).map(|(high, low)| (high << 4 | low, after))
            }
            _ => None,
        };
        let (byte, after) = escaped.unwrap_or((first, tail));
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// The path for a message: short, on one line, and ASCII.
fn quoted(path: &str) -> String {
    path.chars().take(80).flat_map(char::escape_default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(base: &str, path: &str) -> Result<String, PathProblem> {
        match url(&base.parse().unwrap(), path) {
            Ok(url) => Ok(url.into()),
            Err(Error::Path { problem, .. }) => Err(problem),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_file_is_below_the_base() {
        for (base, expected) in [
            ("https://h", "https://h/1.root.json"),
            ("https://h/", "https://h/1.root.json"),
            ("https://h/a/b", "https://h/a/b/1.root.json"),
            ("https://h/a/b/", "https://h/a/b/1.root.json"),
            ("https://h/a%2Fb", "https://h/a%2Fb/1.root.json"),
            ("http://h:81/a//", "http://h:81/a//1.root.json"),
        ] {
            assert_eq!(at(base, "1.root.json").unwrap(), expected, "{base}");
        }
    }

    #[test]
    fn names_are_encoded_once() {
        for (path, expected) in [
            ("targets/ab/0a.x.json", "targets/ab/0a.x.json"),
            ("a b?c#d", "a%20b%3Fc%23d"),
            ("1.a%2Fb.json", "1.a%2Fb.json"),
            ("1.a%2fb.json", "1.a%2Fb.json"),
            ("1...%2Fb.json", "1...%2Fb.json"),
            ("100%", "100%25"),
            ("100%zz", "100%25zz"),
            ("100%25", "100%25"),
            ("%252e%252e", "%252e%252e"),
            ("1.😎.json", "1.%F0%9F%98%8E.json"),
            ("a:b@c", "a:b@c"),
            ("...", "..."),
            (".well-known", ".well-known"),
        ] {
            assert_eq!(at("https://h/b", path).unwrap(), format!("https://h/b/{expected}"), "{path}");
        }
    }

    #[test]
    fn what_leads_elsewhere_is_refused() {
        for (path, problem) in [
            ("", PathProblem::Empty),
            ("/root.json", PathProblem::EmptyPart),
            ("targets/", PathProblem::EmptyPart),
            ("targets//x", PathProblem::EmptyPart),
            ("//evil.example/x", PathProblem::EmptyPart),
            ("https://evil.example/x", PathProblem::EmptyPart),
            (".", PathProblem::Dots),
            ("..", PathProblem::Dots),
            ("../x", PathProblem::Dots),
            ("targets/../../x", PathProblem::Dots),
            ("targets/./x", PathProblem::Dots),
            ("%2e%2e/x", PathProblem::Dots),
            ("%2E./x", PathProblem::Dots),
            ("..%2Fx", PathProblem::Dots),
            ("a%2f..%2fx", PathProblem::Dots),
            ("..\\x", PathProblem::Backslash),
            ("a\\b", PathProblem::Backslash),
            ("a%5Cb", PathProblem::Backslash),
            ("a\r\nHost: evil", PathProblem::Control),
            ("a%0d%0ab", PathProblem::Control),
            ("a\0", PathProblem::Control),
            ("%ff", PathProblem::Encoding),
        ] {
            assert_eq!(at("https://h/b", path), Err(problem), "{path:?}");
        }
        assert!(at("https://h/b", &"a".repeat(MAX_PATH)).is_ok());
        assert_eq!(at("https://h", &"a".repeat(MAX_PATH + 1)), Err(PathProblem::TooLong { limit: MAX_PATH }));
    }

    #[test]
    fn a_refused_path_is_quoted_on_one_short_line() {
        let error =
            url(&"https://h".parse().unwrap(), &format!("\u{1b}[2J\n{}", "é".repeat(500))).unwrap_err();
        let text = error.to_string();
        assert!(text.is_ascii() && !text.contains(char::is_control) && text.len() < 600, "{text}");
    }
}
