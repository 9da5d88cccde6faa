//! What an error may say.

use std::error::Error;

use url::Url;

/// A URL as a message shows it: scheme, host, port and path. A query may hold a signature that grants access (a
/// blob store's redirect), the user part a password.
pub fn without_secrets(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

/// The innermost message, which is the one that says something.
pub fn root_cause(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), root_cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_user_query_and_fragment() {
        for (url, shown) in [
            ("https://user:password@tuf.example:8443/a/b?sig=secret#f", "https://tuf.example:8443/a/b"),
            ("https://tuf.example:443", "https://tuf.example/"),
            ("http://[::1]:80/a", "http://[::1]/a"),
        ] {
            assert_eq!(without_secrets(&url.parse().unwrap()), shown);
        }
    }
}
