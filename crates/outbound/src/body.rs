//! Bodies, read up to a limit.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Response;
use tokio::time::{Instant, timeout_at};

/// Memory that is reserved on the word of a `Content-Length`.
const MAX_RESERVED: u64 = 1 << 20;

/// How much of a body is wanted, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes.
    pub limit: u64,
    /// For each piece.
    pub chunk: Duration,
    /// For all of it.
    pub deadline: Instant,
}

/// Why a body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// The connection broke.
    Broken,
    /// The next piece did not come in time, or the deadline passed.
    Timeout,
    /// It is larger than the limit, and was not read further.
    TooLarge,
}

impl Bounds {
    /// The end of a wait that starts now.
    pub fn next(&self) -> Instant {
        earliest(self.deadline, self.chunk)
    }
}

/// `wait` from now, or the deadline if that is earlier.
pub fn earliest(deadline: Instant, wait: Duration) -> Instant {
    Instant::now().checked_add(wait).map_or(deadline, |end| end.min(deadline))
}

/// Reads the whole body, or fails without reading further than the limit. `check` sees each piece as it comes,
/// that which exceeds the limit included, and ends the reading with an error of the caller's.
pub async fn read<E: From<Unread>>(
    mut response: Response,
    bounds: Bounds,
    mut check: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<Bytes, E> {
    let announced = response.content_length();
    if announced.is_some_and(|length| length > bounds.limit) {
        return Err(Unread::TooLarge.into());
    }
    let reserved = announced.unwrap_or(0).min(MAX_RESERVED);
    let mut body = Vec::with_capacity(usize::try_from(reserved).unwrap_or(0));
    loop {
        let chunk = match timeout_at(bounds.next(), response.chunk()).await {
            Ok(Ok(Some(chunk))) => chunk,
            Ok(Ok(None)) => return Ok(body.into()),
            Ok(Err(_)) => return Err(Unread::Broken.into()),
            Err(_) => return Err(Unread::Timeout.into()),
        };
        check(&chunk)?;
        if body.len() as u64 + chunk.len() as u64 > bounds.limit {
            return Err(Unread::TooLarge.into());
        }
        body.extend_from_slice(&chunk);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(limit: u64) -> Bounds {
        let second = Duration::from_secs(1);
        Bounds { limit, chunk: second, deadline: Instant::now() + second }
    }

    fn answer(body: &'static str) -> Response {
        http::Response::new(body).into()
    }

    #[tokio::test]
    async fn a_body_may_have_as_many_bytes_as_the_limit_and_no_more() {
        let read = async |limit| read(answer("12345"), bounds(limit), |_| Ok::<_, Unread>(())).await;
        assert_eq!(read(5).await.unwrap(), "12345");
        assert_eq!(read(4).await, Err(Unread::TooLarge));
    }

    #[tokio::test]
    async fn a_piece_that_is_not_wanted_ends_the_reading() {
        #[derive(Debug, PartialEq)]
        enum Stop {
            Unread(Unread),
            Unwanted,
        }
        impl From<Unread> for Stop {
            fn from(unread: Unread) -> Self {
                Self::Unread(unread)
            }
        }
        let read = async |body| {
            let check = |piece: &[u8]| if piece.starts_with(b"<") { Err(Stop::Unwanted) } else { Ok(()) };
            read(answer(body), bounds(4), check).await
        };
        assert_eq!(read("<htm").await, Err(Stop::Unwanted));
        assert_eq!(read("{}").await.unwrap(), "{}");
        assert_eq!(read("12345").await, Err(Stop::Unread(Unread::TooLarge)));
    }

    #[test]
    fn a_wait_ends_with_the_deadline_at_the_latest() {
        let now = Instant::now();
        let deadline = now + Duration::from_secs(10);
        assert_eq!(earliest(deadline, Duration::from_secs(20)), deadline);
        assert_eq!(earliest(deadline, Duration::MAX), deadline);
        assert!(earliest(deadline, Duration::from_secs(1)) < deadline);
    }
}
