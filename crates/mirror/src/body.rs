//! Bodies, read up to a limit.

use bytes::Bytes;
use reqwest::{Response, header::CONTENT_TYPE};
use tokio::time::{Instant, timeout_at};
use trustwright_outbound::{Bounds, Unread};

use crate::error::{Error, Outage, Request, Wait};

/// Of a body that nobody reads, what is worth taking to keep the connection.
const MAX_DRAINED: u64 = 16 << 10;

/// Why a body is not wanted, or was not read to its end.
enum Stop {
    Unread(Unread),
    WebPage,
}

impl From<Unread> for Stop {
    fn from(unread: Unread) -> Self {
        Self::Unread(unread)
    }
}

/// Which wait it was that ended.
pub(crate) fn ended(wait: Wait, deadline: Instant) -> Wait {
    if Instant::now() >= deadline { Wait::Deadline } else { wait }
}

/// Reads the whole body, or fails without reading further than the limit. A web page is refused where
/// metadata is wanted.
pub(crate) async fn read(
    response: Response,
    bounds: Bounds,
    is_metadata: bool,
    request: &Request,
) -> Result<Bytes, Error> {
    let not_metadata = |content_type| Error::NotMetadata { request: Box::new(request.clone()), content_type };
    let content_type = media_type(&response);
    if is_metadata && matches!(content_type.as_str(), "text/html" | "application/xhtml+xml") {
        return Err(not_metadata(content_type));
    }
    let mut is_undecided = is_metadata;
    let check = |chunk: &[u8]| {
        if is_undecided && let Some(first) = first_byte(chunk) {
            if first == b'<' {
                return Err(Stop::WebPage);
            }
            is_undecided = false;
        }
        Ok(())
    };
    trustwright_outbound::read(response, bounds, check).await.map_err(|stop| match stop {
        Stop::Unread(Unread::Broken) => request.unreachable(Outage::Body),
        Stop::Unread(Unread::Timeout) => request.timeout(ended(Wait::Chunk, bounds.deadline)),
        Stop::Unread(Unread::TooLarge) => {
            Error::TooLarge { request: Box::new(request.clone()), limit: bounds.limit }
        }
        Stop::WebPage => not_metadata(content_type),
    })
}

/// Takes a short body that nobody wants, so that the connection can serve the next request. What goes wrong only
/// costs the connection.
pub(crate) async fn drain(mut response: Response, bounds: Bounds) {
    if response.content_length().is_none_or(|length| length > MAX_DRAINED) {
        return;
    }
    let all = async { while let Ok(Some(_)) = response.chunk().await {} };
    let _ = timeout_at(bounds.next(), all).await;
}

/// The first byte that is neither white space nor of a byte order mark.
fn first_byte(bytes: &[u8]) -> Option<u8> {
    bytes.iter().copied().find(|byte| !byte.is_ascii_whitespace() && !matches!(byte, 0xef | 0xbb | 0xbf))
}

/// The media type without parameters, made fit for a message.
fn media_type(response: &Response) -> String {
    let header = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = header.split(';').next().unwrap_or("").trim();
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '/' | '+' | '-' | '.');
    let text: String = essence.chars().filter(is_plain).take(60).collect::<String>().to_ascii_lowercase();
    if text.is_empty() { "unknown".to_owned() } else { text }
}
