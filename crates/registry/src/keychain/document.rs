//! The JSON of a keychain.

use std::collections::BTreeMap;

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::Deserialize;

use super::{KeychainError, KeychainFormat};
use crate::Credential;

/// Some tools write `auth` without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[derive(Deserialize)]
struct DockerConfigJson {
    #[serde(default)]
    auths: Option<Auths>,
}

type Auths = BTreeMap<String, Option<Entry>>;

#[derive(Default, Deserialize)]
struct Entry {
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    auth: Option<String>,
    #[serde(default)]
    identitytoken: Option<String>,
}

/// The entries in the alphabet's order, so that the same document always means the same.
pub(super) fn read(format: KeychainFormat, bytes: &[u8]) -> Result<Vec<(String, Credential)>, KeychainError> {
    let auths = match format {
        KeychainFormat::DockerConfigJson => {
            serde_json::from_slice::<DockerConfigJson>(bytes).map(|document| document.auths)
        }
        KeychainFormat::DockerCfg => serde_json::from_slice::<Option<Auths>>(bytes),
    };
    // The parser's own words may quote what it found.
    let auths = auths.map_err(|error| KeychainError::Document {
        format,
        line: error.line(),
        column: error.column(),
    })?;
    let entries = auths.unwrap_or_default().into_iter().map(|(name, entry)| {
        match credential(entry.unwrap_or_default()) {
            Some(credential) => Ok((name, credential)),
            None => Err(KeychainError::Auth { entry: name }),
        }
    });
    entries.collect()
}

fn credential(entry: Entry) -> Option<Credential> {
    let given = |value: Option<String>| value.filter(|value| !value.is_empty());
    if let Some(token) = given(entry.identitytoken) {
        return Some(Credential::IdentityToken(token));
    }
    let (username, password) = match given(entry.auth) {
        Some(text) => decode(&text)?,
        None => (entry.username.unwrap_or_default(), entry.password.unwrap_or_default()),
    };
    Some(if username.is_empty() && password.is_empty() {
        Credential::Anonymous
    } else {
        Credential::Basic { username, password }
    })
}

fn decode(auth: &str) -> Option<(String, String)> {
    let text = String::from_utf8(BASE64.decode(auth.trim()).ok()?).ok()?;
    let (username, password) = text.split_once(':')?;
    // Docker has padded passwords with zero bytes.
    Some((username.to_owned(), password.trim_end_matches('\0').to_owned()))
}
