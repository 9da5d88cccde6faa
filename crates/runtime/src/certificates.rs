//! The certificate that the webhook serves, and the authority (CA) that callers trust it by.
//!
//! Both live in one Secret that all replicas share. Whoever finds it wanting (missing, damaged, due for renewal)
//! writes it anew under its `resourceVersion`, so that replicas that try at the same time agree on one outcome;
//! all replicas watch it and serve what is in it without a restart.
//!
//! The bundle (`ca-cert.pem`) starts with the authority whose key is `ca-key.pem`; older authorities follow until
//! they expire. An authority is replaced in two steps, so that no caller ever meets a certificate that it cannot
//! verify: first the new one joins the bundle while the old serving certificate stays; once callers have had
//! [`CertificatePolicy::propagation`] to learn the bundle, the serving certificate moves to the new authority.

mod chain;
mod decide;
mod issue;
mod keep;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::ByteString;
use rustls::sign::CertifiedKey;

pub use self::{
    decide::{Change, Plan, decide},
    issue::IssueError,
    keep::{CertificateConfig, run},
};

/// Key of the serving certificate's private key in the Secret.
pub const SERVER_KEY: &str = "server-key.pem";
/// Key of the serving certificate in the Secret.
pub const SERVER_CERT: &str = "server-cert.pem";
/// Key of the bundle of authorities in the Secret.
pub const CA_CERT: &str = "ca-cert.pem";
/// Key of the newest authority's private key in the Secret.
pub const CA_KEY: &str = "ca-key.pem";

/// Lifetimes. A certificate is renewed after two thirds of its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificatePolicy {
    /// Life of an authority.
    pub ca_validity: Duration,
    /// Life of a serving certificate; cut to what is left of the authority's.
    pub serving_validity: Duration,
    /// How long callers may take to learn a new bundle before the serving certificate relies on it.
    pub propagation: Duration,
    /// How far before its making a certificate starts to be valid, for callers whose clock is behind.
    pub backdate: Duration,
}

impl Default for CertificatePolicy {
    /// An authority for a year, serving certificates for 30 days, five minutes for propagation and clock skew.
    fn default() -> Self {
        Self {
            ca_validity: Duration::from_hours(365 * 24),
            serving_validity: Duration::from_hours(30 * 24),
            propagation: Duration::from_mins(5),
            backdate: Duration::from_mins(5),
        }
    }
}

/// What the Secret holds, as found: nothing about it is checked yet. A missing key is empty.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CertificateSecret {
    /// PEM (PKCS#8) of the serving certificate's key.
    pub server_key: Vec<u8>,
    /// PEM of the serving certificate.
    pub server_cert: Vec<u8>,
    /// PEM of the authorities, newest first.
    pub ca_cert: Vec<u8>,
    /// PEM (PKCS#8) of the newest authority's key.
    pub ca_key: Vec<u8>,
}

impl CertificateSecret {
    /// Reads the four keys from a Secret's `data`.
    pub fn from_data(data: &BTreeMap<String, ByteString>) -> Self {
        let get = |key: &str| data.get(key).map(|value| value.0.clone()).unwrap_or_default();
        Self {
            server_key: get(SERVER_KEY),
            server_cert: get(SERVER_CERT),
            ca_cert: get(CA_CERT),
            ca_key: get(CA_KEY),
        }
    }

    /// Sets the four keys in a Secret's `data` and leaves the others alone.
    pub fn write_to(&self, data: &mut BTreeMap<String, ByteString>) {
        for (key, value) in [
            (SERVER_KEY, &self.server_key),
            (SERVER_CERT, &self.server_cert),
            (CA_CERT, &self.ca_cert),
            (CA_KEY, &self.ca_key),
        ] {
            data.insert(key.to_owned(), ByteString(value.clone()));
        }
    }
}

impl fmt::Debug for CertificateSecret {
    /// Leaves the keys out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateSecret")
            .field("server_cert", &String::from_utf8_lossy(&self.server_cert))
            .field("ca_cert", &String::from_utf8_lossy(&self.ca_cert))
            .finish_non_exhaustive()
    }
}

/// A serving certificate that was checked, ready for use.
#[derive(Clone, Debug)]
pub struct ServingCertificate {
    /// The certificate and its key, for rustls.
    pub certified_key: Arc<CertifiedKey>,
    /// PEM of the authorities by which callers verify it; goes into `caBundle`.
    pub ca_bundle_pem: String,
    /// When the certificate expires.
    pub not_after: Timestamp,
}

impl ServingCertificate {
    /// Returns the pair of a Secret if it serves at `now`.
    ///
    /// Guarantees: the key belongs to the certificate, and a client that trusts `ca_bundle_pem` alone accepts
    /// the certificate for each of `dns_names` at `now`. `None` if any of that does not hold.
    pub fn load(secret: &CertificateSecret, now: Timestamp, dns_names: &[String]) -> Option<Self> {
        let chain = chain::Chain::read(secret, now, dns_names);
        let serving = chain.serving?;
        Some(Self {
            certified_key: serving.certified_key,
            ca_bundle_pem: chain::bundle_pem(&chain.authorities),
            not_after: Timestamp::from_second(serving.life.not_after).unwrap_or(Timestamp::MAX),
        })
    }

    /// Whether both are the same certificate under the same bundle.
    pub fn is_same(&self, other: &Self) -> bool {
        self.certified_key.cert == other.certified_key.cert && self.ca_bundle_pem == other.ca_bundle_pem
    }
}

/// Returns the names under which a Service is called: `service`, `service.ns`, `service.ns.svc`,
/// `service.ns.svc.cluster.local`.
pub fn service_dns_names(service: &str, namespace: &str) -> Vec<String> {
    vec![
        service.to_owned(),
        format!("{service}.{namespace}"),
        format!("{service}.{namespace}.svc"),
        format!("{service}.{namespace}.svc.cluster.local"),
    ]
}
