//! Bodies, read up to a limit.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Response;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, timeout_at};
use trustwright_core::Digest;

use crate::error::{Answer, Error, Outage, Request};

/// Memory that is reserved on the word of a `Content-Length`.
const MAX_RESERVED: u64 = 1 << 20;

/// How much of a body is wanted, and for how long.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    /// Bytes.
    pub(crate) limit: u64,
    /// For each piece.
    pub(crate) stall: Duration,
    /// For all of it.
    pub(crate) deadline: Instant,
}

/// Reads the whole body, or fails with [`Error::TooLarge`] without reading further than the limit.
pub(crate) async fn read(mut response: Response, bounds: Bounds, request: &Request) -> Result<Bytes, Error> {
    let too_large = || Error::TooLarge { request: Box::new(request.clone()), limit: bounds.limit };
    let announced = response.content_length();
    if announced.is_some_and(|length| length > bounds.limit) {
        return Err(too_large());
    }
    let reserved = announced.unwrap_or(0).min(MAX_RESERVED);
    let mut body = Vec::with_capacity(usize::try_from(reserved).unwrap_or(0));
    loop {
        let until = bounds.deadline.min(Instant::now() + bounds.stall);
        let chunk = match timeout_at(until, response.chunk()).await {
            Ok(Ok(Some(chunk))) => chunk,
            Ok(Ok(None)) => return Ok(body.into()),
            Ok(Err(_)) => {
                let outage = Outage::Connection;
                return Err(Error::Unavailable { request: Box::new(request.clone()), outage });
            }
            Err(_) => return Err(Error::Timeout { request: Box::new(request.clone()) }),
        };
        if body.len() as u64 + chunk.len() as u64 > bounds.limit {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
}

/// Reads a refusing answer for its codes. Whatever is wrong with its body only costs the codes.
pub(crate) async fn answer(response: Response, bounds: Bounds, request: &Request) -> Answer {
    let status = response.status().as_u16();
    let codes = match read(response, bounds, request).await {
        Ok(body) => codes(&body),
        Err(_) => Vec::new(),
    };
    Answer::new(status, codes)
}

/// The codes of an error document (distribution specification, "Error codes"), as they are.
pub(crate) fn codes(body: &[u8]) -> Vec<String> {
    #[derive(Deserialize)]
    struct Document {
        errors: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        code: String,
    }
    serde_json::from_slice::<Document>(body)
        .map(|document| document.errors.into_iter().map(|entry| entry.code).collect())
        .unwrap_or_default()
}

pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}

/// Checks content against the digest that it must have.
pub(crate) fn check_digest(bytes: &[u8], expected: Digest, request: &Request) -> Result<Digest, Error> {
    let actual = digest(bytes);
    if actual == expected {
        Ok(actual)
    } else {
        Err(Error::DigestMismatch { request: Box::new(request.clone()), expected, actual })
    }
}
