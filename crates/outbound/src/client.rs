//! What a client is built from.

use std::time::Duration;

use reqwest::{ClientBuilder, redirect};

use crate::address::Resolver;

/// Whether requests go through proxies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proxies {
    /// Those of `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`. Behind a proxy it is the proxy that resolves
    /// names, and has to keep link-local addresses out; those named by number are refused here.
    Environment,
    /// None.
    None,
}

/// A client that connects to no link-local address, follows no redirect and names no referrer; `connect` bounds
/// a connection, including name resolution and the TLS handshake. Which certificates it trusts is the caller's
/// to add.
///
/// Redirects are for the caller to follow, who knows what a credential is for.
pub fn builder(user_agent: &str, connect: Duration, proxies: Proxies) -> ClientBuilder {
    let builder = reqwest::Client::builder()
        .user_agent(user_agent)
        .connect_timeout(connect)
        .dns_resolver(Resolver)
        .redirect(redirect::Policy::none())
        .referer(false);
    match proxies {
        Proxies::Environment => builder,
        Proxies::None => builder.no_proxy(),
    }
}
