//! From an authority of a spec to what admission needs of it.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use trustwright_api::{syntax::regexp, v1alpha1 as api};
use trustwright_roots::DEFAULT_NAME;
use trustwright_trust::{KeyProblem, TrustMaterial, from_certificates};
use trustwright_verify::{HashAlgorithm, IdentityPattern, PublicKey, TextPattern};

use super::{NotReady, Part};
use crate::{
    Attestation, Authority, Check, Formats, Languages, Place, Signatory, Signed, Trust, Wanted,
    references::Reader, resolve, rule,
};

/// Compiles an authority. Never fails: what cannot be used stays, as [`Check::NotReady`].
pub(super) fn compile(
    index: usize,
    authority: &api::Authority,
    reader: &Reader<'_>,
    languages: &dyn Languages,
) -> Authority {
    let path = path(index);
    let trust = Trust::of(&path, authority);
    let trust_roots = trust.names().into_iter().map(str::to_owned).collect();
    let check = check(&path, authority, trust, reader, languages).unwrap_or_else(
        |Unusable { part, field, problem }| {
            Check::NotReady(NotReady { part, field: format!("{path}{field}"), problem })
        },
    );
    Authority { name: authority.name.clone(), check, trust_roots }
}

/// What its author should know of an authority that works.
pub(super) fn note((index, authority): (usize, &api::Authority)) -> Option<String> {
    let keyless = authority.keyless.as_ref()?;
    let root = keyless.trust_root_ref.as_str();
    let log = authority.ctlog.as_ref();
    if keyless.ca_cert.is_some() && root.is_empty() {
        let path = path(index);
        let trust = Trust::of(&path, authority);
        let is_timeless = trust.log.is_none() && trust.timestamps.is_none();
        return is_timeless.then(|| {
            format!(
                "{path}.keyless.ca-cert: neither a log nor a timestamp authority is asked when it was signed, so that a \
                 signature counts while its certificate is valid"
            )
        });
    }
    if matches!(root, "" | DEFAULT_NAME) || log.is_some_and(|log| !log.trust_root_ref.is_empty()) {
        return None;
    }
    let path = path(index);
    let consequence = if log.is_some_and(|log| log.url.is_some()) {
        "the logs are those of the default trust root".to_owned()
    } else {
        format!(
            "no log is asked for, so that a signature counts with a timestamp of trust root {root:?} only, or while \
             its certificate is valid"
        )
    };
    Some(format!("{path}.ctlog.trustRootRef: missing beside keyless.trustRootRef; {consequence}"))
}

fn path(index: usize) -> String {
    format!("spec.authorities[{index}]")
}

/// What cannot be compiled: the field below the authority (with its dot), and the problem.
struct Unusable {
    part: Part,
    field: String,
    problem: String,
}

impl Unusable {
    fn new(part: Part, field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { part, field: field.into(), problem: problem.into() }
    }

    fn spec(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::new(Part::Spec, field, problem)
    }
}

fn check(
    path: &str,
    authority: &api::Authority,
    mut trust: Trust,
    reader: &Reader<'_>,
    languages: &dyn Languages,
) -> Result<Check, Unusable> {
    let signatory = match (&authority.static_, &authority.key, &authority.keyless) {
        (Some(fixed), None, None) => return fixed_outcome(fixed),
        (None, Some(key), None) => Signatory::Key(Arc::new(public_key(key, reader)?)),
        (None, None, Some(keyless)) => {
            if let Some(certificates) = &keyless.ca_cert {
                trust.authorities = Some(Arc::new(authorities(certificates, reader)?));
            }
            Signatory::Keyless(identities(keyless)?)
        }
        (None, None, None) => {
            return Err(Unusable::spec("", "expected exactly one of key, keyless and static, got neither"));
        }
        _ => {
            let problem = format!("expected exactly one of {path}.key, keyless and static, got several");
            return Err(Unusable::spec("", problem));
        }
    };
    let wanted = wanted(&authority.attestations, reader, languages)?;
    let place = place(&authority.source)?;
    let formats = formats(&authority.signature_format)?;
    let requirements = trust.requirements(authority);
    let id = id(authority, &signatory, &wanted)?;
    Ok(Check::Signed(Arc::new(Signed { signatory, wanted, formats, place, requirements, trust, id })))
}

/// See [`Signed::id`].
fn id(authority: &api::Authority, signatory: &Signatory, wanted: &Wanted) -> Result<[u8; 32], Unusable> {
    let spec = serde_json::to_vec(authority).map_err(|error| Unusable::spec("", error.to_string()))?;
    let mut hash = Sha256::new();
    hash.update((spec.len() as u64).to_be_bytes());
    hash.update(&spec);
    if let Signatory::Key(key) = signatory {
        hash.update(key.fingerprint().as_bytes());
    }
    if let Wanted::Attestations(attestations) = wanted {
        for rule in attestations.iter().filter_map(|attestation| attestation.rule.as_ref()) {
            hash.update(rule.text);
        }
    }
    Ok(hash.finalize().into())
}

fn fixed_outcome(fixed: &api::StaticRef) -> Result<Check, Unusable> {
    match fixed.action.as_str() {
        "pass" => Ok(Check::Pass),
        "fail" => Ok(Check::Fail(fixed.message.clone())),
        other => {
            let problem = format!("unsupported action {other:?}, expected pass or fail");
            Err(Unusable::spec(".static.action", problem))
        }
    }
}

