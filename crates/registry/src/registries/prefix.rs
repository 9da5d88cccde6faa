//! The start of a repository's name.

use trustwright_core::{Registry, Repository};

/// What stands for a repository's name where only its start is known.
const REST: &str = "/x/x";

/// A registry, and the first segments of a path; none for the whole registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prefix {
    registry: Registry,
    path: String,
}

impl Prefix {
    /// Reads `host[:port][/path]`. As in image references, a host has a dot or a port.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let host = text.split('/').next()?;
        if !host.contains(['.', ':']) {
            return None;
        }
        // Two segments more make a repository of it, whose parts are checked as those of images are.
        let repository: Repository = format!("{text}{REST}").parse().ok()?;
        let path = format!("/{}", repository.path());
        let path = path.strip_suffix(REST)?.trim_start_matches('/').to_owned();
        Some(Self { registry: repository.registry().clone(), path })
    }

    pub(super) const fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// What is left of a repository's path after this prefix, segment by segment; `None` if it is another's.
    pub(super) fn strip<'r>(&self, repository: &'r Repository) -> Option<&'r str> {
        if *repository.registry() != self.registry {
            return None;
        }
        let rest = repository.path().strip_prefix(self.path.as_str())?;
        if self.path.is_empty() || rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
    }

    /// The repository of this prefix with that rest; `None` if that is none.
    pub(super) fn join(&self, rest: &str) -> Option<Repository> {
        let segments = [self.registry.as_str(), &self.path, rest];
        let name = segments.into_iter().filter(|segment| !segment.is_empty()).collect::<Vec<_>>().join("/");
        let repository: Repository = name.parse().ok()?;
        // A single segment on Docker Hub would become one of `library/`.
        (repository.to_string() == name).then_some(repository)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_with_a_segment() {
        for (prefix, repository, rest) in [
            ("ghcr.io", "ghcr.io/a/b", Some("a/b")),
            ("ghcr.io/a", "ghcr.io/a/b", Some("b")),
            ("ghcr.io/a/b", "ghcr.io/a/b", Some("")),
            ("ghcr.io/a/b/c", "ghcr.io/a/b", None),
            ("ghcr.io/a", "ghcr.io/ab/c", None),
            ("ghcr.io:5000", "ghcr.io/a/b", None),
            ("docker.io", "nginx", Some("library/nginx")),
            ("docker.io/library", "index.docker.io/library/nginx", Some("nginx")),
            ("index.docker.io/library", "docker.io/nginx", Some("nginx")),
            ("127.0.0.1:5000/hub", "127.0.0.1:5000/hub/x", Some("x")),
        ] {
            let repository: Repository = repository.parse().unwrap();
            assert_eq!(Prefix::parse(prefix).unwrap().strip(&repository), rest, "{prefix} {repository}");
        }
    }

    #[test]
    fn a_place_and_a_rest_make_a_repository() {
        for (place, rest, expected) in [
            ("mirror.example", "a/b", Some("mirror.example/a/b")),
            ("mirror.example/hub", "library/nginx", Some("mirror.example/hub/library/nginx")),
            ("mirror.example/hub", "", Some("mirror.example/hub")),
            ("mirror.example", "", None),
            ("docker.io", "nginx", None),
        ] {
            let joined = Prefix::parse(place).unwrap().join(rest).map(|repository| repository.to_string());
            assert_eq!(joined.as_deref(), expected);
        }
    }

    #[test]
    fn a_prefix_is_a_host_and_a_path() {
        for bad in [
            "",
            "localhost",
            "ghcr",
            "https://ghcr.io",
            "ghcr.io/",
            "ghcr.io/A",
            "ghcr.io/../a",
            "*.io",
            "ghcr.io/a:v1",
            "ghcr.io/a@b",
        ] {
            assert_eq!(Prefix::parse(bad), None, "{bad}");
        }
        for good in ["ghcr.io", "localhost:5000", "[::1]:5000/a", "ghcr.io/a-b/c_d"] {
            assert!(Prefix::parse(good).is_some(), "{good}");
        }
    }
}
