//! Which certificate a new connection gets.

use std::sync::Arc;

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::certificates::ServingCertificate;

/// The oldest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2, for API servers that are configured so.
    Tls12,
    /// TLS 1.3.
    #[default]
    Tls13,
}

impl std::str::FromStr for TlsVersion {
    type Err = UnknownTlsVersion;

    /// Reads `1.2` or `1.3`.
    fn from_str(text: &str) -> Result<Self, UnknownTlsVersion> {
        match text {
            "1.2" => Ok(Self::Tls12),
            "1.3" => Ok(Self::Tls13),
            _ => Err(UnknownTlsVersion(text.to_owned())),
        }
    }
}

/// A version that is neither 1.2 nor 1.3.
#[derive(Debug, thiserror::Error)]
#[error("TLS version \"{0}\" is neither \"1.2\" nor \"1.3\"")]
pub struct UnknownTlsVersion(String);

/// How TLS is served.
#[derive(Clone, Debug)]
pub struct TlsOptions {
    /// The certificate of new connections, as it is when they come. While there is none, handshakes fail.
    pub certificates: watch::Receiver<Option<Arc<ServingCertificate>>>,
    /// The oldest version that is spoken.
    pub minimum: TlsVersion,
}

impl TlsOptions {
    pub(super) fn acceptor(self) -> Result<TlsAcceptor, rustls::Error> {
        let versions: &[_] = match self.minimum {
            TlsVersion::Tls12 => &[&TLS13, &TLS12],
            TlsVersion::Tls13 => &[&TLS13],
        };
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Newest(self.certificates)));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// The channel itself is the store: reading it takes an uncontended read lock once a handshake.
#[derive(Debug)]
struct Newest(watch::Receiver<Option<Arc<ServingCertificate>>>);

impl ResolvesServerCert for Newest {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.borrow().as_ref().map(|certificate| certificate.certified_key.clone())
    }
}
