//! Where a connection may go.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::{
    Response,
    dns::{Addrs, Name, Resolve, Resolving},
    header::LOCATION,
};
use url::{Host, Url};

/// Resolves names with the operating system and leaves link-local addresses out, so that a name cannot lead
/// where its owner could not point to by address.
pub(crate) struct Resolver;

/// A name has link-local addresses only.
#[derive(Debug, thiserror::Error)]
#[error("name resolves to link-local addresses")]
pub(crate) struct LinkLocalName;

/// A name has no address.
#[derive(Debug, thiserror::Error)]
#[error("name does not resolve")]
pub(crate) struct Unresolved;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let all: Vec<_> =
                tokio::net::lookup_host((name.as_str(), 0)).await.map_err(|_| Unresolved)?.collect();
            allowed(all)
        })
    }
}

pub(crate) fn allowed(all: Vec<SocketAddr>) -> Result<Addrs, Box<dyn std::error::Error + Send + Sync>> {
    if all.is_empty() {
        return Err(Unresolved.into());
    }
    let good: Vec<_> = all.into_iter().filter(|address| !is_refused(address.ip())).collect();
    if good.is_empty() { Err(LinkLocalName.into()) } else { Ok(Box::new(good.into_iter())) }
}

/// Whether the URL names a refused address by number, in any notation (the URL parser knows `0xa9fea9fe`).
pub fn names_refused_address(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => is_refused(address.into()),
        Some(Host::Ipv6(address)) => is_refused(address.into()),
        Some(Host::Domain(_)) | None => false,
    }
}

/// Where a redirect leads, without a user part, which is no credential of ours. `None` if it names no place of the
/// web.
pub fn redirect_target(response: &Response) -> Option<Url> {
    let mut next = response.url().join(response.headers().get(LOCATION)?.to_str().ok()?).ok()?;
    next.set_username("").ok()?;
    next.set_password(None).ok()?;
    next.set_fragment(None);
    matches!(next.scheme(), "http" | "https").then_some(next)
}

/// 169.254.0.0/16 and `fe80::/10`, where clouds serve credentials of the machine, the former also as it can
/// be written in IPv6 (mapped, compatible, and RFC 6052's well-known prefix for NAT64), and
/// `fd00:ec2::254`, which is 169.254.169.254 on AWS.
fn is_refused(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => {
            const AWS_METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
            address.is_unicast_link_local()
                || address == AWS_METADATA
                || embedded_ipv4(address).is_some_and(|address| address.is_link_local())
        }
    }
}

fn embedded_ipv4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let bytes = address.octets();
    let tail = Ipv4Addr::new(bytes[12], bytes[13], bytes[14], bytes[15]);
    let holds_one =
        matches!(address.segments(), [0, 0, 0, 0, 0, 0 | 0xffff, _, _] | [0x64, 0xff9b, 0, 0, 0, 0, _, _]);
    holds_one.then_some(tail)
}

#[cfg(test)]
mod tests {
    use reqwest::ResponseBuilderExt as _;

    use super::*;

    #[test]
    fn link_local_addresses_are_refused_in_every_notation() {
        for (host, refused) in [
            ("169.254.169.254", true),
            ("169.253.169.254", false),
            ("2852039166", true),
            ("0xa9.0xfe.1", true),
            ("[fe80::1]", true),
            ("[febf::1]", true),
            ("[fec0::1]", false),
            ("[::ffff:169.254.169.254]", true),
            ("[::ffff:10.0.0.1]", false),
            ("[::169.254.0.1]", true),
            ("[64:ff9b::a9fe:a9fe]", true),
            ("[64:ff9b::808:808]", false),
            ("[fd00:ec2::254]", true),
            ("[fd00:ec2::255]", false),
            ("[::1]", false),
            ("tuf.example", false),
        ] {
            let url = format!("https://{host}/").parse().unwrap();
            assert_eq!(names_refused_address(&url), refused, "{host}");
        }
    }

    #[test]
    fn a_name_keeps_its_other_addresses_and_is_refused_where_there_are_none() {
        let of =
            |list: &[&str]| allowed(list.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect());
        let kept: Vec<_> =
            of(&["169.254.1.1", "10.0.0.1", "fe80::1"]).ok().unwrap().map(|a| a.ip()).collect();
        assert_eq!(kept, [IpAddr::from([10, 0, 0, 1])]);
        assert!(of(&["169.254.1.1"]).err().unwrap().is::<LinkLocalName>());
        assert!(of(&[]).err().unwrap().is::<Unresolved>());
    }

    #[test]
    fn a_redirect_leads_to_a_place_of_the_web_and_brings_no_user() {
        for (location, expected) in [
            ("x.json", Some("https://tuf.example/a/x.json")),
            ("//alice:hunter2@store.example/x?sig=1#f", Some("https://store.example/x?sig=1")),
            ("http://store.example", Some("http://store.example/")),
            ("https://", None),
            ("file:///etc/passwd", None),
            ("data:,{}", None),
        ] {
            let here = "https://tuf.example/a/b".parse().unwrap();
            let answer = http::Response::builder().url(here).header(LOCATION, location).body("").unwrap();
            let target = redirect_target(&answer.into());
            assert_eq!(target.as_ref().map(Url::as_str), expected, "{location}");
        }
        assert_eq!(redirect_target(&http::Response::new("").into()), None);
    }
}
