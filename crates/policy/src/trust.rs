//! From the trust roots that an authority names to what its evidence is verified with.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use jiff::Timestamp;
use trustwright_api::v1alpha1 as api;
use trustwright_roots::{DEFAULT_NAME, Root, SourceKind};
use trustwright_trust::{Fingerprint, TrustMaterial};
use trustwright_verify::{MaterialError, Requirements, Verifier};

use crate::{Check, NotReady, Part, Policy, Signed};

/// The trust roots that an authority rests on, by purpose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// For certificate authorities and logs of certificates, and for timestamps where nothing else is named.
    pub certificates: Option<TrustRef>,
    /// For transparency logs.
    pub log: Option<TrustRef>,
    /// For timestamp authorities.
    pub timestamps: Option<TrustRef>,
    /// Certificate authorities of its own (`keyless.ca-cert`), in place of those of the trust root.
    pub authorities: Option<Arc<TrustMaterial>>,
}

/// A trust root, and the field that names or means it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustRef {
    /// Its name; [`DEFAULT_NAME`] where the field names none.
    pub name: String,
    /// The field, such as `spec.authorities[0].keyless.trustRootRef`.
    pub field: String,
}

/// The trust roots of one authority, found and in force.
#[derive(Debug, Clone, Copy)]
pub struct Roots<'r> {
    certificates: Option<&'r Root>,
    log: Option<&'r Root>,
    timestamps: Option<&'r Root>,
    authorities: Option<&'r TrustMaterial>,
}

/// How a trust root keeps up, for those who wonder whether it is too old to know something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// By TUF: the version of the role `timestamp`, which is signed again and again, and when that ends.
    Timestamp(u64, Timestamp),
    /// Not by itself: it is what this part of its spec says.
    Fixed(SourceKind),
}

impl Freshness {
    fn of(root: &Root) -> Self {
        let timestamp = root.metadata.iter().find(|role| role.role == "timestamp");
        timestamp.map_or(Self::Fixed(root.source), |role| Self::Timestamp(role.version, role.expires))
    }
}

impl fmt::Display for Freshness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timestamp(version, until) => write!(f, "timestamp version {version}, until {until}"),
            Self::Fixed(source) => write!(f, "{source}, which changes by hand only"),
        }
    }
}

/// What names a [`Roots`] by its content: the fingerprint for each purpose, and of an authority's own certificates.
pub type RootsKey = [Option<Fingerprint>; 4];

impl Trust {
    /// Reads what an authority at `path` names. A log that is asked for without a trust root is one of the default root,
    /// and so are certificates.
    pub(crate) fn of(path: &str, authority: &api::Authority) -> Self {
        let reference = |field: &str, name: &str| {
            let (name, field) = match name {
                "" => (DEFAULT_NAME, field.to_owned()),
                name => (name, format!("{field}.trustRootRef")),
            };
            TrustRef { name: name.to_owned(), field: format!("{path}{field}") }
        };
        let keyless = authority.keyless.as_ref();
        let root = keyless.map(|keyless| reference(".keyless", &keyless.trust_root_ref));
        let stamp = authority.rfc3161timestamp.as_ref().filter(|stamp| !stamp.trust_root_ref.is_empty());
        let timestamps = stamp.map(|stamp| reference(".rfc3161timestamp", &stamp.trust_root_ref));
        let log = match &authority.ctlog {
            Some(log) if log.url.is_some() || !log.trust_root_ref.is_empty() => {
                Some(reference(".ctlog", &log.trust_root_ref))
            }
            // As an empty `rfc3161timestamp`, which also asks for nothing.
            Some(_) => None,
            // Without a private root, and where nothing else says when it was signed, the default root's logs do.
            None => root.clone().filter(|root| root.name == DEFAULT_NAME && timestamps.is_none()),
        };
        // `ca-cert` stands for the certificate authorities only: without SCTs, nothing else of a root that nobody names
        // is needed.
        let is_needed = |root: &TrustRef| {
            let own = keyless.filter(|keyless| keyless.ca_cert.is_some());
            own.is_none_or(|keyless| root.name != DEFAULT_NAME || asks_for_scts(keyless))
        };
        let certificates = root.filter(is_needed);
        Self { certificates, log, timestamps, authorities: None }
    }

    /// What has to vouch for a signature besides its key or certificate.
    pub(crate) fn requirements(&self, authority: &api::Authority) -> Requirements {
        let keyless = authority.keyless.as_ref();
        Requirements {
            log_entry: self.log.is_some(),
            timestamp: self.timestamps.is_some(),
            sct: keyless.is_some_and(asks_for_scts),
        }
    }

    /// The trust roots by name, in order.
    pub fn names(&self) -> BTreeSet<&str> {
        let all = [&self.certificates, &self.log, &self.timestamps];
        all.into_iter().flatten().map(|reference| reference.name.as_str()).collect()
    }
}

fn asks_for_scts(keyless: &api::KeylessRef) -> bool {
    keyless.insecure_ignore_sct != Some(true)
}

