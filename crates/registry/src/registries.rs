//! The configuration of registries: where repositories are read, and how hosts are spoken to.

mod document;
mod error;
mod prefix;

use std::{collections::HashMap, io, path::Path};

use reqwest::Certificate;
use trustwright_core::Repository;
use url::Url;

pub use self::error::{FieldProblem, RegistriesError, RegistriesProblem};
use self::{document::Document, prefix::Prefix};
use crate::{
    auth_file,
    config::{BuildError, ClientConfig, HostLimits},
    live::Source,
    wire,
};

/// Bytes of the configuration, and of a file with certificates.
const MAX_BYTES: u64 = 1 << 20;

/// What a configuration says. Without one, every host is as the client's own settings have it.
pub(crate) struct Registries {
    routes: Vec<Route>,
    hosts: HashMap<String, Host>,
    other: Host,
}

/// Where the repositories of a prefix are read.
struct Route {
    prefix: Prefix,
    mirrors: Vec<Prefix>,
    /// Where they really are, if not where their names say.
    location: Option<Prefix>,
}

/// How a host is spoken to.
#[derive(Clone)]
pub(crate) struct Host {
    pub(crate) schemes: Schemes,
    /// With the certificates that it is trusted by.
    pub(crate) http: reqwest::Client,
    pub(crate) limits: HostLimits,
}

/// In which schemes a host may be spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Schemes {
    /// As the client's settings and the host's address have it.
    ByAddress,
    Http,
    Https,
}

/// Where a repository is to be asked for.
pub(crate) struct Routing {
    /// In their order.
    pub(crate) mirrors: Vec<Repository>,
    /// Where it is, if anywhere.
    pub(crate) origin: Option<Repository>,
}

/// The file of the configuration.
pub(crate) struct RegistriesFile {
    pub(crate) config: ClientConfig,
    /// For hosts without certificates of their own.
    pub(crate) http: reqwest::Client,
}

/// The bytes of the configuration, and those of the files that it names.
#[derive(PartialEq)]
pub(crate) struct Raw {
    yaml: Vec<u8>,
    ca_files: Vec<Vec<u8>>,
}

impl Registries {
    /// Where to ask for a repository: by the longest prefix that covers it.
    pub(crate) fn route(&self, repository: &Repository) -> Routing {
        let covering = self.routes.iter().filter_map(|route| Some((route, route.prefix.strip(repository)?)));
        match covering.max_by_key(|(route, _)| route.prefix.path().len()) {
            None => Routing { mirrors: Vec::new(), origin: Some(repository.clone()) },
            Some((route, rest)) => Routing {
                mirrors: route.mirrors.iter().filter_map(|mirror| mirror.join(rest)).collect(),
                origin: match &route.location {
                    Some(location) => location.join(rest),
                    None => Some(repository.clone()),
                },
            },
        }
    }

    /// How to speak to the host of a URL that was made of a registry's name.
    pub(crate) fn host(&self, url: &Url) -> &Host {
        self.hosts.get(&wire::host_and_port(url)).unwrap_or(&self.other)
    }
}

impl Source for RegistriesFile {
    type Raw = Option<Raw>;
    type Value = Registries;
    type Problem = RegistriesError;

    fn read(&self) -> Result<Self::Raw, RegistriesError> {
        let Some(path) = &self.config.registries else { return Ok(None) };
        let read = || {
            let yaml = read_whole(path)?;
            let mut ca_files = Vec::new();
            for (field, path) in document::parse(&yaml)?.ca_files() {
                let bytes =
                    auth_file::read(path, MAX_BYTES).and_then(|bytes| bytes.ok_or(io::ErrorKind::NotFound));
                let unreadable = |kind| FieldProblem::Unreadable { path: path.clone(), kind };
                ca_files.push(bytes.map_err(|kind| at(field, unreadable(kind)))?);
            }
            Ok(Some(Raw { yaml, ca_files }))
        };
        read().map_err(|problem| RegistriesError { path: path.clone(), problem })
    }

    fn build(&self, raw: &Self::Raw) -> Result<Registries, RegistriesError> {
        let failed =
            |problem| RegistriesError { path: self.config.registries.clone().unwrap_or_default(), problem };
        let other =
            Host { schemes: Schemes::ByAddress, http: self.http.clone(), limits: self.config.host_limits };
        let mut registries = Registries { routes: Vec::new(), hosts: HashMap::new(), other };
        if let Some(raw) = raw {
            let document = document::parse(&raw.yaml).map_err(failed)?;
            registries.routes = routes(&document).map_err(failed)?;
            registries.hosts = self.hosts(&document, raw, &registries.other).map_err(failed)?;
        }
        Ok(registries)
    }
}

