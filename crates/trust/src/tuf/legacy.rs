//! Repositories from before the trusted root: each key is a target that says what it is for.

use serde::Deserialize;
use sigstore_tuf::TargetFile;

use super::client::Client;
use super::error::TufError;
use super::mirror::Mirror;
use crate::source::{CertificateAuthoritySource, LogSource, SigstoreKeysSource};

/// `custom` of a target in this layout. A status (`Active`, `Expired`) is there too and does not count: signatures
/// of the time of an expired key stay valid.
#[derive(Deserialize)]
struct Custom {
    sigstore: Purpose,
}

#[derive(Deserialize)]
struct Purpose {
    usage: String,
    #[serde(default)]
    uri: String,
}

/// Reads the keys that top-level targets list as `Fulcio`, `CTFE` or `Rekor`, in the order of their names. Other
/// usages, and targets that say nothing or not in this form, are passed over.
pub(super) async fn read<M: Mirror>(client: &mut Client<'_, M>) -> Result<SigstoreKeysSource, TufError> {
    let keys: Vec<_> = client
        .targets("targets")
        .into_iter()
        .flat_map(|targets| &targets.targets)
        .filter_map(|(name, listed)| Some((name.clone(), listed.clone(), purpose(listed)?)))
        .collect();
    let request = client.request();
    if keys.is_empty() {
        return Err(TufError::NoTrustedRoot { target: request.target.to_owned() });
    }
    let limit = request.limits.legacy_keys;
    if keys.len() as u64 > u64::from(limit) {
        return Err(TufError::TooManyKeys { found: keys.len(), limit });
    }
    let mut source = SigstoreKeysSource::default();
    for (name, listed, Purpose { usage, uri }) in keys {
        let pem = client.read_target(&name, &listed).await?;
        match usage.as_str() {
            "Fulcio" => source.certificate_authorities.push(CertificateAuthoritySource {
                uri,
                cert_chain_pem: pem,
                ..CertificateAuthoritySource::default()
            }),
            "CTFE" => source.ct_logs.push(log(uri, pem)),
            _ => source.t_logs.push(log(uri, pem)),
        }
    }
    Ok(source)
}

fn purpose(listed: &TargetFile) -> Option<Purpose> {
    let custom: Custom = serde_json::from_value(listed.custom.clone()?).ok()?;
    ["CTFE", "Fulcio", "Rekor"].contains(&custom.sigstore.usage.as_str()).then_some(custom.sigstore)
}

fn log(base_url: String, public_key_pem: Vec<u8>) -> LogSource {
    LogSource { base_url, hash_algorithm: "SHA2_256".to_owned(), public_key_pem }
}
