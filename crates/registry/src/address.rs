//! Which hosts are local.

use url::{Host, Url};

/// Whether plain HTTP may be tried: what go-containerregistry takes for local (`pkg/name/registry.go`).
pub(crate) fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            name == "localhost" || [".local", ".localhost"].iter().any(|end| name.ends_with(end))
        }
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_private(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_hosts_are_those_of_the_field() {
        for (host, local) in [
            ("localhost:5000", true),
            ("registry.local", true),
            ("registry.kind.localhost:80", true),
            ("127.8.9.10", true),
            ("[::1]:5000", true),
            ("10.1.2.3", true),
            ("172.16.0.1", true),
            ("172.32.0.1", false),
            ("192.168.0.1", true),
            ("8.8.8.8", false),
            ("[fd00::1]", false),
            ("local", false),
            ("notlocalhost", false),
            ("localhost.example", false),
            ("ghcr.io", false),
        ] {
            assert_eq!(is_local(&format!("https://{host}/").parse().unwrap()), local, "{host}");
        }
    }
}
