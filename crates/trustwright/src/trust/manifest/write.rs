//! A packed repository as a `TrustRoot`.

use anyhow::Context as _;
use trustwright_api::names;
use trustwright_api::spec::Base64Data;
use trustwright_api::v1alpha1::{Repository, TrustRoot, TrustRootSpec};
use trustwright_trust::tuf::TRUSTED_ROOT_TARGET;

/// A repository for a manifest.
#[derive(Debug)]
pub(in crate::trust) struct Packed<'a> {
    /// `metadata.name`.
    pub(in crate::trust) name: &'a str,
    /// The root that trust starts from.
    pub(in crate::trust) root: &'a [u8],
    /// The repository as tar.gz.
    pub(in crate::trust) archive: &'a [u8],
    /// Name of the target with the trusted root.
    pub(in crate::trust) target: &'a str,
    /// `spec.onExpiry`; empty leaves it out.
    pub(in crate::trust) on_expiry: &'a str,
}

/// Writes a `TrustRoot` in YAML. The same input gives the same text.
pub(in crate::trust) fn write(packed: &Packed<'_>) -> anyhow::Result<String> {
    let usual = packed.target == TRUSTED_ROOT_TARGET;
    let spec = TrustRootSpec {
        repository: Some(Repository {
            root: Some(Base64Data::encode(packed.root)),
            mirror_fs: Some(Base64Data::encode(packed.archive)),
            targets: names::DEFAULT_TARGETS.to_owned(),
            trusted_root_target: if usual { String::new() } else { packed.target.to_owned() },
        }),
        on_expiry: packed.on_expiry.to_owned(),
        ..TrustRootSpec::default()
    };
    let mut options = serde_saphyr::SerializerOptions::default();
    // Each value on one line: it is not for reading.
    options.prefer_block_scalars = false;
    let mut text = String::new();
    serde_saphyr::to_fmt_writer_with_options(&mut text, &TrustRoot::new(packed.name, spec), options)
        .context("cannot write the manifest")?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use trustwright_roots::{OnExpiry, Source};

    use super::super::read;
    use super::*;

    #[test]
    fn what_was_written_is_read_again_whatever_it_is_called() {
        for (name, target, on_expiry) in [("1e3", "trusted_root.json", "Reject"), ("null", "a: #b", "")] {
            let packed = Packed { name, root: b"{}", archive: &vec![0x1f; 512 << 10], target, on_expiry };
            let text = write(&packed).unwrap();
            let object: Value = serde_saphyr::from_str(&text).unwrap();
            assert_eq!(object["metadata"]["name"], name);
            assert_eq!(object["spec"]["repository"]["targets"], "targets");
            let spec = read(text.as_bytes()).unwrap().spec;
            let Source::Repository(repository) = &spec.source else { panic!("{text}") };
            let anchor = &repository.anchor;
            assert_eq!((anchor.root.as_slice(), repository.packed.as_slice()), (packed.root, packed.archive));
            let rejects = spec.rule.on_expiry == OnExpiry::Reject;
            assert_eq!((anchor.target.as_str(), rejects), (target, on_expiry == "Reject"));
        }
    }
}
