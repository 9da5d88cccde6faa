//! What a [`Client`](crate::Client) is built from.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use trustwright_outbound::Proxies;

use crate::{AuthFileError, RegistriesError};

/// The settings of a client. [`Default`] is what the webhook uses; every number can be changed.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// How long things may take, and how long they are remembered.
    pub timeouts: Timeouts,
    /// How large answers may be.
    pub limits: Limits,
    /// How often a request is repeated.
    pub retries: Retries,
    /// How much is asked of one host.
    pub host_limits: HostLimits,
    /// Certificates of authorities to trust besides the platform's (`SSL_CERT_FILE`, `SSL_CERT_DIR`), each
    /// element one or more certificates in PEM.
    pub extra_roots: Vec<String>,
    /// The `User-Agent` of every request.
    pub user_agent: String,
    /// Where plain HTTP may be used.
    pub plain_http: PlainHttp,
    /// Whether requests go through the proxies that the environment names.
    pub proxies: Proxies,
    /// Files with credentials of the process (Docker's `config.json`, podman's `auth.json`), for callers that have
    /// none: the first that has one for the repository counts. A file need not exist. They are read again when they
    /// change, see [`Timeouts::files`]. Credential helpers that they name are not run.
    pub auth_files: Vec<PathBuf>,
    /// A file that says of single registries where their repositories are read and how they are spoken to
    /// (docs/registries.md). It and the files that it names are read again when they change.
    pub registries: Option<PathBuf>,
    /// A host, with its port, that every repository is read at, whatever its registry; for a copy that stands in for all
    /// of them. [`registries`](Self::registries) then says nothing of where.
    pub stand_in: Option<String>,
}

/// Time limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, including its TLS handshake. Default 3 s.
    pub connect: Duration,
    /// From the start of one HTTP request to the headers of its answer, and then for each further piece of
    /// the body. Default 10 s. A call's deadline bounds all of its requests together.
    pub request: Duration,
    /// How long a registry is remembered to lack the referrers API, and a local one to speak HTTP or HTTPS.
    /// Default 1 h.
    pub memory: Duration,
    /// How long before its expiry a token is no longer used. Default 10 s, and at most a quarter of the
    /// token's life.
    pub token_margin: Duration,
    /// The longest pause that a host gets by answering 429 with `Retry-After`; after it, it is asked again. Default 1
    /// min.
    pub pause: Duration,
    /// How long files of the configuration are taken to be unchanged. Default 10 s.
    pub files: Duration,
}

/// Size limits. A body that reaches its limit is not read further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a manifest or index. Default 4 MiB, the most that the distribution specification lets a
    /// client rely on.
    pub manifest: u64,
    /// Bytes of one page of referrers. Default 4 MiB.
    pub referrers_page: u64,
    /// Pages of referrers. Default 10.
    pub referrers_pages: usize,
    /// Descriptors in an index, layers in an image manifest, referrers of the wanted type. Default 1000.
    pub descriptors: usize,
    /// Bytes of a token service's answer. Default 64 KiB.
    pub token: u64,
    /// Bytes of an error's body, read for its codes only. Default 16 KiB.
    pub error: u64,
    /// Redirects of one request. Default 5.
    pub redirects: usize,
    /// Tokens, and registries, that are remembered at a time. Default 4096.
    pub memory: usize,
}

/// How much is asked of one host (a registry, its token service, or where it redirects to) by all callers together.
/// What cannot be sent before its deadline fails at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HostLimits {
    /// Requests per second, of which those of one second may be sent at once. Default 500.
    pub requests_per_second: NonZeroU32,
    /// Requests whose answers are not read to the end yet. Default 64.
    pub concurrent_requests: NonZeroU32,
}

/// How often a request is repeated after a failure to connect, 408, 429 or 5xx.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// Repetitions of one request. Default 2.
    pub attempts: u32,
    /// The first pause, give or take a quarter; each further one is three times as long. Default 250 ms.
    /// `Retry-After` in seconds takes its place where it fits into the deadline, and ends the call where it
    /// does not; after a 429 it holds for all requests to that host, see [`Timeouts::pause`].
    pub backoff: Duration,
}

/// Where plain HTTP may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainHttp {
    /// With `localhost`, names that end in `.local` or `.localhost`, loopback and RFC 1918 addresses: HTTPS
    /// first, HTTP where that cannot be connected to. A certificate that is not trusted is no reason to do
    /// without one.
    LocalHosts,
    /// Nowhere.
    Never,
}

/// Why a client cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// An element of [`ClientConfig::auth_files`] cannot be used.
    #[error(transparent)]
    AuthFile(#[from] AuthFileError),
    /// [`ClientConfig::registries`] cannot be used.
    #[error(transparent)]
    Registries(#[from] RegistriesError),
    /// An element of [`ClientConfig::extra_roots`] is not a list of certificates in PEM.
    #[error("extra root {index} holds no certificate in PEM")]
    ExtraRoot {
        /// Its index, from 0.
        index: usize,
    },
    /// The TLS configuration or the user agent was refused, for example because there is no trusted
    /// certificate at all.
    #[error("failed to build the HTTP client: {0}")]
    Http(String),
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            retries: Retries::default(),
            host_limits: HostLimits::default(),
            extra_roots: Vec::new(),
            user_agent: concat!("trustwright/", env!("CARGO_PKG_VERSION")).to_owned(),
            plain_http: PlainHttp::LocalHosts,
            proxies: Proxies::Environment,
            auth_files: Vec::new(),
            registries: None,
            stand_in: None,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            request: Duration::from_secs(10),
            memory: Duration::from_hours(1),
            token_margin: Duration::from_secs(10),
            pause: Duration::from_mins(1),
            files: Duration::from_secs(10),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            manifest: 4 << 20,
            referrers_page: 4 << 20,
            referrers_pages: 10,
            descriptors: 1000,
            token: 64 << 10,
            error: 16 << 10,
            redirects: 5,
            memory: 4096,
        }
    }
}

impl Default for HostLimits {
    fn default() -> Self {
        const PER_SECOND: NonZeroU32 = NonZeroU32::new(500).unwrap();
        const CONCURRENT: NonZeroU32 = NonZeroU32::new(64).unwrap();
        Self { requests_per_second: PER_SECOND, concurrent_requests: CONCURRENT }
    }
}

impl Default for Retries {
    fn default() -> Self {
        Self { attempts: 2, backoff: Duration::from_millis(250) }
    }
}
