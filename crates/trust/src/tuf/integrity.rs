//! Whether bytes are those that a signed file speaks of.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256, Sha512};
use sigstore_tuf::{MetaFile, TargetFile};

use super::error::TufError;

/// Checks metadata against the file that lists it (TUF specification 5.5.2, 5.6.2). Length and hashes are optional
/// there; its version is checked with its signatures.
pub(super) fn check_metadata(bytes: &[u8], listed: &MetaFile, file: &str) -> Result<(), TufError> {
    if let Some(length) = listed.length {
        check_length(bytes, length, file)?;
    }
    listed.hashes.as_ref().map_or(Ok(()), |hashes| check_hashes(bytes, hashes, file))
}

/// Checks a target against the role that lists it (5.7.2).
pub(super) fn check_target(bytes: &[u8], listed: &TargetFile, file: &str) -> Result<(), TufError> {
    check_length(bytes, listed.length, file)?;
    check_hashes(bytes, &listed.hashes, file)
}

/// Returns the names under which a target may lie (5.7.3): with each hash that we know before it where snapshots are
/// consistent, SHA-256 first.
pub(super) fn target_paths(name: &str, listed: &TargetFile, consistent: bool) -> Vec<String> {
    if !consistent {
        return vec![format!("targets/{name}")];
    }
    let (folder, file) = name.rsplit_once('/').map_or(("", name), |(folder, file)| (folder, file));
    let slash = if folder.is_empty() { "" } else { "/" };
    ["sha256", "sha512"]
        .into_iter()
        .filter_map(|algorithm| listed.hashes.get(algorithm))
        .filter(|hash| hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .map(|hash| format!("targets/{folder}{slash}{hash}.{file}"))
        .collect()
}

fn check_length(bytes: &[u8], expected: u64, file: &str) -> Result<(), TufError> {
    let actual = bytes.len() as u64;
    if actual != expected {
        return Err(TufError::LengthMismatch { file: file.to_owned(), expected, actual });
    }
    Ok(())
}

/// Every hash that we know must agree, and there must be one.
fn check_hashes(bytes: &[u8], hashes: &BTreeMap<String, String>, file: &str) -> Result<(), TufError> {
    let mut known = 0;
    for (algorithm, expected) in hashes {
        let actual = match algorithm.as_str() {
            "sha256" => hex::encode(Sha256::digest(bytes)),
            "sha512" => hex::encode(Sha512::digest(bytes)),
            _ => continue,
        };
        if !actual.eq_ignore_ascii_case(expected) {
            return Err(TufError::HashMismatch {
                file: file.to_owned(),
                algorithm: algorithm.clone(),
                expected: expected.clone(),
                actual,
            });
        }
        known += 1;
    }
    if known == 0 {
        return Err(TufError::NoUsableHash {
            file: file.to_owned(),
            algorithms: hashes.keys().cloned().collect(),
        });
    }
    Ok(())
}
