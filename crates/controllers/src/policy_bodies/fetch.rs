//! One text from its source.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use trustwright_mirror::Mirror;

use super::{Error, Source};

/// Bytes of the longest text. A `ConfigMap` holds 1 MiB, all of it together.
pub(super) const MAX_LENGTH: u64 = 512 << 10;
/// Longest time for one fetch, redirects included.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Fetches a text and holds it against its digest. Makes no request where nothing that came could be used.
pub(super) async fn fetch(mirror: &Mirror, source: &Source) -> Result<String, Error> {
    source.check_digest()?;
    let url = source.address()?;
    let found = mirror.get_elsewhere(url, MAX_LENGTH, Instant::now() + TIMEOUT).await?;
    let bytes = found.ok_or_else(|| Error::Absent(source.shown()))?;
    check(source, &bytes)
}

pub(super) fn check(source: &Source, bytes: &[u8]) -> Result<String, Error> {
    let actual = hex::encode(Sha256::digest(bytes));
    if actual != source.sha256() {
        return Err(Error::Digest { expected: source.sha256().to_owned(), actual });
    }
    str::from_utf8(bytes).map(str::to_owned).map_err(|_| Error::NotText)
}
