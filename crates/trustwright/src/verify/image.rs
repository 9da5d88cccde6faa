//! What is to be judged.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use trustwright_core::{Digest, ImageRef};

/// An image, and where it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// In the registry that its name says.
    Registry(ImageRef),
    /// In an OCI image layout: the folder, and the tag or digest in it.
    Layout(PathBuf, Option<String>),
}

impl Subject {
    /// Reads `IMAGE`.
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let Some(layout) = text.strip_prefix("oci:") else {
            return Ok(Self::Registry(text.parse().context("IMAGE")?));
        };
        ensure!(!layout.is_empty(), "IMAGE: oci: needs a folder");
        // A colon may be part of a folder's name.
        if PathBuf::from(layout).is_dir() {
            return Ok(Self::Layout(layout.into(), None));
        }
        let (folder, selected) = match layout.rsplit_once('@') {
            Some((folder, digest)) if digest.parse::<Digest>().is_ok() => (folder, Some(digest)),
            _ => match layout.rsplit_once(':') {
                Some((folder, tag)) if !tag.contains('/') => (folder, Some(tag)),
                _ => (layout, None),
            },
        };
        Ok(Self::Layout(folder.into(), selected.map(str::to_owned)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_is_named_by_folder_and_tag_or_digest() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let here = env!("CARGO_MANIFEST_DIR");
        for (text, folder, selected) in [
            ("oci:a/b", "a/b", None),
            ("oci:a/b:v1", "a/b", Some("v1")),
            ("oci:a:b/c", "a:b/c", None),
            (&format!("oci:a/b@{digest}"), "a/b", Some(digest.as_str())),
            ("oci:a@b", "a@b", None),
            (&format!("oci:{here}"), here, None),
        ] {
            let expected = Subject::Layout(folder.into(), selected.map(str::to_owned));
            assert_eq!(Subject::parse(text).unwrap(), expected, "{text}");
        }
        assert!(Subject::parse("oci:").is_err());
        assert!(matches!(Subject::parse("ghcr.io/a/b:v1").unwrap(), Subject::Registry(_)));
        let error = format!("{:#}", Subject::parse("ghcr.io/A/b").unwrap_err());
        assert_eq!(error, "IMAGE: could not parse reference: ghcr.io/A/b");
    }
}
