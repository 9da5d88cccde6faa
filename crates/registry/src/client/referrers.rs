//! Manifests that refer to another (distribution specification 1.1, "Listing Referrers").

use reqwest::{
    Method,
    header::{HeaderMap, LINK},
};
use tokio::time::Instant;
use trustwright_core::{Digest, Repository};
use url::Url;

use super::{Client, Place, Reference, manifest::media_type, place::passed_over};
use crate::{
    Credential, Descriptor, Error, Index, body,
    error::Invalid,
    exchange::{self, Call},
    metrics::Operation,
};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The code of a registry that has no such API. Other codes are about what was asked for.
const UNSUPPORTED: &str = "UNSUPPORTED";

/// What refers to a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrers {
    /// The manifests that refer to it, of the wanted type, in the registry's order. Their annotations and
    /// types are the registry's word only.
    pub descriptors: Vec<Descriptor>,
    /// Where the list comes from.
    pub source: ReferrersSource,
}

/// Where a list of referrers comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferrersSource {
    /// The referrers API.
    Api,
    /// The index under the tag `sha256-<hex>`, for the registry has no such API.
    Tag,
}

/// What one request of the API yields.
enum Page {
    Listed {
        index: Index,
        next: Option<Url>,
    },
    /// There is no API: as the whole registry's answer, or perhaps only this one's.
    NoApi {
        is_general: bool,
    },
}

impl Client {
    /// Lists what refers to `digest`, of one artifact type if one is given. None is an empty list.
    ///
    /// Where the registry lacks the API, reads the tag of the specification's fallback, and if there is one
    /// goes straight to tags for the next hour. An answer of 200 that is no index is
    /// [`Invalid::MediaType`], so that a portal's page is not taken for an old registry, unless it holds the
    /// error document of the specification or comes from where the registry has redirected to.
    pub async fn referrers(
        &self,
        repository: &Repository,
        digest: &Digest,
        artifact_type: Option<&str>,
        credential: &Credential,
        deadline: Instant,
    ) -> Result<Referrers, Error> {
        let places = self.places(repository, credential, deadline).await?;
        for mirror in places.mirrors() {
            match self.referrers_at(&mirror, digest, artifact_type).await {
                // A mirror of images need not have what refers to them.
                Ok(found) if !found.descriptors.is_empty() => return Ok(found),
                other => passed_over(&mirror, &other),
            }
        }
        self.referrers_at(&places.origin, digest, artifact_type).await
    }

