//! Bodies, read up to a limit.

use bytes::Bytes;
use reqwest::Response;
use serde::Deserialize;
use trustwright_core::Digest;
use trustwright_outbound::{Bounds, Unread};

use crate::error::{Answer, Error, Outage, Request};

/// Reads the whole body, or fails with [`Error::TooLarge`] without reading further than the limit.
pub(crate) async fn read(response: Response, bounds: Bounds, request: &Request) -> Result<Bytes, Error> {
    let result = trustwright_outbound::read(response, bounds, |_| Ok(())).await;
    result.map_err(|unread| {
        let request = Box::new(request.clone());
        match unread {
            Unread::Broken => Error::Unavailable { request, outage: Outage::Connection },
            Unread::Timeout => Error::Timeout { request },
            Unread::TooLarge => Error::TooLarge { request, limit: bounds.limit },
        }
    })
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

/// Checks content against the digest that it must have.
pub(crate) fn check_digest(bytes: &[u8], expected: Digest, request: &Request) -> Result<Digest, Error> {
    let actual = Digest::of(bytes);
    if actual == expected {
        Ok(actual)
    } else {
        Err(Error::DigestMismatch { request: Box::new(request.clone()), expected, actual })
    }
}