impl Signed {
    /// Finds the trust roots in `trust`. `None` where none is needed: for a key by itself.
    ///
    /// # Errors
    ///
    /// Those that are missing, of which nothing is in force, or that hold nothing for the purpose: with them nothing
    /// could be verified.
    pub fn roots<'r>(
        &'r self,
        trust: &'r BTreeMap<String, Arc<Root>>,
    ) -> Result<Option<Roots<'r>>, Vec<NotReady>> {
        let mut problems = Vec::new();
        let mut find = |reference: &Option<TrustRef>, lacks: &dyn Fn(&Root) -> Option<&'static str>| {
            let reference = reference.as_ref()?;
            let found = find(reference, trust).and_then(|root| match lacks(root) {
                None => Ok(root),
                Some(what) => Err(format!("trust root {:?} has no {what}", reference.name)),
            });
            found
                .map_err(|problem| {
                    let field = reference.field.clone();
                    problems.push(NotReady { part: Part::TrustRoots, field, problem });
                })
                .ok()
        };
        let certificates = find(&self.trust.certificates, &|root| {
            let material = root.trusted.as_ref().ok()?;
            if self.trust.authorities.is_none() && material.certificate_authorities().is_empty() {
                return Some("certificate authority");
            }
            let needs_log = self.requirements.sct && material.ct_logs().is_empty();
            needs_log.then_some("log of certificates, and insecureIgnoreSCT is not set")
        });
        let log = find(&self.trust.log, &|root| {
            let is_empty =
                root.trusted.as_ref().is_ok_and(|material| material.transparency_logs().is_empty());
            is_empty.then_some("transparency log")
        });
        let timestamps = find(&self.trust.timestamps, &|root| {
            let is_empty =
                root.trusted.as_ref().is_ok_and(|material| material.timestamp_authorities().is_empty());
            is_empty.then_some("timestamp authority")
        });
        // A log that nobody names is of the root that the certificates are of.
        problems.dedup();
        if !problems.is_empty() {
            return Err(problems);
        }
        let authorities = self.trust.authorities.as_deref();
        let roots = Roots { certificates, log, timestamps, authorities };
        Ok((roots.base().is_some() || authorities.is_some()).then_some(roots))
    }
}

fn find<'r>(reference: &TrustRef, trust: &'r BTreeMap<String, Arc<Root>>) -> Result<&'r Root, String> {
    let name = &reference.name;
    match trust.get(name) {
        None if name == DEFAULT_NAME => {
            Err(format!("trustRootRef {name} not found: there is no default trust root here; name one"))
        }
        None => Err(format!("trustRootRef {name} not found")),
        Some(root) => match &root.trusted {
            Ok(_) => Ok(root),
            Err(refusal) => Err(format!("nothing of trust root {name:?} is in force: {refusal}")),
        },
    }
}

impl<'r> Roots<'r> {
    fn base(&self) -> Option<&'r Root> {
        self.certificates.or(self.log).or(self.timestamps)
    }

    /// Which roots these are, by address: equal as long as both are borrowed from where they were found.
    pub fn addresses(&self) -> [usize; 3] {
        let address = |root: Option<&Root>| root.map_or(0, |root| std::ptr::from_ref(root).addr());
        // Certificates of its own belong to one authority, and that names the same root every time.
        let own = self.authorities.map(|own| std::ptr::from_ref(own).addr());
        [own.unwrap_or_else(|| address(self.certificates)), address(self.log), address(self.timestamps)]
    }

    /// What is trusted, by fingerprint: equal keys make equal verifiers.
    pub fn key(&self) -> RootsKey {
        let material = |root: Option<&'r Root>| root?.trusted.as_ref().ok().map(AsRef::as_ref);
        [material(self.certificates), material(self.log), material(self.timestamps), self.authorities]
            .map(|material: Option<&TrustMaterial>| Some(material?.fingerprint()))
    }

    /// How the roots of certificates, logs and timestamps keep up.
    pub fn freshness(&self) -> [Option<Freshness>; 3] {
        [self.certificates, self.log, self.timestamps].map(|root| root.map(Freshness::of))
    }

    /// When time alone takes the first of them out of force.
    pub fn until(&self) -> Option<Timestamp> {
        [self.certificates, self.log, self.timestamps]
            .into_iter()
            .flatten()
            .filter_map(|root| root.until)
            .min()
    }

    /// Makes what is trusted ready, for each purpose from its root. `None` where nothing is in force.
    pub fn verifier(&self) -> Option<Result<Verifier, MaterialError>> {
        let material = |root: &'r Root| root.trusted.as_ref().ok();
        let mut combined = match (self.base(), self.authorities) {
            (Some(base), _) => material(base)?.as_ref().clone(),
            (None, Some(_)) => TrustMaterial::default(),
            (None, None) => return None,
        };
        if let Some(authorities) = self.authorities {
            combined = combined.with_certificate_authorities_of(authorities);
        }
        if let Some(log) = self.log {
            combined = combined.with_transparency_logs_of(material(log)?);
        }
        if let Some(timestamps) = self.timestamps {
            combined = combined.with_timestamp_authorities_of(material(timestamps)?);
        }
        Some(Verifier::new(&combined))
    }
}

/// Which of the trust roots that `policy` rests on cannot be used, given what each of them comes to. An authority that
/// cannot be used for another reason is left out: see [`Policy::not_ready`].
pub fn trust_problems(policy: &Policy, trust: &BTreeMap<String, Arc<Root>>) -> Vec<NotReady> {
    let signed = policy.authorities.iter().filter_map(|authority| match &authority.check {
        Check::Signed(signed) => Some(signed),
        Check::Pass | Check::Fail(_) | Check::NotReady(_) => None,
    });
    signed.filter_map(|signed| signed.roots(trust).err()).flatten().collect()
}

#[cfg(test)]
mod tests;