    async fn referrers_at(
        &self,
        place: &Place,
        digest: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Referrers, Error> {
        let registry = place.repository.registry();
        if self.0.without_referrers.get(registry, Instant::now()).is_some() {
            let manifests = self.manifests_of_tag(place, digest).await?;
            return Ok(Referrers::of_tag(manifests, artifact_type));
        }
        let limits = self.0.exchange.limits;
        let mut url = exchange::url(&place.repository, &format!("referrers/{digest}"))?;
        if let Some(wanted) = artifact_type {
            url.query_pairs_mut().append_pair("artifactType", wanted);
        }
        let first = url.clone();
        let mut list = Vec::new();
        for page in 0..limits.referrers_pages {
            let call = place.call(Operation::Referrers, Method::GET, url, INDEX);
            let next = match self.page(&call).await? {
                Page::Listed { index, next } => {
                    list.extend(index.manifests.into_iter().filter(|found| is_wanted(found, artifact_type)));
                    next
                }
                Page::NoApi { is_general } if page == 0 => {
                    let manifests = self.manifests_of_tag(place, digest).await?;
                    // The tag proves that the repository exists and that there is no API to list it. Without
                    // that proof, whoever may name a repository could hide the API from everyone.
                    if is_general && manifests.is_some() {
                        let life = self.0.exchange.timeouts.memory;
                        self.0.without_referrers.put(registry.clone(), (), Instant::now(), life);
                    }
                    return Ok(Referrers::of_tag(manifests, artifact_type));
                }
                // A list that breaks off is not a short list.
                Page::NoApi { .. } => return Err(request(&call.url).invalid(Invalid::MediaType)),
            };
            check_count(&list, limits.descriptors, &first)?;
            match next {
                Some(next) => url = next,
                None => return Ok(Referrers { descriptors: list, source: ReferrersSource::Api }),
            }
        }
        let request = Box::new(request(&first));
        Err(Error::TooMany { request, what: "pages of referrers", limit: limits.referrers_pages })
    }

    async fn page(&self, call: &Call<'_>) -> Result<Page, Error> {
        let reply = match self.0.exchange.ask(call).await {
            Ok(reply) => reply,
            // A repository or manifest that is unknown says nothing about the registry.
            Err(Error::NotFound { answer, .. }) => {
                let is_general = answer.codes.is_empty() || answer.has_code(&[UNSUPPORTED]);
                return Ok(Page::NoApi { is_general });
            }
            Err(Error::Invalid { what: Invalid::Status(answer), .. })
                if matches!(answer.status, 400 | 405 | 501) =>
            {
                return Ok(Page::NoApi { is_general: false });
            }
            Err(error) => return Err(error),
        };
        let (request, limits) = (reply.request, self.0.exchange.limits);
        let is_index = media_type(reply.response.headers()) == INDEX;
        let next = next_page(reply.response.headers(), &reply.registry_url, &call.url);
        if !is_index && reply.is_foreign {
            return Ok(Page::NoApi { is_general: false });
        }
        let bounds = self.bounds(limits.referrers_page, call.deadline);
        let bytes = body::read(reply.response, bounds, &request).await?;
        if !is_index {
            let is_error = !body::codes(&bytes).is_empty();
            let no_api = Page::NoApi { is_general: false };
            return if is_error { Ok(no_api) } else { Err(request.invalid(Invalid::MediaType)) };
        }
        let invalid = |_| request.invalid(Invalid::Document("image index"));
        let index = serde_json::from_slice(&bytes).map_err(invalid)?;
        let next = next.map_err(|()| request.invalid(Invalid::Link))?;
        Ok(Page::Listed { index, next })
    }

    /// The manifests in the index under the fallback's tag, or `None` without such a tag.
    async fn manifests_of_tag(
        &self,
        place: &Place,
        digest: &Digest,
    ) -> Result<Option<Vec<Descriptor>>, Error> {
        let tag = Reference::Tag(format!("sha256-{}", digest.hex()));
        match self.manifest_at(place, &tag).await? {
            Some(manifest) => Ok(Some(manifest.index()?.manifests)),
            None => Ok(None),
        }
    }
}

impl Referrers {
    fn of_tag(manifests: Option<Vec<Descriptor>>, artifact_type: Option<&str>) -> Self {
        let mut descriptors = manifests.unwrap_or_default();
        descriptors.retain(|found| is_wanted(found, artifact_type));
        Self { descriptors, source: ReferrersSource::Tag }
    }
}

/// Registries need not filter, so we do.
fn is_wanted(descriptor: &Descriptor, artifact_type: Option<&str>) -> bool {
    artifact_type.is_none_or(|wanted| descriptor.artifact_type.as_deref() == Some(wanted))
}

fn check_count(list: &[Descriptor], limit: usize, url: &Url) -> Result<(), Error> {
    if list.len() > limit {
        return Err(Error::TooMany { request: Box::new(request(url)), what: "referrers", limit });
    }
    Ok(())
}

fn request(url: &Url) -> crate::Request {
    crate::Request::new("GET", url)
}

/// The page that follows, which must be of the same list: same registry, same path. A header that cannot be
/// read is an error, for the list would be taken for a shorter one.
fn next_page(headers: &HeaderMap, here: &Url, asked: &Url) -> Result<Option<Url>, ()> {
    for header in headers.get_all(LINK) {
        let mut rest = header.to_str().map_err(|_| ())?.trim_start_matches([' ', '\t', ',']);
        while !rest.is_empty() {
            let (target, parameters, after) = first_link(rest).ok_or(())?;
            if is_next(parameters) {
                let next = here.join(target).map_err(|_| ())?;
                let is_same_list = next.origin() == here.origin() && next.path() == asked.path();
                return if is_same_list { Ok(Some(next)) } else { Err(()) };
            }
            rest = after.trim_start_matches([' ', '\t', ',']);
        }
    }
    Ok(None)
}

/// The target of the first link, its parameters, and the text after it (RFC 8288, 3).
fn first_link(text: &str) -> Option<(&str, &str, &str)> {
    let (target, rest) = text.strip_prefix('<')?.split_once('>')?;
    let mut is_quoted = false;
    let end = rest.find(|c| {
        is_quoted ^= c == '"';
        c == ',' && !is_quoted
    });
    let (parameters, after) = rest.split_at(end.unwrap_or(rest.len()));
    Some((target, parameters, after))
}

fn is_next(parameters: &str) -> bool {
    parameters.split(';').any(|parameter| {
        let (name, value) = parameter.trim().split_once('=').unwrap_or_default();
        let mut relations = value.trim_matches('"').split_ascii_whitespace();
        name.eq_ignore_ascii_case("rel") && relations.any(|relation| relation.eq_ignore_ascii_case("next"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(link: &str) -> Result<Option<String>, ()> {
        let here: Url = "https://r.example/v2/a/b/referrers/sha256:00".parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(LINK, link.parse().unwrap());
        next_page(&headers, &here, &here).map(|url| url.map(|url| url.query().unwrap_or_default().to_owned()))
    }

    #[test]
    fn the_next_page_is_one_of_the_same_list() {
        for link in [
            "</v2/a/b/referrers/sha256:00?last=x>; rel=\"next\"",
            "<https://r.example/v2/a/b/referrers/sha256:00?last=x>;rel=next",
            "<?last=x>; title=\"a\"; rel=\"next\"",
            "</v2/>; rel=\"prev\", <?last=x>; rel=\"next\"",
            "</v2/,;>; title=\"a, b\"; rel=\"prev\" , <?last=x>; rel=\"last next\"",
        ] {
            assert_eq!(next(link), Ok(Some("last=x".to_owned())), "{link}");
        }
        for link in [
            "<https://evil.example/v2/a/b/referrers/sha256:00?last=x>; rel=\"next\"",
            "<http://r.example/v2/a/b/referrers/sha256:00?last=x>; rel=\"next\"",
            "</v2/other/referrers/sha256:00?last=x>; rel=\"next\"",
            "</v2/a/b/../../c/referrers/sha256:00>; rel=\"next\"",
            "?last=x; rel=\"next\"",
            "<?last=x; rel=\"next\"",
        ] {
            assert_eq!(next(link), Err(()), "{link}");
        }
        assert_eq!(next("</v2/>; rel=\"prev\""), Ok(None));
    }
}