impl RegistriesFile {
    fn hosts(
        &self,
        document: &Document,
        raw: &Raw,
        other: &Host,
    ) -> Result<HashMap<String, Host>, RegistriesProblem> {
        let mut hosts = HashMap::new();
        let mut ca_files = raw.ca_files.iter();
        for (index, registry) in document.registries.iter().enumerate() {
            let field = |name: &str| format!("registries[{index}].{name}");
            let bad_host = || at(field("host"), FieldProblem::Host(registry.host.clone()));
            let host = Prefix::parse(&registry.host)
                .filter(|prefix| prefix.path().is_empty())
                .ok_or_else(bad_host)?;
            let url = Url::parse(&format!("https://{}/", host.registry())).map_err(|_| bad_host())?;
            let mut roots = Vec::new();
            for (number, path) in registry.ca_files.iter().enumerate() {
                let pem = ca_files.next().map(Vec::as_slice).unwrap_or_default();
                let found = Certificate::from_pem_bundle(pem).unwrap_or_default();
                if found.is_empty() {
                    let cause = FieldProblem::Certificate { path: path.clone() };
                    return Err(at(field(&format!("caFiles[{number}]")), cause));
                }
                roots.extend(found);
            }
            let schemes = match (registry.plain_http, roots.is_empty()) {
                (Some(true), false) => return Err(at(field("plainHTTP"), FieldProblem::CaWithoutTls)),
                (Some(true), true) => Schemes::Http,
                // Whoever names an authority wants TLS.
                (Some(false), _) | (None, false) => Schemes::Https,
                (None, true) => Schemes::ByAddress,
            };
            let http = if roots.is_empty() {
                other.http.clone()
            } else {
                let tls = |error: BuildError| at(field("caFiles"), FieldProblem::Tls(error.to_string()));
                wire::http(&self.config, roots).map_err(tls)?
            };
            let limits = HostLimits {
                requests_per_second: registry.requests_per_second.unwrap_or(other.limits.requests_per_second),
                concurrent_requests: registry.concurrent_requests.unwrap_or(other.limits.concurrent_requests),
            };
            if hosts.insert(wire::host_and_port(&url), Host { schemes, http, limits }).is_some() {
                return Err(at(field("host"), FieldProblem::Twice(registry.host.clone())));
            }
        }
        Ok(hosts)
    }
}

fn routes(document: &Document) -> Result<Vec<Route>, RegistriesProblem> {
    let mut routes: Vec<Route> = Vec::new();
    for (index, repositories) in document.repositories.iter().enumerate() {
        let field = |name: &str| format!("repositories[{index}].{name}");
        let parse = |name: &str, text: &str| {
            Prefix::parse(text).ok_or_else(|| at(field(name), FieldProblem::Prefix(text.to_owned())))
        };
        let prefix = parse("prefix", &repositories.prefix)?;
        if routes.iter().any(|route| route.prefix == prefix) {
            return Err(at(field("prefix"), FieldProblem::Twice(repositories.prefix.clone())));
        }
        let place = |name: &str, text: &str| {
            let place = parse(name, text)?;
            if place.path().is_empty() && !prefix.path().is_empty() {
                return Err(at(field(name), FieldProblem::NoPath(text.to_owned())));
            }
            Ok(place)
        };
        let mirrors = repositories.mirrors.iter().enumerate();
        let mirrors = mirrors.map(|(number, mirror)| place(&format!("mirrors[{number}]"), mirror));
        let mirrors = mirrors.collect::<Result<Vec<_>, _>>()?;
        let location = repositories.location.as_deref().map(|text| place("location", text)).transpose()?;
        if mirrors.is_empty() && location.is_none() {
            return Err(RegistriesProblem::Field {
                field: format!("repositories[{index}]"),
                cause: FieldProblem::NoPlace,
            });
        }
        routes.push(Route { prefix, mirrors, location });
    }
    Ok(routes)
}

fn at(field: String, cause: FieldProblem) -> RegistriesProblem {
    RegistriesProblem::Field { field, cause }
}

fn read_whole(path: &Path) -> Result<Vec<u8>, RegistriesProblem> {
    let bytes = auth_file::read(path, MAX_BYTES).map_err(RegistriesProblem::Unreadable)?;
    let bytes = bytes.ok_or(RegistriesProblem::Unreadable(io::ErrorKind::NotFound))?;
    if bytes.len() as u64 > MAX_BYTES { Err(RegistriesProblem::TooLarge) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests;
