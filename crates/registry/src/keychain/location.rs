//! What an entry of a keychain is for.

use trustwright_core::{Registry, Repository};

/// The names under which credentials for Docker Hub are kept.
const DOCKER_HUB: [&str; 3] = ["index.docker.io", "docker.io", "registry-1.docker.io"];

/// A registry, with globs in the labels of its name, and the start of a path.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Location {
    /// Host, port and path as the kubelet has them, which decides the order.
    key: String,
    /// Bytes of the key that are host and port.
    host_end: usize,
}

impl Location {
    /// Reads the name of an entry: a host with or without scheme, port and path. The paths `/v1/` and `/v2/` of
    /// Docker's API are not part of it (`pkg/credentialprovider/keyring.go` of Kubernetes).
    pub(super) fn parse(name: &str) -> Option<Self> {
        let name = name.strip_prefix("https://").or_else(|| name.strip_prefix("http://")).unwrap_or(name);
        let host_end = name.find('/').unwrap_or(name.len());
        let (host, path) = name.split_at(host_end);
        let is_host = |b: u8| b.is_ascii_graphic() && !matches!(b, b'@' | b'#' | b'%');
        if host.is_empty() || !host.bytes().all(is_host) {
            return None;
        }
        let path = ["/v1/", "/v2/"].iter().find(|api| path.starts_with(*api)).map_or(path, |_| &path[3..]);
        let path = if path == "/" { "" } else { path };
        Some(Self { key: format!("{host}{path}"), host_end })
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Whether it matches: as many labels, each matched by the entry's, the same port, and a path that starts as the
    /// entry's does. As with the kubelet the path `/team` also covers `/team-b`, on the same host.
    pub(super) fn covers(&self, repository: &Repository) -> bool {
        let (host, path) = self.key.split_at(self.host_end);
        let is_path_covered = path.strip_prefix('/').is_none_or(|start| repository.path().starts_with(start));
        is_path_covered && names_of(repository.registry()).iter().any(|name| is_host_covered(host, name))
    }
}

fn names_of(registry: &Registry) -> Vec<&str> {
    let name = registry.as_str();
    if DOCKER_HUB.contains(&name) { DOCKER_HUB.to_vec() } else { vec![name] }
}

fn is_host_covered(pattern: &str, host: &str) -> bool {
    let (pattern, port) = split_port(pattern);
    let (host, actual_port) = split_port(host);
    let (labels, actual): (Vec<_>, Vec<_>) = (pattern.split('.').collect(), host.split('.').collect());
    port == actual_port
        && labels.len() == actual.len()
        && labels.iter().zip(actual).all(|(label, actual)| {
            let lower = |text: &str| text.to_ascii_lowercase().into_bytes();
            is_glob_match(&lower(label), &lower(actual))
        })
}

/// Host and port; a port is what follows the last colon that is outside of an IPv6 address's brackets, which would be
/// a class to a glob.
fn split_port(text: &str) -> (&str, &str) {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (text, ""),
    };
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    (address.filter(|address| address.contains(':')).unwrap_or(host), port)
}

/// Go's `filepath.Match` for a label: `*`, `?`, classes such as `[a-c]` and `[^a]`, and `\` before what stands for
/// itself. A malformed pattern matches nothing.
fn is_glob_match(pattern: &[u8], text: &[u8]) -> bool {
    // Where the last star stands, and how much of the text it has taken.
    let (mut p, mut t, mut star) = (0, 0, None);
    loop {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p + 1, t));
            p += 1;
            continue;
        }
        match (next(&pattern[p..], text.get(t).copied()), t < text.len()) {
            (Next::End, false) => return true,
            (Next::Malformed, _) => return false,
            (Next::Matches(length), true) => {
                p += length;
                t += 1;
                continue;
            }
            (Next::End | Next::Differs | Next::Matches(_), _) => {}
        }
        let Some((after, taken)) = star.filter(|(_, taken)| *taken < text.len()) else { return false };
        star = Some((after, taken + 1));
        (p, t) = (after, taken + 1);
    }
}

/// What the first element of a pattern says of a byte.
enum Next {
    End,
    Differs,
    Malformed,
    /// It matches, and has so many bytes.
    Matches(usize),
}

fn next(pattern: &[u8], byte: Option<u8>) -> Next {
    let literal = |expected: u8, length| {
        if byte == Some(expected) { Next::Matches(length) } else { Next::Differs }
    };
    match pattern {
        [] => Next::End,
        [b'?', ..] => byte.map_or(Next::Differs, |_| Next::Matches(1)),
        [b'\\', escaped, ..] => literal(*escaped, 2),
        [b'\\'] => Next::Malformed,
        [b'[', class @ ..] => class_of(class, byte),
        [expected, ..] => literal(*expected, 1),
    }
}

/// A class, after its opening bracket.
fn class_of(class: &[u8], byte: Option<u8>) -> Next {
    let is_negated = class.first() == Some(&b'^');
    let mut rest = &class[usize::from(is_negated)..];
    let mut is_in = false;
    let mut ranges = 0;
    loop {
        if let ([b']', ..], 1..) = (rest, ranges) {
            let length = class.len() - rest.len() + 2;
            return match byte {
                Some(_) if is_in != is_negated => Next::Matches(length),
                Some(_) | None => Next::Differs,
            };
        }
        let Some((low, after)) = class_byte(rest) else { return Next::Malformed };
        rest = after;
        let mut high = low;
        if let [b'-', after @ ..] = rest {
            let Some((end, after)) = class_byte(after) else { return Next::Malformed };
            (high, rest) = (end, after);
        }
        is_in |= byte.is_some_and(|byte| (low..=high).contains(&byte));
        ranges += 1;
    }
}

fn class_byte(class: &[u8]) -> Option<(u8, &[u8])> {
    match class {
        [] | [b'-' | b']', ..] | [b'\\'] => None,
        [b'\\', escaped, rest @ ..] => Some((*escaped, rest)),
        [byte, rest @ ..] => Some((*byte, rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_matched_as_by_the_kubelet() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "eu-west", true),
            ("eu-*", "eu-west", true),
            ("eu-*", "us-west", false),
            ("*-west", "eu-west", true),
            ("*-west", "eu-west1", false),
            ("a*b*c", "aXbXbYc", true),
            ("a*b*c", "aXcXb", false),
            ("e?", "eu", true),
            ("e?", "e", false),
            ("[a-f]u", "eu", true),
            ("[a-d]u", "eu", false),
            ("[^a-d]u", "eu", true),
            ("[^e]u", "eu", false),
            ("[e", "e", false),
            ("[]e", "e", false),
            ("[]", "]", false),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("\\", "\\", false),
            ("*[", "x", false),
        ] {
            assert_eq!(is_glob_match(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }
}