/// The certificate authorities of `keyless.ca-cert`.
fn authorities(certificates: &api::KeyRef, reader: &Reader<'_>) -> Result<TrustMaterial, Unusable> {
    let unusable =
        |field: &str, problem: String| Unusable::new(Part::Keys, format!(".keyless.ca-cert{field}"), problem);
    let pem = resolve::key(certificates, reader).map_err(|(field, problem)| unusable(field, problem))?;
    from_certificates(pem.as_bytes()).map_err(|problem| {
        let field = if certificates.secret_ref.is_some() { ".secretRef" } else { ".data" };
        let why = match problem {
            KeyProblem::WrongPemType { .. } => {
                "; a key alone says neither whom it may certify nor until when: give the authority's certificate"
            }
            // They say it themselves.
            _ => "",
        };
        unusable(field, format!("{problem}{why}"))
    })
}

fn identities(keyless: &api::KeylessRef) -> Result<Vec<IdentityPattern>, Unusable> {
    if keyless.identities.is_empty() {
        return Err(Unusable::spec(".keyless.identities", "no identity, so nobody is accepted"));
    }
    let pattern = |(index, identity): (usize, &api::Identity)| {
        let half = |name: &str, exact: &str, expression: &str| {
            let field = format!(".keyless.identities[{index}].{name}");
            match (exact, expression) {
                ("", "") => Err(Unusable::spec(field, format!("neither {name} nor {name}RegExp"))),
                ("", expression) => regexp::compile(expression).map(TextPattern::Regex).map_err(|error| {
                    Unusable::spec(format!("{field}RegExp"), format!("regex is invalid: {error}"))
                }),
                (exact, "") => Ok(TextPattern::Exact(exact.to_owned())),
                _ => Err(Unusable::spec(field, format!("both {name} and {name}RegExp"))),
            }
        };
        Ok(IdentityPattern {
            issuer: half("issuer", &identity.issuer, &identity.issuer_reg_exp)?,
            subject: half("subject", &identity.subject, &identity.subject_reg_exp)?,
        })
    };
    keyless.identities.iter().enumerate().map(pattern).collect()
}

fn wanted(
    attestations: &[api::Attestation],
    reader: &Reader<'_>,
    languages: &dyn Languages,
) -> Result<Wanted, Unusable> {
    // First whatever is missing: it may come without the spec being changed.
    for (index, attestation) in attestations.iter().enumerate() {
        if let Some(policy) = &attestation.policy {
            resolve::body(policy, reader).map_err(|(field, problem)| {
                Unusable::new(Part::Policies, format!(".attestations[{index}].policy{field}"), problem)
            })?;
        }
    }
    let compile = |(index, attestation): (usize, &api::Attestation)| {
        let path = format!(".attestations[{index}]");
        let rule = attestation.policy.as_ref().map(|policy| {
            rule::compile(policy, reader, languages).map_err(|(part, field, problem)| {
                Unusable::new(part, format!("{path}.policy{field}"), problem)
            })
        });
        let rule = rule.transpose()?;
        if attestation.predicate_type.is_empty() {
            return Err(Unusable::spec(format!("{path}.predicateType"), "missing"));
        }
        Ok(Attestation::new(&attestation.name, &attestation.predicate_type, rule))
    };
    let compiled: Vec<_> = attestations.iter().enumerate().map(compile).collect::<Result<_, _>>()?;
    Ok(if compiled.is_empty() { Wanted::Signature } else { Wanted::Attestations(compiled) })
}

fn place(sources: &[api::Source]) -> Result<Place, Unusable> {
    let source = match sources {
        [] => return Ok(Place::default()),
        [source] => source,
        _ => return Err(Unusable::spec(".source", "only single source is supported")),
    };
    if let Some(index) = source.signature_pull_secrets.iter().position(|secret| secret.name.is_empty()) {
        return Err(Unusable::spec(format!(".source[0].signaturePullSecrets[{index}].name"), "missing"));
    }
    let unusable = |problem: String| Unusable::spec(".source[0].oci", problem);
    let repository = match source.oci.as_str() {
        "" => None,
        oci if !oci.contains('/') => {
            return Err(unusable(format!("{oci:?} is a registry, expected a repository")));
        }
        oci => Some(oci.parse().map_err(|_| unusable(format!("{oci:?} is no repository")))?),
    };
    Ok(Place {
        repository,
        tag_prefix: source.tag_prefix.clone().unwrap_or_default(),
        pull_secrets: source.signature_pull_secrets.iter().map(|secret| secret.name.clone()).collect(),
    })
}

fn public_key(key: &api::KeyRef, reader: &Reader<'_>) -> Result<PublicKey, Unusable> {
    let unusable = |field: &str, problem: String| Unusable::new(Part::Keys, format!(".key{field}"), problem);
    let pem = resolve::key(key, reader).map_err(|(field, problem)| unusable(field, problem))?;
    let hash = match key.hash_algorithm.trim() {
        "" => None,
        text => Some(
            text.parse::<HashAlgorithm>().map_err(|error| unusable(".hashAlgorithm", error.to_string()))?,
        ),
    };
    PublicKey::from_pem(&pem, hash).map_err(|error| match &key.secret_ref {
        None => unusable(".data", error.to_string()),
        Some(secret) => unusable(
            ".secretRef",
            format!("secret {:?} contains an invalid public key: {error}", secret.name),
        ),
    })
}

fn formats(signature_format: &str) -> Result<Formats, Unusable> {
    match signature_format {
        "" => Ok(Formats { legacy: true, bundle: true }),
        "legacy" => Ok(Formats { legacy: true, bundle: false }),
        "bundle" => Ok(Formats { legacy: false, bundle: true }),
        other => {
            let problem = format!("unsupported format {other:?}, expected legacy or bundle");
            Err(Unusable::spec(".signatureFormat", problem))
        }
    }
}
