//! Manifests and indexes.

use std::fmt;

use bytes::Bytes;
use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderMap},
};
use serde::{Deserialize, de::DeserializeOwned};
use trustwright_core::Digest;

use super::{Client, Place};
use crate::{
    Error, ImageManifest, Index, body,
    error::{Invalid, Request},
    exchange::{self, Call},
    metrics::Operation,
};

const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
                      application/vnd.docker.distribution.manifest.list.v2+json, \
                      application/vnd.docker.distribution.manifest.v2+json";

/// How a manifest is named in its repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reference {
    /// By digest.
    Digest(Digest),
    /// By tag. One that is none by the specification fails with [`Invalid::Tag`], before any request.
    Tag(String),
}

/// A manifest or index as the registry holds it.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The bytes that the digest is of.
    pub bytes: Bytes,
    /// The `Content-Type` of the answer without parameters, in lower case; empty if there was none.
    pub media_type: String,
    /// The digest of the bytes, computed.
    pub digest: Digest,
    request: Request,
    descriptors: usize,
}

impl Manifest {
    /// Parses it as an image manifest. Fails with [`Error::Invalid`] if it is none and with
    /// [`Error::TooMany`] if it has more layers than the client's limit.
    pub fn image(&self) -> Result<ImageManifest, Error> {
        let manifest: ImageManifest = self.parse("image manifest")?;
        self.check_count(manifest.layers.len(), "layers")?;
        Ok(manifest)
    }

    /// Parses it as an index. Fails as [`image`](Self::image) does.
    pub fn index(&self) -> Result<Index, Error> {
        let index: Index = self.parse("image index")?;
        self.check_count(index.manifests.len(), "manifests")?;
        Ok(index)
    }

    /// Whether it is a JSON object at all, and not the page of a portal.
    pub(super) fn check_is_document(&self) -> Result<(), Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Document {
            #[serde(rename = "schemaVersion")]
            _schema_version: u64,
        }
        self.parse::<Document>("manifest").map(|_| ())
    }

    fn parse<T: DeserializeOwned>(&self, kind: &'static str) -> Result<T, Error> {
        serde_json::from_slice(&self.bytes).map_err(|_| self.request.invalid(Invalid::Document(kind)))
    }

    fn check_count(&self, count: usize, what: &'static str) -> Result<(), Error> {
        if count > self.descriptors {
            let request = Box::new(self.request.clone());
            return Err(Error::TooMany { request, what, limit: self.descriptors });
        }
        Ok(())
    }
}

impl Reference {
    fn is_valid(&self) -> bool {
        match self {
            Self::Digest(_) => true,
            Self::Tag(tag) => {
                let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
                (1..=128).contains(&tag.len())
                    && tag.bytes().next().is_some_and(is_word)
                    && tag.bytes().all(|b| is_word(b) || matches!(b, b'.' | b'-'))
            }
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digest(digest) => digest.fmt(f),
            Self::Tag(tag) => f.write_str(tag),
        }
    }
}

impl Client {
    pub(super) async fn get_manifest(&self, place: &Place, reference: &Reference) -> Result<Manifest, Error> {
        let call = call(Operation::Manifest, Method::GET, place, reference)?;
        let exchange = &self.0.exchange;
        let reply = exchange.ask(&call).await?;
        let request = reply.request;
        let expected = match reference {
            Reference::Digest(digest) => Some(*digest),
            Reference::Tag(_) => content_digest(reply.response.headers())
                .map_err(|()| request.invalid(Invalid::ContentDigest))?,
        };
        let media_type = media_type(reply.response.headers());
        let bytes =
            body::read(reply.response, self.bounds(exchange.limits.manifest, place.deadline), &request)
                .await?;
        let digest = match expected {
            Some(expected) => body::check_digest(&bytes, expected, &request)?,
            None => Digest::of(&bytes),
        };
        Ok(Manifest { bytes, media_type, digest, request, descriptors: exchange.limits.descriptors })
    }

    /// The digest of a tag by `HEAD`, or `None` where the registry answers it in a way that leaves hope for
    /// `GET`: without the header, or with an error that some give to `HEAD` alone.
    pub(super) async fn head(&self, place: &Place, tag: &Reference) -> Result<Option<Digest>, Error> {
        let call = call(Operation::Resolve, Method::HEAD, place, tag)?;
        match self.0.exchange.ask(&call).await {
            Ok(reply) => Ok(content_digest(reply.response.headers()).unwrap_or(None)),
            Err(Error::NotFound { .. } | Error::Invalid { what: Invalid::Status(_), .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn call<'a>(
    operation: Operation,
    method: Method,
    place: &'a Place,
    reference: &Reference,
) -> Result<Call<'a>, Error> {
    if !reference.is_valid() {
        let url = exchange::url(&place.repository, "manifests/")?;
        return Err(Request::new("GET", &url).invalid(Invalid::Tag));
    }
    let url = exchange::url(&place.repository, &format!("manifests/{reference}"))?;
    Ok(place.call(operation, method, url, ACCEPT))
}

/// The digest that the registry announces, if it does.
fn content_digest(headers: &HeaderMap) -> Result<Option<Digest>, ()> {
    let Some(value) = headers.get("docker-content-digest") else { return Ok(None) };
    value.to_str().ok().and_then(|text| text.parse().ok()).map(Some).ok_or(())
}

pub(super) fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_cannot_name_another_path() {
        let long = "a".repeat(128);
        for tag in ["latest", "_1", "sha256-00.sig", "v1..2", &long] {
            assert!(Reference::Tag(tag.into()).is_valid(), "{tag}");
        }
        for tag in ["", ".", "..", "-x", "a/b", "a%2e", "a?b", "a#b", "ä", &format!("{long}a")] {
            assert!(!Reference::Tag(tag.into()).is_valid(), "{tag}");
        }
    }
}
