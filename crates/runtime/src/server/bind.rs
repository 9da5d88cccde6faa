//! Taking a port.

use std::{io, net::SocketAddr};

use tokio::net::TcpListener;

/// Why an address cannot be listened on; names the address and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Somebody else listens there.
    #[error("address {address} is in use: choose another with {flag}")]
    InUse {
        /// The address that was asked for.
        address: SocketAddr,
        /// The flag by which it was given.
        flag: &'static str,
        /// What the kernel says.
        source: io::Error,
    },
    /// Anything else: no such address on this host, no permission for a low port, no file descriptors.
    #[error("failed to listen on {address} (set by {flag})")]
    Refused {
        /// The address that was asked for.
        address: SocketAddr,
        /// The flag by which it was given.
        flag: &'static str,
        /// What the kernel says.
        source: io::Error,
    },
}

/// Listens on `address`, which the user chose by `flag` (such as `--secure-port`).
pub async fn bind(address: SocketAddr, flag: &'static str) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { address, flag, source },
        _ => BindError::Refused { address, flag, source },
    })
}
