//! `ClusterImagePolicy.spec.authorities`.

use super::attestation::validate_attestation;
use super::key::{Content, validate_key};
use super::{FieldError, FieldErrors, ValidationSettings, check_url};
use crate::spec::authority::{Authority, Identity, KeylessRef, Source, StaticRef};
use crate::syntax::{oci, regexp};

pub(super) fn validate_authority(
    errors: &mut FieldErrors,
    authority: &Authority,
    path: &str,
    settings: &ValidationSettings,
) {
    let kinds = [authority.key.is_some(), authority.keyless.is_some(), authority.static_.is_some()];
    let paths = ["key", "keyless", "static"].map(|field| format!("{path}.{field}"));
    match kinds.into_iter().filter(|&given| given).count() {
        0 => return errors.push(FieldError::missing_one_of(paths)),
        1 => {}
        _ => return errors.push(FieldError::multiple_one_of(paths)),
    }
    if let Some(key) = &authority.key {
        validate_key(errors, key, &format!("{path}.key"), Content::PublicKey, settings);
    }
    if let Some(keyless) = &authority.keyless {
        validate_keyless(errors, keyless, &format!("{path}.keyless"), settings);
    }
    if let Some(fixed) = &authority.static_ {
        validate_static(errors, authority, fixed, path);
    }
    validate_sources(errors, &authority.source, path);
    if let Some(url) = authority.ctlog.as_ref().and_then(|log| log.url.as_deref()) {
        check_url(errors, url, format!("{path}.ctlog.url"));
    }
    for attestation in &authority.attestations {
        validate_attestation(errors, attestation, &format!("{path}.attestations"));
    }
}

fn validate_keyless(
    errors: &mut FieldErrors,
    keyless: &KeylessRef,
    path: &str,
    settings: &ValidationSettings,
) {
    let one_of = ["ca-cert", "url"].map(|field| format!("{path}.{field}"));
    match (&keyless.url, &keyless.ca_cert) {
        (None, None) => errors.push(FieldError::missing_one_of(one_of)),
        (Some(_), Some(_)) => errors.push(FieldError::multiple_one_of(one_of)),
        (Some(_), None) | (None, Some(_)) => {}
    }
    if let Some(url) = &keyless.url {
        check_url(errors, url, format!("{path}.url"));
    }
    if let Some(key) = &keyless.ca_cert {
        validate_key(errors, key, &format!("{path}.ca-cert"), Content::Certificates, settings);
    }
    if keyless.identities.is_empty() {
        errors.push(FieldError::missing([format!("{path}.identities")]));
    }
    for (index, identity) in keyless.identities.iter().enumerate() {
        validate_identity(errors, identity, &format!("{path}.identities[{index}]"));
    }
}

fn validate_identity(errors: &mut FieldErrors, identity: &Identity, path: &str) {
    let pairs = [
        ("issuer", &identity.issuer, &identity.issuer_reg_exp),
        ("subject", &identity.subject, &identity.subject_reg_exp),
    ];
    for (field, exact, pattern) in pairs {
        let paths = [format!("{path}.{field}"), format!("{path}.{field}RegExp")];
        match (exact.is_empty(), pattern.is_empty()) {
            (true, true) => errors.push(FieldError::missing(paths.clone())),
            (false, false) => errors.push(FieldError::multiple_one_of(paths.clone())),
            (true, false) | (false, true) => {}
        }
        if let Err(why) = regexp::compile(pattern) {
            let [_, path] = paths;
            errors.push(FieldError::invalid_value(pattern, path, format!("regex is invalid: {why}")));
        }
    }
}

fn validate_static(errors: &mut FieldErrors, authority: &Authority, fixed: &StaticRef, path: &str) {
    match fixed.action.as_str() {
        "" => errors.push(FieldError::missing([format!("{path}.static.action")])),
        "fail" | "pass" => {}
        other => {
            let path = format!("{path}.static.action");
            errors.push(FieldError::invalid_value(other, path, "unsupported action"));
        }
    }
    // Where nothing is verified, there is nothing that these could say.
    let senseless = [
        ("attestations", !authority.attestations.is_empty()),
        ("ctlog", authority.ctlog.is_some()),
        ("rfc3161timestamp", authority.rfc3161timestamp.is_some()),
        ("source", !authority.source.is_empty()),
    ];
    for (field, _) in senseless.into_iter().filter(|(_, given)| *given) {
        errors.push(FieldError::multiple_one_of([format!("{path}.{field}"), format!("{path}.static")]));
    }
}

fn validate_sources(errors: &mut FieldErrors, sources: &[Source], path: &str) {
    if sources.len() > 1 {
        let details = "only single source is supported";
        errors.push(FieldError::invalid_value("source", format!("{path}.source"), details));
    }
    for (index, source) in sources.iter().enumerate() {
        let path = format!("{path}.source[{index}]");
        if !source.oci.is_empty()
            && let Err(details) = oci::validate_oci(&source.oci)
        {
            errors.push(FieldError::invalid_value(&source.oci, format!("{path}.oci"), details));
        }
        for (index, secret) in source.signature_pull_secrets.iter().enumerate() {
            if secret.name.is_empty() {
                errors.push(FieldError::missing([format!("{path}.signaturePullSecrets[{index}].name")]));
            }
        }
    }
}
