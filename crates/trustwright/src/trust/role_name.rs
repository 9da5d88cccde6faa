//! Names of roles in names of files.
//!
//! A TUF client asks for `1.a%2Fb.json` where the role is `a/b`. A web server takes the encoding away before it looks
//! for the file, so that the file itself has the plain name.

use std::fmt::Write as _;

/// Percent-encodes everything but the unreserved characters (RFC 3986, section 2.3), as clients do.
pub(super) fn encoded(role: &str) -> String {
    role.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

/// Returns the name of the file that a web server has for `path`. Names of targets are not encoded.
pub(super) fn file(path: &str) -> String {
    if path.starts_with("targets/") || !path.contains('%') {
        return path.to_owned();
    }
    decoded(path).unwrap_or_else(|| path.to_owned())
}

/// Decodes every escape once; `None` where one is none, or where the result is not text.
fn decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_encoded_for_clients_and_plain_for_servers() {
        for role in ["registry.npmjs.org", "a/b", "inner role", "100%", "ü", "..", "%2F"] {
            assert_eq!(file(&format!("1.{}.json", encoded(role))), format!("1.{role}.json"));
        }
        assert_eq!(encoded("a/b c%"), "a%2Fb%20c%25");
        for path in ["targets/a%20b", "1.a%2.json", "1.a%+1.json", "1.%FF.json", "1.%€.json"] {
            assert_eq!(file(path), path);
        }
    }
}
