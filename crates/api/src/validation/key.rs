//! References of public keys.

use super::{FieldError, FieldErrors, ValidationSettings};
use crate::spec::authority::{HashAlgorithm, KeyRef};
use crate::syntax::kms::validate_kms;
use crate::syntax::public_key::parse_public_key;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

const FOREIGN_NAMESPACE: &str = "secretref.namespace is invalid. If set, it should use the same namespace where the policy-controller was deployed";

/// What `data` may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// A public key.
    PublicKey,
    /// Certificates; or a public key, which manifests may have from before, and with which nothing can be verified.
    Certificates,
}

impl Content {
    fn accepts(self, data: &str) -> bool {
        match self {
            Self::PublicKey => parse_public_key(data).is_ok(),
            Self::Certificates => are_certificates(data) || parse_public_key(data).is_ok(),
        }
    }
}

fn are_certificates(data: &str) -> bool {
    let is_certificate = |block: &pem::Pem| {
        block.tag() == "CERTIFICATE"
            && matches!(X509Certificate::from_der(block.contents()), Ok((rest, _)) if rest.is_empty())
    };
    pem::parse_many(data).is_ok_and(|blocks| !blocks.is_empty() && blocks.iter().all(is_certificate))
}

pub(super) fn validate_key(
    errors: &mut FieldErrors,
    key: &KeyRef,
    path: &str,
    content: Content,
    settings: &ValidationSettings,
) {
    let given = [!key.data.is_empty(), !key.kms.is_empty(), key.secret_ref.is_some()];
    let paths = ["data", "kms", "secretref"].map(|field| format!("{path}.{field}"));
    match given.into_iter().filter(|&given| given).count() {
        0 => errors.push(FieldError::missing_one_of(paths)),
        1 => {}
        _ => errors.push(FieldError::multiple_one_of(paths)),
    }
    if !key.hash_algorithm.is_empty() && HashAlgorithm::parse(&key.hash_algorithm).is_none() {
        errors.push(FieldError::invalid_value(&key.hash_algorithm, format!("{path}.hashAlgorithm"), ""));
    }
    if !key.data.is_empty() && !content.accepts(&key.data) {
        errors.push(FieldError::invalid_value(&key.data, format!("{path}.data"), ""));
    }
    if !key.kms.is_empty()
        && let Err(details) = validate_kms(&key.kms)
    {
        errors.push(FieldError::invalid_value(&key.kms, format!("{path}.kms"), details));
    }
    let namespace = key.secret_ref.as_ref().map(|secret| secret.namespace.as_str()).unwrap_or_default();
    let foreign = settings.system_namespace.as_deref().is_some_and(|own| own != namespace);
    if !namespace.is_empty() && foreign {
        let path = format!("{path}.secretref.namespace");
        errors.push(FieldError::invalid_value(namespace, path, FOREIGN_NAMESPACE));
    }
}
