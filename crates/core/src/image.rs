//! Image references as container workloads write them.
//!
//! The defaults are those of go-containerregistry's weak validation, which decide what a glob sees: Docker
//! Hub as the registry, `library/` before its one-word repositories, `latest` as the tag.

use std::{fmt, str::FromStr};

use crate::Digest;

const DEFAULT_REGISTRY: &str = "index.docker.io";
const DEFAULT_TAG: &str = "latest";
/// Characters of a repository's path.
const REPOSITORY_CHARS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789_-./";

/// Why a text is not an image reference. The message is the one that the field knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("could not parse reference: {0}")]
pub struct ParseError(pub String);

/// A registry's host, with its port where it has one: `ghcr.io`, `127.0.0.1:5000`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Registry(String);

impl Registry {
    /// The host and port as they go into a URL and into an image's full name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host alone, without port and without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        match self.0.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, _)) => host,
            None => self.0.rsplit_once(':').map_or(self.0.as_str(), |(host, _)| host),
        }
    }

    fn parse(host: &str) -> Option<Self> {
        let host = if host == "docker.io" { DEFAULT_REGISTRY } else { host };
        let (name, port) = match host.strip_prefix('[') {
            Some(rest) => {
                let (address, after) = rest.split_once(']')?;
                address.parse::<std::net::Ipv6Addr>().ok()?;
                (None, after.strip_prefix(':').or(if after.is_empty() { None } else { Some("") }))
            }
            None => match host.split_once(':') {
                Some((name, port)) => (Some(name), Some(port)),
                None => (Some(host), None),
            },
        };
        let name_is_good = name.is_none_or(|name| {
            !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
        });
        let port_is_good =
            port.is_none_or(|port| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok());
        (name_is_good && port_is_good).then(|| Self(host.to_owned()))
    }
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A repository in a registry: `ghcr.io/example/app`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    registry: Registry,
    path: String,
}

impl Repository {
    /// The registry that holds it.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The path in the registry, with `library/` where Docker Hub implies it.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl FromStr for Repository {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || ParseError(text.to_owned());
        let (host, path) = match text.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) => (first, rest),
            _ => (DEFAULT_REGISTRY, text),
        };
        let registry = Registry::parse(host).ok_or_else(bad)?;
        let path = if registry.0 == DEFAULT_REGISTRY && !path.contains('/') {
            format!("library/{path}")
        } else {
            path.to_owned()
        };
        // An empty, `.` or `..` segment would let a URL name another repository than the one judged.
        let segments_are_good = path.split('/').all(|segment| !matches!(segment, "" | "." | ".."));
        let chars_are_good = path.bytes().all(|b| REPOSITORY_CHARS.contains(&b));
        if !(2..=255).contains(&path.len()) || !segments_are_good || !chars_are_good {
            return Err(bad());
        }
        Ok(Self { registry, path })
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)
    }
}

/// A parsed image reference: a repository with a tag, a digest, or both.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ImageRef {
    repository: Repository,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl ImageRef {
    /// The repository.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The tag as written, or `latest` where there is neither a tag nor a digest.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if the reference names one.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The full name that globs are matched against: `registry/path@digest` where there is a digest (a tag
    /// beside it is dropped), else `registry/path:tag`.
    pub fn name(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => format!("{}@{digest}", self.repository),
            (None, Some(tag)) => format!("{}:{tag}", self.repository),
            (None, None) => self.repository.to_string(),
        }
    }

    /// The reference with its tag pinned to `digest`: `registry/path:tag@digest`.
    pub fn pinned(&self, digest: Digest) -> String {
        match &self.tag {
            Some(tag) => format!("{}:{tag}@{digest}", self.repository),
            None => format!("{}@{digest}", self.repository),
        }
    }
}

impl FromStr for ImageRef {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || ParseError(text.to_owned());
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest.parse::<Digest>().map_err(|_| bad())?)),
            None => (text, None),
        };
        let (name, tag) = match name.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (name, None),
        };
        let tag_is_good = tag.is_none_or(|tag| {
            // `.` and `..` would let a URL name another path than the one judged.
            (1..=128).contains(&tag.len())
                && !matches!(tag, "." | "..")
                && tag.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        });
        if !tag_is_good {
            return Err(bad());
        }
        let repository = name.parse::<Repository>().map_err(|_| bad())?;
        let tag = match (tag, digest) {
            (None, None) => Some(DEFAULT_TAG),
            (tag, _) => tag,
        };
        Ok(Self { repository, tag: tag.map(str::to_owned), digest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:5504f2a95018e3d8a52d80d9e1a128c6ea337581808ff9fe96f5628ce2336350";

    #[test]
    fn short_names_get_the_defaults_of_the_field() {
        for (text, name) in [
            ("nginx", "index.docker.io/library/nginx:latest"),
            ("docker.io/nginx:1", "index.docker.io/library/nginx:1"),
            ("myuser/myapp", "index.docker.io/myuser/myapp:latest"),
            ("localhost/app", "index.docker.io/localhost/app:latest"),
            ("localhost:5000/app", "localhost:5000/app:latest"),
            ("127.0.0.1:5000/a/b:v1", "127.0.0.1:5000/a/b:v1"),
            ("[::1]:5000/a/b:v1", "[::1]:5000/a/b:v1"),
            ("GHCR.io/foo", "GHCR.io/foo:latest"),
        ] {
            assert_eq!(text.parse::<ImageRef>().unwrap().name(), name, "{text}");
        }
    }

    #[test]
    fn a_digest_hides_the_tag_from_globs_and_pinning_keeps_it() {
        let image: ImageRef = format!("ghcr.io/foo/bar:v1@{DIGEST}").parse().unwrap();
        assert_eq!(image.name(), format!("ghcr.io/foo/bar@{DIGEST}"));
        let tagged: ImageRef = "nginx".parse().unwrap();
        assert_eq!(
            tagged.pinned(DIGEST.parse().unwrap()),
            format!("index.docker.io/library/nginx:latest@{DIGEST}")
        );
    }

    #[test]
    fn what_is_no_reference_is_refused_with_the_text_the_field_knows() {
        for text in [
            "",
            "in@valid",
            "invalid&name",
            "UPPER/case",
            "ghcr.io/",
            "ghcr.io/a/../b",
            "ghcr.io/a//b",
            "ghcr.io/./b",
            "ghcr.io/a:tag@sha256:00",
            "ghcr.io/a:",
            "ghcr.io/a:.",
            "ghcr.io/a:..",
            "host:port/a",
            "user@ghcr.io/a",
            "ghcr.io/a%2f..",
            "[::1/a",
        ] {
            let error = text.parse::<ImageRef>().unwrap_err();
            assert_eq!(error.to_string(), format!("could not parse reference: {text}"));
        }
    }

    #[test]
    fn the_host_of_a_registry_is_its_name_without_the_port() {
        for (text, host) in
            [("ghcr.io/a/b", "ghcr.io"), ("[::1]:5000/ab", "::1"), ("127.0.0.1:5000/ab", "127.0.0.1")]
        {
            assert_eq!(text.parse::<Repository>().unwrap().registry().host(), host);
        }
    }
}
