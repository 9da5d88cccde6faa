//! `TrustRoot.spec`.

use jiff::SignedDuration;
use serde_json::{Map, Value};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{FieldError, FieldErrors, check_url};
use crate::spec::encoded::Base64Data;
use crate::spec::trust_root::{
    CertificateAuthority, LogInstance, Remote, Repository, SHORTEST_REFRESH_INTERVAL, SigstoreKeys,
    TextSource, TrustRootSpec,
};
use crate::syntax::duration::parse_duration;

/// RFC 1952, section 2.3.1: the identification and the one compression method there is.
const GZIP_HEADER: [u8; 3] = [0x1f, 0x8b, 8];

/// Returns everything that is wrong with a trust root. The spec should be defaulted before.
///
/// Whether a repository verifies is not asked here; its archive must only look like one. All findings are
/// collected, where the Policy Controller reports those of the last key only.
///
/// # Guarantees
///
/// Never panics, whatever the fields hold.
pub fn validate_trust_root(spec: &TrustRootSpec) -> FieldErrors {
    let mut errors = FieldErrors::new();
    let known = [spec.remote.is_some(), spec.repository.is_some(), spec.sigstore_keys.is_some()];
    // What the Policy Controller names here; what it does not know stands apart.
    let paths = ["spec.remote", "spec.repository", "spec.sigstoreKeys"];
    match (known.into_iter().filter(|&given| given).count(), spec.trusted_root.is_some()) {
        (0, false) => errors.push(FieldError {
            details: "spec.trustedRoot would do as well".to_owned(),
            ..FieldError::missing_one_of(paths)
        }),
        (1, false) | (0, true) => {}
        (_, false) => errors.push(FieldError::multiple_one_of(paths)),
        (_, true) => errors
            .push(FieldError::multiple_one_of(paths.into_iter().chain(std::iter::once("spec.trustedRoot")))),
    }
    if !errors.is_empty() {
        return errors;
    }
    if !matches!(spec.on_expiry.as_str(), "" | "Keep" | "Reject") {
        let details = "unsupported value, expected Keep or Reject";
        errors.push(FieldError::invalid_value(&spec.on_expiry, "spec.onExpiry", details));
    }
    check_duration(&mut errors, &spec.max_staleness, "spec.maxStaleness", SignedDuration::ZERO);
    if let Some(remote) = &spec.remote {
        validate_remote(&mut errors, remote);
    }
    if let Some(repository) = &spec.repository {
        validate_repository(&mut errors, repository);
    }
    if let Some(keys) = &spec.sigstore_keys {
        validate_keys(&mut errors, keys);
    }
    if let Some(text) = &spec.trusted_root {
        validate_text(&mut errors, text, "spec.trustedRoot");
    }
    errors
}

fn validate_remote(errors: &mut FieldErrors, remote: &Remote) {
    check_present_url(errors, &remote.mirror, "spec.remote.mirror".to_owned());
    validate_root(errors, remote.root.as_ref(), "spec.remote.root");
    check_duration(
        errors,
        &remote.refresh_interval,
        "spec.remote.refreshInterval",
        SHORTEST_REFRESH_INTERVAL,
    );
    if let Some(bundle) = &remote.ca_bundle {
        validate_text(errors, bundle, "spec.remote.caBundle");
    }
    if let Some(credentials) = &remote.credentials {
        let path = "spec.remote.credentials.secretRef";
        match &credentials.secret_ref {
            None => errors.push(FieldError::missing([path])),
            Some(secret) => check_name(errors, &secret.name, path),
        }
        if !remote.mirror.to_ascii_lowercase().starts_with("https://") {
            let details = "spec.remote.credentials are sent over https only";
            errors.push(FieldError::invalid_value(&remote.mirror, "spec.remote.mirror", details));
        }
    }
}

fn validate_text(errors: &mut FieldErrors, text: &TextSource, path: &str) {
    let fields = ["data", "configMapRef", "secretRef"].map(|field| format!("{path}.{field}"));
    let given = [!text.data.is_empty(), text.config_map_ref.is_some(), text.secret_ref.is_some()];
    match given.into_iter().filter(|&given| given).count() {
        0 => errors.push(FieldError::missing_one_of(fields)),
        1 => {}
        _ => errors.push(FieldError::multiple_one_of(fields)),
    }
    for (reference, field) in [(&text.config_map_ref, "configMapRef"), (&text.secret_ref, "secretRef")] {
        if let Some(reference) = reference {
            check_name(errors, &reference.name, &format!("{path}.{field}"));
        }
    }
}

fn check_name(errors: &mut FieldErrors, name: &str, path: &str) {
    if name.is_empty() {
        errors.push(FieldError::missing([format!("{path}.name")]));
    }
}

fn check_duration(errors: &mut FieldErrors, text: &str, path: &str, shortest: SignedDuration) {
    match parse_duration(text) {
        Ok(None) => {}
        Ok(Some(duration)) if duration >= shortest => {}
        Ok(Some(_)) => {
            let details = format!("expected at least {}s", shortest.as_secs());
            errors.push(FieldError::invalid_value(text, path, details));
        }
        Err(details) => errors.push(FieldError::invalid_value(text, path, details)),
    }
}

fn validate_repository(errors: &mut FieldErrors, repository: &Repository) {
    if repository.targets.is_empty() {
        errors.push(FieldError::missing(["spec.repository.targets"]));
    }
    validate_root(errors, repository.root.as_ref(), "spec.repository.root");
    let Some(archive) = repository.mirror_fs.as_ref().filter(|archive| !archive.is_empty()) else {
        // The path has always been spelled so.
        return errors.push(FieldError::missing(["spec.repository.repository"]));
    };
    if !errors.is_empty() {
        return;
    }
    let path = "spec.repository.mirrorFS";
    match archive.decode(path) {
        Err(error) => errors.push(error),
        Ok(bytes) if bytes.starts_with(&GZIP_HEADER) => {}
        Ok(_) => {
            let details = "failed to uncompress: gzip: invalid header";
            errors.push(FieldError::invalid_value("failed to construct a TUF client", path, details));
        }
    }
}

fn validate_root(errors: &mut FieldErrors, root: Option<&Base64Data>, path: &str) {
    let Some(root) = root else { return errors.push(FieldError::missing([path])) };
    let bytes = match root.decode(path) {
        Ok(bytes) => bytes,
        Err(error) => return errors.push(error),
    };
    match serde_json::from_slice::<Map<String, Value>>(&bytes) {
        Err(error) => {
            errors.push(FieldError::invalid_value("failed to unmarshal", path, error.to_string()));
        }
        Ok(root) if root.get("signatures").is_none_or(Value::is_null) => {
            let message = "missing signatures in root.json";
            errors.push(FieldError::invalid_value(message, path, "no signatures"));
        }
        Ok(_) => {}
    }
}

fn validate_keys(errors: &mut FieldErrors, keys: &SigstoreKeys) {
    const PATH: &str = "spec.sigstoreKeys";
    if keys.certificate_authorities.is_empty() && keys.timestamp_authorities.is_empty() {
        let paths = ["certificateAuthority", "timestampAuthorities"].map(|field| format!("{PATH}.{field}"));
        errors.push(FieldError::missing_one_of(paths));
    }
    for (index, authority) in keys.certificate_authorities.iter().enumerate() {
        validate_certificate_authority(errors, authority, &format!("{PATH}.certificateAuthority[{index}]"));
    }
    for (index, authority) in keys.timestamp_authorities.iter().enumerate() {
        let path = format!("{PATH}.timestampAuthorities[{index}]");
        validate_certificate_authority(errors, authority, &path);
        validate_timestamp_chain(errors, authority, &format!("{path}.certChain"));
    }
    for (field, logs) in [("ctLogs", &keys.ct_logs), ("tLogs", &keys.t_logs)] {
        for (index, log) in logs.iter().enumerate() {
            validate_log(errors, log, &format!("{PATH}.{field}[{index}]"));
        }
    }
}

fn validate_certificate_authority(errors: &mut FieldErrors, authority: &CertificateAuthority, path: &str) {
    let subject = &authority.subject;
    for (field, value) in [("organization", &subject.organization), ("commonName", &subject.common_name)] {
        if value.is_empty() {
            errors.push(FieldError::missing([format!("{path}.subject.{field}")]));
        }
    }
    check_present_url(errors, &authority.uri, format!("{path}.uri"));
    check_bytes(
        errors,
        authority.cert_chain.as_ref(),
        format!("{path}.certchain"),
        &format!("{path}.certChain"),
    );
}

/// A timestamp authority signs with the one certificate of its chain that is not an authority's.
fn validate_timestamp_chain(errors: &mut FieldErrors, authority: &CertificateAuthority, path: &str) {
    // What is missing or not base64 is reported as such already.
    let Some(Ok(chain)) =
        authority.cert_chain.as_ref().filter(|chain| !chain.is_empty()).map(|c| c.decode(path))
    else {
        return;
    };
    match count_leaves(&chain) {
        Ok(0 | 1) => {}
        Ok(_) => {
            let message = "certificate chain must contain at most one TSA certificate";
            errors.push(FieldError::invalid_value(message, path, ""));
        }
        Err(details) => {
            errors.push(FieldError::invalid_value("error splitting the certificates", path, details));
        }
    }
}

/// Returns how many certificates of a PEM chain are not an authority's.
fn count_leaves(chain: &[u8]) -> Result<usize, String> {
    let no_pem = || "error during PEM decoding".to_owned();
    let blocks = pem::parse_many(chain).map_err(|_| no_pem())?;
    if blocks.is_empty() {
        return Err(no_pem());
    }
    let mut leaves = 0;
    for block in blocks.iter().filter(|block| block.tag() == "CERTIFICATE") {
        let (_, certificate) =
            X509Certificate::from_der(block.contents()).map_err(|error| error.to_string())?;
        leaves += usize::from(!certificate.is_ca());
    }
    Ok(leaves)
}

fn validate_log(errors: &mut FieldErrors, log: &LogInstance, path: &str) {
    check_present_url(errors, &log.base_url, format!("{path}.baseURL"));
    if log.hash_algorithm.is_empty() {
        errors.push(FieldError::missing([format!("{path}.hashAlgorithm")]));
    }
    let path = format!("{path}.publicKey");
    check_bytes(errors, log.public_key.as_ref(), path.clone(), &path);
}

fn check_present_url(errors: &mut FieldErrors, text: &str, path: String) {
    if text.is_empty() {
        errors.push(FieldError::missing([path]));
    } else {
        check_url(errors, text, path);
    }
}

fn check_bytes(errors: &mut FieldErrors, data: Option<&Base64Data>, missing_path: String, path: &str) {
    match data.filter(|data| !data.is_empty()) {
        None => errors.push(FieldError::missing([missing_path])),
        Some(data) => errors.extend(data.decode(path).err()),
    }
}
